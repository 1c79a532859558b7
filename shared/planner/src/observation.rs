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
    /// Settings of the target groups that were asked for: only a preflight asks.
    pub target_group_settings: Reading<TargetGroupArn, TargetGroupSettings>,
    /// The health of each target that is an instance, of the target groups that were asked.
    pub targets: Reading<TargetGroupArn, BTreeMap<InstanceId, TargetHealth>>,
    /// The result of each rule that was read; `NoSuchRule` is a result.
    pub compliance: BTreeMap<RuleName, RuleReading>,
    /// The instances that were read from EC2.
    pub machines: Reading<InstanceId, Ec2Instance>,
    /// The contents of each launch template version.
    pub templates: Reading<TemplateVersion, TemplateContent>,
    /// The newest version of each launch template that was asked for.
    pub newest_templates: Reading<TemplateId, u64>,
    /// Images of this account that are tagged for the fleet, and those that were asked for by their id.
    pub images: Reading<ImageId, Image>,
    /// The alarms that were asked for.
    pub alarms: AlarmReading,
    /// The newest instance refresh of each group that was asked for, whatever its status.
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
    /// Its instances, whatever their state.
    pub members: Vec<Member>,
    /// Target groups in which its instances are registered.
    pub target_groups: Vec<TargetGroupArn>,
    /// The Auto Scaling API family that attached them.
    pub attachment_api: AttachmentApi,
    /// Suspended processes, by AWS's names.
    pub suspended: BTreeSet<String>,
    /// How long a new instance must have been healthy before it counts: the group's default warm-up, else its
    /// health check grace period, which is what Auto Scaling itself does.
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
    /// Whether Auto Scaling considers it healthy.
    pub healthy: bool,
    /// The launch template version that it was launched with.
    pub template: Option<TemplateVersion>,
    /// The image that the instance runs if it differs from the template's, after its root volume was replaced.
    pub image_override: Option<ImageId>,
    /// Whether it is protected from scale-in.
    pub protected: bool,
}

/// The lifecycle state of an instance, as Auto Scaling reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifecycle {
    Pending,
    InService,
    /// Terminating, draining and hooks included.
    Terminating,
    /// In standby, moved there by Driftless for forensics, by an operator or by another tool.
    Standby,
    /// Leaving the group without being terminated.
    Detaching,
    /// A state that this version does not know. It counts as neither healthy nor changeable.
    Unknown(UntrustedText),
}

/// The health of a target, as the load balancer reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetHealth {
    Healthy,
    /// Registered, without a health result yet.
    Initial,
    Unhealthy(UntrustedText),
    Draining,
    /// Registered in a target group that no listener uses, so that the load balancer does not check it.
    Unused,
    /// The load balancer cannot determine it.
    Unavailable,
}

/// The result of one Config rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleReading {
    /// The instances that break the rule. Those of other fleets are among them.
    NonCompliant(BTreeMap<InstanceId, Finding>),
    NoSuchRule,
}

/// Why Config considers an instance non-compliant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// When Config recorded it.
    pub recorded_at: Timestamp,
    /// Config's annotation, if any.
    pub annotation: Option<UntrustedText>,
}

/// An instance, as EC2 reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ec2Instance {
    /// The image that it runs.
    pub image: ImageId,
    /// The launch template version that it was launched with, by the tags that EC2 sets.
    pub template: Option<TemplateVersion>,
    pub launched_at: Timestamp,
    /// The reason in its tag `driftless:protect`, if it has one.
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
    /// Fleets that have one of the [`crate::limits::CUTOVERS_MAX`] cutover slots, and since when.
    pub slots: BTreeMap<FleetName, Timestamp>,
    /// By rule: the fleets in which an instance began to break it, each with the last time.
    pub drifting: BTreeMap<RuleName, BTreeMap<FleetName, Timestamp>>,
}

/// A freeze: it stops all disruptive work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    pub reason: UntrustedText,
    pub owner: UntrustedText,
    /// When the operator set it.
    pub since: Timestamp,
    /// When it ends by itself. None: only an operator ends it.
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
    /// Whether the freeze is in force. At its expiry it no longer is.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl Group {
    /// The member with this id.
    pub fn member(&self, id: &InstanceId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == *id)
    }

    /// Members in Pending or InService: those that the desired capacity counts.
    pub fn active(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| matches!(member.lifecycle, Lifecycle::Pending | Lifecycle::InService))
    }
}

impl Observation {
    /// The weights that forward actions give to a target group.
    pub fn weights_of<'s>(&'s self, target_group: &'s TargetGroupArn) -> impl Iterator<Item = u32> + 's {
        self.forwards.iter().filter_map(|forward| forward.weights.get(target_group).copied())
    }

    /// The group with this name.
    pub fn group(&self, name: &GroupName) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == *name)
    }

    /// Whether a member is healthy: InService, healthy to Auto Scaling, and healthy in each target group of its group.
    pub fn is_serving(&self, group: &Group, member: &Member) -> bool {
        member.lifecycle == Lifecycle::InService
            && member.healthy
            && group
                .target_groups
                .iter()
                .all(|arn| self.health_of(arn, &member.id) == Read::Found(&TargetHealth::Healthy))
    }

    /// The health of an instance in a target group. Absent: it is no target there.
    pub fn health_of(&self, target_group: &TargetGroupArn, instance: &InstanceId) -> Read<&TargetHealth> {
        match self.targets.get(target_group) {
            Read::Found(targets) => targets.get(instance).map_or(Read::Absent, Read::Found),
            Read::Absent => Read::Absent,
            Read::NotAsked => Read::NotAsked,
        }
    }

    /// The number of healthy members of a group, not counting one of them.
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
