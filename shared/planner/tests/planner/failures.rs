//! A replacement instance that is not verified.

use driftless_planner::action::{Action, ActionResult, CapacityChange, Outcome};
use driftless_planner::notification::Details;
use driftless_planner::observation::LaunchFailure;
use driftless_planner::record::{CancelReason, Phase, StopReason};
use driftless_planner::waiting::Waiting;
use driftless_testkit::{GROUP, Stage, around, id, mins, secs};

#[test]
fn a_successor_that_never_serves_goes_at_the_launch_deadline() {
    for (waited, phase) in around(mins(20)).into_iter().zip(["verifying", "cancelling", "cancelling"]) {
        let (mut stage, successor) = Stage::verifying(3);
        stage.arrive();
        stage.sick.insert(successor.clone());
        stage.reconcile();
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
        assert_eq!(stage.terminated().contains(&successor), phase == "cancelling");
    }
}

#[test]
fn a_launch_without_an_answer_ends_at_the_deadline() {
    for (waited, phase) in around(mins(20)).into_iter().zip(["launching", "blocked", "blocked"]) {
        let mut stage = Stage::drifted(3, &[1]);
        stage.scripted.insert("launch", ActionResult::Busy("throttled".into()));
        stage.reconcile();
        stage.wait(waited);
        stage.outcomes.clear();
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
    }
}

#[test]
fn after_a_failure_the_next_attempt_waits_for_two_and_then_for_four_minutes() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.scripted.insert("launch", ActionResult::Failed("The security group 'sg-1' does not exist".into()));
    for (attempt, back_off) in [(1, mins(2)), (2, mins(4))] {
        stage.reconcile();
        stage.reconcile();
        let failed_at = stage.now;
        assert_eq!(stage.waits_for(1), Some(&Waiting::BackOff { until: failed_at + back_off }));
        for (waited, phase) in around(back_off).into_iter().zip(["blocked", "launching", "launching"]) {
            let mut stage = stage.clone();
            stage.now = failed_at + waited;
            let decision = stage.reconcile();
            assert_eq!(stage.phase(1), phase, "attempt {attempt}, {waited:?}");
            if let [Action::Launch { token, .. }] = &decision.actions[..] {
                assert!(token.starts_with(&format!("driftless-{}-{}-", id(1), attempt + 1)), "{token}");
            }
        }
        stage.now = failed_at + back_off;
    }
    stage.reconcile();
    stage.reconcile();
    assert_eq!(stage.phase(1), "stopped");
}

#[test]
fn three_failures_stop_and_page_with_the_words_of_aws() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.scripted.insert("launch", ActionResult::Failed("The image id '[ami-1]' does not exist".into()));
    for _ in 0..60 {
        stage.reconcile();
        stage.wait(secs(30));
    }
    assert_eq!(stage.phase(1), "stopped");
    assert_eq!(stage.done(), ["launch", "launch", "launch"]);
    let started = "replacement-started";
    assert_eq!(stage.kinds(), [started, "replacement-cancelled", started, "replacement-cancelled", started, "stopped"]);
    let page = stage.told.last().unwrap();
    let Details::Stopped { why: StopReason::Failures, failures, .. } = &page.details else { panic!("{page:?}") };
    assert_eq!(failures.len(), 3);
    assert!(page.message().unwrap().text.contains("The image id '[ami-1]' does not exist"));
    // It stays stopped, until it is compliant or gone.
    stage.scripted.clear();
    stage.settle();
    assert_eq!(stage.phase(1), "stopped");
    assert_eq!(stage.record().open_since(), None);
    stage.comply(1);
    stage.settle_clean(3);
}

#[test]
fn there_is_never_more_than_one_extra_instance() {
    let mut stage = Stage::drifted(3, &[1]);
    for _ in 0..400 {
        stage.reconcile();
        stage.arrive();
        stage.leave();
        stage.sick = stage.launched.values().cloned().collect();
        assert!(stage.groups[0].active().count() <= 4);
        stage.wait(secs(15));
    }
    assert_eq!(stage.phase(1), "stopped");
    assert_eq!(stage.launched.len(), 3);
    assert_eq!(stage.terminated().len(), 3);
    assert_eq!(stage.desired(), 3);
    assert!(stage.has(&id(1)));
}

#[test]
fn a_successor_that_auto_scaling_takes_away_is_a_failure_also_where_it_is_gone_between_two_looks() {
    for is_seen_leaving in [true, false] {
        let (mut stage, successor) = Stage::serving(3);
        stage.take(&successor, CapacityChange::Keep);
        if !is_seen_leaving {
            stage.leave();
        }
        stage.reconcile();
        let phase = &stage.replacement(1).unwrap().phase();
        let is_failed = |because: &CancelReason| matches!(because, CancelReason::Failed(_));
        assert!(
            matches!(phase, Phase::Cancelling(cancelling) if is_failed(&cancelling.because)),
            "seen leaving: {is_seen_leaving}: {phase:?}"
        );
        stage.comply(1);
        stage.settle_clean(3);
        assert_eq!(stage.terminated(), [id(102)], "what Auto Scaling launched for it: {is_seen_leaving}");
    }
}

#[test]
fn a_successor_that_is_not_listed_yet_is_waited_for() {
    let (mut stage, successor) = Stage::verifying(3);
    let listed = stage.group().members.pop().unwrap();
    assert_eq!(listed.id, successor);
    stage.reconcile();
    assert_eq!(stage.phase(1), "verifying");
    stage.group().members.push(listed);
    stage.settle_clean(3);
}

#[test]
fn a_successor_that_fails_while_the_old_one_waits_for_its_end_must_prove_itself_again() {
    let (mut stage, successor) = Stage::retiring(3);
    stage.sick.insert(successor);
    let decision = stage.reconcile();
    assert!(decision.actions.is_empty(), "{:?}", decision.actions);
    assert_eq!(stage.phase(1), "verifying");
    stage.sick.clear();
    stage.settle_clean(3);
    assert_eq!(stage.terminated(), [id(1)]);
}

#[test]
fn where_desired_capacity_was_raised_the_failed_launch_speaks_for_aws() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.scripted.insert("launch", ActionResult::Unsupported);
    stage.launches = false;
    stage.reconcile();
    stage.reconcile();
    assert_eq!(stage.desired(), 4);
    stage.wait(secs(30));
    let failure = LaunchFailure { at: stage.now, message: "The key pair 'ops' does not exist".into() };
    stage.launch_failures.insert(GROUP.parse().unwrap(), failure);
    stage.reconcile();
    assert_eq!(stage.desired(), 3, "taken back while nothing fills it");
    stage.reconcile();
    let replacement = stage.replacement(1).unwrap();
    assert_eq!(replacement.failures[0].why.as_str(), "The key pair 'ops' does not exist");
    assert_eq!(stage.phase(1), "blocked");
    // The old message is not taken for one about the next attempt.
    stage.launches = true;
    stage.wait(mins(2));
    stage.settle_clean(3);
}

#[test]
fn desired_capacity_is_never_lowered_onto_running_instances() {
    let mut stage = Stage::drifted(3, &[1]);
    let decision = stage.reconcile_and_crash();
    stage.act(&decision.actions);
    stage.arrive();
    stage.scripted.insert("launch", ActionResult::Busy("throttled".into()));
    stage.wait(mins(20));
    stage.reconcile();
    // What the lost launch brought is found by its launch time, and nothing else is at risk.
    stage.settle();
    stage.wait(mins(2));
    stage.comply(1);
    stage.settle_clean(3);
    let lowered = |outcome: &Outcome| matches!(outcome.action, Action::SetDesired { .. });
    assert!(!stage.acted.iter().any(lowered), "{:?}", stage.acted);
    assert_eq!(stage.terminated(), [id(101)]);
}

#[test]
fn a_drain_that_lasts_too_long_is_told() {
    for (waited, is_told) in around(mins(30)).into_iter().zip([false, true, true]) {
        let (mut stage, _) = Stage::retiring(3);
        let retiring_since = stage.now;
        stage.reconcile();
        stage.now = retiring_since + waited;
        stage.reconcile();
        let key = format!("entered drain-overdue:{}", id(1));
        assert_eq!(stage.kinds().contains(&key), is_told, "{waited:?}");
        stage.settle_clean(3);
        assert_eq!(stage.kinds().contains(&format!("ended drain-overdue:{}", id(1))), is_told);
    }
}

#[test]
fn a_drifted_instance_that_cannot_be_terminated_is_abandoned_at_the_drain_deadline() {
    for (waited, phase) in around(mins(30)).into_iter().zip(["retiring", "cancelling", "cancelling"]) {
        let (mut stage, successor) = Stage::retiring(3);
        stage.scripted.insert("terminate", ActionResult::Busy("an activity is in progress".into()));
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
        stage.scripted.clear();
        stage.comply(1);
        stage.settle_clean(3);
        assert_eq!(stage.terminated(), [successor]);
    }
}

#[test]
fn a_launch_that_is_refused_after_one_without_an_answer_leaves_no_extra_instance() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.reconcile();
    stage.outcomes.clear();
    stage.scripted.insert("launch", ActionResult::Failed("the token was used for another request".into()));
    stage.reconcile();
    stage.reconcile();
    stage.scripted.clear();
    stage.comply(1);
    stage.settle_clean(3);
    assert_eq!(stage.terminated(), [id(101)]);
}

#[test]
fn what_comes_in_another_zone_while_a_launch_is_refused_is_somebody_elses() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.scripted.insert("launch", ActionResult::Failed("InsufficientInstanceCapacity: no room".into()));
    // AWS refused the call, and the function stopped before it could store the response.
    stage.reconcile_and_crash();
    stage.scale_to(4);
    stage.reconcile();
    stage.reconcile();
    assert_eq!(stage.phase(1), "cancelling");
    stage.settle();
    assert_eq!(stage.terminated(), []);
    assert_eq!(stage.desired(), 4);
}

#[test]
fn what_comes_after_a_launch_was_refused_is_somebody_elses_in_its_zone_too() {
    // EC2 reports launch times in whole seconds: an instance of the same second may be the surge's.
    for (waited, is_taken) in [(secs(0), true), (secs(1), false)] {
        // The second instance is in the zone in which an instance from outside Driftless is launched.
        let mut stage = Stage::drifted(3, &[2]);
        stage.reconcile_and_crash();
        stage.scripted.insert("launch", ActionResult::Failed("InsufficientInstanceCapacity: no room".into()));
        stage.reconcile();
        stage.launches = false;
        stage.scale_to(4);
        stage.reconcile();
        assert_eq!(stage.phase(2), "cancelling");
        stage.wait(waited);
        stage.launches = true;
        stage.scale_to(4);
        stage.settle();
        assert_eq!(stage.terminated().contains(&id(101)), is_taken, "{waited:?}");
    }
}

#[test]
fn what_somebody_wants_beside_a_refused_launch_is_left_to_them_until_it_comes() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.scripted.insert("launch", ActionResult::Failed("InsufficientInstanceCapacity: no room".into()));
    stage.reconcile_and_crash();
    // There is no room for theirs either.
    stage.launches = false;
    stage.scale_to(4);
    stage.reconcile();
    stage.reconcile();
    assert_eq!((stage.phase(1), stage.desired()), ("cancelling", 4));
    stage.launches = true;
    stage.scale_to(4);
    stage.settle();
    assert_eq!(stage.terminated(), []);
    assert_eq!(stage.desired(), 4);
}
