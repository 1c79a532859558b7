//! What the planner would do now.

use driftless_planner::decision::Decision;
use driftless_planner::machine::{CUTOVER, REPLACEMENT};

use crate::model::NextStep;
use crate::words;

/// Steps from one phase to another, and then the actions, in their order.
pub(crate) fn next(decision: &Decision) -> Vec<NextStep> {
    let transitions = decision.journal.iter().filter_map(|entry| {
        let machine = if entry.instance.is_some() { REPLACEMENT } else { CUTOVER };
        let is_step = machine.iter().any(|known| known.from == entry.from && known.to.contains(&entry.to.as_str()));
        let what = entry.instance.as_ref().map_or_else(|| "the cutover".to_owned(), ToString::to_string);
        let from = if entry.from.is_empty() { String::new() } else { format!(" from {}", entry.from) };
        is_step.then(|| NextStep {
            step: "transition".to_owned(),
            says: format!("{what}{from} to {}: {}", entry.to, entry.why).into(),
        })
    });
    let actions =
        decision.actions.iter().map(|action| NextStep { step: action.name().to_owned(), says: words::action(action) });
    transitions.chain(actions).collect()
}
