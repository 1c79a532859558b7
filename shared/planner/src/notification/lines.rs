//! The lines of a message.

use jiff::SignedDuration;

/// The words of a message, each one line.
pub(super) struct Wording {
    /// The fact, without its full stop.
    pub(super) what: String,
    /// Its cause: the guard, the alarm, the rule, or AWS's own message.
    pub(super) why: String,
    /// What Driftless does next, and when.
    pub(super) next: String,
}

/// A duration as a person says it: `20m 34s`.
pub(super) fn in_seconds(duration: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_secs(duration.as_secs()))
}
