//! A CloudWatch alarm changed its state: a fact, sent to the reconcile queue.
//!
//! Promises: every change of state, of metric and composite alarms, becomes one fact that says what the alarm's
//! metrics name, and whether its actions are deferred. What cannot be read is refused by the name of its field.
//!
//! Never: it never asks AWS anything, never decides whether an alarm matters, and never loses an alarm for a field
//! that is only shown.

mod event;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    driftless_lambda::run_detector(event::parse).await
}
