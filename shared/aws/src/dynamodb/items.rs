//! Reads and writes items in batches, and maps the reasons of cancelled transactions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest,
};
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::{CallError, CallErrorKind, CallResult};

use crate::dynamodb::Table;
use crate::dynamodb::rows::Item;
use crate::error::{call_error, kind, refused, required};

const BATCH_GET: &str = "dynamodb:BatchGetItem";
const BATCH_WRITE: &str = "dynamodb:BatchWriteItem";
const QUERY: &str = "dynamodb:Query";
pub(crate) const TRANSACT: &str = "dynamodb:TransactWriteItems";

/// DynamoDB's limits of reads and of writes in one batch.
const GETS_MAX: usize = 100;
const WRITES_MAX: usize = 25;

/// The most calls for one batch; each call after the first sends the items that DynamoDB has not yet processed. If
/// items are left after the last call, the batch counts as throttled.
const BATCH_ROUNDS: u32 = 5;

/// The reason code of a part of a cancelled transaction whose own condition failed. Parts that are not the cause have
/// the code `None`.
pub(crate) const CONDITION_FAILED: &str = "ConditionalCheckFailed";
const NOT_AT_FAULT: &str = "None";

/// The consistency of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Strongly consistent: includes every earlier write.
    Strong,
    /// Eventually consistent: may miss the latest writes, at half the price.
    Eventual,
}

impl Table<'_> {
    /// Reads the items that exist among the keys, in no particular order.
    pub(crate) async fn get_all(&self, keys: Vec<Item>, freshness: Freshness) -> CallResult<Vec<Item>> {
        let mut items = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(GETS_MAX) {
            let mut wanted = chunk.to_vec();
            for round in 1..=BATCH_ROUNDS {
                let (found, left) = self.get_some(wanted, freshness).await?;
                items.extend(found);
                wanted = left;
                if wanted.is_empty() {
                    break;
                }
                self.wait(round, BATCH_GET).await;
            }
            left_over(BATCH_GET, wanted.len())?;
        }
        Ok(items)
    }

    async fn get_some(&self, keys: Vec<Item>, freshness: Freshness) -> CallResult<(Vec<Item>, Vec<Item>)> {
        let request = KeysAndAttributes::builder().set_keys(Some(keys));
        let request = request.consistent_read(freshness == Freshness::Strong).build();
        let request = request.map_err(|error| refused(BATCH_GET, error.to_string()))?;
        let answer = self.client.batch_get_item().request_items(self.name, request).send().await;
        let answer = answer.map_err(|error| call_error(BATCH_GET, error))?;
        // A missing table in the response is an error: it could hide a freeze.
        let mut tables = required(BATCH_GET, "Responses", answer.responses)?;
        let found = tables.remove(self.name).unwrap_or_default();
        let left = answer.unprocessed_keys.and_then(|mut tables| tables.remove(self.name));
        Ok((found, left.map(|left| left.keys).unwrap_or_default()))
    }

    /// Writes and deletes items without conditions.
    pub(crate) async fn write_all(&self, writes: Vec<WriteRequest>) -> CallResult<()> {
        for chunk in writes.chunks(WRITES_MAX) {
            let mut wanted = chunk.to_vec();
            for round in 1..=BATCH_ROUNDS {
                let answer = self.client.batch_write_item().request_items(self.name, wanted).send().await;
                let answer = answer.map_err(|error| call_error(BATCH_WRITE, error))?;
                wanted = answer.unprocessed_items.and_then(|mut tables| tables.remove(self.name)).unwrap_or_default();
                if wanted.is_empty() {
                    break;
                }
                self.wait(round, BATCH_WRITE).await;
            }
            left_over(BATCH_WRITE, wanted.len())?;
        }
        Ok(())
    }

    /// Reads all items of a partition whose sort keys begin with a prefix, in key order, from all pages.
    pub(crate) async fn query(&self, pk: &str, sk_prefix: &str, freshness: Freshness) -> CallResult<Vec<Item>> {
        let mut request = self
            .client
            .query()
            .table_name(self.name)
            .consistent_read(freshness == Freshness::Strong)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
        request = if sk_prefix.is_empty() {
            request.key_condition_expression("pk = :pk")
        } else {
            let prefix = AttributeValue::S(sk_prefix.to_owned());
            request
                .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
                .expression_attribute_values(":sk", prefix)
        };
        let pages = request.into_paginator().items().send();
        pages.collect::<Result<Vec<Item>, _>>().await.map_err(|error| call_error(QUERY, error))
    }
}

fn left_over(operation: &'static str, count: usize) -> CallResult<()> {
    if count == 0 {
        return Ok(());
    }
    let message = UntrustedText::from(format!("{count} items were not processed in {BATCH_ROUNDS} rounds"));
    Err(CallError { operation, kind: CallErrorKind::Throttled, message, source: None })
}

/// A put request for a batch.
pub(crate) fn put(operation: &'static str, item: Item) -> CallResult<WriteRequest> {
    let request = PutRequest::builder().set_item(Some(item)).build();
    Ok(WriteRequest::builder().put_request(request.map_err(|error| refused(operation, error.to_string()))?).build())
}

/// A delete request for a batch.
pub(crate) fn delete(operation: &'static str, key: Item) -> CallResult<WriteRequest> {
    let request = DeleteRequest::builder().set_key(Some(key)).build();
    Ok(WriteRequest::builder().delete_request(request.map_err(|error| refused(operation, error.to_string()))?).build())
}

/// The values of an expression, by their placeholders.
pub(crate) fn values<const N: usize>(pairs: [(&str, AttributeValue); N]) -> HashMap<String, AttributeValue> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A value of the type string.
pub(crate) fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A value of the type number.
pub(crate) fn number(number: impl Into<u64>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

/// Whether a failed write may succeed a moment later. The SDK retries throttled calls, but it treats a cancelled
/// transaction as a final response, whatever its reasons.
pub(crate) fn passes(error: &CallError) -> bool {
    let is_cancelled = error.operation == TRANSACT && error.source.is_none();
    error.kind == CallErrorKind::Busy || (error.kind == CallErrorKind::Throttled && is_cancelled)
}

/// The error for a transaction that was cancelled for another reason than a failed condition of ours. The first part
/// that is a cause determines the code and the message.
pub(crate) fn cancelled(reasons: &[CancellationReason]) -> CallError {
    let failed = reasons.iter().find_map(|reason| {
        let code = reason.code().filter(|code| *code != NOT_AT_FAULT)?;
        Some((code, reason.message().unwrap_or_default()))
    });
    let (code, message) = failed.unwrap_or(("TransactionCanceledException", "without a reason"));
    CallError {
        operation: TRANSACT,
        kind: kind(code, message, Some(400)),
        message: UntrustedText::from(format!("{code}: {message}")),
        source: None,
    }
}

/// Whether the condition of this part of the transaction failed.
pub(crate) fn has_failed(reasons: &[CancellationReason], part: usize) -> bool {
    reasons.get(part).and_then(CancellationReason::code) == Some(CONDITION_FAILED)
}
