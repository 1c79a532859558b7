//! `operator`: accepts requests of operators and pipelines. It sends a command to `reconcile`, which carries the
//! command out under the fleet's lease. It writes a freeze to the table, where every run reads it, so that a freeze
//! applies even when no reconcile pass can run.
//!
//! A request comes in one of two ways. At the function's URL it is signed, and the history records the identity that
//! AWS verified. By a direct invocation IAM allows it, and the history records the sender as "unverified". The buttons
//! of the dashboard widget use direct invocation and get HTML.
//!
//! The function changes no group, listener or instance.

use std::process::ExitCode;

use driftless_api::Caller;
use driftless_lambda::diagnostic::Failure;
use driftless_lambda::request::Request;
use driftless_lambda::wiring::Wiring;
use driftless_status::request::{Order, Refusal, Reply};
use driftless_widget::Theme;
use jiff::SignedDuration;
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
    let caller = request.caller().map_or(Caller::Unverified, |arn| Caller::Signed(arn.into()));
    let reply = match request.parse::<Order>() {
        Ok(asked) => {
            let times = wiring.times(context.deadline)?;
            let until = times.deadline - times.margin;
            let pause = |time: SignedDuration| tokio::time::sleep(time.unsigned_abs());
            let reply = Box::pin(driftless_api::order(&wiring.aws, &asked, &caller, until, pause)).await;
            tracing::info!(
                event = "command_answered",
                request = asked.request,
                ?caller,
               action = ?asked.action,
                ?reply,
                "command answered"
            );
            reply
        }
        Err(problem) => Reply::Refused(Refusal::bad_request(problem)),
    };
    if let Some(drawn_for) = request.widget() {
        return Ok(Value::String(driftless_widget::command_result(Theme::of(drawn_for), &reply)));
    }
    request.reply(reply.http_status(), &reply).map_err(Failure::invariant)
}
