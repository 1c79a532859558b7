//! What the command line shows: drawings of what is known, as pure functions. What asks for it is in the binary.

pub mod draw;
