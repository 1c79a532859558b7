//! Auto Scaling, load balancers, Config, EC2, the wake queue and the topic.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::action::{CapacityChange, Protection, WeightChange};
use driftless_planner::alarm::{Alarm, AlarmPattern};
use driftless_planner::balancer::{AttachmentApi, Forward, TargetGroupSettings};
use driftless_planner::event::{ENTRIES_MAX, Event};
use driftless_planner::fact::AlarmState;
use driftless_planner::fleet::FLEET_TAG;
use driftless_planner::ids::{
    AlarmName, FleetName, GroupName, ImageId, InstanceId, RefreshId, RuleName, TargetGroupArn, TemplateId, Zone,
};
use driftless_planner::image::Image;
use driftless_planner::notification::Notification;
use driftless_planner::observation::{
    Group, LaunchFailure, Lifecycle, Machine, RuleReading, TargetHealth, TemplateContent, TemplateReference,
    TemplateVersion,
};
use driftless_planner::refresh::{Refresh, RefreshPlan, RefreshStatus};
use driftless_planner::text::ForeignText;
use driftless_planner::wake::WakeMessage;
use driftless_reconciler::ports::{
    Alarms, Alerts, Audience, Bus, CallError, CallErrorKind, Called, Clock, Compliance, Groups, Launched,
    LoadBalancers, Machines, Members, Wakes,
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

    async fn fleets_of_groups(&self, names: &BTreeSet<GroupName>) -> Called<BTreeMap<GroupName, Members>> {
        self.call("fleets_of_groups", names, |state| {
            let asked = state.groups.values().filter(|group| names.contains(&group.name));
            let instances = |group: &Group| group.members.iter().map(|member| member.id.clone()).collect();
            let members = |group: &Group| Some(Members { fleet: fleet_of(group)?, instances: instances(group) });
            Ok(asked.filter_map(|group| Some((group.name.clone(), members(group)?))).collect())
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

    async fn refresh(&self, group: &GroupName) -> Called<Option<Refresh>> {
        self.call("refresh", group, |state| Ok(state.refreshes.get(group).cloned())).await
    }

    async fn hook_timeout(&self, group: &GroupName) -> Called<SignedDuration> {
        self.call("hook_timeout", group, |state| Ok(state.hook_timeouts.get(group).copied().unwrap_or_default())).await
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

    async fn set_minimum(&self, group: &GroupName, minimum: u32) -> Called<()> {
        self.call("set_minimum", (group, minimum), |state| {
            let found = group_mut(state, group, "set_minimum")?;
            if minimum > found.max {
                return Err(failure("set_minimum", CallErrorKind::Refused, "a minimum above the maximum"));
            }
            found.min = minimum;
            found.desired = found.desired.max(minimum);
            state.settle();
            Ok(())
        })
        .await
    }

    async fn empty(&self, group: &GroupName, maximum: u32) -> Called<()> {
        self.call("empty", (group, maximum), |state| {
            let found = group_mut(state, group, "empty")?;
            (found.min, found.max, found.desired) = (0, maximum, 0);
            state.settle();
            Ok(())
        })
        .await
    }

    async fn set_aside(&self, group: &GroupName, instance: &InstanceId, capacity: CapacityChange) -> Called<()> {
        self.call("set_aside", (group, instance, capacity), |state| {
            let found = group_mut(state, group, "set_aside")?;
            let member = found.members.iter_mut().find(|member| member.id == *instance);
            let member = member.ok_or_else(|| failure("set_aside", CallErrorKind::Gone, "no such instance"))?;
            member.lifecycle = Lifecycle::Standby;
            if capacity == CapacityChange::Decrement {
                found.desired -= 1;
            }
            for targets in state.targets.values_mut() {
                targets.remove(instance);
            }
            state.settle();
            Ok(())
        })
        .await
    }

    async fn set_template(&self, group: &GroupName, template: &TemplateVersion) -> Called<()> {
        self.call("set_template", (group, template), |state| {
            group_mut(state, group, "set_template")?.template = TemplateReference::Numbered(template.clone());
            Ok(())
        })
        .await
    }

    async fn attach(&self, group: &GroupName, target_group: &TargetGroupArn, api: AttachmentApi) -> Called<()> {
        self.call("attach", (group, target_group, api), |state| {
            let found = group_mut(state, group, "attach")?;
            found.target_groups.push(target_group.clone());
            let in_service = found.members.iter().filter(|member| member.lifecycle == Lifecycle::InService);
            let registered: Vec<InstanceId> = in_service.map(|member| member.id.clone()).collect();
            let targets = state.targets.entry(target_group.clone()).or_default();
            targets.extend(registered.into_iter().map(|id| (id, TargetHealth::Healthy)));
            Ok(())
        })
        .await
    }

    async fn detach(&self, group: &GroupName, target_group: &TargetGroupArn, api: AttachmentApi) -> Called<()> {
        self.call("detach", (group, target_group, api), |state| {
            let found = group_mut(state, group, "detach")?;
            found.target_groups.retain(|arn| arn != target_group);
            let leaving: Vec<InstanceId> = found.members.iter().map(|member| member.id.clone()).collect();
            state.targets.entry(target_group.clone()).or_default().retain(|id, _| !leaving.contains(id));
            Ok(())
        })
        .await
    }

    async fn start_refresh(&self, group: &GroupName, plan: &RefreshPlan) -> Called<RefreshId> {
        self.call("start_refresh", (group, plan), |state| {
            if state.refreshes.get(group).is_some_and(|refresh| refresh.status.is_under_way()) {
                return Err(failure("start_refresh", CallErrorKind::Busy, "InstanceRefreshInProgress"));
            }
            let id: RefreshId = "08b91cf7-8fa6-48af-b6a6-d227f40f1b9b".parse().unwrap();
            let refresh = Refresh {
                id: id.clone(),
                status: RefreshStatus::Running,
                template: Some(plan.template.clone()),
                percentage: 0,
                started_at: state.now,
                reason: None,
            };
            state.refreshes.insert(group.clone(), refresh);
            Ok(id)
        })
        .await
    }

    async fn roll_back_refresh(&self, group: &GroupName) -> Called<()> {
        self.call("roll_back_refresh", group, |state| {
            let refresh = state.refreshes.get_mut(group).filter(|refresh| refresh.status.is_under_way());
            let none = || failure("roll_back_refresh", CallErrorKind::Gone, "ActiveInstanceRefreshNotFound");
            refresh.ok_or_else(none)?.status = RefreshStatus::GoingBack;
            Ok(())
        })
        .await
    }
}

impl LoadBalancers for World {
    async fn forwards(&self, target_groups: &BTreeSet<TargetGroupArn>) -> Called<Vec<Forward>> {
        self.call("forwards", target_groups, |state| {
            let names = |forward: &&Forward| forward.weights.keys().any(|arn| target_groups.contains(arn));
            Ok(state.forwards.iter().filter(names).cloned().collect())
        })
        .await
    }

    async fn target_group_settings(
        &self,
        target_groups: &BTreeSet<TargetGroupArn>,
    ) -> Called<BTreeMap<TargetGroupArn, TargetGroupSettings>> {
        self.call("target_group_settings", target_groups, |_| {
            let settings = TargetGroupSettings {
                stickiness: None,
                deregistration_delay: SignedDuration::from_mins(5),
                slow_start: SignedDuration::ZERO,
            };
            Ok(target_groups.iter().map(|arn| (arn.clone(), settings)).collect())
        })
        .await
    }

    async fn set_weights(&self, change: &WeightChange) -> Called<()> {
        self.call("set_weights", change, |state| {
            let forward = state.forwards.iter_mut().find(|forward| forward.place == change.place);
            let forward = forward.ok_or_else(|| failure("set_weights", CallErrorKind::Gone, "no such rule"))?;
            if forward.weights != change.expected || forward.stickiness != change.expected_stickiness {
                return Err(failure("set_weights", CallErrorKind::Refused, "other weights than expected"));
            }
            forward.weights.clone_from(&change.weights);
            forward.stickiness = change.stickiness;
            Ok(())
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

    async fn newest_template(&self, template: &TemplateId) -> Called<Option<u64>> {
        self.call("newest_template", template, |state| Ok(newest(state, template))).await
    }

    async fn write_template(
        &self,
        template: &TemplateId,
        base: &TemplateVersion,
        image: &ImageId,
        token: &str,
    ) -> Called<TemplateVersion> {
        self.call("write_template", (template, base, image, token), |state| {
            let is_known = |content: &TemplateContent| content.written_for.as_deref() == Some(token);
            if let Some((known, _)) = state.templates.iter().find(|(_, content)| is_known(content)) {
                return Ok(known.clone());
            }
            let none = || failure("write_template", CallErrorKind::Refused, "no such version");
            let settings = state.templates.get(base).ok_or_else(none)?.settings.clone();
            let content = TemplateContent { image: Some(image.clone()), written_for: Some(token.to_owned()), settings };
            let number = newest(state, template).unwrap_or_default() + 1;
            let version = TemplateVersion { template: template.clone(), version: number };
            state.templates.insert(version.clone(), content);
            Ok(version)
        })
        .await
    }

    async fn images_for(&self, fleet: &FleetName) -> Called<Vec<Image>> {
        self.call("images_for", fleet, |state| {
            let is_tagged = |image: &&Image| {
                image.is_own && image.image_for.as_ref().map(ForeignText::as_str) == Some(fleet.as_str())
            };
            Ok(state.images.values().filter(is_tagged).cloned().collect())
        })
        .await
    }

    async fn all_images(&self) -> Called<Vec<Image>> {
        self.call("all_images", (), |state| {
            let is_tagged = |image: &&Image| image.is_own && image.image_for.is_some();
            Ok(state.images.values().filter(is_tagged).cloned().collect())
        })
        .await
    }

    async fn images(&self, ids: &BTreeSet<ImageId>) -> Called<BTreeMap<ImageId, Image>> {
        self.call("images", ids, |state| {
            let asked = state.images.iter().filter(|(id, _)| ids.contains(id));
            Ok(asked.map(|(id, image)| (id.clone(), image.clone())).collect())
        })
        .await
    }

    async fn images_built_as(&self, arn: &str) -> Called<Vec<Image>> {
        self.call("images_built_as", arn, |state| {
            let is_built = |image: &&Image| image.image_builder_arn.as_deref() == Some(arn);
            Ok(state.images.values().filter(is_built).cloned().collect())
        })
        .await
    }
}

fn newest(state: &State, template: &TemplateId) -> Option<u64> {
    let versions = state.templates.keys().filter(|version| version.template == *template);
    versions.map(|version| version.version).max()
}

impl Alarms for World {
    async fn alarms(&self, patterns: &BTreeSet<AlarmPattern>) -> Called<BTreeMap<AlarmName, Alarm>> {
        self.call("alarms", patterns, |state| {
            let is_meant = |name: &AlarmName| patterns.iter().any(|pattern| pattern.matches(name));
            let meant = state.alarms.iter().filter(|(name, _)| is_meant(name));
            Ok(meant.map(|(name, alarm)| (name.clone(), alarm.clone())).collect())
        })
        .await
    }

    async fn ringing(&self) -> Called<BTreeMap<AlarmName, Alarm>> {
        self.call("ringing", (), |state| {
            let rings = state.alarms.iter().filter(|(_, alarm)| alarm.state == AlarmState::Alarm);
            Ok(rings.map(|(name, alarm)| (name.clone(), alarm.clone())).collect())
        })
        .await
    }
}

impl Wakes for World {
    async fn send_all(&self, messages: &[(WakeMessage, SignedDuration)]) -> Called<()> {
        for (message, delay) in messages {
            self.send(message, *delay).await?;
        }
        Ok(())
    }

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

impl Bus for World {
    async fn put(&self, events: &[Event]) -> Called<BTreeMap<String, CallError>> {
        let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
        self.call("put", ids, |state| {
            assert!((1..=ENTRIES_MAX).contains(&events.len()), "{} events in one call", events.len());
            let mut refused = BTreeMap::new();
            for event in events {
                match state.untaken.get_mut(&event.id).filter(|times| **times > 0) {
                    Some(times) => {
                        *times -= 1;
                        let operation = "events:PutEvents";
                        let (kind, message) = (CallErrorKind::Throttled, "ThrottlingException".into());
                        refused.insert(event.id.clone(), CallError { operation, kind, message, source: None });
                    }
                    None => state.bus.push(event.clone()),
                }
            }
            Ok(refused)
        })
        .await
    }
}

impl Alerts for World {
    async fn publish(&self, notification: &Notification, to: Audience) -> Called<()> {
        let operation = match to {
            Audience::OnCall => "publish",
            Audience::Chat => "chat",
        };
        self.call(operation, &notification.id, |state| {
            assert!(notification.message().is_ok());
            match to {
                Audience::OnCall => state.alerts.push(notification.clone()),
                Audience::Chat => state.chat.push(notification.id.clone()),
            }
            Ok(())
        })
        .await
    }
}
