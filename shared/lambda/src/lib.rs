//! The code that all functions share: environment, logs, events, errors, and the work of a detector.
//!
//! Only this crate reads the environment. An invalid event is refused alone, with the name of the invalid field, and
//! SQS finally moves it to the dead-letter queue. Errors have one of four stable types, so that a metric filter or an
//! alarm can match them.
//!
//! The crate never logs the body of a message or a credential, never changes a fleet, and never fails a whole batch
//! because of one message.

use std::convert::Infallible;
use std::future::Future;
use std::process::ExitCode;

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{LambdaEvent, service_fn};

use crate::detector::{Detector, Parse, ReconcileQueue};
use crate::diagnostic::{Failure, chain};
use crate::environment::Environment;

pub mod detector;
pub mod diagnostic;
pub mod envelope;
pub mod environment;
#[cfg(feature = "fleet")]
pub mod metrics;
pub mod request;
pub mod tracing_setup;
#[cfg(feature = "fleet")]
pub mod wiring;

/// Runs a detector until Lambda ends the process.
pub async fn run_detector(parse: Parse) -> ExitCode {
    run(serve(parse)).await
}

/// Runs a function until Lambda ends the process. The error that stops it is logged once.
pub async fn run(serve: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    tracing_setup::init(environment::process);
    match serve.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (error_type, error) = (failure.error_type, chain(&failure));
            tracing::error!(event = "function_stopped", %error_type, error, "function stopped");
            ExitCode::FAILURE
        }
    }
}

async fn serve(parse: Parse) -> Result<(), Failure> {
    let environment = Environment::read(environment::process).map_err(Failure::configuration)?;
    let sender = ReconcileQueue::connect(&environment).map_err(Failure::configuration)?;
    let detector = Detector::new(parse, environment.account, sender);
    let detector = &detector;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        Ok::<_, Infallible>(detector.detect(event.payload).await)
    }))
    .await
    .map_err(Failure::retryable)
}
