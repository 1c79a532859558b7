//! The content of the stub AWS: the answers in files, the table, the queue and the event bus.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::cloud::Call;
use crate::load_generator::LoadGenerator;
use crate::stub::{Answer, Asked, Files};
use crate::table::Table;

/// A world.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Many fleets, which are asked first.
    pub load_generator: Option<Arc<LoadGenerator>>,
    /// The answers that stand in files.
    pub files: Files,
    pub table: Table,
}

impl World {
    /// The answer to a call.
    pub fn answer(&mut self, service: &str, asked: &Asked) -> anyhow::Result<Answer> {
        if let Some(answer) =
            self.load_generator.as_ref().and_then(|load_generator| load_generator.answer(service, asked))
        {
            return Ok(answer);
        }
        if let Some(answer) = self.files.answer(service, asked) {
            return Ok(answer);
        }
        match service {
            "dynamodb" => self.table.answer(asked),
            "sqs" => Ok(Answer::json(&queued(asked)?)),
            "events" => Ok(Answer::json(&put(asked)?)),
            _ => bail!("the stub has no answer"),
        }
    }
}

/// Every event is put.
fn put(asked: &Asked) -> anyhow::Result<Value> {
    const ID: &str = "11710aed-b79e-4468-a20b-bb3c0c3b4860";
    if asked.action != "PutEvents" {
        bail!("the stub has no answer");
    }
    let entries = asked.fields.get("Entries").and_then(Value::as_array).context("events without entries")?;
    Ok(json!({"FailedEntryCount": 0, "Entries": vec![json!({"EventId": ID}); entries.len()]}))
}

/// Every message is taken.
fn queued(asked: &Asked) -> anyhow::Result<Value> {
    // SQS sends sums of what it took. The SDKs that check them are given none.
    const ID: &str = "5fea7756-0ea4-451a-a703-a558b933e274";
    match asked.action.as_str() {
        "SendMessage" => Ok(json!({"MessageId": ID})),
        "SendMessageBatch" => {
            let entries = asked.fields.get("Entries").and_then(Value::as_array).context("a batch without entries")?;
            let taken = entries.iter().map(|entry| json!({"Id": entry["Id"], "MessageId": ID}));
            Ok(json!({"Successful": taken.collect::<Vec<_>>(), "Failed": []}))
        }
        _ => bail!("the stub has no answer"),
    }
}

/// The messages that calls sent, each with its delay.
pub fn sent(calls: &[Call]) -> anyhow::Result<Vec<(Duration, String)>> {
    let mut messages = Vec::new();
    for call in calls.iter().filter(|call| call.service == "sqs") {
        let request: Value = serde_json::from_slice(&call.body)?;
        let entries = match call.action.as_str() {
            "SendMessage" => std::slice::from_ref(&request),
            "SendMessageBatch" => {
                request.get("Entries").and_then(Value::as_array).context("a batch without entries")?
            }
            other => bail!("sqs:{other} sends nothing that is known"),
        };
        for entry in entries {
            let body = entry.get("MessageBody").and_then(Value::as_str).context("a message without a body")?;
            let delay = entry.get("DelaySeconds").and_then(Value::as_u64).unwrap_or(0);
            messages.push((Duration::from_secs(delay), body.to_owned()));
        }
    }
    Ok(messages)
}
