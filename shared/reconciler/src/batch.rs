//! A batch of the wake queue: facts are filed, and every fleet that is concerned is looked at, once, side by side.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::fact::Fact;
use driftless_planner::ids::FleetName;
use driftless_planner::storm::is_storm;
use driftless_planner::wake::WakeMessage;
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::file::{Filed, file, fleets_of};
use crate::ports::{CallError, CallErrorKind, Called, Ports, Remembered};
use crate::reconcile::{Cause, Invocation, Ran, gather, hurry, reconcile};

/// A message of the wake queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<Id> {
    pub id: Id,
    pub body: WakeMessage,
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
            WakeMessage::Fact(fact) => facts.push(Reported { id, fact: *fact, attempts: 0, is_again }),
            WakeMessage::Untagged { fact, attempts } => facts.push(Reported { id, fact: *fact, attempts, is_again }),
            WakeMessage::Wake(wake) => {
                let concerned = fleets.entry(wake.fleet).or_default();
                concerned.is_urgent = true;
                concerned.due = concerned.due.max(wake.due);
                concerned.messages.push(id);
            }
        }
    }
    let Filings { mut failed, is_storm, next_wakes } = file_all(ports, facts, &mut fleets).await;
    for (fleet, concerned) in &mut fleets {
        concerned.next_wake = next_wakes.get(fleet).copied();
    }
    let looker = Looker { ports, is_storm, invocation };
    let runs = fleets.into_iter().map(async |(fleet, concerned)| {
        // On the heap: the states of a whole run are too deep for the compiler to lay out as one.
        match Box::pin(looker.look_unless_throttled(&fleet, &concerned)).await {
            Ok(ran) => {
                tracing::info!(%fleet, ?ran, "reconciled");
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
    is_storm: bool,
    invocation: Invocation<'a>,
}

impl<P: Ports> Looker<'_, P> {
    /// Looks at a fleet. What AWS has no calls left for is tried again soon, long before the queue would bring the messages
    /// back: they are done, for the facts are filed.
    async fn look_unless_throttled<Id>(&self, fleet: &FleetName, concerned: &Concerned<Id>) -> Called<Ran> {
        match self.look(fleet, concerned).await {
            Err(error) if error.kind == CallErrorKind::Throttled => {
                tracing::warn!(%fleet, %error, "throttled: looked at again soon");
                if concerned.has_urgent_fact {
                    hurry(self.ports, fleet).await
                } else {
                    gather(self.ports, fleet, None).await
                }
            }
            ran => ran,
        }
    }

    /// Looks at a fleet, unless that can wait and is better left to a look that comes soon.
    async fn look<Id>(&self, fleet: &FleetName, concerned: &Concerned<Id>) -> Called<Ran> {
        let Self { ports, is_storm, invocation } = *self;
        if concerned.is_urgent {
            return reconcile(ports, fleet, Cause::Urgent { due: concerned.due }, invocation).await;
        }
        if is_storm || !ports.take_look(ports.now()).await? {
            return gather(ports, fleet, concerned.next_wake).await;
        }
        reconcile(ports, fleet, Cause::CanWait, invocation).await
    }
}

/// The messages that concern one fleet.
#[derive(Debug)]
struct Concerned<Id> {
    messages: Vec<Id>,
    /// The time for which a delayed wake among them was meant.
    due: Option<Timestamp>,
    /// Whether not all of them are facts that can wait.
    is_urgent: bool,
    /// Whether one of them is a fact that cannot.
    has_urgent_fact: bool,
    /// The delayed wake that was on its way a moment ago.
    next_wake: Option<Timestamp>,
}

impl<Id> Default for Concerned<Id> {
    fn default() -> Self {
        Self { messages: Vec::new(), due: None, is_urgent: false, has_urgent_fact: false, next_wake: None }
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
    is_storm: bool,
    /// The delayed wakes that were on their way a moment ago, as far as that was asked.
    next_wakes: BTreeMap<FleetName, Timestamp>,
}

/// Files facts.
async fn file_all<P: Ports, Id: Clone>(
    ports: &P,
    facts: Vec<Reported<Id>>,
    fleets: &mut BTreeMap<FleetName, Concerned<Id>>,
) -> Filings<Id> {
    let nothing = Filings { failed: Vec::new(), is_storm: false, next_wakes: BTreeMap::new() };
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
    let is_storm = is_storm(pairs.iter().map(|(fleet, _)| *fleet).collect::<BTreeSet<_>>().len());
    let remembered = remembered(ports, &pairs).await;
    let filings = facts.iter().map(async |reported| {
        let filed = file(ports, &reported.fact, &known, &remembered, reported.attempts).await;
        (reported, filed)
    });
    let mut failed = Vec::new();
    for (Reported { id, fact, is_again, .. }, filed) in join_all(filings).await {
        let named = match filed {
            Ok(Filed::With(named)) => named,
            // Whoever filed it may have died since: the message is the same.
            Ok(Filed::Known) if *is_again => known.get(&fact.subject()).cloned().unwrap_or_default(),
            Ok(why @ (Filed::Known | Filed::AskedAgainLater | Filed::NotOurs)) => {
                tracing::info!(fact = fact.key(), ?why, "nothing is to be looked at for it now");
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
    Filings { failed, is_storm, next_wakes: remembered.next_wakes }
}

/// What is remembered of the facts of a batch that can wait: in a storm every fact comes twice, and every fleet many times. A read
/// of two small items costs less than a tenth of the transaction that it saves.
async fn remembered<P: Ports>(ports: &P, facts: &[(&FleetName, &Fact)]) -> Remembered {
    if facts.is_empty() {
        return Remembered::default();
    }
    // It only saves writes.
    ports.remembered(facts).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what is remembered of facts could not be read: all are written");
        Remembered::default()
    })
}
