//! The calls to load balancers.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::action::WeightChange;
use driftless_planner::balancer::{BalancerKind, Forward, TargetGroupSettings};
use driftless_planner::ids::{InstanceId, TargetGroupArn};
use driftless_planner::observation::TargetHealth;
use driftless_reconciler::ports::{CallErrorKind, CallResult};

use super::refused::{error, refused};
use crate::cloud::{Attribution, Cloud};

const MODIFY: &str = "elasticloadbalancing:ModifyRule";

impl Cloud {
    /// The forward actions that name any of these target groups.
    pub fn forwards(&mut self, target_groups: &BTreeSet<TargetGroupArn>) -> CallResult<Vec<Forward>> {
        let names =
            self.forwards.iter().filter(|(_, known)| known.weights.keys().any(|arn| target_groups.contains(arn)));
        let told = names.map(|(place, known)| Forward {
            place: place.clone(),
            weights: known.weights.clone(),
            stickiness: known.stickiness,
            balancer: BalancerKind::Application,
        });
        Ok(told.collect())
    }

    /// The health of each target of a target group.
    pub fn target_health(&mut self, target_group: &TargetGroupArn) -> CallResult<BTreeMap<InstanceId, TargetHealth>> {
        let targets = self.target_groups.get(target_group).into_iter().flat_map(|known| &known.targets);
        Ok(targets.map(|(id, target)| (id.clone(), target.health.clone())).collect())
    }

    /// The settings of each of these target groups.
    pub fn target_group_settings(
        &mut self,
        target_groups: &BTreeSet<TargetGroupArn>,
    ) -> CallResult<BTreeMap<TargetGroupArn, TargetGroupSettings>> {
        let settings = |arn: &TargetGroupArn| self.target_groups.get(arn).map(|known| (arn.clone(), known.settings));
        Ok(target_groups.iter().filter_map(settings).collect())
    }

    /// Writes the weights and the stickiness of a forward action, if the current ones are those that were decided on.
    pub fn set_weights(&mut self, change: &WeightChange) -> CallResult<()> {
        let known = self.forwards.get_mut(&change.place);
        let known = known.ok_or_else(|| error(MODIFY, CallErrorKind::Gone, "RuleNotFound"))?;
        if known.weights == change.weights && known.stickiness == change.stickiness {
            return Ok(());
        }
        if known.weights != change.expected || known.stickiness != change.expected_stickiness {
            return Err(refused(MODIFY, "the weights are not those that were decided on"));
        }
        known.weights.clone_from(&change.weights);
        known.stickiness = change.stickiness;
        self.note_weights(&change.place, &change.expected, Attribution::Driftless);
        self.forwards_changed();
        Ok(())
    }
}
