//! The input of a phase of a replacement, and its possible transitions.

use jiff::Timestamp;

use crate::drift::Recurrence;
use crate::ids::{InstanceId, RuleName, Zone};
use crate::observation::{Group, Member};
use crate::record::{CancelReason, Phase, Surge};
use crate::waiting::Waiting;

/// The result of one pass over a phase.
pub(crate) enum Transition {
    /// The phase stays, perhaps with new data.
    Stay(Phase),
    /// The replacement enters another phase.
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
    /// No instance was verified in place of the drifted one, which is gone.
    NotLaunchedAfter,
}

/// The input of a phase.
pub(crate) struct ReplacementContext<'p, 'a> {
    pub(crate) now: Timestamp,
    pub(crate) id: &'p InstanceId,
    pub(crate) group: &'a Group,
    /// The zone of the drifted instance, in which its replacement instance is launched.
    pub(crate) zone: &'p Zone,
    pub(crate) drifted: Option<&'a Member>,
    pub(crate) is_cleared: bool,
    pub(crate) breaker_open: bool,
    /// The rule whose breaker is open, if the drift consists of such rules alone.
    pub(crate) rule_breaker: Option<RuleName>,
    pub(crate) recurrence: Recurrence,
    pub(crate) pause: Option<Waiting>,
    /// Since when a pause counts: when the oldest freeze in force was set, or now in observe mode.
    pub(crate) paused_since: Timestamp,
    pub(crate) others_launched: u32,
}
