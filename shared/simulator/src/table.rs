//! The DynamoDB table, in memory. Each write is one transaction: it takes effect as a whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::burst::{IMMEDIATE_RUNS_PER_MINUTE_MAX, minute_of};
use driftless_planner::decision::Decision;
use driftless_planner::event::{Event, EventBatch};
use driftless_planner::fact::{Fact, Subject};
use driftless_planner::history::HistoryEntry;
use driftless_planner::ids::{FleetName, RuleName};
use driftless_planner::notification::Notification;
use driftless_planner::observation::{Account, Freeze, FreezeScope};
use driftless_planner::record::Record;
use driftless_reconciler::ports::{Acquired, Audience, Committed, Deduplication, Lease, Released, StoreResult, Stored};
use jiff::Timestamp;

/// All items of the table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: BTreeMap<FleetName, Row>,
    index: BTreeMap<Subject, BTreeSet<FleetName>>,
    freezes: Vec<Freeze>,
    /// Number of immediate runs that were taken in each minute.
    immediate_runs: BTreeMap<i64, u32>,
    account: Account,
    history: Vec<HistoryEntry>,
    events: Vec<EventBatch>,
}

/// The items of one fleet.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub lock: Lock,
    pub record: Option<Record>,
    /// Stored facts that no commit has consumed yet, by key.
    pub facts: BTreeMap<String, Fact>,
    /// The observation time of each fact that can wait, by key. It stays after the fact is consumed, so that a
    /// duplicate of the fact is recognized.
    pub heard: BTreeMap<String, Timestamp>,
    /// Number of facts ever stored.
    pub filed: u64,
    /// The outbox: committed notifications that are not delivered, oldest first.
    pub outbox: Vec<Notification>,
    /// Notifications that only one of the two audiences has received, by id, each with that audience.
    pub partially_delivered: BTreeMap<String, Audience>,
    /// Committed events that are not published, oldest first.
    pub events: Vec<EventBatch>,
    /// The fingerprint of the fleet that the resync stored last.
    pub fingerprint: Option<String>,
    /// The whole history of the fleet.
    pub history: Vec<HistoryEntry>,
    /// The ids of all notifications ever committed.
    pub announced: BTreeSet<String>,
    /// All events ever committed.
    pub to_be_put: Vec<Event>,
}

/// The lease item of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The holder of the lease. None: the lease is free.
    pub holder: Option<String>,
    pub until: Timestamp,
    /// The fencing number of the lease. It rises whenever the lease is taken.
    pub fence: u64,
    /// The number of stored facts that could not wait.
    pub requests: u64,
    /// When the pending delayed request becomes visible.
    pub next_request: Option<Timestamp>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { holder: None, until: Timestamp::UNIX_EPOCH, fence: 0, requests: 0, next_request: None }
    }
}

/// Truncates a time to milliseconds, as the table does.
fn stored(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

impl Lock {
    fn is_held_by(&self, lease: &Lease) -> bool {
        self.holder.as_ref() == Some(&lease.holder) && self.fence == lease.fence
    }

    fn lease(&self, fleet: &FleetName, holder: &str) -> Lease {
        Lease {
            fleet: fleet.clone(),
            holder: holder.to_owned(),
            fence: self.fence,
            requests: self.requests,
            next_request: self.next_request,
            until: self.until,
        }
    }
}

impl Table {
    /// The items of a fleet, which a test that plays another writer can write without any condition.
    pub fn row_mut(&mut self, fleet: &FleetName) -> &mut Row {
        self.rows.entry(fleet.clone()).or_default()
    }

    /// The items of a fleet.
    pub fn row(&self, fleet: &FleetName) -> Option<&Row> {
        self.rows.get(fleet)
    }

    /// The items of all fleets.
    pub const fn rows(&self) -> &BTreeMap<FleetName, Row> {
        &self.rows
    }

    /// What the table stores for the account as a whole, such as the cutover slots.
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// The fleets of these subjects, as the index stores them. A subject that is not in the index is left out.
    pub fn indexed(&self, subjects: &BTreeSet<Subject>) -> BTreeMap<Subject, BTreeSet<FleetName>> {
        let known = |subject: &Subject| Some((subject.clone(), self.index.get(subject)?.clone()));
        subjects.iter().filter_map(known).collect()
    }

    /// Stores in the index to which fleets each subject belongs.
    pub fn index(&mut self, entries: &BTreeMap<Subject, BTreeSet<FleetName>>) {
        self.index.extend(entries.iter().map(|(subject, fleets)| (subject.clone(), fleets.clone())));
    }

    /// Stores a fact if it is newer than the stored fact with the same key. A fact that cannot wait raises `requests`.
    /// The time of a fact that can wait is kept for deduplication after the fact is consumed.
    pub fn store(&mut self, fleet: &FleetName, fact: &Fact) -> StoreResult {
        let row = self.row_mut(fleet);
        let (key, observed_at) = (fact.key(), stored(fact.observed_at()));
        if fact.can_wait() {
            if row.heard.get(&key).is_some_and(|heard| *heard >= observed_at) {
                return StoreResult::Known;
            }
            row.heard.insert(key.clone(), observed_at);
        } else {
            if row.facts.get(&key).is_some_and(|known| stored(known.observed_at()) >= observed_at) {
                return StoreResult::Stored;
            }
            row.lock.requests += 1;
        }
        row.filed += 1;
        row.facts.insert(key, fact.clone());
        StoreResult::Stored
    }

    /// Takes one of the immediate runs that each minute allows. False: none is left in this minute.
    pub fn take_immediate_run(&mut self, now: Timestamp) -> bool {
        let taken = self.immediate_runs.entry(minute_of(now)).or_default();
        let is_left = *taken < IMMEDIATE_RUNS_PER_MINUTE_MAX;
        *taken += u32::from(is_left);
        is_left
    }

    /// What deduplication needs to know: the stored observation times of these facts, and the times of the pending
    /// delayed requests of their fleets.
    pub fn deduplication(&self, facts: &[(FleetName, String)]) -> Deduplication {
        let mut deduplication = Deduplication::default();
        for (fleet, key) in facts {
            let Some(row) = self.rows.get(fleet) else { continue };
            if let Some(heard) = row.heard.get(key) {
                deduplication.observed_at.insert((fleet.clone(), key.clone()), *heard);
            }
            if let Some(next) = row.lock.next_request {
                deduplication.next_requests.insert(fleet.clone(), next);
            }
        }
        deduplication
    }

    /// Takes the lease if it is free, if it has expired, or if the same holder has it.
    pub fn acquire(&mut self, fleet: &FleetName, holder: &str, now: Timestamp, until: Timestamp) -> Acquired {
        let lock = &mut self.row_mut(fleet).lock;
        let is_others = lock.holder.as_deref().is_some_and(|other| other != holder);
        if is_others && lock.until > stored(now) {
            return Acquired::Busy { until: lock.until };
        }
        lock.holder = Some(holder.to_owned());
        lock.until = stored(until);
        lock.fence += 1;
        Acquired::Held(lock.lease(fleet, holder))
    }

    /// Releases the lease, unless a fact that cannot wait has arrived since the lease was read.
    pub fn release(&mut self, lease: &Lease, next_request: Option<Timestamp>) -> Released {
        let lock = &mut self.row_mut(&lease.fleet).lock;
        if !lock.is_held_by(lease) {
            return Released::Lost;
        }
        if lock.requests != lease.requests {
            return Released::Requested(lock.lease(&lease.fleet, &lease.holder));
        }
        lock.holder = None;
        lock.next_request = next_request.map(stored);
        Released::Free
    }

    /// Stores the time of a delayed request. False: an earlier request is pending.
    pub fn claim_request(&mut self, fleet: &FleetName, at: Timestamp, now: Timestamp) -> bool {
        let lock = &mut self.row_mut(fleet).lock;
        if lock.next_request.is_some_and(|next| next > stored(now) && next <= stored(at)) {
            return false;
        }
        lock.next_request = Some(stored(at));
        true
    }

    /// Everything that a pass loads for a fleet.
    pub fn load(&self, fleet: &FleetName) -> Stored {
        let (freezes, account) = (self.freezes(fleet), self.account.clone());
        let Some(row) = self.rows.get(fleet) else { return Stored { freezes, account, ..Stored::default() } };
        Stored {
            record: row.record.clone(),
            facts: row.facts.values().cloned().collect(),
            freezes,
            account,
            outbox: row.outbox.clone(),
            partially_delivered: row.partially_delivered.clone(),
            events: row.events.clone(),
            fingerprint: row.fingerprint.clone(),
        }
    }

    /// The freezes that apply to a fleet: its own freeze and that of the account.
    pub fn freezes(&self, fleet: &FleetName) -> Vec<Freeze> {
        let concerns = |freeze: &&Freeze| match &freeze.scope {
            FreezeScope::Account => true,
            FreezeScope::Fleet(frozen) => frozen == fleet,
        };
        self.freezes.iter().filter(concerns).cloned().collect()
    }

    /// An operator freezes a scope. The new freeze replaces an earlier one of the same scope.
    pub fn freeze(&mut self, freeze: Freeze) {
        self.lift(&freeze.scope);
        self.freezes.push(freeze);
    }

    /// Adds a history entry and its event outside a commit.
    pub fn note(&mut self, scope: &FreezeScope, line: &HistoryEntry) {
        let batch = EventBatch::alone(scope, line);
        match scope {
            FreezeScope::Account => {
                self.history.push(line.clone());
                self.events.push(batch);
            }
            FreezeScope::Fleet(fleet) => {
                let row = self.rows.entry(fleet.clone()).or_default();
                row.history.push(line.clone());
                row.to_be_put.extend(batch.events.iter().cloned());
                row.events.push(batch);
            }
        }
    }

    /// Removes published events from the events that are still to be published.
    pub fn mark_published(&mut self, scope: &FreezeScope, ids: &[String]) {
        let batches = match scope {
            FreezeScope::Account => &mut self.events,
            FreezeScope::Fleet(fleet) => &mut self.row_mut(fleet).events,
        };
        batches.retain(|batch| !ids.contains(&batch.id));
    }

    /// The events of the account that are not published yet.
    pub fn account_events(&self) -> Vec<EventBatch> {
        self.events.clone()
    }

    /// The history entries of a fleet and of the account before a time, in order.
    pub fn history(&self, fleet: &FleetName, before: Option<Timestamp>) -> Vec<HistoryEntry> {
        let of_fleet = self.rows.get(fleet).into_iter().flat_map(|row| &row.history);
        let all = of_fleet.chain(&self.history).filter(|line| before.is_none_or(|before| line.at < before));
        let mut lines: Vec<HistoryEntry> = all.cloned().collect();
        lines.sort_by_key(|line| line.at);
        lines
    }

    /// An operator lifts the freeze of a scope.
    pub fn lift(&mut self, scope: &FreezeScope) {
        self.freezes.retain(|freeze| freeze.scope != *scope);
    }

    /// Commits a decision if the lease is still held and the record is unchanged since it was read.
    pub fn commit(
        &mut self,
        lease: &Lease,
        read_version: Option<u64>,
        decision: &Decision,
        now: Timestamp,
    ) -> Committed {
        let row = self.row_mut(&lease.fleet);
        let is_held = row.lock.is_held_by(lease) && row.lock.until > stored(now);
        if !is_held || row.record.as_ref().map(|record| record.version) != read_version {
            return Committed::Conflict;
        }
        row.record = Some(decision.next.clone());
        // A fact that arrived since may have the key of one that was read. Then all facts stay, and the next decision
        // consumes them.
        if row.lock.requests == lease.requests {
            row.facts.retain(|key, _| !decision.consumed.contains(key));
        }
        row.history.extend(decision.history.iter().cloned());
        row.announced.extend(decision.notifications.iter().map(|notification| notification.id.clone()));
        row.outbox.extend(decision.notifications.iter().cloned());
        let batches = decision.events();
        row.to_be_put.extend(batches.iter().flat_map(|batch| &batch.events).cloned());
        row.events.extend(batches);
        for rule in &decision.begins_to_drift {
            self.account.drifting.entry(rule.clone()).or_default().insert(lease.fleet.clone(), stored(now));
        }
        Committed::Yes
    }

    /// Removes delivered notifications from the outbox.
    pub fn mark_delivered(&mut self, fleet: &FleetName, ids: &[String]) {
        let row = self.row_mut(fleet);
        row.outbox.retain(|notification| !ids.contains(&notification.id));
        row.partially_delivered.retain(|id, _| !ids.contains(id));
    }

    /// Stores that only one audience has received a notification.
    pub fn mark_partially_delivered(&mut self, fleet: &FleetName, id: &str, mark_delivered: Audience) {
        self.row_mut(fleet).partially_delivered.insert(id.to_owned(), mark_delivered);
    }

    /// Takes a cutover slot, if one is free or the fleet already holds one. False: all slots are taken.
    pub fn take_slot(&mut self, fleet: &FleetName, limit: usize, now: Timestamp) -> bool {
        if self.account.slots.len() >= limit && !self.account.slots.contains_key(fleet) {
            return false;
        }
        self.account.slots.entry(fleet.clone()).or_insert(stored(now));
        true
    }

    /// Stores that another fleet has begun to drift under a rule.
    pub fn drifts_elsewhere(&mut self, rule: &RuleName, fleet: &FleetName, now: Timestamp) {
        self.account.drifting.entry(rule.clone()).or_default().insert(fleet.clone(), stored(now));
    }

    /// Releases the cutover slot of a fleet.
    pub fn give_slot(&mut self, fleet: &FleetName) {
        self.account.slots.remove(fleet);
    }

    /// The fleets with open work, each with the time since which its oldest work is in progress. None: all its work
    /// waits for a guard, or is only a stored fact, notification or event.
    pub fn open_fleets(&self) -> BTreeMap<FleetName, Option<Timestamp>> {
        let is_open = |row: &Row| {
            row.record.as_ref().is_some_and(|record| record.open_since().is_some())
                || !row.facts.is_empty()
                || !row.outbox.is_empty()
                || !row.events.is_empty()
        };
        let under_way = |row: &Row| row.record.as_ref().and_then(Record::under_way_since);
        let mut open: BTreeMap<FleetName, Option<Timestamp>> =
            self.account.slots.iter().map(|(fleet, since)| (fleet.clone(), Some(*since))).collect();
        for (fleet, row) in self.rows.iter().filter(|(_, row)| is_open(row)) {
            let oldest = open.entry(fleet.clone()).or_default();
            *oldest = oldest.iter().copied().chain(under_way(row)).min();
        }
        open
    }

    /// The stored fingerprints of the fleets.
    pub fn fingerprints(&self) -> BTreeMap<FleetName, String> {
        self.rows.iter().filter_map(|(fleet, row)| Some((fleet.clone(), row.fingerprint.clone()?))).collect()
    }

    /// Stores the fingerprint of a fleet.
    pub fn remember(&mut self, fleet: &FleetName, fingerprint: &str) {
        self.row_mut(fleet).fingerprint = Some(fingerprint.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn fleet() -> FleetName {
        "app".parse().unwrap()
    }

    fn held(acquired: Acquired) -> Lease {
        match acquired {
            Acquired::Held(lease) => lease,
            Acquired::Busy { until } => panic!("busy until {until}"),
        }
    }

    #[test]
    fn a_lease_is_free_at_its_end_and_not_before() {
        let (mut table, start) = (Table::default(), Timestamp::UNIX_EPOCH);
        let end = start + SignedDuration::from_secs(40);
        held(table.acquire(&fleet(), "a", start, end));
        let moment = SignedDuration::from_millis(1);
        assert!(matches!(table.acquire(&fleet(), "b", end - moment, end), Acquired::Busy { until } if until == end));
        assert_eq!(held(table.acquire(&fleet(), "b", end, end + moment)).fence, 2);
    }

    #[test]
    fn a_lease_that_went_to_another_is_lost() {
        let (mut table, start) = (Table::default(), Timestamp::UNIX_EPOCH);
        let first = held(table.acquire(&fleet(), "a", start, start));
        held(table.acquire(&fleet(), "b", start, start));
        assert_eq!(table.release(&first, None), Released::Lost);
    }
}
