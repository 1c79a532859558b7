//! The freeze, and the switch back to observe mode.

use driftless_planner::action::{Action, Role};
use driftless_planner::record::Phase;
use driftless_planner::waiting::Waiting;
use driftless_testkit::{Stage, around, freeze, id, mins, secs, t0};

#[test]
fn a_freeze_lets_nothing_start_until_it_expires() {
    for (waited, phase) in around(mins(10)).into_iter().zip(["blocked", "launching", "launching"]) {
        let mut stage = Stage::drifted(3, &[1]);
        let expires_at = stage.now + mins(10);
        stage.freezes.push(freeze(t0(), Some(expires_at)));
        let decision = stage.reconcile();
        assert!(decision.actions.is_empty());
        assert_eq!(decision.recheck, Some(expires_at));
        let Some(Waiting::Frozen { owner, until, .. }) = stage.waits_for(1) else { panic!("{}", stage.phase(1)) };
        assert_eq!((owner.as_str(), *until), ("ana", Some(expires_at)));
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
    }
}

#[test]
fn of_several_freezes_the_last_to_end_holds() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.freezes.push(freeze(t0(), Some(stage.now + mins(1))));
    stage.freezes.push(freeze(t0(), None));
    stage.freezes.push(freeze(t0(), Some(stage.now - mins(1))));
    let decision = stage.reconcile();
    assert!(matches!(decision.waiting[&id(1)], Waiting::Frozen { until: None, .. }));
    assert_eq!(decision.recheck, None, "only a person ends it");
}

#[test]
fn a_freeze_holds_a_launch_that_was_not_acted_on() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.reconcile_and_crash();
    stage.freezes.push(freeze(stage.now, None));
    stage.reconcile();
    stage.wait(mins(60));
    assert!(stage.reconcile().actions.is_empty());
    assert_eq!(stage.phase(1), "launching");
    stage.freezes.clear();
    stage.settle_clean(3);
    assert_eq!(stage.launched.len(), 1);
}

#[test]
fn a_freeze_holds_the_proof_and_the_deadline_moves_by_as_long() {
    let (mut stage, _) = Stage::verifying(3);
    let Phase::Verifying(before) = stage.replacement(1).unwrap().phase().clone() else { panic!() };
    stage.wait(mins(2));
    stage.freezes.push(freeze(stage.now, None));
    stage.reconcile();
    stage.arrive();
    stage.wait(mins(90));
    stage.reconcile();
    assert!(stage.terminated().is_empty());
    stage.freezes.clear();
    stage.reconcile();
    let Phase::Verifying(after) = stage.replacement(1).unwrap().phase().clone() else { panic!() };
    assert_eq!(after.surge.deadline, before.surge.deadline + mins(90));
    stage.settle_clean(3);
}

#[test]
fn a_successor_that_failed_during_the_freeze_must_prove_itself_again() {
    let (mut stage, successor) = Stage::serving(3);
    stage.freezes.push(freeze(stage.now, None));
    stage.sick.insert(successor);
    stage.wait(mins(10));
    stage.reconcile();
    stage.sick.clear();
    stage.wait(mins(10));
    stage.freezes.clear();
    stage.reconcile();
    assert_eq!(stage.phase(1), "verifying");
    stage.wait(mins(1));
    stage.reconcile();
    assert_eq!(stage.phase(1), "retiring");
}

#[test]
fn a_freeze_holds_back_the_end_of_the_drifted_instance() {
    let (mut stage, _) = Stage::retiring(3);
    stage.freezes.push(freeze(stage.now, None));
    assert!(stage.reconcile().actions.is_empty());
    stage.wait(mins(60));
    assert!(stage.reconcile().actions.is_empty());
    stage.freezes.clear();
    stage.reconcile();
    assert_eq!(stage.kinds(), ["replacement-started"], "the drain has hardly begun: nothing is overdue");
    stage.settle_clean(3);
}

#[test]
fn a_freeze_does_not_hold_the_end_of_an_extra_instance_nor_what_is_restored() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.group().max = 3;
    stage.reconcile();
    stage.reconcile();
    stage.arrive();
    stage.reconcile();
    let successor = stage.successor(1);
    stage.freezes.push(freeze(stage.now, None));
    stage.comply(1);
    let decision = stage.reconcile();
    let [Action::Terminate { instance, role: Role::Extra, .. }] = &decision.actions[..] else {
        panic!("{:?}", decision.actions)
    };
    assert_eq!(*instance, successor);
    stage.settle_clean(3);
    assert_eq!(stage.group().max, 3);
}

#[test]
fn a_drain_that_has_begun_ends_in_a_freeze() {
    let (mut stage, _) = Stage::retiring(3);
    stage.reconcile();
    stage.freezes.push(freeze(stage.now, None));
    stage.settle_clean(3);
}

#[test]
fn what_disrupts_is_what_a_freeze_holds_back() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.group().max = 3;
    let start = stage.reconcile();
    assert!(start.actions.iter().all(Action::is_disruptive));
    stage.settle();
    for outcome in &stage.acted {
        let lowers = matches!(&outcome.action, Action::SetMaximum { expected, maximum, .. } if maximum < expected);
        let restores = lowers || matches!(&outcome.action, Action::Protect { .. });
        assert_eq!(outcome.action.is_disruptive(), !restores, "{:?}", outcome.action);
    }
}

#[test]
fn in_observe_nothing_changes_and_what_would_be_done_is_said_once() {
    let mut stage = Stage::new(3);
    stage.tag("mode", "observe");
    stage.drift(1);
    for _ in 0..40 {
        let decision = stage.reconcile();
        assert!(decision.actions.is_empty());
        stage.wait(secs(30));
    }
    let announced = format!("entered would-replace:{}", id(1));
    assert_eq!(stage.kinds(), ["adopted".to_owned(), announced.clone()]);
    let text = stage.told[1].message().unwrap().text;
    assert!(text.contains("a replacement instance would be launched in eu-central-1a now"), "{text}");
    stage.settle();
    stage.comply(1);
    stage.settle();
    assert_eq!(stage.kinds(), ["adopted".to_owned(), announced, format!("ended would-replace:{}", id(1))]);
    stage.assert_clean(3);
}

#[test]
fn in_observe_a_freeze_does_not_announce_again_what_would_be_done() {
    let mut stage = Stage::new(3);
    stage.tag("mode", "observe");
    stage.drift(1);
    stage.debounce();
    stage.freezes.push(freeze(stage.now, None));
    stage.reconcile();
    stage.freezes.clear();
    stage.reconcile();
    assert_eq!(stage.kinds(), ["adopted".to_owned(), format!("entered would-replace:{}", id(1))]);
}

#[test]
fn observe_says_which_guard_would_say_no() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.tag("mode", "observe");
    stage.suspend("Terminate");
    stage.reconcile();
    let text = stage.told[0].message().unwrap().text;
    assert!(
        text.contains("in act mode the replacement would wait") && text.contains("Terminate is suspended"),
        "{text}"
    );
}

#[test]
fn observe_applies_at_once_to_work_under_way() {
    let (mut stage, successor) = Stage::serving(3);
    stage.tag("mode", "observe");
    stage.wait(mins(15));
    let decision = stage.reconcile();
    assert!(decision.actions.is_empty());
    assert_eq!(decision.waiting[&id(1)], Waiting::Observed);
    stage.wait(mins(30));
    assert!(stage.reconcile().actions.is_empty());
    // Back to act: it goes on where it stood.
    stage.tag("mode", "act");
    stage.settle_clean(3);
    assert!(stage.has(&successor));
}
