//! What a fleet's status says, in the worlds of the planner's own tests.

#[cfg(test)]
#[expect(dead_code, reason = "the planner's tests use all of it")]
#[path = "../../../planner/tests/planner/support/mod.rs"]
mod support;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod truths;
#[cfg(test)]
mod worlds;
