//! `cloudwatch-alarm`: turns each state change of a CloudWatch alarm into a fact and sends it to the reconcile queue.
//!
//! Every state change of a metric or composite alarm becomes one fact, with the resources that the alarm's metrics name
//! and whether its actions are suppressed. An unreadable event is refused with the name of the invalid field.
//!
//! The function never calls AWS beyond the queue, never decides whether an alarm matters, and never drops an alarm
//! because of a field that is only displayed.

mod event;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    driftless_lambda::run_detector(event::parse).await
}
