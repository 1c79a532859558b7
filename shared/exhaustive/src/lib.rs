//! Bounded model checking: explores every state that a small model can reach, with the shipped planner inside the
//! model.
//!
//! A fault-injection run covers what its seed draws. Here all moves are covered: each event, crash, lost response and
//! second function at each moment, until no new state is found. The models are small (two instances in a group), but
//! planner and records are the shipped ones. Time advances in ticks, and states that differ only in ids, absolute times
//! and texts for readers count as one (`canon`, `kept`).
//!
//! Reading order: [`explore`] (the graph and its checks), [`world`] and [`writes`] (AWS), [`run`] (a reconcile run),
//! `happens` (the moves), [`invariants`] (the properties), [`setups`] (the models).

pub mod canon;
pub mod explore;
mod happens;
pub mod invariants;
pub mod kept;
pub mod moves;
pub mod observe;
pub mod run;
pub mod setups;
pub mod small;
pub mod world;
pub mod writes;
