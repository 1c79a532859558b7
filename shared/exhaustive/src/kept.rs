//! A committed record, and the part of it that affects later states.

use driftless_planner::record::{
    CancelReason, Clocks, Cutover, CutoverPhase, Phase, Record, Replacement, Setting, Surge,
};
use driftless_planner::waiting::Waiting;
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write as _;

use crate::canon::{OLD_AFTER, Pieces};
use crate::world::TICK;

/// A record, and its text without the parts on which no decision depends. Such parts are texts for readers, and times
/// that are only displayed or matter after a day at the earliest.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The record as committed.
    pub record: Record,
    /// The pieces of the text that affects later states.
    pub pieces: Pieces,
}

impl Kept {
    /// Keeps a record and splits its text.
    pub fn new(record: Record) -> Self {
        let pieces = Pieces::of(&text(&record));
        Self { record, pieces }
    }
}

fn text(record: &Record) -> String {
    let mut known = record.clone();
    let mut words = String::new();
    known.version = 0;
    for condition in known.conditions.values_mut() {
        (condition.since, condition.announced_at) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        condition.detail = "".into();
    }
    for entry in &mut known.borrowed_settings {
        entry.since = Timestamp::UNIX_EPOCH;
    }
    if let Some(release) = &mut known.release {
        release.since = Timestamp::UNIX_EPOCH;
    }
    for descent in known.repeat_drift.values_mut() {
        descent.at = Timestamp::UNIX_EPOCH;
    }
    if let Some(back_off) = &mut known.back_off {
        back_off.since = Timestamp::UNIX_EPOCH;
    }
    // The id of the next cutover must differ from that of the last.
    if let Some(second) = record.memory.past.last().and_then(|past| past.id.rsplit('-').next()?.parse().ok()) {
        let mut named = Timestamp::from_second(second).unwrap_or_default();
        counts_for(&mut named, 1);
        let _ = write!(words, "past {named}");
    }
    forget_past(&mut known);
    // The oldest drift is replaced first. For equal ages only the order of the ids matters.
    let mut by_age: Vec<_> = record.replacements.iter().map(|(id, work)| (work.detected_at, id)).collect();
    by_age.sort();
    for pair in by_age.windows(2) {
        if let [(one, id), (other, _)] = pair {
            let _ = write!(words, "{id}{}", if one == other { "=" } else { "<" });
        }
    }
    for (id, work) in &mut known.replacements {
        let _ = write!(words, "|{id}:");
        replacement(work, &mut words);
    }
    if let Some(cutover) = &mut known.cutover {
        of_cutover(cutover, &mut words);
    }
    let _ = write!(words, "{}", serde_json::to_string(&known).unwrap_or_default());
    without_policies(&words)
}

/// Clears what only readers need: the details of ended cutovers, and the times and reasons of stored images.
fn forget_past(record: &mut Record) {
    record.memory.past.clear();
    for good in &mut record.memory.good {
        good.since = Timestamp::UNIX_EPOCH;
    }
    for veto in record.memory.vetoes.values_mut() {
        veto.at = Timestamp::UNIX_EPOCH;
        veto.evidence.clear();
    }
    for deferred in record.memory.deferred.values_mut() {
        deferred.why = "".into();
    }
}

/// Shifts a time so that the fingerprint writes it as "old" once it is this many seconds ago.
fn counts_for(time: &mut Timestamp, seconds: i64) {
    *time -= SignedDuration::from_secs(OLD_AFTER - seconds);
}

fn replacement(work: &mut Replacement, words: &mut String) {
    counts_for(&mut work.detected_at, TICK.as_secs());
    for finding in work.findings.values_mut() {
        // The world tells whether this is Config's current finding. Config may report a finding of this very moment
        // again.
        counts_for(&mut finding.recorded_at, 1);
    }
    if let Some((_, before)) = work.failures.split_last_mut() {
        for failure in before {
            failure.at = Timestamp::UNIX_EPOCH;
        }
    }
    for failure in &mut work.failures {
        failure.why = "".into();
    }
    work.change_data(|phase| of_phase(phase, words));
}

fn of_phase(phase: &mut Phase, words: &mut String) {
    match phase {
        Phase::Blocked(waiting) => {
            // The next pass evaluates the guards again. The name of the blocking guard stays, since a different one is
            // announced.
            words.push_str(waiting.guard().into());
            *waiting = Waiting::Observed;
        }
        Phase::Stopped(stopped) => stopped.at = Timestamp::UNIX_EPOCH,
        // A requested instance may still appear after its deadline, for as long as draining takes.
        Phase::Launching(surge) => of_surge(surge, OLD_AFTER, None, words),
        Phase::Verifying(verifying) => {
            healthy(&mut verifying.healthy_since);
            of_surge(&mut verifying.surge, 0, None, words);
        }
        Phase::Retiring(retiring) => of_surge(&mut retiring.surge, 0, Some(&mut retiring.deadline), words),
        Phase::Terminating(terminating) => of_surge(&mut terminating.surge, 0, None, words),
        Phase::LaunchingAfter(launching_after) => {
            healthy(&mut launching_after.healthy_since);
            counts_for(&mut launching_after.deadline, 0);
            of_surge(&mut launching_after.surge, 0, None, words);
        }
        Phase::Cancelling(cancelling) => {
            if let CancelReason::Failed(why) | CancelReason::NoCapacity(why) = &mut cancelling.because {
                *why = "".into();
            }
            counts_for(&mut cancelling.deadline, 0);
            // A cancelled attempt has no deadline any more.
            cancelling.surge.deadline = Timestamp::UNIX_EPOCH;
            cancelling.surge.paused_since = None;
            cancelling.surge.admitted_at = Timestamp::UNIX_EPOCH;
        }
        Phase::Debouncing => {}
    }
}

fn healthy(since: &mut Option<Timestamp>) {
    if let Some(since) = since {
        counts_for(since, TICK.as_secs());
    }
}

/// Keeps of the times of a surge only what affects later states. The time of the admission is cleared, since the world
/// keeps whether each launch was before or after the admission.
///
/// During a pause only the time counts that was left until a deadline at the beginning of the pause.
fn of_surge(surge: &mut Surge, deadline_counts_for: i64, other: Option<&mut Timestamp>, words: &mut String) {
    surge.admitted_at = Timestamp::UNIX_EPOCH;
    let Some(paused_since) = surge.paused_since else {
        counts_for(&mut surge.deadline, deadline_counts_for);
        if let Some(other) = other {
            counts_for(other, 0);
        }
        return;
    };
    let mut left = |deadline: &mut Timestamp, counts_for: i64| {
        let left = deadline.duration_since(paused_since).as_secs().max(-counts_for);
        let _ = write!(words, "left {left}s,");
        *deadline = Timestamp::UNIX_EPOCH;
    };
    left(&mut surge.deadline, deadline_counts_for);
    if let Some(other) = other {
        left(other, 0);
    }
    surge.paused_since = Some(Timestamp::UNIX_EPOCH);
}

fn of_cutover(cutover: &mut Cutover, words: &mut String) {
    cutover.evidence.clear();
    cutover.started_at = Timestamp::UNIX_EPOCH;
    cutover.rollback_to.since = Timestamp::UNIX_EPOCH;
    if let Some(waiting) = cutover.waits.take() {
        words.push_str(waiting.guard().into());
    }
    cutover.change_data(|phase, clocks| of_clocks(phase, clocks, words));
}

fn of_clocks(phase: &mut CutoverPhase, clocks: &mut Clocks, words: &mut String) {
    match phase {
        CutoverPhase::Aborting { why, .. } | CutoverPhase::NeedsOperator { why } => *why = "".into(),
        CutoverPhase::RollingBack { why, back_since } => {
            *why = "".into();
            // Only whether the alarm is back counts, not since when.
            *back_since = back_since.map(|_| Timestamp::UNIX_EPOCH);
        }
        CutoverPhase::Verifying { healthy_since } => healthy(healthy_since),
        CutoverPhase::Shifting(shifting) => healthy(&mut shifting.effective_since),
        CutoverPhase::Queued
        | CutoverPhase::Preflight
        | CutoverPhase::Preparing
        | CutoverPhase::Scaling
        | CutoverPhase::AwaitingApproval
        | CutoverPhase::Baking { .. }
        | CutoverPhase::Warm { .. }
        | CutoverPhase::Retiring => {}
    }
    let held_from = clocks.paused_since.map(|paused_since| paused_since.max(clocks.since));
    clocks.paused_since = held_from.map(|_| Timestamp::UNIX_EPOCH);
    clocks.since = Timestamp::UNIX_EPOCH;
    let until =
        if let CutoverPhase::Baking { until } | CutoverPhase::Warm { until } = phase { Some(until) } else { None };
    for deadline in [Some(&mut clocks.deadline), until].into_iter().flatten() {
        if *deadline == Timestamp::MAX {
            words.push_str("never");
            *deadline = Timestamp::UNIX_EPOCH;
            continue;
        }
        match held_from {
            None => counts_for(deadline, 0),
            Some(held_from) => {
                let _ = write!(words, "left {}s,", deadline.duration_since(held_from).as_secs().max(0));
                *deadline = Timestamp::UNIX_EPOCH;
            }
        }
    }
}

/// Removes the policies from a text, since they are long and the same in all states of a model.
fn without_policies(words: &str) -> String {
    const KEY: &str = "\"policy\":{";
    let mut left = words;
    let mut without = String::with_capacity(words.len());
    while let Some((before, policy)) = left.split_once(KEY) {
        without.push_str(before);
        without.push_str("policy");
        let mut open = 1;
        let end = policy.bytes().position(|byte| {
            open += i32::from(byte == b'{') - i32::from(byte == b'}');
            open == 0
        });
        left = end.and_then(|end| policy.get(end..)).unwrap_or_default();
    }
    without.push_str(left);
    without
}

/// Whether a borrowed setting of this group explains a change of the group.
pub fn is_borrowed(record: &Record, group: &str, explains: impl Fn(&Setting) -> bool) -> bool {
    record.borrowed_settings.iter().any(|entry| entry.group.as_str() == group && explains(&entry.setting))
}
