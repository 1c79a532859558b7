//! What a phase of a replacement is judged by, and what becomes of it.

use jiff::Timestamp;

use crate::drift::Recurrence;
use crate::ids::{InstanceId, RuleName, Zone};
use crate::observation::{Group, Member};
use crate::record::{CancelReason, Phase, Surge};
use crate::waiting::Waiting;

/// What becomes of a phase in one pass.
pub(crate) enum Transition {
    /// It stays, perhaps with its data brought up to date.
    Stay(Phase),
    /// It becomes another one.
    To(Phase, String),
    /// The replacement is over.
    End(End),
}

pub(crate) enum End {
    Replaced {
        successor: InstanceId,
        surge: Surge,
    },
    Cancelled(CancelReason),
    /// Nothing proved itself in the place of the drifted one, which is gone.
    NotLaunchedAfter,
}

/// What a phase is judged by.
pub(crate) struct ReplacementContext<'p, 'a> {
    pub(crate) now: Timestamp,
    pub(crate) id: &'p InstanceId,
    pub(crate) group: &'a Group,
    /// Where the drifted instance runs, and its successor is launched.
    pub(crate) zone: &'p Zone,
    pub(crate) drifted: Option<&'a Member>,
    pub(crate) is_cleared: bool,
    pub(crate) breaker_open: bool,
    /// The rule whose breaker is open in all fleets, where the drift is of such rules alone.
    pub(crate) rule_breaker: Option<RuleName>,
    pub(crate) recurrence: Recurrence,
    pub(crate) pause: Option<Waiting>,
    /// Since when it is held: since the freeze was said, not since it was noticed.
    pub(crate) paused_since: Timestamp,
    pub(crate) others_launched: u32,
}
