//! The actions that a decision asks the shell to perform, and the result of each.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::balancer::{AttachmentApi, ForwardPlace};
use crate::ids::{GroupName, ImageId, InstanceId, RefreshId, TargetGroupArn, TemplateId, Zone};
use crate::refresh::RefreshPlan;
use crate::template::{TemplateReference, TemplateVersion};
use crate::text::UntrustedText;

/// One change to make in AWS. Every action is idempotent: performed again after it took effect, it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write `MaxSize`: to make room for a launch, to hand over the bounds, or to restore it.
    SetMaximum {
        group: GroupName,
        /// The value it must still have.
        expected: u32,
        /// The value to write.
        maximum: u32,
    },
    /// Launch the replacement instance of a drifted instance.
    Launch { group: GroupName, zone: Zone, replaces: InstanceId, token: String },
    /// Write the desired capacity: one more for a replacement instance, or one less if none was launched.
    SetDesired {
        group: GroupName,
        /// The value it must still have.
        expected: u32,
        /// The value to write.
        desired: u32,
        /// The drifted instance that the surge replaces.
        replaces: InstanceId,
    },
    /// Switch scale-in protection of a replacement instance on or off.
    Protect { group: GroupName, instance: InstanceId, protection: Protection },
    /// Terminate one instance by its id.
    Terminate {
        group: GroupName,
        instance: InstanceId,
        /// The desired capacity that the group must still have: the decision whether to lower it assumed this value.
        expected_desired: u32,
        /// Whether desired capacity goes down with it.
        capacity: CapacityChange,
        /// The role of the instance: a freeze defers the termination of a drifted instance, never that of an extra
        /// instance.
        role: Role,
    },
    /// Move a drifted instance to standby for forensics: it leaves its target groups and stays in its group.
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
    /// Return the cutover slot.
    GiveSlot,
    /// Write `MinSize`: to pin it, to follow the live group, or to restore it.
    SetMinimum {
        group: GroupName,
        /// The value it must still have.
        expected: u32,
        /// The value to write.
        minimum: u32,
    },
    /// Scale a color to zero: minimum and desired capacity become 0, the maximum becomes the given value.
    ScaleToZero {
        group: GroupName,
        /// The bounds that it must still have.
        expected: Bounds,
        /// The maximum to write.
        maximum: u32,
        /// The target group whose weight must be 0 right before the write. None: the layout has no target group of its
        /// own for this color.
        without_traffic: Option<TargetGroupArn>,
        /// Forward: the old color is scaled to zero after a cutover. Back: the new color, after the cutover was undone.
        direction: Direction,
    },
    /// Write a launch template version.
    WriteTemplate {
        /// The group that will use it.
        group: GroupName,
        /// The template that gets the version.
        template: TemplateId,
        /// The version that the new one copies, except for the image.
        base: TemplateVersion,
        image: ImageId,
        token: String,
    },
    /// Set the launch template version of a group.
    SetTemplate {
        group: GroupName,
        /// The template reference that the group must still have.
        expected: TemplateReference,
        template: TemplateVersion,
    },
    /// Write the weights of a forward action.
    SetWeights {
        /// The group whose traffic grows.
        group: GroupName,
        change: WeightChange,
        /// Healthy targets that each target group must have right before the write.
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
        /// The settings of the refresh.
        plan: RefreshPlan,
    },
    /// Roll back an instance refresh.
    RollBackRefresh {
        group: GroupName,
        /// The refresh that must be the one in progress.
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

/// A write of weights: the expected values and the new ones. The write keeps all other settings of the forward action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightChange {
    pub place: ForwardPlace,
    /// The weights that the action must still have.
    pub expected: BTreeMap<TargetGroupArn, u32>,
    /// The weights to write, for the same target groups.
    pub weights: BTreeMap<TargetGroupArn, u32>,
    /// The stickiness that the action must still have.
    pub expected_stickiness: Option<SignedDuration>,
    /// The stickiness to write with them.
    pub stickiness: Option<SignedDuration>,
}

/// Which way traffic moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the new color: a disruption, which a freeze blocks.
    Forward,
    /// To the old color: no guard blocks it.
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
    /// It goes down by one: the surge had raised it by one.
    Decrement,
    /// It stays: the surge did not raise it, or an external change has lowered it since.
    Keep,
}

/// The role of a terminated instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The drifted instance: its termination is a disruption.
    Drifted,
    /// The replacement instance of an abandoned surge: its termination restores the earlier state.
    Extra,
    /// An instance that Driftless moved to standby and whose quarantine is over. It counts in no capacity. A freeze
    /// keeps it, as evidence.
    Quarantined,
}

impl Action {
    /// Whether the action disrupts the fleet, so that a freeze which began after the decision blocks it.
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

    /// The group that the action changes. None: it changes no group.
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

    /// The drifted instance that the action serves, or else the instance that it changes. None: the action is about a
    /// group.
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

    /// The name of the action in logs and messages.
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

/// An action and its result, as input of the next decision in the same run. A crash loses it; the next run then derives
/// the action again and repeats it, which is safe because actions are idempotent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub action: Action,
    pub result: ActionResult,
}

/// The result of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionResult {
    /// Performed now, or already in effect.
    Done,
    /// Launched, with the id of the new instance.
    Launched(InstanceId),
    /// The launch template version was written, with its number.
    Written(TemplateVersion),
    /// The instance refresh was started, with its id.
    Started(RefreshId),
    /// All cutover slots are taken by other fleets.
    NoSlot,
    /// The resource that the action changes no longer exists.
    Gone,
    /// AWS is busy with the group, or its response cannot be relied on. Requeue soon.
    Busy(UntrustedText),
    /// The live value differs from the expected one. Nothing was written.
    Changed,
    /// A freeze began after the decision. Nothing was written.
    Frozen,
    /// The endpoint or the group does not support the call.
    Unsupported,
    /// AWS tried and failed, with its message.
    Failed(UntrustedText),
    /// IAM denied the call, with AWS's message.
    Denied(UntrustedText),
}

impl ActionResult {
    /// Whether the result is the one that the decision assumed. The later actions of the same decision depend on it.
    pub const fn is_as_decided(&self) -> bool {
        matches!(self, Self::Done | Self::Launched(_) | Self::Written(_) | Self::Started(_) | Self::Gone)
    }
}
