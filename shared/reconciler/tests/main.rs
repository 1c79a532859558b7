//! The loop, proven on the smallest world that can prove it: in memory, with virtual time and faults.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod support;
