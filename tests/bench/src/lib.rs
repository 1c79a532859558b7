//! `make bench`: the shipped functions and what people use instead, on a stub AWS over loopback, side by side.
//!
//! Every figure is of a fresh process that was started for it. A call for which no answer is stub, or an event that is
//! answered with an error, ends the run: a figure of something that failed is none.

pub mod burst;
pub mod cases;
pub mod cloud;
pub mod condition;
pub mod floor;
pub mod load_generator;
pub mod measure;
pub mod peers;
pub mod process;
pub mod report;
pub mod runtime;
pub mod services;
pub mod size;
pub mod statistics;
pub mod stub;
pub mod table;
pub mod trust;
pub mod world;
