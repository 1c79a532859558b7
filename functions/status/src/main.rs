//! `status`: answers queries of operators and pipelines about fleets, based on the same reads as the next decision.
//!
//! A request comes signed to the function's URL or by a direct invocation; IAM has allowed either. A custom widget of a
//! dashboard gets HTML, even when the query fails.
//!
//! The function has no permission to change anything and takes no lease.

use std::process::ExitCode;

use driftless_lambda::diagnostic::Failure;
use driftless_lambda::request::Request;
use driftless_lambda::wiring::{Wiring, operator_arn};
use driftless_status::request::{Answer, Question, Refusal};
use driftless_widget::{DOCUMENTATION, Frame, Parameters};
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    driftless_lambda::run(serve()).await
}

async fn serve() -> Result<(), Failure> {
    let wiring = Wiring::from_environment()?;
    let operator = operator_arn()?;
    let (wiring, operator) = (&wiring, operator.as_str());
    let answer = service_fn(async move |event| handle(wiring, operator, event).await);
    lambda_runtime::run(answer).await.map_err(Failure::retryable)
}

async fn handle(wiring: &Wiring, operator: &str, event: LambdaEvent<Value>) -> Result<Value, Failure> {
    let (event, context) = event.into_parts();
    let request = Request::read(event);
    if request.is_description() {
        return Ok(json!({"markdown": DOCUMENTATION}));
    }
    if let Some(drawn_for) = request.widget() {
        let frame = Frame::of(drawn_for, &context.invoked_function_arn, Some(operator));
        return draw(wiring, &request, &frame, &context).await;
    }
    let answer = match request.parse::<Question>() {
        Ok(question) => {
            let times = wiring.times(context.deadline)?;
            let answer = driftless_api::answer(&wiring.aws, &wiring.defaults, &question, times.deadline - times.margin);
            Box::pin(answer).await
        }
        Err(problem) => Answer::Refused(Refusal::bad_request(problem)),
    };
    request.reply(answer.http_status(), &answer).map_err(Failure::invariant)
}

async fn draw(wiring: &Wiring, request: &Request, frame: &Frame, context: &Context) -> Result<Value, Failure> {
    let times = wiring.times(context.deadline)?;
    let parameters = request.parse::<Parameters>().map_err(Refusal::bad_request);
    let until = times.deadline - times.margin;
    let page = Box::pin(driftless_api::widget(&wiring.aws, &wiring.defaults, frame, parameters, until)).await;
    Ok(Value::String(page))
}
