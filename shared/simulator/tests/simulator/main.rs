//! The simulator, seen from outside. Each other file is one suite of facts.

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
