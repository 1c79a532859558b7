//! The effect of decisions on AWS. The simulated AWS computes the effect of a call and what Auto Scaling does after it;
//! the stage decides when this occurs.

use driftless_planner::action::{Action, ActionResult, CapacityChange, Outcome};
use driftless_planner::ids::{GroupName, InstanceId};
use driftless_planner::limits::CUTOVERS_MAX;
use driftless_planner::observation::{Group, Lifecycle, Member, TargetHealth};
use driftless_planner::precondition;
use driftless_planner::precondition::{Live, needs};
use driftless_planner::refresh::{Refresh, RefreshPlan, RefreshStatus};
use driftless_reconciler::act::refusal;
use driftless_reconciler::ports::{CallResult, Launched};
use driftless_simulator::cloud::{Build, Cloud, Instance, Life};
use driftless_simulator::rng::Rng;

use crate::{Stage, fleet, id, image_id};

impl Stage {
    /// Executes the actions in order, up to the first one whose result is not the planned result.
    pub fn act(&mut self, actions: &[Action]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for action in actions {
            let result = match self.scripted.get(action.name()) {
                Some(result) => result.clone(),
                None => precondition(action, &self.live(action)).result().unwrap_or_else(|| self.write(action)),
            };
            let is_as_decided = result.is_as_decided();
            outcomes.push(Outcome { action: action.clone(), result });
            if !is_as_decided {
                break;
            }
        }
        self.acted.extend(outcomes.clone());
        outcomes
    }

    /// What the production loop reads right before a write, as the input of the precondition.
    fn live(&self, action: &Action) -> Live {
        let needs = needs(action);
        let group = action.group();
        Live {
            is_frozen: self.freezes.iter().any(|freeze| freeze.holds(self.now)),
            group: self.groups.iter().find(|known| Some(&known.name) == group).cloned(),
            forwards: self.forwards(),
            targets: self.targets(&needs.targets),
            refresh: group.and_then(|group| self.refreshes.get(group)).cloned(),
        }
    }

    /// Executes a write and returns its result. AWS may refuse only a new desired capacity or a launch: for other
    /// refusals the precondition of the planner prevents the call.
    fn write(&mut self, action: &Action) -> ActionResult {
        if let Action::SetMaximum { group, maximum, .. } = action {
            let known = self.groups.iter().find(|known| known.name == *group).unwrap();
            assert!(*maximum >= known.desired, "a maximum below desired takes instances");
        }
        match self.call(action) {
            Ok(result) => result,
            Err(error) if matches!(action, Action::SetDesired { .. } | Action::Launch { .. }) => {
                refusal(action, &error)
            }
            Err(error) => panic!("{action:?}: {error}"),
        }
    }

    /// Executes a call on AWS.
    pub fn call(&mut self, action: &Action) -> CallResult<ActionResult> {
        match action {
            Action::TakeSlot if self.is_without_a_slot() => return Ok(ActionResult::NoSlot),
            Action::TakeSlot => drop(self.account.slots.insert(fleet(), self.now)),
            Action::GiveSlot => drop(self.account.slots.remove(&fleet())),
            Action::SetWeights { change, .. } => {
                let column = self.forwards().iter().position(|forward| forward.place == change.place).unwrap();
                for (arn, weight) in &change.weights {
                    self.traffic.get_mut(arn).unwrap()[column] = *weight;
                }
                self.stickiness = change.stickiness;
            }
            Action::StartRefresh { group, plan } => return Ok(self.start_refresh(group, plan)),
            Action::RollBackRefresh { group, .. } => {
                self.refreshes.get_mut(group).unwrap().status = RefreshStatus::GoingBack;
            }
            Action::SetMaximum { group, .. }
            | Action::SetMinimum { group, .. }
            | Action::SetDesired { group, .. }
            | Action::Launch { group, .. }
            | Action::Protect { group, .. }
            | Action::Terminate { group, .. }
            | Action::EnterStandby { group, .. }
            | Action::ScaleToZero { group, .. }
            | Action::WriteTemplate { group, .. }
            | Action::SetTemplate { group, .. }
            | Action::Attach { group, .. }
            | Action::Detach { group, .. } => {
                let result = self.on_aws(|cloud| {
                    let result = answer(cloud, action);
                    cloud.balance(group);
                    result
                })?;
                if let (Action::Launch { token, .. }, ActionResult::Launched(instance)) = (action, &result) {
                    self.launched.insert(token.clone(), instance.clone());
                }
                return Ok(result);
            }
        }
        Ok(ActionResult::Done)
    }

    fn is_without_a_slot(&self) -> bool {
        self.account.slots.len() >= CUTOVERS_MAX && !self.account.slots.contains_key(&fleet())
    }

    fn start_refresh(&mut self, group: &GroupName, plan: &RefreshPlan) -> ActionResult {
        let begun = crate::refresh(RefreshStatus::Running);
        let refresh = Refresh { template: Some(plan.template.clone()), started_at: self.now, ..begun };
        let id = refresh.id.clone();
        self.refreshes.insert(group.clone(), refresh);
        ActionResult::Started(id)
    }

    /// Terminates an instance, as AWS, an operator or a scaling policy would.
    pub fn take(&mut self, instance: &InstanceId, capacity: CapacityChange) {
        let group = self.groups.iter().find(|group| group.member(instance).is_some()).unwrap().name.clone();
        self.on_aws(|cloud| {
            cloud.terminate(instance, capacity).unwrap();
            cloud.balance(&group);
        });
    }

    /// An operator or a scaling policy writes the desired capacity, and Auto Scaling follows.
    pub fn scale_to(&mut self, desired: u32) {
        self.groups[0].desired = desired;
        self.balance();
    }

    /// Auto Scaling compares every group with its desired capacity, and launches or terminates instances.
    pub fn balance(&mut self) {
        let names: Vec<GroupName> = self.groups.iter().map(|group| group.name.clone()).collect();
        self.on_aws(|cloud| names.iter().for_each(|name| cloud.balance(name)));
    }

    /// Pending instances come into service, except those in `deferred`.
    pub fn arrive(&mut self) {
        for group in &mut self.groups {
            let protects = group.protects_new_instances;
            for member in &mut group.members {
                if member.lifecycle == Lifecycle::Pending && !self.deferred.contains(&member.id) {
                    member.lifecycle = Lifecycle::InService;
                    member.protected = protects;
                }
            }
        }
        self.balance();
    }

    /// Instances that are terminating leave their groups.
    pub fn leave(&mut self) {
        for group in &mut self.groups {
            group.members.retain(|member| member.lifecycle != Lifecycle::Terminating);
        }
        for instances in self.compliance.values_mut() {
            instances.retain(|id, _| self.groups.iter().any(|group| group.member(id).is_some()));
        }
    }

    pub fn health(&self, member: &Member) -> TargetHealth {
        match &member.lifecycle {
            Lifecycle::InService if self.unreported.contains(&member.id) => TargetHealth::Initial,
            Lifecycle::InService if self.sick.contains(&member.id) => TargetHealth::Unhealthy("timeout".into()),
            Lifecycle::InService => TargetHealth::Healthy,
            Lifecycle::Pending => TargetHealth::Initial,
            Lifecycle::Terminating | Lifecycle::Standby | Lifecycle::Detaching | Lifecycle::Unknown(_) => {
                TargetHealth::Draining
            }
        }
    }

    /// Executes a change of the groups on the simulated AWS, and copies the result.
    fn on_aws<T>(&mut self, does: impl FnOnce(&mut Cloud) -> T) -> T {
        let mut cloud = self.cloud();
        let answer = does(&mut cloud);
        self.follow(&mut cloud);
        answer
    }

    fn cloud(&self) -> Cloud {
        let mut cloud = Cloud::new(Rng::fixed(), self.now);
        for (version, content) in &self.templates {
            cloud.add_template(version, content.clone());
        }
        for image in &self.images {
            cloud.add_image(image.clone(), Build::Good);
        }
        for group in &self.groups {
            let zones = vec!["eu-central-1b".parse().unwrap()];
            cloud.add_group(&group.name, group.tags.clone(), crate::version(1), zones);
            cloud.edit_group(&group.name, |known| {
                (known.min, known.max, known.desired) = (group.min, group.max, group.desired);
                known.template = group.template.clone();
                known.target_groups.clone_from(&group.target_groups);
                known.attachment_api = group.attachment_api;
                known.suspended.clone_from(&group.suspended);
                known.suspended.extend((!self.launches).then(|| "Launch".to_owned()));
            });
            assert_eq!(cloud.groups()[&group.name].desired, group.desired, "a group is never beyond its bounds");
            for member in &group.members {
                cloud.add_instance(self.instance(group, member));
            }
        }
        cloud.has_launched(u64::from(self.last_id), &self.launched);
        cloud
    }

    fn instance(&self, group: &Group, member: &Member) -> Instance {
        let machine = self.machines.get(&member.id);
        Instance {
            id: member.id.clone(),
            group: group.name.clone(),
            zone: member.zone.clone(),
            life: life(&member.lifecycle),
            image: machine.map_or_else(|| image_id(1), |machine| machine.image.clone()),
            template: member.template.clone(),
            launched_at: machine.map_or(self.now, |machine| machine.launched_at),
            in_service_since: None,
            is_up: true,
            answers: true,
            healthy: member.healthy,
            protected: member.protected,
            protect: None,
            breaks: std::collections::BTreeMap::new(),
        }
    }

    /// Copies the groups and the launch templates from the simulated AWS.
    fn follow(&mut self, cloud: &mut Cloud) {
        self.templates.clone_from(cloud.templates());
        for group in &mut self.groups {
            let seen = cloud.group(&group.name).unwrap().unwrap();
            (group.min, group.max, group.desired) = (seen.min, seen.max, seen.desired);
            (group.template, group.target_groups) = (seen.template, seen.target_groups);
            for seen in seen.members {
                if let Some(known) = group.members.iter_mut().find(|known| known.id == seen.id) {
                    if life(&known.lifecycle) != life(&seen.lifecycle) {
                        known.lifecycle = seen.lifecycle;
                    }
                    known.protected = seen.protected;
                    continue;
                }
                self.last_id += 1;
                assert_eq!(seen.id, id(self.last_id));
                let machines = cloud.machines(&[seen.id.clone()].into()).unwrap();
                if self.broken.contains(&machines[&seen.id].image) {
                    self.sick.insert(seen.id.clone());
                }
                self.machines.extend(machines);
                group.members.push(seen);
            }
        }
    }
}

/// Executes an action on a group or a launch template in the simulated AWS, and returns the response.
fn answer(cloud: &mut Cloud, action: &Action) -> CallResult<ActionResult> {
    match action {
        Action::Launch { group, zone, token, .. } => {
            return cloud.launch(group, zone, token).map(|launched| match launched {
                Launched::Instance(instance) => ActionResult::Launched(instance),
                Launched::Failed(message) => ActionResult::Failed(message),
            });
        }
        Action::WriteTemplate { template, base, image, token, .. } => {
            return cloud.write_template(template, base, image, token).map(ActionResult::Written);
        }
        Action::SetMaximum { group, maximum, .. } => cloud.set_maximum(group, *maximum),
        Action::SetMinimum { group, minimum, .. } => cloud.set_minimum(group, *minimum),
        Action::SetDesired { group, desired, .. } => cloud.set_desired(group, *desired),
        Action::Protect { group, instance, protection } => cloud.protect(group, instance, *protection),
        Action::Terminate { instance, capacity, .. } => cloud.terminate(instance, *capacity),
        Action::EnterStandby { group, instance, capacity, .. } => cloud.enter_standby(group, instance, *capacity),
        Action::ScaleToZero { group, maximum, .. } => cloud.empty(group, *maximum),
        Action::SetTemplate { group, template, .. } => cloud.set_template(group, template),
        Action::Attach { group, target_group, api, .. } => cloud.attach(group, target_group, *api),
        Action::Detach { group, target_group, api, .. } => cloud.detach(group, target_group, *api),
        Action::TakeSlot
        | Action::GiveSlot
        | Action::SetWeights { .. }
        | Action::StartRefresh { .. }
        | Action::RollBackRefresh { .. } => panic!("it is about no group: {action:?}"),
    }?;
    Ok(ActionResult::Done)
}

/// The corresponding lifecycle state of the simulator. `Detaching` and unknown states become `Standby`.
const fn life(lifecycle: &Lifecycle) -> Life {
    match lifecycle {
        Lifecycle::Pending => Life::Pending,
        Lifecycle::InService => Life::InService,
        Lifecycle::Standby | Lifecycle::Detaching | Lifecycle::Unknown(_) => Life::Standby,
        Lifecycle::Terminating => Life::Terminating,
    }
}
