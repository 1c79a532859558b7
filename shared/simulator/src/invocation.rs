//! What the function does with a batch of the wake queue: the same as `functions/reconcile`, which cannot be linked
//! here without the SDK.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::fact::Fact;
use driftless_planner::ids::FleetName;
use driftless_planner::policy::Defaults;
use driftless_planner::wake::WakeMessage;
use driftless_reconciler::file::{Filed, file, fleets_of};
use driftless_reconciler::ports::Clock;
use driftless_reconciler::reconcile::{Times, reconcile};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::executor::Ended;
use crate::function::Function;

/// Lambda ends a function after this long.
pub(crate) const FUNCTION_TIMEOUT: SignedDuration = SignedDuration::from_secs(30);
/// How long a lease is taken for.
pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(40);
/// No write starts later than this before the end.
pub(crate) const MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// The messages that concern one fleet.
#[derive(Debug, Default)]
struct Concerned {
    messages: BTreeSet<u64>,
    due: Option<Timestamp>,
}

/// Files the facts of a batch, and looks at every fleet that it concerns.
pub(crate) async fn handle(function: &Function, batch: Vec<(u64, WakeMessage)>, defaults: &Defaults) -> Ended {
    let times = Times { lease: LEASE, deadline: function.now() + FUNCTION_TIMEOUT, margin: MARGIN };
    let mut handled: BTreeSet<u64> = batch.iter().map(|(id, _)| *id).collect();
    let received = handled.clone();
    let mut facts = Vec::new();
    let mut fleets: BTreeMap<FleetName, Concerned> = BTreeMap::new();
    for (id, message) in batch {
        match message {
            WakeMessage::Fact(fact) => facts.push((id, *fact, 0)),
            WakeMessage::Untagged { fact, attempts } => facts.push((id, *fact, attempts)),
            WakeMessage::Wake(wake) => {
                let concerned = fleets.entry(wake.fleet).or_default();
                concerned.due = concerned.due.max(wake.due);
                concerned.messages.insert(id);
            }
        }
    }
    for failed in file_all(function, facts, &mut fleets).await {
        handled.remove(&failed);
    }
    let holder = format!("f{}", function.id);
    let holder = &holder;
    let runs = fleets.into_iter().map(async |(fleet, concerned)| {
        let ran = Box::pin(reconcile(function, &fleet, concerned.due, holder, times, defaults)).await;
        if ran.is_err() { concerned.messages } else { BTreeSet::new() }
    });
    let failed: Vec<BTreeSet<u64>> = join_all(runs).await;
    for failed in failed.into_iter().flatten() {
        handled.remove(&failed);
    }
    let failed = received.difference(&handled).copied().collect();
    Ended { handled: handled.into_iter().collect(), failed }
}

async fn file_all(
    function: &Function,
    facts: Vec<(u64, Fact, u32)>,
    fleets: &mut BTreeMap<FleetName, Concerned>,
) -> Vec<u64> {
    if facts.is_empty() {
        return Vec::new();
    }
    let reported: Vec<Fact> = facts.iter().map(|(_, fact, _)| fact.clone()).collect();
    let Ok(known) = fleets_of(function, &reported).await else {
        return facts.into_iter().map(|(id, _, _)| id).collect();
    };
    let known = &known;
    let filings = facts.iter().map(async |(id, fact, attempts)| (*id, file(function, fact, known, *attempts).await));
    let mut failed = Vec::new();
    for (id, filed) in join_all(filings).await {
        match filed {
            Ok(Filed::With(named)) => {
                for fleet in named {
                    fleets.entry(fleet).or_default().messages.insert(id);
                }
            }
            Ok(Filed::AskedAgainLater | Filed::NotOurs) => {}
            Err(_) => failed.push(id),
        }
    }
    failed
}
