//! External changes, refused calls, missing instances, and deliveries in any order.

use driftless_planner::fact::ComplianceType;
use driftless_planner::record::{Phase, Replacement};
use driftless_reconciler::ports::CallErrorKind;
use driftless_simulator::cloud::Actor;
use driftless_simulator::faults::{Fate, Rates};
use jiff::SignedDuration;

use super::resyncing::resynced;
use crate::support::names::GROUP;
use crate::support::{
    DEBOUNCE, World, app, drifted, fleet_name, group_name, instance, of_four, reported, someone_terminates, start,
};

/// Continues until the replacement instance of the drifted one is almost verified.
fn verifying(world: &World) {
    drifted(world, 1);
    world.run_until(|world| {
        let record = world.table.row(&fleet_name()).and_then(|row| row.record.as_ref());
        matches!(record.and_then(|record| record.replacements.get(&instance(1))).map(Replacement::phase),
            Some(Phase::Verifying(verifying)) if verifying.healthy_since.is_some())
    });
}

#[test]
fn a_desired_capacity_that_changed_externally_is_not_acted_on_and_decided_anew() {
    let world = app();
    verifying(&world);
    let (reads, passes) = (world.count(GROUP), world.count("load"));
    // An operator scales out between the decision and the write, when the live values are read again.
    world.before(GROUP, 0, |world| {
        world.cloud.edit_group(&group_name(), |group| (group.max, group.desired) = (9, group.desired + 1));
    });
    world.run_until(|world| world.counts.calls.get(GROUP) > Some(&reads));
    let decided = world.count("load");
    assert!(decided > passes);
    world.pass(SignedDuration::from_secs(1));
    assert_eq!(world.count("load"), decided + 1, "decided anew");
    assert_eq!(world.ended(), [], "while theirs comes up, the drifted one serves on");
    world.deliver_all();
    world.pass(SignedDuration::from_mins(5));
    assert_eq!(world.ended(), [(instance(1), Actor::Driftless)]);
    assert_eq!(world.sizes(), (2, 9, 5, 5), "theirs stays");
}

#[test]
fn a_maximum_that_changed_externally_is_not_written() {
    let world = app();
    drifted(&world, 1);
    world.before(GROUP, 0, |world| world.cloud.edit_group(&group_name(), |group| group.max = 12));
    world.deliver_all();
    assert_eq!(world.count("set-maximum"), 0);
    assert_eq!(world.sizes().1, 12);
    assert_eq!(world.ended(), [(instance(1), Actor::Driftless)]);
}

#[test]
fn an_instance_that_is_gone_is_success() {
    let world = app();
    verifying(&world);
    // An operator terminates the instance, with decrement, right before the loop would.
    world.before(GROUP, 0, |world| {
        world.cloud.kill(&instance(1));
        world.cloud.edit_group(&group_name(), |group| group.desired -= 1);
    });
    world.deliver_all();
    assert_eq!(world.count("terminate"), 0);
    assert_eq!(world.sizes(), (2, 4, 4, 4));
    assert_eq!(world.ended(), [(instance(1), Actor::Person)]);
    assert_eq!(world.lock().cloud.instances().len(), 5, "Auto Scaling launched nothing by itself");
}

#[test]
fn a_call_that_answers_gone_is_success() {
    let world = app();
    verifying(&world);
    world.before("terminate", 0, |world| someone_terminates(world, 1));
    world.deliver_all();
    assert_eq!(world.count("terminate"), 1);
    assert_eq!(world.ended(), [(instance(1), Actor::Person)]);
    assert!(world.record().replacements.is_empty());
}

#[test]
fn a_group_that_aws_is_busy_with_is_left_alone_for_a_while() {
    let world = app();
    drifted(&world, 1);
    world.fault("launch", 0..5, Fate::Fails(CallErrorKind::Busy));
    world.deliver_all();
    world.assert_replaced_once(1, "busy");
    let at = world.sent("launch");
    assert_eq!(at.len(), 6);
    for pair in at.windows(2) {
        assert!(pair[1].duration_since(pair[0]) >= SignedDuration::from_secs(1), "{at:?}");
    }
}

#[test]
fn a_group_that_refuses_for_ever_does_not_make_the_loop_hot() {
    for kind in [CallErrorKind::Busy, CallErrorKind::Gone, CallErrorKind::Denied, CallErrorKind::Unavailable] {
        let world = app();
        drifted(&world, 1);
        world.fault("launch", 0..u64::MAX, Fate::Fails(kind));
        world.run_to(start() + DEBOUNCE);
        let (runs, calls) = (world.count("acquire"), world.calls().len());
        world.pass(SignedDuration::from_mins(10));
        let (runs, calls) = (world.count("acquire") - runs, world.calls().len() - calls);
        assert!(world.count("launch") > 1, "{kind}");
        // Ten minutes: at most one run in two seconds, and only at the start.
        assert!(runs < 120, "{kind}: {runs} runs, {calls} calls");
        assert!(calls < 120 * 15, "{kind}: {runs} runs, {calls} calls");
    }
}

#[test]
fn a_fleet_whose_groups_are_gone_does_not_make_the_loop_hot() {
    let world = app();
    verifying(&world);
    world.lock().cloud.remove_group(&group_name());
    world.pass(SignedDuration::from_mins(5));
    let runs = world.count("acquire");
    world.pass(SignedDuration::from_mins(10));
    assert!(world.count("acquire") - runs <= 21, "{}", world.count("acquire") - runs);
}

#[test]
fn a_successor_that_dies_while_verifying_is_followed_by_another_attempt() {
    let world = app();
    verifying(&world);
    let successor = world.launched().pop().unwrap();
    world.lock().cloud.kill(&successor);
    world.deliver_all();
    // While the instance is terminating, the group starts no other: the resync finds the work afterwards.
    world.pass(SignedDuration::from_mins(5));
    assert_eq!(resynced(&world).requests.len(), 1);
    world.deliver_all();
    world.pass(SignedDuration::from_mins(5));
    assert!(world.ended().contains(&(instance(1), Actor::Driftless)), "{:?}", world.ended());
    assert_eq!(world.sizes(), (2, 4, 4, 4));
    assert!(world.lock().cloud.members(&group_name()).all(|member| !member.protected));
}

/// Runs in parallel in an order that a seed decides, with crashes and duplicates. Returns the number of crashes.
fn scramble(seed: u64) -> u64 {
    let world = World::told(&format!("seed {seed}\nfleet app: single group, {}", of_four(&[])));
    world.reconcile().unwrap();
    // SQS delivers at least once.
    world.lock().rates = Rates { crash_before: 2_500, crash_after: 2_500, duplicated: 200_000, ..Rates::none() };
    drifted(&world, 1);
    for minute in 0..10 {
        // Several detectors report the same drift again and again.
        let at = start() + SignedDuration::from_mins(minute);
        world.lock().change_at(at, |world| (0..3).for_each(|_| reported(world, 1, ComplianceType::NonCompliant)));
    }
    world.deliver_all();
    world.assert_replaced_once(1, &format!("seed {seed}"));
    world.lock().counts.faults.iter().filter(|(name, _)| name.starts_with("crash")).map(|(_, count)| count).sum()
}

#[test]
fn deliveries_side_by_side_in_any_order_with_deaths_and_duplicates_replace_once() {
    let deaths: u64 = (0..100).map(scramble).sum();
    assert!(deaths > 50, "{deaths} deaths in all");
}
