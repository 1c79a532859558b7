//! Messages of every kind, and what a schema says of them.

pub(crate) mod letters;
pub(crate) mod schema;
