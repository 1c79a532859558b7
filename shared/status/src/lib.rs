//! What a fleet is doing, why the rest waits, and whether it can go back: one answer for people and machines.
//!
//! [`status()`] is what the function, the command line and the dashboard show. It runs the shipped planner on what was just
//! read, commits nothing, and repeats what the planner says: no rule is written down here a second time. What cannot be
//! known is named as unknown.
//!
//! [`model`] has every field with its meaning, [`why`] the verdicts on one instance or image, [`history`] what has been.

mod build;
pub mod cutover;
pub mod effect;
pub mod glance;
pub mod history;
pub mod model;
pub mod orders;
mod policy;
pub mod request;
pub mod rollback_path;
mod steps;
pub mod why;
mod words;

pub use build::status;
pub use model::{FleetStatus, SCHEMA};
