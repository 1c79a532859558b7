//! Tests of the simulator through its public interface, one suite in each file.

#![cfg(test)]

mod admission;
mod calls;
mod cloud;
mod cloud_rules;
mod guard_names;
mod invariants;
mod pace;
#[path = "../scale/page.rs"]
mod page;
