//! The effect and the errors of each call: one method for each method of the ports, in the order of the ports.

mod groups;
mod reads;
mod refused;
mod traffic;
