//! What the tests of several crates are built from. Nothing that ships depends on it.
//!
//! [`builders`] makes one thing each. A [`Stage`] is a fleet with what Driftless remembers of it; what AWS does to it, the
//! simulated one does. [`golden`] reads what the status crate says of fleets in every state.

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
