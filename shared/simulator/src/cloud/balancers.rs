//! Target groups: registration, health and draining of targets.

use driftless_planner::ids::{InstanceId, TargetGroupArn};
use driftless_planner::observation::TargetHealth;
use jiff::SignedDuration;

use super::Cloud;
use super::agenda::Due;
use super::state::{Build, Instance, Life, Target};

impl Cloud {
    /// Registers a target. The load balancer knows its health after a few health checks.
    pub(super) fn register(&mut self, arn: &TargetGroupArn, id: &InstanceId) {
        let is_used = self.is_used(arn);
        let Some(target_group) = self.target_groups.get_mut(arn) else { return };
        let health = if is_used { TargetHealth::Initial } else { TargetHealth::Unused };
        target_group.targets.insert(id.clone(), Target { health });
        let health_check_time = target_group.health_check_time;
        self.agenda.plan(self.now + health_check_time, Due::TargetHealthReported(arn.clone(), id.clone()));
    }

    /// Whether a forward action names the target group. Weight 0 is enough (4.4).
    fn is_used(&self, arn: &TargetGroupArn) -> bool {
        self.forwards.values().any(|forward| forward.weights.contains_key(arn))
    }

    pub(super) fn report_target_health(&mut self, arn: &TargetGroupArn, id: &InstanceId) {
        let is_used = self.is_used(arn);
        let Some(instance) = self.instances.get(id) else { return };
        let (answers, group) = (instance.answers && instance.is_up, instance.group.clone());
        let Some(target) = self.target_groups.get_mut(arn).and_then(|known| known.targets.get_mut(id)) else { return };
        if target.health == TargetHealth::Draining {
            return;
        }
        target.health = match (is_used, answers) {
            (false, _) => TargetHealth::Unused,
            (true, true) => TargetHealth::Healthy,
            (true, false) => TargetHealth::Unhealthy("Target.FailedHealthChecks".into()),
        };
        if !answers {
            // From now on a read shows the target as unhealthy.
            self.note_break(arn.clone());
            self.agenda.plan(self.now, Due::Balances(group));
        }
        self.load_shifts();
        self.watch_alarms();
    }

    /// Starts or ends the health checks of targets after the weights or the target groups of a forward action changed.
    /// Targets of a target group that no forward action names have no health checks.
    pub(super) fn forwards_changed(&mut self) {
        let arns: Vec<TargetGroupArn> = self.target_groups.keys().cloned().collect();
        for arn in arns {
            let is_used = self.is_used(&arn);
            let Some(target_group) = self.target_groups.get_mut(&arn) else { continue };
            let reported_at = self.now + target_group.health_check_time;
            for (id, target) in &mut target_group.targets {
                match (&target.health, is_used) {
                    (TargetHealth::Unused, true) => {
                        target.health = TargetHealth::Initial;
                        self.agenda.plan(reported_at, Due::TargetHealthReported(arn.clone(), id.clone()));
                    }
                    (TargetHealth::Draining, _) | (_, true) => {}
                    (_, false) => target.health = TargetHealth::Unused,
                }
            }
        }
        self.load_shifts();
        self.watch_alarms();
    }

    /// Instances of an image that fails under load begin to fail when the targets of that image get the percentage of
    /// the traffic at which they fail.
    pub(super) fn load_shifts(&mut self) {
        let mut failing = Vec::new();
        for forward in self.forwards.values() {
            let all: u32 = forward.weights.values().sum();
            for (arn, weight) in forward.weights.iter().filter(|(_, weight)| **weight > 0) {
                let Some(target_group) = self.target_groups.get(arn) else { continue };
                let served = target_group.targets.iter().filter(|(_, target)| target.health == TargetHealth::Healthy);
                let served: Vec<&Instance> = served.filter_map(|(id, _)| self.instances.get(id)).collect();
                for known in served.iter().filter(|known| known.answers) {
                    let Some(Build::FailsUnderLoad(limit)) = self.builds.get(&known.image) else { continue };
                    let same = served.iter().filter(|other| other.image == known.image).count();
                    // The target group's share of the requests times the image's share of the targets.
                    let (share, whole) = (u64::from(*weight) * 100 * count(same), u64::from(all) * count(served.len()));
                    if share >= whole * u64::from(*limit) {
                        failing.push(known.id.clone());
                    }
                }
            }
        }
        for id in failing {
            let wait = self.rng.duration(SignedDuration::from_secs(1), SignedDuration::from_secs(60));
            self.agenda.plan(self.now + wait, Due::TurnsBad(id));
        }
    }

    /// Starts to deregister an instance from all target groups. Returns the longest deregistration delay.
    pub(super) fn deregister_everywhere(&mut self, id: &InstanceId) -> SignedDuration {
        let mut longest = SignedDuration::ZERO;
        for target_group in self.target_groups.values_mut() {
            let delay = target_group.settings.deregistration_delay;
            if let Some(target) = target_group.targets.get_mut(id) {
                target.health = TargetHealth::Draining;
                longest = longest.max(delay);
            }
        }
        self.load_shifts();
        longest
    }

    /// Registers all instances of a group that are in service.
    pub(super) fn attach_members(&mut self, group: &driftless_planner::ids::GroupName, arn: &TargetGroupArn) {
        let members = self.members(group).filter(|instance| instance.life == Life::InService);
        let members: Vec<InstanceId> = members.map(|instance| instance.id.clone()).collect();
        for id in members {
            self.register(arn, &id);
        }
    }

    /// Deregisters all instances of a group at once.
    pub(super) fn detach_members(&mut self, group: &driftless_planner::ids::GroupName, arn: &TargetGroupArn) {
        let members: Vec<InstanceId> = self.members(group).map(|instance| instance.id.clone()).collect();
        if let Some(target_group) = self.target_groups.get_mut(arn) {
            target_group.targets.retain(|id, _| !members.contains(id));
        }
        self.load_shifts();
    }
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}
