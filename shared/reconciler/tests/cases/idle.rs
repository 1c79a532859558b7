//! The fixed point: a fleet without work is read, and nothing is written.

use driftless_planner::fact::ComplianceType;
use driftless_reconciler::reconcile::Ran;
use driftless_simulator::calls::rounds;
use driftless_simulator::cloud::Build;
use jiff::SignedDuration;

use crate::support::names::{ALARMS, FORWARDS, GROUPS, IMAGES, RULE, TEMPLATE};
use crate::support::{World, app, drifted, freeze, fresh, group_name, instance, report_compliance, reported};

/// The calls of a pass on an idle fleet.
const IDLE: [&str; 9] = ["acquire", GROUPS, IMAGES, "load", FORWARDS, RULE, TEMPLATE, ALARMS, "release"];

/// The calls of one more pass, and the number of rounds that depend on each other.
fn reconcile_once(world: &World) -> (Vec<&'static str>, usize) {
    let from = world.calls().len();
    assert_eq!(world.reconcile().unwrap(), Ran::Idle);
    (world.names_since(from), rounds(&world.calls()[from..]).len())
}

/// One more pass writes nothing and sends nothing.
fn assert_at_rest(world: &World, told: &str) {
    let (calls, rounds) = reconcile_once(world);
    assert!(rounds <= 5, "{told}: {rounds}");
    let reads_and_lease =
        |call: &&str| call.contains(":Describe") || [RULE, "acquire", "load", "release"].contains(call);
    assert!(calls.iter().all(reads_and_lease), "{told}: {calls:?}");
    assert!(world.messages().is_empty(), "{told}: it does not wake itself");
}

#[test]
fn a_run_on_an_idle_fleet_reads_and_changes_nothing() {
    let world = app();
    let (calls, rounds) = reconcile_once(&world);
    assert_eq!(calls, IDLE);
    assert_eq!(rounds, 4, "the lease, two rounds of reads, and the lease");
    assert!(world.messages().is_empty(), "it does not wake itself");
}

#[test]
fn a_run_on_a_fleet_whose_work_waits_reads_in_three_rounds_and_changes_nothing() {
    for (name, tag, count) in
        [("observe", ("mode", "observe"), 1), ("breaker", ("budget", "1"), 3), ("invalid", ("debounce", "soon"), 1)]
    {
        let world = fresh(&[tag]);
        for number in 0..count {
            drifted(&world, number);
        }
        world.deliver_all();
        world.pass(SignedDuration::from_mins(1));
        assert_at_rest(&world, name);
    }
}

#[test]
fn a_frozen_fleet_waits_without_a_commit_and_without_a_request() {
    let world = app();
    freeze(&mut world.lock(), None);
    drifted(&world, 1);
    world.deliver_all();
    assert_at_rest(&world, "frozen");
}

#[test]
fn a_fleet_is_idle_again_after_a_replacement() {
    let world = app();
    drifted(&world, 1);
    world.deliver_all();
    let (calls, _) = reconcile_once(&world);
    assert_eq!(calls, IDLE);
}

#[test]
fn a_fleet_whose_replacement_was_abandoned_does_not_request_itself() {
    let world = app();
    // Each replacement instance fails, until an operator must act.
    let image = world.lock().cloud.image_ids().next().cloned().unwrap();
    world.lock().cloud.set_build(&image, Build::Sick);
    world.lock().cloud.edit_group(&group_name(), |group| group.elb_health = false);
    drifted(&world, 1);
    world.deliver_all();
    assert_eq!(world.launched().len(), 3);
    assert_at_rest(&world, "abandoned");
    assert_eq!(world.sizes().2, 4);
    assert!(world.ended().iter().all(|(ended, _)| *ended != instance(1)));
}

#[test]
fn a_replacement_commits_only_transitions() {
    let world = app();
    drifted(&world, 1);
    world.deliver_all();
    assert!(world.count("commit") < 15, "{}", world.count("commit"));
}

#[test]
fn a_misconfigured_fleet_is_reported_once_and_waits_for_the_resync() {
    let world = fresh(&[("color", "purple")]);
    report_compliance(&mut world.lock(), 1, ComplianceType::NonCompliant);
    reported(&mut world.lock(), 1, ComplianceType::NonCompliant);
    world.deliver_all();
    assert_at_rest(&world, "misconfigured");
    assert_eq!(world.reconcile().unwrap(), Ran::Idle);
}
