//! Loads everything that is stored about a fleet: its partition, by one query, and the items of the account that
//! concern the fleet.

use driftless_planner::event::EventBatch;
use driftless_planner::ids::FleetName;
use driftless_planner::observation::Freeze;
use driftless_reconciler::ports::{CallResult, Stored};
use futures_util::future::try_join3;
use jiff::Timestamp;

use crate::dynamodb::Table;
use crate::dynamodb::items::Freshness;
use crate::dynamodb::rows::{
    ACCOUNT, DRIFTING_PREFIX, DriftingRow, EVENTS_PREFIX, EventsRow, FACT_PREFIX, FREEZE, FactRow, FingerprintRow,
    FreezeRow, Item, OUTBOX_PREFIX, OutboxRow, PARTIAL_DELIVERY_PREFIX, PartialDeliveryRow, SCHEMA_VERSION, SLOTS,
    STATE, SlotsRow, fleet_key, from_item, from_milliseconds, key, record, sort_key,
};

const QUERY: &str = "dynamodb:Query";
const BATCH_GET: &str = "dynamodb:BatchGetItem";

impl Table<'_> {
    /// Reads the fleet's partition with strong consistency and, in parallel, the items of the account.
    pub(crate) async fn load(&self, fleet: &FleetName, now: Timestamp) -> CallResult<Stored> {
        let partition = fleet_key(fleet);
        let of_account = vec![key(ACCOUNT, FREEZE), key(ACCOUNT, SLOTS), key(ACCOUNT, partition.clone())];
        let (items, of_account, drifting) = try_join3(
            self.query(&partition, "", Freshness::Strong),
            self.get_all(of_account, Freshness::Strong),
            // Eventually consistent: a late row opens a breaker a moment later.
            self.query(ACCOUNT, DRIFTING_PREFIX, Freshness::Eventual),
        )
        .await?;
        let mut stored = Stored::default();
        let (mut outbox, mut rows): (Vec<OutboxRow>, Vec<EventsRow>) = (Vec::new(), Vec::new());
        for item in items {
            match sort_key(&item) {
                STATE => stored.record = Some(record(QUERY, item)?),
                FREEZE => stored.freezes.push(freeze(QUERY, item)?),
                fact if fact.starts_with(FACT_PREFIX) => {
                    let row: FactRow = from_item(QUERY, item, SCHEMA_VERSION)?;
                    // DynamoDB deletes expired items within days, not at once.
                    if row.expires_at > now.as_second() {
                        stored.facts.push(row.fact);
                    }
                }
                message if message.starts_with(OUTBOX_PREFIX) => outbox.push(from_item(QUERY, item, SCHEMA_VERSION)?),
                events if events.starts_with(EVENTS_PREFIX) => rows.push(from_item(QUERY, item, SCHEMA_VERSION)?),
                half if half.starts_with(PARTIAL_DELIVERY_PREFIX) => {
                    let row: PartialDeliveryRow = from_item(QUERY, item, SCHEMA_VERSION)?;
                    stored.partially_delivered.insert(row.id, row.told);
                }
                // The lease is read elsewhere; rows of a later version are ignored.
                _ => {}
            }
        }
        for item in of_account {
            match sort_key(&item) {
                FREEZE => stored.freezes.push(freeze(BATCH_GET, item)?),
                SLOTS => {
                    let row: SlotsRow = from_item(BATCH_GET, item, SCHEMA_VERSION)?;
                    for (fleet, since) in row.slots_ms {
                        stored.account.slots.insert(fleet, from_milliseconds(BATCH_GET, "slots_ms", since)?);
                    }
                }
                _ => {
                    let row: FingerprintRow = from_item(BATCH_GET, item, SCHEMA_VERSION)?;
                    stored.fingerprint = Some(row.fingerprint);
                }
            }
        }
        for item in drifting {
            let row: DriftingRow = from_item(QUERY, item, SCHEMA_VERSION)?;
            if row.expires_at > now.as_second() {
                let at = from_milliseconds(QUERY, "at_ms", row.at_ms)?;
                stored.account.drifting.entry(row.rule).or_default().insert(row.fleet, at);
            }
        }
        stored.events = EventsRow::batches(rows);
        outbox.sort_by_key(|row| (row.version, row.position));
        stored.outbox = outbox.into_iter().flat_map(|row| std::iter::once(row.notification).chain(row.more)).collect();
        Ok(stored)
    }

    /// Reads the events of the account that were not yet published.
    pub(crate) async fn account_events(&self) -> CallResult<Vec<EventBatch>> {
        // Eventually consistent: the next resync publishes a row that this read misses.
        let items = self.query(ACCOUNT, EVENTS_PREFIX, Freshness::Eventual).await?;
        let rows = items.into_iter().map(|item| from_item::<EventsRow>(QUERY, item, SCHEMA_VERSION));
        Ok(EventsRow::batches(rows.collect::<CallResult<Vec<_>>>()?))
    }

    /// Reads the freezes of a fleet and of the account.
    pub(crate) async fn freezes(&self, fleet: &FleetName) -> CallResult<Vec<Freeze>> {
        let keys = vec![key(fleet_key(fleet), FREEZE), key(ACCOUNT, FREEZE)];
        let items = self.get_all(keys, Freshness::Strong).await?;
        items.into_iter().map(|item| freeze(BATCH_GET, item)).collect()
    }
}

fn freeze(operation: &'static str, item: Item) -> CallResult<Freeze> {
    let row: FreezeRow = from_item(operation, item, SCHEMA_VERSION)?;
    Ok(row.freeze)
}
