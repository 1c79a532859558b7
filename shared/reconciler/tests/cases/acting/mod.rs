//! Each action by itself: what it reads, what it writes, and what it answers where the world is another one.

mod changes;
mod kinds;
mod order;
mod stage;
