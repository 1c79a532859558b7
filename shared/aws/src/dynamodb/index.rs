//! Items about several fleets: the index of subjects (instances, groups, target groups and alarms), the list of fleets
//! with open work, and the fingerprints.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use driftless_planner::fact::Subject;
use driftless_planner::ids::FleetName;
use driftless_reconciler::ports::CallResult;
use futures_util::future::join;
use jiff::Timestamp;

use crate::dynamodb::Table;
use crate::dynamodb::items::{Freshness, put};
use crate::dynamodb::rows::{
    ACCOUNT, FLEET_PREFIX, FingerprintRow, IndexRow, Item, OPEN, SCHEMA_VERSION, WAITING, fleet_key, from_item,
    from_milliseconds, index_key, key, sort_key, text, to_item,
};
use crate::error::call_error;

const BATCH_GET: &str = "dynamodb:BatchGetItem";
const BATCH_WRITE: &str = "dynamodb:BatchWriteItem";
const PUT: &str = "dynamodb:PutItem";
const QUERY: &str = "dynamodb:Query";

/// The name of the sparse index, which contains only the items with open work.
const OPEN_WORK_INDEX: &str = "open-work";

impl Table<'_> {
    /// Reads the fleets of subjects from the index, without expired entries. The read is eventually consistent: if it
    /// misses an entry that was just written, the caller asks AWS instead.
    pub(crate) async fn indexed(
        &self,
        subjects: &BTreeSet<Subject>,
        now: Timestamp,
    ) -> CallResult<BTreeMap<Subject, BTreeSet<FleetName>>> {
        let by_key: BTreeMap<String, &Subject> =
            subjects.iter().filter_map(|subject| Some((index_key(subject)?, subject))).collect();
        let keys = by_key.keys().map(|sk| key(ACCOUNT, sk.clone())).collect();
        let mut fleets = BTreeMap::new();
        for item in self.get_all(keys, Freshness::Eventual).await? {
            let row: IndexRow = from_item(BATCH_GET, item, SCHEMA_VERSION)?;
            if row.expires_at > now.as_second()
                && let Some(subject) = by_key.get(&row.sk)
            {
                fleets.insert((*subject).clone(), row.fleets);
            }
        }
        Ok(fleets)
    }

    pub(crate) async fn index(
        &self,
        entries: &BTreeMap<Subject, BTreeSet<FleetName>>,
        now: Timestamp,
    ) -> CallResult<()> {
        let rows = entries.iter().filter_map(|(subject, fleets)| IndexRow::of(subject, fleets, now));
        let writes = rows.map(|row| put(BATCH_WRITE, to_item(BATCH_WRITE, &row)?)).collect::<CallResult<Vec<_>>>()?;
        self.write_all(writes).await
    }

    /// Reads the fleets that have an item in the sparse index or a cutover slot, each with the start of its oldest
    /// work. The read is eventually consistent: work that it misses is new, and its request is still on the queue.
    pub(crate) async fn open_fleets(&self) -> CallResult<BTreeMap<FleetName, Option<Timestamp>>> {
        let request = self
            .client
            .query()
            .table_name(self.name)
            .index_name(OPEN_WORK_INDEX)
            .key_condition_expression("open_work = :open")
            .expression_attribute_values(":open", AttributeValue::S(OPEN.to_owned()));
        let pages = request.into_paginator().items().send();
        let items = pages.collect::<Result<Vec<Item>, _>>();
        let (items, slots) = join(items, self.slots(Freshness::Eventual)).await;
        let items = items.map_err(|error| call_error(QUERY, error))?;
        let mut open: BTreeMap<FleetName, Option<Timestamp>> = BTreeMap::new();
        for item in &items {
            let Some(fleet) = fleet_of(text(item, "pk")) else { continue };
            keep_older(open.entry(fleet).or_default(), since(item));
        }
        for (fleet, since) in slots?.slots_ms {
            keep_older(open.entry(fleet).or_default(), Some(from_milliseconds(QUERY, "slots_ms", since)?));
        }
        Ok(open)
    }

    /// Reads the stored fingerprints. The read is eventually consistent: an old fingerprint causes one needless pass.
    pub(crate) async fn fingerprints(&self) -> CallResult<BTreeMap<FleetName, String>> {
        let items = self.query(ACCOUNT, FLEET_PREFIX, Freshness::Eventual).await?;
        let mut fingerprints = BTreeMap::new();
        for item in items {
            let Some(fleet) = fleet_of(sort_key(&item)) else { continue };
            let row: FingerprintRow = from_item(QUERY, item, SCHEMA_VERSION)?;
            fingerprints.insert(fleet, row.fingerprint);
        }
        Ok(fingerprints)
    }

    pub(crate) async fn remember(&self, fleet: &FleetName, fingerprint: &str) -> CallResult<()> {
        let row = FingerprintRow {
            pk: ACCOUNT.to_owned(),
            sk: fleet_key(fleet),
            schema_version: SCHEMA_VERSION,
            fingerprint: fingerprint.to_owned(),
        };
        let request = self.client.put_item().table_name(self.name).set_item(Some(to_item(PUT, &row)?));
        request.send().await.map(|_| ()).map_err(|error| call_error(PUT, error))
    }
}

fn keep_older(oldest: &mut Option<Timestamp>, since: Option<Timestamp>) {
    *oldest = oldest.iter().copied().chain(since).min();
}

/// The time at which the work of an item began. None: the work waits for a guard, or the time is unreadable. An
/// unreadable time must not keep the resync from the other fleets, so the item's fleet still gets a request.
fn since(item: &Item) -> Option<Timestamp> {
    let since = text(item, "open_since");
    if since == WAITING {
        return None;
    }
    since
        .parse()
        .inspect_err(|error| {
            tracing::warn!(event = "open_work_time_unreadable", since, %error, "the age of this work is unknown");
        })
        .ok()
}

/// The fleet that a partition key names. An invalid key is logged and ignored, so that it does not keep the resync from
/// the other fleets.
fn fleet_of(key: &str) -> Option<FleetName> {
    let fleet = key.strip_prefix(FLEET_PREFIX).and_then(|name| name.parse().ok());
    if fleet.is_none() {
        tracing::warn!(event = "item_without_fleet", key, "the key of an item names no fleet: the item is ignored");
    }
    fleet
}
