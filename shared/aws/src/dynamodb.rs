//! The DynamoDB table. The partition `FLEET#<name>` holds everything that a reconcile pass needs about the fleet, so
//! that one query reads it: the record, the lease, facts, a freeze and the outbox. The history only grows and has its
//! own partition `HISTORY#<name>`. The partition `ACCOUNT` holds items about several fleets.

mod commit;
mod facts;
mod freeze;
mod index;
mod items;
mod lease;
mod load;
mod operator_api;
mod rows;
mod slots;
#[cfg(test)]
mod tests;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use driftless_planner::decision::Decision;
use driftless_planner::event::EventBatch;
use driftless_planner::fact::{Fact, Subject};
use driftless_planner::ids::FleetName;
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_reconciler::ports::{
    Acquired, Audience, CallResult, Clock, Committed, Deduplication, Lease, Released, Store, StoreResult, Stored,
};
use jiff::Timestamp;

use crate::aws::Aws;
use crate::dynamodb::items::passes;
pub(crate) use crate::dynamodb::token::hash_of;

/// The table and the client that calls DynamoDB.
#[derive(Debug, Clone)]
pub(crate) struct Table<'a> {
    client: &'a Client,
    name: &'a str,
    sleep: Option<SharedAsyncSleep>,
}

/// The most attempts of a write that conflicts with other writes to the same item. A dozen facts of one fleet may
/// arrive at once, and all of them increment the same item. The waits add up to between 1.3 s and 1.9 s: enough for a
/// dozen writes, and far shorter than a run.
const CONFLICT_ATTEMPTS: u32 = 8;
const CONFLICT_WAIT: Duration = Duration::from_millis(20);
const CONFLICT_WAIT_MAX: Duration = Duration::from_millis(320);

impl Table<'_> {
    /// Waits after the failed attempt number `attempt` (from 1). Each wait is twice as long as the one before, up to a
    /// maximum. Up to half as much time is added, derived from the seed, so that colliding writers do not collide
    /// again.
    async fn wait(&self, attempt: u32, seed: &str) {
        let base = CONFLICT_WAIT.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(CONFLICT_WAIT_MAX);
        let share = u32::try_from(hash_of(&[seed.as_bytes(), &attempt.to_be_bytes()]) % 100).unwrap_or_default();
        if let Some(sleep) = &self.sleep {
            sleep.sleep(base + base * share / 200).await;
        }
    }

    /// Repeats a write while it conflicts with other writes or its transaction is throttled. The SDK does not retry in
    /// these cases, because it treats both as final responses.
    async fn patiently<T, F>(&self, seed: &str, write: impl Fn() -> F) -> CallResult<T>
    where
        F: Future<Output = CallResult<T>>,
    {
        for attempt in 1..CONFLICT_ATTEMPTS {
            match write().await {
                Err(error) if passes(&error) => self.wait(attempt, seed).await,
                done => return done,
            }
        }
        write().await
    }
}

impl Aws {
    fn table(&self) -> Table<'_> {
        Table { client: self.dynamodb(), name: &self.names.table, sleep: self.config.sleep_impl() }
    }

    /// Freezes a fleet or the account, according to [`Freeze::scope`]. Replaces an existing freeze of that scope.
    ///
    /// # Errors
    ///
    /// The write to the table failed.
    pub async fn set_freeze(&self, freeze: &Freeze) -> CallResult<()> {
        self.table().set_freeze(freeze).await
    }

    /// Ends the freeze of a fleet or of the account. Without a freeze it changes nothing.
    ///
    /// # Errors
    ///
    /// The write to the table failed.
    pub async fn lift_freeze(&self, scope: &FreezeScope) -> CallResult<()> {
        self.table().lift_freeze(scope).await
    }
}

impl Store for Aws {
    async fn indexed(&self, subjects: &BTreeSet<Subject>) -> CallResult<BTreeMap<Subject, BTreeSet<FleetName>>> {
        self.table().indexed(subjects, self.now()).await
    }

    async fn index(&self, entries: &BTreeMap<Subject, BTreeSet<FleetName>>, now: Timestamp) -> CallResult<()> {
        self.table().index(entries, now).await
    }

    async fn store(&self, fleet: &FleetName, fact: &Fact, now: Timestamp) -> CallResult<StoreResult> {
        self.table().store(fleet, fact, now).await
    }

    async fn take_immediate_run(&self, now: Timestamp) -> CallResult<bool> {
        self.table().take_immediate_run(now).await
    }

    async fn deduplication(&self, facts: &[(&FleetName, &Fact)]) -> CallResult<Deduplication> {
        self.table().deduplication(facts).await
    }

    async fn acquire(&self, fleet: &FleetName, holder: &str, now: Timestamp, until: Timestamp) -> CallResult<Acquired> {
        self.table().acquire(fleet, holder, now, until).await
    }

    async fn release(&self, lease: &Lease, next_request: Option<Timestamp>) -> CallResult<Released> {
        self.table().release(lease, next_request).await
    }

    async fn claim_request(&self, fleet: &FleetName, at: Timestamp, now: Timestamp) -> CallResult<bool> {
        self.table().claim_request(fleet, at, now).await
    }

    async fn load(&self, fleet: &FleetName) -> CallResult<Stored> {
        self.table().load(fleet, self.now()).await
    }

    async fn freezes(&self, fleet: &FleetName) -> CallResult<Vec<Freeze>> {
        self.table().freezes(fleet).await
    }

    async fn commit(
        &self,
        lease: &Lease,
        read_version: Option<u64>,
        decision: &Decision,
        now: Timestamp,
    ) -> CallResult<Committed> {
        self.table().commit(lease, read_version, decision, now).await
    }

    async fn mark_delivered(&self, fleet: &FleetName, ids: &[String]) -> CallResult<()> {
        self.table().mark_delivered(fleet, ids).await
    }

    async fn mark_partially_delivered(
        &self,
        fleet: &FleetName,
        id: &str,
        mark_delivered: Audience,
        now: Timestamp,
    ) -> CallResult<()> {
        self.table().mark_partially_delivered(fleet, id, mark_delivered, now).await
    }

    async fn mark_published(&self, scope: &FreezeScope, ids: &[String]) -> CallResult<()> {
        self.table().mark_published(scope, ids).await
    }

    async fn account_events(&self) -> CallResult<Vec<EventBatch>> {
        self.table().account_events().await
    }

    async fn take_slot(&self, fleet: &FleetName, limit: usize, now: Timestamp) -> CallResult<bool> {
        self.table().take_slot(fleet, limit, now).await
    }

    async fn give_slot(&self, fleet: &FleetName) -> CallResult<()> {
        self.table().give_slot(fleet).await
    }

    async fn open_fleets(&self) -> CallResult<BTreeMap<FleetName, Option<Timestamp>>> {
        self.table().open_fleets().await
    }

    async fn fingerprints(&self) -> CallResult<BTreeMap<FleetName, String>> {
        self.table().fingerprints().await
    }

    async fn remember(&self, fleet: &FleetName, fingerprint: &str) -> CallResult<()> {
        self.table().remember(fleet, fingerprint).await
    }
}
