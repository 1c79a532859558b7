//! Limits that all fleets of an account and region share.

use jiff::SignedDuration;

/// Cutovers at once. Each doubles a fleet and asks the shared buckets of Auto Scaling and the load balancers; more would
/// delay each other's rollbacks.
pub const CUTOVERS_MAX: usize = 3;
/// Drift under one rule in so many fleets within [`COMMON_CAUSE_WITHIN`] is the rule's doing, not the fleets'.
pub const COMMON_CAUSE_FLEETS: usize = 3;
/// How close together that must be.
pub const COMMON_CAUSE_WITHIN: SignedDuration = SignedDuration::from_mins(15);

/// The shortest and the longest time between two passes at work under way. Below, reads would cost more than they tell;
/// above, an operator would notice the wait.
pub(crate) const RECHECK_MIN: SignedDuration = SignedDuration::from_secs(2);
pub(crate) const RECHECK_MAX: SignedDuration = SignedDuration::from_secs(30);
