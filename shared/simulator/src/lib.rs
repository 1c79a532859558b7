//! A deterministic simulation of AWS in memory and in virtual time: the same seed gives the same run. It imitates the
//! behavior of AWS that makes a controller fail: lag, lost responses, throttling, retries.
//!
//! [`cloud`] is AWS and knows nothing of Driftless. [`day`] draws a fleet, changes by operators, and faults from a
//! seed. [`executor`] runs the production loop against the simulated AWS, and [`invariants`] checks every step.

pub mod account;
pub mod aws_writes;
pub mod calls;
pub mod cloud;
pub mod day;
pub mod executor;
pub mod fault_plan;
pub mod faults;
mod fleet;
pub mod function;
pub mod invariants;
mod invocation;
mod people;
pub mod queue;
pub mod rng;
pub mod scenario;
pub mod table;
pub mod trace;
pub mod world;
