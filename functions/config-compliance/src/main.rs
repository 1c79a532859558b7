//! `config-compliance`: turns each compliance result of AWS Config for an instance into a fact and sends it to the
//! reconcile queue.
//!
//! Every result for an EC2 instance, its inventory, its patches or its associations becomes one fact, ordered by
//! Config's clock. An unreadable event is refused with the name of the invalid field.
//!
//! The function never calls AWS beyond the queue, never decides whether a rule counts, and never drops an event that it
//! does not understand.

mod event;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    driftless_lambda::run_detector(event::parse).await
}
