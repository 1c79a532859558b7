//! A linter for decisions: what must hold for every record and every decision, whatever led to it. Run by the tests, and
//! later by the simulator at every step.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Action, Role};
use crate::decision::{Decision, JournalEntry};
use crate::ids::InstanceId;
use crate::machine::{self, Transition};
use crate::policy::QUARANTINE_MAX;
use crate::record::{Cutover, Phase, Record, Replacement, SCHEMA_VERSION};

/// Everything that is wrong with a record, in words. Empty: nothing.
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
        if replacement.phase.successor() == Some(id) {
            wrong.push(format!("{id} is its own successor"));
        }
        if replacement.drift.is_empty() {
            wrong.push(format!("{id} is being replaced for no reason"));
        }
        if let Phase::Launching(surge) = &replacement.phase
            && surge.token.len() > 64
        {
            wrong.push(format!("the token of {id} is longer than the 64 characters that Auto Scaling takes"));
        }
    }
    wrong
}

/// Everything that is wrong with a decision about a fleet whose record this is, in words. Empty: nothing.
pub fn decision(before: Option<&Record>, decision: &Decision) -> Vec<String> {
    let mut wrong = record(&decision.next);
    wrong.extend(phases(before, decision));
    for action in &decision.actions {
        if let Action::Terminate { instance, role, .. } = action {
            let replacement = decision.next.replacements.iter().find(|(id, replacement)| match role {
                Role::Drifted => {
                    *id == instance && matches!(replacement.phase, Phase::Retiring(_) | Phase::Vacating(_))
                }
                Role::Quarantined => false,
                Role::Surplus => {
                    replacement.phase.successor() == Some(instance)
                        && matches!(replacement.phase, Phase::Withdrawing(_))
                }
            });
            let is_kept = *role == Role::Quarantined && decision.next.quarantined.contains_key(instance);
            if replacement.is_none() && !is_kept {
                wrong.push(format!("{instance} would be terminated without a committed reason"));
            }
        }
    }
    for action in &decision.actions {
        if let Action::SetAside { instance, .. } = action
            && !decision
                .next
                .replacements
                .get(instance)
                .is_some_and(|replacement| matches!(replacement.phase, Phase::Retiring(_)))
        {
            wrong.push(format!("{instance} would be set aside without a committed reason"));
        }
    }
    let takes = |action: &&Action| matches!(action, Action::Terminate { .. } | Action::SetAside { .. });
    let terminated = decision.actions.iter().filter(takes);
    let mut groups = BTreeSet::new();
    for action in terminated {
        let Some(group) = action.group() else { continue };
        if !groups.insert(group) {
            wrong.push(format!("two instances of {group} would be terminated on one reading of its capacity"));
        }
    }
    for entry in decision.journal.iter().filter(|entry| machine::is_unknown(entry)) {
        wrong.push(format!("no machine goes from {:?} to {:?}: {}", entry.from, entry.to, entry.why));
    }
    let needs_commit = !decision.journal.is_empty() || !decision.notifications.is_empty();
    if needs_commit && !decision.changed {
        wrong.push("something is journaled or told without a commit".to_owned());
    }
    wrong
}

/// Between two records a phase is the same, or the history leads from the one to the other by steps of its machine, in
/// their order.
fn phases(before: Option<&Record>, decision: &Decision) -> Vec<String> {
    let mut wrong = Vec::new();
    let empty = BTreeMap::new();
    let replacements = before.map_or(&empty, |record| &record.replacements);
    let named = |known: &BTreeMap<InstanceId, Replacement>, id: &InstanceId| {
        known.get(id).map(|replacement| replacement.phase.name())
    };
    for id in replacements.keys().chain(decision.next.replacements.keys()).collect::<BTreeSet<_>>() {
        let lines = decision.journal.iter().filter(|entry| entry.instance.as_ref() == Some(id));
        let ends = (named(replacements, id), named(&decision.next.replacements, id));
        wrong.extend(chain(machine::REPLACEMENT, ends, lines).err().map(|problem| format!("{id}: {problem}")));
    }
    let named = |cutover: Option<&Cutover>| cutover.map(|cutover| cutover.phase.name());
    let ends = (named(before.and_then(|record| record.cutover.as_ref())), named(decision.next.cutover.as_ref()));
    let lines = decision.journal.iter().filter(|entry| entry.instance.is_none());
    wrong.extend(chain(machine::CUTOVER, ends, lines).err().map(|problem| format!("the cutover: {problem}")));
    wrong
}

/// Whether these lines lead from one phase to another. None: there is none.
fn chain<'a>(
    machine: &[Transition],
    (before, after): (Option<&str>, Option<&str>),
    lines: impl Iterator<Item = &'a JournalEntry>,
) -> Result<(), String> {
    let mut at = before;
    for line in lines {
        let is_row = |row: &&Transition| row.from == line.from && row.to.contains(&line.to.as_str());
        let Some(row) = machine.iter().find(is_row) else { continue };
        if at.unwrap_or_default() != row.from {
            return Err(format!("the history goes from {:?} to {:?}, and it was {at:?}", line.from, line.to));
        }
        at = machine.iter().map(|known| known.from).find(|phase| *phase == line.to);
    }
    if at == after { Ok(()) } else { Err(format!("it is {after:?}, and the history leads to {at:?}")) }
}
