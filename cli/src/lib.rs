//! The command line of Driftless: its arguments, what each command sends to the functions `status` and `operator`, and
//! how the command shows the response. The binary adds the terminal and the clock.

pub mod api;
pub mod commands;
pub mod console;
pub mod draw;
pub mod exit;
pub mod help;
pub mod line;
mod nearest;
pub mod network;
mod run;
mod values;

pub use run::run;
