//! Checked right before each write that moves traffic, or that removes targets with traffic.

use driftless_planner::action::WeightChange;
use driftless_planner::ids::{GroupName, ImageId, TargetGroupArn};
use driftless_planner::record::{Cutover, CutoverPhase, Record};
use driftless_planner::template::TemplateVersion;
use jiff::SignedDuration;

use super::safety::{ON_ITS_WAY, percent, violated};
use super::{Violation, home_of, of_its_fleet, serving};
use crate::cloud::{Attribution, Life};
use crate::world::World;

/// How long after a veto a decision from before the veto can still take effect.
const VETO_IS_KNOWN: SignedDuration = SignedDuration::from_secs(30);

/// Checks that Driftless has caused no failed request.
pub(super) fn requests(world: &World) -> Result<(), Violation> {
    match world.cloud.traffic().failed_by.get(&Attribution::Driftless) {
        Some(thousandths) if *thousandths > 0 => {
            let what = format!("{thousandths} thousandths of requests were not answered");
            Err(violated(world, "no request fails by our doing", what))
        }
        Some(_) | None => Ok(()),
    }
}

/// Checks that a color gets more weight only if its minimum number of instances is healthy. For a return to the old
/// color one healthy instance is enough.
pub(super) fn weights(world: &World, change: &WeightChange) -> Result<(), Violation> {
    let Some(forward) = world.cloud.forwards_now().get(&change.place) else { return Ok(()) };
    let all = |weights: &std::collections::BTreeMap<TargetGroupArn, u32>| {
        weights.values().map(|weight| u64::from(*weight)).sum::<u64>()
    };
    let (all_before, all_after) = (all(&forward.weights), all(&change.weights));
    for (arn, weight) in &change.weights {
        let before = forward.weights.get(arn).map_or(0, |weight| u64::from(*weight));
        if u64::from(*weight) * all_before.max(1) <= before * all_after.max(1) {
            continue;
        }
        let attached = world.cloud.groups().values().find(|group| group.target_groups.contains(arn));
        let Some(group) = attached.map(|group| &group.name) else {
            return Err(violated(world, "no request fails by our doing", format!("nobody is behind {arn}")));
        };
        gets_traffic(world, group)?;
    }
    Ok(())
}

/// Checks that a color may get traffic before a target group is attached to it: its targets get requests as soon as
/// they are healthy.
pub(super) fn attach(world: &World, group: &GroupName) -> Result<(), Violation> {
    if world.history.homes.contains(group) { Ok(()) } else { gets_traffic(world, group) }
}

fn gets_traffic(world: &World, group: &GroupName) -> Result<(), Violation> {
    let serve = serving_or_just_now(world, group);
    if serve == 0 {
        return Err(violated(world, "no request fails by our doing", format!("no instance of {group} is healthy")));
    }
    if world.history.homes.contains(group) {
        return Ok(());
    }
    let minimum_healthy = minimum_healthy(world, group);
    if serve < minimum_healthy {
        let what = format!("{serve} serve in {group}, and the floor is {minimum_healthy}");
        return Err(violated(world, "traffic goes only to a color at its minimum healthy", what));
    }
    // An instance in Standby gets no traffic.
    let members = world.cloud.members(group).filter(|member| member.life != Life::Standby);
    let mut images = members.map(|member| &member.image);
    images.try_for_each(|image| is_not_vetoed(world, group, image))
}

/// Checks that an image which gets traffic is not vetoed.
fn is_not_vetoed(world: &World, group: &GroupName, image: &ImageId) -> Result<(), Violation> {
    let Some(record) = record(world, group) else { return Ok(()) };
    match record.memory.vetoes.get(image) {
        Some(veto) if world.now.duration_since(veto.at) > VETO_IS_KNOWN => {
            let what = format!("{image} in {group} was vetoed by {}", veto.by);
            Err(violated(world, "a vetoed image gets no more traffic", what))
        }
        Some(_) | None => Ok(()),
    }
}

/// Checks that an instance refresh rolls out no vetoed image, except while the cutover rolls back.
pub(super) fn refresh(world: &World, group: &GroupName, template: &TemplateVersion) -> Result<(), Violation> {
    let phase = record(world, group).and_then(|record| record.cutover.as_ref()).map(Cutover::phase);
    if matches!(phase, Some(CutoverPhase::RollingBack { .. })) {
        return Ok(());
    }
    let content = world.cloud.templates().get(template);
    content.and_then(|content| content.image.as_ref()).map_or(Ok(()), |image| is_not_vetoed(world, group, image))
}

/// Checks that a color is detached from a shared target group only while the other color has enough healthy targets
/// there.
pub(super) fn detach(world: &World, group: &GroupName, target_group: &TargetGroupArn) -> Result<(), Violation> {
    let others = world.cloud.groups().values().filter(|other| other.name != *group);
    let others = others.filter(|other| other.target_groups.contains(target_group)).map(|other| &other.name);
    let (serve, minimum_healthy) = others
        .map(|other| (serving_or_just_now(world, other), minimum_healthy(world, other)))
        .fold((0, 0), |(serve, minimum_healthy), (more, one)| (serve + more, minimum_healthy.max(one)));
    let goes_back = home_of(world, group).is_some_and(|home| home != group);
    let needed = if goes_back { 1 } else { minimum_healthy.max(1) };
    if serve < needed {
        let what = format!("{serve} others serve when {group} is detached, and {needed} are needed");
        return Err(violated(world, "a color is detached only when others are healthy", what));
    }
    Ok(())
}

/// Checks that a color is scaled to zero only without traffic, and not while it has the only healthy instances.
pub(super) fn empty(world: &World, group: &GroupName) -> Result<(), Violation> {
    let Some(known) = world.cloud.groups().get(group) else { return Ok(()) };
    let weighed_just_now = world.history.people_weighed_at.is_some_and(|at| world.now.duration_since(at) <= ON_ITS_WAY);
    let has_traffic =
        world.cloud.forwards_now().values().any(|forward| {
            forward.weights.iter().any(|(arn, weight)| *weight > 0 && known.target_groups.contains(arn))
        });
    if has_traffic && !weighed_just_now {
        return Err(violated(world, "a color with traffic is not scaled to zero", group.to_string()));
    }
    let others = of_its_fleet(world, group).filter(|other| *other != group);
    let left: u32 = others.map(|other| serving_or_just_now(world, other)).sum();
    if left == 0 && !serving(world, group).is_empty() {
        return Err(violated(world, "the last healthy color is not scaled to zero", group.to_string()));
    }
    Ok(())
}

/// Checks that a cutover starts only after the cutover before it has ended.
///
/// # Errors
/// Two cutovers would be under way.
pub fn one_cutover(world: &World, before: Option<&Cutover>, next: &Record) -> Result<(), Violation> {
    let (Some(before), Some(after)) = (before, &next.cutover) else { return Ok(()) };
    if before.id == after.id || next.memory.past.iter().any(|past| past.id == before.id) {
        return Ok(());
    }
    Err(violated(world, "one cutover at a time", format!("{} began while {} was under way", after.id, before.id)))
}

fn record<'w>(world: &'w World, group: &GroupName) -> Option<&'w Record> {
    let fleet = world.cloud.groups().get(group)?.tags.get("driftless:fleet")?.parse().ok()?;
    world.table.rows().get(&fleet)?.record.as_ref()
}

fn serving_or_just_now(world: &World, group: &GroupName) -> u32 {
    let serving = serving(world, group);
    let just_now = |id| world.history.served_at.get(id).is_some_and(|at| world.now.duration_since(*at) <= ON_ITS_WAY);
    let count =
        world.cloud.members(group).filter(|member| serving.contains(&member.id) || just_now(&member.id)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The number of healthy instances that a color needs before it takes all traffic: the minimum healthy percentage of
/// the old color's desired capacity. The smallest desired capacity of the last moments counts.
fn minimum_healthy(world: &World, group: &GroupName) -> u32 {
    let Some(home) = home_of(world, group).and_then(|home| world.cloud.groups().get(home)) else { return 1 };
    let Some(known) = world.cloud.groups().get(group) else { return 1 };
    let recent = home.past.iter().rev().find(|(at, _)| world.now.duration_since(*at) > ON_ITS_WAY * 2);
    let since = recent.map_or(world.now, |(at, _)| *at);
    let was = home.past.iter().filter(|(at, _)| *at >= since).map(|(_, described)| described.desired).min();
    let wanted = home.desired.min(was.unwrap_or(home.desired));
    (wanted * percent(known, "driftless:min-healthy", 90)).div_ceil(100).max(1)
}
