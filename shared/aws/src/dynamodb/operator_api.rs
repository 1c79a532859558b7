//! Reads the history and the lease for operators, and writes freezes with their history entries. A freeze takes effect
//! without a reconcile pass.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use driftless_planner::event::EventBatch;
use driftless_planner::history::HistoryEntry;
use driftless_planner::ids::FleetName;
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_reconciler::ports::{CallResult, HistoryPage, LeaseHolder, LeaseState, OperatorApi};
use futures_util::future::try_join;
use jiff::Timestamp;

use crate::aws::Aws;
use crate::dynamodb::Table;
use crate::dynamodb::items::{Freshness, TRANSACT};
use crate::dynamodb::rows::{
    ACCOUNT, EventsRow, HistoryRow, Item, LOCK, LeaseRow, SCHEMA_VERSION, fleet_key, from_item, from_milliseconds,
    history_partition, key, to_item,
};
use crate::error::{call_error, refused};
use crate::time::sortable;

const QUERY: &str = "dynamodb:Query";
const BATCH_GET: &str = "dynamodb:BatchGetItem";

/// The most history rows that one response reads: a day of a busy fleet, and at most half a megabyte when every row
/// holds evidence.
const ROWS_MAX: i32 = 500;

impl OperatorApi for Aws {
    async fn freeze(&self, freeze: &Freeze, line: &HistoryEntry) -> CallResult<()> {
        // The freeze is written first: it must take effect even when the history cannot be written.
        self.set_freeze(freeze).await?;
        self.table().note(&freeze.scope, line).await
    }

    async fn thaw(&self, scope: &FreezeScope, line: &HistoryEntry) -> CallResult<()> {
        self.lift_freeze(scope).await?;
        self.table().note(scope, line).await
    }

    async fn history(&self, fleet: &FleetName, before: Option<Timestamp>) -> CallResult<HistoryPage> {
        let (table, of_fleet) = (self.table(), history_partition(fleet.as_str()));
        let of_account = history_partition(ACCOUNT);
        let (of_fleet, of_account) =
            try_join(table.newest_lines(&of_fleet, before), table.newest_lines(&of_account, before)).await?;
        Ok(merged(of_fleet, of_account))
    }

    async fn lease_state(&self, fleet: &FleetName) -> CallResult<LeaseState> {
        let items = self.table().get_all(vec![key(fleet_key(fleet), LOCK)], Freshness::Eventual).await?;
        let Some(item) = items.into_iter().next() else { return Ok(LeaseState::default()) };
        let row: LeaseRow = from_item(BATCH_GET, item, SCHEMA_VERSION)?;
        let next_request =
            row.next_request_ms.map(|at| from_milliseconds(BATCH_GET, "next_request_ms", at)).transpose()?;
        let held = row.holder.zip(row.until_ms).map(|(holder, until)| {
            let until = from_milliseconds(BATCH_GET, "until_ms", until)?;
            Ok(LeaseHolder { holder: holder.into(), until })
        });
        Ok(LeaseState { next_request, held: held.transpose()? })
    }
}

impl Table<'_> {
    async fn note(&self, scope: &FreezeScope, line: &HistoryEntry) -> CallResult<()> {
        let batch = EventBatch::alone(scope, line);
        let line_of_history = to_item(TRANSACT, &HistoryRow::alone(scope, line))?;
        let event = to_item(TRANSACT, &EventsRow::of(scope, &batch, line.at))?;
        // One transaction: every history entry has its event.
        let parts = [line_of_history, event].map(|item| {
            let put = Put::builder().table_name(self.name).set_item(Some(item)).build();
            put.map(|put| TransactWriteItem::builder().put(put).build())
                .map_err(|error| refused(TRANSACT, error.to_string()))
        });
        let parts = parts.into_iter().collect::<CallResult<Vec<_>>>()?;
        let request = self.client.transact_write_items().set_transact_items(Some(parts));
        request.send().await.map(|_| ()).map_err(|error| call_error(TRANSACT, error))
    }

    /// Reads the newest entries of a history partition, only those before the time `before` if it is given. Returns the
    /// oldest first.
    async fn newest_lines(&self, partition: &str, before: Option<Timestamp>) -> CallResult<HistoryPage> {
        let string = |text: String| AttributeValue::S(text);
        let mut request = self.client.query().table_name(self.name).scan_index_forward(false).limit(ROWS_MAX);
        request = request.expression_attribute_values(":pk", string(partition.to_owned()));
        request = match before {
            None => request.key_condition_expression("pk = :pk"),
            Some(before) => request
                .key_condition_expression("pk = :pk AND sk < :before")
                .expression_attribute_values(":before", string(sortable(before))),
        };
        let answer = request.send().await.map_err(|error| call_error(QUERY, error))?;
        let is_cut = answer.last_evaluated_key.is_some();
        let rows: Vec<Item> = answer.items.unwrap_or_default();
        let mut entries = Vec::new();
        for item in rows.into_iter().rev() {
            let row: HistoryRow = from_item(QUERY, item, SCHEMA_VERSION)?;
            entries.push(row.entry);
            entries.extend(row.more);
        }
        Ok(HistoryPage { entries, is_cut })
    }
}

/// Merges two histories by time. If one of them was cut, the result begins where that one begins: among the older
/// entries of the other, the entries that were cut off would be missing.
fn merged(one: HistoryPage, other: HistoryPage) -> HistoryPage {
    let begin = |history: &HistoryPage| history.entries.first().map(|entry| entry.at).filter(|_| history.is_cut);
    let begin = begin(&one).max(begin(&other));
    let is_cut = one.is_cut || other.is_cut;
    let mut entries = [one.entries, other.entries].concat();
    entries.retain(|entry| begin.is_none_or(|begin| entry.at >= begin));
    // A stable sort: entries of one commit share their time and keep their order.
    entries.sort_by_key(|entry| entry.at);
    HistoryPage { entries, is_cut }
}
