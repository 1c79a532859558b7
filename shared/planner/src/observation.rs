//! What was just read from AWS, in the planner's words. Nothing here is remembered from an earlier look.

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

/// One look at a fleet.
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
    /// What Config says now under each rule that was asked for and answered: `NoSuchRule` is an answer.
    pub compliance: BTreeMap<RuleName, RuleReading>,
    /// What EC2 says of the instances that were asked for.
    pub machines: Reading<InstanceId, Ec2Instance>,
    /// What each launch template version resolves to.
    pub templates: Reading<TemplateVersion, TemplateContent>,
    /// The newest version of each launch template that was asked for.
    pub newest_templates: Reading<TemplateId, u64>,
    /// Images of this account that are tagged for the fleet, and those that were asked for by their id.
    pub images: Reading<ImageId, Image>,
    /// The alarms that were asked for.
    pub alarms: AlarmReading,
    /// The newest instance refresh of each group that was asked for, whatever its status.
    pub refreshes: Reading<GroupName, Refresh>,
    /// The longest time-out of a group's lifecycle hooks, zero where it has none.
    pub hook_timeouts: Reading<GroupName, SignedDuration>,
    /// What the fleets of this account and region share: read with the record.
    pub account: Account,
    /// AWS's message on the newest failed launch of a group, with its time.
    pub launch_failures: Reading<GroupName, LaunchFailure>,
}

/// An Auto Scaling group as it is now.
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
    /// With which of its two API families Auto Scaling was told of them.
    pub attachment_api: AttachmentApi,
    /// Suspended processes, by AWS's names.
    pub suspended: BTreeSet<String>,
    /// How long a new instance must have been healthy before it counts: the group's default warm-up, else its
    /// health check grace period, which is what Auto Scaling itself does.
    pub warm_up: SignedDuration,
    /// Whether new instances are protected from scale-in by the group itself.
    pub protects_new_instances: bool,
    /// Traits that Driftless does not work with, each in words ("a warm pool").
    pub unsupported: Vec<String>,
    /// Whether the group is being deleted.
    pub deleting: bool,
}

/// An instance of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: InstanceId,
    pub zone: Zone,
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// Whether Auto Scaling holds it for healthy.
    pub healthy: bool,
    /// The launch template version that it was launched with.
    pub template: Option<TemplateVersion>,
    /// The image that it runs where Auto Scaling says that it is not the template's: after a root volume was replaced.
    pub image_override: Option<ImageId>,
    /// Whether it is protected from scale-in.
    pub protected: bool,
}

/// Where an instance is in its life, as Auto Scaling tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifecycle {
    /// On its way in, hooks included.
    Pending,
    InService,
    /// On its way out, draining and hooks included.
    Terminating,
    /// Set aside by an operator, or by another tool.
    Standby,
    /// Leaving the group without being terminated.
    Detaching,
    /// A state that this version does not know. It is neither counted as serving nor acted on.
    Unknown(UntrustedText),
}

/// The health of a target, as the load balancer tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetHealth {
    Healthy,
    /// Registered, not judged yet.
    Initial,
    Unhealthy(UntrustedText),
    Draining,
    /// Registered in a target group that no listener refers to, so that nobody checks it.
    Unused,
    /// The load balancer cannot tell.
    Unavailable,
}

/// What Config says under one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleReading {
    /// The instances that break the rule. Those of other fleets are among them.
    NonCompliant(BTreeMap<InstanceId, Finding>),
    NoSuchRule,
}

/// Why Config holds an instance for non-compliant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// When Config recorded it.
    pub recorded_at: Timestamp,
    /// Config's remark, if it made one.
    pub annotation: Option<UntrustedText>,
}

/// An instance, as EC2 tells it.
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

/// A launch that failed, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchFailure {
    pub at: Timestamp,
    pub message: UntrustedText,
}

/// What the fleets of an account and region share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// Fleets that hold one of the [`crate::limits::CUTOVERS_MAX`] cutover slots of a cutover, and since when.
    pub slots: BTreeMap<FleetName, Timestamp>,
    /// By rule: the fleets that saw an instance begin to break it, each with the last time that it did.
    pub drifting: BTreeMap<RuleName, BTreeMap<FleetName, Timestamp>>,
}

/// The stop switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Why nothing may start.
    pub reason: UntrustedText,
    pub owner: UntrustedText,
    /// When it was said.
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
    /// Whether it still holds. At its expiry it no longer does.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl Group {
    /// The member with this id.
    pub fn member(&self, id: &InstanceId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == *id)
    }

    /// Members that are neither leaving nor unknown: what desired capacity counts.
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

    /// Whether a member serves: in service, healthy to Auto Scaling, and healthy in each target group of its group.
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

    /// How many members of a group serve, not counting one of them.
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
