//! The actions of a decision, in order, with an index of their effects for later steps. The index is updated when an
//! action is added, so no step searches the list.

use std::collections::BTreeSet;

use crate::action::Action;
use crate::ids::{GroupName, InstanceId};

/// The actions of a decision.
#[derive(Debug, Default)]
pub(super) struct Effects {
    actions: Vec<Action>,
    /// Groups from which this decision removes an instance. It removes at most one instance from each, because the next
    /// removal depends on the capacity that the first one leaves.
    taken_from: BTreeSet<GroupName>,
    /// Instances that this decision terminates.
    terminated: BTreeSet<InstanceId>,
    /// Groups whose desired capacity this decision writes. A decision writes each group at most once: a second write would
    /// have to expect the result of the first, which this decision has not read.
    resized: BTreeSet<GroupName>,
    /// Groups whose minimum or maximum this decision writes.
    bounded: BTreeSet<GroupName>,
}

impl Effects {
    /// Adds an action after the earlier ones, and its effect to the index.
    pub(super) fn push(&mut self, action: Action) {
        match &action {
            Action::Terminate { group, instance, .. } => {
                self.taken_from.insert(group.clone());
                self.terminated.insert(instance.clone());
            }
            Action::EnterStandby { group, .. } => {
                self.taken_from.insert(group.clone());
            }
            Action::SetDesired { group, .. } => {
                self.resized.insert(group.clone());
            }
            Action::SetMinimum { group, .. } | Action::SetMaximum { group, .. } => {
                self.bounded.insert(group.clone());
            }
            Action::Launch { .. }
            | Action::Protect { .. }
            | Action::SetTemplate { .. }
            | Action::WriteTemplate { .. }
            | Action::SetWeights { .. }
            | Action::Attach { .. }
            | Action::Detach { .. }
            | Action::ScaleToZero { .. }
            | Action::StartRefresh { .. }
            | Action::RollBackRefresh { .. }
            | Action::TakeSlot
            | Action::GiveSlot => {}
        }
        self.actions.push(action);
    }

    /// Adds a raise of a group's `MaxSize`, or changes the raise that this decision already has. Two replacements that
    /// are admitted together need one raise, because a second write would not find the value that it expects.
    pub(super) fn raise_maximum(&mut self, group: &GroupName, expected: u32, maximum: u32) {
        for action in &mut self.actions {
            if let Action::SetMaximum { group: raised, maximum: known, .. } = action
                && raised == group
            {
                *known = maximum;
                return;
            }
        }
        self.push(Action::SetMaximum { group: group.clone(), expected, maximum });
    }

    /// Whether this decision already removes an instance from the group.
    pub(super) fn takes_from(&self, group: &GroupName) -> bool {
        self.taken_from.contains(group)
    }

    /// Whether this decision terminates the instance.
    pub(super) fn terminates(&self, instance: &InstanceId) -> bool {
        self.terminated.contains(instance)
    }

    /// Whether this decision already writes the desired capacity of the group.
    pub(super) fn resizes(&self, group: &GroupName) -> bool {
        self.resized.contains(group)
    }

    /// Whether this decision already writes the minimum or the maximum of the group.
    pub(super) fn bounds(&self, group: &GroupName) -> bool {
        self.bounded.contains(group)
    }

    pub(super) fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// Removes the actions that the predicate rejects.
    pub(super) fn retain(&mut self, keeps: impl Fn(&Action) -> bool) {
        self.actions.retain(keeps);
    }

    pub(super) fn into_actions(self) -> Vec<Action> {
        self.actions
    }
}
