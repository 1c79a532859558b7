//! Checked at each commit: whether the work that starts may start. The tags that operators wrote and the state that AWS
//! showed to the function determine that.

use std::collections::BTreeMap;

use driftless_planner::decision::Decision;
use driftless_planner::ids::{FleetName, GroupName, InstanceId};
use driftless_planner::observation::{Group, Lifecycle, Member};
use driftless_planner::record::{CutoverPhase, Record};
use jiff::Timestamp;

use super::Violation;
use super::safety::violated;
use crate::faults::CALL_TIMEOUT;
use crate::world::World;

/// The maintenance windows of the runs, each with its open hours: minutes of the day in UTC, the same every day. They
/// are written out, so that the invariant does not rely on the parser under test.
pub const WINDOWS: [(&str, &[(i64, i64)]); 3] = [
    ("Mon-Sun 08:00-10:30 UTC; Mon-Sun 18:00-06:00 UTC", &[(8 * 60, 10 * 60 + 30), (18 * 60, 24 * 60), (0, 6 * 60)]),
    ("Mon-Sun 12:00-05:30 Europe/Berlin", &[(11 * 60, 24 * 60), (0, 4 * 60 + 30)]),
    (
        "Mon-Fri 09:15-09:45 UTC;Sat,Sun 09:15-09:45 UTC;Mon-Sun 15:00-07:00 UTC",
        &[(9 * 60 + 15, 9 * 60 + 45), (15 * 60, 24 * 60), (0, 7 * 60)],
    ),
];

/// The times of a function's newest reads of a fleet.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// The time of the state of the groups that the function read.
    pub groups: Timestamp,
    /// The time at which the function read the table.
    pub table: Timestamp,
}

/// A commit and the reads on which its decision is based.
#[derive(Debug)]
pub struct Commit<'c> {
    pub fleet: &'c FleetName,
    pub before: Option<&'c Record>,
    pub decision: &'c Decision,
    /// The time of the decision, by the clock of the function.
    pub decided_at: Timestamp,
    /// The times of the reads on which the decision is based.
    pub pass: Pass,
}

/// Checks that the work which starts with this commit may start.
///
/// # Errors
/// The invariant that is violated.
pub fn at_commit(world: &World, commit: &Commit<'_>) -> Result<(), Violation> {
    let mut begun: BTreeMap<&GroupName, Vec<&InstanceId>> = BTreeMap::new();
    let is_at_work = |record: &Record, id: &InstanceId| {
        record.replacements.get(id).is_some_and(|work| work.phase().surge().is_some())
    };
    for (id, work) in &commit.decision.next.replacements {
        let begins = work.phase().surge().is_some() && !commit.before.is_some_and(|before| is_at_work(before, id));
        if begins {
            begun.entry(&work.group).or_default().push(id);
        }
    }
    for (group, ids) in begun {
        replacements_may_begin(world, commit, group, &ids)?;
    }
    cutover_may_begin(world, commit)
}

fn replacements_may_begin(
    world: &World,
    commit: &Commit<'_>,
    name: &GroupName,
    ids: &[&InstanceId],
) -> Result<(), Violation> {
    let Some(group) = seen(world, name, commit.pass.groups) else { return Ok(()) };
    let what = |why: String| format!("{ids:?} of {name} begin: {why}");
    if group.tags.get("driftless:mode").is_none_or(|mode| mode != "act") {
        return Err(violated(world, "an observed fleet is left alone", what("it is only observed".to_owned())));
    }
    is_open(world, commit, &group.tags)?;
    not_frozen(world, commit)?;
    let rules: Vec<&str> = group.tags.get("driftless:rules").into_iter().flat_map(|rules| rules.split(';')).collect();
    let is_drifted =
        |member: &&&Member| drifted_since(world, &member.id, &rules).is_some_and(|at| at <= commit.pass.groups);
    let members = without_successors(commit, group, is_active);
    let drifted = members.iter().filter(is_drifted).count();
    let share = percent_of(&group.tags, "driftless:breaker", 25);
    if drifted >= 2 && drifted * 100 > members.len() * share {
        let why = format!("{drifted} of {} are drifted, which is more than {share} %", members.len());
        return Err(violated(world, "many that drift at once have a common cause", what(why)));
    }
    let members = without_successors(commit, group, |member| member.lifecycle != Lifecycle::Standby).len();
    let budget = group.tags.get("driftless:budget").map_or("1", String::as_str);
    let allowed = match budget.strip_suffix('%') {
        Some(share) => (members * share.parse().unwrap_or(0) / 100).max(1),
        None => budget.parse().unwrap_or(1),
    };
    let works = commit.decision.next.replacements.values();
    let at_once = works.filter(|work| work.group == *name && work.phase().surge().is_some()).count();
    if at_once > allowed {
        return Err(violated(
            world,
            "never more than the budget at once",
            what(format!("{at_once}, and {budget} of {members} may")),
        ));
    }
    Ok(())
}

/// Checks that a cutover starts only in an open window and without a freeze, unless an operator has promoted it.
fn cutover_may_begin(world: &World, commit: &Commit<'_>) -> Result<(), Violation> {
    let is_waiting = |phase: &CutoverPhase| matches!(phase, CutoverPhase::Queued | CutoverPhase::Preflight);
    let is_begun = |record: &Record| record.cutover.as_ref().is_some_and(|cutover| !is_waiting(cutover.phase()));
    let Some(cutover) = commit.decision.next.cutover.as_ref().filter(|_| is_begun(&commit.decision.next)) else {
        return Ok(());
    };
    let ends = matches!(cutover.phase(), CutoverPhase::Aborting { .. } | CutoverPhase::RollingBack { .. });
    if commit.before.is_some_and(is_begun) || cutover.is_expedited || ends {
        return Ok(());
    }
    not_frozen(world, commit)?;
    let tags = world.cloud.groups().values().map(|group| &group.tags);
    let own =
        |tags: &&BTreeMap<String, String>| tags.get("driftless:fleet").is_some_and(|own| own == commit.fleet.as_str());
    tags.into_iter().find(own).map_or(Ok(()), |tags| is_open(world, commit, tags))
}

fn is_open(world: &World, commit: &Commit<'_>, tags: &BTreeMap<String, String>) -> Result<(), Violation> {
    let late = world.now.duration_since(commit.decided_at);
    if late > CALL_TIMEOUT {
        return Err(violated(world, "what is decided is committed at once", format!("it took {late:#}")));
    }
    let Some(window) = tags.get("driftless:window") else { return Ok(()) };
    let Some((_, hours)) = WINDOWS.iter().find(|(text, _)| text == window) else { return Ok(()) };
    let minute = commit.decided_at.as_second().div_euclid(60).rem_euclid(24 * 60);
    if hours.iter().any(|(from, to)| (*from..*to).contains(&minute)) {
        return Ok(());
    }
    let what = format!("something begins at {}, and the window is {window}", commit.decided_at);
    Err(violated(world, "nothing begins outside the window", what))
}

fn not_frozen(world: &World, commit: &Commit<'_>) -> Result<(), Violation> {
    let holds = |since: Timestamp, end: Option<Timestamp>| {
        since <= commit.pass.table && end.is_none_or(|end| end > commit.decided_at)
    };
    let freezes = world.table.freezes(commit.fleet);
    match freezes.iter().find(|freeze| holds(freeze.since, freeze.expires_at)) {
        Some(freeze) => {
            Err(violated(world, "a freeze stops everything", format!("something begins in spite of {}", freeze.reason)))
        }
        None => Ok(()),
    }
}

/// Since when an instance has been non-compliant with any of these rules without interruption.
fn drifted_since(world: &World, id: &InstanceId, rules: &[&str]) -> Option<Timestamp> {
    let breaks = &world.cloud.instances().get(id)?.breaks;
    let listed = breaks.iter().filter(|(rule, _)| rules.contains(&rule.as_str()));
    listed.map(|(_, finding)| finding.recorded_at).min()
}

/// The description of a group at this time.
fn seen<'w>(world: &'w World, name: &GroupName, at: Timestamp) -> Option<&'w Group> {
    let past = &world.cloud.groups().get(name)?.past;
    past.iter().rev().find(|(since, _)| *since <= at).or_else(|| past.front()).map(|(_, group)| group)
}

const fn is_active(member: &Member) -> bool {
    matches!(member.lifecycle, Lifecycle::Pending | Lifecycle::InService)
}

/// The active instances of a group. A replacement instance is left out while its replacement is under way and the
/// drifted instance that it replaces still exists, as `is_there` tells.
fn without_successors<'g>(
    commit: &Commit<'_>,
    group: &'g Group,
    is_there: impl Fn(&Member) -> bool,
) -> Vec<&'g Member> {
    let works = commit.before.into_iter().flat_map(|before| &before.replacements);
    let under_way = works.filter(|(id, _)| group.members.iter().any(|member| member.id == **id && is_there(member)));
    let goes_on = |id: &&InstanceId| {
        let works = commit.decision.next.replacements.values();
        works.filter_map(|work| work.phase().successor()).any(|successor| successor == *id)
    };
    let successors: Vec<&InstanceId> =
        under_way.filter_map(|(_, work)| work.phase().successor()).filter(goes_on).collect();
    group.members.iter().filter(|member| is_active(member) && !successors.contains(&&member.id)).collect()
}

fn percent_of(tags: &BTreeMap<String, String>, key: &str, default: usize) -> usize {
    tags.get(key).and_then(|text| text.trim_end_matches('%').parse().ok()).unwrap_or(default)
}
