//! An AWS in memory that behaves like the real one where it hurts, in virtual time, and the same in every run of a seed.
//!
//! [`cloud`] is AWS: what it does by itself as time passes, and what each call does to it. It knows nothing of Driftless.

pub mod cloud;
pub mod dice;
