//! `status`: answers what people and pipelines ask about fleets, from what the next decision would be made from.
//!
//! A request comes to the function's URL, signed, or by a direct invocation. Either way IAM has let it in.
//!
//! Never: it has no permission to change anything, and takes no lease.

use std::process::ExitCode;

use driftless_lambda::diagnostic::Failure;
use driftless_lambda::request::Request;
use driftless_lambda::wiring::Wiring;
use driftless_status::request::{Answer, Question, Refusal};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

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
    let (event, context) = event.into_parts();
    let request = Request::read(event);
    let answer = match request.parse::<Question>() {
        Ok(question) => {
            let times = wiring.times(context.deadline)?;
            let answer =
                driftless_desk::answer(&wiring.aws, &wiring.defaults, &question, times.deadline - times.margin);
            Box::pin(answer).await
        }
        Err(problem) => Answer::Refused(Refusal::bad_request(problem)),
    };
    request.reply(answer.http_status(), &answer).map_err(Failure::invariant)
}
