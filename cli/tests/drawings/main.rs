//! Drawings of the documents in the status crate's golden files.

#![cfg(test)]

mod said;

mod golden;
mod truths;
