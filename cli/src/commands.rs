//! The commands: one file for each command or each small family of commands.

pub mod adopt;
pub mod completions;
pub mod cutover;
pub mod doctor;
pub mod freeze;
pub mod history;
pub mod image;
pub mod man;
pub mod order;
pub mod replace;
pub mod simulate;
pub mod status;
pub mod wait;
pub mod watch;
pub mod why;
