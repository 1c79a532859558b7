//! The reconcile queue.

#[cfg(test)]
#[cfg(feature = "fleet")]
mod codes;

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchRequestEntry};
use aws_types::SdkConfig;
use driftless_planner::request::ReconcileRequest;
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::{CallError, CallErrorKind, CallResult};
use futures_util::future::join_all;
use jiff::SignedDuration;

use crate::error::{call_error, kind, refused, unreadable};

/// SQS's limit of messages in one call.
pub const BATCH_MAX: usize = 10;

/// The most calls in parallel. Each of them needs a connection.
const CALLS_MAX: usize = 8;

/// SQS's longest delay: 15 minutes.
const DELAY_MAX_SECONDS: i64 = 900;

const SEND: &str = "sqs:SendMessage";
const SEND_BATCH: &str = "sqs:SendMessageBatch";

/// Sends messages to the reconcile queue. A detector has no other permission than this.
#[derive(Debug, Clone)]
pub struct RequestSender {
    client: Client,
    queue_url: String,
}

impl RequestSender {
    /// Creates a sender to one queue, with the shared configuration.
    pub fn new(config: &SdkConfig, queue_url: impl Into<String>) -> Self {
        Self { client: Client::new(config), queue_url: queue_url.into() }
    }

    /// Sends one message that arrives after `delay`. SQS delays by whole seconds, so the delay is rounded up: a request
    /// never arrives early. A delay of more than 15 minutes is shortened to 15; no caller asks for more, and a request
    /// that arrives early only causes a needless pass.
    ///
    /// # Errors
    ///
    /// SQS did not accept the message. After `Unavailable` the message may be in the queue all the same.
    pub async fn send(&self, message: &ReconcileRequest, delay: SignedDuration) -> CallResult<()> {
        send(&self.client, &self.queue_url, message, delay).await
    }

    /// Sends messages, up to [`BATCH_MAX`] in a call. Returns one result for each message, in order: the caller reports
    /// the failed ones to its own queue, which delivers only these again.
    pub async fn send_all(&self, messages: &[ReconcileRequest]) -> Vec<CallResult<()>> {
        let messages: Vec<_> = messages.iter().map(|message| (message.clone(), SignedDuration::ZERO)).collect();
        send_all(&self.client, &self.queue_url, &messages).await
    }
}

/// Sends messages, each with its delay.
pub(crate) async fn send_all(
    client: &Client,
    queue_url: &str,
    messages: &[(ReconcileRequest, SignedDuration)],
) -> Vec<CallResult<()>> {
    let mut results = Vec::with_capacity(messages.len());
    for some in messages.chunks(BATCH_MAX * CALLS_MAX) {
        let chunks = some.chunks(BATCH_MAX).map(|chunk| send_chunk(client, queue_url, chunk));
        results.extend(join_all(chunks).await.into_iter().flatten());
    }
    results
}

async fn send_chunk(
    client: &Client,
    queue_url: &str,
    messages: &[(ReconcileRequest, SignedDuration)],
) -> Vec<CallResult<()>> {
    // A message that cannot be serialized fails alone.
    let mut results: Vec<CallResult<()>> = Vec::with_capacity(messages.len());
    let mut entries = Vec::with_capacity(messages.len());
    for (position, (message, delay)) in messages.iter().enumerate() {
        results.push(body(SEND_BATCH, message).and_then(|body| {
            let entry = SendMessageBatchRequestEntry::builder().id(position.to_string()).message_body(body);
            // A zero delay is left out: a queue may have its own default delay.
            let entry = entry.set_delay_seconds((!delay.is_zero()).then(|| delay_seconds(*delay)));
            entries.push(entry.build().map_err(|error| refused(SEND_BATCH, error.to_string()))?);
            Ok(())
        }));
    }
    if entries.is_empty() {
        return results;
    }
    let request = client.send_message_batch().queue_url(queue_url).set_entries(Some(entries));
    match request.send().await {
        Ok(answer) => {
            let taken = answer.successful().iter().map(|sent| (sent.id(), Ok(())));
            let failed = answer.failed().iter().map(|failed| (failed.id(), Err(entry_error(failed))));
            let mut told: BTreeMap<&str, CallResult<()>> = taken.chain(failed).collect();
            for (position, slot) in results.iter_mut().enumerate().filter(|(_, slot)| slot.is_ok()) {
                let left_out = || Err(unreadable(SEND_BATCH, "the answer leaves out a message of the batch"));
                *slot = told.remove(position.to_string().as_str()).unwrap_or_else(left_out);
            }
        }
        Err(error) => {
            let error = call_error(SEND_BATCH, error);
            for slot in results.iter_mut().filter(|slot| slot.is_ok()) {
                *slot = Err(copy(&error));
            }
        }
    }
    results
}

/// Sends one message.
pub(crate) async fn send(
    client: &Client,
    queue_url: &str,
    message: &ReconcileRequest,
    delay: SignedDuration,
) -> CallResult<()> {
    let body = body(SEND, message)?;
    let request = client.send_message().queue_url(queue_url).message_body(body).delay_seconds(delay_seconds(delay));
    request.send().await.map(|_| ()).map_err(|error| call_error(SEND, error))
}

fn body(operation: &'static str, message: &ReconcileRequest) -> CallResult<String> {
    serde_json::to_string(message).map_err(|error| refused(operation, error.to_string()))
}

fn delay_seconds(delay: SignedDuration) -> i32 {
    let seconds = if delay.subsec_nanos() > 0 { delay.as_secs().saturating_add(1) } else { delay.as_secs() };
    i32::try_from(seconds.clamp(0, DELAY_MAX_SECONDS)).unwrap_or_default()
}

fn entry_error(entry: &BatchResultErrorEntry) -> CallError {
    let (code, message) = (entry.code(), entry.message().unwrap_or_default());
    // An entry has no status; its flag tells a client error from a server error.
    let status = if entry.sender_fault() { 400 } else { 500 };
    CallError {
        operation: SEND_BATCH,
        kind: kind(code, message, Some(status)),
        message: UntrustedText::from(format!("{code}: {message}")),
        source: None,
    }
}

fn copy(error: &CallError) -> CallError {
    let CallError { operation, kind, message, source: _ } = error;
    CallError { operation, kind: CallErrorKind::clone(kind), message: message.clone(), source: None }
}

#[cfg(test)]
mod tests {
    use driftless_planner::request::FleetRequest;

    use serde_json::{Value, json};

    use super::*;
    use crate::stub::{StubAws, json_error};

    const URL: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/wakes";

    pub(super) fn request(fleet: &str) -> ReconcileRequest {
        ReconcileRequest::Reconcile(FleetRequest { fleet: fleet.parse().unwrap(), due: None })
    }

    pub(super) fn sender(stub: &StubAws) -> RequestSender {
        RequestSender::new(&stub.config(), URL)
    }

    #[test]
    fn a_delay_is_whole_seconds_rounded_up_and_at_most_15_minutes() {
        for (milliseconds, seconds) in [
            (-5_000, 0),
            (0, 0),
            (1, 1),
            (1_000, 1),
            (1_001, 2),
            (899_000, 899),
            (900_000, 900),
            (900_001, 900),
            (9_000_000, 900),
        ] {
            assert_eq!(delay_seconds(SignedDuration::from_millis(milliseconds)), seconds, "{milliseconds}");
        }
    }

    #[tokio::test]
    async fn requests_of_a_resync_go_out_by_ten_each_with_its_delay() {
        let answer = |size: usize| {
            let taken = (0..size).map(|id| json!({"Id": id.to_string(), "MessageId": "m", "MD5OfMessageBody": "0"}));
            json!({"Successful": taken.collect::<Vec<_>>(), "Failed": []}).to_string()
        };
        let stub = StubAws::default().on("AmazonSQS.SendMessageBatch", 200, answer(10)).on(
            "AmazonSQS.SendMessageBatch",
            200,
            answer(2),
        );
        let messages: Vec<_> = (0..12).map(|number| (request("app"), SignedDuration::from_secs(number))).collect();
        let client = Client::new(&stub.config());
        let results = send_all(&client, URL, &messages).await;
        assert!(results.len() == 12 && results.iter().all(Result::is_ok), "{results:?}");
        let sent = stub.sent();
        let delays: Vec<Value> = sent
            .iter()
            .flat_map(|sent| sent.json()["Entries"].as_array().unwrap().clone())
            .map(|entry| entry["DelaySeconds"].clone())
            .collect();
        // None for no delay: a queue may have its own default delay.
        assert_eq!(delays[..3], [json!(null), json!(1), json!(2)]);
        assert_eq!((sent.len(), delays.len()), (2, 12));
    }

    #[tokio::test]
    async fn a_message_goes_out_as_json_with_its_delay() {
        let stub = StubAws::default().on("AmazonSQS.SendMessage", 200, "{}");
        sender(&stub).send(&request("app"), SignedDuration::from_secs(30)).await.unwrap();
        let body = stub.only().json();
        assert_eq!(body["QueueUrl"], URL);
        assert_eq!(body["DelaySeconds"], 30);
        let sent: ReconcileRequest = serde_json::from_str(body["MessageBody"].as_str().unwrap()).unwrap();
        assert_eq!(sent, request("app"));
    }

    #[tokio::test]
    async fn a_batch_reports_each_message_in_its_place() {
        let answer = |sent: &[u32], failed: &str| {
            let sent = sent.iter().map(|id| format!(r#"{{"Id":"{id}","MessageId":"m","MD5OfMessageBody":"d"}}"#));
            let sent: Vec<String> = sent.collect();
            format!(r#"{{"Successful":[{}],"Failed":[{{{failed}}}]}}"#, sent.join(","))
        };
        let failed = r#""Id":"3","SenderFault":false,"Code":"InternalError","Message":"oops""#;
        let first = answer(&[9, 0, 1, 2, 4, 5, 6, 7, 8], failed);
        let second = answer(&[1], r#""Id":"0","SenderFault":true,"Code":"AccessDenied","Message":"no""#);
        let stub = StubAws::default().on("fleet-1\\", 200, first).on("fleet-10\\", 200, second);
        let messages: Vec<ReconcileRequest> = (0..12).map(|number| request(&format!("fleet-{number}"))).collect();
        let results = sender(&stub).send_all(&messages).await;
        let kinds: Vec<Option<CallErrorKind>> =
            results.iter().map(|result| result.as_ref().err().map(|error| error.kind)).collect();
        let mut expected = vec![None; 12];
        expected[3] = Some(CallErrorKind::Unavailable);
        expected[10] = Some(CallErrorKind::Denied);
        assert_eq!(kinds, expected);
        assert_eq!(stub.sent().len(), 2);
    }

    #[tokio::test]
    async fn a_batch_that_fails_as_a_whole_fails_for_each_message() {
        let stub = StubAws::default().on("SendMessageBatch", 400, json_error("QueueDoesNotExist", "no queue"));
        let results = sender(&stub).send_all(&[request("a"), request("b")]).await;
        assert_eq!(results.len(), 2);
        for result in results {
            let error = result.unwrap_err();
            assert_eq!((error.operation, error.kind), (SEND_BATCH, CallErrorKind::Refused), "{error}");
        }
    }

    #[tokio::test]
    async fn no_messages_are_no_call() {
        let stub = StubAws::default();
        assert!(sender(&stub).send_all(&[]).await.is_empty());
        assert!(stub.sent().is_empty());
    }
}
