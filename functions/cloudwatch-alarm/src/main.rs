//! `cloudwatch-alarm`: turns each state change of a CloudWatch alarm into a fact and sends it to the reconcile queue.
//!
//! Every state change of a metric or composite alarm becomes one fact. The fact contains the resources that the alarm's
//! metrics name, and whether the actions of the alarm are suppressed. An unreadable event is refused with the name of
//! the invalid field.
//!
//! The function makes no AWS call except to the queue, never decides whether an alarm matters, and never drops an alarm
//! because of a field that is only displayed.

mod event;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    driftless_lambda::run_detector(event::parse).await
}
