//! Resources that exist from the beginning. A test with 100,000 instances needs them, because it cannot simulate the
//! boot of each instance.

use std::collections::BTreeMap;

use driftless_planner::ids::{GroupName, InstanceId};
use driftless_planner::observation::TargetHealth;

use super::Cloud;
use super::state::{Instance, Life, Target};

impl Cloud {
    /// Fills a group with healthy, long-running instances. Minimum and desired capacity are their number, and the
    /// maximum is twice that.
    pub fn stand(&mut self, name: &GroupName, count: u32) {
        let Some(group) = self.groups.get_mut(name) else { return };
        (group.min, group.max, group.desired) = (count, count.saturating_mul(2), count);
        let (zones, target_groups) = (group.zones.clone(), group.target_groups.clone());
        let now = self.now;
        for (zone, _) in zones.iter().cycle().zip(0..count) {
            let Some(id) = self.enlist(name, zone) else { return };
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.life = Life::InService;
                instance.in_service_since = Some(now);
            }
            for arn in &target_groups {
                if let Some(known) = self.target_groups.get_mut(arn) {
                    known.targets.insert(id.clone(), Target { health: TargetHealth::Healthy });
                }
            }
        }
        self.touch(name);
    }

    /// Adds an instance as given, without scheduling any change of it.
    pub fn add_instance(&mut self, instance: Instance) {
        self.of_group.entry(instance.group.clone()).or_default().push(instance.id.clone());
        self.instances.insert(instance.id.clone(), instance);
    }

    /// Sets what earlier launches have left: the number of the newest instance, and the instance of each launch token.
    pub fn has_launched(&mut self, newest: u64, by_token: &BTreeMap<String, InstanceId>) {
        self.launched = newest;
        self.launch_tokens.clone_from(by_token);
    }
}
