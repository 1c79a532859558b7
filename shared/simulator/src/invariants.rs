//! The invariant checkers. They check each write and each commit of Driftless against the world, the tags that
//! operators wrote, and the history of changes by operators and AWS. They use no code under test.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::ids::{FleetName, GroupName, InstanceId};
use jiff::Timestamp;

use crate::world::World;

pub mod admission;
pub mod liveness;
pub mod messages;
pub mod reachability;
pub mod safety;
pub mod traffic;

/// A violation of an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub at: Timestamp,
    pub rule: &'static str,
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.rule, self.what)
    }
}

/// What the invariant checkers need to know about the past: changes by operators and AWS, and reads and capacity
/// changes of Driftless.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Instances that ever had a reason to be replaced, each with the time of the first reason.
    pub drifted: BTreeMap<InstanceId, Timestamp>,
    /// When each instance was last healthy.
    pub served_at: BTreeMap<InstanceId, Timestamp>,
    /// Since when each healthy instance has been healthy without interruption.
    pub serves_since: BTreeMap<InstanceId, Timestamp>,
    /// For each fleet, the group that had the traffic when the other color was last empty.
    pub homes: BTreeSet<GroupName>,
    /// When an operator last wrote weights.
    pub people_weighed_at: Option<Timestamp>,
    /// Number of commands by operators.
    pub commands: u64,
    /// Groups whose capacity Driftless raised, each with the time of the last raise. An instance launched since then
    /// may belong to Driftless.
    pub raised: BTreeMap<GroupName, Timestamp>,
    /// The times of the newest reads of each function for each fleet.
    pub passes: BTreeMap<(u64, FleetName), admission::Pass>,
    /// Instances that operators protect.
    pub protected: BTreeMap<InstanceId, Protected>,
    /// Functions that had a fault.
    pub faulted: BTreeSet<u64>,
    /// Functions that waited for a slow response.
    pub slowed: BTreeSet<u64>,
}

/// The protection of an instance, set by an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protected {
    pub since: Timestamp,
    /// True: scale-in protection. False: the tag `driftless:protect`.
    pub from_scale_in: bool,
}

impl History {
    /// Records that exactly these instances are healthy now.
    pub(crate) fn serve(&mut self, serving: &[InstanceId], now: Timestamp) {
        let these: BTreeSet<&InstanceId> = serving.iter().collect();
        self.serves_since.retain(|instance, _| these.contains(instance));
        for instance in serving {
            self.serves_since.entry(instance.clone()).or_insert(now);
            self.served_at.insert(instance.clone(), now);
        }
    }

    /// The time of the newest state of a fleet that a function can know at its next write.
    pub(crate) fn known_up_to(&self, function: u64, fleet: &str, now: Timestamp) -> Timestamp {
        let fleet = fleet.parse().ok();
        let pass = fleet.and_then(|fleet: FleetName| self.passes.get(&(function, fleet)));
        pass.map_or(now - safety::ON_ITS_WAY, |pass| pass.groups)
    }

    /// Records that a function has read the groups of a fleet. The read showed their state at `as_of`.
    pub fn looks_at_groups(&mut self, function: u64, fleet: &FleetName, as_of: Timestamp) {
        let pass = admission::Pass { groups: as_of, table: as_of };
        self.passes.entry((function, fleet.clone())).or_insert(pass).groups = as_of;
    }

    /// Records that a function has read the items of a fleet in the table.
    pub fn looks_at_table(&mut self, function: u64, fleet: &FleetName, at: Timestamp) {
        let pass = admission::Pass { groups: at, table: at };
        self.passes.entry((function, fleet.clone())).or_insert(pass).table = at;
    }
}

/// The groups of the fleet to which this group belongs, including this group.
pub(crate) fn of_its_fleet<'w>(world: &'w World, group: &GroupName) -> impl Iterator<Item = &'w GroupName> {
    let fleet = |known: &'w crate::cloud::GroupState| known.tags.get("driftless:fleet");
    let its = world.cloud.groups().get(group).and_then(fleet);
    world.cloud.groups().values().filter(move |known| fleet(known) == its).map(|known| &known.name)
}

/// The group, in the fleet of this group, that had the traffic when the other color was last empty.
pub(crate) fn home_of<'w>(world: &'w World, group: &GroupName) -> Option<&'w GroupName> {
    of_its_fleet(world, group).find(|member| world.history.homes.contains(*member))
}

/// The healthy instances of a group.
pub(crate) fn serving(world: &World, group: &GroupName) -> BTreeSet<InstanceId> {
    let members = world.cloud.members(group).map(|member| &member.id);
    members.filter(|id| world.cloud.is_serving(id)).cloned().collect()
}

/// Checks the invariants after each change of the world.
///
/// # Errors
/// The first violation, if there is one.
pub fn at_each_step(world: &World) -> Result<(), Violation> {
    if let Some(violation) = world.violations.first() {
        return Err(violation.clone());
    }
    traffic::requests(world)
}
