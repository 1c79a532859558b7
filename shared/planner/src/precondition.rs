//! The precondition of each write: whether the live state is still the one that the decision assumed.
//!
//! The live state changes between a decision and its writes. So [`needs`] lists what to read again right before a
//! write, and [`precondition`] compares it with the decision's assumptions. A difference ends the attempt; no new
//! choice is made.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Action, ActionResult, Bounds, Protection, WeightChange};
use crate::balancer::Forward;
use crate::ids::{InstanceId, RefreshId, TargetGroupArn};
use crate::observation::{Group, Lifecycle, TargetHealth};
use crate::refresh::{Refresh, RefreshStatus};
use crate::template::TemplateReference;

/// What to read right before an action, besides its group and, for disruptive actions, the freezes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The target groups whose forward actions to read.
    pub forwards: BTreeSet<TargetGroupArn>,
    /// The target groups whose target health to read.
    pub targets: BTreeSet<TargetGroupArn>,
    /// Whether to read the newest instance refresh of the group.
    pub refresh: bool,
}

/// The live state right before a write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Whether a freeze is in force. Read for disruptive actions only.
    pub is_frozen: bool,
    /// The group of the action. None: it does not exist, or the action has none.
    pub group: Option<Group>,
    /// The forward actions that [`Needs::forwards`] asks for.
    pub forwards: Vec<Forward>,
    /// The health of the targets in the target groups of [`Needs::targets`].
    pub targets: BTreeMap<TargetGroupArn, BTreeMap<InstanceId, TargetHealth>>,
    /// The newest instance refresh of the group, if [`Needs::refresh`] asks for it. None also if the group has none.
    pub refresh: Option<Refresh>,
}

/// What remains to do for an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Do not write: a freeze began after the decision.
    Frozen,
    /// Do not write: the resource no longer exists, the instance is already terminating, or the refresh is over.
    Gone,
    /// Do not write: the change is already in effect.
    Done,
    /// Do not write: the live state differs from the decision's assumption.
    Changed,
    Proceed,
}

impl Precondition {
    /// The result of an action that is not written. None: the action is to be written.
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

    /// Adds the condition that `is_changed` is false. A change that is already in effect counts as done, whatever else
    /// has changed.
    fn unless_also(self, is_changed: bool) -> Self {
        if self == Self::Proceed { Self::unless(is_changed) } else { self }
    }

    /// Compares the live value of a setting with the expected value and the wanted value.
    fn of_setting<T: PartialEq>(live: &T, expected: &T, wanted: &T) -> Self {
        if live == wanted { Self::Done } else { Self::unless(live != expected) }
    }
}

/// What to read right before an action. Most actions do not depend on traffic and need nothing.
pub fn needs(action: &Action) -> Needs {
    let mut needs = Needs::default();
    match action {
        Action::SetWeights { change, gate, .. } => {
            needs.forwards = change.weights.keys().cloned().collect();
            needs.targets = gate.keys().cloned().collect();
        }
        Action::ScaleToZero { without_traffic, .. } => needs.forwards.extend(without_traffic.clone()),
        Action::Detach { target_group, .. } => needs.targets.extend([target_group.clone()]),
        Action::RollBackRefresh { .. } => needs.refresh = true,
        Action::SetMaximum { .. }
        | Action::SetMinimum { .. }
        | Action::SetDesired { .. }
        | Action::Launch { .. }
        | Action::Protect { .. }
        | Action::Terminate { .. }
        | Action::EnterStandby { .. }
        | Action::WriteTemplate { .. }
        | Action::SetTemplate { .. }
        | Action::Attach { .. }
        | Action::StartRefresh { .. }
        | Action::TakeSlot
        | Action::GiveSlot => {}
    }
    needs
}

/// What remains to do for an action, given the live state right before its write.
pub fn precondition(action: &Action, live: &Live) -> Precondition {
    if live.is_frozen && action.is_disruptive() {
        return Precondition::Frozen;
    }
    let Some(group) = &live.group else {
        // The write itself compares the owner of a cutover slot, by a DynamoDB condition.
        return if action.group().is_some() { Precondition::Gone } else { Precondition::Proceed };
    };
    match action {
        // AWS would terminate instances until the group fits under the new maximum.
        Action::SetMaximum { expected, maximum, .. } => {
            Precondition::of_setting(&group.max, expected, maximum).unless_also(*maximum < group.desired)
        }
        Action::SetMinimum { expected, minimum, .. } => Precondition::of_setting(&group.min, expected, minimum),
        Action::SetTemplate { expected, template, .. } => {
            Precondition::of_setting(&group.template, expected, &TemplateReference::Numbered(template.clone()))
        }
        // A group that already has the size may have it from an external change, for another purpose.
        Action::SetDesired { expected, .. } => Precondition::unless(group.desired != *expected),
        Action::Protect { instance, protection, .. } => match group.member(instance) {
            None => Precondition::Gone,
            Some(member) if member.protected == (*protection == Protection::On) => Precondition::Done,
            Some(_) => Precondition::Proceed,
        },
        Action::Terminate { instance, expected_desired, .. } => take_out(group, instance, *expected_desired),
        Action::EnterStandby { instance, expected_desired, .. } => {
            match group.member(instance).map(|member| &member.lifecycle) {
                Some(Lifecycle::Standby) => Precondition::Done,
                _ => take_out(group, instance, *expected_desired),
            }
        }
        Action::ScaleToZero { expected, maximum, without_traffic, .. } => {
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
        // A repeated call gets the same response again, or AWS refuses it.
        Action::Launch { .. }
        | Action::WriteTemplate { .. }
        | Action::StartRefresh { .. }
        | Action::TakeSlot
        | Action::GiveSlot => Precondition::Proceed,
    }
}

/// Whether an instance may still be terminated or moved to standby: it is in its group, and the desired capacity is the
/// one that the decision assumed.
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
