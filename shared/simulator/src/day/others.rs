//! Further changes in a run: protected instances, wrong tags, changes of alarms, other fleets, and suspended processes.

use driftless_planner::alarm::AlarmState;
use driftless_planner::fact::ComplianceType;
use driftless_planner::ids::{FleetName, GroupName, InstanceId};
use driftless_planner::limits::CUTOVERS_MAX;
use jiff::SignedDuration;

use super::events::{drifted, some_member};
use super::fleet::Names;
use crate::invariants::Protected;
use crate::rng::Rng;
use crate::world::World;

/// An operator protects an instance, most often a drifted one to inspect it: by its tag, with or without an expiry, or
/// from scale-in. The operator later removes the protection.
pub(super) fn protect(world: &mut World, names: &Names, rng: &mut Rng) {
    let drifted: Vec<InstanceId> = names.fleet.colors.iter().flat_map(|color| drifted(world, &color.group)).collect();
    let meant = if rng.happens(700_000) { rng.pick(&drifted).cloned() } else { None };
    let Some(instance) = meant.or_else(|| some_member(world, names, rng)) else { return };
    if world.history.protected.contains_key(&instance) {
        return;
    }
    let end = world.now + rng.duration(SignedDuration::from_mins(1), SignedDuration::from_hours(2));
    let way = rng.below(3);
    match way {
        0 => world.cloud.spare(&instance, true),
        1 => world.cloud.tag_protected(&instance, Some("debugging")),
        _ => world.cloud.tag_protected(&instance, Some(&format!("debugging until {end}"))),
    }
    world.note(|| format!("a person: protects {instance} until {end}"));
    let protected = Protected { since: world.now, from_scale_in: way == 0 };
    world.history.protected.insert(instance.clone(), protected);
    world.change_at(end, move |world| scaled_to_zero(world, &instance));
}

fn scaled_to_zero(world: &mut World, instance: &InstanceId) {
    let Some(Protected { from_scale_in, .. }) = world.history.protected.remove(instance) else { return };
    if from_scale_in {
        world.cloud.spare(instance, false);
    } else {
        world.cloud.tag_protected(instance, None);
    }
    world.note(|| format!("an operator stops protecting {instance}"));
}

/// Operators remove the protection of every instance.
pub(super) fn release_all(world: &mut World) {
    let protected: Vec<InstanceId> = world.history.protected.keys().cloned().collect();
    for instance in protected {
        scaled_to_zero(world, &instance);
    }
}

/// An operator mistypes a policy tag, and corrects it later.
pub(super) fn mistype(world: &mut World, names: &Names, rng: &mut Rng) {
    let groups: Vec<GroupName> = names.fleet.colors.iter().map(|color| color.group.clone()).collect();
    let end = world.now + rng.duration(SignedDuration::from_mins(1), SignedDuration::from_hours(1));
    world.note(|| format!("a person: writes a tag that says nothing, until {end}"));
    for group in &groups {
        world.cloud.edit_group(group, |group| {
            group.tags.insert("driftless:bugdet".to_owned(), "2".to_owned());
        });
    }
    world.change_at(end, move |world| {
        for group in &groups {
            world.cloud.edit_group(group, |group| {
                group.tags.remove("driftless:bugdet");
            });
        }
    });
}

/// A shared dependency fails: all alarms go into ALARM.
pub(super) fn put_all_in_alarm(world: &mut World, names: &Names, rng: &mut Rng) {
    let end = world.now + rng.duration(SignedDuration::from_mins(1), SignedDuration::from_mins(40));
    let alarms = names.alarms.clone();
    for alarm in &alarms {
        world.cloud.force_alarm(alarm, Some(AlarmState::Alarm));
    }
    world.change_at(end, move |world| {
        for alarm in &alarms {
            world.cloud.force_alarm(alarm, None);
        }
    });
}

/// An operator deletes an alarm, and creates it again later.
pub(super) fn delete_alarm(world: &mut World, names: &Names, rng: &mut Rng) {
    let Some(name) = rng.pick(&names.alarms).cloned() else { return };
    let Some(known) = world.cloud.alarms_now().get(&name).cloned() else { return };
    let end = world.now + rng.duration(SignedDuration::from_mins(1), SignedDuration::from_mins(40));
    world.note(|| format!("a person: deletes {name}, until {end}"));
    world.cloud.remove_alarm(&name);
    world.change_at(end, move |world| world.cloud.add_alarm(&name, known.subject, known.window));
}

fn other_fleets() -> impl Iterator<Item = FleetName> {
    ["api", "batch", "web"].into_iter().filter_map(|name| name.parse().ok())
}

/// Other fleets of the account hold the cutover slots for some minutes.
pub(super) fn take_turns(world: &mut World, rng: &mut Rng) {
    world.note(|| "other fleets take their turns".to_owned());
    // The resync releases the slots of fleets that do not exist, so they are taken again each minute.
    let minutes = i64::try_from(rng.between(2, 40)).unwrap_or(2);
    for minute in 0..minutes {
        let at = world.now + SignedDuration::from_mins(minute);
        world.change_at(at, |world| {
            let now = world.now;
            for fleet in other_fleets() {
                world.table.take_slot(&fleet, CUTOVERS_MAX, now);
            }
        });
    }
    let end = world.now + SignedDuration::from_mins(minutes);
    world.change_at(end, |world| {
        for fleet in other_fleets() {
            world.table.give_slot(&fleet);
        }
    });
}

/// An edited rule makes other fleets drift, and about 20 % of the instances of this fleet.
pub(super) fn drift_elsewhere(world: &mut World, names: &Names) {
    let now = world.now;
    for fleet in other_fleets() {
        world.table.drifts_elsewhere(&names.rule, &fleet, now);
    }
    world.note(|| "other fleets drift".to_owned());
    world.cloud.edit_rule(&names.rule, 20);
}

/// An instance drifts and fails at once. Auto Scaling replaces it, unless an operator has just suspended
/// `ReplaceUnhealthy`.
pub(super) fn drift_and_fail(world: &mut World, names: &Names, rng: &mut Rng) {
    if let Some(instance) = some_member(world, names, rng) {
        world.note(|| format!("EC2: {instance} fails, and drifts"));
        let group = world.cloud.instances().get(&instance).map(|known| known.group.clone());
        if let Some(group) = group.filter(|_| rng.happens(500_000)) {
            suspend(world, &group, "ReplaceUnhealthy", rng);
        }
        world.cloud.report_compliance(&names.rule, &instance, ComplianceType::NonCompliant);
        world.cloud.break_instance(&instance, rng.happens(500_000));
    }
}

/// An operator suspends a process of a group, and resumes it later.
fn suspend(world: &mut World, group: &GroupName, process: &'static str, rng: &mut Rng) {
    let end = world.now + rng.duration(SignedDuration::from_mins(1), SignedDuration::from_mins(40));
    world.note(|| format!("a person: suspends {process} of {group} until {end}"));
    world.cloud.edit_group(group, |group| {
        group.suspended.insert(process.to_owned());
    });
    let group = group.clone();
    world.change_at(end, move |world| {
        world.cloud.edit_group(&group, |group| {
            group.suspended.remove(process);
        });
    });
}
