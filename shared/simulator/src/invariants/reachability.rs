//! Checked over a batch of runs: every fault and every guard must occur in some run, since otherwise it is not tested.

use crate::world::Counts;

/// The phases, waits and faults that every large batch must reach.
pub const MUST_REACH: [&str; 62] = [
    "phase debouncing",
    "phase blocked",
    "phase launching",
    "phase verifying",
    "phase retiring",
    "phase cancelling",
    "phase terminating",
    "phase launching-after",
    "phase stopped",
    "waiting freeze",
    "waiting mode",
    "waiting policy",
    "waiting window",
    "waiting cutover",
    "waiting group",
    "waiting breaker",
    "waiting rule-breaker",
    "waiting repeat-drift",
    "waiting budget",
    "waiting back-off",
    "waiting capacity",
    "waiting quarantine",
    "waiting protection",
    "waiting in-service",
    "waiting debounce",
    "waiting floor",
    "waiting turn",
    "waiting preflight",
    "waiting replacements",
    "waiting pause",
    "waiting approval",
    "waiting both-colors-alarm",
    "waiting guard-alarm",
    "waiting traffic",
    "waiting color-min-healthy",
    "waiting rollback-min-healthy",
    "waiting operator",
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
    "cutover retiring",
    "cutover aborting",
    "cutover rolling-back",
    "cutover needs-operator",
    "outcome done",
    "outcome aborted",
    "outcome superseded",
    "outcome rolled-back",
];

/// A batch of at least this many runs must, taken together, reach everything in [`MUST_REACH`].
pub const BATCH_MIN: u64 = 5_000;

/// The names in [`MUST_REACH`] that a batch did not reach.
pub fn missing(counts: &Counts) -> Vec<&'static str> {
    MUST_REACH.into_iter().filter(|name| !counts.reached.contains_key(*name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_come_by_is_named_and_what_was_is_not() {
        let mut counts = Counts::default();
        assert_eq!(missing(&counts), MUST_REACH);
        for name in MUST_REACH.iter().filter(|name| **name != "waiting rule-breaker") {
            counts.reach(*name);
        }
        assert_eq!(missing(&counts), ["waiting rule-breaker"]);
    }
}
