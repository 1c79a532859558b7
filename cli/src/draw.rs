//! Drawings for a terminal: ASCII, at most 100 columns, colored where the caller says so. Everything that came from outside
//! is stripped of control characters once more where it is drawn.

mod cutover;
mod drift;
mod fleet;
mod glance;
mod groups;
mod history;
mod page;
mod style;
mod why;

pub use fleet::fleet;
pub use glance::glance;
pub use history::history;
pub use style::{Style, WIDTH_MAX, WIDTH_MIN};
pub use why::why;
