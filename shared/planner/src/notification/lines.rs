//! The lines of a message.

use jiff::SignedDuration;

/// The texts of a message, each one line.
pub(super) struct Wording {
    /// What happened, without a full stop.
    pub(super) what: String,
    /// Its cause: the guard, the alarm, the rule, or the message of AWS.
    pub(super) why: String,
    /// What Driftless does next, and when.
    pub(super) next: String,
}

/// A duration in hours, minutes and seconds: `20m 34s`.
pub(super) fn in_seconds(duration: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_secs(duration.as_secs()))
}
