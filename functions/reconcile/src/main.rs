//! `reconcile`: the only function that changes a fleet.
//!
//! SQS delivers reconcile requests and facts; EventBridge Scheduler starts the resync. The function stores facts,
//! reconciles the fleets that they concern, and carries out the planner's decisions, each fleet under its lease.
//!
//! The function decides nothing itself and carries out only committed decisions.

mod handler;

use std::process::ExitCode;

use driftless_lambda::diagnostic::Failure;
use driftless_lambda::metrics;
use driftless_lambda::wiring::Wiring;
use driftless_reconciler::ports::Clock;
use driftless_reconciler::reconcile::Invocation;
use driftless_reconciler::resync::resync;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

use crate::handler::{Event, requests};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    driftless_lambda::run(serve()).await
}

async fn serve() -> Result<(), Failure> {
    let wiring = Wiring::from_environment()?;
    let wiring = &wiring;
    lambda_runtime::run(service_fn(async move |event| handle(wiring, event).await)).await.map_err(Failure::retryable)
}

async fn handle(wiring: &Wiring, event: LambdaEvent<Value>) -> Result<Value, Failure> {
    let answer = Box::pin(answer(wiring, event)).await;
    let calls = wiring.aws.take_calls();
    tracing::info!(event = "aws_calls", calls = calls.made, throttled = calls.throttled, "calls to AWS");
    answer
}

async fn answer(wiring: &Wiring, event: LambdaEvent<Value>) -> Result<Value, Failure> {
    let (event, context) = event.into_parts();
    match Event::try_from(event).map_err(Failure::invalid_event)? {
        Event::Resync => {
            let resynced = Box::pin(resync(&wiring.aws, &wiring.defaults)).await.map_err(Failure::retryable)?;
            metrics::publish(&metrics::of_resync(&resynced, wiring.aws.now())).map_err(Failure::retryable)?;
            Ok(Value::Null)
        }
        Event::Requests(messages) => {
            let times = wiring.times(context.deadline)?;
            let Wiring { defaults, runbooks, .. } = wiring;
            let invocation = Invocation { holder: &context.request_id, times, defaults, runbooks };
            serde_json::to_value(Box::pin(requests(&wiring.aws, messages, invocation)).await)
                .map_err(Failure::invariant)
        }
    }
}
