//! The operator API on a simulated AWS: what people ask is answered as the loop sees it, and what they order is followed.

#![cfg(test)]

mod answers;
mod widget;
