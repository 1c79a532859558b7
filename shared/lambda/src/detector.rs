//! The work of a detector: it turns each message of a batch into a fact, ignores it, or refuses it, and sends the facts
//! together to the reconcile queue.
//!
//! Each message fails alone: the response names the messages that could not be read or whose fact could not be sent,
//! and Lambda deletes the others from the queue. SQS redelivers an unreadable message `maxReceiveCount` times and then
//! moves it to the dead-letter queue, which has an alarm.

use std::future::Future;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use driftless_aws::{ConfigError, RequestSender, sdk_config};
use driftless_planner::fact::Fact;
use driftless_planner::ids::AccountId;
use driftless_planner::request::ReconcileRequest;
use driftless_reconciler::ports::CallResult;
use tracing::{error, info};

use crate::diagnostic::{ErrorType, chain};
use crate::envelope::InvalidEvent;
use crate::environment::Environment;

/// The time limit of the detector's one AWS call, with all its attempts, is the function's timeout divided by this
/// number. One call is enough for a batch of the template's `BatchSize`, because a message becomes at most one fact.
/// The other half of the time is for a cold start and for the response: after a late response, the whole batch is
/// repeated.
const CALL_SHARE: i32 = 2;

/// The most attempts of that call, one after the other, which equal those of `driftless_aws`.
const ATTEMPTS: i32 = 3;

/// A parser, which reads the body of a message as an event of our account.
pub type Parse = fn(&str, &AccountId) -> Result<Parsed, InvalidEvent>;

/// The content of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    Fact(Fact),
    /// A well-formed event that is not about any fleet, with the reason.
    Ignored(&'static str),
}

/// The destination of facts.
pub trait FactSender: Sync {
    /// Sends the facts of a batch together. Returns one result for each fact, in order.
    fn send(&self, facts: &[Fact]) -> impl Future<Output = Vec<CallResult<()>>> + Send;
}

/// The reconcile queue as the destination of facts.
#[derive(Debug)]
pub struct ReconcileQueue(RequestSender);

impl ReconcileQueue {
    /// Creates a sender to the queue that the environment names.
    pub fn connect(environment: &Environment) -> Result<Self, ConfigError> {
        let call = environment.function_timeout / CALL_SHARE;
        let config = sdk_config(&environment.settings(call, call / ATTEMPTS))?;
        Ok(Self(RequestSender::new(&config, environment.reconcile_queue_url.as_str())))
    }
}

impl FactSender for ReconcileQueue {
    async fn send(&self, facts: &[Fact]) -> Vec<CallResult<()>> {
        let messages: Vec<ReconcileRequest> =
            facts.iter().map(|fact| ReconcileRequest::Fact(Box::new(fact.clone()))).collect();
        self.0.send_all(&messages).await
    }
}

/// A detector: its parser, our account, and the destination of its facts.
#[derive(Debug)]
pub struct Detector<S> {
    parse: Parse,
    account: AccountId,
    sender: S,
}

impl<S: FactSender> Detector<S> {
    /// Creates a detector for the events of our account.
    pub fn new(parse: Parse, account: AccountId, sender: S) -> Self {
        Self { parse, account, sender }
    }

    /// Handles a batch. The response names the messages that failed. One line is logged for each message.
    pub async fn detect(&self, event: SqsEvent) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        let (mut ids, mut facts) = (Vec::new(), Vec::new());
        for message in event.records {
            match self.read(&message) {
                Ok(Parsed::Fact(fact)) => {
                    ids.push(id_of(message));
                    facts.push(fact);
                }
                Ok(Parsed::Ignored(reason)) => {
                    info!(event = "event_ignored", message_id = id_of(message), reason, "event ignored");
                }
                Err(invalid) => {
                    let id = id_of(message);
                    let (error_type, field) = (ErrorType::InvalidEvent, &invalid.field);
                    error!(
                        event = "event_invalid",
                        message_id = id,
                        %error_type,
                        field,
                        error = %invalid,
                        "invalid event"
                    );
                    response.add_failure(id);
                }
            }
        }
        if facts.is_empty() {
            return response;
        }
        let mut answers = self.sender.send(&facts).await.into_iter();
        for (fact, id) in facts.iter().zip(ids) {
            if !is_sent(fact, &id, answers.next()) {
                response.add_failure(id);
            }
        }
        response
    }

    fn read(&self, message: &SqsMessage) -> Result<Parsed, InvalidEvent> {
        let body = message.body.as_deref().ok_or_else(|| InvalidEvent::new("body", "the message has none"))?;
        (self.parse)(body, &self.account)
    }
}

/// The id of a message. SQS always sets one. If the id is empty, Lambda treats the whole batch as failed, so that its
/// messages are repeated and none is lost.
fn id_of(message: SqsMessage) -> String {
    message.message_id.unwrap_or_default()
}

fn is_sent(fact: &Fact, message_id: &str, answer: Option<CallResult<()>>) -> bool {
    let key = fact.key();
    match answer {
        Some(Ok(())) => {
            info!(event = "fact_sent", message_id, fact = key, "fact sent");
            true
        }
        Some(Err(failed)) => {
            let error_type = ErrorType::from(failed.kind);
            let error = chain(&failed);
            error!(event = "fact_not_sent", message_id, %error_type, fact = key, error, "fact not sent");
            false
        }
        None => {
            let (error_type, error) = (ErrorType::Invariant, "SQS did not answer for this fact");
            error!(event = "fact_not_sent", message_id, %error_type, fact = key, error, "fact not sent");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aws_lambda_events::sqs::SqsMessage;
    use driftless_planner::fact::{ComplianceFact, ComplianceType};
    use driftless_planner::text::UntrustedText;
    use driftless_reconciler::ports::{CallError, CallErrorKind};
    use jiff::Timestamp;

    use super::*;

    /// Records the keys of the facts that were sent, one list for each call. Facts of the rule `refused` fail.
    #[derive(Debug, Default)]
    struct Recorder {
        calls: Mutex<Vec<Vec<String>>>,
        refused: Option<&'static str>,
        is_silent: bool,
    }

    impl FactSender for Recorder {
        async fn send(&self, facts: &[Fact]) -> Vec<CallResult<()>> {
            self.calls.lock().unwrap().push(facts.iter().map(Fact::key).collect());
            if self.is_silent {
                return Vec::new();
            }
            facts
                .iter()
                .map(|fact| match self.refused {
                    Some(rule) if fact.key().ends_with(rule) => Err(CallError {
                        operation: "sqs:SendMessageBatch",
                        kind: CallErrorKind::Throttled,
                        message: UntrustedText::from("slow down"),
                        source: None,
                    }),
                    _ => Ok(()),
                })
                .collect()
        }
    }

    /// Reads a body such as `fact approved-amis`. The body `nothing` is ignored; every other body is invalid.
    fn parse(body: &str, _ours: &AccountId) -> Result<Parsed, InvalidEvent> {
        let fact = |rule: &str| {
            Fact::Compliance(ComplianceFact {
                instance: "i-0aa11bb22cc33dd44".parse().unwrap(),
                rule: rule.parse().unwrap(),
                verdict: ComplianceType::NonCompliant,
                observed_at: Timestamp::UNIX_EPOCH,
                annotation: None,
            })
        };
        match body.split_once(' ') {
            Some(("fact", rule)) => Ok(Parsed::Fact(fact(rule))),
            _ if body == "nothing" => Ok(Parsed::Ignored("it says nothing")),
            _ => Err(InvalidEvent::new("detail", "not readable")),
        }
    }

    fn detector(sender: Recorder) -> Detector<Recorder> {
        Detector::new(parse, "123456789012".parse().unwrap(), sender)
    }

    /// A batch of messages `m-0`, `m-1`, … with these bodies.
    fn batch(bodies: &[&str]) -> SqsEvent {
        let mut event = SqsEvent::default();
        for (index, body) in bodies.iter().enumerate() {
            let mut message = SqsMessage::default();
            message.message_id = Some(format!("m-{index}"));
            message.body = Some((*body).to_owned());
            event.records.push(message);
        }
        event
    }

    fn failed(response: &SqsBatchResponse) -> Vec<&str> {
        response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
    }

    fn calls(detector: &Detector<Recorder>) -> Vec<Vec<String>> {
        detector.sender.calls.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn of_three_messages_only_the_invalid_one_fails_and_the_others_are_sent_in_one_call() {
        let detector = detector(Recorder::default());
        let response = detector.detect(batch(&["fact a", "not an event", "fact b"])).await;
        assert_eq!(failed(&response), ["m-1"]);
        assert_eq!(calls(&detector), [["compliance#i-0aa11bb22cc33dd44#a", "compliance#i-0aa11bb22cc33dd44#b"]]);
    }

    #[tokio::test]
    async fn a_fact_that_could_not_be_sent_fails_its_message_and_no_other() {
        let detector = detector(Recorder { refused: Some("#b"), ..Recorder::default() });
        let response = detector.detect(batch(&["fact a", "fact b", "fact c"])).await;
        assert_eq!(failed(&response), ["m-1"]);
        assert_eq!(calls(&detector).len(), 1);
    }

    #[tokio::test]
    async fn nothing_is_sent_for_an_empty_batch_and_an_ignored_message_does_not_fail() {
        let detector = detector(Recorder::default());
        let response = detector.detect(batch(&["not an event", "nothing"])).await;
        assert_eq!(failed(&response), ["m-0"]);
        assert!(calls(&detector).is_empty());
    }

    #[tokio::test]
    async fn a_fact_without_an_answer_counts_as_not_sent() {
        let detector = detector(Recorder { is_silent: true, ..Recorder::default() });
        let response = detector.detect(batch(&["fact a", "fact b"])).await;
        assert_eq!(failed(&response), ["m-0", "m-1"]);
    }

    #[tokio::test]
    async fn a_message_without_a_body_is_invalid_and_one_without_an_id_fails_the_batch() {
        let mut event = batch(&["fact a", "fact b"]);
        event.records[0].body = None;
        assert_eq!(failed(&detector(Recorder::default()).detect(event).await), ["m-0"]);

        let mut event = batch(&["not an event"]);
        event.records[0].message_id = None;
        assert_eq!(failed(&detector(Recorder::default()).detect(event).await), [""]);
    }

    #[tokio::test]
    async fn a_real_batch_of_sqs_is_read_and_answered_as_lambda_expects_it() {
        let event: SqsEvent = serde_json::from_value(serde_json::json!({"Records": [{
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "body": "not an event",
            "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {},
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:driftless-config-compliance",
            "awsRegion": "us-east-1",
        }]}))
        .unwrap();
        let response = detector(Recorder::default()).detect(event).await;
        assert_eq!(
            serde_json::to_string(&response).unwrap(),
            r#"{"batchItemFailures":[{"itemIdentifier":"059f36b4-87a3-44ab-83d2-661975830a7d"}]}"#
        );
    }
}
