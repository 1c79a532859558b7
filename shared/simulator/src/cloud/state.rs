//! The resources of the simulated account.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use driftless_planner::alarm::AlarmState as AlarmStateValue;
use driftless_planner::alarm::AlarmSubject;
use driftless_planner::balancer::{AttachmentApi, TargetGroupSettings};
use driftless_planner::fact::ComplianceType;
use driftless_planner::ids::{AlarmName, GroupName, ImageId, InstanceId, RuleName, TargetGroupArn, Zone};
use driftless_planner::observation::{Finding, Group, LaunchFailure, TargetHealth};
use driftless_planner::refresh::Refresh;
use driftless_planner::template::{TemplateReference, TemplateVersion};
use jiff::{SignedDuration, Timestamp};

/// The actor of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// Driftless, the system under test, by a call.
    Driftless,
    /// Auto Scaling of its own accord: to keep the desired capacity, to replace an unhealthy instance, for a scaling
    /// policy, or in an instance refresh.
    AutoScaling,
    /// An operator, or a tool of theirs.
    Person,
}

/// The termination of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// When the actor asked for the termination.
    pub at: Timestamp,
    pub instance: InstanceId,
    pub group: GroupName,
    pub by: Actor,
    /// The number of healthy instances in its group right before the termination, including the terminated one if it
    /// was healthy.
    pub serving_before: u32,
    pub served: bool,
}

/// An event that AWS emits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudEvent {
    /// Config changed the compliance of an instance with a rule.
    Compliance { instance: InstanceId, rule: RuleName, verdict: ComplianceType, at: Timestamp },
    /// An alarm changed its state.
    Alarm {
        alarm: AlarmName,
        state: AlarmStateValue,
        /// The resource that the dimensions of the alarm name.
        subject: AlarmSubject,
        at: Timestamp,
    },
    /// An image became available in EC2.
    Image { image: ImageId, at: Timestamp },
}

/// How the instances of an image behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    Good,
    /// The instances never come up: their EC2 status checks fail.
    NeverBoots,
    /// The instances boot, and fail every health check of the load balancer.
    Sick,
    /// The instances are healthy at first, and begin to fail when the targets of the image get this percentage of the
    /// traffic.
    FailsUnderLoad(u32),
    /// The instances are healthy, and non-compliant with every Config rule.
    Drifted,
}

/// An Auto Scaling group.
#[derive(Debug, Clone)]
pub struct GroupState {
    pub name: GroupName,
    pub tags: BTreeMap<String, String>,
    pub min: u32,
    pub max: u32,
    pub desired: u32,
    /// The actor that is responsible for terminations while the group has more instances than desired: the one that
    /// lowered the desired capacity, or Auto Scaling.
    pub shrunk_by: Actor,
    pub shrunk_at: Timestamp,
    pub template: TemplateReference,
    pub target_groups: Vec<TargetGroupArn>,
    /// The API family with which the target groups are attached.
    pub attachment_api: AttachmentApi,
    pub suspended: BTreeSet<String>,
    pub warm_up: SignedDuration,
    /// The health check grace period.
    pub grace: SignedDuration,
    /// Whether the group uses ELB health checks.
    pub elb_health: bool,
    pub zones: Vec<Zone>,
    /// The timeout of the launch hook. None: the group has no launch hook.
    pub launch_hook: Option<SignedDuration>,
    /// The timeout of the termination hook. None: the group has no termination hook.
    pub end_hook: Option<SignedDuration>,
    /// The newest failed launch.
    pub launch_failure: Option<LaunchFailure>,
    /// Number of consecutive failed launches. Auto Scaling waits longer after each of them.
    pub launches_failed: u32,
    /// Auto Scaling does not retry a launch before this time.
    pub launches_again_at: Timestamp,
    /// The newest instance refresh.
    pub refresh: Option<RefreshState>,
    /// Earlier descriptions of the group, newest last, for reads with a lag.
    pub past: VecDeque<(Timestamp, Group)>,
    /// Whether the Auto Scaling endpoint knows the call `LaunchInstances`.
    pub offers_launch: bool,
}

/// An instance refresh.
#[derive(Debug, Clone)]
pub struct RefreshState {
    /// The refresh as a describe call returns it.
    pub told: Refresh,
    /// Alarms that roll the refresh back.
    pub alarms: Vec<AlarmName>,
    /// The bake time: how long the refresh waits at the end, before it succeeds.
    pub bake: SignedDuration,
    /// Since when all instances are replaced.
    pub all_since: Option<Timestamp>,
    /// The number of replaced and healthy instances, and since when this number has been unchanged.
    pub done: (usize, Timestamp),
}

/// The lifecycle state of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Booting, or in its launch hook.
    Pending,
    InService,
    Standby,
    /// Draining, or in its termination hook.
    Terminating,
    Gone,
}

/// An instance.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "as AWS tells it: four things that are so or not")]
pub struct Instance {
    pub id: InstanceId,
    pub group: GroupName,
    pub zone: Zone,
    pub life: Life,
    pub image: ImageId,
    /// The launch template version from which the instance was launched.
    pub template: Option<TemplateVersion>,
    pub launched_at: Timestamp,
    /// Since when the instance is in service.
    pub in_service_since: Option<Timestamp>,
    /// Whether EC2's status checks pass.
    pub is_up: bool,
    /// Whether the instance responds to requests.
    pub answers: bool,
    /// Whether the health status of the instance in Auto Scaling is healthy.
    pub healthy: bool,
    pub protected: bool,
    /// The value of the tag `driftless:protect`. None: the instance does not have this tag.
    pub protect: Option<String>,
    /// The rules with which the instance is non-compliant, each with the finding of Config.
    pub breaks: BTreeMap<RuleName, Finding>,
}

/// A target group.
#[derive(Debug, Clone)]
pub struct TargetGroupState {
    pub settings: TargetGroupSettings,
    /// How long the load balancer takes to determine the health of a new target.
    pub health_check_time: SignedDuration,
    pub targets: BTreeMap<InstanceId, Target>,
}

/// A target that is registered with a target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The health of the target as the load balancer reports it.
    pub health: TargetHealth,
}

/// A forward action and the rate of its requests.
#[derive(Debug, Clone)]
pub struct ForwardState {
    /// The weight of each target group.
    pub weights: BTreeMap<TargetGroupArn, u32>,
    pub stickiness: Option<SignedDuration>,
    /// Requests that clients send per second.
    pub rate: u64,
}

/// A Config rule.
#[derive(Debug, Clone, Default)]
pub struct RuleState {
    /// How long Config takes to evaluate a new instance.
    pub delay: SignedDuration,
    /// Whether every instance is non-compliant, whatever its image.
    pub is_bad: bool,
}

/// A CloudWatch alarm.
#[derive(Debug, Clone)]
pub struct AlarmState {
    /// The resource that the dimensions of the alarm name.
    pub subject: AlarmSubject,
    pub state: AlarmStateValue,
    pub since: Timestamp,
    /// The time of the evaluation: period × number of evaluation periods.
    pub window: SignedDuration,
    /// Since when the metric has contradicted the state: it is above the threshold without ALARM, or below it in ALARM.
    /// None: it agrees with the state.
    pub bad_since: Option<Timestamp>,
    /// Whether an operator or a fault has forced the state, so that the metric is ignored.
    pub is_forced: bool,
}
