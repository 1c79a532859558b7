//! The golden files of the status crate, parsed as the command line parses a response.

use driftless_status::FleetStatus;
use driftless_status::history::History;
use driftless_testkit::golden::read;
pub(crate) use driftless_testkit::golden::worlds;

/// The status of a world.
pub(crate) fn status(world: &str) -> FleetStatus {
    read(world)
}

/// The history of a world.
pub(crate) fn history(world: &str) -> History {
    read(&format!("history-{world}"))
}
