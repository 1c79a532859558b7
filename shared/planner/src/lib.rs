//! The planner: the crate that makes all decisions of Driftless. It is a pure function of the stored state, the state
//! that was read from AWS, and the time.
//!
//! The main function is [`decide()`]. Its input is the record, the stored facts and the freezes of a fleet, the results
//! of the actions just performed, what this reconcile pass has read from AWS, the default policy, and the time. Its
//! output is the next record, the actions, the history entries, the notifications, the reasons for which drifted
//! instances and the cutover wait, and the time of the next pass. It is fully deterministic: no async, no clock, no
//! randomness, no logging, no environment and no AWS type. Identifiers and idempotency tokens are derived from the
//! input, never random.
//!
//! Reading order: [`input`], [`fact`] and [`observation`] (the input), [`record`] (the stored state, and the
//! transitions between phases), [`decision`] (the output), then [`decide()`] with one module for each of its steps.

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
