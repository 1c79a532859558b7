//! The writes of Driftless to AWS. The invariant checkers check each write right before its effect, against the true
//! state of the simulated account.

use std::collections::BTreeMap;

use driftless_planner::action::{CapacityChange, WeightChange};
use driftless_planner::balancer::AttachmentApi;
use driftless_planner::ids::{GroupName, ImageId, InstanceId, TargetGroupArn, Zone};
use driftless_planner::template::TemplateVersion;
use jiff::Timestamp;

/// A write of Driftless to AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsWrite {
    Minimum {
        group: GroupName,
        minimum: u32,
    },
    Maximum {
        group: GroupName,
        maximum: u32,
    },
    /// The desired capacity was written.
    Desired {
        group: GroupName,
        desired: u32,
    },
    /// An instance was launched.
    Launch {
        group: GroupName,
        zone: Zone,
    },
    /// An instance was terminated.
    Terminate {
        instance: InstanceId,
        /// Whether the termination lowers desired capacity by one.
        capacity: CapacityChange,
    },
    /// An instance entered Standby.
    EnterStandby {
        group: GroupName,
        instance: InstanceId,
        /// Whether the move to Standby lowers desired capacity by one.
        capacity: CapacityChange,
    },
    Protect {
        group: GroupName,
        instance: InstanceId,
        on: bool,
    },
    /// A group was scaled to zero.
    ScaleToZero {
        group: GroupName,
    },
    /// The launch template version of a group was set.
    Template {
        group: GroupName,
    },
    /// A launch template version was written.
    WriteTemplate {
        image: ImageId,
    },
    /// A target group was attached.
    Attach {
        group: GroupName,
        target_group: TargetGroupArn,
        /// The API family with which the target group is attached: target groups or traffic sources.
        api: AttachmentApi,
    },
    Detach {
        group: GroupName,
        target_group: TargetGroupArn,
    },
    Weights(WeightChange),
    /// An instance refresh was started.
    StartRefresh {
        group: GroupName,
        /// The launch template version that the refresh rolls out.
        template: TemplateVersion,
    },
    /// An instance refresh was rolled back.
    RollBackRefresh {
        group: GroupName,
    },
}

/// All writes of Driftless so far.
#[derive(Debug, Clone, Default)]
pub struct AwsWrites {
    /// Instances that Driftless launched, each with the time of the launch.
    pub launched: BTreeMap<InstanceId, Timestamp>,
    /// Instances that Driftless terminated, each with the time of the call.
    pub terminated: BTreeMap<InstanceId, Timestamp>,
    /// Instances that Driftless moved to Standby, each with the time of the call.
    pub enter_standby: BTreeMap<InstanceId, Timestamp>,
    /// Number of writes, by the name of their kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// Every write in order, with its time. Recorded only while the trace is on.
    pub told: Vec<(Timestamp, AwsWrite)>,
}

impl AwsWrite {
    /// The name of this kind of write in the counts.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Minimum { .. } => "minimum",
            Self::Maximum { .. } => "maximum",
            Self::Desired { .. } => "desired",
            Self::Launch { .. } => "launch",
            Self::Terminate { .. } => "terminate",
            Self::EnterStandby { .. } => "set aside",
            Self::Protect { .. } => "protect",
            Self::ScaleToZero { .. } => "scale-to-zero",
            Self::Template { .. } => "template",
            Self::WriteTemplate { .. } => "write template",
            Self::Attach { .. } => "attach",
            Self::Detach { .. } => "detach",
            Self::Weights(_) => "weights",
            Self::StartRefresh { .. } => "start refresh",
            Self::RollBackRefresh { .. } => "roll back refresh",
        }
    }
}

impl std::fmt::Display for AwsWrite {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Minimum { group, minimum } => write!(formatter, "MinSize of {group} := {minimum}"),
            Self::Maximum { group, maximum } => write!(formatter, "MaxSize of {group} := {maximum}"),
            Self::Desired { group, desired } => write!(formatter, "DesiredCapacity of {group} := {desired}"),
            Self::Launch { group, zone } => write!(formatter, "launch into {group} in {zone}"),
            Self::Terminate { instance, capacity } => write!(formatter, "terminate {instance} ({capacity:?})"),
            Self::EnterStandby { group, instance, .. } => write!(formatter, "set {instance} of {group} aside"),
            Self::Protect { instance, on, .. } => write!(formatter, "protection of {instance} := {on}"),
            Self::ScaleToZero { group } => write!(formatter, "empty {group}"),
            Self::Template { group } => write!(formatter, "template of {group}"),
            Self::WriteTemplate { image } => write!(formatter, "write a template version with {image}"),
            Self::Attach { group, target_group, .. } => write!(formatter, "attach {target_group} to {group}"),
            Self::Detach { group, target_group } => write!(formatter, "detach {target_group} from {group}"),
            Self::Weights(change) => write!(formatter, "weights := {:?}", change.weights),
            Self::StartRefresh { group, template } => write!(formatter, "start a refresh of {group} to {template}"),
            Self::RollBackRefresh { group } => write!(formatter, "send the refresh of {group} back"),
        }
    }
}
