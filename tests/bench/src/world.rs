//! What is found on the canned AWS: the answers in files, the table, and the queue.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::canned::{Answer, Asked, Files};
use crate::table::Table;

/// A world.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The answers that stand in files.
    pub files: Files,
    /// The table.
    pub table: Table,
}

impl World {
    /// The answer to a call.
    pub fn answer(&mut self, service: &str, asked: &Asked) -> anyhow::Result<Answer> {
        if let Some(answer) = self.files.answer(service, asked) {
            return Ok(answer);
        }
        match service {
            "dynamodb" => Ok(Answer::json(&self.table.answer(asked)?)),
            "sqs" => Ok(Answer::json(&queued(asked)?)),
            _ => bail!("no answer is canned"),
        }
    }
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
