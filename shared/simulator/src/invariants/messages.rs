//! Checked when a function ends: a message may fail, and so reach the dead-letter queue, only because of a fault.

use super::Violation;
use super::safety::violated;
use crate::world::World;

/// Whether a function that ends may leave these messages to be received again.
///
/// # Errors
/// The function had no fault.
pub fn ended(world: &World, function: u64, failed: &[u64]) -> Result<(), Violation> {
    if failed.is_empty() || world.history.faulted.contains(&function) {
        return Ok(());
    }
    let what = format!("f{function} met no fault, and fails for {} of its messages", failed.len());
    Err(violated(world, "a message fails only where a fault explains it", what))
}

/// Whether a timeout of the function has an explanation.
///
/// # Errors
/// No fault delayed the function.
pub fn killed(world: &World, function: u64) -> Result<(), Violation> {
    if world.history.faulted.contains(&function) || world.history.slowed.contains(&function) {
        return Ok(());
    }
    let what = format!("f{function} met no fault, and comes to no end");
    Err(violated(world, "a function ends in its time", what))
}
