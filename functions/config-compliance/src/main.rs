//! AWS Config reports that an instance keeps or breaks a rule: a fact, sent to the reconcile queue.
//!
//! Promises: every verdict on an EC2 instance, its inventory, its patches or its associations becomes one fact, in the
//! order of Config's own clock. What cannot be read is refused by the name of its field.
//!
//! Never: it never asks AWS anything, never decides whether a rule counts, and never drops what it does not understand.

mod event;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    driftless_lambda::run_detector(event::parse).await
}
