//! Changes of operators and their tools, and faults of AWS.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use driftless_planner::alarm::{AlarmState as AlarmStateValue, AlarmSubject};
use driftless_planner::balancer::{AttachmentApi, ForwardPlace, TargetGroupSettings};
use driftless_planner::fact::ComplianceType;
use driftless_planner::ids::{AlarmName, GroupName, ImageId, InstanceId, RuleName, TargetGroupArn, Zone};
use driftless_planner::image::Image;
use driftless_planner::template::{TemplateContent, TemplateReference, TemplateVersion};
use jiff::{SignedDuration, Timestamp};

use super::agenda::Due;
use super::state::{Actor, AlarmState, Build, ForwardState, GroupState, Instance, Life, RuleState, TargetGroupState};
use super::{Attribution, Cloud, CloudEvent};

impl Cloud {
    // ---- setting up ---------------------------------------------------------------------------------------------------

    /// Adds a group of size 0. Auto Scaling launches instances within minutes after its desired capacity is raised.
    pub fn add_group(
        &mut self,
        name: &GroupName,
        tags: BTreeMap<String, String>,
        template: TemplateVersion,
        zones: Vec<Zone>,
    ) {
        let group = GroupState {
            name: name.clone(),
            tags,
            min: 0,
            max: 0,
            desired: 0,
            shrunk_by: Actor::AutoScaling,
            shrunk_at: self.now,
            template: TemplateReference::Numbered(template),
            target_groups: Vec::new(),
            attachment_api: AttachmentApi::TargetGroups,
            suspended: BTreeSet::new(),
            warm_up: SignedDuration::from_secs(60),
            grace: SignedDuration::from_secs(180),
            elb_health: true,
            zones,
            launch_hook: None,
            end_hook: None,
            launch_failure: None,
            launches_failed: 0,
            launches_again_at: Timestamp::UNIX_EPOCH,
            refresh: None,
            past: VecDeque::new(),
            offers_launch: true,
        };
        self.groups.insert(name.clone(), group);
        self.touch(name);
    }

    /// Changes any setting of a group, as an operator or Terraform would.
    pub fn edit_group(&mut self, name: &GroupName, edit: impl FnOnce(&mut GroupState)) {
        if let Some(group) = self.groups.get_mut(name) {
            let before = group.desired;
            edit(group);
            group.max = group.max.max(group.min);
            group.desired = group.desired.clamp(group.min, group.max);
            if group.desired < before {
                group.shrunk_by = Actor::Person;
                group.shrunk_at = self.now;
            }
        }
        self.balances_soon(name);
        self.touch(name);
    }

    /// An operator deletes a group with all its instances.
    pub fn remove_group(&mut self, name: &GroupName) {
        let members: Vec<InstanceId> = self.members(name).map(|instance| instance.id.clone()).collect();
        for id in members {
            self.end(&id, Actor::Person, self.now);
        }
        self.groups.remove(name);
    }

    /// Adds a target group. The load balancer takes `health_check_time` to determine the health of a new target.
    pub fn add_target_group(
        &mut self,
        arn: &TargetGroupArn,
        settings: TargetGroupSettings,
        health_check_time: SignedDuration,
    ) {
        self.target_groups
            .insert(arn.clone(), TargetGroupState { settings, health_check_time, targets: BTreeMap::new() });
    }

    /// Adds a forward action that gets `rate` requests per second.
    pub fn add_forward(&mut self, place: &ForwardPlace, weights: BTreeMap<TargetGroupArn, u32>, rate: u64) {
        self.forwards.insert(place.clone(), ForwardState { weights, stickiness: None, rate });
        self.forwards_changed();
    }

    /// An operator changes a forward action, usually its weights.
    pub fn edit_forward(&mut self, place: &ForwardPlace, edit: impl FnOnce(&mut ForwardState)) {
        if let Some(forward) = self.forwards.get_mut(place) {
            let before = forward.weights.clone();
            edit(forward);
            self.note_weights(place, &before, Attribution::Person);
        }
        self.forwards_changed();
    }

    /// An operator deletes a forward action.
    pub fn remove_forward(&mut self, place: &ForwardPlace) {
        self.forwards.remove(place);
        self.forwards_changed();
    }

    /// Adds a launch template version that Driftless did not write.
    pub fn add_template(&mut self, version: &TemplateVersion, content: TemplateContent) {
        self.templates.insert(version.clone(), content);
    }

    /// Adds an image whose instances behave as `build`. EC2 emits the event that the image is available.
    pub fn add_image(&mut self, image: Image, build: Build) {
        let id = image.id.clone();
        self.builds.insert(id.clone(), build);
        self.images.insert(id.clone(), image);
        self.events.push(CloudEvent::Image { image: id, at: self.now });
    }

    /// Operators exempt the images whose instances are non-compliant from the rules, and give instances that fail under
    /// load enough resources.
    pub fn mend_images(&mut self) {
        for build in self.builds.values_mut() {
            if matches!(build, Build::Drifted | Build::FailsUnderLoad(_)) {
                *build = Build::Good;
            }
        }
    }

    /// Changes any attribute of an image, as an operator would.
    pub fn edit_image(&mut self, id: &ImageId, edit: impl FnOnce(&mut Image)) {
        if let Some(image) = self.images.get_mut(id) {
            edit(image);
        }
    }

    /// Sets the behavior of the instances of an image.
    pub fn set_build(&mut self, id: &ImageId, build: Build) {
        self.builds.insert(id.clone(), build);
    }

    /// An operator deregisters an image.
    pub fn remove_image(&mut self, image: &ImageId) {
        self.images.remove(image);
    }

    /// Adds a Config rule that evaluates a new instance after `delay`.
    pub fn add_rule(&mut self, rule: &RuleName, delay: SignedDuration) {
        self.rules.insert(rule.clone(), RuleState { delay, is_bad: false });
    }

    /// Adds an alarm in OK with this evaluation period.
    pub fn add_alarm(&mut self, name: &AlarmName, subject: AlarmSubject, window: SignedDuration) {
        let alarm = AlarmState {
            subject,
            state: AlarmStateValue::Ok,
            since: self.now,
            window,
            bad_since: None,
            is_forced: false,
        };
        self.alarms.insert(name.clone(), alarm);
    }

    /// Deletes an alarm.
    pub fn remove_alarm(&mut self, name: &AlarmName) {
        self.alarms.remove(name);
    }

    // ---- what happens ---------------------------------------------------------------------------------------------------

    /// Config finds an instance non-compliant with a rule, or compliant again.
    pub fn report_compliance(&mut self, rule: &RuleName, instance: &InstanceId, verdict: ComplianceType) {
        self.find(rule, instance, verdict);
    }

    /// An operator edits a rule so that this percentage of all instances, drawn at random, is non-compliant at once.
    /// With 0 every instance is compliant.
    pub fn edit_rule(&mut self, rule: &RuleName, percent: u32) {
        let alive: Vec<InstanceId> =
            self.instances.values().filter(|known| known.life != Life::Gone).map(|known| known.id.clone()).collect();
        if let Some(state) = self.rules.get_mut(rule) {
            state.is_bad = percent == 100;
        }
        for id in alive {
            let breaks = self.rng.below(100) < u64::from(percent);
            let verdict = if breaks { ComplianceType::NonCompliant } else { ComplianceType::Compliant };
            self.find(rule, &id, verdict);
        }
    }

    /// EC2 runs out of capacity in a zone, or has capacity again.
    pub fn set_short(&mut self, zone: &Zone, is_short: bool) {
        if is_short {
            self.short.insert(zone.clone());
        } else {
            self.short.remove(zone);
        }
    }

    /// EC2 refuses the launches of a group with this error message. None: EC2 accepts them again.
    pub fn set_refused(&mut self, group: &GroupName, message: Option<&str>) {
        match message {
            Some(message) => self.refused.insert(group.clone(), message.to_owned()),
            None => self.refused.remove(group),
        };
    }

    /// Changes any attribute of an instance, as an operator would.
    pub fn edit_instance(&mut self, id: &InstanceId, edit: impl FnOnce(&mut Instance)) {
        if let Some(instance) = self.instances.get_mut(id) {
            edit(instance);
            let group = instance.group.clone();
            self.touch(&group);
        }
    }

    /// An instance fails: EC2 loses it, or it stops responding.
    pub fn break_instance(&mut self, instance: &InstanceId, is_lost: bool) {
        self.turns_bad(instance);
        if let Some(known) = self.instances.get_mut(instance) {
            known.is_up = known.is_up && !is_lost;
            let group = known.group.clone();
            self.agenda.plan(self.now + SignedDuration::from_mins(2), Due::Balances(group));
        }
    }

    /// An operator sets the tag `driftless:protect` on an instance, or removes it.
    pub fn tag_protected(&mut self, instance: &InstanceId, reason: Option<&str>) {
        if let Some(known) = self.instances.get_mut(instance) {
            known.protect = reason.map(ToOwned::to_owned);
        }
    }

    /// An operator protects an instance in service from scale-in, or removes the protection.
    pub fn spare(&mut self, instance: &InstanceId, is_spared: bool) {
        let Some(known) = self.instances.get_mut(instance).filter(|known| known.life == Life::InService) else {
            return;
        };
        known.protected = is_spared;
        let group = known.group.clone();
        self.touch(&group);
        self.balances_soon(&group);
    }

    /// An operator terminates an instance in EC2, without Auto Scaling.
    pub fn kill(&mut self, instance: &InstanceId) {
        let group = self.instances.get(instance).map(|known| known.group.clone());
        self.end(instance, Actor::Person, self.now);
        if let Some(group) = group {
            self.balances_soon(&group);
        }
    }

    /// Forces the state of an alarm. None: the alarm follows its metric again.
    pub fn force_alarm(&mut self, name: &AlarmName, state: Option<AlarmStateValue>) {
        if let Some(alarm) = self.alarms.get_mut(name) {
            alarm.is_forced = state.is_some();
        }
        self.alarm_turns(name, state.unwrap_or(AlarmStateValue::Ok));
        if state.is_none() {
            self.watch_alarms();
        }
    }
}
