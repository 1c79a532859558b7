//! An in-memory world behind the loop's ports, and what drives it.

pub(crate) mod driver;
pub(crate) mod fleet;
mod ports;
mod table;
pub(crate) mod world;

pub(crate) use driver::{LEASE, block_on, count_turns, times};
pub(crate) use fleet::{
    app, drifted, fact, fact_of, fleet_name, fresh, group_name, image, instance, judge, rule, start, unseen, word,
};
pub(crate) use world::{Fault, World};
