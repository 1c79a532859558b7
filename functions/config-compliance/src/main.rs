//! `config-compliance`: turns each compliance result of AWS Config for an instance into a fact and sends it to the
//! reconcile queue.
//!
//! Every result about an EC2 instance, its inventory, its patches or its associations becomes one fact. The facts are
//! ordered by the clock of AWS Config. An unreadable event is refused with the name of the invalid field.
//!
//! The function makes no AWS call except to the queue, never decides whether a rule counts, and never drops an event
//! that it does not understand.

mod event;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    driftless_lambda::run_detector(event::parse).await
}
