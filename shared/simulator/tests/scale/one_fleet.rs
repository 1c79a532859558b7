//! One fleet that is very large.

use driftless_planner::fact::Fact;
use driftless_planner::request::ReconcileRequest;
use driftless_simulator::account::{Size, breaks};
use jiff::SignedDuration;

use crate::page;
use crate::support::{IdleFleets, idle_fleets, run};

/// The size limit of a DynamoDB item, in bytes.
const ITEM_MAX: usize = 400 * 1024;

/// The record of a fleet all of whose instances have drifted, in bytes of JSON.
fn record_of(instances: u32) -> usize {
    let IdleFleets { mut simulation, fleets, rule } = idle_fleets(Size { fleets: 1, instances });
    {
        let mut world = simulation.shared().lock();
        let now = world.now;
        for instance in fleets.values().flatten() {
            world.cloud.report_compliance(&rule, instance, driftless_planner::fact::ComplianceType::NonCompliant);
            world.send(ReconcileRequest::Fact(Box::new(Fact::Compliance(breaks(&rule, instance, now)))), now);
        }
        world.cloud.drain_events();
    }
    // After the debounce the record also holds the breaker's finding for each instance.
    run(&mut simulation, SignedDuration::from_mins(20));
    let world = simulation.shared().lock();
    assert!(world.violations.is_empty(), "{:?}", world.violations);
    let record = world.table.rows().values().find_map(|row| row.record.as_ref()).unwrap();
    assert_eq!(record.replacements.len(), usize::try_from(instances).unwrap());
    serde_json::to_string(record).unwrap().len()
}

#[test]
#[ignore = "made for the profile sim: make scale runs it"]
fn the_record_of_a_fleet_of_a_thousand_drifted_instances_fits_one_item() {
    let sizes = [10, 100, 1_000];
    let rows: Vec<(u32, usize)> = sizes.into_iter().map(|instances| (instances, record_of(instances))).collect();
    for (instances, bytes) in &rows {
        assert!(*bytes < ITEM_MAX, "{instances} instances take {bytes} bytes");
    }
    let row = |(instances, bytes): &(u32, usize)| format!("| {instances} | {bytes} |");
    page::hold("record", &["instances, all drifted", "bytes of the record"], &rows.iter().map(row).collect::<Vec<_>>());
}
