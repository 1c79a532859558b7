//! Drawings of what the status crate's golden files say.

#![cfg(test)]

mod said;

mod golden;
mod truths;
