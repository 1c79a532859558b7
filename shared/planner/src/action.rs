//! The actions that a decision asks its caller (the `reconcile` function) to perform in AWS, and the result of each
//! action.

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
    /// Write `MaxSize` of a group: to make room for launches, to move the fleet's maximum to the group that has the
    /// traffic, or to restore the earlier value.
    SetMaximum {
        group: GroupName,
        /// The value that `MaxSize` must still have right before the write.
        expected: u32,
        /// The value to write.
        maximum: u32,
    },
    /// Launch the replacement instance for a drifted instance, by `LaunchInstances` with an idempotency token.
    Launch { group: GroupName, zone: Zone, replaces: InstanceId, token: String },
    /// Write the desired capacity of a group: one more, so that Auto Scaling launches a replacement instance, or one
    /// less if it launched none.
    SetDesired {
        group: GroupName,
        /// The desired capacity that the group must still have right before the write.
        expected: u32,
        /// The value to write.
        desired: u32,
        /// The drifted instance for whose replacement the capacity changes.
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
        /// Whether the termination lowers the desired capacity.
        capacity: CapacityChange,
        /// The role of the instance. A freeze defers the termination of a drifted or quarantined instance, never that
        /// of an extra instance.
        role: Role,
    },
    /// Move a drifted instance to standby for forensics: the instance leaves its target groups and stays in its Auto
    /// Scaling group.
    EnterStandby {
        group: GroupName,
        instance: InstanceId,
        /// The desired capacity that the group must still have right before the move.
        expected_desired: u32,
        /// Whether the move to standby lowers the desired capacity.
        capacity: CapacityChange,
    },
    /// Take one of the cutover slots that the fleets of this account share, before a cutover begins.
    TakeSlot,
    /// Return the cutover slot of the fleet when its cutover is over.
    GiveSlot,
    /// Write `MinSize` of a group: to launch or keep instances during a cutover, to move the fleet's minimum to the
    /// group that has the traffic, or to restore the earlier value.
    SetMinimum {
        group: GroupName,
        /// The value that `MinSize` must still have right before the write.
        expected: u32,
        /// The value to write.
        minimum: u32,
    },
    /// Scale the group of one color to zero: minimum and desired capacity become 0, and the maximum becomes the given
    /// value.
    ScaleToZero {
        group: GroupName,
        /// The minimum, maximum and desired capacity that the group must still have right before the write.
        expected: Bounds,
        /// The maximum to write.
        maximum: u32,
        /// The target group of this color, whose weight must be 0 right before the write. None: the color has no target
        /// group of its own.
        without_traffic: Option<TargetGroupArn>,
        /// Forward: the old color is scaled to zero after a cutover. Back: the new color is scaled to zero after the
        /// cutover was undone.
        direction: Direction,
    },
    /// Write a new launch template version: a copy of another version with the given image.
    WriteTemplate {
        /// The group that will launch instances with the new version.
        group: GroupName,
        /// The template that gets the version.
        template: TemplateId,
        /// The version from which the new version copies everything except the image.
        base: TemplateVersion,
        image: ImageId,
        token: String,
    },
    /// Set the launch template version of a group.
    SetTemplate {
        group: GroupName,
        /// The launch template and version that the group must still have right before the write.
        expected: TemplateReference,
        template: TemplateVersion,
    },
    /// Write the target group weights and the stickiness of a load balancer's forward action.
    SetWeights {
        /// The group whose traffic grows.
        group: GroupName,
        change: WeightChange,
        /// By target group: the number of healthy targets that the target group must have right before the write.
        gate: BTreeMap<TargetGroupArn, u32>,
        direction: Direction,
    },
    /// Attach the target group that both colors share to the group of one color.
    Attach {
        group: GroupName,
        target_group: TargetGroupArn,
        /// The Auto Scaling API family to call.
        api: AttachmentApi,
        /// The number of the group's instances that must be in service right before the call.
        in_service: u32,
        direction: Direction,
    },
    /// Detach the target group that both colors share from the group of one color.
    Detach {
        group: GroupName,
        target_group: TargetGroupArn,
        /// The Auto Scaling API family to call.
        api: AttachmentApi,
        /// The number of instances of the other color that must be healthy in the target group right before the call.
        others_healthy: u32,
        direction: Direction,
    },
    /// Start an instance refresh of the only group of a fleet.
    StartRefresh {
        group: GroupName,
        /// The settings of the refresh.
        plan: RefreshPlan,
    },
    /// Roll back an instance refresh.
    RollBackRefresh {
        group: GroupName,
        /// The instance refresh that must still be the one in progress.
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

/// New weights and stickiness of a forward action, with the values that the forward action must still have. The write
/// keeps all its other settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightChange {
    pub place: ForwardPlace,
    /// The weights that the forward action must still have.
    pub expected: BTreeMap<TargetGroupArn, u32>,
    /// The weights to write, for the same target groups.
    pub weights: BTreeMap<TargetGroupArn, u32>,
    /// The stickiness that the forward action must still have. None: stickiness is off.
    pub expected_stickiness: Option<SignedDuration>,
    /// The stickiness to write with the weights. None: stickiness is off.
    pub stickiness: Option<SignedDuration>,
}

/// The direction in which a cutover moves the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Traffic moves to the new color: a disruption, which a freeze blocks.
    Forward,
    /// Traffic moves back to the old color: no guard blocks it.
    Back,
}

/// Whether scale-in protection is switched on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    On,
    Off,
}

/// What the termination of an instance, or its move to standby, does to the desired capacity of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapacityChange {
    /// The desired capacity goes down by one, because the launch of the replacement instance had raised it by one.
    Decrement,
    /// The desired capacity stays, because the launch did not raise it or an external change has lowered it since.
    Keep,
}

/// The role of the instance that an action terminates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The drifted instance: its termination is a disruption.
    Drifted,
    /// The replacement instance of an attempt that was cancelled: its termination restores the earlier state.
    Extra,
    /// An instance that Driftless moved to standby and whose quarantine is over. The desired capacity does not count
    /// it. A freeze defers its termination, so that the evidence stays.
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

    /// The group that the action changes. None: the action changes no group.
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

    /// The instance that the action is about: for a launch and a change of desired capacity the drifted instance, for
    /// other actions the instance that they change. None: the action is about a group or a cutover slot.
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

/// An action and its result, as input of the next decision in the same run. A crash loses the result. The next run then
/// derives the action again and repeats it, which is safe because actions are idempotent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub action: Action,
    pub result: ActionResult,
}

/// The result of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionResult {
    /// The change was made now, or was already in effect.
    Done,
    /// The instance was launched; this is its id.
    Launched(InstanceId),
    /// The launch template version was written; this is the version with its number.
    Written(TemplateVersion),
    /// The instance refresh was started; this is its id.
    Started(RefreshId),
    /// All cutover slots are taken by other fleets.
    NoSlot,
    /// The resource that the action changes no longer exists, the instance is already terminating, or the refresh is
    /// over.
    Gone,
    /// AWS is busy with the group, or its response cannot be relied on: the fleet gets another pass soon.
    Busy(UntrustedText),
    /// The live value differs from the expected one. Nothing was written.
    Changed,
    /// A freeze began after the decision. Nothing was written.
    Frozen,
    /// The AWS endpoint or the group does not support the call.
    Unsupported,
    /// AWS could not perform the action, for the reason in this message.
    Failed(UntrustedText),
    /// IAM denied the call, for the reason in this message.
    Denied(UntrustedText),
}

impl ActionResult {
    /// Whether the result is the one that the decision assumed. The later actions of the same decision depend on it.
    pub const fn is_as_decided(&self) -> bool {
        matches!(self, Self::Done | Self::Launched(_) | Self::Written(_) | Self::Started(_) | Self::Gone)
    }
}
