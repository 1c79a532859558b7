//! The whole behaviour of Driftless: state in, time in, decision out.
//!
//! [`decide()`] is the heart. Its input is the fleet's record, the stored facts, what was just read from AWS, and the
//! time. Its output is the next record, the actions, the notifications, why the rest waits, and when to reconcile
//! again. It is fully deterministic: no async, no clock, no randomness, no logging, no environment and no AWS type.
//! Identifiers and idempotency tokens are derived, never drawn.
//!
//! Reading order: [`input`], [`fact`] and [`observation`] (the input), [`record`] (the stored state, and the
//! transitions between phases), [`decision`] (the output), then [`decide()`] with one file for each of its steps.

pub mod action;
mod admission;
pub mod adopt;
pub mod alarm;
pub mod answer;
pub mod balancer;
pub mod borrowed_settings;
pub mod burst;
mod candidate;
mod capacity;
pub mod check;
mod commands;
mod cutover;
pub mod decide;
pub mod decision;
mod draft;
pub mod drift;
pub mod event;
pub mod explain;
pub mod fact;
pub mod fleet;
pub mod guards;
pub mod hash;
pub mod ids;
pub mod image;
mod images;
pub mod input;
pub mod launch_fault;
pub mod limits;
pub mod measure;
pub mod notification;
pub mod observation;
pub mod observed;
mod pin;
pub mod policy;
pub mod precondition;
mod protection;
mod quarantine;
pub mod read_plan;
pub mod reading;
pub mod record;
pub mod refresh;
pub mod replacement;
pub mod request;
pub mod resync;
pub mod template;
pub mod text;
mod vetoes;
pub mod waiting;
pub mod window;

pub use decide::decide;
pub use explain::explain;
pub use precondition::precondition;
pub use record::{history, transitions};
