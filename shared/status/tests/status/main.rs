//! The status of a fleet, in the worlds of the planner's own tests.

#![cfg(test)]

mod golden;
mod requests;
mod schemas;
mod truths;
mod worlds;
