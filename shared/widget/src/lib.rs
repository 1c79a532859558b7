//! What fleets are doing as HTML, for the custom widget of a CloudWatch dashboard.
//!
//! The console shows what a function answers: HTML and SVG, without scripts. A button is an element with a `cwdb-action`
//! after it, which calls a function with the viewer's own permissions once the viewer has confirmed it.
//!
//! Every value is escaped where it is written: there is no other way to write one. Which orders have a button is
//! said by [`driftless_status::orders`], which asked the planner; what a confirmation says, by [`driftless_status::effect`].

mod buttons;
mod documentation;
mod fleet;
mod frame;
mod overview;
mod parts;
mod receipt;
mod style;
mod timeline;
mod words;

pub use documentation::DOCUMENTATION;
pub use fleet::fleet;
pub use frame::{Frame, Parameters, Theme};
pub use overview::{Overview, overview};
pub use receipt::{receipt, refusal};
