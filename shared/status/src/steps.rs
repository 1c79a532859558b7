//! What the next reconcile pass would do if it ran now.

use driftless_planner::decision::Decision;
use driftless_planner::history::Change;
use driftless_planner::record::Record;

use crate::model::NextStep;
use crate::words;

/// Lists the adoption of the fleet, then the changes of phase, and then the actions in the order in which they would
/// run.
pub(crate) fn next(record: Option<&Record>, decision: &Decision) -> Vec<NextStep> {
    let is_adopted = record.is_some_and(|record| record.release.is_some());
    let adopts = decision.next.release.as_ref().filter(|_| !is_adopted).map(|release| NextStep {
        step: "adopt".to_owned(),
        says: format!("adopt {} from {} as the release; no instance is changed", release.image, release.template)
            .into(),
    });
    let transitions = decision.history.iter().filter_map(|entry| {
        let what = match &entry.change {
            Change::Replacement { instance, .. } => instance.to_string(),
            Change::Cutover { .. } => "the cutover".to_owned(),
            Change::Evidence { .. }
            | Change::ExtraInstanceKept { .. }
            | Change::Quarantine { .. }
            | Change::Finding { .. }
            | Change::CutoverWaits { .. }
            | Change::Condition { .. }
            | Change::RuleBreaker { .. }
            | Change::Command { .. }
            | Change::Setting { .. }
            | Change::Image { .. }
            | Change::Adoption { .. } => return None,
        };
        let from = if entry.from().is_empty() { String::new() } else { format!(" from {}", entry.from()) };
        Some(NextStep {
            step: "transition".to_owned(),
            says: format!("{what}{from} to {}: {}", entry.to(), entry.why).into(),
        })
    });
    let actions =
        decision.actions.iter().map(|action| NextStep { step: action.name().to_owned(), says: words::action(action) });
    adopts.into_iter().chain(transitions).chain(actions).collect()
}
