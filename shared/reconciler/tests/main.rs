//! The control loop on the simulated AWS, with virtual time and any fault at any call.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod support;
