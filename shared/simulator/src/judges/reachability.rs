//! Judged over a batch: a fault that no day can reach is not guarded against, and a guard that no day reaches is not
//! tested.

use crate::world::Counts;

/// What every batch of thousands must come by.
pub const MUST_REACH: [&str; 38] = [
    "phase debouncing",
    "phase launching",
    "phase proving",
    "phase retiring",
    "phase withdrawing",
    "phase stopped",
    "waiting freeze",
    "waiting mode",
    "waiting breaker",
    "waiting budget",
    "waiting back-off",
    "waiting debounce",
    "waiting floor",
    "layout Single",
    "layout Weighted",
    "layout Shared",
    "layout Bare",
    "route rolling",
    "route weighted",
    "route shared",
    "route none",
    "cutover queued",
    "cutover preflight",
    "cutover preparing",
    "cutover scaling",
    "cutover verifying",
    "cutover awaiting-approval",
    "cutover shifting",
    "cutover baking",
    "cutover warm",
    "cutover retiring-old",
    "cutover aborting",
    "cutover rolling-back",
    "cutover needs-operator",
    "outcome done",
    "outcome aborted",
    "outcome superseded",
    "outcome rolled-back",
];

/// A batch of at least so many days must have come by everything.
pub const BATCH_MIN: u64 = 5_000;

/// What a batch did not come by.
pub fn missing(counts: &Counts) -> Vec<&'static str> {
    MUST_REACH.into_iter().filter(|name| !counts.reached.contains_key(*name)).collect()
}
