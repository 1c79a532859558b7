//! An AWS in memory that behaves like the real one where it hurts, in virtual time, and the same in every run of a seed.
//!
//! [`cloud`] is AWS: what it does by itself as time passes, and what each call does to it. It knows nothing of Driftless.
//! [`day`] is what a seed draws: a fleet, people, faults. [`executor`] runs the production loop in it, [`judges`] watch.

pub mod account;
pub mod calls;
pub mod cloud;
pub mod day;
pub mod deeds;
pub mod dice;
pub mod executor;
pub mod faults;
mod fleet;
pub mod function;
mod invocation;
pub mod judges;
pub mod mishaps;
mod people;
pub mod queue;
pub mod scenario;
pub mod table;
pub mod trace;
pub mod world;
