//! The input of a phase of a cutover, and the transitions that a phase can return.

use jiff::Timestamp;

use crate::observation::{Group, Observation};
use crate::record::{Cutover, CutoverOutcome, CutoverPhase};
use crate::waiting::Waiting;

/// The input of a phase of a cutover.
pub(crate) struct CutoverContext<'a> {
    pub(crate) now: Timestamp,
    pub(crate) seen: &'a Observation,
    pub(crate) old: &'a Group,
    pub(crate) new: &'a Group,
    pub(crate) pause: Option<Waiting>,
}

/// The result of one pass over a phase of a cutover.
#[derive(Debug)]
pub(crate) enum Transition {
    /// The cutover stays in its phase, perhaps with new data.
    Stay(CutoverPhase),
    /// The cutover stays in its phase and waits for this reason to end.
    Wait(CutoverPhase, Waiting),
    /// The cutover enters another phase.
    To(CutoverPhase, String),
    /// The cutover ends, with its outcome and the reason.
    End(CutoverOutcome, String),
}

/// The transition that undoes a cutover whose new color has had no traffic.
pub(crate) fn abort(outcome: CutoverOutcome, why: impl Into<String>) -> Transition {
    let why = why.into();
    Transition::To(CutoverPhase::Aborting { outcome, why: why.as_str().into() }, why)
}

/// The transition that returns all traffic to the old color and then undoes the cutover.
pub(crate) fn roll_back(why: impl Into<String>) -> Transition {
    let why = why.into();
    Transition::To(CutoverPhase::RollingBack { why: why.as_str().into(), back_since: None }, why)
}

/// The transition that undoes a cutover in any phase. A cutover that has changed nothing yet ends at once: it must not
/// scale the other color to zero, because the instances of that color do not belong to it.
pub(crate) fn undo(cutover: &Cutover, why: impl Into<String>) -> Transition {
    if cutover.has_traffic() {
        roll_back(why)
    } else if cutover.is_untouched() {
        Transition::End(CutoverOutcome::Aborted, why.into())
    } else {
        abort(CutoverOutcome::Aborted, why)
    }
}
