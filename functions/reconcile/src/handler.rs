//! One invocation: a batch of wakes and facts, or the sweep.

use std::collections::BTreeMap;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use driftless_lambda::diagnostic::{ErrorType, chain};
use driftless_planner::fact::Fact;
use driftless_planner::ids::FleetName;
use driftless_planner::policy::Defaults;
use driftless_planner::wake::WakeMessage;
use driftless_reconciler::file::{Filed, file, fleets_of};
use driftless_reconciler::ports::{CallError, Ports};
use driftless_reconciler::reconcile::{Times, reconcile};
use futures_util::future::join_all;
use jiff::Timestamp;

/// What starts an invocation.
#[derive(Debug)]
pub(crate) enum Event {
    /// Messages of the wake queue.
    Wakes(Vec<SqsMessage>),
    /// The schedule.
    Sweep,
}

/// An invocation that is neither a batch of the wake queue nor the sweep.
#[derive(Debug, thiserror::Error)]
#[error("the event has neither Records nor sweep: only the wake queue and the sweep schedule may invoke this function")]
pub(crate) struct UnknownEvent(#[source] Option<serde_json::Error>);

impl TryFrom<serde_json::Value> for Event {
    type Error = UnknownEvent;

    fn try_from(event: serde_json::Value) -> Result<Self, UnknownEvent> {
        if event.get("sweep").is_some() {
            return Ok(Self::Sweep);
        }
        if event.get("Records").is_none() {
            return Err(UnknownEvent(None));
        }
        let batch: SqsEvent = serde_json::from_value(event).map_err(|error| UnknownEvent(Some(error)))?;
        Ok(Self::Wakes(batch.records))
    }
}

/// What a run of this invocation needs beside the world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    /// The id of the invocation: it holds the leases.
    pub(crate) holder: &'a str,
    /// When the function is killed, and what nests in that.
    pub(crate) times: Times,
    /// The stack's default policy.
    pub(crate) defaults: &'a Defaults,
}

/// Files the facts of a batch and looks at every fleet that it concerns, side by side. A message fails only for its
/// own sake or its fleet's; the rest of the batch is done.
pub(crate) async fn wakes<P: Ports>(ports: &P, messages: Vec<SqsMessage>, run: Run<'_>) -> SqsBatchResponse {
    let mut failed: Vec<String> = Vec::new();
    let mut facts: Vec<Reported> = Vec::new();
    let mut fleets: BTreeMap<FleetName, Concerned> = BTreeMap::new();
    for message in messages {
        let id = message.message_id.unwrap_or_default();
        match serde_json::from_str(message.body.as_deref().unwrap_or_default()) {
            Ok(WakeMessage::Fact(fact)) => facts.push(Reported { id, fact: *fact, attempts: 0 }),
            Ok(WakeMessage::Untagged { fact, attempts }) => facts.push(Reported { id, fact: *fact, attempts }),
            Ok(WakeMessage::Wake(wake)) => {
                let concerned = fleets.entry(wake.fleet).or_default();
                concerned.due = concerned.due.max(wake.due);
                concerned.messages.push(id);
            }
            Err(error) => {
                tracing::error!(error_type = %ErrorType::InvalidEvent, message_id = id, %error, "a wake message cannot be read");
                failed.push(id);
            }
        }
    }
    failed.extend(file_all(ports, facts, &mut fleets).await);
    let runs = fleets.into_iter().map(async |(fleet, concerned)| {
        // On the heap: the states of a whole run are too deep for the compiler to lay out as one.
        let ran = Box::pin(reconcile(ports, &fleet, concerned.due, run.holder, run.times, run.defaults)).await;
        match ran {
            Ok(ran) => {
                tracing::info!(%fleet, ?ran, "reconciled");
                Vec::new()
            }
            Err(error) => {
                report(&error, "a fleet could not be reconciled");
                concerned.messages
            }
        }
    });
    failed.extend(join_all(runs).await.into_iter().flatten());
    let mut response = SqsBatchResponse::default();
    for id in failed {
        response.add_failure(id);
    }
    response
}

/// The messages that concern one fleet, and the time for which a delayed wake among them was meant.
#[derive(Debug, Default)]
struct Concerned {
    messages: Vec<String>,
    due: Option<Timestamp>,
}

/// A fact, with the message that brought it.
struct Reported {
    id: String,
    fact: Fact,
    /// How often an untagged image was looked at before.
    attempts: u32,
}

/// Files facts; answers the messages of those that could not be filed.
async fn file_all<P: Ports>(
    ports: &P,
    facts: Vec<Reported>,
    fleets: &mut BTreeMap<FleetName, Concerned>,
) -> Vec<String> {
    if facts.is_empty() {
        return Vec::new();
    }
    let reported: Vec<Fact> = facts.iter().map(|reported| reported.fact.clone()).collect();
    let known = match fleets_of(ports, &reported).await {
        Ok(known) => known,
        Err(error) => {
            report(&error, "the fleets of the facts could not be found");
            return facts.into_iter().map(|reported| reported.id).collect();
        }
    };
    let filings = facts
        .iter()
        .map(async |Reported { id, fact, attempts }| (id, fact, file(ports, fact, &known, *attempts).await));
    let mut failed = Vec::new();
    for (id, fact, filed) in join_all(filings).await {
        match filed {
            Ok(Filed::With(named)) => {
                for fleet in named {
                    fleets.entry(fleet).or_default().messages.push(id.clone());
                }
            }
            Ok(Filed::AskedAgainLater) => {
                tracing::info!(fact = fact.key(), "no fleet is known for it yet: asked again");
            }
            Ok(Filed::NotOurs) => tracing::info!(fact = fact.key(), "not about an instance of a fleet"),
            Err(error) => {
                report(&error, "a fact could not be filed");
                failed.push(id.clone());
            }
        }
    }
    failed
}

fn report(error: &CallError, what: &'static str) {
    tracing::error!(error_type = %ErrorType::from(error.kind), error = chain(error), what, "a call failed");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schedules_input_is_a_sweep() {
        assert!(matches!(Event::try_from(json!({"sweep": {}})), Ok(Event::Sweep)));
    }

    #[test]
    fn a_batch_of_the_queue_is_its_messages() {
        let batch = json!({"Records": [{"messageId": "m-1", "body": "{}"}, {"messageId": "m-2", "body": "x"}]});
        let Ok(Event::Wakes(messages)) = Event::try_from(batch) else { panic!("not a batch") };
        let ids: Vec<_> = messages.iter().filter_map(|message| message.message_id.as_deref()).collect();
        assert_eq!(ids, ["m-1", "m-2"]);
    }

    #[test]
    fn any_other_event_is_refused_and_says_who_may_invoke() {
        for event in [json!({}), json!({"source": "aws.config", "detail": {}}), json!([1]), json!({"Records": 5})] {
            let error = Event::try_from(event.clone()).unwrap_err();
            assert!(error.to_string().contains("neither Records nor sweep"), "{event}: {error}");
        }
    }
}
