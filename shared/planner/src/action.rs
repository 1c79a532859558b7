//! What is to be done, and what came of it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::balancer::{AttachmentApi, ForwardPlace};
use crate::ids::{GroupName, ImageId, InstanceId, RefreshId, TargetGroupArn, TemplateId, Zone};
use crate::refresh::RefreshPlan;
use crate::template::{TemplateReference, TemplateVersion};
use crate::text::UntrustedText;

/// One thing to do. Each can be repeated: done again on a world in which it is done, it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Raise `MaxSize` to make room.
    SetMaximum {
        group: GroupName,
        /// The value it must still have.
        expected: u32,
        /// The value to write.
        maximum: u32,
    },
    /// Launch the successor of a drifted instance.
    Launch { group: GroupName, zone: Zone, replaces: InstanceId, token: String },
    /// Write the desired capacity: one up for a successor, or back down when none came.
    SetDesired {
        group: GroupName,
        /// The value it must still have.
        expected: u32,
        /// The value to write.
        desired: u32,
        /// The drifted instance for whose sake.
        replaces: InstanceId,
    },
    /// Switch scale-in protection of a successor on or off.
    Protect { group: GroupName, instance: InstanceId, protection: Protection },
    /// Terminate one instance by its id.
    Terminate {
        group: GroupName,
        instance: InstanceId,
        /// The desired capacity that the group must still have: whether to lower it was decided on it.
        expected_desired: u32,
        /// Whether desired capacity goes down with it.
        capacity: CapacityChange,
        /// What it is to us: a freeze holds back the end of a drifted instance, never the end of a extra instance.
        role: Role,
    },
    /// Set a drifted instance aside for forensics: out of its target groups, still of its group.
    EnterStandby {
        group: GroupName,
        instance: InstanceId,
        /// The desired capacity that the group must still have.
        expected_desired: u32,
        /// Whether desired capacity goes down with it.
        capacity: CapacityChange,
    },
    /// Take one of the cutover slots that the fleets of this account share, before a cutover begins.
    TakeSlot,
    /// Give the cutover slot back.
    GiveSlot,
    /// Write `MinSize`: pin it, let it follow, or put it back.
    SetMinimum {
        group: GroupName,
        /// The value it must still have.
        expected: u32,
        /// The value to write.
        minimum: u32,
    },
    /// Write minimum and desired capacity as 0 and the maximum as given: a color is scaled to zero.
    ScaleToZero {
        group: GroupName,
        /// The bounds that it must still have.
        expected: Bounds,
        /// The maximum to write.
        maximum: u32,
        /// The target group whose weight must be 0 right before. None: the layout has none of its own.
        without_traffic: Option<TargetGroupArn>,
        /// Forward: the old color is scaled to zero after a cutover. Back: the new one, after it was undone.
        direction: Direction,
    },
    /// Write a launch template version.
    WriteTemplate {
        /// The group that will use it.
        group: GroupName,
        /// The template that gets the version.
        template: TemplateId,
        /// What it says, but for the image.
        base: TemplateVersion,
        image: ImageId,
        token: String,
    },
    /// Give a group a launch template version.
    SetTemplate {
        group: GroupName,
        /// What it must still use.
        expected: TemplateReference,
        template: TemplateVersion,
    },
    /// Write the weights of a forward action.
    SetWeights {
        /// The group whose traffic grows.
        group: GroupName,
        change: WeightChange,
        /// Healthy targets that must be there right before the write, by target group.
        gate: BTreeMap<TargetGroupArn, u32>,
        direction: Direction,
    },
    /// Attach a shared target group to a color.
    Attach {
        group: GroupName,
        target_group: TargetGroupArn,
        /// With which API family.
        api: AttachmentApi,
        /// How many of the group's instances must be in service right before.
        in_service: u32,
        direction: Direction,
    },
    /// Detach a shared target group from a color.
    Detach {
        group: GroupName,
        target_group: TargetGroupArn,
        /// With which API family.
        api: AttachmentApi,
        /// How many instances of the other color must be healthy in it right before.
        others_healthy: u32,
        direction: Direction,
    },
    /// Start an instance refresh of a single group.
    StartRefresh {
        group: GroupName,
        /// What it is asked for.
        plan: RefreshPlan,
    },
    /// Send an instance refresh back.
    RollBackRefresh {
        group: GroupName,
        /// The refresh that must be the one under way.
        refresh: RefreshId,
    },
}

/// `MinSize`, `MaxSize` and the desired capacity of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    pub min: u32,
    pub max: u32,
    pub desired: u32,
}

/// A write of weights: what must still be there, and what takes its place. Everything else about the action stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightChange {
    pub place: ForwardPlace,
    /// The weights that it must still have.
    pub expected: BTreeMap<TargetGroupArn, u32>,
    /// The weights to write, for the same target groups.
    pub weights: BTreeMap<TargetGroupArn, u32>,
    /// The stickiness that it must still have.
    pub expected_stickiness: Option<SignedDuration>,
    /// The stickiness to write with them.
    pub stickiness: Option<SignedDuration>,
}

/// Which way traffic moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the new color: a disruption, which a freeze holds back.
    Forward,
    /// To the old color: nothing holds it back.
    Back,
}

/// Scale-in protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    On,
    Off,
}

/// What a termination does to the desired capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapacityChange {
    /// It goes down by one: the surge raised it.
    Decrement,
    /// It stays: the surge did not raise it, or someone lowered it meanwhile.
    Keep,
}

/// What a terminated instance is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The drifted one: its termination is a disruption.
    Drifted,
    /// The successor of a surge that is abandoned: its termination puts things back.
    Extra,
    /// Set aside by us, in standby, and kept long enough: it counts in no capacity. A freeze keeps the evidence.
    Quarantined,
}

impl Action {
    /// Whether it disrupts, so that a freeze which came after the decision holds it back.
    pub const fn is_disruptive(&self) -> bool {
        match self {
            Self::SetMaximum { expected, maximum: to, .. }
            | Self::SetMinimum { expected, minimum: to, .. }
            | Self::SetDesired { expected, desired: to, .. } => *to > *expected,
            Self::Launch { .. }
            | Self::TakeSlot
            | Self::WriteTemplate { .. }
            | Self::EnterStandby { .. }
            | Self::StartRefresh { .. } => true,
            Self::Protect { .. } | Self::GiveSlot | Self::SetTemplate { .. } | Self::RollBackRefresh { .. } => false,
            Self::Terminate { role, .. } => matches!(role, Role::Drifted | Role::Quarantined),
            Self::ScaleToZero { direction, .. }
            | Self::SetWeights { direction, .. }
            | Self::Attach { direction, .. }
            | Self::Detach { direction, .. } => matches!(direction, Direction::Forward),
        }
    }

    /// The group that it changes. None: it changes no group.
    pub const fn group(&self) -> Option<&GroupName> {
        match self {
            Self::SetMaximum { group, .. }
            | Self::Launch { group, .. }
            | Self::SetDesired { group, .. }
            | Self::Protect { group, .. }
            | Self::Terminate { group, .. }
            | Self::EnterStandby { group, .. }
            | Self::SetMinimum { group, .. }
            | Self::ScaleToZero { group, .. }
            | Self::WriteTemplate { group, .. }
            | Self::SetTemplate { group, .. }
            | Self::SetWeights { group, .. }
            | Self::Attach { group, .. }
            | Self::Detach { group, .. }
            | Self::StartRefresh { group, .. }
            | Self::RollBackRefresh { group, .. } => Some(group),
            Self::TakeSlot | Self::GiveSlot => None,
        }
    }

    /// The instance for whose sake it is done: a drifted one, or the one that it acts on. None: it is about a group.
    pub const fn for_the_sake_of(&self) -> Option<&InstanceId> {
        if let Self::Launch { replaces: instance, .. }
        | Self::SetDesired { replaces: instance, .. }
        | Self::Terminate { instance, .. }
        | Self::EnterStandby { instance, .. }
        | Self::Protect { instance, .. } = self
        {
            Some(instance)
        } else {
            None
        }
    }

    /// The word for it in logs and messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SetMaximum { .. } => "set-maximum",
            Self::Launch { .. } => "launch",
            Self::SetDesired { .. } => "set-desired",
            Self::Protect { .. } => "protect",
            Self::Terminate { .. } => "terminate",
            Self::EnterStandby { .. } => "enter-standby",
            Self::TakeSlot => "take-slot",
            Self::GiveSlot => "give-slot",
            Self::SetMinimum { .. } => "set-minimum",
            Self::ScaleToZero { .. } => "scale-to-zero",
            Self::WriteTemplate { .. } => "write-template",
            Self::SetTemplate { .. } => "set-template",
            Self::SetWeights { .. } => "set-weights",
            Self::Attach { .. } => "attach",
            Self::Detach { .. } => "detach",
            Self::StartRefresh { .. } => "start-refresh",
            Self::RollBackRefresh { .. } => "roll-back-refresh",
        }
    }
}

/// What came of an action. It is input of the next decision of the same run, and lost in a crash: then the action is
/// derived again, and repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was to be done.
    pub action: Action,
    /// What came of it.
    pub result: ActionResult,
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionResult {
    /// Done, or already so.
    Done,
    /// Launched, as this instance.
    Launched(InstanceId),
    /// The launch template version was written, as this number.
    Written(TemplateVersion),
    /// The instance refresh was started, as this one.
    Started(RefreshId),
    /// All cutover slots are taken by other fleets.
    NoSlot,
    /// What it was to act on is gone.
    Gone,
    /// Not now: AWS is busy with the group, or answered nothing that can be relied on. Reconcile again soon.
    Busy(UntrustedText),
    /// The value that was decided on is no longer the live one. Nothing was written.
    Changed,
    /// A freeze came after the decision. Nothing was written.
    Frozen,
    /// The endpoint or the group does not offer the call.
    Unsupported,
    /// AWS tried and could not, with its message.
    Failed(UntrustedText),
    /// Our permissions do not allow it, with AWS's message.
    Denied(UntrustedText),
}

impl ActionResult {
    /// Whether it came out as decided. What follows in the same decision was decided on that.
    pub const fn is_as_decided(&self) -> bool {
        matches!(self, Self::Done | Self::Launched(_) | Self::Written(_) | Self::Started(_) | Self::Gone)
    }
}
