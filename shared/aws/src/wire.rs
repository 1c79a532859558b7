//! For tests: tables that pair each AWS response with the result that the adapter must return. The real SDK writes the
//! request and reads the response, so that each error code is tested as its service spells it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_types::region::Region;
use driftless_reconciler::ports::{CallErrorKind, CallResult};
use futures_util::future::join_all;

use crate::aws::Aws;
use crate::aws::testing::names;
use crate::stub::{Reply, StubAws, ec2_error, json_error, query_error};

/// The wire protocol of a service, which determines the format of its error responses.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wire {
    /// The query protocol with XML responses: Auto Scaling, Elastic Load Balancing and SNS.
    Query,
    /// The variant of the query protocol that EC2 uses: its error responses have another XML envelope.
    Ec2,
    Json,
    /// The JSON protocol of SQS. The error code of the older query protocol is in a header and takes precedence.
    CompatibleJson,
    /// The CBOR protocol of CloudWatch, with the same header for the older error code.
    CompatibleCbor,
}

/// A response of AWS.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Says {
    /// An error response: its HTTP status, error code and message.
    Error(u16, &'static str, &'static str),
    /// An HTTP status and a body that no AWS service wrote: from a proxy, or cut short.
    Else(u16, &'static str),
    Lost,
    /// No response comes in time.
    TimedOut,
}

/// The result that the adapter must return for the response.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Means {
    /// The call fails with this kind of error.
    Fails(CallErrorKind),
    /// The call returns this value, as `Debug` prints it.
    Answers(&'static str),
}

/// What repeats the failed call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Again {
    /// The call repeats itself, up to [`Call::attempts`] times in all.
    Call,
    /// The call does not repeat itself. The next reconcile pass may make it again.
    NextPass,
}

/// A method of a port, and the AWS action of that method whose responses are tested.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// The AWS action, as IAM spells it.
    pub(crate) action: &'static str,
    /// The number of attempts when a retry may help. It is 1 when a second attempt could take effect twice.
    pub(crate) attempts: usize,
}

pub(crate) const fn call(method: &'static str, action: &'static str, attempts: usize) -> Call {
    Call { method, action, attempts }
}

/// The result of a call, as `Debug` prints it.
pub(crate) fn words<T: std::fmt::Debug>(answer: T) -> String {
    format!("{answer:?}")
}

/// One line of a table: the response of AWS, the result of the call, and what repeats the call.
pub(crate) type Line = (Says, Means, Again);

/// The responses that any call of any service can get.
pub(crate) const EVERYWHERE: [Line; 10] = [
    (Says::Lost, Means::Fails(CallErrorKind::Unavailable), Again::Call),
    (Says::TimedOut, Means::Fails(CallErrorKind::Unavailable), Again::Call),
    (Says::Else(502, "<html>Bad gateway</html>"), Means::Fails(CallErrorKind::Unavailable), Again::Call),
    (Says::Error(500, "InternalFailure", "try later"), Means::Fails(CallErrorKind::Unavailable), Again::Call),
    (Says::Error(503, "ServiceUnavailable", "try later"), Means::Fails(CallErrorKind::Unavailable), Again::Call),
    (Says::Error(400, "ThrottlingException", "Rate exceeded"), Means::Fails(CallErrorKind::Throttled), Again::Call),
    (Says::Error(403, "SignatureDoesNotMatch", "no"), Means::Fails(CallErrorKind::Denied), Again::NextPass),
    (Says::Error(403, "OptInRequired", "no"), Means::Fails(CallErrorKind::Denied), Again::NextPass),
    (Says::Error(400, "UnknownOperationException", "no"), Means::Fails(CallErrorKind::Unsupported), Again::NextPass),
    (Says::Error(400, "ACodeOfTomorrow", "no"), Means::Fails(CallErrorKind::Refused), Again::NextPass),
];

impl Wire {
    fn reply(self, says: Says) -> Reply {
        let (status, code, message) = match says {
            Says::Error(status, code, message) => (status, code, message),
            Says::Else(status, body) => return Reply::new(status, body),
            Says::Lost => return Reply::Lost,
            Says::TimedOut => return Reply::TimedOut,
        };
        let fault = if status < 500 { "Sender" } else { "Receiver" };
        let headers = vec![("x-amzn-query-error", format!("{code};{fault}"))];
        match self {
            Self::Query => Reply::new(status, query_error(code, message)),
            Self::Ec2 => Reply::new(status, ec2_error(code, message)),
            Self::Json => Reply::new(status, json_error(code, message)),
            Self::CompatibleJson => {
                Reply::Answer { status, headers, body: json_error("TheShape", message).into_bytes() }
            }
            Self::CompatibleCbor => Reply::Answer { status, headers, body: cbor_error("TheShape", message) },
        }
    }
}

/// The CBOR body of an error: a map of two texts, each shorter than 256 bytes.
fn cbor_error(shape: &str, message: &str) -> Vec<u8> {
    let mut body = vec![0xa2];
    for text in ["__type", shape, "message", message] {
        body.extend([0x78, u8::try_from(text.len()).unwrap()]);
        body.extend(text.as_bytes());
    }
    body
}

/// The ports with stubbed responses and a region of their own: the SDK stops retries for a service and region that fail
/// too often, across all clients of the process. The waits between attempts are shortened.
fn alone(stub: &StubAws) -> Aws {
    static REGIONS: AtomicUsize = AtomicUsize::new(0);
    let region = Region::new(format!("test-{}", REGIONS.fetch_add(1, Ordering::Relaxed)));
    let config = stub.config();
    let retries = config.retry_config().cloned().unwrap().with_initial_backoff(Duration::from_millis(1));
    Aws::new(config.to_builder().region(region).retry_config(retries).build(), names())
}

/// Runs every line against every call and reports all differences at once. `prepared` returns a stub with the responses
/// to the reads that a method makes before the tested action.
pub(crate) async fn meets(
    wire: Wire,
    calls: &[Call],
    lines: &[Line],
    prepared: impl Fn(&str) -> StubAws,
    ask: impl AsyncFn(&Aws, &str) -> CallResult<String>,
) {
    let service = |action: &str| action.split_once(':').unwrap().1.to_owned();
    let met = calls.iter().flat_map(|call| lines.iter().map(move |line| (call, line))).map(async |(call, line)| {
        let (says, means, again) = *line;
        let stub = prepared(call.method).always(&service(call.action), wire.reply(says));
        let answer = ask(&alone(&stub), call.method).await;
        let attempts = stub.sent().iter().filter(|sent| sent.contains(&service(call.action))).count();
        let expected = match again {
            Again::Call => call.attempts,
            Again::NextPass => 1,
        };
        let is_as_expected = match (&answer, means) {
            (Err(error), Means::Fails(kind)) => {
                let is_told = match says {
                    Says::Error(_, code, text) => {
                        error.message.as_str().contains(code) && error.message.as_str().contains(text)
                    }
                    Says::Else(..) | Says::Lost | Says::TimedOut => true,
                };
                error.kind == kind && error.operation == call.action && is_told && error.source.is_some()
            }
            (Ok(answer), Means::Answers(words)) => answer == words,
            _ => false,
        };
        let answer = answer.map_err(|error| error.to_string());
        let what =
            format!("{} on {says:?}: {answer:?} in {attempts} attempts, not {means:?} in {expected}", call.method);
        (!is_as_expected || attempts != expected).then_some(what)
    });
    let otherwise: Vec<String> = join_all(met).await.into_iter().flatten().collect();
    assert!(otherwise.is_empty(), "{}", otherwise.join("\n"));
}
