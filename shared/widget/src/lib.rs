//! What fleets do as HTML, for the custom widget of a CloudWatch dashboard.
//!
//! The console shows the response of a function: HTML and SVG, without scripts. A button is an element with a `cwdb-action`
//! after it, which calls a function with the viewer's own permissions once the viewer has confirmed it.
//!
//! The macro escapes every value that it writes. [`driftless_status::orders`] decides which commands have a button, and
//! [`driftless_status::effect`] what a confirmation says.

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
