//! Every state that a small model can reach, with the shipped planner inside: the check that ends.
//!
//! A simulated day tries what a seed draws. Here everything is tried: each event, crash, lost reply and second actor at each
//! moment, until no new state is found. The worlds are small (two instances a group), the planner is the shipped one, and its
//! records are its own: nothing is modelled of it. Only the time comes in ticks, and states that differ in nothing but ids,
//! absolute times and words for people count as one (`canon`, `kept`).
//!
//! Reading order: [`explore`] (the graph and what is judged on it), [`world`] and [`writes`] (AWS), [`run`] (a reconcile),
//! `happens` (everything that may happen), [`check`] (what must hold), [`setups`] (the worlds).

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
