//! What a phase of a cutover is judged by, and what becomes of it.

use jiff::Timestamp;

use crate::observation::{Group, Observation};
use crate::record::{Cutover, CutoverOutcome, CutoverPhase};
use crate::waiting::Waiting;

/// What a phase is judged by.
pub(crate) struct CutoverContext<'a> {
    pub(crate) now: Timestamp,
    pub(crate) seen: &'a Observation,
    pub(crate) old: &'a Group,
    pub(crate) new: &'a Group,
    pub(crate) pause: Option<Waiting>,
}

/// What becomes of a phase in one pass.
#[derive(Debug)]
pub(crate) enum Transition {
    /// It stays, perhaps with its data brought up to date.
    Stay(CutoverPhase),
    /// It stays, and this is what it waits for.
    Wait(CutoverPhase, Waiting),
    /// It becomes another one.
    To(CutoverPhase, String),
    /// The cutover is over.
    End(CutoverOutcome, String),
}

/// The step that undoes a cutover which has had no traffic.
pub(crate) fn abort(outcome: CutoverOutcome, why: impl Into<String>) -> Transition {
    let why = why.into();
    Transition::To(CutoverPhase::Aborting { outcome, why: why.as_str().into() }, why)
}

/// The step that takes traffic back.
pub(crate) fn roll_back(why: impl Into<String>) -> Transition {
    let why = why.into();
    Transition::To(CutoverPhase::RollingBack { why: why.as_str().into(), back_since: None }, why)
}

/// The step that undoes a cutover, wherever it is. Where nothing was changed there is nothing to scaled to zero: what is in the
/// other color by then is someone else's.
pub(crate) fn undo(cutover: &Cutover, why: impl Into<String>) -> Transition {
    if cutover.has_traffic() {
        roll_back(why)
    } else if cutover.is_untouched() {
        Transition::End(CutoverOutcome::Aborted, why.into())
    } else {
        abort(CutoverOutcome::Aborted, why)
    }
}
