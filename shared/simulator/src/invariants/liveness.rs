//! Checked after a long period without faults: no work is left.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::event::Event;
use driftless_planner::ids::{FleetName, GroupName};
use driftless_planner::record::Phase;
use driftless_planner::waiting::Waiting;

use super::Violation;
use super::safety::percent;
use crate::table::Row;
use crate::world::World;

/// Checks that all work has ended.
///
/// # Errors
/// The first work that has not ended.
pub fn after_quiet(world: &World) -> Result<(), Violation> {
    if let Some(batch) = world.table.account_events().first() {
        let what = format!("{} of the account still waits", batch.id);
        return Err(Violation { at: world.now, rule: "every transition is an event", what });
    }
    world.table.rows().keys().try_for_each(|fleet| left_over(world, fleet))
}

/// Checks that all work on one fleet has ended.
///
/// # Errors
/// The first work that has not ended.
pub fn left_over(world: &World, fleet: &FleetName) -> Result<(), Violation> {
    let left_over = |rule, what: String| Err(Violation { at: world.now, rule, what });
    let Some(row) = world.table.row(fleet) else { return Ok(()) };
    let sent: BTreeSet<&str> = world.topic.sent.iter().map(|(_, message)| message.id.as_str()).collect();
    if let Some(holder) = row.lock.holder.as_ref().filter(|_| row.lock.until > world.now) {
        return left_over("every lease is given back", format!("{holder} holds {fleet}"));
    }
    if let Some(fact) = row.facts.keys().next() {
        return left_over("every fact is used", format!("{fact} of {fleet} is not"));
    }
    if let Some(notification) = row.outbox.first() {
        return left_over("everything is announced", format!("{} of {fleet} is not", notification.id));
    }
    if let Some(silent) = row.announced.iter().find(|id| !sent.contains(id.as_str())) {
        return left_over("everything is announced", format!("{silent} of {fleet} never was"));
    }
    let chatted: BTreeSet<&str> = world.topic.chat.iter().map(String::as_str).collect();
    if let Some(silent) = row.announced.iter().find(|id| !chatted.contains(id.as_str())) {
        return left_over("everything is announced in chat", format!("{silent} of {fleet} never was"));
    }
    put_at_least_once(world, fleet, row)?;
    let Some(record) = &row.record else { return Ok(()) };
    if let Some(cutover) = &record.cutover {
        let what = format!("{} of {fleet} is {:?} since {}", cutover.id, cutover.phase(), cutover.since());
        return left_over("every cutover ends", what);
    }
    let is_observed = |name| {
        let group = world.cloud.groups().get(name);
        group.and_then(|group| group.tags.get("driftless:mode")).is_some_and(|mode| mode == "observe")
    };
    // In observe mode, drift may wait forever.
    let open = record.replacements.iter().find(|(_, replacement)| match replacement.phase() {
        // A full quarantine may block for days; Driftless sends a message.
        Phase::Stopped(_) | Phase::Blocked(Waiting::QuarantineFull { .. }) => false,
        // A percentage of a group of one rounds down to no instance; Driftless sends a message.
        Phase::Blocked(Waiting::BudgetSpent { limit: 0, .. }) => world.cloud.serving_in(&replacement.group) > 1,
        Phase::Blocked(Waiting::BelowMinimum { .. }) if nothing_can_go_first(world, &replacement.group) => false,
        Phase::Blocked(_) => !is_observed(&replacement.group),
        Phase::Debouncing
        | Phase::Launching(_)
        | Phase::Verifying(_)
        | Phase::Retiring(_)
        | Phase::Terminating(_)
        | Phase::LaunchingAfter(_)
        | Phase::Cancelling(_) => true,
    });
    if let Some((instance, replacement)) = open {
        let what = format!("{instance} of {fleet} is {}", replacement.phase().name());
        return left_over("every replacement ends", what);
    }
    if let Some(entry) = record.borrowed_settings.first() {
        return left_over("no setting is borrowed at the end", format!("{entry:?} of {fleet}"));
    }
    Ok(())
}

/// Checks that each history entry was published as an event at least once, and that its repetitions are identical.
fn put_at_least_once(world: &World, fleet: &FleetName, row: &Row) -> Result<(), Violation> {
    let wrong = |what: String| Err(Violation { at: world.now, rule: "every transition is an event", what });
    if row.to_be_put.len() != row.history.len() {
        return wrong(format!("{} events of {fleet} for {} lines", row.to_be_put.len(), row.history.len()));
    }
    if let Some(batch) = row.events.first() {
        return wrong(format!("{} of {fleet} still waits", batch.id));
    }
    let put: BTreeMap<&str, &Event> = world.topic.events.iter().map(|event| (event.id.as_str(), event)).collect();
    if let Some(changed) = world.topic.events.iter().find(|event| put.get(event.id.as_str()) != Some(event)) {
        return wrong(format!("{} was put as another one before", changed.id));
    }
    let mut ids = BTreeSet::new();
    match row.to_be_put.iter().find(|event| put.get(event.id.as_str()) != Some(event) || !ids.insert(&event.id)) {
        Some(missing) => wrong(format!("{} of {fleet} was not put as it was committed", missing.id)),
        None => Ok(()),
    }
}

/// Whether the policy is `terminate-first` and minimum healthy is the whole group. With such a policy Driftless sends a
/// message and replaces nothing.
fn nothing_can_go_first(world: &World, name: &GroupName) -> bool {
    let Some(group) = world.cloud.groups().get(name) else { return false };
    let old = "driftless:replace"; // The old name of the tag.
    let mut strategies = ["driftless:strategy", old].into_iter().filter_map(|tag| group.tags.get(tag));
    let goes_first = strategies.any(|strategy| strategy == "terminate-first");
    goes_first && (group.desired * percent(group, "driftless:min-healthy", 90)).div_ceil(100) >= group.desired
}
