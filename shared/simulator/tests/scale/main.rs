//! Scale: how calls, time and memory grow with the account. The production loop runs on large accounts;
//! docs/performance.md has the counts.
//!
//! Ten thousand events take minutes: `make scale` runs these tests in the profile `sim`. With `BLESS=1` they write
//! their tables.

#![cfg(test)]

mod burst;
mod cost;
mod one_fleet;
mod page;
mod resync;
mod support;
