//! What is found on the canned AWS: the answers in files, the table, the queue and the event bus.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::canned::{Answer, Asked, Files};
use crate::crowd::Crowd;
use crate::table::Table;

/// A world.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Many fleets, which are asked first.
    pub crowd: Option<Arc<Crowd>>,
    /// The answers that stand in files.
    pub files: Files,
    /// The table.
    pub table: Table,
}

impl World {
    /// The answer to a call.
    pub fn answer(&mut self, service: &str, asked: &Asked) -> anyhow::Result<Answer> {
        if let Some(answer) = self.crowd.as_ref().and_then(|crowd| crowd.answer(service, asked)) {
            return Ok(answer);
        }
        if let Some(answer) = self.files.answer(service, asked) {
            return Ok(answer);
        }
        match service {
            "dynamodb" => self.table.answer(asked),
            "sqs" => Ok(Answer::json(&queued(asked)?)),
            "events" => Ok(Answer::json(&put(asked)?)),
            _ => bail!("no answer is canned"),
        }
    }
}

/// Every event is put.
fn put(asked: &Asked) -> anyhow::Result<Value> {
    const ID: &str = "11710aed-b79e-4468-a20b-bb3c0c3b4860";
    if asked.action != "PutEvents" {
        bail!("no answer is canned");
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
        _ => bail!("no answer is canned"),
    }
}
