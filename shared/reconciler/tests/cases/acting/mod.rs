//! Each action alone: its reads, its writes, and its result when the live values differ.

mod changes;
mod kinds;
mod order;
mod stage;
