//! Filing facts.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use driftless_planner::fact::Fact;
use driftless_planner::ids::FleetName;
use driftless_reconciler::ports::Called;
use jiff::Timestamp;

use crate::dynamodb::Table;
use crate::dynamodb::items::{TRANSACT, cancelled, has_failed, number, values};
use crate::dynamodb::rows::{FactRow, LOCK, SCHEMA_VERSION, fleet_key, key, to_item};
use crate::error::{call_error, refused};

/// Facts are ordered by their reporter's clock: what arrives late, or twice, changes nothing.
const IS_NEWER: &str = "attribute_not_exists(pk) OR observed_at_ms < :new";

/// Where the fact is among the parts of the transaction.
const FACT_PART: usize = 0;

impl Table<'_> {
    /// Stores a fact and counts a wake, together: a run that gives its lease back has seen the fact, or is told of it.
    pub(crate) async fn file(&self, fleet: &FleetName, fact: &Fact, now: Timestamp) -> Called<()> {
        let row = FactRow::of(fleet, fact, now);
        self.patiently(&row.sk, || self.try_file(fleet, &row)).await
    }

    async fn try_file(&self, fleet: &FleetName, row: &FactRow) -> Called<()> {
        let refuse = |error: aws_sdk_dynamodb::error::BuildError| refused(TRANSACT, error.to_string());
        let put = Put::builder()
            .table_name(self.name)
            .set_item(Some(to_item(TRANSACT, row)?))
            .condition_expression(IS_NEWER)
            .expression_attribute_values(":new", observed_at(row))
            .build()
            .map_err(refuse)?;
        let names = values([(":one", number(1_u64)), (":schema", number(SCHEMA_VERSION))]);
        let count = Update::builder()
            .table_name(self.name)
            .set_key(Some(key(fleet_key(fleet), LOCK)))
            .update_expression("SET schema_version = if_not_exists(schema_version, :schema) ADD wakes :one")
            .set_expression_attribute_values(Some(names))
            .build()
            .map_err(refuse)?;
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().update(count).build());
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancellation)) => {
                    let reasons = cancellation.cancellation_reasons();
                    // A fact as new or newer is there, and its wake was counted with it.
                    if has_failed(reasons, FACT_PART) { Ok(()) } else { Err(cancelled(reasons)) }
                }
                Some(_) | None => Err(call_error(TRANSACT, error)),
            },
        }
    }
}

fn observed_at(row: &FactRow) -> AttributeValue {
    AttributeValue::N(row.observed_at_ms.to_string())
}
