//! Messages of every kind.

pub(crate) mod letters;
