//! Helpers for the tests of several crates. No shipped crate depends on this crate.
//!
//! [`builders`] makes single resources. A [`Stage`] is a fleet with the state that Driftless stores for it; the
//! simulated AWS computes the effect of each call. [`golden`] reads the documents of the status crate for fleets in
//! every state.

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a builder is told by its name, and what it cannot build fails the test"
)]

mod aws;
pub mod builders;
pub mod cutover;
pub mod events;
pub mod golden;
pub mod plot;
pub mod schemas;
pub mod stage;

pub use builders::*;
pub use cutover::{pair, pair_that_shares, pair_without_balancer};
pub use stage::Stage;
