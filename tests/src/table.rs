//! The table of Driftless, read for assertions and for display.

use std::collections::HashMap;

use anyhow::Context as _;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use crate::stack::LocalStack;

/// The table of a stack.
#[derive(Debug, Clone)]
pub struct Table {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

/// The items of a fleet's partition.
#[derive(Debug, Clone, Default)]
pub struct Deduplication {
    pub state: Option<Value>,
    /// Lease, count of reconcile requests and next delayed request (`LEASE`).
    pub lock: Option<Value>,
    /// The freeze of this fleet (`FREEZE`).
    pub freeze: Option<Value>,
    /// Facts that no commit has consumed (`FACT#`).
    pub facts: Vec<Value>,
    /// Notifications that are not delivered (`OUTBOX#`).
    pub outbox: Vec<Value>,
    pub other: Vec<Value>,
}

impl LocalStack {
    /// The table.
    pub fn table(&self) -> Table {
        // A template without a table has no output for it; then every read says that the name is empty.
        let name = self.deployment().output("TableName").unwrap_or_default().to_owned();
        Table { client: self.clients().dynamodb.clone(), name }
    }
}

impl Table {
    /// The items of a fleet.
    pub async fn fleet(&self, fleet: &str) -> anyhow::Result<Deduplication> {
        let mut deduplication = Deduplication::default();
        for item in self.partition(&format!("FLEET#{fleet}")).await? {
            let key = item.get("sk").and_then(Value::as_str).unwrap_or_default().to_owned();
            match key.split_once('#').map_or(key.as_str(), |(kind, _)| kind) {
                "STATE" => deduplication.state = Some(item),
                "LEASE" => deduplication.lock = Some(item),
                "FREEZE" => deduplication.freeze = Some(item),
                "FACT" => deduplication.facts.push(item),
                "OUTBOX" => deduplication.outbox.push(item),
                _ => deduplication.other.push(item),
            }
        }
        Ok(deduplication)
    }

    /// The history of a fleet, oldest first, with one entry for each transition.
    pub async fn history(&self, fleet: &str) -> anyhow::Result<Vec<Value>> {
        let rows = self.partition(&format!("HISTORY#{fleet}")).await?;
        // A commit with very many transitions has several in a row.
        let entries = |row: &Value| {
            let more = row.get("more").and_then(Value::as_array).cloned().unwrap_or_default();
            row.get("entry").cloned().into_iter().chain(more).collect::<Vec<_>>()
        };
        Ok(rows.iter().flat_map(entries).collect())
    }

    /// The items of a partition, in the order of their sort keys.
    pub async fn partition(&self, key: &str) -> anyhow::Result<Vec<Value>> {
        let query = self.client.query().table_name(&self.name).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", AttributeValue::S(key.to_owned()));
        let pages = query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await?;
        pages.into_iter().map(|item| serde_dynamo::from_item(item).context("an item is no JSON")).collect()
    }

    /// Expires the lease of a fleet, if it is held, as time would some seconds later.
    pub async fn end_lease(&self, fleet: &str) -> anyhow::Result<()> {
        let key = |name: &str, value: String| (name.to_owned(), AttributeValue::S(value));
        let update = self.client.update_item().table_name(&self.name).update_expression("SET until_ms = :past");
        let key = [key("pk", format!("FLEET#{fleet}")), key("sk", "LEASE".to_owned())].into();
        let update = update.set_key(Some(key)).condition_expression("attribute_exists(holder)");
        let update = update.expression_attribute_values(":past", AttributeValue::N("0".to_owned()));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes every item.
    pub(crate) async fn empty(&self) -> anyhow::Result<()> {
        let scan = self.client.scan().table_name(&self.name).projection_expression("pk, sk").consistent_read(true);
        let keys: Vec<HashMap<_, _>> = scan.into_paginator().items().send().collect::<Result<_, _>>().await?;
        for key in keys {
            self.client.delete_item().table_name(&self.name).set_key(Some(key)).send().await?;
        }
        Ok(())
    }
}
