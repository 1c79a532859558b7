//! The input of a phase of a replacement, and the transitions that a phase can return.

use jiff::Timestamp;

use crate::drift::Recurrence;
use crate::ids::{InstanceId, RuleName, Zone};
use crate::observation::{Group, Member};
use crate::record::{CancelReason, Phase, Surge};
use crate::waiting::Waiting;

/// The result of one pass over a phase of a replacement.
pub(crate) enum Transition {
    /// The replacement stays in its phase, perhaps with new data.
    Stay(Phase),
    /// The replacement enters another phase.
    To(Phase, String),
    /// The attempt is over: the replacement ends, is stopped, or waits for another attempt.
    End(End),
}

pub(crate) enum End {
    Replaced {
        successor: InstanceId,
        surge: Surge,
    },
    Cancelled(CancelReason),
    /// The drifted instance is gone, and no replacement instance was verified in its place in time.
    NotLaunchedAfter,
}

/// The input of a phase of a replacement.
pub(crate) struct ReplacementContext<'p, 'a> {
    pub(crate) now: Timestamp,
    pub(crate) id: &'p InstanceId,
    pub(crate) group: &'a Group,
    /// The zone of the drifted instance, in which its replacement instance is launched.
    pub(crate) zone: &'p Zone,
    pub(crate) drifted: Option<&'a Member>,
    pub(crate) is_cleared: bool,
    pub(crate) breaker_open: bool,
    /// A rule whose breaker is open, if all drift reasons of the instance are such rules.
    pub(crate) rule_breaker: Option<RuleName>,
    pub(crate) recurrence: Recurrence,
    pub(crate) pause: Option<Waiting>,
    /// When the pause in force began: the time at which the oldest freeze in force was set or, in observe mode, the time of
    /// this pass.
    pub(crate) paused_since: Timestamp,
    pub(crate) others_launched: u32,
}
