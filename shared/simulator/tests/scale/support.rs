//! Accounts that Driftless manages already, and the counts from then on.

use std::collections::BTreeMap;
use std::convert::Infallible;

use driftless_planner::policy::Defaults;
use driftless_simulator::account::{Account, Size};
use driftless_simulator::executor::Simulation;
use driftless_simulator::rng::Rng;
use driftless_simulator::world::Counts;
use jiff::{SignedDuration, Timestamp};

/// An account after its first ten minutes with Driftless: every fleet is managed and idle.
pub(crate) struct IdleFleets {
    pub(crate) simulation: Simulation,
    pub(crate) fleets: BTreeMap<driftless_planner::ids::FleetName, Vec<driftless_planner::ids::InstanceId>>,
    pub(crate) rule: driftless_planner::ids::RuleName,
}

pub(crate) fn idle_fleets(size: Size) -> IdleFleets {
    let start: Timestamp = "2026-11-02T08:00:00Z".parse().unwrap();
    let Account { world, fleets, rule } = Account::new(size, start, &mut Rng::new(7)).unwrap();
    let mut simulation = Simulation::resynced_after(SignedDuration::ZERO, world, Defaults::default());
    run(&mut simulation, SignedDuration::from_mins(14));
    let mut world = simulation.shared().lock();
    let adopted = world.table.rows().values().filter(|row| row.record.is_some()).count();
    assert_eq!(adopted, size.fleets, "not every fleet is adopted");
    assert!(world.violations.is_empty(), "{:?}", world.violations);
    world.counts = Counts::default();
    drop(world);
    IdleFleets { simulation, fleets, rule }
}

/// Runs the simulation for `length`.
pub(crate) fn run(simulation: &mut Simulation, length: SignedDuration) {
    let until = simulation.shared().lock().now + length;
    let Ok(()) = simulation.run_until(until, |_| Ok::<(), Infallible>(()));
}

/// Number of calls of an operation.
pub(crate) fn calls(counts: &Counts, operation: &str) -> u64 {
    counts.calls.get(operation).copied().unwrap_or(0)
}
