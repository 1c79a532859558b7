//! Whose doing it is that requests fail: a target group falls silent when the last target that answers goes, and whoever
//! gives traffic to a silent one, or takes all weights away, answers for it.

use std::collections::BTreeMap;

use driftless_planner::balancer::ForwardPlace;
use driftless_planner::ids::TargetGroupArn;
use jiff::{SignedDuration, Timestamp};

use super::Cloud;
use super::state::Actor;

/// What fails less than this long before a write could not be known to it: one read, and one call.
const UNKNOWN_FOR: SignedDuration = SignedDuration::from_secs(8);

/// Who answers for requests that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Blame {
    /// Nobody: an instance broke, or its image is no good.
    #[default]
    Fault,
    /// Auto Scaling by itself.
    AutoScaling,
    /// A person, or a tool of theirs.
    Person,
    /// Driftless.
    Driftless,
}

impl From<Actor> for Blame {
    fn from(actor: Actor) -> Self {
        match actor {
            Actor::Driftless => Self::Driftless,
            Actor::AutoScaling => Self::AutoScaling,
            Actor::Person => Self::Person,
        }
    }
}

impl Blame {
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
    target_groups: BTreeMap<TargetGroupArn, (Timestamp, Blame)>,
    /// When a target of a target group last stopped to answer by itself.
    broke_at: BTreeMap<TargetGroupArn, Timestamp>,
    weightless: BTreeMap<ForwardPlace, Blame>,
}

impl Silence {
    /// Who answers for a target group in which nobody does.
    pub(super) fn of(&self, arn: &TargetGroupArn) -> Blame {
        self.target_groups.get(arn).map(|(_, blame)| *blame).unwrap_or_default()
    }

    /// Who answers for a forward action without any weight.
    pub(super) fn of_no_weight(&self, place: &ForwardPlace) -> Blame {
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

    /// What somebody did has silenced some of these target groups.
    pub(super) fn note_silence(&mut self, answered_before: Vec<TargetGroupArn>, blame: Blame) {
        let now = self.now;
        for arn in answered_before {
            if self.is_answered(&arn) {
                continue;
            }
            let broke_just_now = self.silence.broke_at.get(&arn).is_some_and(|at| now < *at + UNKNOWN_FOR);
            let blame = if broke_just_now { Blame::Fault } else { blame };
            self.silence.target_groups.insert(arn, (now, blame));
        }
    }

    /// A target stops to answer by itself.
    pub(super) fn note_break(&mut self, arn: TargetGroupArn) {
        self.silence.broke_at.insert(arn, self.now);
    }

    /// Somebody has written weights: they answer for what a silent target group gets more of than before.
    pub(super) fn note_weights(&mut self, place: &ForwardPlace, before: &BTreeMap<TargetGroupArn, u32>, blame: Blame) {
        let Some(forward) = self.forwards.get(place) else { return };
        let all = |weights: &BTreeMap<TargetGroupArn, u32>| weights.values().map(|weight| u64::from(*weight)).sum();
        let (all_before, all_after): (u64, u64) = (all(before), all(&forward.weights));
        if all_after == 0 && all_before > 0 {
            self.silence.weightless.insert(place.clone(), blame);
        }
        let of = |weights: &BTreeMap<TargetGroupArn, u32>, arn: &TargetGroupArn| {
            u64::from(weights.get(arn).copied().unwrap_or(0))
        };
        let gains = |arn: &&TargetGroupArn| of(&forward.weights, arn) * all_before.max(1) > of(before, arn) * all_after;
        let silent: Vec<TargetGroupArn> =
            forward.weights.keys().filter(gains).filter(|arn| !self.is_answered(arn)).cloned().collect();
        for arn in silent {
            let known = self.silence.target_groups.get(&arn);
            if known.is_none_or(|(since, _)| self.now >= *since + UNKNOWN_FOR) {
                self.silence.target_groups.insert(arn, (self.now, blame));
            }
        }
    }
}
