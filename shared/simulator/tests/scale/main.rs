//! Scale: what grows with what. The production loop on large accounts; docs/performance.md holds what is counted.
//!
//! Ten thousand events take the loop a while: `make scale` runs these in the profile `sim`. With `BLESS=1` they write their tables.

#![cfg(test)]

mod burst;
mod cost;
mod one_fleet;
mod page;
mod resync;
mod support;
