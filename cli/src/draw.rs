//! Text for a terminal: ASCII, at most 100 columns, with colors if the caller requests them. Control characters are
//! removed here once more from every text that comes from outside.

pub(crate) mod cutover;
pub(crate) mod drift;
pub(crate) mod fleet;
pub(crate) mod groups;
mod history;
pub(crate) mod page;
pub(crate) mod style;
pub(crate) mod summary;
mod why;

pub use fleet::fleet;
pub use history::history;
pub use style::{Style, WIDTH_MAX, WIDTH_MIN};
pub use summary::summary;
pub use why::why;
