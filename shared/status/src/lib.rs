//! What a fleet does, what blocks the rest, and whether a rollback is possible: one document for operators and programs.
//!
//! [`status()`] makes what the function, the command line and the dashboard show. It runs the planner on what was just read
//! and commits nothing: this crate has no rules of its own. What cannot be known is null or `unknown`.
//!
//! [`model`] has the document about a fleet, [`why`] the guards of one instance or image, [`history`] past changes.

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
