//! The ports to the table, the queue, the topics and the clock.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::action::Action;
use driftless_planner::check;
use driftless_planner::decision::Decision;
use driftless_planner::event::{Event, EventBatch};
use driftless_planner::fact::{Fact, Subject};
use driftless_planner::history::HistoryEntry;
use driftless_planner::ids::FleetName;
use driftless_planner::notification::Message;
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::record::{Record, Route};
use driftless_planner::request::ReconcileRequest;
use driftless_reconciler::ports::{
    Acquired, Alerts, Audience, Bus, CallError, CallErrorKind, CallResult, Clock, Committed, Deduplication,
    HistoryPage, Lease, LeaseHolder, LeaseState, OperatorApi, Released, RequestQueue, Store, StoreResult, Stored,
};
use jiff::{SignedDuration, Timestamp};

use super::{Api, Function, failure};
use crate::invariants::{Violation, admission, traffic};
use crate::queue::BATCH_MAX;
use crate::world::World;

/// The longest delay of a message in SQS.
const DELAY_MAX: SignedDuration = SignedDuration::from_mins(15);

impl Clock for Function {
    fn now(&self) -> Timestamp {
        self.shared.lock().now + self.skew
    }
}

impl RequestQueue for Function {
    async fn send_all(&self, messages: &[(ReconcileRequest, SignedDuration)]) -> CallResult<()> {
        for some in messages.chunks(BATCH_MAX) {
            let some = some.to_vec();
            self.call("sqs:SendMessageBatch", Api::Roomy, move |world| {
                some.iter().try_for_each(|(_, delay)| takes(*delay))?;
                for (message, delay) in some {
                    world.send(message, world.now + delay);
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn send(&self, message: &ReconcileRequest, delay: SignedDuration) -> CallResult<()> {
        let message = message.clone();
        self.call("sqs:SendMessage", Api::Roomy, move |world| {
            takes(delay)?;
            world.send(message.clone(), world.now + delay);
            if world.rng.happens(world.rates.duplicated) {
                world.counts.fault("message twice");
                world.send(message, world.now + delay);
            }
            Ok(())
        })
        .await
    }
}

/// Refuses a message whose delay is negative or longer than [`DELAY_MAX`], as SQS does. A fraction of a second is
/// accepted, because the adapter rounds it.
fn takes(delay: SignedDuration) -> CallResult<()> {
    if (SignedDuration::ZERO..=DELAY_MAX).contains(&delay) {
        return Ok(());
    }
    let text = format!("InvalidParameterValue: {delay:#} for DelaySeconds");
    Err(failure("sqs:SendMessage", CallErrorKind::Refused, &text))
}

impl Alerts for Function {
    async fn publish(&self, message: &Message, to: Audience) -> CallResult<()> {
        let message = message.clone();
        match to {
            Audience::OnCall => {
                self.call("sns:Publish", Api::Roomy, move |world| {
                    world.note(|| format!("told: {}", message.id));
                    world.topic.sent.push((world.now, message));
                    Ok(())
                })
                .await
            }
            Audience::Chat => {
                self.call("sns:Publish (chat)", Api::Roomy, move |world| {
                    world.topic.chat.push(message.id);
                    Ok(())
                })
                .await
            }
        }
    }
}

impl Bus for Function {
    async fn put(&self, events: &[Event]) -> CallResult<BTreeMap<String, CallError>> {
        let (events, id) = (events.to_vec(), self.id);
        self.call("events:PutEvents", Api::Roomy, move |world| {
            let mut refused = BTreeMap::new();
            for event in events {
                // Each entry of the batch can fail alone, although the call succeeds.
                let is_unlucky = world.rng.happens(world.rates.throttled);
                if world.fault_plan.refuses_event() || is_unlucky {
                    world.counts.fault("event not taken");
                    world.history.faulted.insert(id);
                    let error = failure("events:PutEvents", CallErrorKind::Throttled, "ThrottlingException");
                    refused.insert(event.id, error);
                } else {
                    world.topic.events.push(event);
                }
            }
            Ok(refused)
        })
        .await
    }
}

impl OperatorApi for Function {
    async fn freeze(&self, freeze: &Freeze, line: &HistoryEntry) -> CallResult<()> {
        let (freeze, line) = (freeze.clone(), line.clone());
        self.store("freeze", move |world| {
            world.table.note(&freeze.scope, &line);
            world.table.freeze(freeze);
        })
        .await
    }

    async fn thaw(&self, scope: &FreezeScope, line: &HistoryEntry) -> CallResult<()> {
        let (scope, line) = (scope.clone(), line.clone());
        self.store("thaw", move |world| {
            world.table.note(&scope, &line);
            world.table.lift(&scope);
        })
        .await
    }

    async fn history(&self, fleet: &FleetName, before: Option<Timestamp>) -> CallResult<HistoryPage> {
        let fleet = fleet.clone();
        self.store("history", move |world| HistoryPage { entries: world.table.history(&fleet, before), is_cut: false })
            .await
    }

    async fn lease_state(&self, fleet: &FleetName) -> CallResult<LeaseState> {
        let fleet = fleet.clone();
        self.store("lease_state", move |world| {
            let lock = world.table.row(&fleet).map(|row| &row.lock);
            let held = lock.and_then(|lock| {
                let holder = lock.holder.as_deref()?.into();
                Some(LeaseHolder { holder, until: lock.until })
            });
            LeaseState { next_request: lock.and_then(|lock| lock.next_request), held }
        })
        .await
    }
}

impl Store for Function {
    async fn indexed(&self, subjects: &BTreeSet<Subject>) -> CallResult<BTreeMap<Subject, BTreeSet<FleetName>>> {
        let subjects = subjects.clone();
        self.call("dynamodb:BatchGetItem", Api::Roomy, move |world| Ok(world.table.indexed(&subjects))).await
    }

    async fn index(&self, entries: &BTreeMap<Subject, BTreeSet<FleetName>>, _: Timestamp) -> CallResult<()> {
        let entries = entries.clone();
        self.store("index", move |world| world.table.index(&entries)).await
    }

    async fn store(&self, fleet: &FleetName, fact: &Fact, _: Timestamp) -> CallResult<StoreResult> {
        let (fleet, fact) = (fleet.clone(), fact.clone());
        self.store("store", move |world| {
            world.note(|| format!("filed: {}", fact.key()));
            world.table.store(&fleet, &fact)
        })
        .await
    }

    async fn take_immediate_run(&self, now: Timestamp) -> CallResult<bool> {
        self.store("take_immediate_run", move |world| world.table.take_immediate_run(now)).await
    }

    async fn deduplication(&self, facts: &[(&FleetName, &Fact)]) -> CallResult<Deduplication> {
        let keys: Vec<_> = facts.iter().map(|(fleet, fact)| ((*fleet).clone(), fact.key())).collect();
        self.store("deduplication", move |world| world.table.deduplication(&keys)).await
    }

    async fn acquire(&self, fleet: &FleetName, holder: &str, now: Timestamp, until: Timestamp) -> CallResult<Acquired> {
        let (fleet, holder) = (fleet.clone(), holder.to_owned());
        self.store("acquire", move |world| world.table.acquire(&fleet, &holder, now, until)).await
    }

    async fn release(&self, lease: &Lease, next_request: Option<Timestamp>) -> CallResult<Released> {
        let lease = lease.clone();
        self.store("release", move |world| world.table.release(&lease, next_request)).await
    }

    async fn claim_request(&self, fleet: &FleetName, at: Timestamp, now: Timestamp) -> CallResult<bool> {
        let fleet = fleet.clone();
        self.store("claim_request", move |world| world.table.claim_request(&fleet, at, now)).await
    }

    async fn load(&self, fleet: &FleetName) -> CallResult<Stored> {
        let (fleet, id) = (fleet.clone(), self.id);
        self.store("load", move |world| {
            world.history.looks_at_table(id, &fleet, world.now);
            let stored = world.table.load(&fleet);
            world.calls.found(id, stored.record.as_ref());
            stored
        })
        .await
    }

    async fn freezes(&self, fleet: &FleetName) -> CallResult<Vec<Freeze>> {
        let fleet = fleet.clone();
        self.store("freezes", move |world| world.table.freezes(&fleet)).await
    }

    async fn commit(
        &self,
        lease: &Lease,
        read_version: Option<u64>,
        decision: &Decision,
        now: Timestamp,
    ) -> CallResult<Committed> {
        let (lease, decision, id) = (lease.clone(), decision.clone(), self.id);
        self.store("commit", move |world| {
            let before = world.table.rows().get(&lease.fleet).and_then(|row| row.record.clone());
            let committed = world.table.commit(&lease, read_version, &decision, now);
            note_commit(world, id, &decision, committed);
            if committed == Committed::Yes {
                world.calls.left(id, &decision.next);
                note_cutover(world, before.as_ref(), &decision.next);
                check_commit(world, id, &lease.fleet, before.as_ref(), &decision, now);
            }
            committed
        })
        .await
    }

    async fn mark_delivered(&self, fleet: &FleetName, ids: &[String]) -> CallResult<()> {
        let (fleet, ids) = (fleet.clone(), ids.to_vec());
        self.store("mark_delivered", move |world| world.table.mark_delivered(&fleet, &ids)).await
    }

    async fn mark_partially_delivered(
        &self,
        fleet: &FleetName,
        id: &str,
        mark_delivered: Audience,
        _: Timestamp,
    ) -> CallResult<()> {
        let (fleet, id) = (fleet.clone(), id.to_owned());
        self.store("mark_partially_delivered", move |world| {
            world.table.mark_partially_delivered(&fleet, &id, mark_delivered);
        })
        .await
    }

    async fn mark_published(&self, scope: &FreezeScope, ids: &[String]) -> CallResult<()> {
        let (scope, ids) = (scope.clone(), ids.to_vec());
        self.store("mark_published", move |world| world.table.mark_published(&scope, &ids)).await
    }

    async fn account_events(&self) -> CallResult<Vec<EventBatch>> {
        self.store("account_events", |world| world.table.account_events()).await
    }

    async fn take_slot(&self, fleet: &FleetName, limit: usize, now: Timestamp) -> CallResult<bool> {
        let fleet = fleet.clone();
        self.store("take_slot", move |world| world.table.take_slot(&fleet, limit, now)).await
    }

    async fn give_slot(&self, fleet: &FleetName) -> CallResult<()> {
        let fleet = fleet.clone();
        self.store("give_slot", move |world| world.table.give_slot(&fleet)).await
    }

    async fn open_fleets(&self) -> CallResult<BTreeMap<FleetName, Option<Timestamp>>> {
        self.store("open_fleets", |world| world.table.open_fleets()).await
    }

    async fn fingerprints(&self) -> CallResult<BTreeMap<FleetName, String>> {
        self.store("fingerprints", |world| world.table.fingerprints()).await
    }

    async fn remember(&self, fleet: &FleetName, fingerprint: &str) -> CallResult<()> {
        let (fleet, fingerprint) = (fleet.clone(), fingerprint.to_owned());
        self.store("remember", move |world| world.table.remember(&fleet, &fingerprint)).await
    }
}

impl Function {
    async fn store<T: Send + 'static>(
        &self,
        operation: &'static str,
        effect: impl FnOnce(&mut World) -> T + Send + 'static,
    ) -> CallResult<T> {
        self.call(operation, Api::Roomy, move |world| Ok(effect(world))).await
    }
}

/// Counts the phases and guards of a commit, and adds its history entries to the trace.
fn note_commit(world: &mut World, id: u64, decision: &Decision, committed: Committed) {
    if committed == Committed::Conflict {
        world.note(|| format!("f{id} commit: conflict"));
        return;
    }
    for replacement in decision.next.replacements.values() {
        world.counts.reach(format!("phase {}", replacement.phase().name()));
    }
    for waiting in decision.waiting.values().chain(&decision.cutover_waits) {
        world.counts.reach(format!("waiting {}", waiting.guard()));
    }
    for entry in &decision.history {
        let what = entry.instance().map_or_else(String::new, ToString::to_string);
        world.note(|| format!("f{id} {what} {} -> {}: {}", entry.from(), entry.to(), entry.why));
    }
    let actions: Vec<&str> = decision.actions.iter().map(Action::name).collect();
    if !actions.is_empty() {
        world.note(|| format!("f{id} will: {}", actions.join(", ")));
    }
}

/// Checks the work that a commit starts, and the rules that apply to every decision.
fn check_commit(
    world: &mut World,
    id: u64,
    fleet: &FleetName,
    before: Option<&Record>,
    decision: &Decision,
    decided_at: Timestamp,
) {
    let Some(pass) = world.history.passes.get(&(id, fleet.clone())).copied() else { return };
    let verdict = admission::at_commit(world, &admission::Commit { fleet, before, decision, decided_at, pass });
    world.violations.extend(verdict.err());
    let wrong = check::decision(before, decision).into_iter();
    world.violations.extend(wrong.map(|what| Violation { at: decided_at, rule: "a decision is sound", what }));
}

/// Counts the phase and the outcome of a cutover, and checks that only one cutover is under way at a time.
fn note_cutover(world: &mut World, before: Option<&Record>, next: &Record) {
    if let Some(cutover) = &next.cutover {
        let route = match cutover.route {
            Route::Weighted { .. } => "weighted",
            Route::Shared { .. } => "shared",
            Route::None => "none",
            Route::Rolling => "rolling",
        };
        world.counts.reach(format!("cutover {}", cutover.phase().name()));
        world.counts.reach(format!("route {route}"));
    }
    let known = |id: &str| before.is_some_and(|record| record.memory.past.iter().any(|past| past.id == id));
    for past in next.memory.past.iter().filter(|past| !known(&past.id)) {
        world.counts.reach(format!("outcome {}", past.outcome.name()));
    }
    if let Err(violation) = traffic::one_cutover(world, before.and_then(|record| record.cutover.as_ref()), next) {
        world.violations.push(violation);
    }
}
