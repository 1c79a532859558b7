//! Behavior that only some runs have: lifecycle hooks, refused writes, AZ rebalancing, scaling policies, and other
//! replacement strategies. It is drawn from separate random numbers, so that it changes no other draw of the run.

use driftless_planner::ids::GroupName;
use jiff::SignedDuration;

use super::fleet::Names;
use super::{BUSY, dawn};
use crate::cloud::{GroupState, Life};
use crate::people;
use crate::rng::Rng;
use crate::world::World;

/// Number of runs, per million, that can have the behavior in this module.
const DAYS_WITH_FAULTS: u32 = 500_000;

/// Draws the behavior in this module for a run, and schedules it.
pub(super) fn set(world: &mut World, names: &Names, rng: &mut Rng) {
    if !rng.happens(DAYS_WITH_FAULTS) {
        return;
    }
    if rng.happens(300_000) {
        replaces_otherwise(world, names, rng);
    }
    if rng.happens(300_000) {
        has_hooks(world, names, rng);
    }
    if rng.happens(300_000) {
        is_busy(world, rng);
    }
    if rng.happens(300_000) {
        evens_out(world, names, rng);
    }
    if rng.happens(400_000) {
        follows_load(world, names, rng);
    }
}

/// The policy uses another replacement strategy: `terminate-first`, or `quarantine` for forensics.
fn replaces_otherwise(world: &mut World, names: &Names, rng: &mut Rng) {
    let way = if rng.happens(500_000) { "terminate-first" } else { "quarantine" };
    for color in &names.fleet.colors {
        world.cloud.edit_group(&color.group, |group| {
            group.tags.insert("driftless:strategy".to_owned(), way.to_owned());
            // `terminate-first` leaves one instance fewer: a policy with 100 % minimum healthy would be invalid.
            if way == "terminate-first" && group.tags.get("driftless:min-healthy").is_some_and(|share| share == "100%")
            {
                group.tags.insert("driftless:min-healthy".to_owned(), "60%".to_owned());
            }
        });
    }
    world.note(|| format!("the policy: replace by {way}"));
}

/// The groups have a launch hook, a termination hook, or both.
fn has_hooks(world: &mut World, names: &Names, rng: &mut Rng) {
    let mut timeout = || {
        let drawn = rng.duration(SignedDuration::from_mins(1), SignedDuration::from_mins(8));
        rng.happens(700_000).then_some(drawn)
    };
    let (launch, end) = (timeout(), timeout());
    for color in &names.fleet.colors {
        world.cloud.edit_group(&color.group, |group| (group.launch_hook, group.end_hook) = (launch, end));
    }
    world.note(|| format!("hooks: {launch:?} at the launch, {end:?} at the end"));
}

/// Auto Scaling refuses some writes to groups because of a scaling activity.
fn is_busy(world: &mut World, rng: &mut Rng) {
    world.rates.busy = u32::try_from(rng.between(1_000, 100_000)).unwrap_or(1_000);
}

/// AZ rebalancing starts in a group, up to six times in the run.
fn evens_out(world: &mut World, names: &Names, rng: &mut Rng) {
    for _ in 0..rng.between(1, 6) {
        let at = dawn() + rng.duration(SignedDuration::from_mins(5), BUSY - SignedDuration::from_mins(5));
        let Some(group) = rng.pick(&names.fleet.colors).map(|color| color.group.clone()) else { return };
        world.change_at(at, move |world| {
            if world.cloud.groups().get(&group).is_some_and(|known| known.desired > 0) {
                world.note(|| format!("Auto Scaling: evens out the zones of {group}"));
                world.cloud.rebalance(&group);
            }
        });
    }
}

/// The scaling policy of each color follows the color's share of a load that rises and falls periodically.
fn follows_load(world: &mut World, names: &Names, rng: &mut Rng) {
    let groups = names.fleet.colors.iter().filter_map(|color| world.cloud.groups().get(&color.group));
    let Some(wanted) = groups.map(|group| group.desired).max() else { return };
    let (period, every) = (rng.between(40, 240), rng.between(1, 5));
    world.note(|| format!("scaling policies follow a load that rises and falls in {period} minutes"));
    let minutes = u64::try_from(BUSY.as_mins()).unwrap_or(0);
    for minute in (10..minutes.saturating_sub(10)).step_by(usize::try_from(every).unwrap_or(1)) {
        let names = names.clone();
        // From 500 to 1,500 per mille of the fleet's initial size.
        let phase = minute % period;
        let rise = phase.min(period - phase) * 2_000 / period;
        let load = u64::from(wanted) * (500 + rise);
        let at = dawn() + SignedDuration::from_mins(i64::try_from(minute).unwrap_or(0));
        world.change_at(at, move |world| {
            for color in &names.fleet.colors {
                follow(world, &names, &color.group, load);
            }
        });
    }
}

/// One evaluation of a scaling policy: it moves desired capacity by one instance towards the load.
fn follow(world: &mut World, names: &Names, name: &GroupName, load_per_mille: u64) {
    let Some(group) = world.cloud.groups().get(name) else { return };
    if group.max == 0 || group.suspended.contains("AlarmNotification") || !has_metrics(world, group) {
        return;
    }
    let (weight, all) = share(world, names, group);
    let needs = if all == 0 { 0 } else { (load_per_mille * u64::from(weight)).div_ceil(1_000 * u64::from(all)) };
    let needs = u32::try_from(needs).unwrap_or(u32::MAX);
    let desired = match group.desired {
        live if needs > live => live + 1,
        live if needs < live => live - 1,
        live => live,
    };
    let desired = desired.clamp(group.min, group.max);
    if desired != group.desired {
        people::write_desired(world, name, desired);
    }
}

/// Whether the scaling policy of a group has a metric: an instance of the group must be in service.
fn has_metrics(world: &World, group: &GroupState) -> bool {
    world.cloud.members(&group.name).any(|member| member.life == Life::InService)
}

/// A group's share of the traffic, as a fraction. Without a load balancer each instance in service takes the same share
/// of the load from a queue.
fn share(world: &World, names: &Names, group: &GroupState) -> (u32, u32) {
    let colors = || names.fleet.colors.iter().filter_map(|color| world.cloud.groups().get(&color.group));
    let in_service = |group: &GroupState| {
        let members = world.cloud.members(&group.name).filter(|member| member.life == Life::InService);
        u32::try_from(members.count()).unwrap_or(u32::MAX)
    };
    if names.fleet.colors.iter().all(|color| color.target_group.is_none()) {
        return (in_service(group), colors().map(in_service).sum());
    }
    let Some(forward) = world.cloud.forwards_now().get(&names.fleet.place) else { return (0, 1) };
    let Some(arn) = group.target_groups.first() else { return (0, 1) };
    let beside: u32 = colors().filter(|other| other.target_groups.contains(arn)).map(in_service).sum();
    let weight = forward.weights.get(arn).copied().unwrap_or(0);
    (weight * in_service(group), forward.weights.values().sum::<u32>() * beside)
}
