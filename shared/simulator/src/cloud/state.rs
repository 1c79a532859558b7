//! What there is in the account.

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

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// The system under test, by a call.
    Driftless,
    /// Auto Scaling by itself: balance, health, a scaling policy, an instance refresh.
    AutoScaling,
    /// An operator, or a tool of theirs.
    Person,
}

/// The end of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// When it was decided.
    pub at: Timestamp,
    pub instance: InstanceId,
    pub group: GroupName,
    pub by: Actor,
    /// How many served in its group right before, itself included if it did.
    pub serving_before: u32,
    pub served: bool,
}

/// What the account reports by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudEvent {
    /// Config changed its verdict.
    Compliance { instance: InstanceId, rule: RuleName, verdict: ComplianceType, at: Timestamp },
    /// An alarm changed its state.
    Alarm {
        alarm: AlarmName,
        state: AlarmStateValue,
        /// What its dimensions name.
        subject: AlarmSubject,
        at: Timestamp,
    },
    /// EC2 says that an image is available.
    Image { image: ImageId, at: Timestamp },
}

/// How the instances of an image behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    Good,
    /// They never come up: EC2's status checks fail.
    NeverBoots,
    /// They come up and fail every health check of the load balancer.
    Sick,
    /// They serve, and begin to fail when the new color has so much of the traffic, in percent.
    FailsUnderLoad(u32),
    /// They serve, and break every rule of Config.
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
    /// Who made it smaller, for as long as there are more instances than it says.
    pub shrunk_by: Actor,
    pub shrunk_at: Timestamp,
    pub template: TemplateReference,
    /// Target groups that it is attached to.
    pub target_groups: Vec<TargetGroupArn>,
    /// With which API family.
    pub attachment_api: AttachmentApi,
    pub suspended: BTreeSet<String>,
    pub warm_up: SignedDuration,
    /// For how long a new instance's health is not looked at.
    pub grace: SignedDuration,
    /// Whether the load balancer's word counts for an instance's health.
    pub elb_health: bool,
    pub zones: Vec<Zone>,
    /// The time-out of its launch hook. None: it has none.
    pub launch_hook: Option<SignedDuration>,
    /// The time-out of its termination hook. None: it has none.
    pub end_hook: Option<SignedDuration>,
    /// The newest failed launch.
    pub launch_failure: Option<LaunchFailure>,
    /// Failed launches one after the other: Auto Scaling waits longer each time.
    pub launches_failed: u32,
    /// It does not try to launch before this.
    pub launches_again_at: Timestamp,
    /// The newest instance refresh.
    pub refresh: Option<RefreshState>,
    /// What it looked like, newest last, for reads that lag.
    pub past: VecDeque<(Timestamp, Group)>,
    /// Whether the LaunchInstances API is offered.
    pub offers_launch: bool,
}

/// An instance refresh.
#[derive(Debug, Clone)]
pub struct RefreshState {
    /// As it is told.
    pub told: Refresh,
    /// Alarms that send it back.
    pub alarms: Vec<AlarmName>,
    /// How long it is watched at the end.
    pub bake: SignedDuration,
    /// Since when all are replaced.
    pub all_since: Option<Timestamp>,
    /// How many are replaced and serve, and since when it is so many.
    pub done: (usize, Timestamp),
}

/// Where an instance is in its life.
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
    /// Where it is in its life.
    pub life: Life,
    pub image: ImageId,
    /// The template version that it was launched with.
    pub template: Option<TemplateVersion>,
    pub launched_at: Timestamp,
    /// Since when it is in service.
    pub in_service_since: Option<Timestamp>,
    /// Whether EC2's status checks pass.
    pub is_up: bool,
    /// Whether it answers requests.
    pub answers: bool,
    /// Whether Auto Scaling holds it for healthy.
    pub healthy: bool,
    pub protected: bool,
    /// The reason in its tag `driftless:protect`.
    pub protect: Option<String>,
    /// Rules that it breaks, with what Config recorded.
    pub breaks: BTreeMap<RuleName, Finding>,
}

/// A target group.
#[derive(Debug, Clone)]
pub struct TargetGroupState {
    pub settings: TargetGroupSettings,
    /// How long the load balancer takes to judge a target.
    pub judging: SignedDuration,
    pub targets: BTreeMap<InstanceId, Target>,
}

/// A registered target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its health, as the load balancer tells it.
    pub health: TargetHealth,
}

/// A forward action with the traffic that comes to it.
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
    /// How long it takes to evaluate a new instance.
    pub delay: SignedDuration,
    /// Whether every instance breaks it, whatever it runs.
    pub is_bad: bool,
}

/// A CloudWatch alarm.
#[derive(Debug, Clone)]
pub struct AlarmState {
    /// What its dimensions name.
    pub subject: AlarmSubject,
    pub state: AlarmStateValue,
    pub since: Timestamp,
    /// Period × evaluation periods.
    pub window: SignedDuration,
    /// Since when its threshold is crossed. None: it is not.
    pub bad_since: Option<Timestamp>,
    /// Whether an operator or a fault holds its state.
    pub is_forced: bool,
}
