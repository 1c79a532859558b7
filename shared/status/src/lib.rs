//! The status of fleets for operators and programs: what a fleet does, what blocks its pending work, and whether a
//! rollback is possible.
//!
//! [`status()`] builds the document that the function `status`, the command line and the dashboard show. It runs the
//! planner on what was just read and commits nothing; this crate has no rules of its own. What cannot be known is null
//! or `unknown`.
//!
//! [`model`] contains the document about a fleet, [`why`] the guards of one instance or image, and [`history`] the past
//! changes.

mod build;
pub mod cutover;
pub mod effect;
pub mod history;
pub mod model;
pub mod orders;
mod policy;
pub mod request;
pub mod rollback_path;
#[cfg(feature = "schema")]
pub mod schema;
mod steps;
pub mod summary;
pub mod why;
mod words;

pub use build::status;
pub use model::{FleetStatus, SCHEMA};
