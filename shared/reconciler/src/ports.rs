//! What the loop needs from the world, in the planner's words. `shared/aws` implements it on AWS, the simulator in
//! memory.
//!
//! Reads return what AWS says now. Writes can be repeated: what is already so is success.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use driftless_planner::action::{CapacityChange, Protection, WeightChange};
use driftless_planner::alarm::{Alarm, AlarmPattern};
use driftless_planner::balancer::{AttachmentApi, Forward, TargetGroupSettings};
use driftless_planner::decision::Decision;
use driftless_planner::event::{Event, EventBatch};
use driftless_planner::fact::{Fact, Subject};
use driftless_planner::history::HistoryEntry;
use driftless_planner::ids::{
    AlarmName, FleetName, GroupName, ImageId, InstanceId, RefreshId, RuleName, TargetGroupArn, TemplateId, Zone,
};
use driftless_planner::image::Image;
use driftless_planner::notification::{Message, Notification};
use driftless_planner::observation::{
    Account, Ec2Instance, Freeze, FreezeScope, Group, LaunchFailure, RuleReading, TargetHealth,
};
use driftless_planner::record::Record;
use driftless_planner::refresh::{Refresh, RefreshPlan};
use driftless_planner::request::ReconcileRequest;
use driftless_planner::template::{TemplateContent, TemplateVersion};
use driftless_planner::text::UntrustedText;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A call to the world that did not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed ({kind}): {message}")]
pub struct CallError {
    /// The call, as AWS names it: `autoscaling:TerminateInstanceInAutoScalingGroup`.
    pub operation: &'static str,
    /// What it means for us.
    pub kind: CallErrorKind,
    /// AWS's code and message, or what was wrong with the answer.
    pub message: UntrustedText,
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
pub type CallResult<T> = Result<T, CallError>;

/// The time.
pub trait Clock: Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Auto Scaling.
pub trait Groups: Sync {
    /// The groups that carry the fleet's tag, with their instances.
    fn groups_of(&self, fleet: &FleetName) -> impl Future<Output = CallResult<Vec<Group>>> + Send;
    /// Every group that carries the fleet tag, in pages: for the resync.
    fn all_groups(&self) -> impl Future<Output = CallResult<Vec<Group>>> + Send;
    /// One group, read again right before a write. None: it is gone.
    fn group(&self, name: &GroupName) -> impl Future<Output = CallResult<Option<Group>>> + Send;
    /// The fleets that groups belong to, and who belongs to the groups. Groups without the tag are absent.
    fn fleets_of_groups(
        &self,
        names: &BTreeSet<GroupName>,
    ) -> impl Future<Output = CallResult<BTreeMap<GroupName, Members>>> + Send;
    /// The groups that instances belong to. Instances without a group are absent.
    fn groups_of_instances(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> impl Future<Output = CallResult<BTreeMap<InstanceId, GroupName>>> + Send;
    /// The newest instance refresh, whatever its status.
    fn refresh(&self, group: &GroupName) -> impl Future<Output = CallResult<Option<Refresh>>> + Send;
    /// The longest time-out of its lifecycle hooks, zero where it has none.
    fn hook_timeout(&self, group: &GroupName) -> impl Future<Output = CallResult<SignedDuration>> + Send;
    /// The newest failed launch.
    fn launch_failure(&self, group: &GroupName) -> impl Future<Output = CallResult<Option<LaunchFailure>>> + Send;
    /// Writes `MinSize`, and nothing else. Above the current size it raises that too, as AWS does it.
    fn set_minimum(&self, group: &GroupName, minimum: u32) -> impl Future<Output = CallResult<()>> + Send;
    /// Writes `MaxSize`, and nothing else.
    fn set_maximum(&self, group: &GroupName, maximum: u32) -> impl Future<Output = CallResult<()>> + Send;
    /// Writes the desired capacity.
    fn set_desired(&self, group: &GroupName, desired: u32) -> impl Future<Output = CallResult<()>> + Send;
    /// Launches one instance into a zone, idempotent by its token.
    fn launch(&self, group: &GroupName, zone: &Zone, token: &str) -> impl Future<Output = CallResult<Launched>> + Send;
    /// Switches scale-in protection.
    fn protect(
        &self,
        group: &GroupName,
        instance: &InstanceId,
        protection: Protection,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Terminates an instance of a group.
    fn terminate(&self, instance: &InstanceId, capacity: CapacityChange)
    -> impl Future<Output = CallResult<()>> + Send;
    /// Writes minimum and desired capacity as 0 and `MaxSize` as given, in one call: all its instances go.
    fn empty(&self, group: &GroupName, maximum: u32) -> impl Future<Output = CallResult<()>> + Send;
    /// Sets an instance aside: out of its target groups, still of its group, without health checks.
    fn enter_standby(
        &self,
        group: &GroupName,
        instance: &InstanceId,
        capacity: CapacityChange,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Gives the group a numbered version of the launch template that it already uses.
    fn set_template(
        &self,
        group: &GroupName,
        template: &TemplateVersion,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Attaches a target group: every instance is registered in it.
    fn attach(
        &self,
        group: &GroupName,
        target_group: &TargetGroupArn,
        api: AttachmentApi,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Detaches a target group: every instance is deregistered from it, and keeps running.
    fn detach(
        &self,
        group: &GroupName,
        target_group: &TargetGroupArn,
        api: AttachmentApi,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Starts an instance refresh. `Busy` where one is under way.
    fn start_refresh(
        &self,
        group: &GroupName,
        plan: &RefreshPlan,
    ) -> impl Future<Output = CallResult<RefreshId>> + Send;
    /// Sends the instance refresh that is under rollback path to where it came from. `Gone` where none is.
    fn roll_back_refresh(&self, group: &GroupName) -> impl Future<Output = CallResult<()>> + Send;
}

/// Who belongs to a group of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    pub fleet: FleetName,
    pub instances: BTreeSet<InstanceId>,
}

/// What a launch answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launched {
    Instance(InstanceId),
    /// AWS tried and could not, with its message.
    Failed(UntrustedText),
}

/// The load balancers.
pub trait LoadBalancers: Sync {
    /// The forward actions, in listeners and rules, that name any of these target groups.
    fn forwards(
        &self,
        target_groups: &BTreeSet<TargetGroupArn>,
    ) -> impl Future<Output = CallResult<Vec<Forward>>> + Send;
    /// The health of the instances of a target group.
    fn target_health(
        &self,
        target_group: &TargetGroupArn,
    ) -> impl Future<Output = CallResult<BTreeMap<InstanceId, TargetHealth>>> + Send;
    /// The settings of target groups.
    fn target_group_settings(
        &self,
        target_groups: &BTreeSet<TargetGroupArn>,
    ) -> impl Future<Output = CallResult<BTreeMap<TargetGroupArn, TargetGroupSettings>>> + Send;
    /// Writes the weights of a forward action that is read right before: everything else about it stays as it is.
    /// `Refused` where the weights or the stickiness that it names as expected are not the live ones.
    fn set_weights(&self, change: &WeightChange) -> impl Future<Output = CallResult<()>> + Send;
}

/// AWS Config.
pub trait Compliance: Sync {
    /// The instances that break a rule, in all pages: now, or at most [`LARGE_READING_KEPT`] ago where they are many.
    ///
    /// [`LARGE_READING_KEPT`]: driftless_planner::drift::LARGE_READING_KEPT
    fn non_compliant(&self, rule: &RuleName) -> impl Future<Output = CallResult<RuleReading>> + Send;
}

/// EC2.
pub trait Ec2Instances: Sync {
    /// What EC2 says of instances. Those that it does not know are absent.
    fn machines(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> impl Future<Output = CallResult<BTreeMap<InstanceId, Ec2Instance>>> + Send;
    /// What a launch template version says. None: it does not exist.
    fn template(&self, version: &TemplateVersion) -> impl Future<Output = CallResult<Option<TemplateContent>>> + Send;
    /// The newest version of a launch template. None: there is no such template.
    fn newest_template(&self, template: &TemplateId) -> impl Future<Output = CallResult<Option<u64>>> + Send;
    /// Writes a version: what the base says, with another image. Idempotent by its token, which its description keeps.
    fn write_template(
        &self,
        template: &TemplateId,
        base: &TemplateVersion,
        image: &ImageId,
        token: &str,
    ) -> impl Future<Output = CallResult<TemplateVersion>> + Send;
    /// The images of this account that are tagged for a fleet.
    fn images_for(&self, fleet: &FleetName) -> impl Future<Output = CallResult<Vec<Image>>> + Send;
    /// The images of this account that are tagged for any fleet: for the resync.
    fn all_images(&self) -> impl Future<Output = CallResult<Vec<Image>>> + Send;
    /// Images by their ids, whoever owns them. Those that EC2 does not know, or does not show us, are absent.
    fn images(&self, ids: &BTreeSet<ImageId>) -> impl Future<Output = CallResult<BTreeMap<ImageId, Image>>> + Send;
    /// The images of this account that an Image Builder image put out.
    fn images_built_as(&self, arn: &str) -> impl Future<Output = CallResult<Vec<Image>>> + Send;
}

/// CloudWatch.
pub trait Alarms: Sync {
    /// The alarms that the patterns mean, in all pages. Those that CloudWatch does not know are absent.
    fn alarms(
        &self,
        patterns: &BTreeSet<AlarmPattern>,
    ) -> impl Future<Output = CallResult<BTreeMap<AlarmName, Alarm>>> + Send;
    /// Every alarm of the account and region that is in ALARM: for the resync.
    fn in_alarm(&self) -> impl Future<Output = CallResult<BTreeMap<AlarmName, Alarm>>> + Send;
}

/// The reconcile queue.
pub trait RequestQueue: Sync {
    /// Sends a message, to arrive after a delay of at most 15 minutes.
    fn send(&self, message: &ReconcileRequest, delay: SignedDuration) -> impl Future<Output = CallResult<()>> + Send;
    /// Sends messages, each with its delay, in as few calls as can be. An error: some may not be on the queue.
    fn send_all(&self, messages: &[(ReconcileRequest, SignedDuration)]) -> impl Future<Output = CallResult<()>> + Send;
}

/// The topics.
pub trait Alerts: Sync {
    /// Tells one audience, on its topic. The words are the same for every topic, and are not the topic's to choose.
    fn publish(&self, message: &Message, to: Audience) -> impl Future<Output = CallResult<()>> + Send;
}

/// Who is told, each on a topic of their own: what a pager and a chat read both travels by https, and differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    OnCall,
    /// Channels of a chat.
    Chat,
}

/// The event bus.
pub trait Bus: Sync {
    /// Puts events, at most [`driftless_planner::event::ENTRIES_MAX`] at once. It answers those that were not taken, by
    /// their ids, with why; the others were.
    fn put(&self, events: &[Event]) -> impl Future<Output = CallResult<BTreeMap<String, CallError>>> + Send;
}

/// The table.
pub trait Store: Sync {
    /// The fleets of subjects, from the index. Subjects that the index does not know are absent; one that it knows to belong
    /// to no fleet has none. An alarm can guard several fleets.
    fn indexed(
        &self,
        subjects: &BTreeSet<Subject>,
    ) -> impl Future<Output = CallResult<BTreeMap<Subject, BTreeSet<FleetName>>>> + Send;
    /// Remembers the fleets of subjects; for a while, where there are none.
    fn index(
        &self,
        entries: &BTreeMap<Subject, BTreeSet<FleetName>>,
        now: Timestamp,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Stores a fact and counts a request of its fleet, in one transaction. A fact that is not newer than the stored one
    /// with its key changes nothing.
    ///
    /// A fact that [can wait](Fact::can_wait) counts no request: whoever files it sees to it that the fleet is looked at later.
    /// Beside it its time is remembered, for longer than AWS repeats an event: what was consumed is not stored again.
    fn store(
        &self,
        fleet: &FleetName,
        fact: &Fact,
        now: Timestamp,
    ) -> impl Future<Output = CallResult<StoreResult>> + Send;
    /// What is remembered of facts that can wait, each with a fleet. A read for all, a moment old: it saves writes that would
    /// change nothing.
    fn deduplication(&self, facts: &[(&FleetName, &Fact)]) -> impl Future<Output = CallResult<Deduplication>> + Send;
    /// Takes one of the immediate runs that facts which can wait may cause. All fleets of the account share
    /// [`IMMEDIATE_RUNS_PER_MINUTE_MAX`](driftless_planner::burst::IMMEDIATE_RUNS_PER_MINUTE_MAX) of them. Returns false when
    /// none is left of this minute.
    fn take_immediate_run(&self, now: Timestamp) -> impl Future<Output = CallResult<bool>> + Send;
    /// Takes the lease of a fleet, if nobody holds it.
    fn acquire(
        &self,
        fleet: &FleetName,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = CallResult<Acquired>> + Send;
    /// Gives the lease back, on condition that it is still ours and that no request has been counted since it was read.
    fn release(
        &self,
        lease: &Lease,
        next_request: Option<Timestamp>,
    ) -> impl Future<Output = CallResult<Released>> + Send;
    /// Claims the sending of a delayed request at a time: false if an earlier one is already on its way.
    fn claim_request(
        &self,
        fleet: &FleetName,
        at: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = CallResult<bool>> + Send;
    /// Everything that is stored of a fleet, read strongly consistent.
    fn load(&self, fleet: &FleetName) -> impl Future<Output = CallResult<Stored>> + Send;
    /// The freezes that concern a fleet, read strongly consistent right before a disruptive write.
    fn freezes(&self, fleet: &FleetName) -> impl Future<Output = CallResult<Vec<Freeze>>> + Send;
    /// Replaces the record, writes history, outbox and events and drops the consumed facts, in one transaction, on condition
    /// that the record has the version that was read and that the lease still holds.
    fn commit(
        &self,
        lease: &Lease,
        read_version: Option<u64>,
        decision: &Decision,
        now: Timestamp,
    ) -> impl Future<Output = CallResult<Committed>> + Send;
    /// Drops notifications that were sent to everybody.
    fn mark_delivered(&self, fleet: &FleetName, ids: &[String]) -> impl Future<Output = CallResult<()>> + Send;
    /// Remembers that one audience was told of a notification, and the other not yet: only that one is owed it still.
    fn mark_partially_delivered(
        &self,
        fleet: &FleetName,
        id: &str,
        told: Audience,
        now: Timestamp,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Drops batches of events that were put, by their ids, from the outbox of a fleet or of the account.
    fn mark_published(&self, scope: &FreezeScope, ids: &[String]) -> impl Future<Output = CallResult<()>> + Send;
    /// The batches of events of the account that were committed and not put.
    fn account_events(&self) -> impl Future<Output = CallResult<Vec<EventBatch>>> + Send;
    /// Takes one of `limit` cutover slots of a cutover for a fleet: false if all are taken by others. A fleet that has its cutover slot
    /// keeps it.
    fn take_slot(
        &self,
        fleet: &FleetName,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = CallResult<bool>> + Send;
    /// Gives the cutover slot of a fleet back. Without one: nothing.
    fn give_slot(&self, fleet: &FleetName) -> impl Future<Output = CallResult<()>> + Send;
    /// Fleets with open work: an in progress record, a fact not used yet, a notification not sent yet, a cutover slot taken. Each with
    /// the time since which the oldest of it is under way. None: all of it only waits for a guard.
    fn open_fleets(&self) -> impl Future<Output = CallResult<BTreeMap<FleetName, Option<Timestamp>>>> + Send;
    /// The fingerprints of the fleets as they were last looked at.
    fn fingerprints(&self) -> impl Future<Output = CallResult<BTreeMap<FleetName, String>>> + Send;
    /// Remembers the fingerprint of a fleet that was looked at.
    fn remember(&self, fleet: &FleetName, fingerprint: &str) -> impl Future<Output = CallResult<()>> + Send;
}

/// Everything that is stored of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    pub record: Option<Record>,
    /// Facts that were filed and not consumed.
    pub facts: Vec<Fact>,
    /// Freezes of the fleet and of the account, expired ones included.
    pub freezes: Vec<Freeze>,
    /// What the fleets of this account and region share.
    pub account: Account,
    /// Notifications that were committed and not sent to everybody, oldest first.
    pub outbox: Vec<Notification>,
    /// By id: the audience that was told of a notification in the outbox, where the other was not.
    pub partially_delivered: BTreeMap<String, Audience>,
    /// Events that were committed and not put, oldest first.
    pub events: Vec<EventBatch>,
    /// The fingerprint with which the fleet was last looked at.
    pub fingerprint: Option<String>,
}

/// A lease on a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub fleet: FleetName,
    pub holder: String,
    /// Rises with every holder; every commit carries it.
    pub fence: u64,
    /// How many wakes had been counted when it was read.
    pub requests: u64,
    /// The delayed request that is on its way, if one is.
    pub next_request: Option<Timestamp>,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// What filing a fact answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreResult {
    Stored,
    /// A fact that can wait was filed before, as new or newer. Whoever filed that one has seen to a pass, or is about to.
    Known,
}

/// What is remembered of facts that can wait, and of their fleets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deduplication {
    /// When facts were observed that were filed, by fleet and key.
    pub observed_at: BTreeMap<(FleetName, String), Timestamp>,
    /// The delayed request that are on their way.
    pub next_requests: BTreeMap<FleetName, Timestamp>,
}

/// What taking a lease answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
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
    Free,
    /// Wakes came meanwhile: reconcile again. The lease is still ours; its count is brought up to date.
    Requested(Lease),
    /// It was not ours any more.
    Lost,
}

/// What a commit answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Yes,
    /// The record or the lease is not what was read: someone else goes on.
    Conflict,
}

/// What the functions that people talk to need of the table, beside what the loop needs of it.
pub trait OperatorApi: Sync {
    /// Freezes a fleet or the account, with a line in its history, and its event. A freeze that is there already is replaced.
    fn freeze(&self, freeze: &Freeze, line: &HistoryEntry) -> impl Future<Output = CallResult<()>> + Send;
    /// Lifts that freeze, with a line in its history, and its event.
    fn thaw(&self, scope: &FreezeScope, line: &HistoryEntry) -> impl Future<Output = CallResult<()>> + Send;
    /// The newest lines of a fleet's history and of the account's, oldest first: those before a time, and as many as one
    /// read answers, which is more than anybody reads.
    fn history(
        &self,
        fleet: &FleetName,
        before: Option<Timestamp>,
    ) -> impl Future<Output = CallResult<HistoryPage>> + Send;
    /// What stands beside the record of a fleet: its lease, and the request that is on its way.
    fn lease_state(&self, fleet: &FleetName) -> impl Future<Output = CallResult<LeaseState>> + Send;
}

/// What stands beside the record of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaseState {
    /// The delayed request that is on its way, if one is.
    pub next_request: Option<Timestamp>,
    /// Who has the lease, or had it and did not give it back. None: it is free.
    pub held: Option<LeaseHolder>,
}

/// A lease that was taken and not given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHolder {
    /// Who took it: the id of an invocation.
    pub holder: UntrustedText,
    /// When it ends, or ended, by itself.
    pub until: Timestamp,
}

/// A part of a history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryPage {
    /// Its lines, in the order in which they were committed.
    pub entries: Vec<HistoryEntry>,
    /// Whether there are older ones.
    pub is_cut: bool,
}

/// Everything that the loop needs.
pub trait Ports:
    Clock + Groups + LoadBalancers + Compliance + Ec2Instances + Alarms + RequestQueue + Alerts + Bus + Store
{
}

impl<P: Clock + Groups + LoadBalancers + Compliance + Ec2Instances + Alarms + RequestQueue + Alerts + Bus + Store> Ports
    for P
{
}
