//! The operator API on a simulated AWS: queries return what the loop reads, and commands are carried out.

#![cfg(test)]

mod answers;
mod widget;
