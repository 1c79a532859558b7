//! The command line of Driftless: what can be typed, what each command asks or orders, and how the answer is shown. The
//! binary adds the terminal and the clock.

pub mod commands;
pub mod console;
pub mod desk;
pub mod draw;
pub mod exit;
pub mod line;
pub mod network;
mod run;
mod values;

pub use run::run;
