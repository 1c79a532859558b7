//! AWS Config: it evaluates new instances, and all instances when a rule changes.

use driftless_planner::fact::ComplianceType;
use driftless_planner::ids::{InstanceId, RuleName};
use driftless_planner::observation::Finding;

use super::agenda::Due;
use super::state::{Build, Life};
use super::{Cloud, CloudEvent};

impl Cloud {
    /// Schedules the evaluation of a new instance by every rule.
    pub(super) fn evaluates_soon(&mut self, id: &InstanceId) {
        let rules: Vec<_> = self.rules.iter().map(|(rule, state)| (rule.clone(), state.delay)).collect();
        for (rule, delay) in rules {
            self.agenda.plan(self.now + delay, Due::Evaluates(rule, id.clone()));
        }
    }

    pub(super) fn evaluate(&mut self, rule: &RuleName, id: &InstanceId) {
        let Some(state) = self.rules.get(rule) else { return };
        let Some(instance) = self.instances.get(id).filter(|instance| instance.life != Life::Gone) else { return };
        let is_bad = state.is_bad || self.builds.get(&instance.image) == Some(&Build::Drifted);
        if is_bad {
            self.find(rule, id, ComplianceType::NonCompliant);
        }
    }

    /// Sets the compliance of an instance with a rule. If it changed, Config emits an event.
    pub(super) fn find(&mut self, rule: &RuleName, id: &InstanceId, verdict: ComplianceType) {
        let at = self.now;
        let Some(instance) = self.instances.get_mut(id) else { return };
        let changed = match verdict {
            ComplianceType::NonCompliant => {
                let finding = Finding { recorded_at: at, annotation: Some("as simulated".into()) };
                instance.breaks.insert(rule.clone(), finding).is_none()
            }
            ComplianceType::Compliant | ComplianceType::NotApplicable => instance.breaks.remove(rule).is_some(),
        };
        if changed {
            self.events.push(CloudEvent::Compliance { instance: id.clone(), rule: rule.clone(), verdict, at });
        }
    }
}
