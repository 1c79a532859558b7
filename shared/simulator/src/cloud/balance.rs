//! What Auto Scaling does of its own accord: it keeps the desired capacity and replaces unhealthy instances.

use driftless_planner::ids::{GroupName, InstanceId, Zone};
use driftless_planner::observation::{LaunchFailure, TargetHealth};
use jiff::SignedDuration;

use super::Cloud;
use super::agenda::Due;
use super::state::{Actor, GroupState, Instance, Life};

/// The shortest and the longest time from a change of desired capacity until Auto Scaling launches or terminates.
const FOLLOWS: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(2), SignedDuration::from_secs(30));
/// How long Auto Scaling waits after a failed launch. The time doubles at each further failure, up to [`RETRY_MAX`]
/// (3.3).
const RETRY_MIN: SignedDuration = SignedDuration::from_secs(60);
const RETRY_MAX: SignedDuration = SignedDuration::from_mins(16);
/// How long AZ rebalancing waits for the new instance before it terminates an instance.
const EVENS_OUT: SignedDuration = SignedDuration::from_mins(2);

impl Cloud {
    /// Schedules [`Self::balance`] for a group, from 2 to 30 seconds from now.
    pub(super) fn balances_soon(&mut self, group: &GroupName) {
        let wait = self.rng.duration(FOLLOWS.0, FOLLOWS.1);
        self.agenda.plan(self.now + wait, Due::Balances(group.clone()));
    }

    /// Auto Scaling compares the instances of a group with its desired capacity, and launches or terminates instances.
    pub fn balance(&mut self, name: &GroupName) {
        self.give_up_unhealthy(name);
        let Some(group) = self.groups.get(name) else { return };
        let (desired, suspended) = (group.desired, group.suspended.clone());
        let (by, shrunk_at) = (group.shrunk_by, group.shrunk_at);
        let active = u32::try_from(self.active(name).count()).unwrap_or(u32::MAX);
        if active < desired && !suspended.contains("Launch") {
            self.launch_missing(name, desired - active);
        }
        let is_evening_out = self.evening_out.get(name).is_some_and(|until| self.now < *until);
        if active > desired && !suspended.contains("Terminate") && !is_evening_out {
            for _ in 0..active - desired {
                let Some(victim) = self.victim(name) else { break };
                self.end(&victim, by, shrunk_at);
            }
        } else if active <= desired
            && let Some(group) = self.groups.get_mut(name)
        {
            (group.shrunk_by, group.shrunk_at) = (Actor::AutoScaling, self.now);
        }
    }

    /// After the grace period Auto Scaling replaces an instance that EC2 reports as unhealthy. If the group uses ELB
    /// health checks, it also replaces an instance that the load balancer reports as unhealthy. Scale-in protection
    /// prevents neither (3.1).
    fn give_up_unhealthy(&mut self, name: &GroupName) {
        let Some(group) = self.groups.get(name) else { return };
        if group.suspended.contains("HealthCheck") || group.suspended.contains("ReplaceUnhealthy") {
            return;
        }
        let ends = !group.suspended.contains("Terminate");
        let (now, grace) = (self.now, group.grace);
        let is_over = |instance: &Instance| instance.in_service_since.is_some_and(|since| now >= since + grace);
        let unhealthy: Vec<InstanceId> = self
            .members(name)
            .filter(|instance| instance.life == Life::InService && is_over(instance))
            .filter(|instance| !instance.is_up || (group.elb_health && self.is_failing(group, &instance.id)))
            .map(|instance| instance.id.clone())
            .collect();
        for id in unhealthy {
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.healthy = false;
            }
            if ends {
                self.end(&id, Actor::AutoScaling, self.now);
            }
        }
    }

    /// Whether a load balancer reports an instance as unhealthy. A target in `initial` or `unused` is not unhealthy.
    fn is_failing(&self, group: &GroupState, id: &InstanceId) -> bool {
        let target = |arn| self.target_groups.get(arn).and_then(|known| known.targets.get(id));
        group.target_groups.iter().filter_map(target).any(|target| matches!(target.health, TargetHealth::Unhealthy(_)))
    }

    fn launch_missing(&mut self, name: &GroupName, missing: u32) {
        let Some(again_at) = self.groups.get(name).map(|group| group.launches_again_at) else { return };
        if self.now < again_at {
            self.agenda.plan(again_at, Due::Balances(name.clone()));
            return;
        }
        for _ in 0..missing {
            let zone = self.emptiest_zone(name);
            let failure = self.launch_fault(name, zone.as_ref());
            match (zone, failure) {
                (Some(zone), None) => {
                    self.spawn(name, &zone);
                    if let Some(group) = self.groups.get_mut(name) {
                        group.launches_failed = 0;
                    }
                }
                (_, failure) => {
                    let message = failure.unwrap_or_else(|| "the group has no zone".to_owned());
                    self.launch_failed(name, &message);
                    break;
                }
            }
        }
        self.touch(name);
    }

    /// AZ rebalancing: Auto Scaling launches an instance in the zone with the fewest instances, above desired capacity
    /// if necessary, and terminates an extra instance two minutes later (3.1).
    pub fn rebalance(&mut self, name: &GroupName) {
        if self.groups.get(name).is_none_or(|group| group.suspended.contains("AZRebalance")) {
            return;
        }
        if let Some(zone) = self.emptiest_zone(name)
            && self.launch_fault(name, Some(&zone)).is_none()
        {
            self.spawn(name, &zone);
            self.touch(name);
            let end = self.now + EVENS_OUT;
            self.evening_out.insert(name.clone(), end);
            self.agenda.plan(end, Due::Balances(name.clone()));
        }
    }

    /// The error message of AWS for a launch in this zone now. None: the launch succeeds.
    pub(super) fn launch_fault(&self, name: &GroupName, zone: Option<&Zone>) -> Option<String> {
        if self.launches(name).is_none() {
            return Some("The image id '[ami-0]' does not exist. Launching EC2 instance failed.".to_owned());
        }
        if let Some(message) = self.refused.get(name) {
            return Some(message.clone());
        }
        let zone = zone?;
        self.short.contains(zone).then(|| {
            format!(
                "We currently do not have sufficient t4g.small capacity in the Availability Zone you requested ({zone}). \
                 Launching EC2 instance failed."
            )
        })
    }

    pub(super) fn launch_failed(&mut self, name: &GroupName, message: &str) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(name) else { return };
        group.launch_failure = Some(LaunchFailure { at: now, message: message.into() });
        let doubled = RETRY_MIN * (1 << group.launches_failed.min(5));
        group.launches_failed += 1;
        group.launches_again_at = now + doubled.min(RETRY_MAX);
        let again_at = group.launches_again_at;
        self.agenda.plan(again_at, Due::Balances(name.clone()));
    }

    /// The zone with the fewest instances among those with capacity. If no zone has capacity, the first zone: AZ
    /// balance is best effort (3.1).
    fn emptiest_zone(&self, name: &GroupName) -> Option<Zone> {
        let zones = &self.groups.get(name)?.zones;
        let count = |zone: &Zone| self.active(name).filter(|instance| instance.zone == *zone).count();
        let with_room = zones.iter().filter(|zone| !self.short.contains(*zone)).min_by_key(|zone| count(zone));
        with_room.or_else(|| zones.first()).cloned()
    }

    /// The instance that scale-in terminates: the oldest unprotected instance that runs another template version than
    /// the group's, or else the oldest unprotected instance.
    pub(super) fn victim(&self, name: &GroupName) -> Option<InstanceId> {
        let current = self.launches(name).map(|(version, _)| version);
        let candidates = self.active(name).filter(|instance| !instance.protected);
        let victim = candidates.min_by_key(|instance| (instance.template == current, instance.launched_at));
        victim.map(|instance| instance.id.clone())
    }
}
