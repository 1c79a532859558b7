//! The control loop: observe, decide, commit, act, notify. This crate uses no AWS SDK; the traits in [`ports`] declare
//! what the loop needs from AWS, the queue and the table.
//!
//! Every decision is committed before it is carried out, on condition that the version of the record and the fencing
//! number of the lease have not changed. After a crash at any point, the next run observes again and continues.

pub mod act;
pub mod batch;
pub mod observe;
pub mod ports;
mod publisher;
pub mod reconcile;
pub mod resync;
pub mod store;
