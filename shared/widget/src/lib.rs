//! HTML pages about what fleets do, for the custom widget of a CloudWatch dashboard.
//!
//! The CloudWatch console shows the response of a function: HTML and SVG, without scripts. A button is an element that
//! is followed by a `cwdb-action`. After the viewer has confirmed it, the console calls a function with the viewer's
//! own permissions.
//!
//! The macro `html!` escapes every value that it writes. [`driftless_status::orders`] decides which commands have a
//! button, and [`driftless_status::effect`] gives the text of a confirmation.

mod buttons;
mod command_result;
mod documentation;
mod fleet;
mod frame;
mod overview;
mod parts;
mod style;
mod timeline;
mod words;

pub use command_result::{command_result, refusal};
pub use documentation::DOCUMENTATION;
pub use fleet::fleet;
pub use frame::{Frame, Parameters, Theme};
pub use overview::{Overview, overview};
