//! What happens on a day: drift, people, AWS.

use driftless_planner::fact::ComplianceType;
use driftless_planner::ids::{GroupName, InstanceId};
use driftless_planner::observation::FreezeScope;
use jiff::SignedDuration;

use super::fleet::Names;
use super::{BUSY, cutovers, dawn, others};
use crate::dice::Dice;
use crate::fleet::zones;
use crate::people;
use crate::world::World;

/// Writes the day's events on the agenda.
pub(super) fn plan(world: &mut World, names: &Names, dice: &mut Dice, is_calm: bool) {
    let events = if is_calm { 1 } else { dice.between(1, 30) };
    for _ in 0..events {
        let at = dawn() + dice.duration(SignedDuration::from_mins(5), BUSY - SignedDuration::from_mins(5));
        let kind = if is_calm { 0 } else { dice.below(119) };
        let (names, mut dice) = (names.clone(), dice.split());
        world.change_at(at, move |world| match kind {
            0..25 => drift(world, &names, &mut dice),
            25..28 => drift_many(world, &names),
            28..33 => clear(world, &names, &mut dice),
            33..40 => resize(world, &names, &mut dice),
            40..44 => freeze(world, &mut dice),
            44..49 => fail(world, &names, &mut dice),
            49..53 => shortage(world, &mut dice),
            53..75 => cutovers::publish(world, &names, &mut dice),
            75..80 => cutovers::go_into_alarm(world, &names, &mut dice),
            80..84 => cutovers::write_weights(world, &names, &mut dice),
            84..88 => cutovers::write_template(world, &names, &mut dice),
            100..105 => others::protect(world, &names, &mut dice),
            105..107 => others::mistype(world, &names, &mut dice),
            107..110 => others::put_all_in_alarm(world, &names, &mut dice),
            110..112 => others::delete_alarm(world, &names, &mut dice),
            112..114 => others::take_turns(world, &mut dice),
            114..116 => others::drift_elsewhere(world, &names),
            116..119 => others::drift_and_fail(world, &names, &mut dice),
            _ => cutovers::command(world, &names, &mut dice),
        });
    }
}

pub(super) fn some_member(world: &World, names: &Names, dice: &mut Dice) -> Option<InstanceId> {
    let members = names.fleet.colors.iter().flat_map(|color| world.cloud.members(&color.group));
    let members: Vec<InstanceId> = members.map(|member| member.id.clone()).collect();
    dice.pick(&members).cloned()
}

fn drift(world: &mut World, names: &Names, dice: &mut Dice) {
    if let Some(instance) = some_member(world, names, dice) {
        world.cloud.judge(&names.rule, &instance, ComplianceType::NonCompliant);
    }
}

/// A rule was edited: most of the fleet drifts at once.
fn drift_many(world: &mut World, names: &Names) {
    world.cloud.edit_rule(&names.rule, 60);
}

fn clear(world: &mut World, names: &Names, dice: &mut Dice) {
    let drifted: Vec<_> = names.fleet.colors.iter().flat_map(|color| drifted(world, &color.group)).collect();
    if let Some(instance) = dice.pick(&drifted).cloned() {
        world.cloud.judge(&names.rule, &instance, ComplianceType::Compliant);
    }
}

/// What breaks a rule now.
pub(super) fn drifted(world: &World, group: &GroupName) -> Vec<InstanceId> {
    let drifted = world.cloud.members(group).filter(|member| !member.breaks.is_empty());
    drifted.map(|member| member.id.clone()).collect()
}

/// A person, Terraform or a scaling policy writes the desired capacity.
fn resize(world: &mut World, names: &Names, dice: &mut Dice) {
    let share = dice.below(1_000);
    let is_open = |group: &&GroupName| world.cloud.groups().get(group).is_some_and(|known| known.max > 0);
    let open: Vec<GroupName> = names.fleet.colors.iter().map(|color| &color.group).filter(is_open).cloned().collect();
    let Some(group) = dice.pick(&open).cloned() else { return };
    let Some(known) = world.cloud.groups().get(&group) else { return };
    let low = known.min.max(1);
    let span = u64::from(known.max.saturating_sub(low));
    people::write_desired(world, &group, low + u32::try_from(span * share / 999).unwrap_or(0));
}

fn freeze(world: &mut World, dice: &mut Dice) {
    let expires_at = Some(world.now + dice.duration(SignedDuration::from_mins(1), SignedDuration::from_hours(3)));
    people::freeze(world, FreezeScope::Account, "incident", expires_at);
}

/// A zone, or every one, has no room for new instances.
fn shortage(world: &mut World, dice: &mut Dice) {
    let end = world.now + dice.duration(SignedDuration::from_mins(5), SignedDuration::from_hours(1));
    let zones = if dice.happens(400_000) { zones() } else { dice.pick(&zones()).cloned().into_iter().collect() };
    for zone in zones {
        world.note(|| format!("EC2: no room in {zone} until {end}"));
        world.cloud.set_short(&zone, true);
        world.change_at(end, move |world| world.cloud.set_short(&zone, false));
    }
}

/// An instance stops to answer, or EC2 loses it.
fn fail(world: &mut World, names: &Names, dice: &mut Dice) {
    if let Some(instance) = some_member(world, names, dice) {
        world.note(|| format!("EC2: {instance} fails"));
        world.cloud.break_instance(&instance, dice.happens(500_000));
    }
}
