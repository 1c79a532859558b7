//! The effect and the errors of each call to AWS. There is one method for each port method, in the order of the ports.

mod groups;
mod reads;
mod refused;
mod traffic;
