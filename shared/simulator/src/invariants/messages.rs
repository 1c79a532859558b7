//! Checked when a function ends: a message may fail, and so reach the dead-letter queue, only because of a fault.

use super::Violation;
use super::safety::violated;
use crate::world::World;

/// Checks that a function which ends may leave these messages on the queue, to be received again.
///
/// # Errors
/// The function failed for messages without having had a fault.
pub fn ended(world: &World, function: u64, failed: &[u64]) -> Result<(), Violation> {
    if failed.is_empty() || world.history.faulted.contains(&function) {
        return Ok(());
    }
    let what = format!("f{function} met no fault, and fails for {} of its messages", failed.len());
    Err(violated(world, "a message fails only where a fault explains it", what))
}

/// Checks that the timeout of a function has an explanation.
///
/// # Errors
/// The function reached its timeout although no fault delayed it.
pub fn killed(world: &World, function: u64) -> Result<(), Violation> {
    if world.history.faulted.contains(&function) || world.history.slowed.contains(&function) {
        return Ok(());
    }
    let what = format!("f{function} met no fault, and comes to no end");
    Err(violated(world, "a function ends in its time", what))
}
