//! The rows of the table: serde structs, each with a schema version. A row that has another version or does not fit its
//! struct causes an error that names the item.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use driftless_planner::event::EventBatch;
use driftless_planner::fact::{Fact, Subject};
use driftless_planner::history::HistoryEntry;
use driftless_planner::ids::{FleetName, RuleName};
use driftless_planner::limits::COMMON_CAUSE_WITHIN;
use driftless_planner::notification::Notification;
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::record::{self, Record};
use driftless_reconciler::ports::{Audience, CallResult};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{refused, unreadable};
use crate::time::sortable;

/// A DynamoDB item, or only the key of one.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The schema version of all rows except that of the record, which has its own ([`record::SCHEMA_VERSION`]).
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// The value of the attribute `open_work` of every item with open work. The attribute is the partition key of the
/// sparse index `open-work`.
pub(crate) const OPEN: &str = "open";

/// The time for which facts are kept: two weeks. That is long enough to investigate an incident, and far longer than
/// any decision waits for a fact.
const FACT_KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);
/// The time for which deduplication marks are kept: two days. EventBridge retries for a day, and the queues can delay a
/// message further. A fact that arrives still later causes one more pass.
const DEDUPLICATION_KEPT: SignedDuration = SignedDuration::from_hours(2 * 24);
/// The time for which the index remembers that an instance belongs to no fleet: one hour. AWS Config evaluates every
/// instance of the account, so the entry saves calls; the instance may still join a fleet later.
const NOBODYS_KEPT: SignedDuration = SignedDuration::from_hours(1);
/// The time for which index entries are kept: 30 days. An instance never changes its group, and a group rarely changes
/// its fleet tag. A missing entry costs one call.
const INDEX_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The time for which history entries are kept: 400 days, a year and a month.
const HISTORY_KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// The time for which marks of partial deliveries are kept: 60 days, longer than a topic stays broken.
const PARTIAL_DELIVERY_KEPT: SignedDuration = SignedDuration::from_hours(60 * 24);

/// The row with the record of a fleet.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    /// The record's version, for the condition of the commit.
    pub(crate) version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open_work: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open_since: Option<String>,
    pub(crate) record: Record,
}

/// The row with the lease of a fleet, the count of its reconcile requests, and the due time of its delayed request. A
/// write of any of the three may create the row.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeaseRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) holder: Option<String>,
    pub(crate) until_ms: Option<i64>,
    #[serde(default)]
    pub(crate) fence: u64,
    #[serde(default, rename = "request_count")]
    pub(crate) requests: u64,
    #[serde(rename = "next_request_ms")]
    pub(crate) next_request_ms: Option<i64>,
}

/// The row with the freeze of a fleet or of the account.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FreezeRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) freeze: Freeze,
}

/// The row with one fact.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) observed_at_ms: i64,
    pub(crate) expires_at: i64,
    pub(crate) open_work: String,
    pub(crate) open_since: String,
    pub(crate) fact: Fact,
}

/// The deduplication mark of a fact that can wait: the time at which the fact was observed. The mark is kept longer
/// than the fact, so that a consumed fact is recognized when AWS reports it again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeduplicationRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) observed_at_ms: i64,
    pub(crate) expires_at: i64,
}

/// The row with one or more history entries.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) expires_at: i64,
    pub(crate) entry: HistoryEntry,
    /// Further entries, which share this row because the transaction had no room for more rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) more: Vec<HistoryEntry>,
}

/// The row with one or more notifications that were committed and not yet sent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutboxRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    /// The record version of the commit. Notifications are sent in the order of this version, then of `position`.
    pub(crate) version: u64,
    pub(crate) position: u64,
    pub(crate) open_work: String,
    pub(crate) open_since: String,
    pub(crate) notification: Notification,
    /// Further notifications, which share this row because the transaction had no room for more rows. They are sent
    /// after the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) more: Vec<Notification>,
}

/// The row with a batch of events that were committed and not yet published.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    /// Absent for events of the account: they are not the work of any fleet, and the resync publishes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) open_work: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) open_since: Option<String>,
    pub(crate) batch: EventBatch,
}

/// The mark that only one of the two audiences has received a notification. It is deleted together with the
/// notification; if the notification is already gone, the mark expires.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartialDeliveryRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) id: String,
    #[serde(rename = "delivered_to")]
    pub(crate) told: Audience,
    pub(crate) expires_at: i64,
}

/// An index entry: the fleets of an instance, a group, a target group or an alarm.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IndexRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) fleets: BTreeSet<FleetName>,
    pub(crate) expires_at: i64,
}

/// The row with the fingerprint of a fleet as of its last reconcile pass.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FingerprintRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) fingerprint: String,
}

/// The row with the cutover slots that fleets hold.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SlotsRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    /// The number of writes so far. A write takes place only if this is still the number that was read.
    pub(crate) version: u64,
    /// The time since which each fleet holds its slot, in milliseconds since the Unix epoch.
    #[serde(rename = "slots_ms")]
    pub(crate) slots_ms: BTreeMap<FleetName, i64>,
}

/// The sort key of the counter of immediate runs in a minute.
pub(crate) fn immediate_runs_key(minute: i64) -> String {
    format!("IMMEDIATE-RUNS#{minute}")
}

/// The time for which the counter of a minute is kept: one hour, when its minute is certainly over.
pub(crate) const IMMEDIATE_RUNS_KEPT: SignedDuration = SignedDuration::from_hours(1);

/// The row with the time at which an instance of a fleet last began to break a rule of AWS Config.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DriftingRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) rule: RuleName,
    pub(crate) fleet: FleetName,
    pub(crate) at_ms: i64,
    pub(crate) expires_at: i64,
}

/// The sort key in the sparse index of work that only waits for a guard. It sorts after all times.
pub(crate) const WAITING: &str = "waiting";
pub(crate) const ACCOUNT: &str = "ACCOUNT";
pub(crate) const STATE: &str = "STATE";
pub(crate) const LOCK: &str = "LEASE";
pub(crate) const FREEZE: &str = "FREEZE";
pub(crate) const SLOTS: &str = "CUTOVER-SLOTS";
pub(crate) const DRIFTING_PREFIX: &str = "DRIFTING#";
pub(crate) const FACT_PREFIX: &str = "FACT#";
pub(crate) const OUTBOX_PREFIX: &str = "OUTBOX#";
pub(crate) const EVENTS_PREFIX: &str = "EVENTS#";
pub(crate) const PARTIAL_DELIVERY_PREFIX: &str = "PARTIALLY-DELIVERED#";
pub(crate) const FLEET_PREFIX: &str = "FLEET#";

/// The partition key of a fleet. It is also the sort key of the fleet's fingerprint in the partition `ACCOUNT`.
pub(crate) fn fleet_key(fleet: &FleetName) -> String {
    format!("{FLEET_PREFIX}{fleet}")
}

/// The sort key of the index entry of a subject. None: the subject is not indexed.
pub(crate) fn index_key(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Instance(id) => Some(format!("INDEX#instance#{id}")),
        Subject::Group(name) => Some(format!("INDEX#group#{name}")),
        Subject::TargetGroup(dimension) => Some(format!("INDEX#target-group#{dimension}")),
        Subject::Alarm(name) => Some(format!("INDEX#alarm#{name}")),
        // A fleet needs no lookup, and the fleet tag of an image can change.
        Subject::Fleet(_) | Subject::Image(_) | Subject::ImageBuilder(_) => None,
    }
}

/// The sort key of the outbox row with a notification, by the id of the notification.
pub(crate) fn outbox_key(id: &str) -> String {
    format!("{OUTBOX_PREFIX}{id}")
}

/// The sort key of the outbox row with a batch of events, by the id of the batch.
pub(crate) fn events_key(id: &str) -> String {
    format!("{EVENTS_PREFIX}{id}")
}

/// The sort key of the mark of a partial delivery, by the id of the notification.
pub(crate) fn partial_delivery_key(id: &str) -> String {
    format!("{PARTIAL_DELIVERY_PREFIX}{id}")
}

/// The partition key of a fleet's deduplication marks. They are not in the fleet's own partition, because each pass
/// reads that partition whole.
pub(crate) fn deduplication_partition(fleet: &FleetName) -> String {
    format!("DEDUPLICATION#{fleet}")
}

/// The partition key of the history of a fleet (`of` is its name) or of the account (`of` is `ACCOUNT`). The two cannot
/// collide, because a fleet name has no capitals.
pub(crate) fn history_partition(of: &str) -> String {
    format!("HISTORY#{of}")
}

/// The partition key of the freeze and of the events of a fleet or of the account.
pub(crate) fn freeze_partition(scope: &FreezeScope) -> String {
    match scope {
        FreezeScope::Account => ACCOUNT.to_owned(),
        FreezeScope::Fleet(fleet) => fleet_key(fleet),
    }
}

/// The key of an item.
pub(crate) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    [("pk", pk.into()), ("sk", sk.into())].map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()
}

impl StateRow {
    pub(crate) fn of(record: &Record) -> Self {
        let open_since = record.open_since();
        Self {
            pk: fleet_key(&record.fleet),
            sk: STATE.to_owned(),
            schema_version: record.schema_version,
            version: record.version,
            open_work: open_since.map(|_| OPEN.to_owned()),
            open_since: open_since.map(|_| record.under_way_since().map_or_else(|| WAITING.to_owned(), sortable)),
            record: record.clone(),
        }
    }
}

impl FactRow {
    /// The row of a fact. It counts as open work of its fleet until a pass consumes the fact.
    pub(crate) fn of(fleet: &FleetName, fact: &Fact, now: Timestamp) -> Self {
        Self {
            pk: fleet_key(fleet),
            sk: format!("{FACT_PREFIX}{}", fact.key()),
            schema_version: SCHEMA_VERSION,
            observed_at_ms: fact.observed_at().as_millisecond(),
            expires_at: (now + FACT_KEPT).as_second(),
            open_work: OPEN.to_owned(),
            open_since: sortable(now),
            fact: fact.clone(),
        }
    }
}

impl DeduplicationRow {
    pub(crate) fn of(fleet: &FleetName, fact: &Fact, now: Timestamp) -> Self {
        Self {
            pk: deduplication_partition(fleet),
            sk: fact.key(),
            schema_version: SCHEMA_VERSION,
            observed_at_ms: fact.observed_at().as_millisecond(),
            expires_at: (now + DEDUPLICATION_KEPT).as_second(),
        }
    }
}

impl DriftingRow {
    pub(crate) fn of(fleet: &FleetName, rule: &RuleName, now: Timestamp) -> Self {
        Self {
            pk: ACCOUNT.to_owned(),
            sk: format!("{DRIFTING_PREFIX}{rule}#{fleet}"),
            schema_version: SCHEMA_VERSION,
            rule: rule.clone(),
            fleet: fleet.clone(),
            at_ms: now.as_millisecond(),
            expires_at: (now + COMMON_CAUSE_WITHIN).as_second() + 1,
        }
    }
}

impl HistoryRow {
    /// The row of history entries of one commit. Rows sort by time, then by commit, then by position in the commit.
    /// None: there are no entries.
    pub(crate) fn of(
        fleet: &FleetName,
        version: u64,
        position: usize,
        now: Timestamp,
        entries: &[HistoryEntry],
    ) -> Option<Self> {
        let (entry, more) = entries.split_first()?;
        Some(Self {
            pk: history_partition(fleet.as_str()),
            sk: format!("{}#{version:010}#{position:03}", sortable(now)),
            schema_version: SCHEMA_VERSION,
            expires_at: (now + HISTORY_KEPT).as_second(),
            entry: entry.clone(),
            more: more.to_vec(),
        })
    }

    /// The row of a history entry that is written without a commit.
    pub(crate) fn alone(scope: &FreezeScope, line: &HistoryEntry) -> Self {
        let partition = match scope {
            FreezeScope::Account => history_partition(ACCOUNT),
            FreezeScope::Fleet(fleet) => history_partition(fleet.as_str()),
        };
        Self {
            pk: partition,
            // Nanoseconds tell several entries of one millisecond apart and keep the order.
            sk: format!("{}#alone#{:09}", sortable(line.at), line.at.subsec_nanosecond()),
            schema_version: SCHEMA_VERSION,
            expires_at: (line.at + HISTORY_KEPT).as_second(),
            entry: line.clone(),
            more: Vec::new(),
        }
    }
}

impl OutboxRow {
    /// The row of notifications of one commit. The key is the id of the last one: notifications are sent in order, so
    /// the row is deleted only after all of them were sent. None: there are no notifications.
    pub(crate) fn of(
        fleet: &FleetName,
        version: u64,
        position: usize,
        now: Timestamp,
        notifications: &[Notification],
    ) -> Option<Self> {
        let (notification, more) = notifications.split_first()?;
        Some(Self {
            pk: fleet_key(fleet),
            sk: outbox_key(&notifications.last()?.id),
            schema_version: SCHEMA_VERSION,
            version,
            position: u64::try_from(position).unwrap_or(u64::MAX),
            open_work: OPEN.to_owned(),
            open_since: sortable(now),
            notification: notification.clone(),
            more: more.to_vec(),
        })
    }
}

impl EventsRow {
    pub(crate) fn of(scope: &FreezeScope, batch: &EventBatch, now: Timestamp) -> Self {
        let is_of_fleet = matches!(scope, FreezeScope::Fleet(_));
        Self {
            pk: freeze_partition(scope),
            sk: events_key(&batch.id),
            schema_version: SCHEMA_VERSION,
            open_work: is_of_fleet.then(|| OPEN.to_owned()),
            open_since: is_of_fleet.then(|| sortable(now)),
            batch: batch.clone(),
        }
    }

    /// The batches of events in the rows, oldest first.
    pub(crate) fn batches(rows: Vec<Self>) -> Vec<EventBatch> {
        let mut batches: Vec<EventBatch> = rows.into_iter().map(|row| row.batch).collect();
        batches.sort_by_key(|batch| batch.events.first().map(|event| event.at));
        batches
    }
}

impl PartialDeliveryRow {
    pub(crate) fn of(fleet: &FleetName, id: &str, told: Audience, now: Timestamp) -> Self {
        Self {
            pk: fleet_key(fleet),
            sk: partial_delivery_key(id),
            schema_version: SCHEMA_VERSION,
            id: id.to_owned(),
            told,
            expires_at: (now + PARTIAL_DELIVERY_KEPT).as_second(),
        }
    }
}

impl IndexRow {
    pub(crate) fn of(subject: &Subject, fleets: &BTreeSet<FleetName>, now: Timestamp) -> Option<Self> {
        Some(Self {
            pk: ACCOUNT.to_owned(),
            sk: index_key(subject)?,
            schema_version: SCHEMA_VERSION,
            fleets: fleets.clone(),
            expires_at: (now + if fleets.is_empty() { NOBODYS_KEPT } else { INDEX_KEPT }).as_second(),
        })
    }
}

/// Converts a row to an item.
pub(crate) fn to_item<R: Serialize>(operation: &'static str, row: &R) -> CallResult<Item> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(row).map_err(|error| refused(operation, error.to_string()))
}

/// Converts an item to its row. Fails if the schema version is not the one that this code reads.
pub(crate) fn from_item<R: DeserializeOwned>(operation: &'static str, item: Item, version: u32) -> CallResult<R> {
    let name = name(&item);
    let found = item.get("schema_version").and_then(|value| value.as_n().ok()).map_or("missing", String::as_str);
    if found != version.to_string() {
        return Err(unreadable(
            operation,
            format!("item {name}: schema_version is {found}, this code reads {version}"),
        ));
    }
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
        .map_err(|error| unreadable(operation, format!("item {name}: {error}")))
}

/// Converts an item to the record of a fleet.
pub(crate) fn record(operation: &'static str, item: Item) -> CallResult<Record> {
    let row: StateRow = from_item(operation, item, record::SCHEMA_VERSION)?;
    if row.version != row.record.version {
        let text =
            format!("item {}/{}: version is {}, the record's {}", row.pk, row.sk, row.version, row.record.version);
        return Err(unreadable(operation, text));
    }
    Ok(row.record)
}

/// The sort key of an item.
pub(crate) fn sort_key(item: &Item) -> &str {
    text(item, "sk")
}

pub(crate) fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

fn name(item: &Item) -> String {
    format!("{}/{}", text(item, "pk"), text(item, "sk"))
}

/// Converts a time to a value in milliseconds, for conditions.
pub(crate) fn milliseconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_millisecond().to_string())
}

/// Converts milliseconds since the Unix epoch to a time.
pub(crate) fn from_milliseconds(operation: &'static str, field: &'static str, value: i64) -> CallResult<Timestamp> {
    Timestamp::from_millisecond(value).map_err(|error| unreadable(operation, format!("{field}: {error}")))
}
