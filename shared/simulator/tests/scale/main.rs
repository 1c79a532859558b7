//! Scale: what grows with what. The production loop on large accounts; docs/performance.md holds what is counted.
//!
//! Ten thousand events take the loop a while: `make sim` runs these in its own profile,
//! `cargo test --profile sim -p driftless-simulator --test scale -- --ignored`. With `BLESS=1` they write their tables.

#[cfg(test)]
mod cost;
#[cfg(test)]
mod one_fleet;
#[cfg(test)]
mod page;
#[cfg(test)]
mod plot;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod support;
#[cfg(test)]
mod sweep;
