//! The golden files of the status crate, read as the command line would read an answer.

use driftless_status::FleetStatus;
use driftless_status::history::History;
use driftless_testkit::golden::read;

/// Every world that has a drawing.
pub(crate) const WORLDS: [&str; 33] = [
    "steady",
    "unadopted",
    "single-group",
    "misconfigured",
    "policy-invalid",
    "frozen",
    "breaker-open",
    "debouncing",
    "blocked",
    "launching",
    "proving",
    "retiring",
    "withdrawing",
    "vacating",
    "refilling",
    "stopped",
    "quarantined",
    "scaling",
    "verifying",
    "awaiting-approval",
    "half-way",
    "paused",
    "baking",
    "warm",
    "retiring-old",
    "rolling-back",
    "rolled-back",
    "needs-operator",
    "after-cutover",
    "no-load-balancer",
    "shared-target-group",
    "rolling",
    "hostile",
];

/// What is said of a world.
pub(crate) fn status(world: &str) -> FleetStatus {
    read(world)
}

/// What has been in a world.
pub(crate) fn history(world: &str) -> History {
    read(&format!("history-{world}"))
}
