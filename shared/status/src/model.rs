//! The answer, as it is sent: stable fields in kebab-case. A field is added freely; one that changes its meaning, or goes,
//! raises [`SCHEMA`]. Absent and `null` are the same. Times are UTC, durations whole seconds.

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

/// The version of these fields.
pub const SCHEMA: u32 = 1;

/// How many images are told of. Older ones were turned away long ago.
pub const IMAGES_MAX: usize = 20;

/// Everything about one fleet. What is under way is shown as it was last committed; guards, waits and next steps are what
/// the planner says of the fleet as it was just read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FleetStatus {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    pub fleet: FleetName,
    /// When it was read.
    pub at: Timestamp,
    /// What it is doing, in one word.
    pub state: State,
    /// The same in a sentence.
    pub says: UntrustedText,
    /// How often its record was committed. None: it was never looked at.
    pub record_version: Option<u64>,
    /// What its tags say of its mode. None: the policy is invalid, so that nobody knows.
    pub mode: Option<Mode>,
    /// What its groups form.
    pub layout: LayoutStatus,
    /// What stands in the way of changing anything. None: nothing.
    pub obstacle: Option<UntrustedText>,
    /// How it wants to be treated.
    pub policy: PolicyStatus,
    /// What its live color is to run. None: not adopted yet.
    pub release: Option<ReleaseStatus>,
    /// Its groups, blue first.
    pub colors: Vec<ColorStatus>,
    /// The cutover under way.
    pub cutover: Option<CutoverStatus>,
    /// Whether it can go back, to what, and how fast.
    pub rollback_path: RollbackPath,
    /// Drifted instances, the oldest drift first.
    pub drifted: Vec<DriftedStatus>,
    /// Instances that are kept for forensics.
    pub quarantined: Vec<QuarantinedStatus>,
    /// The freezes that stop it now.
    pub freezes: Vec<FreezeStatus>,
    /// States that on-call is, or is about to be, told of.
    pub conditions: Vec<ConditionStatus>,
    /// Images that must not take traffic.
    pub vetoes: Vec<VetoStatus>,
    /// Candidates that are not tried again for now.
    pub deferred: Vec<DeferredStatus>,
    /// Images that asked to be taken, and why each is not.
    pub refused: Vec<RefusedStatus>,
    /// Images that were read, the newest first, at most [`IMAGES_MAX`], without the release's own.
    pub images: Vec<ImageStatus>,
    /// Settings that Driftless has changed and will put back.
    pub borrowed_settings: Vec<LedgerStatus>,
    /// The last cutovers, newest first.
    pub past: Vec<PastStatus>,
    /// A cutover that a person asked for, and that has not begun yet. None: there is none.
    pub requested: Option<UntrustedText>,
    /// What a person types to let it go on, where it waits for one. None: it does not.
    pub go_on: Option<String>,
    /// Orders that would be followed now and change something, of those that name nothing but the fleet. A freeze can
    /// always be set and lifted.
    #[serde(default)]
    pub orders: Vec<OpenOrder>,
    /// What the planner would do now.
    pub next_steps: Vec<NextStep>,
    /// When it would look again at the latest. None: it waits for nothing.
    pub requeue_at: Option<Timestamp>,
    /// The delayed wake that is on its way.
    pub next_request: NextRequest,
    /// Who looks at it right now, or died while looking.
    #[serde(default)]
    pub lease: LeaseStatus,
    /// Since when there has been unsettled work. None: there is none.
    pub in_progress_since: Option<Timestamp>,
    /// Reports and commands that are filed and not used yet.
    pub facts_filed: usize,
}

/// What a fleet is doing. Of several that are true, the first one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A cutover stands where only a person can say how it goes on.
    NeedsOperator,
    RollingBack,
    /// Its groups do not form a fleet that can be worked with.
    Misconfigured,
    PolicyInvalid,
    /// A person stopped it.
    Frozen,
    /// A cutover waits for a person or a pipeline.
    AwaitingApproval,
    /// Too many drifted at once, here or under one rule in several fleets.
    BreakerOpen,
    /// The old color rests at full size.
    Warm,
    /// A cutover is under way.
    CuttingOver,
    /// An instance is being replaced.
    Replacing,
    /// Instances are drifted, and wait.
    Drifted,
    /// It was never looked at, or what it runs cannot be told yet.
    Unadopted,
    /// Nothing is to be done.
    Steady,
}

/// What the groups form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LayoutStatus {
    Pair,
    /// A single group, rolled by instance refreshes.
    Single,
    Misconfigured {
        problem: UntrustedText,
    },
}

/// How a fleet wants to be treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyStatus {
    /// Why it is invalid. None: it is valid.
    pub problem: Option<UntrustedText>,
    /// Every key with what it means here. Empty where it is invalid.
    pub words: Vec<PolicyWords>,
}

/// One key of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyWords {
    /// The key, without its prefix.
    pub key: String,
    /// What it means here.
    pub means: UntrustedText,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReleaseStatus {
    pub image: ImageId,
    /// The build of the image, where it has one.
    pub build: Option<UntrustedText>,
    /// Its launch template version.
    pub template: TemplateVersion,
    /// When it became the release.
    pub since: Timestamp,
}

/// A group of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ColorStatus {
    /// Its color. None: a single group, or groups that form no pair.
    pub color: Option<Color>,
    pub group: GroupName,
    /// What it is to the traffic.
    pub role: Role,
    /// Instances that it wants.
    pub desired: u32,
    /// At least so many.
    pub min: u32,
    /// At most so many.
    pub max: u32,
    /// Instances that are in service, healthy, and healthy targets.
    pub serving: u32,
    /// Instances on their way in, or in service.
    pub active: u32,
    /// What traffic it gets.
    pub traffic: Traffic,
    /// The launch template version that new instances get. None: none is numbered.
    pub template: Option<TemplateVersion>,
    /// The image of that version. None: unknown, since this look had no reason to ask.
    pub image: Option<ImageId>,
    /// The build of that image. None: it has none, or is unknown.
    pub build: Option<UntrustedText>,
}

/// What a group is to the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It receives the traffic, or most of it while traffic moves.
    Live,
    Idle,
    /// Nothing says which one is live.
    Unknown,
}

/// The traffic of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Traffic {
    /// By weights of a target group of its own.
    Weighted {
        /// Its share in percent, rounded down. None: several forward actions differ.
        percent: Option<u32>,
        places: Vec<PlaceWeight>,
    },
    /// It has a target group of its own to which no listener or rule that was read forwards.
    NotForwarded,
    /// It is attached to the target group that both colors share.
    Attached,
    /// It is not attached to it.
    Detached,
    NoLoadBalancer,
}

/// The weight of a target group at one forward action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlaceWeight {
    /// The listener or rule.
    pub place: UntrustedText,
    pub weight: u32,
    /// The sum of all weights there.
    pub of: u32,
}

/// Why something waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WaitStatus {
    pub guard: String,
    pub why: UntrustedText,
    /// When it may change by itself. None: only an event, a person or the end of other work changes it.
    pub may_change_at: Option<Timestamp>,
}

/// One guard's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GuardStatus {
    /// Its word. Several checks can share one.
    pub guard: String,
    /// What must be so.
    pub asks: String,
    /// Whether it is so.
    pub verdict: GuardResult,
    /// Why not. None: it is so, or was not asked.
    pub holds: Option<WaitStatus>,
}

/// What a guard says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardResult {
    /// It lets it through.
    Agrees,
    Holds,
    /// It could not be asked: an earlier guard holds, and what it looks at is unknown.
    NotAsked,
}

/// A drifted instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DriftedStatus {
    pub instance: InstanceId,
    pub group: GroupName,
    pub zone: Zone,
    /// Where its replacement is: a phase of the planner's machine.
    pub phase: String,
    /// Whether that is committed. If not, the drift was found by this very read.
    pub is_on_record: bool,
    /// When the drift was first seen.
    pub since: Timestamp,
    /// Why it counts as drifted.
    pub reasons: Vec<UntrustedText>,
    pub findings: Vec<FindingStatus>,
    /// Whether it ran another version already when the release became the release.
    pub is_backlog: bool,
    /// The guard that holds it. None: none does, or its replacement is under way.
    pub held_by: Option<WaitStatus>,
    /// Every guard's verdict, in the order in which the planner asks. Empty: its replacement is under way, or was given up.
    pub guards: Vec<GuardStatus>,
    /// Its successor, once it is known.
    pub successor: Option<InstanceId>,
    /// When the phase must have been left. None: it may last.
    pub deadline: Option<Timestamp>,
    /// Why its replacement was, or is being, given up.
    pub given_up: Option<UntrustedText>,
    /// Attempts that failed, oldest first.
    pub failures: Vec<FailureStatus>,
}

/// What Config said under one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FindingStatus {
    pub rule: RuleName,
    /// When Config recorded it.
    pub recorded_at: Timestamp,
    /// Its remark, if it made one.
    pub annotation: Option<UntrustedText>,
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailureStatus {
    pub at: Timestamp,
    pub why: UntrustedText,
}

/// An instance that is kept for forensics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct QuarantinedStatus {
    pub instance: InstanceId,
    pub group: GroupName,
    pub since: Timestamp,
    /// When it is terminated.
    pub until: Timestamp,
    /// What it was replaced for.
    pub reasons: Vec<UntrustedText>,
}

/// A freeze that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FreezeStatus {
    pub reason: UntrustedText,
    pub owner: UntrustedText,
    pub since: Timestamp,
    /// When it ends by itself. None: only a person ends it.
    pub until: Option<Timestamp>,
    /// Whether it stops every fleet of the account and region.
    pub is_of_account: bool,
}

/// A state that on-call should know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConditionStatus {
    pub condition: String,
    pub since: Timestamp,
    /// What it said when it was last announced.
    pub detail: UntrustedText,
    /// When on-call was last told. None: it was found by this very read.
    pub announced_at: Option<Timestamp>,
}

/// An image that must not take traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VetoStatus {
    pub image: ImageId,
    pub at: Timestamp,
    pub by: UntrustedText,
    /// What speaks against it.
    pub evidence: Vec<UntrustedText>,
}

/// A candidate that is not tried again for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeferredStatus {
    /// The image, with the template version where it is the template that is new.
    pub candidate: UntrustedText,
    pub why: UntrustedText,
    /// When it is tried again by itself. None: only when a person says so.
    pub until: Option<Timestamp>,
    /// How often it was tried.
    pub tries: u32,
}

/// An image that is no candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RefusedStatus {
    pub image: ImageId,
    pub why: UntrustedText,
}

/// An image that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageStatus {
    pub image: ImageId,
    /// Its build, where it has one.
    pub build: Option<UntrustedText>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Every check's verdict, in the order in which they are asked. Empty: nothing is asked yet.
    pub guards: Vec<GuardStatus>,
}

/// A setting that will be put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LedgerStatus {
    pub group: GroupName,
    /// Since when it is changed.
    pub since: Timestamp,
    /// Its name: `maximum`, `protection`, `held-minimum`, `held-maximum`, `template` or `stickiness`.
    pub setting: String,
    /// What it was and what it is, in words.
    pub says: UntrustedText,
}

/// A cutover that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PastStatus {
    pub id: String,
    /// The image that was to take the traffic.
    pub image: ImageId,
    /// The build of the image, where it has one.
    pub build: Option<UntrustedText>,
    /// What made it a candidate.
    pub reason: UntrustedText,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    /// How: `done`, `aborted`, `superseded` or `rolled-back`.
    pub outcome: String,
    pub why: UntrustedText,
}

/// Something that the planner would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NextStep {
    /// The action's name, `transition` or `adopt`.
    pub step: String,
    pub says: UntrustedText,
}

/// The lease of a fleet: one run at a time looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LeaseStatus {
    /// Nobody has read it.
    #[default]
    Unknown,
    Free,
    /// Somebody took it and did not give it back. Beyond its end that run is dead, and whoever looks next takes it over.
    Held {
        /// Who: the id of an invocation of `reconcile`, as its log names it.
        holder: UntrustedText,
        /// When it ends, or ended, by itself.
        until: Timestamp,
    },
}

/// The delayed wake that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NextRequest {
    /// Nobody has read it.
    Unknown,
    /// None is: the sweep looks.
    None,
    At {
        at: Timestamp,
    },
}
