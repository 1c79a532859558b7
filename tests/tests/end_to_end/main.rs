//! The deployed functions on a local AWS, from the event on the bus to the fleet, and back to rest.
//!
//! Each test starts a local AWS of its own, and ends with [`stage::Stage::assert_at_rest`]. They are not among the tests of
//! a plain `cargo test`: they need the emulators that `make e2e` installs.

mod crashes;
mod cutover;
mod disturbances;
mod fleets;
mod hints;
mod images;
mod kills;
mod layouts;
mod local_stack;
mod replacement;
mod restraint;
mod rollout;
mod second_thoughts;
mod served;
mod stage;
mod switch;
