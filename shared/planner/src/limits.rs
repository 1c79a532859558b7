//! Limits that all fleets of an account and region share.

use jiff::SignedDuration;

/// The most cutovers at once in an account and region. Each cutover doubles a fleet and uses the shared API rate limits
/// of Auto Scaling and the load balancers; more cutovers would delay each other's rollbacks.
pub const CUTOVERS_MAX: usize = 3;
/// If this many fleets begin to drift under one Config rule within [`COMMON_CAUSE_WITHIN`], the rule is at fault and
/// not the fleets.
pub const COMMON_CAUSE_FLEETS: usize = 3;
/// The time within which [`COMMON_CAUSE_FLEETS`] fleets must begin to drift under one rule, so that the rule is at
/// fault.
pub const COMMON_CAUSE_WITHIN: SignedDuration = SignedDuration::from_mins(15);

/// The shortest time between two passes while work is in progress: with less, reads would waste API calls.
pub(crate) const RECHECK_MIN: SignedDuration = SignedDuration::from_secs(2);
/// The longest time between two passes while work is in progress: with more, an operator would notice the delay.
pub(crate) const RECHECK_MAX: SignedDuration = SignedDuration::from_secs(30);
