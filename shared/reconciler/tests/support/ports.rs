//! Auto Scaling, load balancers, Config, EC2, the wake queue and the topic.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::action::{CapacityChange, Protection};
use driftless_planner::fleet::FLEET_TAG;
use driftless_planner::ids::{FleetName, GroupName, InstanceId, RuleName, TargetGroupArn, Zone};
use driftless_planner::notification::Notification;
use driftless_planner::observation::{
    Group, LaunchFailure, Lifecycle, Machine, RuleReading, TargetHealth, TemplateContent, TemplateVersion,
};
use driftless_planner::wake::WakeMessage;
use driftless_reconciler::ports::{
    Alerts, CallErrorKind, Called, Clock, Compliance, Groups, Launched, LoadBalancers, Machines, Wakes,
};
use jiff::{SignedDuration, Timestamp};

use super::world::{Message, State, World, failure};

impl Clock for World {
    fn now(&self) -> Timestamp {
        self.lock().now
    }
}

fn fleet_of(group: &Group) -> Option<FleetName> {
    group.tags.get(FLEET_TAG)?.parse().ok()
}

fn group_mut<'a>(state: &'a mut State, name: &GroupName, operation: &'static str) -> Called<&'a mut Group> {
    state.groups.get_mut(name).ok_or_else(|| failure(operation, CallErrorKind::Gone, "no such group"))
}

impl Groups for World {
    async fn groups_of(&self, fleet: &FleetName) -> Called<Vec<Group>> {
        let is_of = |group: &&Group| fleet_of(group).as_ref() == Some(fleet);
        self.call("groups_of", fleet, |state| Ok(state.groups.values().filter(is_of).cloned().collect())).await
    }

    async fn all_groups(&self) -> Called<Vec<Group>> {
        self.call("all_groups", (), |state| Ok(state.groups.values().cloned().collect())).await
    }

    async fn group(&self, name: &GroupName) -> Called<Option<Group>> {
        self.call("group", name, |state| Ok(state.groups.get(name).cloned())).await
    }

    async fn fleets_of_groups(&self, names: &BTreeSet<GroupName>) -> Called<BTreeMap<GroupName, FleetName>> {
        self.call("fleets_of_groups", names, |state| {
            let asked = state.groups.values().filter(|group| names.contains(&group.name));
            Ok(asked.filter_map(|group| Some((group.name.clone(), fleet_of(group)?))).collect())
        })
        .await
    }

    async fn groups_of_instances(&self, ids: &BTreeSet<InstanceId>) -> Called<BTreeMap<InstanceId, GroupName>> {
        self.call("groups_of_instances", ids, |state| {
            let members =
                state.groups.values().flat_map(|group| group.members.iter().map(move |member| (group, member)));
            let asked = members.filter(|(_, member)| ids.contains(&member.id));
            Ok(asked.map(|(group, member)| (member.id.clone(), group.name.clone())).collect())
        })
        .await
    }

    async fn is_refreshing(&self, group: &GroupName) -> Called<bool> {
        self.call("is_refreshing", group, |state| Ok(state.refreshing.contains(group))).await
    }

    async fn launch_failure(&self, group: &GroupName) -> Called<Option<LaunchFailure>> {
        self.call("launch_failure", group, |state| Ok(state.launch_failures.get(group).cloned())).await
    }

    async fn set_maximum(&self, group: &GroupName, maximum: u32) -> Called<()> {
        self.call("set_maximum", (group, maximum), |state| {
            group_mut(state, group, "set_maximum")?.max = maximum;
            Ok(())
        })
        .await
    }

    async fn set_desired(&self, group: &GroupName, desired: u32) -> Called<()> {
        self.call("set_desired", (group, desired), |state| {
            let found = group_mut(state, group, "set_desired")?;
            if desired < found.min || desired > found.max {
                return Err(failure("set_desired", CallErrorKind::Refused, "outside of the bounds"));
            }
            found.desired = desired;
            state.settle();
            Ok(())
        })
        .await
    }

    async fn launch(&self, group: &GroupName, zone: &Zone, token: &str) -> Called<Launched> {
        self.call("launch", (group, zone, token), |state| {
            if let Some(known) = state.tokens.get(token) {
                return Ok(Launched::Instance(known.clone()));
            }
            let found = group_mut(state, group, "launch")?;
            if found.desired >= found.max {
                return Err(failure("launch", CallErrorKind::Refused, "no room under the maximum"));
            }
            found.desired += 1;
            let id = state.spawn(group, zone);
            state.tokens.insert(token.to_owned(), id.clone());
            Ok(Launched::Instance(id))
        })
        .await
    }

    async fn protect(&self, group: &GroupName, instance: &InstanceId, protection: Protection) -> Called<()> {
        self.call("protect", (group, instance, protection), |state| {
            let members = &mut group_mut(state, group, "protect")?.members;
            let member = members.iter_mut().find(|member| member.id == *instance);
            let member = member.ok_or_else(|| failure("protect", CallErrorKind::Gone, "no such instance"))?;
            member.protected = protection == Protection::On;
            Ok(())
        })
        .await
    }

    async fn terminate(&self, instance: &InstanceId, capacity: CapacityChange) -> Called<()> {
        self.call("terminate", (instance, capacity), |state| {
            let group = state.groups.values_mut().find(|group| group.member(instance).is_some());
            let group = group.ok_or_else(|| failure("terminate", CallErrorKind::Gone, "no such instance"))?;
            if group.member(instance).is_some_and(|member| member.lifecycle == Lifecycle::Terminating) {
                return Ok(());
            }
            if capacity == CapacityChange::Decrement {
                if group.desired <= group.min {
                    return Err(failure("terminate", CallErrorKind::Refused, "at the minimum"));
                }
                group.desired -= 1;
            }
            state.leave(instance);
            state.terminated.push(instance.clone());
            state.settle();
            Ok(())
        })
        .await
    }
}

impl LoadBalancers for World {
    async fn weights(&self, target_groups: &BTreeSet<TargetGroupArn>) -> Called<BTreeMap<TargetGroupArn, Vec<u32>>> {
        self.call("weights", target_groups, |state| {
            let asked = state.weights.iter().filter(|(arn, _)| target_groups.contains(arn));
            Ok(asked.map(|(arn, weights)| (arn.clone(), weights.clone())).collect())
        })
        .await
    }

    async fn target_health(&self, target_group: &TargetGroupArn) -> Called<BTreeMap<InstanceId, TargetHealth>> {
        self.call("target_health", target_group, |state| {
            Ok(state.targets.get(target_group).cloned().unwrap_or_default())
        })
        .await
    }
}

impl Compliance for World {
    async fn non_compliant(&self, rule: &RuleName) -> Called<RuleReading> {
        self.call("non_compliant", rule, |state| {
            Ok(state.compliance.get(rule).cloned().unwrap_or(RuleReading::NoSuchRule))
        })
        .await
    }
}

impl Machines for World {
    async fn machines(&self, ids: &BTreeSet<InstanceId>) -> Called<BTreeMap<InstanceId, Machine>> {
        self.call("machines", ids, |state| {
            let asked = state.machines.iter().filter(|(id, _)| ids.contains(id));
            Ok(asked.map(|(id, machine)| (id.clone(), machine.clone())).collect())
        })
        .await
    }

    async fn template(&self, version: &TemplateVersion) -> Called<Option<TemplateContent>> {
        self.call("template", version, |state| Ok(state.templates.get(version).cloned())).await
    }
}

impl Wakes for World {
    async fn send(&self, message: &WakeMessage, delay: SignedDuration) -> Called<()> {
        self.call("send", (message, delay), |state| {
            // What SQS takes: whole seconds, 15 minutes at most.
            let seconds = delay.as_secs() + i64::from(delay.subsec_nanos() > 0);
            assert!((0..=900).contains(&seconds), "a delay of {delay:?}");
            let at = state.now + SignedDuration::from_secs(seconds);
            state.delays.push(delay);
            state.queue.push(Message { at, body: message.clone() });
            Ok(())
        })
        .await
    }
}

impl Alerts for World {
    async fn publish(&self, notification: &Notification) -> Called<()> {
        self.call("publish", &notification.id, |state| {
            assert!(notification.message().is_ok());
            state.alerts.push(notification.clone());
            Ok(())
        })
        .await
    }
}
