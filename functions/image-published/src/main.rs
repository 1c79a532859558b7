//! `image-published`: turns each event about a new, disabled or removed image into a fact and sends it to the reconcile
//! queue.
//!
//! An AMI event, an Image Builder event or an `image.published` event on Driftless's own bus becomes one fact. The fact
//! names the source of the event, because policies trust the three sources differently. An unreadable event is refused
//! with the name of the invalid field.
//!
//! The function makes no AWS call except to the queue (an AMI event contains no tags, so `reconcile` reads the fleet
//! tag later), and never accepts an `image.published` event with an undefined field.

mod event;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    driftless_lambda::run_detector(event::parse).await
}
