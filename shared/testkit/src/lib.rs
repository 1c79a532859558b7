//! What the tests of several crates are built from. Nothing that ships depends on it.

pub mod events;
pub mod plot;
