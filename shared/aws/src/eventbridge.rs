//! The EventBridge event bus.

#[cfg(test)]
mod codes;

use std::collections::BTreeMap;

use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use aws_smithy_types::DateTime;
use driftless_planner::event::{Event, SOURCE};
use driftless_reconciler::ports::{Bus, CallError, CallResult};

use crate::aws::Aws;
use crate::error::{call_error, kind, required, unreadable};

const PUT: &str = "events:PutEvents";

impl Bus for Aws {
    async fn put(&self, events: &[Event]) -> CallResult<BTreeMap<String, CallError>> {
        let entry = |event: &Event| {
            PutEventsRequestEntry::builder()
                .event_bus_name(&self.names.event_bus)
                .source(SOURCE)
                .detail_type(event.machine.detail_type())
                .time(DateTime::from_millis(event.at.as_millisecond()))
                .detail(&event.detail)
                .build()
        };
        let request = self.eventbridge().put_events().set_entries(Some(events.iter().map(entry).collect()));
        let answer = request.send().await.map_err(|error| call_error(PUT, error))?;
        // Status 200 says nothing about the entries: each has its own result, at the same position.
        let answers = required(PUT, "Entries", answer.entries)?;
        if answers.len() != events.len() {
            return Err(unreadable(PUT, format!("{} answers to {} entries", answers.len(), events.len())));
        }
        let refused =
            events.iter().zip(&answers).filter_map(|(event, answer)| Some((event.id.clone(), why_not(answer)?)));
        Ok(refused.collect())
    }
}

/// The error of an entry that the bus refused. None: the bus accepted the entry.
fn why_not(answer: &PutEventsResultEntry) -> Option<CallError> {
    let Some(code) = answer.error_code() else {
        return answer.event_id().is_none().then(|| unreadable(PUT, "an entry has neither an id nor an error"));
    };
    let text = answer.error_message().unwrap_or_default();
    // Entries have a code and no status; codes of server errors begin with `Internal`.
    let status = if code.starts_with("Internal") { 500 } else { 400 };
    Some(CallError {
        operation: PUT,
        kind: kind(code, text, Some(status)),
        message: format!("{code}: {text}").into(),
        source: None,
    })
}

#[cfg(test)]
mod tests {
    use driftless_planner::event::Part;
    use driftless_reconciler::ports::CallErrorKind;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::aws::testing::on;
    use crate::stub::StubAws;

    pub(super) fn event(number: usize) -> Event {
        Event {
            id: format!("app-7-e{number}"),
            at: Timestamp::from_millisecond(1_500).unwrap(),
            machine: Part::Cutover,
            detail: json!({"id": format!("app-7-e{number}")}).to_string(),
        }
    }

    fn answering(failed: u32, entries: &Value) -> StubAws {
        StubAws::default().on("PutEvents", 200, json!({"FailedEntryCount": failed, "Entries": entries}).to_string())
    }

    #[tokio::test]
    async fn an_event_goes_to_the_bus_under_our_source_with_its_own_detail_type_and_time() {
        let stub = answering(0, &json!([{"EventId": "1"}]));
        assert!(on(&stub).put(&[event(0)]).await.unwrap().is_empty());
        let sent = stub.only();
        assert!(sent.target.contains("AWSEvents.PutEvents"), "{}", sent.target);
        let entries = sent.json()["Entries"].clone();
        assert_eq!(entries.as_array().unwrap().len(), 1);
        let entry = &entries[0];
        assert_eq!(
            (&entry["Source"], &entry["DetailType"]),
            (&json!("driftless"), &json!("Driftless Cutover State Change"))
        );
        assert_eq!((&entry["EventBusName"], &entry["Time"]), (&json!("default"), &json!(1.5)));
        assert_eq!(entry["Detail"], r#"{"id":"app-7-e0"}"#);
    }

    #[tokio::test]
    async fn an_entry_that_was_not_taken_is_named_though_the_call_succeeds() {
        for (code, expected) in [
            ("ThrottlingException", CallErrorKind::Throttled),
            ("InternalFailure", CallErrorKind::Unavailable),
            ("InternalException", CallErrorKind::Unavailable),
            ("AccessDeniedException", CallErrorKind::Denied),
            ("NotAuthorizedForSource", CallErrorKind::Refused),
            ("ACodeOfTomorrow", CallErrorKind::Refused),
        ] {
            let entries = json!([{"EventId": "1"}, {"ErrorCode": code, "ErrorMessage": "because"}, {"EventId": "3"}]);
            let refused = on(&answering(1, &entries)).put(&[event(0), event(1), event(2)]).await.unwrap();
            let told: Vec<_> =
                refused.iter().map(|(id, error)| (id.as_str(), error.kind, error.message.as_str())).collect();
            assert_eq!(told, [("app-7-e1", expected, &*format!("{code}: because"))]);
        }
    }

    #[tokio::test]
    async fn an_entry_without_a_result_was_not_accepted() {
        let refused = on(&answering(0, &json!([{}]))).put(&[event(0)]).await.unwrap();
        assert_eq!(refused["app-7-e0"].kind, CallErrorKind::Unreadable);
    }

    #[tokio::test]
    async fn an_answer_that_does_not_speak_of_each_entry_is_none() {
        for entries in
            [json!([]), json!([{"EventId": "1"}]), json!([{"EventId": "1"}, {"EventId": "2"}, {"EventId": "3"}])]
        {
            let error = on(&answering(0, &entries)).put(&[event(0), event(1)]).await.unwrap_err();
            assert_eq!(error.kind, CallErrorKind::Unreadable, "{entries}");
        }
        let stub = StubAws::default().on("PutEvents", 200, "{}");
        assert_eq!(on(&stub).put(&[event(0)]).await.unwrap_err().kind, CallErrorKind::Unreadable);
    }
}
