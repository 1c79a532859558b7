//! Scenarios: fault-injection tests as text, which operators can read and write. `docs/scenarios.md` describes the format.

pub(crate) mod aliases;
mod check;
mod event;
mod header;
mod model;
mod names;
mod parse;
mod play;
mod report;
mod run;
mod seen;
mod stage;
mod timeline;
mod words;

pub use model::Scenario;
pub use report::{Failure, Moment, Report};
pub use words::ScenarioError;

#[cfg(test)]
mod tests;
