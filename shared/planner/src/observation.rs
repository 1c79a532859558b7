//! What this pass has read from AWS, in the planner's types. Nothing here comes from an earlier pass.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::balancer::{AttachmentApi, Forward, TargetGroupSettings};
use crate::ids::{FleetName, GroupName, ImageId, InstanceId, RuleName, TargetGroupArn, TemplateId, Zone};
use crate::image::Image;
use crate::reading::{AlarmReading, Read, Reading};
use crate::refresh::Refresh;
use crate::template::{TemplateContent, TemplateReference, TemplateVersion};
use crate::text::UntrustedText;

/// Everything that one pass has read about a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observation {
    /// The groups that carry the fleet's tag.
    pub groups: Vec<Group>,
    /// The forward actions that name a target group of the fleet.
    pub forwards: Vec<Forward>,
    /// The settings of the target groups that were read. Only the preflight of a cutover reads them.
    pub target_group_settings: Reading<TargetGroupArn, TargetGroupSettings>,
    /// By target group that was read: the health of each target that is an instance.
    pub targets: Reading<TargetGroupArn, BTreeMap<InstanceId, TargetHealth>>,
    /// The result of each rule that was read; `NoSuchRule` is a result.
    pub compliance: BTreeMap<RuleName, RuleReading>,
    /// The instances that were read from EC2.
    pub machines: Reading<InstanceId, Ec2Instance>,
    /// The content of each launch template version that was read.
    pub templates: Reading<TemplateVersion, TemplateContent>,
    /// The newest version number of each launch template that was read.
    pub newest_templates: Reading<TemplateId, u64>,
    /// The images of this account that are tagged for the fleet, and the images that were read by their id.
    pub images: Reading<ImageId, Image>,
    /// The alarms that were read, by their name or by a name prefix.
    pub alarms: AlarmReading,
    /// The newest instance refresh of each group that was read, whatever its status.
    pub refreshes: Reading<GroupName, Refresh>,
    /// The longest timeout of a group's lifecycle hooks. Zero: the group has no hook.
    pub hook_timeouts: Reading<GroupName, SignedDuration>,
    /// The state that the fleets of this account and region share, read with the record.
    pub account: Account,
    /// AWS's message on the newest failed launch of a group, with its time.
    pub launch_failures: Reading<GroupName, LaunchFailure>,
}

/// An Auto Scaling group, as read in this pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: GroupName,
    pub tags: BTreeMap<String, String>,
    pub min: u32,
    pub max: u32,
    pub desired: u32,
    /// The launch template that new instances get.
    pub template: TemplateReference,
    /// The instances of the group, whatever their state.
    pub members: Vec<Member>,
    /// Target groups in which the instances of the group are registered.
    pub target_groups: Vec<TargetGroupArn>,
    /// The Auto Scaling API family that attached the target groups.
    pub attachment_api: AttachmentApi,
    /// Suspended scaling processes, by AWS's names.
    pub suspended: BTreeSet<String>,
    /// How long a new instance must have been healthy before it counts as verified: the default instance warm-up of the
    /// group, or without one its health check grace period, as in Auto Scaling itself.
    pub warm_up: SignedDuration,
    /// Whether new instances are protected from scale-in by the group itself.
    pub protects_new_instances: bool,
    /// Features of the group that Driftless does not support, in words ("a warm pool").
    pub unsupported: Vec<String>,
    /// Whether the group is being deleted.
    pub deleting: bool,
}

/// An instance of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: InstanceId,
    pub zone: Zone,
    pub lifecycle: Lifecycle,
    /// Whether Auto Scaling considers the instance healthy.
    pub healthy: bool,
    /// The launch template version with which the instance was launched. None: Auto Scaling reports none.
    pub template: Option<TemplateVersion>,
    /// The image that the instance runs after its root volume was replaced. None: the instance runs the image of its
    /// launch template version.
    pub image_override: Option<ImageId>,
    /// Whether the instance is protected from scale-in.
    pub protected: bool,
}

/// The lifecycle state of an instance, as Auto Scaling reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifecycle {
    Pending,
    InService,
    /// The instance is terminating, which includes draining and lifecycle hooks.
    Terminating,
    /// The instance is in standby: Driftless moved it there for forensics, or an operator or another tool did.
    Standby,
    /// The instance is leaving the group without being terminated.
    Detaching,
    /// The instance has a state that this version of Driftless does not know. It counts neither as healthy nor as
    /// changeable.
    Unknown(UntrustedText),
}

/// The health of a target, as the load balancer reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetHealth {
    Healthy,
    /// The target is registered and has no health result yet.
    Initial,
    Unhealthy(UntrustedText),
    Draining,
    /// The target is registered in a target group that no listener uses, so that the load balancer does not check the
    /// target.
    Unused,
    /// The load balancer cannot determine the health of the target.
    Unavailable,
}

/// The compliance result of one AWS Config rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleReading {
    /// The instances that break the rule, including instances of other fleets.
    NonCompliant(BTreeMap<InstanceId, Finding>),
    NoSuchRule,
}

/// Why Config considers an instance non-compliant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// When Config recorded the result.
    pub recorded_at: Timestamp,
    /// Config's annotation, if any.
    pub annotation: Option<UntrustedText>,
}

/// An instance, as EC2 reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ec2Instance {
    /// The image that the instance runs.
    pub image: ImageId,
    /// The launch template version with which the instance was launched, according to the tags that EC2 sets.
    pub template: Option<TemplateVersion>,
    pub launched_at: Timestamp,
    /// The value of the instance's tag `driftless:protect`: the reason for the protection. None: no such tag.
    pub protect: Option<UntrustedText>,
}

/// A failed launch, with AWS's message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchFailure {
    pub at: Timestamp,
    pub message: UntrustedText,
}

/// State that the fleets of an account and region share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The fleets that hold one of the [`crate::limits::CUTOVERS_MAX`] cutover slots, each with the time since which it
    /// holds it.
    pub slots: BTreeMap<FleetName, Timestamp>,
    /// By Config rule: the fleets in which an instance began to break the rule, each with the latest time when that
    /// happened.
    pub drifting: BTreeMap<RuleName, BTreeMap<FleetName, Timestamp>>,
}

/// A freeze, with which an operator stops all disruptive work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    pub reason: UntrustedText,
    pub owner: UntrustedText,
    /// When the operator set the freeze.
    pub since: Timestamp,
    /// When the freeze ends by itself. None: only an operator ends it.
    pub expires_at: Option<Timestamp>,
    pub scope: FreezeScope,
}

/// What a freeze applies to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "freeze-scope"))]
pub enum FreezeScope {
    /// Every fleet of the account and region.
    Account,
    /// One fleet.
    Fleet(FleetName),
}

impl Freeze {
    /// Whether the freeze is in force. It ends exactly at its expiry.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl Group {
    /// The member with this id.
    pub fn member(&self, id: &InstanceId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == *id)
    }

    /// The members in the state Pending or InService, which the desired capacity counts.
    pub fn active(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| matches!(member.lifecycle, Lifecycle::Pending | Lifecycle::InService))
    }
}

impl Observation {
    /// The weights that the forward actions give to a target group.
    pub fn weights_of<'s>(&'s self, target_group: &'s TargetGroupArn) -> impl Iterator<Item = u32> + 's {
        self.forwards.iter().filter_map(|forward| forward.weights.get(target_group).copied())
    }

    /// The group with this name.
    pub fn group(&self, name: &GroupName) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == *name)
    }

    /// Whether a member is healthy: InService, healthy according to Auto Scaling, and healthy in each target group of
    /// its group.
    pub fn is_serving(&self, group: &Group, member: &Member) -> bool {
        member.lifecycle == Lifecycle::InService
            && member.healthy
            && group
                .target_groups
                .iter()
                .all(|arn| self.health_of(arn, &member.id) == Read::Found(&TargetHealth::Healthy))
    }

    /// The health of an instance in a target group. Absent: the instance is no target there, or the target group does
    /// not exist.
    pub fn health_of(&self, target_group: &TargetGroupArn, instance: &InstanceId) -> Read<&TargetHealth> {
        match self.targets.get(target_group) {
            Read::Found(targets) => targets.get(instance).map_or(Read::Absent, Read::Found),
            Read::Absent => Read::Absent,
            Read::NotAsked => Read::NotAsked,
        }
    }

    /// The number of healthy members of a group, without the member `left_out`.
    pub fn serving_without(&self, group: &Group, left_out: &InstanceId) -> u32 {
        let serving = group.members.iter().filter(|member| member.id != *left_out && self.is_serving(group, member));
        u32::try_from(serving.count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_holds_until_its_expiry_and_not_at_it() {
        let expires_at: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let freeze = Freeze {
            reason: "incident".into(),
            owner: "ana".into(),
            since: Timestamp::UNIX_EPOCH,
            expires_at: Some(expires_at),
            scope: FreezeScope::Account,
        };
        assert!(freeze.holds(expires_at - SignedDuration::from_secs(1)));
        assert!(!freeze.holds(expires_at));
        assert!(!freeze.holds(expires_at + SignedDuration::from_secs(1)));
        assert!(Freeze { expires_at: None, ..freeze }.holds(Timestamp::MAX));
    }
}
