//! A committed record, as it is, with what of it matters for what comes.

use driftless_planner::record::{
    Clocks, Cutover, CutoverPhase, Phase, Record, Replacement, Setting, Surge, WithdrawReason,
};
use driftless_planner::waiting::Waiting;
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write as _;

use crate::canon::{OLD_AFTER, Pieces};
use crate::world::TICK;

/// A record with its text, from which all is left out that no decision ever asks for: words for people, and times that are
/// only told, or that matter after a day at the earliest.
#[derive(Debug, Clone)]
pub struct Kept {
    /// As it was committed.
    pub record: Record,
    /// What matters of it.
    pub pieces: Pieces,
}

impl Kept {
    /// Keeps a record.
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
    for entry in &mut known.ledger {
        entry.since = Timestamp::UNIX_EPOCH;
    }
    if let Some(release) = &mut known.release {
        release.since = Timestamp::UNIX_EPOCH;
    }
    for descent in known.lineage.values_mut() {
        descent.at = Timestamp::UNIX_EPOCH;
    }
    if let Some(back_off) = &mut known.back_off {
        back_off.since = Timestamp::UNIX_EPOCH;
    }
    // The next cutover has another name than the last.
    if let Some(second) = record.memory.past.last().and_then(|past| past.id.rsplit('-').next()?.parse().ok()) {
        let mut named = Timestamp::from_second(second).unwrap_or_default();
        counts_for(&mut named, 1);
        let _ = write!(words, "past {named}");
    }
    forget_past(&mut known);
    // The oldest drift goes first: of two that are old alike, their order is what is left.
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

/// What a cutover was, once it is over, is for people.
fn forget_past(record: &mut Record) {
    record.memory.past.clear();
    for good in &mut record.memory.good {
        good.since = Timestamp::UNIX_EPOCH;
    }
    for veto in record.memory.vetoes.values_mut() {
        veto.at = Timestamp::UNIX_EPOCH;
        veto.evidence.clear();
    }
    for held_back in record.memory.held_back.values_mut() {
        held_back.why = "".into();
    }
}

/// A time that counts no further back than this is old from there on.
fn counts_for(time: &mut Timestamp, seconds: i64) {
    *time -= SignedDuration::from_secs(OLD_AFTER - seconds);
}

fn replacement(work: &mut Replacement, words: &mut String) {
    counts_for(&mut work.detected_at, TICK.as_secs());
    for finding in work.findings.values_mut() {
        // The world says whether it is the one that Config tells now. One of this very moment may be told again.
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
            // The next look judges it anew. Which guard it was decides whether that is news.
            words.push_str(waiting.guard().into());
            *waiting = Waiting::Observed;
        }
        Phase::Stopped(stopped) => stopped.at = Timestamp::UNIX_EPOCH,
        // What was asked for may come for as long as draining takes after its deadline.
        Phase::Launching(surge) => of_surge(surge, OLD_AFTER, None, words),
        Phase::Proving(proving) => {
            healthy(&mut proving.healthy_since);
            of_surge(&mut proving.surge, 0, None, words);
        }
        Phase::Retiring(retiring) => of_surge(&mut retiring.surge, 0, Some(&mut retiring.deadline), words),
        Phase::Vacating(vacating) => of_surge(&mut vacating.surge, 0, None, words),
        Phase::Refilling(refilling) => {
            healthy(&mut refilling.healthy_since);
            counts_for(&mut refilling.deadline, 0);
            of_surge(&mut refilling.surge, 0, None, words);
        }
        Phase::Withdrawing(withdrawing) => {
            if let WithdrawReason::Failed(why) | WithdrawReason::NoCapacity(why) = &mut withdrawing.because {
                *why = "".into();
            }
            counts_for(&mut withdrawing.deadline, 0);
            // The deadline of the attempt is over with it.
            withdrawing.surge.deadline = Timestamp::UNIX_EPOCH;
            withdrawing.surge.held_since = None;
            withdrawing.surge.admitted_at = Timestamp::UNIX_EPOCH;
        }
        Phase::Debouncing => {}
    }
}

fn healthy(since: &mut Option<Timestamp>) {
    if let Some(since) = since {
        counts_for(since, TICK.as_secs());
    }
}

/// When it was admitted is told by the world: before or after what was launched, and by its token.
///
/// A hold stops the clock: what counts of a deadline is what was left when it began, however long it lasts.
fn of_surge(surge: &mut Surge, deadline_counts_for: i64, other: Option<&mut Timestamp>, words: &mut String) {
    surge.admitted_at = Timestamp::UNIX_EPOCH;
    let Some(held_since) = surge.held_since else {
        counts_for(&mut surge.deadline, deadline_counts_for);
        if let Some(other) = other {
            counts_for(other, 0);
        }
        return;
    };
    let mut left = |deadline: &mut Timestamp, counts_for: i64| {
        let left = deadline.duration_since(held_since).as_secs().max(-counts_for);
        let _ = write!(words, "left {left}s,");
        *deadline = Timestamp::UNIX_EPOCH;
    };
    left(&mut surge.deadline, deadline_counts_for);
    if let Some(other) = other {
        left(other, 0);
    }
    surge.held_since = Some(Timestamp::UNIX_EPOCH);
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
            // Only whether it is back counts.
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
    let held_from = clocks.held_since.map(|held_since| held_since.max(clocks.since));
    clocks.held_since = held_from.map(|_| Timestamp::UNIX_EPOCH);
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

/// The policy is the same in all states of a world, and long.
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

/// Whether what is in a group's ledger explains a setting of it.
pub fn is_in_ledger(record: &Record, group: &str, explains: impl Fn(&Setting) -> bool) -> bool {
    record.ledger.iter().any(|entry| entry.group.as_str() == group && explains(&entry.setting))
}
