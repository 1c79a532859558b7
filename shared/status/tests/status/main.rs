//! What a fleet's status says, in the worlds of the planner's own tests.

#[cfg(test)]
mod golden;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod truths;
#[cfg(test)]
mod worlds;
