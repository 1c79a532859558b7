//! The changes in a run: drift, changes by operators, and changes and failures of AWS.

use driftless_planner::fact::ComplianceType;
use driftless_planner::ids::{GroupName, InstanceId};
use driftless_planner::observation::FreezeScope;
use jiff::SignedDuration;

use super::fleet::Names;
use super::{BUSY, cutovers, dawn, others};
use crate::fleet::zones;
use crate::people;
use crate::rng::Rng;
use crate::world::World;

/// Schedules the changes of the run at random times.
pub(super) fn plan(world: &mut World, names: &Names, rng: &mut Rng, is_calm: bool) {
    let events = if is_calm { 1 } else { rng.between(1, 30) };
    for _ in 0..events {
        let at = dawn() + rng.duration(SignedDuration::from_mins(5), BUSY - SignedDuration::from_mins(5));
        let kind = if is_calm { 0 } else { rng.below(119) };
        let (names, mut rng) = (names.clone(), rng.split());
        world.change_at(at, move |world| match kind {
            0..25 => drift(world, &names, &mut rng),
            25..28 => drift_many(world, &names),
            28..33 => clear(world, &names, &mut rng),
            33..40 => resize(world, &names, &mut rng),
            40..44 => freeze(world, &mut rng),
            44..49 => fail(world, &names, &mut rng),
            49..53 => shortage(world, &mut rng),
            53..75 => cutovers::publish(world, &names, &mut rng),
            75..80 => cutovers::go_into_alarm(world, &names, &mut rng),
            80..84 => cutovers::write_weights(world, &names, &mut rng),
            84..88 => cutovers::write_template(world, &names, &mut rng),
            100..105 => others::protect(world, &names, &mut rng),
            105..107 => others::mistype(world, &names, &mut rng),
            107..110 => others::put_all_in_alarm(world, &names, &mut rng),
            110..112 => others::delete_alarm(world, &names, &mut rng),
            112..114 => others::take_turns(world, &mut rng),
            114..116 => others::drift_elsewhere(world, &names),
            116..119 => others::drift_and_fail(world, &names, &mut rng),
            _ => cutovers::command(world, &names, &mut rng),
        });
    }
}

pub(super) fn some_member(world: &World, names: &Names, rng: &mut Rng) -> Option<InstanceId> {
    let members = names.fleet.colors.iter().flat_map(|color| world.cloud.members(&color.group));
    let members: Vec<InstanceId> = members.map(|member| member.id.clone()).collect();
    rng.pick(&members).cloned()
}

fn drift(world: &mut World, names: &Names, rng: &mut Rng) {
    if let Some(instance) = some_member(world, names, rng) {
        world.cloud.report_compliance(&names.rule, &instance, ComplianceType::NonCompliant);
    }
}

/// An edited rule makes about 60 % of the instances drift at once.
fn drift_many(world: &mut World, names: &Names) {
    world.cloud.edit_rule(&names.rule, 60);
}

fn clear(world: &mut World, names: &Names, rng: &mut Rng) {
    let drifted: Vec<_> = names.fleet.colors.iter().flat_map(|color| drifted(world, &color.group)).collect();
    if let Some(instance) = rng.pick(&drifted).cloned() {
        world.cloud.report_compliance(&names.rule, &instance, ComplianceType::Compliant);
    }
}

/// The instances of a group that are drifted now.
pub(super) fn drifted(world: &World, group: &GroupName) -> Vec<InstanceId> {
    let drifted = world.cloud.members(group).filter(|member| !member.breaks.is_empty());
    drifted.map(|member| member.id.clone()).collect()
}

/// An operator, Terraform or a scaling policy writes the desired capacity.
fn resize(world: &mut World, names: &Names, rng: &mut Rng) {
    let share = rng.below(1_000);
    let is_open = |group: &&GroupName| world.cloud.groups().get(group).is_some_and(|known| known.max > 0);
    let open: Vec<GroupName> = names.fleet.colors.iter().map(|color| &color.group).filter(is_open).cloned().collect();
    let Some(group) = rng.pick(&open).cloned() else { return };
    let Some(known) = world.cloud.groups().get(&group) else { return };
    let low = known.min.max(1);
    let span = u64::from(known.max.saturating_sub(low));
    people::write_desired(world, &group, low + u32::try_from(span * share / 999).unwrap_or(0));
}

fn freeze(world: &mut World, rng: &mut Rng) {
    let expires_at = Some(world.now + rng.duration(SignedDuration::from_mins(1), SignedDuration::from_hours(3)));
    people::freeze(world, FreezeScope::Account, "incident", expires_at);
}

/// One zone or all zones have no capacity for a time.
fn shortage(world: &mut World, rng: &mut Rng) {
    let end = world.now + rng.duration(SignedDuration::from_mins(5), SignedDuration::from_hours(1));
    let zones = if rng.happens(400_000) { zones() } else { rng.pick(&zones()).cloned().into_iter().collect() };
    for zone in zones {
        world.note(|| format!("EC2: no room in {zone} until {end}"));
        world.cloud.set_short(&zone, true);
        world.change_at(end, move |world| world.cloud.set_short(&zone, false));
    }
}

/// An instance stops responding, or EC2 loses it.
fn fail(world: &mut World, names: &Names, rng: &mut Rng) {
    if let Some(instance) = some_member(world, names, rng) {
        world.note(|| format!("EC2: {instance} fails"));
        world.cloud.break_instance(&instance, rng.happens(500_000));
    }
}
