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
    /// The system under test, by a call.
    Driftless,
    /// Auto Scaling by itself: balance, health, a scaling policy, an instance refresh.
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
    /// The number of healthy instances in its group right before, the terminated instance included if it was healthy.
    pub serving_before: u32,
    pub served: bool,
}

/// An event that AWS emits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudEvent {
    /// Config changed its verdict.
    Compliance { instance: InstanceId, rule: RuleName, verdict: ComplianceType, at: Timestamp },
    /// An alarm changed its state.
    Alarm {
        alarm: AlarmName,
        state: AlarmStateValue,
        /// The resource that the dimensions name.
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
    /// They never come up: EC2's status checks fail.
    NeverBoots,
    /// They boot and fail every health check of the load balancer.
    Sick,
    /// They are healthy, and begin to fail when the new color gets this percentage of the traffic.
    FailsUnderLoad(u32),
    /// They are healthy, and non-compliant with every Config rule.
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
    /// The actor that lowered desired capacity, while there are more instances than desired.
    pub shrunk_by: Actor,
    pub shrunk_at: Timestamp,
    pub template: TemplateReference,
    pub target_groups: Vec<TargetGroupArn>,
    /// The API family of the attachments.
    pub attachment_api: AttachmentApi,
    pub suspended: BTreeSet<String>,
    pub warm_up: SignedDuration,
    /// The health check grace period.
    pub grace: SignedDuration,
    /// Whether the group uses ELB health checks.
    pub elb_health: bool,
    pub zones: Vec<Zone>,
    /// The timeout of the launch hook. None: no hook.
    pub launch_hook: Option<SignedDuration>,
    /// The timeout of the termination hook. None: no hook.
    pub end_hook: Option<SignedDuration>,
    /// The newest failed launch.
    pub launch_failure: Option<LaunchFailure>,
    /// Consecutive failed launches: Auto Scaling waits longer after each.
    pub launches_failed: u32,
    /// Auto Scaling does not retry a launch before this time.
    pub launches_again_at: Timestamp,
    /// The newest instance refresh.
    pub refresh: Option<RefreshState>,
    /// Earlier descriptions of the group, newest last, for reads that lag.
    pub past: VecDeque<(Timestamp, Group)>,
    /// Whether the endpoint knows `LaunchInstances`.
    pub offers_launch: bool,
}

/// An instance refresh.
#[derive(Debug, Clone)]
pub struct RefreshState {
    /// The refresh as a describe call shows it.
    pub told: Refresh,
    /// Alarms that roll the refresh back.
    pub alarms: Vec<AlarmName>,
    /// The bake time at the end.
    pub bake: SignedDuration,
    /// Since when all instances are replaced.
    pub all_since: Option<Timestamp>,
    /// The number of replaced and healthy instances, and since when this number has not changed.
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
    /// The template version of its launch.
    pub template: Option<TemplateVersion>,
    pub launched_at: Timestamp,
    /// Since when the instance is in service.
    pub in_service_since: Option<Timestamp>,
    /// Whether EC2's status checks pass.
    pub is_up: bool,
    /// Whether it responds to requests.
    pub answers: bool,
    /// The health status in Auto Scaling.
    pub healthy: bool,
    pub protected: bool,
    /// The reason in its tag `driftless:protect`.
    pub protect: Option<String>,
    /// The rules with which the instance is non-compliant, with the finding of Config.
    pub breaks: BTreeMap<RuleName, Finding>,
}

/// A target group.
#[derive(Debug, Clone)]
pub struct TargetGroupState {
    pub settings: TargetGroupSettings,
    /// How long the load balancer takes to determine the health of a target.
    pub judging: SignedDuration,
    pub targets: BTreeMap<InstanceId, Target>,
}

/// A registered target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its health as the load balancer reports it.
    pub health: TargetHealth,
}

/// A forward action and its requests.
#[derive(Debug, Clone)]
pub struct ForwardState {
    /// The weight of each target group.
    pub weights: BTreeMap<TargetGroupArn, u32>,
    pub stickiness: Option<SignedDuration>,
    pub rate: u64,
}

/// A Config rule.
#[derive(Debug, Clone, Default)]
pub struct RuleState {
    /// The time that Config takes to evaluate a new instance.
    pub delay: SignedDuration,
    /// Whether every instance is non-compliant, whatever its image.
    pub is_bad: bool,
}

/// A CloudWatch alarm.
#[derive(Debug, Clone)]
pub struct AlarmState {
    /// The resource that the dimensions name.
    pub subject: AlarmSubject,
    pub state: AlarmStateValue,
    pub since: Timestamp,
    /// Period × evaluation periods.
    pub window: SignedDuration,
    /// Since when the metric is above the threshold. None: it is below.
    pub bad_since: Option<Timestamp>,
    /// Whether an operator or a fault has forced the state, so that the metric is ignored.
    pub is_forced: bool,
}
