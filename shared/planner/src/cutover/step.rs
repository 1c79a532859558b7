//! The input of a phase of a cutover, and its possible transitions.

use jiff::Timestamp;

use crate::observation::{Group, Observation};
use crate::record::{Cutover, CutoverOutcome, CutoverPhase};
use crate::waiting::Waiting;

/// The input of a phase.
pub(crate) struct CutoverContext<'a> {
    pub(crate) now: Timestamp,
    pub(crate) seen: &'a Observation,
    pub(crate) old: &'a Group,
    pub(crate) new: &'a Group,
    pub(crate) pause: Option<Waiting>,
}

/// The result of one pass over a phase.
#[derive(Debug)]
pub(crate) enum Transition {
    /// The phase stays, perhaps with new data.
    Stay(CutoverPhase),
    /// The phase stays, and waits for this.
    Wait(CutoverPhase, Waiting),
    /// The cutover enters another phase.
    To(CutoverPhase, String),
    /// The cutover is over.
    End(CutoverOutcome, String),
}

/// The transition that undoes a cutover before its first traffic.
pub(crate) fn abort(outcome: CutoverOutcome, why: impl Into<String>) -> Transition {
    let why = why.into();
    Transition::To(CutoverPhase::Aborting { outcome, why: why.as_str().into() }, why)
}

/// The transition that returns traffic to the old color.
pub(crate) fn roll_back(why: impl Into<String>) -> Transition {
    let why = why.into();
    Transition::To(CutoverPhase::RollingBack { why: why.as_str().into(), back_since: None }, why)
}

/// The transition that undoes a cutover in any phase. A cutover that has changed nothing ends at once: it must not
/// scale the other color to zero, whose instances are not its own.
pub(crate) fn undo(cutover: &Cutover, why: impl Into<String>) -> Transition {
    if cutover.has_traffic() {
        roll_back(why)
    } else if cutover.is_untouched() {
        Transition::End(CutoverOutcome::Aborted, why.into())
    } else {
        abort(CutoverOutcome::Aborted, why)
    }
}
