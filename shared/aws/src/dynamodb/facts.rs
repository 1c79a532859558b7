//! Stores facts and their deduplication marks.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use driftless_planner::burst::{IMMEDIATE_RUNS_PER_MINUTE_MAX, minute_of};
use driftless_planner::fact::Fact;
use driftless_planner::ids::FleetName;
use driftless_reconciler::ports::{CallError, CallResult, Deduplication, StoreResult};
use jiff::Timestamp;

use crate::dynamodb::Table;
use crate::dynamodb::items::{Freshness, TRANSACT, cancelled, has_failed, number, values};
use crate::dynamodb::rows::{
    ACCOUNT, DeduplicationRow, FactRow, IMMEDIATE_RUNS_KEPT, Item, LOCK, LeaseRow, SCHEMA_VERSION,
    deduplication_partition, fleet_key, from_item, from_milliseconds, immediate_runs_key, key, sort_key, to_item,
};
use crate::error::{call_error, refused};

/// The condition that no fact with this key is stored, or only an older one by the clock of the reporter. A late or
/// repeated fact therefore changes nothing.
const IS_NEWER: &str = "attribute_not_exists(pk) OR observed_at_ms < :new";

/// The position in the transaction of the part with the condition [`IS_NEWER`].
const ORDERED_PART: usize = 0;

const BATCH_GET: &str = "dynamodb:BatchGetItem";
const UPDATE: &str = "dynamodb:UpdateItem";

impl Table<'_> {
    /// Stores a fact and counts a reconcile request in one transaction, so that a run cannot release its lease without
    /// having read the fact. For a fact that can wait, the transaction writes a deduplication mark and counts no
    /// request.
    pub(crate) async fn store(&self, fleet: &FleetName, fact: &Fact, now: Timestamp) -> CallResult<StoreResult> {
        let row = FactRow::of(fleet, fact, now);
        let item = to_item(TRANSACT, &row)?;
        let (parts, known) = if fact.can_wait() {
            let deduplication = DeduplicationRow::of(fleet, fact, now);
            let deduplication = self.put_newer(to_item(TRANSACT, &deduplication)?, deduplication.observed_at_ms)?;
            let stored =
                Put::builder().table_name(self.name).set_item(Some(item)).build().map_err(|error| refuse(&error))?;
            ([deduplication, stored].map(|put| TransactWriteItem::builder().put(put).build()), StoreResult::Known)
        } else {
            let stored = TransactWriteItem::builder().put(self.put_newer(item, row.observed_at_ms)?).build();
            let request = TransactWriteItem::builder().update(self.count_request(fleet)?).build();
            // A stored fact that is as new or newer has already counted its request.
            ([stored, request], StoreResult::Stored)
        };
        self.patiently(&row.sk, || self.try_store(parts.clone(), known)).await
    }

    async fn try_store(&self, parts: [TransactWriteItem; 2], known: StoreResult) -> CallResult<StoreResult> {
        let request = self.client.transact_write_items().set_transact_items(Some(parts.into()));
        match request.send().await {
            Ok(_) => Ok(StoreResult::Stored),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancellation)) => {
                    let reasons = cancellation.cancellation_reasons();
                    if has_failed(reasons, ORDERED_PART) { Ok(known) } else { Err(cancelled(reasons)) }
                }
                Some(_) | None => Err(call_error(TRANSACT, error)),
            },
        }
    }

    /// Reads the deduplication marks of facts and the pending requests of their fleets. The read is eventually
    /// consistent: a missed mark only causes a write that changes nothing.
    pub(crate) async fn deduplication(&self, facts: &[(&FleetName, &Fact)]) -> CallResult<Deduplication> {
        let deduplication = facts.iter().map(|(fleet, fact)| (deduplication_partition(fleet), fact.key()));
        let fleets: BTreeSet<&FleetName> = facts.iter().map(|(fleet, _)| *fleet).collect();
        let locks = fleets.iter().map(|fleet| (fleet_key(fleet), LOCK.to_owned()));
        // DynamoDB refuses a batch with a repeated key.
        let keys: BTreeSet<(String, String)> = deduplication.chain(locks).collect();
        let keys = keys.into_iter().map(|(pk, sk)| key(pk, sk)).collect();
        let mut deduplication = Deduplication::default();
        for item in self.get_all(keys, Freshness::Eventual).await? {
            if sort_key(&item) == LOCK {
                let row: LeaseRow = from_item(BATCH_GET, item, SCHEMA_VERSION)?;
                let next =
                    row.next_request_ms.map(|at| from_milliseconds(BATCH_GET, "next_request_ms", at)).transpose()?;
                let fleet = fleets.iter().find(|fleet| fleet_key(fleet) == row.pk);
                deduplication.next_requests.extend(fleet.zip(next).map(|(fleet, next)| ((*fleet).clone(), next)));
                continue;
            }
            let row: DeduplicationRow = from_item(BATCH_GET, item, SCHEMA_VERSION)?;
            let at = from_milliseconds(BATCH_GET, "observed_at_ms", row.observed_at_ms)?;
            let fleet = fleets.iter().find(|fleet| deduplication_partition(fleet) == row.pk);
            deduplication.observed_at.extend(fleet.map(|fleet| (((*fleet).clone(), row.sk), at)));
        }
        Ok(deduplication)
    }

    /// Takes one of this minute's immediate runs from a counter that all fleets share. If the response is lost, the
    /// retry counts a second run, and a pass may be deferred needlessly.
    pub(crate) async fn take_immediate_run(&self, now: Timestamp) -> CallResult<bool> {
        let kept = AttributeValue::N((now + IMMEDIATE_RUNS_KEPT).as_second().to_string());
        let request = self
            .client
            .update_item()
            .table_name(self.name)
            .set_key(Some(key(ACCOUNT, immediate_runs_key(minute_of(now)))))
            .update_expression("SET schema_version = :schema, expires_at = :kept ADD run_count :one")
            .condition_expression("attribute_not_exists(run_count) OR run_count < :max")
            .set_expression_attribute_values(Some(values([
                (":schema", number(SCHEMA_VERSION)),
                (":kept", kept),
                (":one", number(1_u64)),
                (":max", number(IMMEDIATE_RUNS_PER_MINUTE_MAX)),
            ])));
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                Some(_) | None => Err(call_error(UPDATE, error)),
            },
        }
    }

    fn put_newer(&self, item: Item, observed_at_ms: i64) -> CallResult<Put> {
        Put::builder()
            .table_name(self.name)
            .set_item(Some(item))
            .condition_expression(IS_NEWER)
            .expression_attribute_values(":new", AttributeValue::N(observed_at_ms.to_string()))
            .build()
            .map_err(|error| refuse(&error))
    }

    fn count_request(&self, fleet: &FleetName) -> CallResult<Update> {
        let names = values([(":one", number(1_u64)), (":schema", number(SCHEMA_VERSION))]);
        Update::builder()
            .table_name(self.name)
            .set_key(Some(key(fleet_key(fleet), LOCK)))
            .update_expression("SET schema_version = if_not_exists(schema_version, :schema) ADD request_count :one")
            .set_expression_attribute_values(Some(names))
            .build()
            .map_err(|error| refuse(&error))
    }
}

fn refuse(error: &BuildError) -> CallError {
    refused(TRANSACT, error.to_string())
}
