//! A batch of the reconcile queue: facts are filed, and every fleet that is concerned is looked at, once, side by side.

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
    /// Whether the queue has delivered it before: whoever had it may have died after it used the facts, and before it did what
    /// was decided.
    pub is_again: bool,
}

/// What kept messages from being handled. They are to come again.
#[derive(Debug)]
pub struct Failure<Id> {
    pub messages: Vec<Id>,
    /// What was not done, as an end of a sentence.
    pub what: &'static str,
    pub error: CallError,
}

/// Files the facts of a batch and looks at every fleet that it concerns. A message fails only for its own sake or its
/// fleet's; the rest of the batch is done.
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
    let Filings { mut failed, is_burst, next_requests } = store_all(ports, facts, &mut fleets).await;
    for (fleet, concerned) in &mut fleets {
        concerned.next_request = next_requests.get(fleet).copied();
    }
    let looker = Looker { ports, is_burst, invocation };
    let runs = fleets.into_iter().map(async |(fleet, concerned)| {
        // On the heap: the states of a whole run are too deep for the compiler to lay out as one.
        match Box::pin(looker.reconcile_unless_throttled(&fleet, &concerned)).await {
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

/// Looks at the fleets of a batch.
struct Looker<'a, P> {
    ports: &'a P,
    is_burst: bool,
    invocation: Invocation<'a>,
}

impl<P: Ports> Looker<'_, P> {
    /// Looks at a fleet. What AWS has no calls left for is tried again soon, long before the queue would bring the messages
    /// back: they are done, for the facts are filed.
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

    /// Looks at a fleet, unless that can wait and is better left to a pass that comes soon.
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
    /// The time for which a delayed request among them was meant.
    due: Option<Timestamp>,
    /// Whether not all of them are facts that can wait.
    is_urgent: bool,
    /// Whether one of them is a fact that cannot.
    has_urgent_fact: bool,
    /// The delayed request that was on its way a moment ago.
    next_request: Option<Timestamp>,
}

impl<Id> Default for Concerned<Id> {
    fn default() -> Self {
        Self { messages: Vec::new(), due: None, is_urgent: false, has_urgent_fact: false, next_request: None }
    }
}

/// A fact, with the message that brought it.
struct Reported<Id> {
    id: Id,
    fact: Fact,
    /// How often an untagged image was looked at before.
    attempts: u32,
    is_again: bool,
}

/// What came of filing the facts of a batch.
struct Filings<Id> {
    failed: Vec<Failure<Id>>,
    /// Whether so many fleets are reported at once that none of them is looked at on the spot.
    is_burst: bool,
    /// The delayed request that were on their way a moment ago, as far as that was asked.
    next_requests: BTreeMap<FleetName, Timestamp>,
}

/// Files facts.
async fn store_all<P: Ports, Id: Clone>(
    ports: &P,
    facts: Vec<Reported<Id>>,
    fleets: &mut BTreeMap<FleetName, Concerned<Id>>,
) -> Filings<Id> {
    let nothing = Filings { failed: Vec::new(), is_burst: false, next_requests: BTreeMap::new() };
    if facts.is_empty() {
        return nothing;
    }
    let reported: Vec<Fact> = facts.iter().map(|reported| reported.fact.clone()).collect();
    let known = match fleets_of(ports, &reported).await {
        Ok(known) => known,
        Err(error) => {
            let messages = facts.into_iter().map(|reported| reported.id).collect();
            let failure = Failure { messages, what: "the fleets of the facts could not be found", error };
            return Filings { failed: vec![failure], ..nothing };
        }
    };
    let can_wait = reported.iter().filter(|fact| fact.can_wait());
    let fleets_of_fact = |fact: &Fact| known.get(&fact.subject()).into_iter().flatten();
    let pairs: Vec<_> = can_wait.flat_map(|fact| fleets_of_fact(fact).map(move |fleet| (fleet, fact))).collect();
    let is_burst = is_burst(pairs.iter().map(|(fleet, _)| *fleet).collect::<BTreeSet<_>>().len());
    let deduplication = deduplication(ports, &pairs).await;
    let filings = facts.iter().map(async |reported| {
        let filed = store(ports, &reported.fact, &known, &deduplication, reported.attempts).await;
        (reported, filed)
    });
    let mut failed = Vec::new();
    for (Reported { id, fact, is_again, .. }, filed) in join_all(filings).await {
        let named = match filed {
            Ok(FactOutcome::With(named)) => named,
            // Whoever filed it may have died since: the message is the same.
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
    Filings { failed, is_burst, next_requests: deduplication.next_requests }
}

/// What is remembered of the facts of a batch that can wait: in a event burst every fact comes twice, and every fleet many times. A read
/// of two small items costs less than a tenth of the transaction that it saves.
async fn deduplication<P: Ports>(ports: &P, facts: &[(&FleetName, &Fact)]) -> Deduplication {
    if facts.is_empty() {
        return Deduplication::default();
    }
    // It only saves writes.
    ports.deduplication(facts).await.unwrap_or_else(|error| {
        tracing::warn!(event = "deduplication_read_failed", %error, "earlier facts not read: all facts are stored");
        Deduplication::default()
    })
}
