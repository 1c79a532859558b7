//! The rows of the table: serde structs, each with a schema version. A row with another version, or one that does not
//! fit its struct, is an error that names the item.

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

/// An item, or the key of one.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The schema version of all rows but the record's, which has its own ([`record::SCHEMA_VERSION`]).
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// The value of `open_work`, the key of the sparse index `open-work`.
pub(crate) const OPEN: &str = "open";

/// Facts expire after two weeks: long enough to investigate an incident, and far longer than any decision waits for a
/// fact.
const FACT_KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Deduplication marks expire after two days: EventBridge retries for a day, and the queues keep messages longer. A
/// fact that arrives later causes one more pass.
const DEDUPLICATION_KEPT: SignedDuration = SignedDuration::from_hours(2 * 24);
/// An index entry of an instance without a fleet expires after an hour: the instance may join a fleet, and until then
/// Config evaluates it with all others.
const NOBODYS_KEPT: SignedDuration = SignedDuration::from_hours(1);
/// Index entries expire after 30 days. An instance never changes its group, and a group rarely its tag; a miss costs
/// one call.
const INDEX_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// History entries expire after a year and a month.
const HISTORY_KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Partial deliveries expire after 60 days: longer than a topic stays broken.
const PARTIAL_DELIVERY_KEPT: SignedDuration = SignedDuration::from_hours(60 * 24);

/// The record of a fleet.
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

/// The lease, the count of reconcile requests, and the due time of the delayed request. A write of any of the three may
/// create the row.
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

/// A freeze.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FreezeRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) freeze: Freeze,
}

/// A fact.
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

/// The observation time of a fact that can wait. It outlives the fact, so that a consumed fact which AWS repeats is
/// recognized.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeduplicationRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) observed_at_ms: i64,
    pub(crate) expires_at: i64,
}

/// A history entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) expires_at: i64,
    pub(crate) entry: HistoryEntry,
    /// Entries that share this row because the transaction had no room for more rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) more: Vec<HistoryEntry>,
}

/// A notification that was committed and not sent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutboxRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    /// The record version of the commit; with the position in the commit it orders the sending.
    pub(crate) version: u64,
    pub(crate) position: u64,
    pub(crate) open_work: String,
    pub(crate) open_since: String,
    pub(crate) notification: Notification,
    /// Notifications that share this row because the transaction had no room for more rows. They are sent after the
    /// first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) more: Vec<Notification>,
}

/// Events that were committed and not published.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    /// Absent for events of the account: they are no fleet's work, and the resync publishes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) open_work: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) open_since: Option<String>,
    pub(crate) batch: EventBatch,
}

/// The one audience that has received a notification. It is deleted with the notification, and expires if the
/// notification is already gone.
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

/// The fleets of an instance, a group, a target group or an alarm.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IndexRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) fleets: BTreeSet<FleetName>,
    pub(crate) expires_at: i64,
}

/// The fingerprint of a fleet as of its last reconcile pass.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FingerprintRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    pub(crate) fingerprint: String,
}

/// The cutover slots that fleets hold.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SlotsRow {
    pub(crate) pk: String,
    pub(crate) sk: String,
    pub(crate) schema_version: u32,
    /// Counts writes. A write names the version that it replaces.
    pub(crate) version: u64,
    /// The time since which each fleet holds its slot.
    #[serde(rename = "slots_ms")]
    pub(crate) slots_ms: BTreeMap<FleetName, i64>,
}

/// The sort key of a minute's counter of immediate runs.
pub(crate) fn immediate_runs_key(minute: i64) -> String {
    format!("IMMEDIATE-RUNS#{minute}")
}

/// A minute's counter expires after an hour, when its minute is certainly over.
pub(crate) const IMMEDIATE_RUNS_KEPT: SignedDuration = SignedDuration::from_hours(1);

/// The time at which instances of a fleet last began to break a rule.
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

/// The sort position in the sparse index of open work that only waits for a guard: behind all times.
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

/// The partition key of a fleet, and the sort key of its fingerprint among the account's items.
pub(crate) fn fleet_key(fleet: &FleetName) -> String {
    format!("{FLEET_PREFIX}{fleet}")
}

/// The sort key of a subject's index entry. None: the subject needs no entry.
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

/// The sort key of a notification, by its id.
pub(crate) fn outbox_key(id: &str) -> String {
    format!("{OUTBOX_PREFIX}{id}")
}

/// The sort key of a batch of events, by its id.
pub(crate) fn events_key(id: &str) -> String {
    format!("{EVENTS_PREFIX}{id}")
}

/// The sort key of a partial delivery, by the notification's id.
pub(crate) fn partial_delivery_key(id: &str) -> String {
    format!("{PARTIAL_DELIVERY_PREFIX}{id}")
}

/// The partition of a fleet's deduplication marks. It is separate from the fleet's partition, which each pass reads
/// whole.
pub(crate) fn deduplication_partition(fleet: &FleetName) -> String {
    format!("DEDUPLICATION#{fleet}")
}

/// The partition of the history of a fleet, by its name, or of the account: no fleet name has capitals.
pub(crate) fn history_partition(of: &str) -> String {
    format!("HISTORY#{of}")
}

/// The partition of a freeze.
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
    /// A fact is open work of its fleet until a pass consumes it.
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
    /// Sorted by time, then by commit, then by position in the commit. None: the commit has no history entry.
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

    /// A history entry outside a commit.
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
    /// Named by its last notification: notifications are sent in order, so the row is deleted when all of them were
    /// sent. None: the commit has no notification.
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

    /// The batches of the rows, oldest first.
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

/// Converts an item to its row. Fails when the schema version is another one than this code reads.
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

/// Converts an item to the record.
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

/// A time in milliseconds, for conditions.
pub(crate) fn milliseconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_millisecond().to_string())
}

/// A time from milliseconds.
pub(crate) fn from_milliseconds(operation: &'static str, field: &'static str, value: i64) -> CallResult<Timestamp> {
    Timestamp::from_millisecond(value).map_err(|error| unreadable(operation, format!("{field}: {error}")))
}
