//! A whole replacement, and what blocks it.

use driftless_planner::fact::ComplianceType;
use driftless_planner::notification::{Condition, Details};
use driftless_planner::observation::FreezeScope;
use driftless_planner::record::Phase;
use driftless_planner::waiting::{GuardId, Waiting};
use driftless_reconciler::reconcile::Ran;
use driftless_simulator::cloud::Actor;
use driftless_simulator::world::World as State;
use jiff::SignedDuration;
use serde::Deserialize as _;
use serde_json::Value;

use crate::support::{
    World, app, cleared, drifted, fleet_name, freeze, fresh, group_name, instance, reported, rule, start, unseen,
};

/// The number of writes that changed AWS.
fn writes(world: &World) -> u64 {
    world.lock().aws_writes.counts.values().sum()
}

fn guard(world: &World, number: usize) -> GuardId {
    let record = world.record();
    let phase = &record.replacements[&instance(number)].phase();
    let Phase::Blocked(waiting) = phase else { panic!("{phase:?}") };
    waiting.guard()
}

fn told(world: &World, is_meant: impl Fn(&Details) -> bool) -> usize {
    let details = |json: &str| Details::deserialize(&serde_json::from_str::<Value>(json).unwrap()["details"]).unwrap();
    world.told_on_call().iter().filter(|told| is_meant(&details(&told.json))).count()
}

#[test]
fn a_drifted_instance_is_replaced_by_the_requests_that_the_loop_sends_itself() {
    let world = app();
    let begun = world.now();
    drifted(&world, 1);
    let functions = world.deliver_all();
    let took = world.now().duration_since(begun);
    world.assert_replaced_once(1, "nothing went wrong");
    assert!(functions < 40, "{functions} runs for one replacement");
    assert_eq!(world.kinds(), ["adopted", "replacement-started", "replaced"]);
    // Debounce 5 min, boot 62 s, health checks 20 s, warm-up 30 s, drain 30 s, and shutdown 23 s; the passes add
    // little.
    assert!(took < SignedDuration::from_secs(300 + 62 + 20 + 30 + 30 + 23 + 40), "{took:#}");
}

#[test]
fn without_launch_instances_the_desired_capacity_launches_the_replacement_instance() {
    let world = app();
    world.lock().cloud.edit_group(&group_name(), |group| group.offers_launch = false);
    drifted(&world, 1);
    world.deliver_all();
    assert_eq!(world.count("launch"), 1, "the answer is remembered");
    assert_eq!(world.count("set-desired"), 1);
    assert_eq!(world.ended(), [(instance(1), Actor::Driftless)]);
    assert_eq!(world.launched(), [], "Auto Scaling launches it");
    assert_eq!(world.lock().cloud.instances().len(), 5);
    assert_eq!(world.sizes(), (2, 4, 4, 4));
}

#[test]
fn an_event_that_comes_three_times_replaces_once() {
    let world = app();
    drifted(&world, 1);
    reported(&mut world.lock(), 1, ComplianceType::NonCompliant);
    world.pass(SignedDuration::from_mins(3));
    reported(&mut world.lock(), 1, ComplianceType::NonCompliant);
    world.deliver_all();
    world.assert_replaced_once(1, "three events");
}

#[test]
fn a_fleet_in_observe_mode_is_reported_and_not_changed() {
    let world = fresh(&[("mode", "observe")]);
    drifted(&world, 1);
    world.deliver_all();
    assert_eq!(writes(&world), 0);
    assert_eq!(guard(&world, 1), GuardId::Mode);
    let is_meant = |details: &Details| matches!(details, Details::Entered { condition: Condition::WouldReplace { instance: named }, .. } if *named == instance(1));
    assert_eq!(told(&world, is_meant), 1);
}

#[test]
fn a_fleet_is_adopted_without_a_write_to_it() {
    let world = unseen(&[]);
    assert_eq!(world.reconcile().unwrap(), Ran::Idle);
    assert_eq!(writes(&world), 0);
    assert!(world.record().release.is_some());
}

#[test]
fn a_rule_off_the_list_is_shown_and_replaces_no_instance() {
    let world = fresh(&[("rules", "another-rule")]);
    drifted(&world, 1);
    world.deliver_all();
    assert_eq!(writes(&world), 0);
    let record = world.record();
    assert!(record.replacements.is_empty());
    assert!(record.shown[&instance(1)].contains_key(&rule()));
}

#[test]
fn a_freeze_starts_nothing_and_its_end_starts_the_waiting_work() {
    let world = app();
    freeze(&mut world.lock(), Some(3));
    drifted(&world, 1);
    world.run_to(start() + SignedDuration::from_mins(170));
    assert_eq!(writes(&world), 0);
    assert_eq!(guard(&world, 1), GuardId::Freeze);
    // Requests of at most 15 minutes carry a wait of three hours, without extra passes.
    assert!(world.count("acquire") < 20, "{}", world.count("acquire"));
    world.deliver_all();
    world.assert_replaced_once(1, "after the freeze");
}

#[test]
fn a_freeze_between_decision_and_act_blocks_the_write() {
    for deferred in ["launch", "terminate"] {
        let world = app();
        drifted(&world, 1);
        world.run_until(|world| may_plan(world, deferred));
        // The freezes are read right before a disruptive write: the last moment at which a freeze can take effect.
        world.before("freezes", 0, |world| freeze(world, None));
        world.pass(SignedDuration::from_mins(10));
        assert!(world.count("freezes") > 0);
        assert_eq!(world.count(deferred), 0, "{deferred}");
        assert!(!world.record().replacements.is_empty());
        world.lock().table.lift(&FreezeScope::Fleet(fleet_name()));
        reported(&mut world.lock(), 1, ComplianceType::NonCompliant);
        world.deliver_all();
        world.assert_replaced_once(1, deferred);
    }
}

/// Whether the next pass may plan this write.
fn may_plan(world: &State, write: &str) -> bool {
    let record = world.table.row(&fleet_name()).and_then(|row| row.record.as_ref());
    let replacement = record.and_then(|record| record.replacements.get(&instance(1)));
    replacement.is_some_and(|replacement| match replacement.phase() {
        Phase::Debouncing => write == "launch",
        Phase::Verifying(_) => write == "terminate",
        Phase::Blocked(_)
        | Phase::Launching(_)
        | Phase::Retiring(_)
        | Phase::Terminating(_)
        | Phase::LaunchingAfter(_)
        | Phase::Cancelling(_)
        | Phase::Stopped(_) => false,
    })
}

#[test]
fn compliant_again_before_the_launch_clears_it() {
    let world = app();
    drifted(&world, 1);
    world.pass(SignedDuration::from_mins(2));
    cleared(&world, 1);
    world.deliver_all();
    assert_eq!(writes(&world), 0);
    assert!(world.record().replacements.is_empty());
}

#[test]
fn compliant_again_before_the_termination_ends_the_successor() {
    let world = app();
    drifted(&world, 1);
    world.run_until(|world| !world.aws_writes.launched.is_empty());
    world.pass(SignedDuration::from_secs(15));
    let successor = world.launched().pop().unwrap();
    cleared(&world, 1);
    world.deliver_all();
    world.pass(SignedDuration::from_mins(5));
    assert_eq!(world.ended(), [(successor, Actor::Driftless)]);
    assert_eq!(world.sizes(), (2, 4, 4, 4));
    assert!(world.lock().cloud.is_serving(&instance(1)));
}

#[test]
fn many_drifted_at_once_have_a_common_cause_and_none_is_replaced() {
    let world = app();
    for number in 0..3 {
        drifted(&world, number);
    }
    world.deliver_all();
    assert_eq!(writes(&world), 0);
    let open = Waiting::BreakerOpen { drifted: 3, members: 4, limit: 25.try_into().unwrap() };
    assert_eq!(guard(&world, 0), open.guard());
    let is_open = |details: &Details| matches!(details, Details::Entered { condition: Condition::BreakerOpen, .. });
    assert_eq!(told(&world, is_open), 1);
}

#[test]
fn a_fact_that_the_read_does_not_confirm_is_abandoned_after_a_while() {
    let world = app();
    reported(&mut world.lock(), 1, ComplianceType::NonCompliant);
    let functions = world.deliver_all();
    assert!(functions < 10, "{functions}");
    assert!(world.row().facts.is_empty());
    assert_eq!(writes(&world), 0);
}
