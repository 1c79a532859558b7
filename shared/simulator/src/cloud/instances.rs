//! The lifecycle of an instance: it boots, passes its launch hook, is in service, drains and is terminated.

use std::collections::BTreeMap;

use driftless_planner::ids::{GroupName, ImageId, InstanceId, Zone};
use driftless_planner::observation::TargetHealth;
use driftless_planner::refresh::RefreshStatus;
use driftless_planner::template::{TemplateReference, TemplateVersion};
use jiff::{SignedDuration, Timestamp};

use super::agenda::Due;
use super::state::{Actor, Build, Ending, Instance, Life};
use super::{Attribution, Cloud, CloudEvent};
use driftless_planner::fact::ComplianceType;

/// The shortest and the longest time from the launch until the instance has booted, as with an ordinary Linux image.
const BOOT: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(25), SignedDuration::from_secs(100));
/// The shortest and the longest time from the end of draining until EC2 has terminated the instance.
const SHUTDOWN: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(5), SignedDuration::from_secs(40));

/// Number of launches, per million, whose launch hook never completes.
const ABANDONED: u32 = 30_000;

impl Cloud {
    /// Adds a pending instance to a group and schedules its boot.
    pub(super) fn spawn(&mut self, group: &GroupName, zone: &Zone) -> Option<InstanceId> {
        let id = self.enlist(group, zone)?;
        let boot = self.rng.duration(BOOT.0, BOOT.1);
        self.agenda.plan(self.now + boot, Due::Boots(id.clone()));
        Some(id)
    }

    /// Adds a pending instance to a group without scheduling its boot.
    pub(super) fn enlist(&mut self, group: &GroupName, zone: &Zone) -> Option<InstanceId> {
        let (template, image) = self.launches(group)?;
        self.launched += 1;
        let id: InstanceId = format!("i-{:017x}", self.launched).parse().ok()?;
        let instance = Instance {
            id: id.clone(),
            group: group.clone(),
            zone: zone.clone(),
            life: Life::Pending,
            image,
            template: Some(template),
            launched_at: self.now,
            in_service_since: None,
            is_up: true,
            answers: true,
            healthy: true,
            protected: false,
            protect: None,
            breaks: BTreeMap::new(),
        };
        self.instances.insert(id.clone(), instance);
        self.of_group.entry(group.clone()).or_default().push(id.clone());
        Some(id)
    }

    /// The launch template version and the image that a group launches now. None: the version or the image does not
    /// exist.
    pub(super) fn launches(&self, group: &GroupName) -> Option<(TemplateVersion, ImageId)> {
        let group = self.groups.get(group)?;
        // An instance refresh launches its target version, and the group's own version while it rolls back (3.5).
        let rolls = group.refresh.as_ref().map(|refresh| &refresh.told);
        let rolled = rolls.filter(|told| matches!(told.status, RefreshStatus::Running | RefreshStatus::Baking));
        let version = match (rolled.and_then(|told| told.template.as_ref()), &group.template) {
            (Some(version), _) | (None, TemplateReference::Numbered(version)) => version,
            (None, TemplateReference::Floating { .. } | TemplateReference::None) => return None,
        };
        let image = self.templates.get(version)?.image.clone()?;
        self.images.contains_key(&image).then(|| (version.clone(), image))
    }

    pub(super) fn boots(&mut self, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id).filter(|instance| instance.life == Life::Pending) else {
            return;
        };
        match self.builds.get(&instance.image).copied().unwrap_or(Build::Good) {
            Build::NeverBoots => {
                instance.is_up = false;
                instance.answers = false;
            }
            Build::Sick => instance.answers = false,
            Build::Good | Build::FailsUnderLoad(_) | Build::Drifted => {}
        }
        let hook = self.groups.get(&instance.group).and_then(|group| group.launch_hook);
        match hook {
            // The owner of the hook completes it well before its timeout. If the owner has died, Auto Scaling abandons
            // the launch.
            Some(timeout) if self.rng.happens(ABANDONED) => {
                self.agenda.plan(self.now + timeout, Due::HookAbandons(id.clone()));
            }
            Some(timeout) => {
                let wait = self.rng.duration(SignedDuration::from_secs(5), timeout / 2);
                self.agenda.plan(self.now + wait, Due::HookEnds(id.clone()));
            }
            None => self.enter_service(id),
        }
    }

    pub(super) fn hook_ends(&mut self, id: &InstanceId) {
        match self.instances.get(id).map(|instance| instance.life) {
            Some(Life::Pending) => self.enter_service(id),
            Some(Life::Terminating) => self.shut_down(id),
            Some(Life::InService | Life::Standby | Life::Gone) | None => {}
        }
    }

    /// The launch hook timed out: Auto Scaling terminates the instance and launches another one.
    pub(super) fn hook_abandons(&mut self, id: &InstanceId) {
        let Some(instance) = self.instances.get(id).filter(|instance| instance.life == Life::Pending) else { return };
        let group = instance.group.clone();
        self.end(id, Actor::AutoScaling, self.now);
        self.balances_soon(&group);
    }

    fn enter_service(&mut self, id: &InstanceId) {
        let now = self.now;
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.life = Life::InService;
        instance.in_service_since = Some(now);
        let name = instance.group.clone();
        let Some(group) = self.groups.get(&name) else { return };
        let (is_adding, grace) = (!group.suspended.contains("AddToLoadBalancer"), group.grace);
        if is_adding {
            for arn in group.target_groups.clone() {
                self.register(&arn, id);
            }
        }
        // Auto Scaling checks the health of the instance when the grace period ends.
        self.agenda.plan(now + grace, Due::Balances(name.clone()));
        self.evaluates_soon(id);
        self.touch(&name);
    }

    /// Begins to terminate an instance because of a write by this actor. The instance is deregistered from its target
    /// groups first, so that it completes its requests.
    pub(super) fn end(&mut self, id: &InstanceId, by: Actor, written_at: Timestamp) {
        let Some(instance) = self.instances.get(id).filter(|instance| is_alive(instance.life)) else { return };
        let name = instance.group.clone();
        let served = self.is_serving(id);
        let serving_before = self.serving_in(&name);
        self.endings.push(Ending {
            at: self.now,
            instance: id.clone(),
            group: name.clone(),
            by,
            serving_before,
            served,
        });
        let answered = self.answered();
        let delay = self.deregister_everywhere(id);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.life = Life::Terminating;
        }
        self.note_silence(answered, by.into(), written_at);
        self.agenda.plan(self.now + delay, Due::Drained(id.clone()));
        self.touch(&name);
    }

    pub(super) fn drained(&mut self, id: &InstanceId) {
        if self.instances.get(id).is_some_and(|instance| instance.life == Life::Standby) {
            self.leave_targets(id);
        }
        let Some(instance) = self.instances.get(id).filter(|instance| instance.life == Life::Terminating) else {
            return;
        };
        match self.groups.get(&instance.group).and_then(|group| group.end_hook) {
            Some(timeout) => {
                let wait = self.rng.duration(SignedDuration::from_secs(5), timeout / 2);
                self.agenda.plan(self.now + wait, Due::HookEnds(id.clone()));
            }
            None => self.shut_down(id),
        }
    }

    fn shut_down(&mut self, id: &InstanceId) {
        let takes = self.rng.duration(SHUTDOWN.0, SHUTDOWN.1);
        self.agenda.plan(self.now + takes, Due::Leaves(id.clone()));
    }

    pub(super) fn leaves(&mut self, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.life = Life::Gone;
        let (group, at) = (instance.group.clone(), self.now);
        for (rule, _) in std::mem::take(&mut instance.breaks) {
            let verdict = ComplianceType::NotApplicable;
            self.events.push(CloudEvent::Compliance { instance: id.clone(), rule, verdict, at });
        }
        self.leave_targets(id);
        self.touch(&group);
        self.agenda.plan(at, Due::Balances(group));
    }

    fn leave_targets(&mut self, id: &InstanceId) {
        for target_group in self.target_groups.values_mut() {
            target_group.targets.remove(id);
        }
    }

    pub(super) fn turns_bad(&mut self, id: &InstanceId) {
        let answered = self.answered();
        if let Some(instance) = self.instances.get_mut(id) {
            instance.answers = false;
        }
        let registered: Vec<_> = self
            .target_groups
            .iter()
            .filter(|(_, target_group)| target_group.targets.contains_key(id))
            .map(|(arn, target_group)| (arn.clone(), target_group.health_check_time))
            .collect();
        self.note_silence(answered, Attribution::Fault, self.now);
        for (arn, health_check_time) in registered {
            self.note_break(arn.clone());
            self.agenda.plan(self.now + health_check_time, Due::TargetHealthReported(arn, id.clone()));
        }
    }

    /// Whether an instance is healthy: in service, healthy for Auto Scaling, and healthy in each target group of its
    /// group.
    pub fn is_serving(&self, id: &InstanceId) -> bool {
        let Some(instance) = self.instances.get(id) else { return false };
        let Some(group) = self.groups.get(&instance.group) else { return false };
        let is_healthy_in = |arn| {
            let target = self.target_groups.get(arn).and_then(|known: &super::TargetGroupState| known.targets.get(id));
            target.is_some_and(|target| target.health == TargetHealth::Healthy)
        };
        instance.life == Life::InService && instance.healthy && group.target_groups.iter().all(is_healthy_in)
    }

    /// The number of healthy instances of a group.
    pub fn serving_in(&self, group: &GroupName) -> u32 {
        let serving = self.members(group).filter(|instance| self.is_serving(&instance.id));
        u32::try_from(serving.count()).unwrap_or(u32::MAX)
    }

    /// The instances of a group that are not terminated, in the order of their launch.
    pub fn members<'c>(&'c self, group: &GroupName) -> impl Iterator<Item = &'c Instance> + use<'c> {
        let known = self.of_group.get(group).into_iter().flatten().filter_map(|id| self.instances.get(id));
        known.filter(|instance| instance.life != Life::Gone)
    }

    /// The instances of a group that count towards its desired capacity.
    pub(super) fn active<'c>(&'c self, group: &GroupName) -> impl Iterator<Item = &'c Instance> + use<'c> {
        self.members(group).filter(|instance| matches!(instance.life, Life::Pending | Life::InService))
    }
}

/// Whether the instance can still be terminated.
const fn is_alive(life: Life) -> bool {
    matches!(life, Life::Pending | Life::InService | Life::Standby)
}
