//! Whose doing it is that requests fail: a target group falls silent when the last target that answers goes, and whoever
//! gives traffic to a silent one, or takes all weights away, answers for it.

use std::collections::BTreeMap;

use driftless_planner::balancer::ForwardPlace;
use driftless_planner::ids::TargetGroupArn;
use driftless_planner::observation::TargetHealth;
use jiff::{SignedDuration, Timestamp};

use super::Cloud;
use super::state::Actor;

/// What fails less than this long before a write could not be known to it: one read, and one call.
const UNKNOWN_FOR: SignedDuration = SignedDuration::from_secs(8);

/// Who answers for requests that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Attribution {
    /// Nobody: an instance broke, or its image is no good.
    #[default]
    Fault,
    /// Auto Scaling by itself.
    AutoScaling,
    /// An operator, or a tool of theirs.
    Person,
    Driftless,
}

impl From<Actor> for Attribution {
    fn from(actor: Actor) -> Self {
        match actor {
            Actor::Driftless => Self::Driftless,
            Actor::AutoScaling => Self::AutoScaling,
            Actor::Person => Self::Person,
        }
    }
}

impl Attribution {
    /// The word for it in counts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fault => "a fault, or a bad image",
            Self::AutoScaling => "Auto Scaling",
            Self::Person => "people",
            Self::Driftless => "Driftless",
        }
    }
}

/// Who silenced what, and when.
#[derive(Debug, Clone, Default)]
pub(super) struct Silence {
    target_groups: BTreeMap<TargetGroupArn, (Timestamp, Attribution)>,
    /// When a target of a target group last stopped to answer by itself.
    broke_at: BTreeMap<TargetGroupArn, Timestamp>,
    /// When an operator last gave a target group more of the traffic.
    given_at: BTreeMap<TargetGroupArn, Timestamp>,
    weightless: BTreeMap<ForwardPlace, Attribution>,
}

impl Silence {
    /// Who answers for a target group in which nobody does.
    pub(super) fn of(&self, arn: &TargetGroupArn) -> Attribution {
        self.target_groups.get(arn).map(|(_, attribution)| *attribution).unwrap_or_default()
    }

    /// Who answers for a forward action without any weight.
    pub(super) fn of_no_weight(&self, place: &ForwardPlace) -> Attribution {
        self.weightless.get(place).copied().unwrap_or_default()
    }
}

impl Cloud {
    /// Whether anyone answers requests that are sent to a target group.
    fn is_answered(&self, arn: &TargetGroupArn) -> bool {
        let (bad, targets) = self.bad_of(arn);
        bad < targets
    }

    /// The target groups with someone who answers.
    pub(super) fn answered(&self) -> Vec<TargetGroupArn> {
        self.target_groups.keys().filter(|arn| self.is_answered(arn)).cloned().collect()
    }

    /// What somebody wrote at a time has silenced some of these target groups, now.
    pub(super) fn note_silence(
        &mut self,
        answered_before: Vec<TargetGroupArn>,
        attribution: Attribution,
        written_at: Timestamp,
    ) {
        let is_news = |at: Option<&Timestamp>| at.is_some_and(|at| written_at < *at + UNKNOWN_FOR);
        for arn in answered_before {
            if self.is_answered(&arn) {
                continue;
            }
            let attribution = match attribution {
                Attribution::Driftless if self.seems_answered(&arn) || is_news(self.silence.broke_at.get(&arn)) => {
                    Attribution::Fault
                }
                // It had no traffic when it was scaled to zero, and somebody gave it some.
                Attribution::Driftless if is_news(self.silence.given_at.get(&arn)) => Attribution::Person,
                Attribution::Driftless | Attribution::Person | Attribution::AutoScaling | Attribution::Fault => {
                    attribution
                }
            };
            self.silence.target_groups.insert(arn, (self.now, attribution));
        }
    }

    /// Whether the load balancer calls any target healthy: that it does not answer cannot be known yet.
    fn seems_answered(&self, arn: &TargetGroupArn) -> bool {
        let known = self.target_groups.get(arn);
        known.is_some_and(|known| known.targets.values().any(|target| target.health == TargetHealth::Healthy))
    }

    /// A target stops to answer by itself.
    pub(super) fn note_break(&mut self, arn: TargetGroupArn) {
        self.silence.broke_at.insert(arn, self.now);
    }

    /// Somebody has written weights: they answer for what a silent target group gets more of than before.
    pub(super) fn note_weights(
        &mut self,
        place: &ForwardPlace,
        before: &BTreeMap<TargetGroupArn, u32>,
        attribution: Attribution,
    ) {
        let Some(forward) = self.forwards.get(place) else { return };
        let all = |weights: &BTreeMap<TargetGroupArn, u32>| weights.values().map(|weight| u64::from(*weight)).sum();
        let (all_before, all_after): (u64, u64) = (all(before), all(&forward.weights));
        if all_after == 0 && all_before > 0 {
            self.silence.weightless.insert(place.clone(), attribution);
        }
        let of = |weights: &BTreeMap<TargetGroupArn, u32>, arn: &TargetGroupArn| {
            u64::from(weights.get(arn).copied().unwrap_or(0))
        };
        let gains = |arn: &&TargetGroupArn| of(&forward.weights, arn) * all_before.max(1) > of(before, arn) * all_after;
        let gaining: Vec<TargetGroupArn> = forward.weights.keys().filter(gains).cloned().collect();
        for arn in gaining {
            let is_silent = !self.is_answered(&arn);
            if attribution == Attribution::Person {
                self.silence.given_at.insert(arn.clone(), self.now);
            }
            let known = self.silence.target_groups.get(&arn);
            let could_be_known =
                known.is_none_or(|(since, _)| self.now >= *since + UNKNOWN_FOR) && !self.seems_answered(&arn);
            if is_silent && (attribution == Attribution::Person || could_be_known) {
                self.silence.target_groups.insert(arn, (self.now, attribution));
            }
        }
    }
}
