//! A replacement instance that drifts for the reasons of the instance that it replaced is repeat drift, not new drift.

use driftless_planner::notification::{Details, Severity};
use driftless_planner::observation::Finding;
use driftless_planner::record::{REPEAT_DRIFT_MEMORY, StopReason};
use driftless_planner::waiting::{GuardId, Waiting};
use driftless_testkit::{OTHER_RULE, RULE, Stage, around, freeze, id, mins, rule};
use jiff::SignedDuration;

/// Instance 1 of 8 was replaced by instance 101, which fails this rule so long after.
fn recurs(name: &str, after: SignedDuration) -> Stage {
    let mut stage = Stage::drifted(8, &[1]);
    stage.tag("rules", "sg-closed;imds-v2");
    stage.settle();
    stage.told.clear();
    let replaced_at = stage.record().repeat_drift[&id(101)].at;
    stage.drift_under(id(101), name);
    stage.now = replaced_at + after;
    stage.reconcile();
    stage
}

#[test]
fn what_is_held_up_for_another_rule_stops_as_soon_as_it_recurs() {
    let holds: [fn(&mut Stage); 2] =
        [|stage| stage.freezes = vec![freeze(stage.now, None)], |stage| stage.suspend("Launch")];
    for (guard, hold) in [GuardId::Freeze, GuardId::Group].into_iter().zip(holds) {
        let mut stage = recurs(OTHER_RULE, mins(10));
        hold(&mut stage);
        stage.wait(mins(5));
        stage.reconcile();
        assert_eq!(stage.waits_for(101).map(Waiting::guard), Some(guard));
        stage.drift_under(id(101), RULE);
        stage.reconcile();
        assert_eq!(stage.phase(101), "stopped", "{guard}");
    }
}

#[test]
fn another_rule_is_a_drift_of_its_own() {
    let mut stage = recurs(OTHER_RULE, mins(10));
    assert_eq!(stage.phase(101), "debouncing");
    stage.wait(mins(5));
    stage.settle_clean(8);
    assert!(!stage.has(&id(101)));
}

#[test]
fn after_a_day_it_is_a_drift_of_its_own() {
    assert_eq!(REPEAT_DRIFT_MEMORY, SignedDuration::from_hours(24));
    for (after, phase) in around(REPEAT_DRIFT_MEMORY).into_iter().zip(["stopped", "debouncing", "debouncing"]) {
        assert_eq!(recurs(RULE, after).phase(101), phase, "{after:?}");
    }
}

#[test]
fn a_rule_that_every_instance_fails_ends_after_one_replacement() {
    // The replacement instance drifts during its verification: it is terminated, and the drifted instance stays.
    let (mut stage, successor) = Stage::verifying(3);
    stage.drift_under(successor.clone(), RULE);
    stage.settle();
    assert!(stage.has(&id(1)) && !stage.has(&successor));
    assert_eq!(stage.phase(1), "stopped");
    assert_eq!(stage.launched.len(), 1);
    let page = stage.told.last().unwrap();
    let Details::Stopped { why: StopReason::Recurrence { successor: named, .. }, .. } = &page.details else {
        panic!("{page:?}")
    };
    assert_eq!((named, page.severity()), (&successor, Severity::Page));
    let text = page.message().unwrap().text;
    assert!(text.contains("driftless veto app ami-00000000000000001"), "{text}");
    assert_eq!(stage.desired(), 3);
}

#[test]
fn what_drifts_like_a_stopped_one_waits_for_a_person() {
    let (mut stage, successor) = Stage::verifying(8);
    stage.drift_under(successor, RULE);
    stage.settle();
    assert_eq!(stage.phase(1), "stopped");
    stage.drift(2);
    stage.reconcile();
    stage.wait(mins(5));
    stage.settle();
    assert_eq!(stage.waits_for(2), Some(&Waiting::RepeatDrift { ancestor: id(1) }));
    assert_eq!(stage.launched.len(), 1);
    // Once the first one complies, the rule has shown that it can be kept.
    stage.comply(1);
    stage.drift(2);
    stage.settle();
    assert!(!stage.has(&id(2)));
}

#[test]
fn a_successor_that_fails_for_less_than_the_debounce_is_waited_for() {
    for (lasts, phase) in around(mins(5)).into_iter().zip(["verifying", "cancelling", "cancelling"]) {
        let (mut stage, successor) = Stage::verifying(3);
        stage.arrive();
        let found = Finding { recorded_at: stage.now, annotation: None };
        stage.compliance.get_mut(&rule(RULE)).unwrap().insert(successor, found);
        stage.reconcile();
        stage.wait(lasts);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{lasts:?}");
        assert!(stage.has(&id(1)));
    }
}

#[test]
fn it_is_over_when_the_successor_is_compliant_again() {
    let mut stage = recurs(RULE, mins(10));
    stage.comply(101);
    stage.settle_clean(8);
}

#[test]
fn a_successor_that_is_found_drifted_before_it_is_known_starts_no_chain() {
    for is_offered in [true, false] {
        let mut stage = Stage::drifted(8, &[1]);
        stage.tag("budget", "2");
        stage.record.as_mut().unwrap().launches_by_desired_since = (!is_offered).then_some(stage.now);
        stage.reconcile();
        // Config is quicker than the next pass.
        stage.drift_under(id(101), RULE);
        stage.wait(mins(6));
        stage.reconcile();
        assert_eq!((stage.phase(1), stage.phase(101)), ("verifying", "-"), "offered: {is_offered}");
        stage.settle();
        assert_eq!(stage.phase(1), "stopped");
        assert_eq!(stage.terminated(), [id(101)]);
        assert_eq!(stage.desired(), 8);
    }
}
