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
            let is_as_decided = matches!(result, ActionResult::Done | ActionResult::Launched(_) | ActionResult::Gone);
            outcomes.push(Outcome { action: action.clone(), result });
            if !is_as_decided {
                break;
            }
        }
        self.acted.extend(outcomes.clone());
        outcomes
    }

    fn apply(&mut self, action: &Action) -> ActionResult {
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
            Action::Terminate { instance, expected_desired, capacity, .. } => {
                match group.member(instance).map(|member| &member.lifecycle) {
                    None | Some(Lifecycle::Terminating) => return ActionResult::Gone,
                    Some(_) if group.desired != *expected_desired => return ActionResult::Changed,
                    Some(_) => {}
                }
                if *capacity == CapacityChange::Decrement {
                    assert!(group.desired > group.min, "refused: desired equals the minimum");
                }
                self.take(instance, *capacity);
                ActionResult::Done
            }
            Action::SetAside { instance, expected_desired, capacity, .. } => {
                match group.member(instance).map(|member| &member.lifecycle) {
                    None | Some(Lifecycle::Terminating) => return ActionResult::Gone,
                    Some(Lifecycle::Standby) => return ActionResult::Done,
                    Some(_) if group.desired != *expected_desired => return ActionResult::Changed,
                    Some(_) => {}
                }
                if *capacity == CapacityChange::Decrement {
                    assert!(group.desired > group.min, "refused: it must decrement the minimum");
                    group.desired -= 1;
                }
                let member = group.members.iter_mut().find(|member| member.id == *instance).unwrap();
                member.lifecycle = Lifecycle::Standby;
                self.balance(at);
                ActionResult::Done
            }
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
            | Action::RollBackRefresh { .. } => panic!("not on this stage: {action:?}"),
        }
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
    fn balance(&mut self, at: usize) {
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
        self.machines.insert(
            instance.clone(),
            Machine {
                image: "ami-00000000000000001".parse().unwrap(),
                template: template.clone(),
                launched_at: self.now,
                protect: None,
            },
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

    pub(crate) fn health(&self, member: &Member) -> TargetHealth {
        match &member.lifecycle {
            Lifecycle::InService if self.sick.contains(&member.id) => TargetHealth::Unhealthy("timeout".into()),
            Lifecycle::InService => TargetHealth::Healthy,
            Lifecycle::Pending => TargetHealth::Initial,
            Lifecycle::Terminating | Lifecycle::Standby | Lifecycle::Detaching | Lifecycle::Unknown(_) => {
                TargetHealth::Draining
            }
        }
    }
}
