//! Requests: how many come, and how many are not answered. Counted in whole thousandths between any two events, so that no
//! request has to be simulated, and the sum is the same on every machine.

use std::collections::BTreeMap;

use driftless_planner::balancer::ForwardPlace;
use driftless_planner::ids::TargetGroupArn;
use driftless_planner::observation::TargetHealth;
use jiff::Timestamp;

use super::state::{ForwardState, Life};
use super::{Blame, Cloud};

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureCause {
    /// It was sent to a target group without any target: 503.
    NoTarget(TargetGroupArn),
    /// It was sent to a target that does not answer.
    Unanswered(TargetGroupArn),
    /// No target group has any weight: 503.
    NoWeight,
}

/// What became of the requests.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    /// Thousandths of requests that came.
    pub total_thousandths: u128,
    /// Thousandths that failed, by forward action and cause.
    pub failed_thousandths: BTreeMap<(ForwardPlace, FailureCause), u128>,
    /// The same by whose doing it was.
    pub failed_by: BTreeMap<Blame, u128>,
}

impl Traffic {
    /// Requests that failed, in whole ones.
    pub fn failed(&self) -> u128 {
        self.failed_thousandths.values().sum::<u128>() / 1_000
    }
}

impl Cloud {
    /// Serves what comes until then, in the state of now.
    pub(super) fn serve_until(&mut self, at: Timestamp) {
        let milliseconds = u128::try_from(at.duration_since(self.now).as_millis()).unwrap_or(0);
        let mut failed: Vec<((ForwardPlace, FailureCause), u128)> = Vec::new();
        for (place, forward) in &self.forwards {
            // Requests per second times milliseconds are thousandths of requests.
            let came = u128::from(forward.rate) * milliseconds;
            self.traffic.total_thousandths += came;
            let shares = self.failing_shares(forward);
            failed
                .extend(shares.into_iter().map(|(cause, (part, whole))| ((place.clone(), cause), came * part / whole)));
        }
        for (key, thousandths) in failed {
            let blame = match &key {
                (place, FailureCause::NoWeight) => self.silence.of_no_weight(place),
                (_, FailureCause::NoTarget(arn)) => self.silence.of(arn),
                (_, FailureCause::Unanswered(arn)) => {
                    // Where others answer, it is that target's own fault.
                    let (bad, targets) = self.bad_of(arn);
                    if bad < targets { Blame::Fault } else { self.silence.of(arn) }
                }
            };
            *self.traffic.failed_by.entry(blame).or_default() += thousandths;
            *self.traffic.failed_thousandths.entry(key).or_default() += thousandths;
        }
    }

    /// The shares of requests that fail now: each as part of a whole.
    fn failing_shares(&self, forward: &ForwardState) -> Vec<(FailureCause, (u128, u128))> {
        let all: u128 = forward.weights.values().map(|weight| u128::from(*weight)).sum();
        if all == 0 {
            return vec![(FailureCause::NoWeight, (1, 1))];
        }
        let mut failing = Vec::new();
        for (arn, weight) in &forward.weights {
            let weight = u128::from(*weight);
            let (bad, targets) = self.bad_of(arn);
            if weight == 0 {
                continue;
            }
            if targets == 0 {
                failing.push((FailureCause::NoTarget(arn.clone()), (weight, all)));
            } else if bad > 0 {
                failing.push((FailureCause::Unanswered(arn.clone()), (weight * bad, all * targets)));
            }
        }
        failing
    }

    /// Targets that get requests and do not answer, of those that get requests: the healthy ones, or where there is none
    /// all that are registered (fail-open, 4.3).
    pub(super) fn bad_of(&self, arn: &TargetGroupArn) -> (u128, u128) {
        let Some(target_group) = self.target_groups.get(arn) else { return (0, 0) };
        let is_left = |health: &TargetHealth| !matches!(health, TargetHealth::Draining);
        let healthy = target_group.targets.values().filter(|target| target.health == TargetHealth::Healthy).count();
        let gets = |health: &TargetHealth| {
            if healthy > 0 { *health == TargetHealth::Healthy } else { is_left(health) }
        };
        let (mut bad, mut targets) = (0, 0);
        for (id, target) in &target_group.targets {
            if !gets(&target.health) {
                continue;
            }
            targets += 1;
            let answers = self.instances.get(id).is_some_and(|instance| {
                instance.answers && instance.is_up && matches!(instance.life, Life::InService | Life::Standby)
            });
            bad += u128::from(!answers);
        }
        (bad, targets)
    }
}
