//! `image-published`: turns each event about a new, disabled or removed image into a fact and sends it to the reconcile
//! queue.
//!
//! An AMI event, an Image Builder event or an `image.published` event on Driftless's own bus becomes one fact, which
//! names its source, because policies trust the three differently. An unreadable event is refused with the name of the
//! invalid field.
//!
//! The function never calls AWS beyond the queue (an AMI event carries no tag, so `reconcile` reads the fleet tag
//! later), and never accepts an `image.published` event with an undefined field.

mod event;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    driftless_lambda::run_detector(event::parse).await
}
