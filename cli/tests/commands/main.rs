//! What is typed, against a desk with canned answers: what is asked and ordered, what is shown, and how it ends.

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
