//! One invocation of `reconcile`: for a batch of reconcile requests and facts, or for the resync.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use driftless_lambda::diagnostic::{ErrorType, chain};
use driftless_reconciler::batch::{Failure, Received, handle};
use driftless_reconciler::ports::Ports;
use driftless_reconciler::reconcile::Invocation;

/// The event that starts an invocation.
#[derive(Debug)]
pub(crate) enum Event {
    /// Messages of the reconcile queue.
    Requests(Vec<SqsMessage>),
    Resync,
}

/// An event that is neither a batch of the reconcile queue nor the resync.
#[derive(Debug, thiserror::Error)]
#[error("the event has neither Records nor resync: only the reconcile queue and the resync schedule may invoke it")]
pub(crate) struct UnknownEvent(#[source] Option<serde_json::Error>);

impl TryFrom<serde_json::Value> for Event {
    type Error = UnknownEvent;

    fn try_from(mut event: serde_json::Value) -> Result<Self, UnknownEvent> {
        // Sorted, so that the error does not depend on the order in which `serde_json` keeps fields.
        event.sort_all_objects();
        if event.get("resync").is_some() {
            return Ok(Self::Resync);
        }
        if event.get("Records").is_none() {
            return Err(UnknownEvent(None));
        }
        let batch: SqsEvent = serde_json::from_value(event).map_err(|error| UnknownEvent(Some(error)))?;
        Ok(Self::Requests(batch.records))
    }
}

/// Handles the messages of a batch that can be read. Returns the messages that SQS must deliver again.
pub(crate) async fn requests<P: Ports>(
    ports: &P,
    messages: Vec<SqsMessage>,
    invocation: Invocation<'_>,
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let mut batch = Vec::with_capacity(messages.len());
    for message in messages {
        let is_again = has_come_before(&message);
        let id = message.message_id.unwrap_or_default();
        match serde_json::from_str(message.body.as_deref().unwrap_or_default()) {
            Ok(body) => batch.push(Received { id, body, is_again }),
            Err(error) => {
                let error_type = ErrorType::InvalidEvent;
                tracing::error!(event = "request_unreadable", %error_type, message_id = id, %error, "unreadable message");
                response.add_failure(id);
            }
        }
    }
    for Failure { messages, what, error } in handle(ports, batch, invocation).await {
        let (error_type, error) = (ErrorType::from(error.kind), chain(&error));
        tracing::error!(event = "call_failed", %error_type, error, what, "a call failed");
        for id in messages {
            response.add_failure(id);
        }
    }
    response
}

/// Whether SQS has delivered a message before. A message without the count is treated as redelivered, which at worst
/// causes a needless pass.
fn has_come_before(message: &SqsMessage) -> bool {
    message.attributes.get("ApproximateReceiveCount").is_none_or(|count| count != "1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schedules_input_is_a_resync() {
        assert!(matches!(Event::try_from(json!({"resync": {}})), Ok(Event::Resync)));
    }

    #[test]
    fn a_batch_of_the_queue_is_its_messages() {
        let batch = json!({"Records": [{"messageId": "m-1", "body": "{}"}, {"messageId": "m-2", "body": "x"}]});
        let Ok(Event::Requests(messages)) = Event::try_from(batch) else { panic!("not a batch") };
        let ids: Vec<_> = messages.iter().filter_map(|message| message.message_id.as_deref()).collect();
        assert_eq!(ids, ["m-1", "m-2"]);
    }

    #[test]
    fn a_message_is_new_where_its_count_says_one_and_only_there() {
        let message =
            |attributes| serde_json::from_value(json!({"messageId": "m-1", "attributes": attributes})).unwrap();
        let count = |count: &str| message(json!({"ApproximateReceiveCount": count}));
        assert_eq!(
            [count("1"), count("2"), message(json!({}))].map(|message| has_come_before(&message)),
            [false, true, true]
        );
    }

    #[test]
    fn any_other_event_is_refused_and_says_who_may_invoke() {
        for event in [json!({}), json!({"source": "aws.config", "detail": {}}), json!([1]), json!({"Records": 5})] {
            let error = Event::try_from(event.clone()).unwrap_err();
            assert!(error.to_string().contains("neither Records nor resync"), "{event}: {error}");
        }
    }
}
