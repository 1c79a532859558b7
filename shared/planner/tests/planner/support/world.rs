//! How AWS would do what was decided. Just enough for one scenario: no simulator.

use driftless_planner::action::{Action, ActionResult, CapacityChange, Outcome, Protection};
use driftless_planner::ids::{InstanceId, Zone};
use driftless_planner::observation::{Group, Lifecycle, Machine, Member, TargetHealth, TemplateReference};

use super::{Stage, id};

impl Stage {
    /// Does the actions in their order, until one does not come out as decided.
    pub(crate) fn act(&mut self, actions: &[Action]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for action in actions {
            let result = match self.scripted.get(action.name()) {
                Some(result) => result.clone(),
                None => self.apply(action),
            };
            let is_as_decided = matches!(
                result,
                ActionResult::Done
                    | ActionResult::Launched(_)
                    | ActionResult::Written(_)
                    | ActionResult::Started(_)
                    | ActionResult::Gone
            );
            outcomes.push(Outcome { action: action.clone(), result });
            if !is_as_decided {
                break;
            }
        }
        self.acted.extend(outcomes.clone());
        outcomes
    }

    fn apply(&mut self, action: &Action) -> ActionResult {
        if matches!(action, Action::TakeTurn | Action::GiveTurn) {
            return self.turn(action);
        }
        let Some(at) = self.groups.iter().position(|group| Some(&group.name) == action.group()) else {
            return ActionResult::Gone;
        };
        let group = &mut self.groups[at];
        match action {
            Action::SetMaximum { expected, maximum, .. } => match group.max {
                live if live == *maximum => ActionResult::Done,
                live if live != *expected => ActionResult::Changed,
                _ => {
                    assert!(*maximum >= group.desired, "a maximum below desired takes instances");
                    group.max = *maximum;
                    ActionResult::Done
                }
            },
            Action::SetDesired { expected, desired, .. } => {
                if group.desired != *expected {
                    return ActionResult::Changed;
                }
                if *desired > group.max || *desired < group.min {
                    return ActionResult::Busy("out of bounds".into());
                }
                group.desired = *desired;
                self.balance(at);
                ActionResult::Done
            }
            Action::Launch { zone, token, .. } => {
                if let Some(known) = self.launched.get(token) {
                    return ActionResult::Launched(known.clone());
                }
                if group.desired >= group.max {
                    return ActionResult::Failed("the maximum is reached".into());
                }
                group.desired += 1;
                let instance = self.spawn(at, zone.clone());
                self.launched.insert(token.clone(), instance.clone());
                ActionResult::Launched(instance)
            }
            Action::Protect { instance, protection, .. } => {
                let Some(member) = group.members.iter_mut().find(|member| member.id == *instance) else {
                    return ActionResult::Gone;
                };
                assert_eq!(member.lifecycle, Lifecycle::InService, "protection is refused otherwise");
                member.protected = *protection == Protection::On;
                ActionResult::Done
            }
            Action::Terminate { .. } | Action::SetAside { .. } => self.take_out(at, action),
            Action::TakeTurn
            | Action::GiveTurn
            | Action::SetMinimum { .. }
            | Action::Empty { .. }
            | Action::WriteTemplate { .. }
            | Action::SetTemplate { .. }
            | Action::SetWeights { .. }
            | Action::Attach { .. }
            | Action::Detach { .. }
            | Action::StartRefresh { .. }
            | Action::RollBackRefresh { .. } => self.move_traffic(at, action),
        }
    }

    /// Takes one instance out of service, for good or to keep it.
    fn take_out(&mut self, at: usize, action: &Action) -> ActionResult {
        let (Action::Terminate { instance, expected_desired, capacity, .. }
        | Action::SetAside { instance, expected_desired, capacity, .. }) = action
        else {
            panic!("takes nothing out: {action:?}")
        };
        let keeps = matches!(action, Action::SetAside { .. });
        let group = &mut self.groups[at];
        match group.member(instance).map(|member| &member.lifecycle) {
            None | Some(Lifecycle::Terminating) => return ActionResult::Gone,
            Some(Lifecycle::Standby) if keeps => return ActionResult::Done,
            Some(_) if group.desired != *expected_desired => return ActionResult::Changed,
            Some(_) => {}
        }
        if *capacity == CapacityChange::Decrement {
            assert!(group.desired > group.min, "refused: desired equals the minimum");
        }
        if !keeps {
            self.take(instance, *capacity);
            return ActionResult::Done;
        }
        group.desired -= u32::from(*capacity == CapacityChange::Decrement);
        group.members.iter_mut().find(|member| member.id == *instance).unwrap().lifecycle = Lifecycle::Standby;
        self.balance(at);
        ActionResult::Done
    }

    /// Terminates an instance, as AWS, a person or a policy would.
    pub(crate) fn take(&mut self, instance: &InstanceId, capacity: CapacityChange) {
        let at = self.groups.iter().position(|group| group.member(instance).is_some()).unwrap();
        let group = &mut self.groups[at];
        let member = group.members.iter_mut().find(|member| member.id == *instance).unwrap();
        if member.lifecycle == Lifecycle::Terminating {
            return;
        }
        member.lifecycle = Lifecycle::Terminating;
        if capacity == CapacityChange::Decrement {
            group.desired -= 1;
        }
        self.balance(at);
    }

    /// Someone else writes the desired capacity, and Auto Scaling follows.
    pub(crate) fn scale_to(&mut self, desired: u32) {
        self.groups[0].desired = desired;
        self.balance(0);
    }

    /// Auto Scaling launches what is missing, and takes the oldest unprotected instance of what is too many.
    pub(crate) fn balance(&mut self, at: usize) {
        let active = |group: &Group| u32::try_from(group.active().count()).unwrap();
        while self.launches && active(&self.groups[at]) < self.groups[at].desired {
            self.spawn(at, "eu-central-1b".parse().unwrap());
        }
        while active(&self.groups[at]) > self.groups[at].desired {
            let members = &mut self.groups[at].members;
            let is_victim = |member: &&mut Member| member.lifecycle == Lifecycle::InService && !member.protected;
            match members.iter_mut().find(is_victim) {
                Some(victim) => victim.lifecycle = Lifecycle::Terminating,
                None => break,
            }
        }
    }

    fn spawn(&mut self, at: usize, zone: Zone) -> InstanceId {
        self.last_id += 1;
        let instance = id(self.last_id);
        let group = &mut self.groups[at];
        let template = match &group.template {
            TemplateReference::Numbered(version) => Some(version.clone()),
            TemplateReference::Floating { .. } | TemplateReference::None => None,
        };
        let content = template.as_ref().and_then(|version| self.templates.get(version));
        let image = content.and_then(|content| content.image.clone()).unwrap_or_else(|| super::image_id(1));
        if self.broken.contains(&image) {
            self.sick.insert(instance.clone());
        }
        self.machines.insert(
            instance.clone(),
            Machine { image, template: template.clone(), launched_at: self.now, protect: None },
        );
        group.members.push(Member {
            id: instance.clone(),
            zone,
            lifecycle: Lifecycle::Pending,
            healthy: true,
            template,
            image_override: None,
            protected: false,
        });
        instance
    }

    /// What is pending comes into service, except what is held back.
    pub(crate) fn arrive(&mut self) {
        for group in &mut self.groups {
            let protects = group.protects_new_instances;
            for member in &mut group.members {
                if member.lifecycle == Lifecycle::Pending && !self.held_back.contains(&member.id) {
                    member.lifecycle = Lifecycle::InService;
                    member.protected = protects;
                }
            }
        }
        for at in 0..self.groups.len() {
            self.balance(at);
        }
    }

    /// What is on its way out is gone.
    pub(crate) fn leave(&mut self) {
        for group in &mut self.groups {
            group.members.retain(|member| member.lifecycle != Lifecycle::Terminating);
        }
        for instances in self.compliance.values_mut() {
            instances.retain(|id, _| self.groups.iter().any(|group| group.member(id).is_some()));
        }
    }

    /// Whether it is in service and its targets are healthy.
    pub(crate) fn is_serving(&self, member: &Member) -> bool {
        self.health(member) == TargetHealth::Healthy
    }

    pub(crate) fn health(&self, member: &Member) -> TargetHealth {
        match &member.lifecycle {
            Lifecycle::InService if self.unjudged.contains(&member.id) => TargetHealth::Initial,
            Lifecycle::InService if self.sick.contains(&member.id) => TargetHealth::Unhealthy("timeout".into()),
            Lifecycle::InService => TargetHealth::Healthy,
            Lifecycle::Pending => TargetHealth::Initial,
            Lifecycle::Terminating | Lifecycle::Standby | Lifecycle::Detaching | Lifecycle::Unknown(_) => {
                TargetHealth::Draining
            }
        }
    }
}
