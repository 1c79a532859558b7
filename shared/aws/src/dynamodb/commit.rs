//! The commit of a decision. One transaction writes the record, history, outbox and events and deletes the consumed
//! facts, on condition that the record has the version that was read and that the caller still holds the lease.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use driftless_planner::decision::Decision;
use driftless_planner::ids::FleetName;
use driftless_planner::observation::FreezeScope;
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::{Audience, CallError, CallResult, Committed, Lease};
use jiff::Timestamp;
use serde::Serialize;

use crate::dynamodb::Table;
use crate::dynamodb::items::{CONDITION_FAILED, TRANSACT, cancelled, delete, has_failed, number, put, string};
use crate::dynamodb::lease::lock;
use crate::dynamodb::rows::{
    DriftingRow, EventsRow, FACT_PREFIX, HistoryRow, Item, LOCK, OutboxRow, PartialDeliveryRow, StateRow, events_key,
    fleet_key, freeze_partition, key, milliseconds, outbox_key, partial_delivery_key, to_item,
};
use crate::dynamodb::token::commit_token;
use crate::error::{call_error, refused};

const WRITE: &str = "dynamodb:BatchWriteItem";

/// DynamoDB's limit of parts (writes and checks) in one transaction.
const PARTS_MAX: usize = 100;
/// The most rows that the history may take in a transaction; the outbox may take as many. The record and the lease take
/// one part each, and events at most eight, so at least 10 parts are left for drift times and facts. If there are more
/// entries than rows, one row holds several entries: a decision about a thousand instances must commit too, because a
/// decision that cannot commit would be made again and again.
const ROWS_MAX: usize = 40;
/// The positions of the record and of the lease among the parts of the transaction.
const STATE_PART: usize = 0;
const LEASE_PART: usize = 1;

/// The result of one attempt to commit.
enum Attempt {
    Committed,
    Conflict,
    /// The record and the lease are unchanged, but new facts were stored since the lease was read.
    FactsCame,
}

/// Whether the commit deletes the consumed facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Facts {
    /// Deletes the facts, on condition that no fact was stored since the lease was read: a newer fact with the same key
    /// would be deleted unread.
    Drop,
    /// Keeps the facts. The newer fact has counted a reconcile request, so another pass follows and consumes all of
    /// them.
    Leave,
}

impl Table<'_> {
    pub(crate) async fn commit(
        &self,
        lease: &Lease,
        read_version: Option<u64>,
        decision: &Decision,
        now: Timestamp,
    ) -> CallResult<Committed> {
        let facts = if decision.consumed.is_empty() { Facts::Leave } else { Facts::Drop };
        let seed = lease.fleet.as_str();
        let mut attempt = self.patiently(seed, || self.attempt(lease, read_version, decision, now, facts)).await?;
        if matches!(attempt, Attempt::FactsCame) {
            let without = || self.attempt(lease, read_version, decision, now, Facts::Leave);
            attempt = self.patiently(seed, without).await?;
        }
        Ok(match attempt {
            Attempt::Committed => Committed::Yes,
            Attempt::Conflict | Attempt::FactsCame => Committed::Conflict,
        })
    }

    async fn attempt(
        &self,
        lease: &Lease,
        read_version: Option<u64>,
        decision: &Decision,
        now: Timestamp,
        facts: Facts,
    ) -> CallResult<Attempt> {
        let variant = if facts == Facts::Drop { "drop" } else { "leave" };
        let request = self
            .client
            .transact_write_items()
            .set_transact_items(Some(self.parts(lease, read_version, decision, now, facts)?))
            .client_request_token(commit_token(lease, decision.next.version, now, variant));
        match request.send().await {
            Ok(_) => Ok(Attempt::Committed),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancellation)) => {
                    checked(cancellation.cancellation_reasons(), lease, now, facts)
                }
                // Another commit has used this token.
                Some(TransactWriteItemsError::IdempotentParameterMismatchException(_)) => Ok(Attempt::Conflict),
                Some(_) | None => Err(call_error(TRANSACT, error)),
            },
        }
    }

    fn parts(
        &self,
        lease: &Lease,
        read_version: Option<u64>,
        decision: &Decision,
        now: Timestamp,
        facts: Facts,
    ) -> CallResult<Vec<TransactWriteItem>> {
        // In the order of STATE_PART and LOCK_PART.
        let mut parts = vec![self.state(read_version, decision)?, self.holds(lease, now, facts)?];
        let version = decision.next.version;
        let fleet = &lease.fleet;
        for (position, chunk) in decision.history.chunks(chunk_size(decision.history.len())).enumerate() {
            if let Some(row) = HistoryRow::of(fleet, version, position, now, chunk) {
                parts.push(self.put(&row)?);
            }
        }
        for (position, chunk) in decision.notifications.chunks(chunk_size(decision.notifications.len())).enumerate() {
            if let Some(row) = OutboxRow::of(fleet, version, position, now, chunk) {
                parts.push(self.put(&row)?);
            }
        }
        let scope = FreezeScope::Fleet(fleet.clone());
        for batch in decision.events() {
            parts.push(self.put(&EventsRow::of(&scope, &batch, now))?);
        }
        // A drift time that finds no room is written when the next instance of the fleet begins to drift.
        let room = PARTS_MAX.saturating_sub(parts.len());
        for rule in decision.begins_to_drift.iter().take(room) {
            parts.push(self.put(&DriftingRow::of(fleet, rule, now))?);
        }
        if facts == Facts::Drop {
            // Facts that find no room stay, and the next decision consumes them again.
            let room = PARTS_MAX.saturating_sub(parts.len());
            let consumed: BTreeSet<&String> = decision.consumed.iter().collect();
            for fact in consumed.into_iter().take(room) {
                let key = key(fleet_key(&lease.fleet), format!("{FACT_PREFIX}{fact}"));
                let part = Delete::builder().table_name(self.name).set_key(Some(key)).build().map_err(invalid)?;
                parts.push(TransactWriteItem::builder().delete(part).build());
            }
        }
        Ok(parts)
    }

    /// Replaces the record, on condition that the stored record has the version that was read.
    fn state(&self, read_version: Option<u64>, decision: &Decision) -> CallResult<TransactWriteItem> {
        let item = to_item(TRANSACT, &StateRow::of(&decision.next))?;
        let put = Put::builder().table_name(self.name).set_item(Some(item));
        let put = match read_version {
            Some(version) => put
                .condition_expression("#version = :read")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":read", number(version)),
            None => put.condition_expression("attribute_not_exists(pk)"),
        };
        Ok(TransactWriteItem::builder().put(put.build().map_err(invalid)?).build())
    }

    /// Checks that the caller still holds the lease and that the lease has not ended. With [`Facts::Drop`] it also
    /// checks that no reconcile request was counted since the lease was read.
    fn holds(&self, lease: &Lease, now: Timestamp, facts: Facts) -> CallResult<TransactWriteItem> {
        let mut condition = "holder = :me AND fence = :fence AND until_ms > :now".to_owned();
        let mut check = ConditionCheck::builder()
            .table_name(self.name)
            .set_key(Some(key(fleet_key(&lease.fleet), LOCK)))
            .expression_attribute_values(":me", string(&lease.holder))
            .expression_attribute_values(":fence", number(lease.fence))
            .expression_attribute_values(":now", milliseconds(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if facts == Facts::Drop {
            condition.push_str(
                " AND (request_count = :requests OR (attribute_not_exists(request_count) AND :requests = :zero))",
            );
            check = check
                .expression_attribute_values(":requests", number(lease.requests))
                .expression_attribute_values(":zero", number(0_u64));
        }
        let check = check.condition_expression(condition).build().map_err(invalid)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    fn put<R: Serialize>(&self, row: &R) -> CallResult<TransactWriteItem> {
        let put = Put::builder().table_name(self.name).set_item(Some(to_item(TRANSACT, row)?));
        Ok(TransactWriteItem::builder().put(put.build().map_err(invalid)?).build())
    }

    /// Removes sent notifications from the outbox. A row with several notifications has the id of its last one as its
    /// key, so an earlier id removes nothing. After a crash in between, all notifications of the row are sent again.
    pub(crate) async fn mark_delivered(&self, fleet: &FleetName, ids: &[String]) -> CallResult<()> {
        let ids: BTreeSet<&String> = ids.iter().collect();
        let items = ids.into_iter().flat_map(|id| [outbox_key(id), partial_delivery_key(id)]);
        let deletes = items.map(|item| delete(WRITE, key(fleet_key(fleet), item)));
        self.write_all(deletes.collect::<CallResult<Vec<_>>>()?).await
    }

    /// Removes batches of events from the outbox after they were published.
    pub(crate) async fn mark_published(&self, scope: &FreezeScope, ids: &[String]) -> CallResult<()> {
        let deletes = ids.iter().map(|id| delete(WRITE, key(freeze_partition(scope), events_key(id))));
        self.write_all(deletes.collect::<CallResult<Vec<_>>>()?).await
    }

    /// Marks that one audience has received a notification and the other has not.
    pub(crate) async fn mark_partially_delivered(
        &self,
        fleet: &FleetName,
        id: &str,
        mark_delivered: Audience,
        now: Timestamp,
    ) -> CallResult<()> {
        let row = PartialDeliveryRow::of(fleet, id, mark_delivered, now);
        self.write_all(vec![put(WRITE, to_item(WRITE, &row)?)?]).await
    }
}

/// The number of entries in each row with which the rows stay within [`ROWS_MAX`].
fn chunk_size(entries: usize) -> usize {
    entries.div_ceil(ROWS_MAX).max(1)
}

fn checked(reasons: &[CancellationReason], lease: &Lease, now: Timestamp, facts: Facts) -> CallResult<Attempt> {
    if has_failed(reasons, STATE_PART) {
        return Ok(Attempt::Conflict);
    }
    if has_failed(reasons, LEASE_PART) {
        let item = reasons.get(LEASE_PART).and_then(CancellationReason::item).cloned();
        let is_ours = item.map(|item| is_ours(item, lease, now)).transpose()?.unwrap_or_default();
        return Ok(if is_ours && facts == Facts::Drop { Attempt::FactsCame } else { Attempt::Conflict });
    }
    if reasons.iter().any(|reason| reason.code() == Some(CONDITION_FAILED)) {
        return Ok(Attempt::Conflict);
    }
    Err(cancelled(reasons))
}

fn is_ours(item: Item, lease: &Lease, now: Timestamp) -> CallResult<bool> {
    let row = lock(item)?;
    Ok(row.holder.as_ref() == Some(&lease.holder)
        && row.fence == lease.fence
        && row.until_ms.is_some_and(|until| until > now.as_millisecond()))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn invalid(error: BuildError) -> CallError {
    refused(TRANSACT, UntrustedText::from(error.to_string()))
}
