//! Lifecycle hooks: how a group boots and drains. No deadline is shorter than they may take.

use driftless_testkit::{Stage, around, id, mins};
use jiff::SignedDuration;

/// The phase of a surge whose replacement instance is not healthy after this time. The warm-up is one minute.
fn after(hooks: SignedDuration, waited: SignedDuration) -> &'static str {
    let mut stage = Stage::drifted(3, &[1]);
    stage.hook_timeout = hooks;
    stage.reconcile();
    let admitted_at = stage.now;
    stage.reconcile();
    stage.deferred.insert(stage.successor(1));
    stage.now = admitted_at + waited;
    stage.reconcile();
    stage.phase(1)
}

#[test]
fn a_successor_may_take_as_long_as_the_hooks_and_the_warm_up() {
    for (hooks, deadline) in [(mins(18), mins(20)), (mins(19), mins(20)), (mins(20), mins(21)), (mins(60), mins(61))] {
        for (waited, phase) in around(deadline).into_iter().zip(["verifying", "cancelling", "cancelling"]) {
            assert_eq!(after(hooks, waited), phase, "{hooks:?} {waited:?}");
        }
    }
}

#[test]
fn a_drain_may_take_as_long_as_the_hooks() {
    for (hooks, deadline) in [(mins(29), mins(30)), (mins(30), mins(30)), (mins(31), mins(31))] {
        for (waited, is_overdue) in around(deadline).into_iter().zip([false, true, true]) {
            let mut stage = Stage::drifted(3, &[1]);
            stage.hook_timeout = hooks;
            stage.reconcile();
            stage.reconcile();
            stage.arrive();
            stage.reconcile();
            stage.wait(mins(1));
            stage.reconcile();
            assert_eq!(stage.phase(1), "retiring");
            stage.wait(waited);
            stage.reconcile();
            let overdue = format!("drain-overdue:{}", id(1));
            assert_eq!(stage.record().conditions.contains_key(&overdue), is_overdue, "{hooks:?} {waited:?}");
        }
    }
}
