//! Requests and failed requests. They are counted in thousandths over each period between two changes: no request is
//! simulated on its own, and whole numbers give the same sum on every machine.

use std::collections::BTreeMap;

use driftless_planner::balancer::ForwardPlace;
use driftless_planner::ids::TargetGroupArn;
use driftless_planner::observation::TargetHealth;
use jiff::Timestamp;

use super::state::{ForwardState, Life};
use super::{Attribution, Cloud};

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureCause {
    /// 503: the target group has no target.
    NoTarget(TargetGroupArn),
    /// The target did not respond.
    Unanswered(TargetGroupArn),
    /// 503: all weights are 0.
    NoWeight,
}

/// Requests and failed requests since the beginning.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    pub total_thousandths: u128,
    /// Thousandths of failed requests, by forward action and cause.
    pub failed_thousandths: BTreeMap<(ForwardPlace, FailureCause), u128>,
    /// Thousandths of failed requests, by responsible actor.
    pub failed_by: BTreeMap<Attribution, u128>,
}

/// The rate of the requests at a forward action, and the shares of them that fail, in the current state.
#[derive(Debug, Clone)]
pub(super) struct Served {
    rate: u64,
    failing: Vec<Failing>,
}

/// A share of the requests at a forward action that fails, as the fraction `part` / `whole`. `others_answer` is whether
/// other targets of the same target group respond.
#[derive(Debug, Clone)]
struct Failing {
    cause: FailureCause,
    part: u128,
    whole: u128,
    others_answer: bool,
}

impl Traffic {
    /// Failed requests, in whole requests.
    pub fn failed(&self) -> u128 {
        self.failed_thousandths.values().sum::<u128>() / 1_000
    }
}

impl Cloud {
    /// Counts the requests until `at`. Nothing changes until then.
    pub(super) fn serve_until(&mut self, at: Timestamp) {
        self.see_changes();
        let milliseconds = u128::try_from(at.duration_since(self.now).as_millis()).unwrap_or(0);
        for (place, served) in &self.served {
            // Requests per second times milliseconds are thousandths of requests.
            let came = u128::from(served.rate) * milliseconds;
            self.traffic.total_thousandths += came;
            for failing in &served.failing {
                let attribution = match &failing.cause {
                    FailureCause::NoWeight => self.silence.of_no_weight(place),
                    // Other targets respond: the failed target itself is the cause.
                    FailureCause::Unanswered(_) if failing.others_answer => Attribution::Fault,
                    FailureCause::NoTarget(arn) | FailureCause::Unanswered(arn) => self.silence.of(arn),
                };
                let failed = came * failing.part / failing.whole;
                *self.traffic.failed_by.entry(attribution).or_default() += failed;
                let key = (place.clone(), failing.cause.clone());
                *self.traffic.failed_thousandths.entry(key).or_default() += failed;
            }
        }
    }

    /// Computes the failing shares again, if instances, targets or weights have changed since the last time.
    fn see_changes(&mut self) {
        let is_changed =
            [self.instances.take_changed(), self.target_groups.take_changed(), self.forwards.take_changed()];
        if is_changed.contains(&true) {
            let served = |forward: &ForwardState| Served { rate: forward.rate, failing: self.failing(forward) };
            self.served = self.forwards.iter().map(|(place, forward)| (place.clone(), served(forward))).collect();
        }
    }

    /// The shares of the requests at a forward action that fail in the current state.
    fn failing(&self, forward: &ForwardState) -> Vec<Failing> {
        let all: u128 = forward.weights.values().map(|weight| u128::from(*weight)).sum();
        if all == 0 {
            return vec![Failing { cause: FailureCause::NoWeight, part: 1, whole: 1, others_answer: false }];
        }
        let mut failing = Vec::new();
        for (arn, weight) in &forward.weights {
            let part = u128::from(*weight);
            if part == 0 {
                continue;
            }
            let (bad, targets) = self.bad_of(arn);
            if targets == 0 {
                let cause = FailureCause::NoTarget(arn.clone());
                failing.push(Failing { cause, part, whole: all, others_answer: false });
            } else if bad > 0 {
                let cause = FailureCause::Unanswered(arn.clone());
                failing.push(Failing { cause, part: part * bad, whole: all * targets, others_answer: bad < targets });
            }
        }
        failing
    }

    /// The number of targets that get requests and do not respond, and the number of targets that get requests. If no
    /// target is healthy, all registered targets that are not draining get requests (fail-open, 4.3).
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
