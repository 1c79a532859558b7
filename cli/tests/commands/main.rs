//! What is typed, against stubs of the two functions: what is sent, what is printed, and the exit code.

#![cfg(test)]

mod play;
#[path = "../drawings/said.rs"]
mod said;

mod binary;
mod confirming;
mod failing;
mod following;
mod ordering;
mod parsing;
mod reading;
mod reference;
mod waiting;
