//! The metrics of a decision. The values of their dimensions come from closed sets, never from external names, because
//! CloudWatch bills each series.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::decision::Decision;
use crate::record::history::Change;
use crate::record::transitions::Step;
use crate::record::{PhaseKind, Record};
use crate::waiting::GuardId;

/// The outcomes by which finished replacements are counted. A stopped replacement counts when it stops, not when an
/// operator clears it.
pub const REPLACEMENT_OUTCOMES: [&str; 3] = ["replaced", "cleared", "stopped"];

/// The metrics of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Measured {
    /// By guard: the number of drifted instances and cutovers that wait for this guard.
    pub waiting: BTreeMap<GuardId, u32>,
    /// By outcome, one of [`REPLACEMENT_OUTCOMES`]: the number of replacements that ended with it.
    pub replacements: BTreeMap<&'static str, u32>,
    /// The phase or traffic step that the cutover has left, and how long the cutover was in it. None: the cutover has
    /// left none.
    pub phase_left: Option<(&'static str, SignedDuration)>,
    /// The age of the oldest borrowed setting that is not restored yet. Zero: there is none.
    pub oldest_borrowed_setting: SignedDuration,
}

/// Measures a decision against the record that it replaces.
pub fn measure(before: Option<&Record>, decision: &Decision, now: Timestamp) -> Measured {
    let mut measured = Measured::default();
    for waiting in decision.waiting.values().chain(&decision.cutover_waits) {
        *measured.waiting.entry(waiting.guard()).or_default() += 1;
    }
    for outcome in decision.history.iter().filter_map(|entry| outcome(&entry.change)) {
        *measured.replacements.entry(outcome).or_default() += 1;
    }
    if let Some(old) = before.and_then(|record| record.cutover.as_ref()) {
        let is_in = decision.next.cutover.as_ref().map(|new| (&new.id, new.phase().name(), new.since()));
        if is_in != Some((&old.id, old.phase().name(), old.since())) {
            measured.phase_left = Some((old.phase().name(), age(old.since(), now)));
        }
    }
    let oldest = decision.next.borrowed_settings.iter().map(|entry| entry.since).min();
    measured.oldest_borrowed_setting = oldest.map_or(SignedDuration::ZERO, |since| age(since, now));
    measured
}

/// The outcome of the replacement that this change ends. None: the change ends no replacement, or clears a stopped one,
/// which was counted when it stopped.
fn outcome(change: &Change) -> Option<&'static str> {
    let Change::Replacement { from, to, .. } = change else { return None };
    match to {
        _ if *from == Some(PhaseKind::Stopped) => None,
        Step::Ends(end) => Some((*end).into()),
        Step::Enters(phase) => (*phase == PhaseKind::Stopped).then_some(PhaseKind::Stopped.into()),
    }
}

fn age(since: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(since).max(SignedDuration::ZERO)
}
