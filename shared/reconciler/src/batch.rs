//! Handles one batch of the reconcile queue: stores the facts of the batch, then reconciles each fleet that the batch
//! concerns once, all fleets in parallel.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::burst::is_burst;
use driftless_planner::fact::Fact;
use driftless_planner::ids::FleetName;
use driftless_planner::request::ReconcileRequest;
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::ports::{CallError, CallErrorKind, CallResult, Deduplication, Ports};
use crate::reconcile::{Cause, Invocation, Ran, coalesce, reconcile, retry_soon};
use crate::store::{FactOutcome, fleets_of, store};

/// A message of the reconcile queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<Id> {
    pub id: Id,
    pub body: ReconcileRequest,
    /// Whether SQS delivered the message before. The function that received the message first may have crashed after it
    /// consumed the facts and before it carried out the decision.
    pub is_again: bool,
}

/// Messages that could not be handled, and the error. SQS must deliver these messages again.
#[derive(Debug)]
pub struct Failure<Id> {
    pub messages: Vec<Id>,
    /// A clause that names the failed step, for the log: "a fleet could not be reconciled".
    pub what: &'static str,
    pub error: CallError,
}

/// Stores the facts of a batch and reconciles every fleet that the batch concerns. A failed fact or fleet fails only
/// its own messages.
pub async fn handle<P: Ports, Id: Clone>(
    ports: &P,
    batch: Vec<Received<Id>>,
    invocation: Invocation<'_>,
) -> Vec<Failure<Id>> {
    let mut facts: Vec<Reported<Id>> = Vec::new();
    let mut fleets: BTreeMap<FleetName, Concerned<Id>> = BTreeMap::new();
    for Received { id, body, is_again } in batch {
        match body {
            ReconcileRequest::Fact(fact) => facts.push(Reported { id, fact: *fact, attempts: 0, is_again }),
            ReconcileRequest::Untagged { fact, attempts } => {
                facts.push(Reported { id, fact: *fact, attempts, is_again });
            }
            ReconcileRequest::Reconcile(request) => {
                let concerned = fleets.entry(request.fleet).or_default();
                concerned.is_urgent = true;
                concerned.due = concerned.due.max(request.due);
                concerned.messages.push(id);
            }
        }
    }
    let StoredFacts { mut failed, is_burst, next_requests } = store_all(ports, facts, &mut fleets).await;
    for (fleet, concerned) in &mut fleets {
        concerned.next_request = next_requests.get(fleet).copied();
    }
    let batch_run = BatchRun { ports, is_burst, invocation };
    let runs = fleets.into_iter().map(async |(fleet, concerned)| {
        // Boxed: the compiler cannot lay out the state of a whole run inline.
        match Box::pin(batch_run.reconcile_unless_throttled(&fleet, &concerned)).await {
            Ok(ran) => {
                tracing::info!(event = "reconciled", %fleet, ?ran, "a reconcile run ended");
                None
            }
            Err(error) => {
                Some(Failure { messages: concerned.messages, what: "a fleet could not be reconciled", error })
            }
        }
    });
    failed.extend(join_all(runs).await.into_iter().flatten());
    failed
}

/// The parts that the reconciliations of all fleets of a batch share.
struct BatchRun<'a, P> {
    ports: &'a P,
    is_burst: bool,
    invocation: Invocation<'a>,
}

impl<P: Ports> BatchRun<'_, P> {
    /// Reconciles a fleet. When AWS throttles a call, this sends a delayed request, due in 3 s if a fact is urgent and
    /// else with the coalesced pass. The messages then count as handled: their facts are stored, and SQS would
    /// redeliver the messages much later.
    async fn reconcile_unless_throttled<Id>(&self, fleet: &FleetName, concerned: &Concerned<Id>) -> CallResult<Ran> {
        match self.reconcile_or_defer(fleet, concerned).await {
            Err(error) if error.kind == CallErrorKind::Throttled => {
                tracing::warn!(event = "run_throttled", %fleet, %error, "AWS throttled a call: tried again soon");
                if concerned.has_urgent_fact {
                    retry_soon(self.ports, fleet).await
                } else {
                    coalesce(self.ports, fleet, None).await
                }
            }
            ran => ran,
        }
    }

    /// Reconciles a fleet now. If none of its messages is urgent, and there is an event burst or no immediate run is
    /// left in this minute, the fleet is left to a coalesced pass.
    async fn reconcile_or_defer<Id>(&self, fleet: &FleetName, concerned: &Concerned<Id>) -> CallResult<Ran> {
        let Self { ports, is_burst, invocation } = *self;
        if concerned.is_urgent {
            return reconcile(ports, fleet, Cause::Urgent { due: concerned.due }, invocation).await;
        }
        if is_burst || !ports.take_immediate_run(ports.now()).await? {
            return coalesce(ports, fleet, concerned.next_request).await;
        }
        reconcile(ports, fleet, Cause::CanWait, invocation).await
    }
}

/// The messages that concern one fleet.
#[derive(Debug)]
struct Concerned<Id> {
    messages: Vec<Id>,
    /// The latest due time of the delayed requests among the messages.
    due: Option<Timestamp>,
    /// Whether any message is a request, a redelivery, or a fact that cannot wait.
    is_urgent: bool,
    /// Whether any fact cannot wait.
    has_urgent_fact: bool,
    /// The due time of the delayed request that is on the queue, as last read.
    next_request: Option<Timestamp>,
}

impl<Id> Default for Concerned<Id> {
    fn default() -> Self {
        Self { messages: Vec::new(), due: None, is_urgent: false, has_urgent_fact: false, next_request: None }
    }
}

/// A fact and the message that reported it.
struct Reported<Id> {
    id: Id,
    fact: Fact,
    /// The number of earlier reads of the fact's image that found no fleet tag.
    attempts: u32,
    is_again: bool,
}

/// The result of storing the facts of a batch.
struct StoredFacts<Id> {
    failed: Vec<Failure<Id>>,
    /// Whether the batch reports so many fleets at once that none of them is reconciled immediately (an event burst).
    is_burst: bool,
    /// The due times of the delayed requests on the queue, for the fleets whose deduplication marks were read.
    next_requests: BTreeMap<FleetName, Timestamp>,
}

/// Stores the facts of a batch and adds their messages to the fleets that they concern.
async fn store_all<P: Ports, Id: Clone>(
    ports: &P,
    facts: Vec<Reported<Id>>,
    fleets: &mut BTreeMap<FleetName, Concerned<Id>>,
) -> StoredFacts<Id> {
    let nothing = StoredFacts { failed: Vec::new(), is_burst: false, next_requests: BTreeMap::new() };
    if facts.is_empty() {
        return nothing;
    }
    let reported: Vec<Fact> = facts.iter().map(|reported| reported.fact.clone()).collect();
    let known = match fleets_of(ports, &reported).await {
        Ok(known) => known,
        Err(error) => {
            let messages = facts.into_iter().map(|reported| reported.id).collect();
            let failure = Failure { messages, what: "the fleets of the facts could not be found", error };
            return StoredFacts { failed: vec![failure], ..nothing };
        }
    };
    let can_wait = reported.iter().filter(|fact| fact.can_wait());
    let fleets_of_fact = |fact: &Fact| known.get(&fact.subject()).into_iter().flatten();
    let pairs: Vec<_> = can_wait.flat_map(|fact| fleets_of_fact(fact).map(move |fleet| (fleet, fact))).collect();
    let is_burst = is_burst(pairs.iter().map(|(fleet, _)| *fleet).collect::<BTreeSet<_>>().len());
    let deduplication = deduplication(ports, &pairs).await;
    let storing = facts.iter().map(async |reported| {
        let stored = store(ports, &reported.fact, &known, &deduplication, reported.attempts).await;
        (reported, stored)
    });
    let mut failed = Vec::new();
    for (Reported { id, fact, is_again, .. }, stored) in join_all(storing).await {
        let named = match stored {
            Ok(FactOutcome::With(named)) => named,
            // The first receiver may have crashed after it stored the fact, so the fleet is still reconciled.
            Ok(FactOutcome::Known) if *is_again => known.get(&fact.subject()).cloned().unwrap_or_default(),
            Ok(why @ (FactOutcome::Known | FactOutcome::AskedAgainLater | FactOutcome::NotOurs)) => {
                tracing::info!(event = "fact_without_run", fact = fact.key(), ?why, "no run starts for this fact");
                continue;
            }
            Err(error) => {
                failed.push(Failure { messages: vec![id.clone()], what: "a fact could not be filed", error });
                continue;
            }
        };
        for fleet in named {
            let concerned = fleets.entry(fleet).or_default();
            concerned.has_urgent_fact |= !fact.can_wait();
            concerned.is_urgent |= *is_again || !fact.can_wait();
            concerned.messages.push(id.clone());
        }
    }
    StoredFacts { failed, is_burst, next_requests: deduplication.next_requests }
}

/// Reads the deduplication marks of facts that can wait. In an event burst AWS sends every fact twice and reports each
/// fleet many times. Reading two small items costs less than a tenth of the transaction that is saved.
async fn deduplication<P: Ports>(ports: &P, facts: &[(&FleetName, &Fact)]) -> Deduplication {
    if facts.is_empty() {
        return Deduplication::default();
    }
    // A failed read costs only extra writes, so it fails nothing.
    ports.deduplication(facts).await.unwrap_or_else(|error| {
        tracing::warn!(event = "deduplication_read_failed", %error, "earlier facts not read: all facts are stored");
        Deduplication::default()
    })
}
