//! What the loop needs from the world, in the planner's words. `shared/aws` implements it on AWS; the simulator will
//! implement it in memory.
//!
//! Reads return what AWS says now. Writes can be repeated: what is already so is success.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use driftless_planner::decision::{CapacityChange, Decision, Protection};
use driftless_planner::fact::{Fact, Subject};
use driftless_planner::ids::{FleetName, GroupName, InstanceId, RuleName, TargetGroupArn, Zone};
use driftless_planner::notification::Notification;
use driftless_planner::observation::{
    Freeze, Group, LaunchFailure, Machine, RuleReading, TargetHealth, TemplateContent, TemplateVersion,
};
use driftless_planner::record::Record;
use driftless_planner::text::ForeignText;
use driftless_planner::wake::WakeMessage;
use jiff::{SignedDuration, Timestamp};

/// A call to the world that did not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed ({kind}): {message}")]
pub struct CallError {
    /// The call, as AWS names it: `autoscaling:TerminateInstanceInAutoScalingGroup`.
    pub operation: &'static str,
    /// What it means for us.
    pub kind: CallErrorKind,
    /// AWS's code and message, or what was wrong with the answer.
    pub message: ForeignText,
    /// Where it came from.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a failed call means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallErrorKind {
    /// What it was about does not exist (any more).
    Gone,
    /// Not now: another activity has the resource (`ScalingActivityInProgress`, `ResourceContention`).
    Busy,
    /// Too many calls.
    Throttled,
    /// Our permissions do not allow it.
    Denied,
    /// The endpoint or the group does not offer the call.
    Unsupported,
    /// AWS refuses the values (`ValidationError`).
    Refused,
    /// No answer, or a server's error: it may have been done or not.
    Unavailable,
    /// The answer or the stored row cannot be read: a field is missing, or of another version.
    Unreadable,
}

impl std::fmt::Display for CallErrorKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Gone => "gone",
            Self::Busy => "busy",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Unreadable => "unreadable",
        })
    }
}

/// What a call answers.
pub type Called<T> = Result<T, CallError>;

/// The time.
pub trait Clock: Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Auto Scaling.
pub trait Groups: Sync {
    /// The groups that carry the fleet's tag, with their instances.
    fn groups_of(&self, fleet: &FleetName) -> impl Future<Output = Called<Vec<Group>>> + Send;
    /// Every group that carries the fleet tag, in pages: for the sweep.
    fn all_groups(&self) -> impl Future<Output = Called<Vec<Group>>> + Send;
    /// One group, read again right before a write. None: it is gone.
    fn group(&self, name: &GroupName) -> impl Future<Output = Called<Option<Group>>> + Send;
    /// The fleets that groups belong to. Groups without the tag are absent.
    fn fleets_of_groups(
        &self,
        names: &BTreeSet<GroupName>,
    ) -> impl Future<Output = Called<BTreeMap<GroupName, FleetName>>> + Send;
    /// The groups that instances belong to. Instances without a group are absent.
    fn groups_of_instances(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> impl Future<Output = Called<BTreeMap<InstanceId, GroupName>>> + Send;
    /// Whether an instance refresh is under way.
    fn is_refreshing(&self, group: &GroupName) -> impl Future<Output = Called<bool>> + Send;
    /// The newest failed launch.
    fn launch_failure(&self, group: &GroupName) -> impl Future<Output = Called<Option<LaunchFailure>>> + Send;
    /// Writes `MaxSize`.
    fn set_maximum(&self, group: &GroupName, maximum: u32) -> impl Future<Output = Called<()>> + Send;
    /// Writes the desired capacity.
    fn set_desired(&self, group: &GroupName, desired: u32) -> impl Future<Output = Called<()>> + Send;
    /// Launches one instance into a zone, idempotent by its token.
    fn launch(&self, group: &GroupName, zone: &Zone, token: &str) -> impl Future<Output = Called<Launched>> + Send;
    /// Switches scale-in protection.
    fn protect(
        &self,
        group: &GroupName,
        instance: &InstanceId,
        protection: Protection,
    ) -> impl Future<Output = Called<()>> + Send;
    /// Terminates an instance of a group.
    fn terminate(&self, instance: &InstanceId, capacity: CapacityChange) -> impl Future<Output = Called<()>> + Send;
}

/// What a launch answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launched {
    /// The new instance.
    Instance(InstanceId),
    /// AWS tried and could not, with its message.
    Failed(ForeignText),
}

/// The load balancers.
pub trait LoadBalancers: Sync {
    /// The weights that forward actions give to target groups, in listeners and rules. A forward to a single target
    /// group counts as weight 1. Target groups that no action names are absent.
    fn weights(
        &self,
        target_groups: &BTreeSet<TargetGroupArn>,
    ) -> impl Future<Output = Called<BTreeMap<TargetGroupArn, Vec<u32>>>> + Send;
    /// The health of the instances of a target group.
    fn target_health(
        &self,
        target_group: &TargetGroupArn,
    ) -> impl Future<Output = Called<BTreeMap<InstanceId, TargetHealth>>> + Send;
}

/// AWS Config.
pub trait Compliance: Sync {
    /// The instances that break a rule now, in all pages.
    fn non_compliant(&self, rule: &RuleName) -> impl Future<Output = Called<RuleReading>> + Send;
}

/// EC2.
pub trait Machines: Sync {
    /// What EC2 says of instances. Those that it does not know are absent.
    fn machines(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> impl Future<Output = Called<BTreeMap<InstanceId, Machine>>> + Send;
    /// What a launch template version says. None: it does not exist.
    fn template(&self, version: &TemplateVersion) -> impl Future<Output = Called<Option<TemplateContent>>> + Send;
}

/// The wake queue.
pub trait Wakes: Sync {
    /// Sends a message, to arrive after a delay of at most 15 minutes.
    fn send(&self, message: &WakeMessage, delay: SignedDuration) -> impl Future<Output = Called<()>> + Send;
}

/// The alert topic.
pub trait Alerts: Sync {
    /// Tells on-call.
    fn publish(&self, notification: &Notification) -> impl Future<Output = Called<()>> + Send;
}

/// The table.
pub trait Store: Sync {
    /// The fleets of subjects, from the index. Subjects that the index does not know are absent.
    fn indexed(
        &self,
        subjects: &BTreeSet<Subject>,
    ) -> impl Future<Output = Called<BTreeMap<Subject, FleetName>>> + Send;
    /// Remembers the fleets of subjects.
    fn index(&self, entries: &BTreeMap<Subject, FleetName>, now: Timestamp) -> impl Future<Output = Called<()>> + Send;
    /// Stores a fact and counts a wake of its fleet, in one transaction. A fact that is not newer than the stored one
    /// with its key changes nothing.
    fn file(&self, fleet: &FleetName, fact: &Fact, now: Timestamp) -> impl Future<Output = Called<()>> + Send;
    /// Keeps a fact that no fleet is known for, with the account, until it expires.
    fn keep(&self, fact: &Fact, now: Timestamp) -> impl Future<Output = Called<()>> + Send;
    /// Takes the lease of a fleet, if nobody holds it.
    fn acquire(
        &self,
        fleet: &FleetName,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Called<Acquired>> + Send;
    /// Gives the lease back, on condition that it is still ours and that no wake has been counted since it was read.
    fn release(&self, lease: &Lease, next_wake: Option<Timestamp>) -> impl Future<Output = Called<Released>> + Send;
    /// Claims the sending of a delayed wake at a time: false if an earlier one is already on its way.
    fn claim_wake(&self, fleet: &FleetName, at: Timestamp, now: Timestamp)
    -> impl Future<Output = Called<bool>> + Send;
    /// Everything that is stored of a fleet, read strongly consistent.
    fn load(&self, fleet: &FleetName) -> impl Future<Output = Called<Stored>> + Send;
    /// The freezes that concern a fleet, read strongly consistent right before a disruptive write.
    fn freezes(&self, fleet: &FleetName) -> impl Future<Output = Called<Vec<Freeze>>> + Send;
    /// Replaces the record, writes journal and outbox and drops the consumed facts, in one transaction, on condition
    /// that the record has the version that was read and that the lease still holds.
    fn commit(
        &self,
        lease: &Lease,
        read_version: Option<u64>,
        decision: &Decision,
        now: Timestamp,
    ) -> impl Future<Output = Called<Committed>> + Send;
    /// Drops notifications that were sent.
    fn told(&self, fleet: &FleetName, ids: &[String]) -> impl Future<Output = Called<()>> + Send;
    /// Fleets with open work: an unsettled record, a fact not used yet, a notification not sent yet.
    fn open_fleets(&self) -> impl Future<Output = Called<BTreeSet<FleetName>>> + Send;
    /// The fingerprints of the fleets as they were last looked at.
    fn fingerprints(&self) -> impl Future<Output = Called<BTreeMap<FleetName, String>>> + Send;
    /// Remembers the fingerprint of a fleet that was looked at.
    fn remember(&self, fleet: &FleetName, fingerprint: &str) -> impl Future<Output = Called<()>> + Send;
}

/// Everything that is stored of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// Its record.
    pub record: Option<Record>,
    /// Facts that were filed and not consumed.
    pub facts: Vec<Fact>,
    /// Freezes of the fleet and of the account, expired ones included.
    pub freezes: Vec<Freeze>,
    /// Notifications that were committed and not sent, oldest first.
    pub outbox: Vec<Notification>,
    /// The fingerprint with which the fleet was last looked at.
    pub fingerprint: Option<String>,
}

/// A lease on a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The fleet.
    pub fleet: FleetName,
    /// Who holds it.
    pub holder: String,
    /// Rises with every holder; every commit carries it.
    pub fence: u64,
    /// How many wakes had been counted when it was read.
    pub wakes: u64,
    /// The delayed wake that is on its way, if one is.
    pub next_wake: Option<Timestamp>,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// What taking a lease answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// It is ours.
    Held(Lease),
    /// Someone else has it, until this time.
    Busy {
        /// The end of theirs.
        until: Timestamp,
    },
}

/// What giving a lease back answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// It is free.
    Free,
    /// Wakes came meanwhile: look again. The lease is still ours; its count is brought up to date.
    Woken(Lease),
    /// It was not ours any more.
    Lost,
}

/// What a commit answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It stands.
    Yes,
    /// The record or the lease is not what was read: someone else goes on.
    Conflict,
}

/// Everything that the loop needs.
pub trait Ports: Clock + Groups + LoadBalancers + Compliance + Machines + Wakes + Alerts + Store {}

impl<P: Clock + Groups + LoadBalancers + Compliance + Machines + Wakes + Alerts + Store> Ports for P {}
