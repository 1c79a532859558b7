//! The document about one fleet. Keys are in `snake_case`, values in `kebab-case`. New fields may appear at any time.
//! If the meaning of a field changes or a field is removed, [`SCHEMA`] is raised. Absent and `null` mean the same.
//! Times are in UTC, durations in whole seconds.
//!
//! The doc comments of this crate's documents are the descriptions of the published schemas, and the tables of
//! `docs/status.md`.

use driftless_planner::fleet::Color;
use driftless_planner::ids::{FleetName, GroupName, ImageId, InstanceId, RuleName, Zone};
use driftless_planner::policy::Mode;
use driftless_planner::template::TemplateVersion;
use driftless_planner::text::UntrustedText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cutover::CutoverStatus;
use crate::orders::OpenOrder;
use crate::rollback_path::RollbackPath;

/// The version of the documents of this crate.
pub const SCHEMA: u32 = 1;

/// The number of images that a status lists at most: the newest ones.
pub const IMAGES_MAX: usize = 20;

/// Everything about one fleet. Work in progress is shown as the last commit stored it; guards, blocks and next steps
/// are what the planner decides on the values that were just read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline, rename = "fleet-status"))]
pub struct FleetStatus {
    /// The version of this document's fields, 1.
    #[serde(rename = "schema_version")]
    pub schema: u32,
    /// The fleet.
    pub fleet: FleetName,
    /// When the fleet was read.
    pub at: Timestamp,
    /// What the fleet does, in one word.
    pub state: State,
    /// What the fleet does, in a sentence.
    #[serde(rename = "message")]
    pub says: UntrustedText,
    /// The number of commits of the fleet's record. Null: no reconcile pass has read the fleet yet.
    pub record_version: Option<u64>,
    /// The mode that the tags set. Null: the policy is invalid, so that the mode is unknown.
    pub mode: Option<Mode>,
    /// What the groups of the fleet form: a pair, a single group, or no valid fleet.
    pub layout: LayoutStatus,
    /// Why Driftless can change nothing in this fleet. Null: nothing prevents changes.
    pub obstacle: Option<UntrustedText>,
    /// The policy that the tags set.
    pub policy: PolicyStatus,
    /// The last good release. While a cutover moves traffic, `colors` shows the traffic and the image of each group.
    /// Null: the fleet is not adopted yet.
    pub release: Option<ReleaseStatus>,
    /// The fleet's groups, blue first.
    pub colors: Vec<ColorStatus>,
    /// The cutover in progress. Null: no cutover is in progress.
    pub cutover: Option<CutoverStatus>,
    /// Whether a rollback is possible, to which release, and how fast.
    #[serde(rename = "rollback")]
    pub rollback_path: RollbackPath,
    /// The drifted instances, the oldest drift first.
    pub drifted: Vec<DriftedStatus>,
    /// Instances that are kept for forensics.
    pub quarantined: Vec<QuarantinedStatus>,
    /// The freezes that apply to this fleet now.
    pub freezes: Vec<FreezeStatus>,
    /// The conditions that notifications report: those that were reported and those that the next commit reports.
    pub conditions: Vec<ConditionStatus>,
    /// Images that must not take traffic.
    pub vetoes: Vec<VetoStatus>,
    /// Candidates that wait for their next attempt.
    #[serde(rename = "deferred")]
    pub deferred: Vec<DeferredStatus>,
    /// Images that were named for the fleet but are no candidates, each with the reason.
    pub refused: Vec<RefusedStatus>,
    /// The images that were read, the newest first, at most 20. The image of the release is left out.
    pub images: Vec<ImageStatus>,
    /// Settings that Driftless changed for work in progress and must restore.
    #[serde(rename = "borrowed_settings")]
    pub borrowed_settings: Vec<BorrowedSettingsStatus>,
    /// The last cutovers that ended, the newest first.
    #[serde(rename = "past_cutovers")]
    pub past: Vec<PastStatus>,
    /// The cutover that an operator requested and that has not started yet. Null: none is requested.
    pub requested: Option<UntrustedText>,
    /// The command that an operator types to let the cutover continue. Null: the cutover does not wait for an operator.
    #[serde(rename = "continue_command")]
    pub go_on: Option<String>,
    /// Commands without an argument that would be carried out now and would change something. Freeze and thaw are
    /// always available and are not listed.
    #[serde(default, rename = "actions")]
    pub orders: Vec<OpenOrder>,
    /// What the next reconcile pass would do if it ran now.
    pub next_steps: Vec<NextStep>,
    /// The latest time at which the next reconcile pass runs. Null: nothing waits for a time.
    pub requeue_at: Option<Timestamp>,
    /// The delayed reconcile request in the reconcile queue.
    pub next_request: NextRequest,
    /// The lease of the fleet, which shows the run that reconciles the fleet.
    #[serde(default)]
    pub lease: LeaseStatus,
    /// Since when work is in progress. Null: the fleet is idle.
    #[serde(rename = "in_progress_since")]
    pub in_progress_since: Option<Timestamp>,
    /// The number of events and commands that are stored and that no reconcile pass has applied yet.
    #[serde(rename = "pending_facts")]
    pub facts_filed: usize,
}

/// What a fleet does. If several states apply, the first one in this order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "state"))]
pub enum State {
    /// A cutover stopped, and an operator must choose between resume and rollback.
    NeedsOperator,
    /// A cutover is being undone. Traffic that has moved returns to the old color.
    RollingBack,
    /// The groups do not form a fleet that Driftless can manage.
    Misconfigured,
    /// The policy in the tags is invalid.
    PolicyInvalid,
    /// A freeze applies to the fleet.
    Frozen,
    /// A cutover waits for the approval of an operator or a pipeline.
    AwaitingApproval,
    /// Too many instances drifted at once, in this fleet or under one rule in several fleets.
    BreakerOpen,
    /// The new color has all traffic. The old color is kept at full size for a rollback.
    Warm,
    /// A cutover is in progress.
    CuttingOver,
    /// Driftless stopped trying to replace an instance, and an operator must inspect it.
    Stopped,
    /// An instance is being replaced.
    Replacing,
    /// Instances are drifted, and none of them is being replaced.
    Drifted,
    /// The fleet is not adopted: no reconcile pass has read it yet, or its release is unknown.
    Unadopted,
    /// There is nothing to do.
    Steady,
}

/// What the groups of a fleet form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "layout"))]
pub enum LayoutStatus {
    /// A blue/green pair of groups.
    Pair,
    /// A single group, whose instances are replaced by instance refreshes.
    Single,
    /// The groups do not form a fleet that Driftless can manage.
    Misconfigured {
        /// Why the groups do not form a fleet.
        problem: UntrustedText,
    },
}

/// The policy of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "policy"))]
pub struct PolicyStatus {
    /// Why the policy is invalid. Null: the policy is valid.
    pub problem: Option<UntrustedText>,
    /// Every policy key with its meaning for this fleet. Empty: the policy is invalid.
    #[serde(rename = "settings")]
    pub words: Vec<PolicySetting>,
}

/// One key of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "policy-setting"))]
pub struct PolicySetting {
    /// The key, without its prefix `driftless:`.
    pub key: String,
    /// What the value of the key means for this fleet.
    #[serde(rename = "meaning")]
    pub means: UntrustedText,
}

/// A release: an image and a launch template version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "release"))]
pub struct ReleaseStatus {
    /// The image.
    pub image: ImageId,
    /// The build of the image. Null: the image has no build.
    pub build: Option<UntrustedText>,
    /// The launch template version.
    pub template: TemplateVersion,
    /// Since when this is the release.
    pub since: Timestamp,
}

/// A group of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "color"))]
pub struct ColorStatus {
    /// The color of the group. Null: a single group, or groups that form no pair.
    pub color: Option<Color>,
    /// The name of the Auto Scaling group.
    pub group: GroupName,
    /// Whether the group is live or idle.
    pub role: Role,
    /// The desired capacity of the group.
    pub desired: u32,
    /// The minimum size of the group.
    pub min: u32,
    /// The maximum size of the group.
    pub max: u32,
    /// The number of healthy instances: those that are InService, and healthy in every target group of the group.
    #[serde(rename = "healthy")]
    pub serving: u32,
    /// The number of instances that are being launched or are in service.
    pub active: u32,
    /// The traffic that the group gets.
    pub traffic: Traffic,
    /// The launch template version that new instances get. Null: the group uses no numbered version.
    pub template: Option<TemplateVersion>,
    /// The image of that launch template version. Null: the image is unknown, because this read did not need it.
    pub image: Option<ImageId>,
    /// The build of that image. Null: the image has no build, or the build is unknown.
    pub build: Option<UntrustedText>,
}

/// Whether a group is live or idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "role"))]
pub enum Role {
    /// The group has all traffic, or most of it while traffic moves.
    Live,
    /// The group is the one that is not live.
    Idle,
    /// Driftless cannot tell which group is live.
    Unknown,
}

/// The traffic of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "traffic"))]
pub enum Traffic {
    /// The group gets traffic by the weights of a target group of its own.
    Weighted {
        /// The share of the traffic in percent, rounded down. Null: the weights differ between several forward actions.
        #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
        percent: Option<u32>,
        /// The weight of the target group in each forward action.
        places: Vec<PlaceWeight>,
    },
    /// The group has a target group of its own, and no listener or rule that was read forwards to it.
    NotForwarded,
    /// The group is attached to the target group that both colors share.
    Attached,
    /// The group is not attached to the target group that both colors share.
    Detached,
    /// The fleet has no load balancer.
    NoLoadBalancer,
}

/// The weight of a target group in one forward action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "weight"))]
pub struct PlaceWeight {
    /// The listener or the rule that contains the forward action.
    pub place: UntrustedText,
    /// The weight of the target group.
    pub weight: u32,
    /// The sum of all weights of the forward action.
    pub of: u32,
}

/// A guard that blocks, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "wait"))]
pub struct WaitStatus {
    /// The name of the guard that blocks.
    pub guard: String,
    /// What the guard found, with its numbers.
    pub why: UntrustedText,
    /// When the guard may pass without any change from outside. Null: the guard passes only after an event, an
    /// operator's command or the end of other work.
    pub may_change_at: Option<Timestamp>,
}

/// The result of one guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "guard"))]
pub struct GuardStatus {
    /// The name of the guard. Several checks can have the same name.
    pub guard: String,
    /// What the guard requires.
    #[serde(rename = "requires")]
    pub asks: String,
    /// Whether the guard passed.
    #[serde(rename = "result")]
    pub verdict: GuardResult,
    /// What the guard found. Null: the guard passed, or was not checked.
    #[serde(rename = "finding")]
    pub holds: Option<WaitStatus>,
}

/// Whether a guard passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "guard-result"))]
pub enum GuardResult {
    /// The guard passed.
    #[serde(rename = "passed")]
    Agrees,
    /// The guard blocks.
    #[serde(rename = "blocked")]
    Holds,
    /// The guard was not checked, because an earlier guard blocks and the values that this guard needs are unknown.
    #[serde(rename = "not-checked")]
    NotAsked,
}

/// A drifted instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "drifted-instance"))]
pub struct DriftedStatus {
    /// The id of the instance.
    pub instance: InstanceId,
    /// The Auto Scaling group of the instance.
    pub group: GroupName,
    /// The Availability Zone of the instance.
    pub zone: Zone,
    /// The phase of the replacement of the instance.
    pub phase: String,
    /// Whether the phase is committed. False: this read found the drift.
    pub is_on_record: bool,
    /// When the drift of the instance was first detected.
    pub since: Timestamp,
    /// Why the instance counts as drifted.
    pub reasons: Vec<UntrustedText>,
    /// The findings of AWS Config about the instance, one for each rule.
    pub findings: Vec<FindingStatus>,
    /// Whether the instance already ran another launch template version when the current release became the release.
    pub is_backlog: bool,
    /// The guard that blocks the replacement of the instance. Null: no guard blocks it, or the replacement is in
    /// progress.
    #[serde(rename = "blocked_by")]
    pub held_by: Option<WaitStatus>,
    /// The result of every guard, in the order in which the planner checks them. Empty: the replacement is in progress,
    /// or Driftless stopped trying.
    pub guards: Vec<GuardStatus>,
    /// The id of the replacement instance. Null: none is known yet.
    #[serde(rename = "replacement_instance")]
    pub successor: Option<InstanceId>,
    /// The latest time at which the phase ends. Null: the phase has no deadline.
    pub deadline: Option<Timestamp>,
    /// Why the replacement is being cancelled, or why Driftless stopped trying. Null: neither.
    #[serde(rename = "abandoned_because")]
    pub abandoned: Option<UntrustedText>,
    /// The failed attempts to replace the instance, the oldest first.
    pub failures: Vec<FailureStatus>,
}

/// The finding of AWS Config under one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "config-finding"))]
pub struct FindingStatus {
    /// The name of the AWS Config rule.
    pub rule: RuleName,
    /// When AWS Config recorded the result.
    pub recorded_at: Timestamp,
    /// The annotation that the rule wrote. Null: the rule wrote none.
    pub annotation: Option<UntrustedText>,
}

/// A failed attempt to replace an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "failed-attempt"))]
pub struct FailureStatus {
    /// When the attempt failed.
    pub at: Timestamp,
    /// Why the attempt failed, with the message of AWS if there is one.
    pub why: UntrustedText,
}

/// An instance that is kept for forensics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "quarantined-instance"))]
pub struct QuarantinedStatus {
    /// The id of the instance.
    pub instance: InstanceId,
    /// The Auto Scaling group that it belonged to.
    pub group: GroupName,
    /// Since when the instance is kept.
    pub since: Timestamp,
    /// When Driftless terminates the instance.
    pub until: Timestamp,
    /// Why the instance was replaced.
    pub reasons: Vec<UntrustedText>,
}

/// A freeze that applies to the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "freeze"))]
pub struct FreezeStatus {
    /// The reason that the operator gave for the freeze.
    pub reason: UntrustedText,
    /// Who set the freeze.
    pub owner: UntrustedText,
    /// Since when the freeze applies.
    pub since: Timestamp,
    /// When the freeze expires. Null: the freeze applies until an operator thaws it.
    pub until: Option<Timestamp>,
    /// Whether the freeze applies to every fleet of the account and region.
    pub is_of_account: bool,
}

/// A condition of the fleet that notifications report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "condition"))]
pub struct ConditionStatus {
    /// The key of the condition.
    pub condition: String,
    /// Since when the condition exists.
    pub since: Timestamp,
    /// The details that the last notification about the condition contained.
    pub detail: UntrustedText,
    /// When the last notification about the condition was sent. Null: this read found the condition.
    pub announced_at: Option<Timestamp>,
}

/// An image that must not take traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "veto"))]
pub struct VetoStatus {
    /// The image.
    pub image: ImageId,
    /// When the image was vetoed.
    pub at: Timestamp,
    /// Who vetoed the image.
    pub by: UntrustedText,
    /// The evidence against the image.
    pub evidence: Vec<UntrustedText>,
}

/// A candidate that waits for its next attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "deferred-candidate"))]
pub struct DeferredStatus {
    /// The image. If the launch template version is what is new about the candidate, that version follows.
    pub candidate: UntrustedText,
    /// Why the last attempt ended.
    pub why: UntrustedText,
    /// When Driftless tries again. Null: only after an operator sends retry.
    pub until: Option<Timestamp>,
    /// The number of attempts so far.
    pub tries: u32,
}

/// An image that is no candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "refused-image"))]
pub struct RefusedStatus {
    /// The image.
    pub image: ImageId,
    /// Why the image is no candidate.
    pub why: UntrustedText,
}

/// An image that was read for this status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "image-status"))]
pub struct ImageStatus {
    /// The image.
    pub image: ImageId,
    /// The build of the image. Null: the image has no build.
    pub build: Option<UntrustedText>,
    /// When the image was created.
    pub created_at: Timestamp,
    /// The result of every check of the image, in the order in which the planner runs them. Empty: no check was run
    /// yet.
    pub guards: Vec<GuardStatus>,
}

/// A setting that Driftless changed and must restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "borrowed-setting"))]
pub struct BorrowedSettingsStatus {
    /// The Auto Scaling group that the setting belongs to.
    pub group: GroupName,
    /// Since when the setting is changed.
    pub since: Timestamp,
    /// The kind of the setting: `maximum`, `protection`, `borrowed-minimum`, `borrowed-maximum`, `template` or
    /// `stickiness`.
    pub setting: String,
    /// The changed value and the value to restore, in a sentence.
    #[serde(rename = "message")]
    pub says: UntrustedText,
}

/// A cutover that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "past-cutover"))]
pub struct PastStatus {
    /// The id of the cutover.
    pub id: String,
    /// The image of the new color.
    pub image: ImageId,
    /// The build of the image. Null: the image has no build.
    pub build: Option<UntrustedText>,
    /// Why the image was a candidate for the next release.
    pub reason: UntrustedText,
    /// When the cutover started.
    pub started_at: Timestamp,
    /// When the cutover ended.
    pub ended_at: Timestamp,
    /// How the cutover ended: `done`, `aborted`, `superseded` or `rolled-back`.
    pub outcome: String,
    /// Why the cutover ended in this way.
    pub why: UntrustedText,
}

/// Something that the planner would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "next-step"))]
pub struct NextStep {
    /// The name of the action, or `transition` for a change of phase, or `adopt`.
    pub step: String,
    /// The step in a sentence.
    #[serde(rename = "message")]
    pub says: UntrustedText,
}

/// The lease of a fleet, which makes sure that only one run at a time reconciles the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "lease"))]
pub enum LeaseStatus {
    /// The lease was not read.
    #[default]
    Unknown,
    /// No run holds the lease.
    Free,
    /// A run acquired the lease and has not released it. If the lease has ended, that run is dead, and the next run
    /// acquires the lease.
    Held {
        /// The run that holds the lease: its invocation id in the log of `reconcile`.
        holder: UntrustedText,
        /// When the lease ends, or has ended.
        until: Timestamp,
    },
}

/// The delayed reconcile request in the reconcile queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "next-request"))]
pub enum NextRequest {
    /// The reconcile queue was not checked for a delayed request.
    Unknown,
    /// There is no delayed request. The next resync reconciles the fleet.
    None,
    /// A request is delayed until a time.
    At {
        /// When the request is delivered.
        at: Timestamp,
    },
}
