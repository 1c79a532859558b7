//! Checked right before the effect of each write: whether Driftless may make this write.

use driftless_planner::action::CapacityChange;
use driftless_planner::ids::{GroupName, InstanceId};
use driftless_planner::record::{BorrowedSetting, Phase, Replacement};
use jiff::{SignedDuration, Timestamp};

use super::{Protected, Violation, serving, traffic};
use crate::aws_writes::AwsWrite;
use crate::cloud::{GroupState, Life};
use crate::faults::CALL_TIMEOUT;
use crate::world::World;

/// A write that is under way cannot take into account a change that is younger than this. It is the sum of the timeouts
/// of one read and one call.
pub(super) const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(2 * CALL_TIMEOUT.as_secs());

/// Checks that a function may make this write in the current world.
///
/// # Errors
/// The invariant that the write violates.
pub fn before(world: &World, function: u64, aws_write: &AwsWrite) -> Result<(), Violation> {
    match aws_write {
        AwsWrite::Terminate { instance, capacity } | AwsWrite::EnterStandby { instance, capacity, .. } => {
            is_unprotected(world, function, instance)?;
            may_go(world, function, instance, *capacity)
        }
        AwsWrite::Maximum { group, .. } | AwsWrite::Minimum { group, .. } | AwsWrite::Protect { group, .. } => {
            is_borrowed(world, group, aws_write)
        }
        AwsWrite::Weights(change) => traffic::weights(world, change),
        AwsWrite::Attach { group, .. } => traffic::attach(world, group),
        AwsWrite::Detach { group, target_group } => traffic::detach(world, group, target_group),
        AwsWrite::ScaleToZero { group } => traffic::empty(world, group),
        AwsWrite::StartRefresh { group, template } => traffic::refresh(world, group, template),
        AwsWrite::Desired { .. }
        | AwsWrite::Launch { .. }
        | AwsWrite::Template { .. }
        | AwsWrite::WriteTemplate { .. }
        | AwsWrite::RollBackRefresh { .. } => Ok(()),
    }
}

pub(super) fn violated(world: &World, rule: &'static str, what: String) -> Violation {
    Violation { at: world.now, rule, what }
}

/// Driftless may terminate an instance only for a reason, and only while enough healthy instances remain.
fn may_go(world: &World, function: u64, instance: &InstanceId, capacity: CapacityChange) -> Result<(), Violation> {
    let Some(known) = world.cloud.instances().get(instance) else { return Ok(()) };
    let Some(group) = world.cloud.groups().get(&known.group) else { return Ok(()) };
    let launched_after_raise = raised_at(world, &group.name).is_some_and(|raised| known.launched_at >= raised);
    let is_ours =
        world.aws_writes.launched.contains_key(instance) || world.aws_writes.enter_standby.contains_key(instance);
    let is_drifted = world.history.drifted.contains_key(instance);
    if !is_ours && !is_drifted && !launched_after_raise {
        return Err(violated(world, "only what drifted goes", format!("{instance} of {} gave no reason", group.name)));
    }
    keeps_minimum_healthy(world, function, group, instance, capacity)?;
    // An extra instance that has drifted is terminated as an extra instance.
    let mut ending = works(world).filter(|(_, work)| work.group == group.name).map(|(_, work)| work.phase());
    let is_extra_instance =
        launched_after_raise && (!is_drifted || ending.any(|phase| matches!(phase, Phase::Cancelling(_))));
    if is_ours || is_extra_instance {
        return Ok(());
    }
    respects_freeze(world, group, instance)?;
    respects_budget(world, group, instance)
}

/// Since when a new instance of a group may belong to Driftless: since Driftless last raised the capacity or, if that
/// is earlier, since it admitted the oldest surge that is under way in the group. Auto Scaling can launch such an
/// instance in place of a terminated replacement instance.
fn raised_at(world: &World, group: &GroupName) -> Option<Timestamp> {
    let last = world.history.raised.get(group).copied()?;
    let surges = works(world).filter(|(_, work)| work.group == *group).filter_map(|(_, work)| work.phase().surge());
    surges.map(|surge| surge.admitted_at).chain([last]).min()
}

/// All replacements in the stored records.
fn works(world: &World) -> impl Iterator<Item = (&InstanceId, &Replacement)> {
    world.table.rows().values().filter_map(|row| row.record.as_ref()).flat_map(|record| &record.replacements)
}

/// Checks that Driftless does not terminate an instance that an operator protects: by its tag until the tag expires, or
/// from scale-in unless all instances of the group are protected.
fn is_unprotected(world: &World, function: u64, instance: &InstanceId) -> Result<(), Violation> {
    let Some(known) = world.cloud.instances().get(instance) else { return Ok(()) };
    let Some(Protected { since, from_scale_in }) = world.history.protected.get(instance).copied() else {
        return Ok(());
    };
    let fleet = world.cloud.groups().get(&known.group).and_then(|group| group.tags.get("driftless:fleet"));
    if fleet.is_none_or(|fleet| since > world.history.known_up_to(function, fleet, world.now)) {
        return Ok(());
    }
    let is_tagged = known.protect.as_ref().is_some_and(|tag| {
        let until = tag.rsplit_once(" until ").and_then(|(_, time)| time.parse::<Timestamp>().ok());
        // The clock of the function may be up to a second ahead, so that protection and freeze end early for it.
        until.is_none_or(|until| until > world.now + SignedDuration::from_secs(1))
    });
    // Driftless itself protects a replacement instance while it verifies it.
    let is_ours = works(world).any(|(_, work)| work.phase().successor() == Some(instance));
    // Instances that Driftless verifies do not count when the rule is "all of the group are protected".
    let is_on_trial = |other: &InstanceId| works(world).any(|(_, work)| work.phase().successor() == Some(other));
    let mut others = world.cloud.members(&known.group).filter(|other| other.id != *instance && !is_on_trial(&other.id));
    let some_are_not = others.any(|other| other.life == Life::InService && !other.protected);
    let is_spared = from_scale_in && known.protected && !is_ours && some_are_not;
    if is_tagged || is_spared {
        let what = format!("{instance} goes, and is protected since {since}");
        return Err(violated(world, "what people protect stays", what));
    }
    Ok(())
}

pub(super) fn percent(group: &GroupState, key: &str, default: u32) -> u32 {
    let tag = group.tags.get(key).map(|text| text.trim_end_matches('%'));
    tag.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn keeps_minimum_healthy(
    world: &World,
    function: u64,
    group: &GroupState,
    instance: &InstanceId,
    capacity: CapacityChange,
) -> Result<(), Violation> {
    let serving = serving(world, &group.name);
    let looked_at = looked_at(world, function, group);
    // An instance that became healthy a moment ago was unhealthy in the read.
    let served_at_the_look = world.history.serves_since.get(instance).is_some_and(|since| *since <= looked_at);
    if !serving.contains(instance) || !served_at_the_look {
        return Ok(());
    }
    let shrinks = u32::from(capacity == CapacityChange::Decrement);
    // Desired capacity includes three kinds of replacement instances that operators did not ask for: one that is not
    // healthy yet, one whose drifted instance still exists, and one that will be terminated because the drifted
    // instance went by itself.
    let is_coming = |id: &InstanceId| world.aws_writes.launched.contains_key(id) && !serving.contains(id);
    let is_there = |id: &InstanceId| {
        world.cloud.instances().get(id).is_some_and(|known| !matches!(known.life, Life::Terminating | Life::Gone))
    };
    let is_beside = |id: &InstanceId| {
        let is_cancelled = |work: &Replacement| matches!(work.phase(), Phase::Cancelling(_));
        works(world).any(|(replaced, work)| {
            work.phase().successor() == Some(id) && replaced != instance && (is_there(replaced) || is_cancelled(work))
        })
    };
    let extra = world
        .cloud
        .members(&group.name)
        .filter(|member| member.life != Life::Terminating && member.id != *instance)
        .filter(|member| is_coming(&member.id) || is_beside(&member.id))
        .count();
    let extra = u32::try_from(extra).unwrap_or(u32::MAX);
    // The function could not know a desired capacity that was written after its pass.
    let asked_before = group.past.iter().rev().find(|(at, _)| *at < looked_at).map(|(at, _)| *at);
    let known = group.past.iter().filter(|(at, _)| asked_before.is_none_or(|before| *at >= before));
    let desired = known.map(|(_, described)| described.desired).chain([group.desired]).min().unwrap_or(group.desired);
    let stays = desired.saturating_sub(shrinks).saturating_sub(extra);
    let minimum_healthy = (stays * percent(group, "driftless:min-healthy", 90)).div_ceil(100);
    let just_now = |member: &InstanceId| world.history.served_at.get(member).is_some_and(|at| *at >= looked_at);
    let left = world
        .cloud
        .members(&group.name)
        .filter(|member| member.id != *instance && (serving.contains(&member.id) || just_now(&member.id)));
    let left = u32::try_from(left.count()).unwrap_or(u32::MAX);
    if left < minimum_healthy {
        let what = format!("{left} of {stays} serve without {instance}, and the floor is {minimum_healthy}");
        return Err(violated(world, "healthy capacity stays at the floor", what));
    }
    Ok(())
}

/// The time of the newest state of a group that a function can have known when it decided: the time of its last read,
/// but at the latest [`ON_ITS_WAY`] ago.
fn looked_at(world: &World, function: u64, group: &GroupState) -> Timestamp {
    let fleet = group.tags.get("driftless:fleet");
    let looked_at = fleet.map_or(world.now, |fleet| world.history.known_up_to(function, fleet, world.now));
    looked_at.min(world.now - ON_ITS_WAY)
}

fn respects_freeze(world: &World, group: &GroupState, instance: &InstanceId) -> Result<(), Violation> {
    let Some(fleet) = group.tags.get("driftless:fleet").and_then(|name| name.parse().ok()) else { return Ok(()) };
    let holds = world.table.freezes(&fleet).into_iter().find(|freeze| {
        let is_known = world.now.duration_since(freeze.since) > ON_ITS_WAY;
        // The clock of the function may be up to a second ahead, so that protection and freeze end early for it.
        let is_over = freeze.expires_at.is_some_and(|end| end <= world.now + SignedDuration::from_secs(1));
        is_known && !is_over
    });
    match holds {
        Some(freeze) => {
            let what = format!("{instance} goes in spite of {}", freeze.reason);
            Err(violated(world, "a freeze stops everything", what))
        }
        None => Ok(()),
    }
}

fn respects_budget(world: &World, group: &GroupState, instance: &InstanceId) -> Result<(), Violation> {
    let budget = group.tags.get("driftless:budget").map_or("1", String::as_str);
    // The guards admitted them at the size of the group at that time.
    let surges = works(world).filter(|(_, work)| work.group == group.name).filter_map(|(_, work)| work.phase().surge());
    let size = surges.map(|surge| surge.base_desired).chain([group.desired]).max().unwrap_or(group.desired);
    let allowed: u32 = match budget.strip_suffix('%') {
        Some(share) => (size * share.parse().unwrap_or(0) / 100).max(1),
        None => budget.parse().unwrap_or(1),
    };
    let is_going = |id: &InstanceId| {
        world.aws_writes.terminated.contains_key(id) && !world.aws_writes.launched.contains_key(id) && id != instance
    };
    let going =
        world.cloud.members(&group.name).filter(|member| member.life == Life::Terminating && is_going(&member.id));
    let at_once = u32::try_from(going.count()).unwrap_or(u32::MAX).saturating_add(1);
    if at_once > allowed {
        let what = format!("{instance} is number {at_once} at once, and the budget is {budget}");
        return Err(violated(world, "never more than the budget at once", what));
    }
    Ok(())
}

/// Checks that Driftless has stored the original value of a setting in the borrowed settings before it changes the
/// setting.
fn is_borrowed(world: &World, group: &GroupName, aws_write: &AwsWrite) -> Result<(), Violation> {
    let mut entries =
        world.table.rows().values().filter_map(|row| row.record.as_ref()).flat_map(|record| &record.borrowed_settings);
    if entries.any(|entry: &BorrowedSetting| entry.group == *group) {
        return Ok(());
    }
    Err(violated(world, "no reversible setting is changed without being borrowed", aws_write.to_string()))
}
