//! The ports: traits that declare what the control loop needs from AWS, the queue and the table, in the planner's
//! types. `shared/aws` implements them on AWS, and the simulator in memory.
//!
//! Reads return the current answer of AWS. Writes can be repeated: a write whose result is already in place succeeds.

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

/// A failed call to AWS, the queue or the table.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed ({kind}): {message}")]
pub struct CallError {
    /// The call, by its AWS name: `autoscaling:TerminateInstanceInAutoScalingGroup`.
    pub operation: &'static str,
    /// The kind of the error, which determines how the loop continues.
    pub kind: CallErrorKind,
    /// The code and message of AWS, or what was wrong with the response.
    pub message: UntrustedText,
    /// The underlying error of the SDK or the parser.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The meaning of a failed call for the control loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallErrorKind {
    /// The resource does not exist, or no longer exists.
    Gone,
    /// Another activity holds the resource now (`ScalingActivityInProgress`, `ResourceContention`).
    Busy,
    Throttled,
    /// IAM or a KMS key denies the call to our role.
    Denied,
    /// The endpoint does not know the call, or the group does not support it.
    Unsupported,
    /// AWS refuses the values of the call (`ValidationError`).
    Refused,
    /// There was no response, or a server error. The call may or may not have taken effect.
    Unavailable,
    /// The response or the stored row cannot be read, because a field is missing or the row has another schema version.
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

/// The result of a call.
pub type CallResult<T> = Result<T, CallError>;

/// The source of the current time.
pub trait Clock: Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// Auto Scaling: reads and writes the groups of fleets.
pub trait Groups: Sync {
    /// The groups that have this fleet's tag, with their instances.
    fn groups_of(&self, fleet: &FleetName) -> impl Future<Output = CallResult<Vec<Group>>> + Send;
    /// Every group that has a fleet tag, from all pages. The resync reads these.
    fn all_groups(&self) -> impl Future<Output = CallResult<Vec<Group>>> + Send;
    /// One group, read again right before a write. None: the group does not exist.
    fn group(&self, name: &GroupName) -> impl Future<Output = CallResult<Option<Group>>> + Send;
    /// The fleet and the instances of each of these groups. Groups without the fleet tag are absent.
    fn fleets_of_groups(
        &self,
        names: &BTreeSet<GroupName>,
    ) -> impl Future<Output = CallResult<BTreeMap<GroupName, Members>>> + Send;
    /// The groups that these instances belong to. Instances without a group are absent.
    fn groups_of_instances(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> impl Future<Output = CallResult<BTreeMap<InstanceId, GroupName>>> + Send;
    /// The newest instance refresh of a group, in any status.
    fn refresh(&self, group: &GroupName) -> impl Future<Output = CallResult<Option<Refresh>>> + Send;
    /// The longest heartbeat timeout of the group's lifecycle hooks. Zero if the group has no hooks.
    fn hook_timeout(&self, group: &GroupName) -> impl Future<Output = CallResult<SignedDuration>> + Send;
    /// The newest failed launch of a group.
    fn launch_failure(&self, group: &GroupName) -> impl Future<Output = CallResult<Option<LaunchFailure>>> + Send;
    /// Writes `MinSize` and nothing else. A minimum above the desired capacity also raises the desired capacity, as AWS
    /// does.
    fn set_minimum(&self, group: &GroupName, minimum: u32) -> impl Future<Output = CallResult<()>> + Send;
    /// Writes `MaxSize` and nothing else.
    fn set_maximum(&self, group: &GroupName, maximum: u32) -> impl Future<Output = CallResult<()>> + Send;
    /// Writes the desired capacity.
    fn set_desired(&self, group: &GroupName, desired: u32) -> impl Future<Output = CallResult<()>> + Send;
    /// Launches one instance into a zone. The token makes the call idempotent.
    fn launch(&self, group: &GroupName, zone: &Zone, token: &str) -> impl Future<Output = CallResult<Launched>> + Send;
    /// Sets or removes the scale-in protection of an instance.
    fn protect(
        &self,
        group: &GroupName,
        instance: &InstanceId,
        protection: Protection,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Terminates an instance of a group.
    fn terminate(&self, instance: &InstanceId, capacity: CapacityChange)
    -> impl Future<Output = CallResult<()>> + Send;
    /// Writes minimum and desired capacity 0 and the given `MaxSize` in one call. Auto Scaling then terminates all
    /// instances of the group.
    fn empty(&self, group: &GroupName, maximum: u32) -> impl Future<Output = CallResult<()>> + Send;
    /// Puts an instance into Standby. It then stays in its group, but leaves the target groups and has no health
    /// checks.
    fn enter_standby(
        &self,
        group: &GroupName,
        instance: &InstanceId,
        capacity: CapacityChange,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Sets a numbered version of the launch template that the group already uses.
    fn set_template(
        &self,
        group: &GroupName,
        template: &TemplateVersion,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Attaches a target group to a group. Auto Scaling registers every instance of the group in it.
    fn attach(
        &self,
        group: &GroupName,
        target_group: &TargetGroupArn,
        api: AttachmentApi,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Detaches a target group from a group. Auto Scaling deregisters every instance of the group; the instances keep
    /// running.
    fn detach(
        &self,
        group: &GroupName,
        target_group: &TargetGroupArn,
        api: AttachmentApi,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Starts an instance refresh. Fails with `Busy` while another one is in progress.
    fn start_refresh(
        &self,
        group: &GroupName,
        plan: &RefreshPlan,
    ) -> impl Future<Output = CallResult<RefreshId>> + Send;
    /// Rolls back the instance refresh in progress. Fails with `Gone` when there is none.
    fn roll_back_refresh(&self, group: &GroupName) -> impl Future<Output = CallResult<()>> + Send;
}

/// The fleet and the instances of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    pub fleet: FleetName,
    pub instances: BTreeSet<InstanceId>,
}

/// The result of a launch call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launched {
    Instance(InstanceId),
    /// AWS tried to launch the instance and failed, with this message.
    Failed(UntrustedText),
}

/// Elastic Load Balancing: the traffic of fleets and the health of their targets.
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
    /// Writes the weights of a forward action. The action is read right before the write, and all its other settings
    /// are kept. Fails with `Refused` when the live weights or stickiness differ from the expected ones.
    fn set_weights(&self, change: &WeightChange) -> impl Future<Output = CallResult<()>> + Send;
}

/// AWS Config: the compliance of instances with its rules.
pub trait Compliance: Sync {
    /// The instances that break a rule, from all pages. The reading of a rule with many findings may be up to
    /// [`LARGE_READING_KEPT`] old.
    ///
    /// [`LARGE_READING_KEPT`]: driftless_planner::drift::LARGE_READING_KEPT
    fn non_compliant(&self, rule: &RuleName) -> impl Future<Output = CallResult<RuleReading>> + Send;
}

/// EC2: instances, launch templates and images.
pub trait Ec2Instances: Sync {
    /// The EC2 state of instances. Instances that EC2 does not know are absent.
    fn machines(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> impl Future<Output = CallResult<BTreeMap<InstanceId, Ec2Instance>>> + Send;
    /// The content of a launch template version. None: the version does not exist.
    fn template(&self, version: &TemplateVersion) -> impl Future<Output = CallResult<Option<TemplateContent>>> + Send;
    /// The newest version of a launch template. None: the template does not exist.
    fn newest_template(&self, template: &TemplateId) -> impl Future<Output = CallResult<Option<u64>>> + Send;
    /// Writes a template version: the base version with another image. The token, which is stored in the description of
    /// the version, makes the call idempotent.
    fn write_template(
        &self,
        template: &TemplateId,
        base: &TemplateVersion,
        image: &ImageId,
        token: &str,
    ) -> impl Future<Output = CallResult<TemplateVersion>> + Send;
    /// The images of this account that are tagged for this fleet.
    fn images_for(&self, fleet: &FleetName) -> impl Future<Output = CallResult<Vec<Image>>> + Send;
    /// The images of this account that are tagged for any fleet. The resync reads them.
    fn all_images(&self) -> impl Future<Output = CallResult<Vec<Image>>> + Send;
    /// Images by id, of any owner. Images that EC2 does not know or does not show to this account are absent.
    fn images(&self, ids: &BTreeSet<ImageId>) -> impl Future<Output = CallResult<BTreeMap<ImageId, Image>>> + Send;
    /// The images of this account that came from the EC2 Image Builder build with this ARN.
    fn images_built_as(&self, arn: &str) -> impl Future<Output = CallResult<Vec<Image>>> + Send;
}

/// CloudWatch: the states of alarms.
pub trait Alarms: Sync {
    /// The alarms that match the patterns, from all pages. Alarms that CloudWatch does not know are absent.
    fn alarms(
        &self,
        patterns: &BTreeSet<AlarmPattern>,
    ) -> impl Future<Output = CallResult<BTreeMap<AlarmName, Alarm>>> + Send;
    /// Every alarm of the account and region that is in the state ALARM. The resync reads these.
    fn in_alarm(&self) -> impl Future<Output = CallResult<BTreeMap<AlarmName, Alarm>>> + Send;
}

/// The reconcile queue, which carries delayed requests and facts.
pub trait RequestQueue: Sync {
    /// Sends a message that arrives after the delay, which is at most 15 minutes.
    fn send(&self, message: &ReconcileRequest, delay: SignedDuration) -> impl Future<Output = CallResult<()>> + Send;
    /// Sends messages, each with its delay, in as few calls as possible. After an error some of them may not be on the
    /// queue.
    fn send_all(&self, messages: &[(ReconcileRequest, SignedDuration)]) -> impl Future<Output = CallResult<()>> + Send;
}

/// The SNS topics: one for each audience.
pub trait Alerts: Sync {
    /// Publishes a message on the topic of one audience.
    fn publish(&self, message: &Message, to: Audience) -> impl Future<Output = CallResult<()>> + Send;
}

/// The recipients of messages. Each audience has its own topic, because pagers and chat both receive messages from SNS
/// by HTTPS, but in different formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    OnCall,
    Chat,
}

/// The EventBridge event bus.
pub trait Bus: Sync {
    /// Puts at most [`driftless_planner::event::ENTRIES_MAX`] events. Returns the ids of the events that the bus
    /// refused, each with its error; the bus accepted the others.
    fn put(&self, events: &[Event]) -> impl Future<Output = CallResult<BTreeMap<String, CallError>>> + Send;
}

/// The DynamoDB table: records, facts, leases, history and outbox.
pub trait Store: Sync {
    /// Reads the fleets of subjects from the index. A subject that the index does not know is absent; a subject that is
    /// known to belong to no fleet has an empty set. One alarm can guard several fleets.
    fn indexed(
        &self,
        subjects: &BTreeSet<Subject>,
    ) -> impl Future<Output = CallResult<BTreeMap<Subject, BTreeSet<FleetName>>>> + Send;
    /// Writes the fleets of subjects into the index. An entry with an empty set expires earlier than others.
    fn index(
        &self,
        entries: &BTreeMap<Subject, BTreeSet<FleetName>>,
        now: Timestamp,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Stores a fact and increments the fleet's count of reconcile requests, in one transaction. A fact that is not
    /// newer than the stored one with the same key changes nothing.
    ///
    /// A fact that [can wait](Fact::can_wait) does not increment the count: the caller makes sure that the fleet is
    /// reconciled later. The time of such a fact is stored as a deduplication mark, for longer than AWS repeats an
    /// event, so that a consumed fact is not stored again.
    fn store(
        &self,
        fleet: &FleetName,
        fact: &Fact,
        now: Timestamp,
    ) -> impl Future<Output = CallResult<StoreResult>> + Send;
    /// Reads the deduplication marks of facts that can wait, each for a fleet, and the pending requests of these
    /// fleets. One eventually consistent read covers all of them; it saves writes that would change nothing.
    fn deduplication(&self, facts: &[(&FleetName, &Fact)]) -> impl Future<Output = CallResult<Deduplication>> + Send;
    /// Takes one of the immediate runs that facts which can wait may start. All fleets of the account share
    /// [`IMMEDIATE_RUNS_PER_MINUTE_MAX`](driftless_planner::burst::IMMEDIATE_RUNS_PER_MINUTE_MAX) such runs. Returns
    /// false when none is left in this minute.
    fn take_immediate_run(&self, now: Timestamp) -> impl Future<Output = CallResult<bool>> + Send;
    /// Acquires the lease of a fleet until the given time, unless another holder has it.
    fn acquire(
        &self,
        fleet: &FleetName,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = CallResult<Acquired>> + Send;
    /// Releases the lease and stores the due time of the pending request. Condition: the caller still holds the lease,
    /// and no reconcile request was counted since the caller read it.
    fn release(
        &self,
        lease: &Lease,
        next_request: Option<Timestamp>,
    ) -> impl Future<Output = CallResult<Released>> + Send;
    /// Claims the sending of a delayed request. Returns false when an earlier request is already on the queue.
    fn claim_request(
        &self,
        fleet: &FleetName,
        at: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = CallResult<bool>> + Send;
    /// Reads everything that the table stores about a fleet, with strong consistency.
    fn load(&self, fleet: &FleetName) -> impl Future<Output = CallResult<Stored>> + Send;
    /// Reads the freezes that concern a fleet, with strong consistency, right before a disruptive write.
    fn freezes(&self, fleet: &FleetName) -> impl Future<Output = CallResult<Vec<Freeze>>> + Send;
    /// Replaces the record, writes history, outbox and events, and deletes the consumed facts, in one transaction.
    /// Condition: the record still has the version that was read, and the caller still holds the lease.
    fn commit(
        &self,
        lease: &Lease,
        read_version: Option<u64>,
        decision: &Decision,
        now: Timestamp,
    ) -> impl Future<Output = CallResult<Committed>> + Send;
    /// Removes notifications from the outbox after both audiences have received them.
    fn mark_delivered(&self, fleet: &FleetName, ids: &[String]) -> impl Future<Output = CallResult<()>> + Send;
    /// Marks that one audience has received a notification. From then on, only the other audience gets it.
    fn mark_partially_delivered(
        &self,
        fleet: &FleetName,
        id: &str,
        told: Audience,
        now: Timestamp,
    ) -> impl Future<Output = CallResult<()>> + Send;
    /// Removes published batches of events, by their ids, from the outbox of a fleet or of the account.
    fn mark_published(&self, scope: &FreezeScope, ids: &[String]) -> impl Future<Output = CallResult<()>> + Send;
    /// Reads the account's batches of events that were committed and not yet published.
    fn account_events(&self) -> impl Future<Output = CallResult<Vec<EventBatch>>> + Send;
    /// Takes one of `limit` cutover slots for a fleet. Returns false when other fleets hold all of them. A fleet that
    /// holds a slot keeps it.
    fn take_slot(
        &self,
        fleet: &FleetName,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = CallResult<bool>> + Send;
    /// Returns the cutover slot of a fleet. Does nothing when the fleet holds none.
    fn give_slot(&self, fleet: &FleetName) -> impl Future<Output = CallResult<()>> + Send;
    /// Reads the fleets with open work: a record in progress, an unconsumed fact, an unsent notification or unpublished
    /// event, or a cutover slot. Each fleet comes with the start of its oldest work in progress. None: all of its work
    /// waits for a guard.
    fn open_fleets(&self) -> impl Future<Output = CallResult<BTreeMap<FleetName, Option<Timestamp>>>> + Send;
    /// Reads the fingerprint of each fleet as of its last reconcile pass.
    fn fingerprints(&self) -> impl Future<Output = CallResult<BTreeMap<FleetName, String>>> + Send;
    /// Stores the fingerprint of a fleet that was just reconciled.
    fn remember(&self, fleet: &FleetName, fingerprint: &str) -> impl Future<Output = CallResult<()>> + Send;
}

/// Everything that the table stores about a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    pub record: Option<Record>,
    /// Stored facts that no pass has consumed yet.
    pub facts: Vec<Fact>,
    /// Freezes of the fleet and of the account, expired ones included.
    pub freezes: Vec<Freeze>,
    /// State that the fleets of this account and region share.
    pub account: Account,
    /// Notifications that were committed and that not every audience has received, oldest first.
    pub outbox: Vec<Notification>,
    /// The notifications that only one audience has received: that audience, by the id of the notification.
    pub partially_delivered: BTreeMap<String, Audience>,
    /// Events that were committed and not yet published, oldest first.
    pub events: Vec<EventBatch>,
    /// The fingerprint of the fleet as of its last reconcile pass.
    pub fingerprint: Option<String>,
}

/// The lease on a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub fleet: FleetName,
    pub holder: String,
    /// The fencing number of the lease. It rises with every acquisition, and every commit checks it, so that a former
    /// holder cannot commit.
    pub fence: u64,
    /// The fleet's count of reconcile requests when the lease was read.
    pub requests: u64,
    /// The due time of the delayed request on the queue, if there is one.
    pub next_request: Option<Timestamp>,
    /// The time at which the lease ends unless it is released.
    pub until: Timestamp,
}

/// The result of storing a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreResult {
    Stored,
    /// The fact can wait, and the stored fact with the same key is at least as new. The run that stored that fact
    /// requests a pass.
    Known,
}

/// Deduplication marks of facts that can wait, and the pending requests of their fleets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deduplication {
    /// The deduplication marks: the observation times of stored facts, by fleet and fact key.
    pub observed_at: BTreeMap<(FleetName, String), Timestamp>,
    /// The due times of the delayed requests that are on the queue.
    pub next_requests: BTreeMap<FleetName, Timestamp>,
}

/// The result of acquiring a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    Held(Lease),
    /// Another holder has the lease until this time.
    Busy {
        until: Timestamp,
    },
}

/// The result of releasing a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    Free,
    /// Reconcile requests were counted since the lease was read, so the fleet must be reconciled again. The caller
    /// still holds the lease, which is returned with the new count.
    Requested(Lease),
    /// The caller no longer holds the lease.
    Lost,
}

/// The result of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Yes,
    /// The record or the lease changed since it was read. Another run continues.
    Conflict,
}

/// What the `operator` and `status` functions need from the table in addition to the ports of the loop.
pub trait OperatorApi: Sync {
    /// Freezes a fleet or the account, and writes the history entry and the event about it. Replaces an existing freeze
    /// of that scope.
    fn freeze(&self, freeze: &Freeze, line: &HistoryEntry) -> impl Future<Output = CallResult<()>> + Send;
    /// Ends the freeze of a scope, and writes the history entry and the event about it.
    fn thaw(&self, scope: &FreezeScope, line: &HistoryEntry) -> impl Future<Output = CallResult<()>> + Send;
    /// One page of the history of a fleet and of the account: the newest entries before the given time, oldest first,
    /// as many as one read returns.
    fn history(
        &self,
        fleet: &FleetName,
        before: Option<Timestamp>,
    ) -> impl Future<Output = CallResult<HistoryPage>> + Send;
    /// A fleet's lease and its pending request.
    fn lease_state(&self, fleet: &FleetName) -> impl Future<Output = CallResult<LeaseState>> + Send;
}

/// A fleet's lease and its pending request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaseState {
    /// The due time of the delayed request on the queue, if there is one.
    pub next_request: Option<Timestamp>,
    /// The holder of the lease, even if the lease has ended without a release. None: the lease is free.
    pub held: Option<LeaseHolder>,
}

/// A lease that was acquired and not released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHolder {
    /// The id of the invocation that acquired the lease.
    pub holder: UntrustedText,
    /// The time at which the lease ends, or has ended, unless the holder releases it.
    pub until: Timestamp,
}

/// One page of a history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryPage {
    /// The entries in commit order.
    pub entries: Vec<HistoryEntry>,
    /// Whether older entries exist.
    pub is_cut: bool,
}

/// All ports of the control loop.
pub trait Ports:
    Clock + Groups + LoadBalancers + Compliance + Ec2Instances + Alarms + RequestQueue + Alerts + Bus + Store
{
}

impl<P: Clock + Groups + LoadBalancers + Compliance + Ec2Instances + Alarms + RequestQueue + Alerts + Bus + Store> Ports
    for P
{
}
