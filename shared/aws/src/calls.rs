//! Counts the calls to AWS and the calls that AWS throttled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use crate::error::is_throttled;

/// The header in which some AWS protocols send the error code.
const ERROR_TYPE: &str = "x-amzn-errortype";

/// The number of calls to AWS. Every attempt counts, whatever its result: each one uses the rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls {
    pub made: u64,
    /// Calls that AWS refused because of its rate limit.
    pub throttled: u64,
}

/// Counts the calls of all clients that have this interceptor.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    made: AtomicU64,
    throttled: AtomicU64,
}

impl Counter {
    /// Returns the numbers of calls since the last time this method was called.
    pub(crate) fn take(&self) -> Calls {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Calls { made: take(&self.0.made), throttled: take(&self.0.throttled) }
    }
}

#[dyn_dispatch_hint]
impl Intercept for Counter {
    fn name(&self) -> &'static str {
        "CallCounter"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.made.fetch_add(1, Ordering::Relaxed);
        if context.response().is_some_and(says_too_fast) {
            self.0.throttled.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Whether a response reports throttling, in any of AWS's protocols.
fn says_too_fast(response: &HttpResponse) -> bool {
    if response.status().is_success() {
        return false;
    }
    let body = String::from_utf8_lossy(response.body().bytes().unwrap_or_default());
    let code = response.headers().get(ERROR_TYPE).or_else(|| code_in(&body)).unwrap_or_default();
    is_throttled(code, response.status().as_u16())
}

/// The error code in a response body: `<Code>Throttling</Code>`, or `"__type": "com.amazonaws#ThrottlingException"`.
fn code_in(body: &str) -> Option<&str> {
    if let Some((_, code)) = body.split_once("<Code>") {
        return code.split_once('<').map(|(code, _)| code);
    }
    let (_, value) = body.split_once("\"__type\"")?;
    let code = value.split('"').nth(1)?;
    Some(code.rsplit_once('#').map_or(code, |(_, code)| code))
}

#[cfg(test)]
mod tests {
    use driftless_planner::event::{Event, Part};
    use driftless_planner::observation::FreezeScope;
    use driftless_reconciler::ports::{Bus as _, Groups as _};
    use jiff::Timestamp;

    use super::*;
    use crate::aws::testing::on;
    use crate::stub::StubAws;

    const QUERY_ERROR: &str = "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>";
    const JSON_ERROR: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"x"}"#;

    #[tokio::test]
    async fn each_attempt_is_counted_and_those_that_came_too_fast_by_themselves() {
        let stub = StubAws::default()
            .on("DescribeAutoScalingGroups", 400, QUERY_ERROR)
            .on(
                "DescribeAutoScalingGroups",
                400,
                "<ErrorResponse><Error><Code>ValidationError</Code></Error></ErrorResponse>",
            )
            .on("DeleteItem", 400, JSON_ERROR)
            .on("DeleteItem", 200, "{}");
        let aws = on(&stub);
        assert!(aws.all_groups().await.is_err());
        aws.lift_freeze(&FreezeScope::Account).await.unwrap();
        assert_eq!(aws.take_calls(), Calls { made: 4, throttled: 2 });
        assert_eq!(aws.take_calls(), Calls::default(), "what was told is not told again");
    }

    #[tokio::test]
    async fn a_call_to_the_event_bus_is_counted_like_any_other() {
        let answer = r#"{"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}"#;
        let aws = on(&StubAws::default().on("PutEvents", 200, answer));
        let event = Event {
            id: "app-7-e0".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            machine: Part::Cutover,
            detail: "{}".to_owned(),
        };
        aws.put(&[event]).await.unwrap();
        assert_eq!(aws.take_calls(), Calls { made: 1, throttled: 0 });
    }

    #[test]
    fn the_code_of_an_error_is_found_in_each_protocol() {
        for (body, code) in [
            (QUERY_ERROR, Some("Throttling")),
            (JSON_ERROR, Some("ThrottlingException")),
            (r#"{"__type": "ThrottlingException"}"#, Some("ThrottlingException")),
            ("{}", None),
            ("<Code>", None),
            ("", None),
        ] {
            assert_eq!(code_in(body), code, "{body}");
        }
    }
}
