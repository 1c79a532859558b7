//! What is asked right before each write: whether what was decided still fits the world as it is by then.
//!
//! A decision was made on a world that goes on meanwhile. So [`needs`] says what to read once more, and [`precondition`]
//! compares it with what was decided on. No choice is left: a difference ends the attempt.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Action, ActionResult, Bounds, Protection, WeightChange};
use crate::balancer::Forward;
use crate::ids::{InstanceId, RefreshId, TargetGroupArn};
use crate::observation::{Group, Lifecycle, TargetHealth};
use crate::refresh::{Refresh, RefreshStatus};
use crate::template::TemplateReference;

/// What has to be read for an action, besides its group and, where it disrupts, the freezes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The target groups whose forward actions count.
    pub forwards: BTreeSet<TargetGroupArn>,
    /// The target groups whose targets' health counts.
    pub targets: BTreeSet<TargetGroupArn>,
    /// Whether the newest instance refresh of the group counts.
    pub refresh: bool,
}

/// What an action meets right before its write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Whether a freeze holds. It is read for what disrupts only.
    pub is_frozen: bool,
    /// The action's group. None: there is none, or the action is about none.
    pub group: Option<Group>,
    /// The forward actions that were asked for.
    pub forwards: Vec<Forward>,
    /// The health of the targets that was asked for.
    pub targets: BTreeMap<TargetGroupArn, BTreeMap<InstanceId, TargetHealth>>,
    /// The newest instance refresh, where it was asked for.
    pub refresh: Option<Refresh>,
}

/// What is left to do of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing: a freeze came after the decision.
    Frozen,
    /// Nothing: what it was to act on is gone.
    Gone,
    /// Nothing: it is so already.
    Done,
    /// Nothing: it was decided on another world.
    Changed,
    /// The write.
    Proceed,
}

impl Precondition {
    /// What came of an action that is not written. None: the write is still to be made.
    pub const fn result(self) -> Option<ActionResult> {
        match self {
            Self::Frozen => Some(ActionResult::Frozen),
            Self::Gone => Some(ActionResult::Gone),
            Self::Done => Some(ActionResult::Done),
            Self::Changed => Some(ActionResult::Changed),
            Self::Proceed => None,
        }
    }

    const fn unless(is_changed: bool) -> Self {
        if is_changed { Self::Changed } else { Self::Proceed }
    }

    /// What is so already is so, whatever else has changed.
    fn unless_also(self, is_changed: bool) -> Self {
        if self == Self::Proceed { Self::unless(is_changed) } else { self }
    }

    /// A setting that was decided on one value, and is to have another.
    fn of_setting<T: PartialEq>(live: &T, expected: &T, wanted: &T) -> Self {
        if live == wanted { Self::Done } else { Self::unless(live != expected) }
    }
}

/// What has to be read for an action. Most depend on no traffic.
pub fn needs(action: &Action) -> Needs {
    let mut needs = Needs::default();
    match action {
        Action::SetWeights { change, gate, .. } => {
            needs.forwards = change.weights.keys().cloned().collect();
            needs.targets = gate.keys().cloned().collect();
        }
        Action::Empty { without_traffic, .. } => needs.forwards.extend(without_traffic.clone()),
        Action::Detach { target_group, .. } => needs.targets.extend([target_group.clone()]),
        Action::RollBackRefresh { .. } => needs.refresh = true,
        Action::SetMaximum { .. }
        | Action::SetMinimum { .. }
        | Action::SetDesired { .. }
        | Action::Launch { .. }
        | Action::Protect { .. }
        | Action::Terminate { .. }
        | Action::SetAside { .. }
        | Action::WriteTemplate { .. }
        | Action::SetTemplate { .. }
        | Action::Attach { .. }
        | Action::StartRefresh { .. }
        | Action::TakeTurn
        | Action::GiveTurn => {}
    }
    needs
}

/// What is left to do of an action, where this is there right before its write.
pub fn precondition(action: &Action, live: &Live) -> Precondition {
    if live.is_frozen && action.is_disruptive() {
        return Precondition::Frozen;
    }
    let Some(group) = &live.group else {
        // Who has a turn is compared by the table, in the write itself.
        return if action.group().is_some() { Precondition::Gone } else { Precondition::Proceed };
    };
    match action {
        // AWS would terminate what is above a maximum: it is decided anew.
        Action::SetMaximum { expected, maximum, .. } => {
            Precondition::of_setting(&group.max, expected, maximum).unless_also(*maximum < group.desired)
        }
        Action::SetMinimum { expected, minimum, .. } => Precondition::of_setting(&group.min, expected, minimum),
        Action::SetTemplate { expected, template, .. } => {
            Precondition::of_setting(&group.template, expected, &TemplateReference::Numbered(template.clone()))
        }
        // One that has the size already may have it from somebody else, who wants it for something else.
        Action::SetDesired { expected, .. } => Precondition::unless(group.desired != *expected),
        Action::Protect { instance, protection, .. } => match group.member(instance) {
            None => Precondition::Gone,
            Some(member) if member.protected == (*protection == Protection::On) => Precondition::Done,
            Some(_) => Precondition::Proceed,
        },
        Action::Terminate { instance, expected_desired, .. } => take_out(group, instance, *expected_desired),
        Action::SetAside { instance, expected_desired, .. } => {
            match group.member(instance).map(|member| &member.lifecycle) {
                Some(Lifecycle::Standby) => Precondition::Done,
                _ => take_out(group, instance, *expected_desired),
            }
        }
        Action::Empty { expected, maximum, without_traffic, .. } => {
            let has_traffic = without_traffic.as_ref().is_some_and(|target_group| live.has_weight(target_group));
            let bounds = Bounds { min: group.min, max: group.max, desired: group.desired };
            let empty = Bounds { min: 0, max: *maximum, desired: 0 };
            Precondition::of_setting(&bounds, expected, &empty).unless_also(has_traffic)
        }
        Action::SetWeights { change, gate, .. } => live.weighs(change, gate),
        Action::Attach { target_group, .. } if group.target_groups.contains(target_group) => Precondition::Done,
        Action::Attach { in_service, .. } => {
            let serving = group.members.iter().filter(|member| member.lifecycle == Lifecycle::InService);
            Precondition::unless(is_fewer(serving.count(), *in_service))
        }
        Action::Detach { target_group, .. } if !group.target_groups.contains(target_group) => Precondition::Done,
        Action::Detach { target_group, others_healthy, .. } => {
            let healthy = live.healthy_in(target_group, |id| group.member(id).is_none());
            Precondition::unless(is_fewer(healthy, *others_healthy))
        }
        Action::RollBackRefresh { refresh, .. } => live.goes_back(refresh),
        // Asked for again, AWS gives the same answer again, or refuses.
        Action::Launch { .. }
        | Action::WriteTemplate { .. }
        | Action::StartRefresh { .. }
        | Action::TakeTurn
        | Action::GiveTurn => Precondition::Proceed,
    }
}

/// Whether to lower the size with it was decided on the size.
fn take_out(group: &Group, instance: &InstanceId, expected_desired: u32) -> Precondition {
    match group.member(instance).map(|member| &member.lifecycle) {
        None | Some(Lifecycle::Terminating) => Precondition::Gone,
        Some(_) => Precondition::unless(group.desired != expected_desired),
    }
}

fn is_fewer(there: usize, needed: u32) -> bool {
    u32::try_from(there).is_ok_and(|there| there < needed)
}

impl Live {
    fn has_weight(&self, target_group: &TargetGroupArn) -> bool {
        self.forwards.iter().any(|forward| forward.weights.get(target_group).is_some_and(|weight| *weight > 0))
    }

    fn healthy_in(&self, target_group: &TargetGroupArn, counts: impl Fn(&InstanceId) -> bool) -> usize {
        let targets = self.targets.get(target_group).into_iter().flatten();
        targets.filter(|(id, health)| **health == TargetHealth::Healthy && counts(id)).count()
    }

    fn weighs(&self, change: &WeightChange, gate: &BTreeMap<TargetGroupArn, u32>) -> Precondition {
        let Some(forward) = self.forwards.iter().find(|forward| forward.place == change.place) else {
            return Precondition::Gone;
        };
        let live = (&forward.weights, forward.stickiness);
        let (expected, wanted) = ((&change.expected, change.expected_stickiness), (&change.weights, change.stickiness));
        let is_short = |(arn, needed): (_, &u32)| is_fewer(self.healthy_in(arn, |_| true), *needed);
        Precondition::of_setting(&live, &expected, &wanted).unless_also(gate.iter().any(is_short))
    }

    fn goes_back(&self, decided: &RefreshId) -> Precondition {
        match &self.refresh {
            Some(live) if live.id != *decided || !live.status.is_under_way() => Precondition::Gone,
            Some(live) if live.status == RefreshStatus::GoingBack => Precondition::Done,
            Some(_) => Precondition::Proceed,
            None => Precondition::Gone,
        }
    }
}
