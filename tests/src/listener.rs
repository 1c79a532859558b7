//! A pipeline that waits for events: a rule on the default bus with a queue, as docs/events.md shows it.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use driftless_planner::event::Part;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::stack::LocalStack;

/// How long one request waits for an event. SQS answers at once when one comes.
const POLL_SECONDS: i32 = 1;

/// The prefix of the rule names of pipelines.
pub(crate) const RULE_PREFIX: &str = "listener-";

/// A queue behind a rule, and the events received from it.
#[derive(Debug)]
pub struct Listener {
    client: aws_sdk_sqs::Client,
    queue: String,
    details: Vec<Value>,
}

impl LocalStack {
    /// Receives the events of a pattern from now on.
    pub async fn listen(&self, name: &str, pattern: &Value) -> anyhow::Result<Listener> {
        let name = format!("{RULE_PREFIX}{name}");
        let (queue, arn) = self.new_queue(&name).await?;
        self.event_bridge("PutRule", &json!({"Name": name, "EventPattern": pattern.to_string()})).await?;
        let targets = json!({"Rule": name, "Targets": [{"Id": "queue", "Arn": arn}]});
        let answer = self.event_bridge("PutTargets", &targets).await?;
        ensure!(answer.get("FailedEntryCount").and_then(Value::as_i64).unwrap_or_default() == 0, "{answer}");
        Ok(Listener { client: self.clients().sqs.clone(), queue, details: Vec::new() })
    }
}

impl Listener {
    /// The details of all events so far. A repeated event has the same id and is listed once.
    pub async fn read(&mut self) -> anyhow::Result<&[Value]> {
        while self.receive(0).await? > 0 {}
        Ok(&self.details)
    }

    /// Waits until the events meet a condition. The error of a timeout has the expectation and the events.
    pub async fn wait_for<T>(
        &mut self,
        awaited: &str,
        timeout: Duration,
        condition: impl Fn(&[Value]) -> Option<T>,
    ) -> anyhow::Result<T> {
        let end = Instant::now() + timeout;
        loop {
            if let Some(found) = condition(&self.details) {
                return Ok(found);
            }
            ensure!(Instant::now() < end, "waited {timeout:?} in vain: {awaited}\nevents so far: {:#?}", self.details);
            self.receive(POLL_SECONDS).await?;
        }
    }

    async fn receive(&mut self, wait_seconds: i32) -> anyhow::Result<usize> {
        let request = self.client.receive_message().queue_url(&self.queue).max_number_of_messages(10);
        let messages = request.wait_time_seconds(wait_seconds).send().await?.messages.unwrap_or_default();
        for message in &messages {
            let body = message.body.as_deref().unwrap_or_default();
            let event: Value = serde_json::from_str(body).with_context(|| format!("no event: {body}"))?;
            let detail = event.get("detail").context("the event has no detail")?;
            let machine = detail.get("machine").context("the detail does not say what it is about")?;
            let detail_type = Part::deserialize(machine)?.detail_type();
            let is_ours = event.get("source") == Some(&json!("driftless"));
            ensure!(is_ours && event.get("detail-type") == Some(&json!(detail_type)), "{event:#}");
            match self.details.iter().find(|known| known.get("id") == detail.get("id")) {
                None => self.details.push(detail.clone()),
                Some(known) => ensure!(known == detail, "one id for two events: {known:#}\n{detail:#}"),
            }
            let receipt = message.receipt_handle.clone();
            self.client.delete_message().queue_url(&self.queue).set_receipt_handle(receipt).send().await?;
        }
        Ok(messages.len())
    }
}
