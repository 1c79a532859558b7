//! Invariants that every record and every decision must satisfy, whatever led to it. The planner's tests, the simulator
//! and the model checker verify them at every step.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use crate::action::{Action, Role};
use crate::decision::Decision;
use crate::ids::InstanceId;
use crate::policy::QUARANTINE_MAX;
use crate::record::history::Change;
use crate::record::transitions::{CUTOVER, REPLACEMENT, Step, Table, allows};
use crate::record::{Cutover, Phase, Record, Replacement, SCHEMA_VERSION};

/// The violated invariants of a record, in words. Empty: none.
pub fn record(record: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    if record.schema_version != SCHEMA_VERSION {
        wrong.push(format!("schema version {} is not {SCHEMA_VERSION}", record.schema_version));
    }
    let successors: Vec<_> = record.successors().collect();
    if successors.iter().collect::<BTreeSet<_>>().len() != successors.len() {
        wrong.push("two replacements share a successor".to_owned());
    }
    if record.quarantined.len() > QUARANTINE_MAX {
        wrong.push(format!("{} instances are kept for forensics", record.quarantined.len()));
    }
    for (id, replacement) in &record.replacements {
        if record.quarantined.contains_key(id) {
            wrong.push(format!("{id} is being replaced and kept for forensics"));
        }
        if replacement.phase().successor() == Some(id) {
            wrong.push(format!("{id} is its own successor"));
        }
        if replacement.drift.is_empty() {
            wrong.push(format!("{id} is being replaced for no reason"));
        }
        if let Phase::Launching(surge) = replacement.phase()
            && surge.token.len() > 64
        {
            wrong.push(format!("the token of {id} is longer than the 64 characters that Auto Scaling takes"));
        }
    }
    wrong
}

/// The violated invariants of a decision that was made on the record `before`, in words. Empty: none.
pub fn decision(before: Option<&Record>, decision: &Decision) -> Vec<String> {
    let mut wrong = record(&decision.next);
    wrong.extend(phases(before, decision));
    for action in &decision.actions {
        if let Action::Terminate { instance, role, .. } = action {
            let replacement = decision.next.replacements.iter().find(|(id, replacement)| match role {
                Role::Drifted => {
                    *id == instance && matches!(replacement.phase(), Phase::Retiring(_) | Phase::Terminating(_))
                }
                Role::Quarantined => false,
                Role::Extra => {
                    replacement.phase().successor() == Some(instance)
                        && matches!(replacement.phase(), Phase::Cancelling(_))
                }
            });
            let is_kept = *role == Role::Quarantined && decision.next.quarantined.contains_key(instance);
            if replacement.is_none() && !is_kept {
                wrong.push(format!("{instance} would be terminated without a committed reason"));
            }
        }
    }
    for action in &decision.actions {
        if let Action::EnterStandby { instance, .. } = action
            && !decision
                .next
                .replacements
                .get(instance)
                .is_some_and(|replacement| matches!(replacement.phase(), Phase::Retiring(_)))
        {
            wrong.push(format!("{instance} would be set aside without a committed reason"));
        }
    }
    let takes = |action: &&Action| matches!(action, Action::Terminate { .. } | Action::EnterStandby { .. });
    let terminated = decision.actions.iter().filter(takes);
    let mut groups = BTreeSet::new();
    for action in terminated {
        let Some(group) = action.group() else { continue };
        if !groups.insert(group) {
            wrong.push(format!("two instances of {group} would be terminated on one reading of its capacity"));
        }
    }
    let needs_commit = !decision.history.is_empty() || !decision.notifications.is_empty();
    if needs_commit && !decision.changed {
        wrong.push("something is in the history or told without a commit".to_owned());
    }
    wrong
}

/// The violated invariants of the phases, in words. Between the record before a decision and the record after it, a
/// phase stays the same, or the history leads from the one phase to the other by valid transitions, in order.
fn phases(before: Option<&Record>, decision: &Decision) -> Vec<String> {
    let mut wrong = Vec::new();
    let empty = BTreeMap::new();
    let replacements = before.map_or(&empty, |record| &record.replacements);
    let kind =
        |known: &BTreeMap<InstanceId, Replacement>, id: &InstanceId| known.get(id).map(|work| work.phase().kind());
    for id in replacements.keys().chain(decision.next.replacements.keys()).collect::<BTreeSet<_>>() {
        let steps = decision.history.iter().filter_map(|entry| {
            let Change::Replacement { instance, from, to } = &entry.change else { return None };
            (instance == id).then_some((*from, *to))
        });
        let ends = (kind(replacements, id), kind(&decision.next.replacements, id));
        wrong.extend(chain(REPLACEMENT, ends, steps).err().map(|problem| format!("{id}: {problem}")));
    }
    let kind = |cutover: Option<&Cutover>| cutover.map(|cutover| cutover.phase().kind());
    let ends = (kind(before.and_then(|record| record.cutover.as_ref())), kind(decision.next.cutover.as_ref()));
    let steps = decision.history.iter().filter_map(|entry| {
        let Change::Cutover { from, to } = &entry.change else { return None };
        Some((*from, *to))
    });
    wrong.extend(chain(CUTOVER, ends, steps).err().map(|problem| format!("the cutover: {problem}")));
    wrong
}

/// Checks that the transitions `steps` lead from the phase `before` to the phase `after`. Err: what is wrong, in words.
/// A phase of None stands for no replacement or no cutover.
fn chain<P: Copy + PartialEq + Debug, E: Copy + PartialEq + Debug>(
    table: &Table<P, E>,
    (before, after): (Option<P>, Option<P>),
    steps: impl Iterator<Item = (Option<P>, Step<P, E>)>,
) -> Result<(), String> {
    let mut at = before;
    for (from, to) in steps {
        if !allows(table, from, to) {
            return Err(format!("no row goes from {from:?} to {to:?}"));
        }
        if at != from {
            return Err(format!("the history goes from {from:?} to {to:?}, and it was {at:?}"));
        }
        at = to.phase();
    }
    if at == after { Ok(()) } else { Err(format!("it is {after:?}, and the history leads to {at:?}")) }
}
