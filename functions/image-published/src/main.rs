//! An image was made, published, disabled or removed: a fact, sent to the reconcile queue.
//!
//! Promises: AMI events, Image Builder events and `image.published` on Driftless's own bus become one fact each, which
//! says who reported it, because policies trust the three differently. What cannot be read is refused by the name of
//! its field.
//!
//! Never: it never asks AWS anything (an AMI event carries no tag, so whose image it is, is read later), and never
//! takes an event for `image.published` that has a field which we did not define.

mod event;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    driftless_lambda::run_detector(event::parse).await
}
