//! Attributes failed requests to an actor. The actor that removes the last responding target of a target group is
//! responsible for the failed requests to that target group. An actor that gives weight to a target group without a
//! responding target, or sets all weights to 0, is responsible in the same way.

use std::collections::BTreeMap;

use driftless_planner::balancer::ForwardPlace;
use driftless_planner::ids::TargetGroupArn;
use driftless_planner::observation::TargetHealth;
use jiff::{SignedDuration, Timestamp};

use super::Cloud;
use super::state::Actor;

/// A write cannot take into account a failure that is younger than this: the read before the write and the call itself
/// take up to 4 s each.
const UNKNOWN_FOR: SignedDuration = SignedDuration::from_secs(8);

/// The actor that is responsible for failed requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Attribution {
    /// No actor: an instance failed, or its image is faulty.
    #[default]
    Fault,
    /// Auto Scaling, of its own accord.
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
    /// The name of the actor in the counts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fault => "a fault, or a bad image",
            Self::AutoScaling => "Auto Scaling",
            Self::Person => "people",
            Self::Driftless => "Driftless",
        }
    }
}

/// What attribution needs to know: the actor that took the last responding target from each target group, and the actor
/// that set all weights of a forward action to 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Silence {
    target_groups: BTreeMap<TargetGroupArn, (Timestamp, Attribution)>,
    /// When a target of the target group last failed by itself.
    broke_at: BTreeMap<TargetGroupArn, Timestamp>,
    /// When an operator last raised the weight of the target group.
    given_at: BTreeMap<TargetGroupArn, Timestamp>,
    weightless: BTreeMap<ForwardPlace, Attribution>,
}

impl Silence {
    /// The actor responsible for the failed requests to a target group without a responding target.
    pub(super) fn of(&self, arn: &TargetGroupArn) -> Attribution {
        self.target_groups.get(arn).map(|(_, attribution)| *attribution).unwrap_or_default()
    }

    /// The actor responsible for the failed requests at a forward action whose weights are all 0.
    pub(super) fn of_no_weight(&self, place: &ForwardPlace) -> Attribution {
        self.weightless.get(place).copied().unwrap_or_default()
    }
}

impl Cloud {
    /// Whether a target group has a target that responds.
    fn is_answered(&self, arn: &TargetGroupArn) -> bool {
        let (bad, targets) = self.bad_of(arn);
        bad < targets
    }

    /// The target groups with a target that responds.
    pub(super) fn answered(&self) -> Vec<TargetGroupArn> {
        self.target_groups.keys().filter(|arn| self.is_answered(arn)).cloned().collect()
    }

    /// Attributes the loss of the last responding target in some of these target groups to the write of an actor.
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
                // The target group had no weight when Driftless scaled its color to zero; an operator gave it weight
                // just before.
                Attribution::Driftless if is_news(self.silence.given_at.get(&arn)) => Attribution::Person,
                Attribution::Driftless | Attribution::Person | Attribution::AutoScaling | Attribution::Fault => {
                    attribution
                }
            };
            self.silence.target_groups.insert(arn, (self.now, attribution));
        }
    }

    /// Whether the load balancer reports any target as healthy, even if that target no longer responds and its health
    /// checks have not failed yet.
    fn seems_answered(&self, arn: &TargetGroupArn) -> bool {
        let known = self.target_groups.get(arn);
        known.is_some_and(|known| known.targets.values().any(|target| target.health == TargetHealth::Healthy))
    }

    /// Records that a target of this target group fails by itself now.
    pub(super) fn note_break(&mut self, arn: TargetGroupArn) {
        self.silence.broke_at.insert(arn, self.now);
    }

    /// An actor has written weights: it is responsible for every target group without a responding target whose weight
    /// it raised.
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
