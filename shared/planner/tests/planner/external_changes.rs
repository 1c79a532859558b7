//! Others scale the group while a surge is under way: their capacity stays theirs.

use driftless_planner::action::{ActionResult, CapacityChange};
use driftless_testkit::{Stage, id, mins, secs};

use driftless_planner::observation::Lifecycle;

#[test]
fn a_scale_out_during_a_surge_is_preserved() {
    for scaled in [5, 6] {
        let (mut stage, successor) = Stage::verifying(3);
        stage.scale_to(scaled);
        stage.settle_clean(scaled - 1);
        assert!(stage.has(&successor));
        assert_eq!(stage.terminated(), [id(1)]);
    }
}

#[test]
fn a_scale_out_during_a_surge_that_is_abandoned_is_preserved() {
    for phase in ["verifying", "serving", "retiring"] {
        let (mut stage, successor) = if phase == "retiring" { Stage::retiring(3) } else { Stage::verifying(3) };
        if phase == "serving" {
            stage.arrive();
            stage.reconcile();
        }
        stage.scale_to(6);
        stage.comply(1);
        stage.settle_clean(5);
        assert_eq!(stage.terminated(), [successor], "{phase}");
    }
}

#[test]
fn a_scale_out_before_a_launch_that_fails_is_preserved() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.scripted.insert("launch", ActionResult::Failed("InsufficientInstanceCapacity".into()));
    stage.reconcile();
    stage.scale_to(5);
    stage.reconcile();
    stage.comply(1);
    stage.settle_clean(5);
    assert!(stage.terminated().is_empty());
}

#[test]
fn a_scale_out_after_a_surge_was_abandoned_is_preserved() {
    let (mut stage, successor) = Stage::verifying(3);
    stage.comply(1);
    stage.reconcile();
    stage.scale_to(5);
    stage.settle_clean(5);
    assert_eq!(stage.terminated(), [successor]);
}

#[test]
fn the_answer_to_the_cancellation_is_lost_and_it_is_still_done_once() {
    let (mut stage, successor) = Stage::verifying(3);
    stage.scale_to(6);
    stage.comply(1);
    stage.reconcile();
    stage.outcomes.clear();
    stage.settle_clean(5);
    assert_eq!(stage.terminated(), [successor]);
}

#[test]
fn a_scale_in_that_takes_the_successor_with_its_capacity_leaves_nothing_to_take_back() {
    let (mut stage, successor) = Stage::verifying(3);
    stage.take(&successor, CapacityChange::Decrement);
    stage.reconcile();
    stage.comply(1);
    stage.settle_clean(3);
    assert!(stage.terminated().is_empty());
}

#[test]
fn a_scale_in_to_the_base_without_slack_keeps_the_successor_that_serves() {
    let (mut stage, successor) = Stage::serving(3);
    stage.take(&id(2), CapacityChange::Decrement);
    stage.leave();
    stage.wait(mins(1));
    // Without the drifted instance only two of three would be healthy: the attempt ends at its deadline.
    stage.reconcile();
    assert_eq!(stage.phase(1), "verifying");
    stage.wait(mins(20));
    stage.reconcile();
    stage.reconcile();
    assert!(stage.terminated().is_empty(), "the successor is a member now");
    assert_eq!(stage.phase(1), "blocked");
    stage.settle();
    stage.wait(mins(2));
    stage.settle_clean(3);
    assert_eq!(stage.terminated(), [id(1)]);
    assert!(stage.has(&successor));
}

#[test]
fn a_surge_admitted_after_a_scale_in_takes_the_smaller_size_for_its_base() {
    let mut stage = Stage::drifted(20, &[19, 20]);
    stage.tag("budget", "2");
    stage.suspend("Launch");
    stage.reconcile();
    stage.group().suspended.clear();
    stage.tag("budget", "1");
    stage.reconcile();
    stage.reconcile();
    stage.scale_to(12);
    stage.leave();
    stage.tag("budget", "2");
    stage.settle_clean(12);
}

#[test]
fn the_fallback_starts_from_what_others_made_of_desired_capacity() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.scripted.insert("launch", ActionResult::Unsupported);
    stage.reconcile();
    let decision = stage.reconcile_and_crash();
    stage.scale_to(5);
    stage.outcomes = stage.act(&decision.actions);
    assert_eq!(stage.outcomes[0].result, ActionResult::Changed);
    stage.settle_clean(5);
    assert_eq!(stage.terminated(), [id(1)]);
}

#[test]
fn while_a_scale_out_comes_up_the_drifted_instance_serves_on() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.group().max = 20;
    stage.reconcile();
    stage.reconcile();
    stage.arrive();
    stage.reconcile();
    // The desired capacity is six, and the three missing instances are not healthy yet.
    stage.scale_to(7);
    let coming: Vec<_> = stage.groups[0]
        .members
        .iter()
        .filter(|member| member.lifecycle == Lifecycle::Pending)
        .map(|m| m.id.clone())
        .collect();
    stage.deferred.extend(coming);
    stage.wait(mins(2));
    for _ in 0..10 {
        stage.reconcile();
        stage.wait(secs(15));
    }
    assert!(stage.has(&id(1)) && stage.terminated().is_empty(), "{}", stage.phase(1));
    stage.deferred.clear();
    stage.settle_clean(6);
    assert!(!stage.has(&id(1)));
}
