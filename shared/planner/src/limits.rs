//! Limits that all fleets of an account and region share.

use jiff::SignedDuration;

/// The most cutovers at once. Each doubles a fleet and uses the shared API rate limits of Auto Scaling and the load
/// balancers; more would delay each other's rollbacks.
pub const CUTOVERS_MAX: usize = 3;
/// Drift under one rule in this many fleets within [`COMMON_CAUSE_WITHIN`] is the fault of the rule, not of the fleets.
pub const COMMON_CAUSE_FLEETS: usize = 3;
/// The time within which those fleets began to drift.
pub const COMMON_CAUSE_WITHIN: SignedDuration = SignedDuration::from_mins(15);

/// The shortest and the longest time between two passes while work is in progress. Shorter, and reads would waste API
/// calls; longer, and an operator would notice the delay.
pub(crate) const RECHECK_MIN: SignedDuration = SignedDuration::from_secs(2);
pub(crate) const RECHECK_MAX: SignedDuration = SignedDuration::from_secs(30);
