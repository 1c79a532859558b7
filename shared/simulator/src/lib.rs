//! An AWS in memory that behaves like the real one where it hurts, in virtual time, and the same in every run of a seed.
//!
//! [`cloud`] is AWS: what it does by itself as time passes, and what each call does to it. It knows nothing of Driftless.
//! [`day`] is what a seed draws: a fleet, people, faults. [`executor`] runs the production loop in it, [`invariants`] watch.

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
