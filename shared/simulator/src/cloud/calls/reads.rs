//! The reads of AWS.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::alarm::AlarmState as AlarmStateValue;
use driftless_planner::alarm::{Alarm, AlarmPattern};
use driftless_planner::fleet::FLEET_TAG;
use driftless_planner::ids::{AlarmName, FleetName, GroupName, ImageId, InstanceId, RuleName, TemplateId};
use driftless_planner::image::Image;
use driftless_planner::observation::{Ec2Instance, Group, LaunchFailure, RuleReading};
use driftless_planner::refresh::Refresh;
use driftless_planner::template::{TemplateContent, TemplateVersion};
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::{CallErrorKind, CallResult, Members};
use jiff::{SignedDuration, Timestamp};

use super::refused::{error, gone};
use crate::cloud::Cloud;
use crate::cloud::state::{AlarmState, Life};

const ACTIVITIES: &str = "autoscaling:DescribeScalingActivities";
const REFRESHES: &str = "autoscaling:DescribeInstanceRefreshes";
const CREATE_VERSION: &str = "ec2:CreateLaunchTemplateVersion";
const HOOKS: &str = "autoscaling:DescribeLifecycleHooks";

impl Cloud {
    fn fleet_of(&self, group: &GroupName) -> Option<FleetName> {
        self.groups.get(group)?.tags.get(FLEET_TAG)?.parse().ok()
    }

    /// The groups of a fleet.
    pub fn groups_of(&mut self, fleet: &FleetName) -> CallResult<Vec<Group>> {
        if self.is_blind {
            return Ok(Vec::new());
        }
        let names = self.groups.keys().filter(|name| self.fleet_of(name).as_ref() == Some(fleet));
        Ok(names.filter_map(|name| self.seen(name)).collect())
    }

    /// Every group with the fleet tag, whatever its value.
    pub fn all_groups(&mut self) -> CallResult<Vec<Group>> {
        if self.is_blind {
            return Ok(Vec::new());
        }
        let names = self.groups.values().filter(|group| group.tags.contains_key(FLEET_TAG)).map(|group| &group.name);
        Ok(names.filter_map(|name| self.seen(name)).collect())
    }

    /// One group, without lag.
    pub fn group(&mut self, name: &GroupName) -> CallResult<Option<Group>> {
        Ok(self.described(name))
    }

    /// For each of these groups with a fleet tag, its fleet and its instances.
    pub fn fleets_of_groups(&mut self, names: &BTreeSet<GroupName>) -> CallResult<BTreeMap<GroupName, Members>> {
        let instances = |name: &GroupName| self.members(name).map(|instance| instance.id.clone()).collect();
        let members = |name: &GroupName| Some(Members { fleet: self.fleet_of(name)?, instances: instances(name) });
        Ok(names.iter().filter_map(|name| Some((name.clone(), members(name)?))).collect())
    }

    /// The group of each of these instances.
    pub fn groups_of_instances(&mut self, ids: &BTreeSet<InstanceId>) -> CallResult<BTreeMap<InstanceId, GroupName>> {
        let known = ids.iter().filter_map(|id| self.instances.get(id)).filter(|known| known.life != Life::Gone);
        Ok(known.map(|known| (known.id.clone(), known.group.clone())).collect())
    }

    /// The newest instance refresh of a group.
    pub fn refresh(&mut self, group: &GroupName) -> CallResult<Option<Refresh>> {
        let known = self.groups.get(group).ok_or_else(|| gone(REFRESHES))?;
        Ok(known.refresh.as_ref().map(|refresh| refresh.told.clone()))
    }

    /// The longest timeout of the lifecycle hooks of a group. Zero: the group has no hook.
    pub fn hook_timeout(&mut self, group: &GroupName) -> CallResult<SignedDuration> {
        let known = self.groups.get(group).ok_or_else(|| gone(HOOKS))?;
        Ok(known.launch_hook.max(known.end_hook).unwrap_or_default())
    }

    /// The newest failed launch of a group.
    pub fn launch_failure(&mut self, group: &GroupName) -> CallResult<Option<LaunchFailure>> {
        Ok(self.groups.get(group).ok_or_else(|| gone(ACTIVITIES))?.launch_failure.clone())
    }

    /// The instances that are non-compliant with a rule.
    pub fn non_compliant(&mut self, rule: &RuleName) -> CallResult<RuleReading> {
        if !self.rules.contains_key(rule) {
            return Ok(RuleReading::NoSuchRule);
        }
        let alive = self.instances.values().filter(|known| known.life != Life::Gone);
        let found = alive.filter_map(|known| Some((known.id.clone(), known.breaks.get(rule)?.clone())));
        Ok(RuleReading::NonCompliant(found.collect()))
    }

    /// The instances as EC2 describes them. Terminated instances are included, since EC2 still shows them for about an
    /// hour.
    pub fn machines(&mut self, ids: &BTreeSet<InstanceId>) -> CallResult<BTreeMap<InstanceId, Ec2Instance>> {
        let known = ids.iter().filter_map(|id| self.instances.get(id));
        Ok(known
            .map(|known| {
                let machine = Ec2Instance {
                    image: known.image.clone(),
                    template: known.template.clone(),
                    launched_at: whole_seconds(known.launched_at),
                    protect: known.protect.as_deref().map(UntrustedText::from),
                };
                (known.id.clone(), machine)
            })
            .collect())
    }

    /// The content of a template version.
    pub fn template(&mut self, version: &TemplateVersion) -> CallResult<Option<TemplateContent>> {
        Ok(self.templates.get(version).cloned())
    }

    /// The number of the newest version of a launch template.
    pub fn newest_template(&mut self, template: &TemplateId) -> CallResult<Option<u64>> {
        Ok(self.newest(template))
    }

    /// Writes a launch template version.
    pub fn write_template(
        &mut self,
        template: &TemplateId,
        base: &TemplateVersion,
        image: &ImageId,
        token: &str,
    ) -> CallResult<TemplateVersion> {
        let is_of_token =
            |(_, content): &(&TemplateVersion, &TemplateContent)| content.written_for.as_deref() == Some(token);
        let is_other = |(version, content): (&TemplateVersion, &TemplateContent)| {
            version.template != *template || content.image.as_ref() != Some(image)
        };
        if self.templates.iter().find(is_of_token).is_some_and(is_other) {
            let text = "IdempotentParameterMismatch: the token was used for another version";
            return Err(error(CREATE_VERSION, CallErrorKind::Refused, text));
        }
        let written = self.write_version(template, base, image, token);
        // A missing base version of the same template is gone. A field that the other color's template lacks is refused
        // by the adapter.
        let is_own = base.template == *template;
        let kind = if is_own { CallErrorKind::Gone } else { CallErrorKind::Refused };
        written.ok_or_else(|| error(CREATE_VERSION, kind, "InvalidLaunchTemplateId.VersionNotFound"))
    }

    fn is_tagged(image: &Image) -> bool {
        image.is_own && image.image_for.is_some()
    }

    /// The images that are tagged for a fleet.
    pub fn images_for(&mut self, fleet: &FleetName) -> CallResult<Vec<Image>> {
        let is_of = |image: &&Image| image.image_for.as_ref().map(UntrustedText::as_str) == Some(fleet.as_str());
        Ok(self.images.values().filter(|image| Self::is_tagged(image)).filter(is_of).cloned().collect())
    }

    /// The images that are tagged for any fleet.
    pub fn all_images(&mut self) -> CallResult<Vec<Image>> {
        Ok(self.images.values().filter(|image| Self::is_tagged(image)).cloned().collect())
    }

    /// Images by their ids.
    pub fn images(&mut self, ids: &BTreeSet<ImageId>) -> CallResult<BTreeMap<ImageId, Image>> {
        Ok(ids.iter().filter_map(|id| Some((id.clone(), self.images.get(id)?.clone()))).collect())
    }

    /// The images that Image Builder made under this ARN.
    pub fn images_built_as(&mut self, arn: &str) -> CallResult<Vec<Image>> {
        let is_built = |image: &&Image| image.image_builder_arn.as_deref() == Some(arn);
        Ok(self.images.values().filter(is_built).cloned().collect())
    }

    /// The alarms whose names match any of these patterns.
    pub fn alarms(&mut self, patterns: &BTreeSet<AlarmPattern>) -> CallResult<BTreeMap<AlarmName, Alarm>> {
        let is_meant = |name: &AlarmName| patterns.iter().any(|pattern| pattern.matches(name));
        let meant = self.alarms.iter().filter(|(name, _)| is_meant(name));
        Ok(meant.map(|(name, alarm)| (name.clone(), told(alarm))).collect())
    }

    /// Alarms that are in ALARM.
    pub fn in_alarm(&mut self) -> CallResult<BTreeMap<AlarmName, Alarm>> {
        let in_alarm = self.alarms.iter().filter(|(_, alarm)| alarm.state == AlarmStateValue::Alarm);
        Ok(in_alarm.map(|(name, alarm)| (name.clone(), told(alarm))).collect())
    }
}

/// Truncates a launch time to whole seconds, as EC2 does.
fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn told(alarm: &AlarmState) -> Alarm {
    Alarm {
        state: alarm.state,
        since: alarm.since,
        reason: "as simulated".into(),
        subject: alarm.subject.clone(),
        window: Some(alarm.window),
    }
}
