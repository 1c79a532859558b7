//! The loop: observe, decide, commit, act, notify. It knows no SDK: what it needs from the world is in [`ports`].
//!
//! Intent is committed before it is acted on, under the record's version and the lease's fence. After a crash anywhere
//! the next run observes and goes on.

pub mod act;
pub mod batch;
pub mod observe;
pub mod ports;
mod publisher;
pub mod reconcile;
pub mod resync;
pub mod store;
