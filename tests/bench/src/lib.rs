//! `make bench`: measures the shipped functions and their alternatives side by side, on a stub AWS over loopback.
//!
//! Every figure comes from a fresh process. A call without a stub answer or an event that fails ends the run, since its
//! figures would be invalid.

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
