//! Commands as an operator types them, against stubs of the two functions: the requests, the output, and the exit code.

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
