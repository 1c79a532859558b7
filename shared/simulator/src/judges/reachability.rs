//! Judged over a batch: a fault that no day can reach is not guarded against, and a guard that no day reaches is not
//! tested.

use crate::world::Counts;

/// What every batch of thousands must come by.
pub const MUST_REACH: [&str; 13] = [
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
];

/// A batch of at least so many days must have come by everything.
pub const BATCH_MIN: u64 = 5_000;

/// What a batch did not come by.
pub fn missing(counts: &Counts) -> Vec<&'static str> {
    MUST_REACH.into_iter().filter(|name| !counts.reached.contains_key(*name)).collect()
}
