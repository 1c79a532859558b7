//! The golden files of the status crate, read as the command line would read an answer.

use driftless_status::FleetStatus;
use driftless_status::history::History;
use driftless_testkit::golden::read;
pub(crate) use driftless_testkit::golden::worlds;

/// What is said of a world.
pub(crate) fn status(world: &str) -> FleetStatus {
    read(world)
}

/// What has been in a world.
pub(crate) fn history(world: &str) -> History {
    read(&format!("history-{world}"))
}
