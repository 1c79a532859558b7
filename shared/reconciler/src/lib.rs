//! The control loop: observe, decide, commit, act, notify. The crate uses no AWS SDK; [`ports`] declares what it needs
//! from AWS, the queue and the table.
//!
//! Every decision is committed before it is carried out, on condition that the record's version and the lease's fence
//! have not changed. After a crash at any point, the next run observes again and continues.

pub mod act;
pub mod batch;
pub mod observe;
pub mod ports;
mod publisher;
pub mod reconcile;
pub mod resync;
pub mod store;
