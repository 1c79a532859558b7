//! The drift is over before the act, or the drifted instance goes by external changes: nothing is left behind.

use driftless_planner::action::{Action, CapacityChange, Role};
use driftless_planner::waiting::{GuardId, Waiting};
use driftless_testkit::{Stage, id, mins};

/// Compliant again in this phase: the drifted instance stays, the extra instance goes, and the group has its size.
fn check(mut stage: Stage, phase: &str, size: u32) {
    assert_eq!(stage.phase(1), phase);
    stage.comply(1);
    stage.settle_clean(size);
    assert!(stage.has(&id(1)), "{phase}: the drifted instance stays");
    for terminated in stage.terminated() {
        assert!(stage.launched.values().any(|launched| *launched == terminated), "{phase}: {terminated}");
    }
}

#[test]
fn compliant_while_debouncing() {
    let mut stage = Stage::new(3);
    stage.drift(1);
    stage.reconcile();
    check(stage, "debouncing", 3);
}

#[test]
fn compliant_while_blocked() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.suspend("Launch");
    stage.reconcile();
    check(stage, "blocked", 3);
}

#[test]
fn compliant_while_nothing_was_launched_yet() {
    let mut stage = Stage::drifted(3, &[1]);
    let decision = stage.reconcile_and_crash();
    let mut launched = stage.clone();
    check(stage, "launching", 3);
    // Launched, but the response was lost: the token returns the instance to terminate.
    launched.act(&decision.actions);
    check(launched, "launching", 3);
}

#[test]
fn compliant_before_the_launch_and_someone_scaled_out() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.reconcile_and_crash();
    stage.scale_to(4);
    check(stage, "launching", 4);
}

#[test]
fn compliant_while_verifying() {
    let (stage, _) = Stage::verifying(3);
    check(stage, "verifying", 3);
    let (mut stage, successor) = Stage::serving(3);
    stage.comply(1);
    let decision = stage.reconcile();
    let extra = |action: &Action| {
        matches!(action, Action::Terminate { instance, capacity: CapacityChange::Decrement, role: Role::Extra, .. }
            if *instance == successor)
    };
    assert!(decision.actions.iter().any(extra), "{:?}", decision.actions);
    check(stage, "cancelling", 3);
}

#[test]
fn compliant_while_retiring_and_not_terminated_yet() {
    let (stage, successor) = Stage::retiring(3);
    check(stage.clone(), "retiring", 3);
    let mut stage = stage;
    stage.comply(1);
    stage.settle();
    assert_eq!(stage.terminated(), [successor]);
}

/// An operator protects the drifted instance, by its tag or from scale-in.
fn protect(stage: &mut Stage, by_tag: bool) {
    if by_tag {
        stage.machines.get_mut(&id(1)).unwrap().protect = Some("debugging".into());
    } else {
        stage.member_mut(1).protected = true;
    }
}

#[test]
fn what_a_person_protects_stays_in_each_phase_and_is_replaced_when_they_release_it() {
    let mut launching = Stage::drifted(4, &[1]);
    let decision = launching.reconcile_and_crash();
    let mut launched = launching.clone();
    launched.act(&decision.actions);
    for stage in [launching, launched, Stage::verifying(4).0, Stage::retiring(4).0] {
        for by_tag in [true, false] {
            let mut stage = stage.clone();
            let phase = stage.phase(1);
            protect(&mut stage, by_tag);
            stage.settle();
            assert!(stage.has(&id(1)), "{phase}");
            assert_eq!(stage.waits_for(1).map(Waiting::guard), Some(GuardId::Protection), "{phase}");
            assert_eq!(
                (stage.desired(), stage.record().borrowed_settings.len()),
                (4, 0),
                "{phase}: nothing is left of the surge"
            );
            assert!(stage.replacement(1).unwrap().failures.is_empty(), "{phase}: it is no failure");
            stage.machines.get_mut(&id(1)).unwrap().protect = None;
            stage.member_mut(1).protected = false;
            stage.settle_clean(4);
            assert!(!stage.has(&id(1)), "{phase}");
        }
    }
}

#[test]
fn an_extra_instance_that_a_person_protects_by_its_tag_stays_until_the_time_is_up_and_is_theirs_then() {
    let (mut stage, successor) = Stage::serving(4);
    stage.comply(1);
    stage.machines.get_mut(&successor).unwrap().protect = Some("what is wrong with it?".into());
    stage.reconcile();
    stage.reconcile();
    assert_eq!(stage.phase(1), "cancelling");
    assert!(stage.has(&successor));
    stage.wait(mins(30));
    stage.settle();
    assert!(stage.has(&successor) && stage.has(&id(1)));
    assert!(stage.kinds().contains(&"extra-instance-kept".to_owned()), "{:?}", stage.kinds());
    stage.assert_clean(5);
}

/// The drifted instance goes by an external change: with its capacity, or so that Auto Scaling launches another one.
fn taken(stage: &Stage, capacity: CapacityChange) -> Stage {
    let mut stage = stage.clone();
    stage.take(&id(1), capacity);
    stage.settle();
    assert!(!stage.has(&id(1)));
    stage
}

#[test]
fn the_drifted_instance_is_taken_in_each_phase_and_no_extra_instance_stays() {
    let mut debouncing = Stage::new(4);
    debouncing.drift(1);
    debouncing.reconcile();
    let mut launching = Stage::drifted(4, &[1]);
    let decision = launching.reconcile_and_crash();
    let mut launched = launching.clone();
    launched.act(&decision.actions);
    let verifying = Stage::verifying(4).0;
    let mut serving = verifying.clone();
    serving.arrive();
    serving.reconcile();
    for stage in [debouncing, launching, launched, verifying, serving, Stage::retiring(4).0] {
        let phase = stage.phase(1);
        let after = taken(&stage, CapacityChange::Keep);
        after.assert_clean(4);
        for terminated in after.terminated() {
            assert!(after.launched.values().any(|launched| *launched == terminated), "{phase}: {terminated}");
        }
        // Terminated together with its capacity: the replacement instance, if there is one, stays in its place.
        let after = taken(&stage, CapacityChange::Decrement);
        let size = if stage.desired() > 4 { 4 } else { 3 };
        after.assert_clean(size);
    }
}

#[test]
fn a_successor_whose_extra_instance_someone_took_back_stays() {
    let (mut stage, successor) = Stage::serving(4);
    stage.take(&id(1), CapacityChange::Decrement);
    stage.settle_clean(4);
    assert!(stage.has(&successor));
    assert!(stage.terminated().is_empty());
}

#[test]
fn a_serving_extra_instance_stays_until_enough_serve_without_it() {
    let (mut stage, successor) = Stage::serving(3);
    stage.take(&id(1), CapacityChange::Keep);
    stage.leave();
    let substitute = id(stage.last_id);
    stage.deferred.insert(substitute);
    stage.reconcile();
    stage.wait(mins(1));
    let decision = stage.reconcile();
    assert!(decision.actions.is_empty(), "two of three would serve: {:?}", decision.actions);
    assert_eq!(decision.waiting[&id(1)].guard(), GuardId::MinHealthy);
    assert!(decision.recheck.is_some());
    stage.deferred.clear();
    stage.settle_clean(3);
    assert_eq!(stage.terminated(), [successor]);
}

#[test]
fn an_extra_instance_that_does_not_serve_yet_stays_while_nobody_else_serves() {
    let (mut stage, successor) = Stage::verifying(1);
    stage.deferred.insert(successor.clone());
    stage.take(&id(1), CapacityChange::Keep);
    stage.leave();
    stage.deferred.insert(id(stage.last_id));
    let decision = stage.reconcile();
    assert!(decision.actions.is_empty(), "it may serve at any moment, and nobody else does: {:?}", decision.actions);
    assert_eq!(decision.waiting[&id(1)].guard(), GuardId::MinHealthy);
    stage.deferred.remove(&successor);
    let decision = stage.reconcile();
    assert!(decision.actions.is_empty(), "now it does: {:?}", decision.actions);
    stage.deferred.clear();
    stage.settle_clean(1);
    assert_eq!(stage.terminated(), [successor]);
}

#[test]
fn an_extra_instance_that_is_found_late_goes_only_where_enough_serve_without_it() {
    let mut stage = Stage::drifted(2, &[1]);
    let launched = stage.reconcile_and_crash();
    // It was launched, the response was lost, and the next pass came after the deadline.
    stage.act(&launched.actions);
    stage.arrive();
    stage.sick.insert(id(1));
    stage.wait(mins(20 + 30));
    stage.reconcile();
    assert_eq!(stage.phase(1), "cancelling");
    let decision = stage.reconcile();
    assert!(
        decision.actions.iter().all(|action| !matches!(action, Action::Terminate { .. })),
        "{:?}",
        decision.actions
    );
    assert_eq!(decision.waiting[&id(1)].guard(), GuardId::MinHealthy);
    stage.sick.clear();
    let decision = stage.reconcile();
    assert!(decision.actions.iter().any(|action| matches!(action, Action::Terminate { role: Role::Extra, .. })));
    stage.settle();
}
