//! What makes an instance drifted apart from the rules: its age, its own alarm, an operator's word.

use driftless_testkit::{Stage, around, freeze, id, mins, secs};
use std::collections::BTreeSet;

use driftless_planner::alarm::AlarmState;
use driftless_planner::fact::Command;
use driftless_planner::record::{DriftReason, Phase, StopReason};
use driftless_planner::waiting::Waiting;
use jiff::SignedDuration;

/// What the record holds against an instance.
fn drift(stage: &Stage, number: u32) -> BTreeSet<DriftReason> {
    stage.replacement(number).map(|replacement| replacement.drift.clone()).unwrap_or_default()
}

/// A fleet whose instances are 48 hours old and may become 49.
fn aging(size: u32) -> Stage {
    let mut stage = Stage::new(size);
    stage.tag("max-age", "49h");
    stage.reconcile();
    stage.told.clear();
    stage
}

// ---- age -------------------------------------------------------------------------------------------------------------

#[test]
fn an_instance_is_drifted_when_it_has_reached_its_age() {
    for (waited, phase) in around(mins(60)).into_iter().zip(["-", "debouncing", "debouncing"]) {
        let mut stage = aging(3);
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
        let expected = if phase == "-" { BTreeSet::new() } else { [DriftReason::Age].into() };
        assert_eq!(drift(&stage, 1), expected, "{waited:?}");
    }
}

#[test]
fn an_instance_whose_age_comes_as_a_surprise_waits_until_the_hooks_of_its_group_are_read() {
    let mut stage = aging(3);
    stage.tag("debounce", "0s");
    stage.wait(mins(60));
    let decision = stage.reconcile();
    assert_eq!(decision.waiting.get(&id(1)), Some(&Waiting::HooksUnread));
    assert_eq!(decision.recheck, Some(stage.now + secs(2)));
    stage.wait(secs(2));
    stage.reconcile();
    assert_eq!(stage.phase(1), "launching");
}

#[test]
fn without_a_limit_no_instance_is_too_old() {
    let mut stage = Stage::new(3);
    stage.reconcile();
    stage.wait(SignedDuration::from_hours(10_000));
    stage.settle();
    assert!(stage.record().replacements.is_empty());
}

#[test]
fn a_limit_that_is_lifted_ends_what_has_not_started() {
    let mut stage = aging(3);
    stage.wait(mins(60));
    stage.reconcile();
    assert_eq!(stage.phase(1), "debouncing");
    stage.tag("max-age", "none");
    stage.settle_clean(3);
    assert!(stage.acted.is_empty());
}

#[test]
fn an_instance_that_ec2_does_not_know_has_no_age() {
    let mut stage = aging(3);
    stage.machines.remove(&id(1));
    stage.wait(mins(60));
    stage.reconcile();
    assert_eq!(stage.phase(1), "-");
    assert_eq!(stage.phase(2), "debouncing");
}

// ---- alarms ----------------------------------------------------------------------------------------------------------

/// A fleet that guards itself with an alarm for each instance.
fn alarmed(word: AlarmState, instances: &[u32]) -> Stage {
    let mut stage = Stage::new(8);
    stage.tag("alarms", "web-5xx;disk-*");
    stage.reconcile();
    stage.alarm("disk-1", word, instances);
    stage.reconcile();
    stage
}

#[test]
fn other_alarms_say_nothing_about_an_instance() {
    for (word, instances) in [
        (AlarmState::Ok, &[1][..]),
        (AlarmState::InsufficientData, &[1]),
        (AlarmState::Alarm, &[1, 2]),
        (AlarmState::Alarm, &[]),
        (AlarmState::Alarm, &[77]),
    ] {
        let stage = alarmed(word, instances);
        assert!(stage.record().replacements.is_empty(), "{word:?} of {instances:?}");
    }
}

#[test]
fn an_alarm_that_is_not_on_the_list_replaces_nobody() {
    let mut stage = Stage::new(8);
    stage.reconcile();
    stage.alarm("disk-1", AlarmState::Alarm, &[1]);
    stage.reconcile();
    assert!(stage.record().replacements.is_empty());
}

#[test]
fn an_alarm_that_is_over_clears_the_instance() {
    let mut stage = alarmed(AlarmState::Alarm, &[1]);
    stage.alarm("disk-1", AlarmState::Ok, &[1]);
    stage.settle_clean(8);
    // Also under way, and whatever the list says by then.
    let mut stage = alarmed(AlarmState::Alarm, &[1]);
    stage.wait(mins(5));
    stage.reconcile();
    stage.reconcile();
    assert_eq!(stage.phase(1), "verifying");
    stage.tag("alarms", "web-5xx");
    stage.reconcile();
    assert_eq!(stage.phase(1), "verifying", "it was admitted under an alarm that is still in ALARM");
    stage.alarm("disk-1", AlarmState::Ok, &[1]);
    stage.settle_clean(8);
    assert!(stage.has(&id(1)));
}

#[test]
fn alarms_of_many_instances_have_a_common_cause() {
    let mut stage = alarmed(AlarmState::Alarm, &[1]);
    stage.alarm("disk-2", AlarmState::Alarm, &[2]);
    stage.alarm("disk-3", AlarmState::Alarm, &[3]);
    stage.debounce();
    assert!(matches!(stage.waits_for(1), Some(Waiting::BreakerOpen { drifted: 3, members: 8, .. })));
    assert!(stage.acted.is_empty());
}

// ---- an operator's word -------------------------------------------------------------------------------------------------

fn asked(stage: &mut Stage, number: u32) {
    stage.say(Command::Replace { instance: id(number) });
    stage.reconcile();
}

#[test]
fn what_a_person_asks_for_needs_no_debounce_and_is_done_once() {
    let mut stage = Stage::new(8);
    stage.reconcile();
    asked(&mut stage, 1);
    assert!(stage.answer().0);
    stage.reconcile();
    assert_eq!(drift(&stage, 1), [DriftReason::Operator { actor: "ana".into() }].into());
    assert_eq!(stage.phase(1), "launching", "without any wait");
    stage.settle_clean(8);
    assert!(!stage.has(&id(1)));
    assert!(stage.record().asked_to_replace.is_empty());
    assert_eq!(stage.launched.len(), 1);
}

#[test]
fn what_a_person_asks_for_passes_all_other_guards() {
    let guards: [fn(&mut Stage); 4] = [
        |stage| stage.tag("window", "Mon 09:00-10:00 UTC"),
        |stage| stage.freezes.push(freeze(stage.now, None)),
        |stage| stage.tag("mode", "observe"),
        |stage| stage.machines.get_mut(&id(1)).unwrap().protect = Some("debugging".into()),
    ];
    for (number, guard) in guards.into_iter().enumerate() {
        let mut stage = Stage::new(8);
        stage.reconcile();
        guard(&mut stage);
        asked(&mut stage, 1);
        stage.reconcile();
        stage.wait(mins(30));
        stage.reconcile();
        assert_eq!(stage.phase(1), "blocked", "{number}");
        assert!(stage.acted.is_empty(), "{number}");
    }
}

#[test]
fn what_a_person_asked_for_is_looked_at_again_at_once() {
    let mut stage = Stage::new(8);
    stage.reconcile();
    stage.say(Command::Replace { instance: id(1) });
    let decision = stage.reconcile();
    assert!(decision.recheck.is_some_and(|at| at <= stage.now + mins(1)), "{:?}", decision.recheck);
}

#[test]
fn what_is_no_instance_of_the_live_group_cannot_be_asked_for() {
    let mut stage = Stage::new(8);
    stage.reconcile();
    asked(&mut stage, 77);
    assert!(!stage.answer().0);
    assert!(stage.record().asked_to_replace.is_empty());
    assert!(stage.record().replacements.is_empty());
}

#[test]
fn a_person_may_ask_for_the_whole_fleet_and_the_budget_holds() {
    let mut stage = Stage::new(4);
    stage.reconcile();
    for number in 1..=4 {
        stage.say(Command::Replace { instance: id(number) });
    }
    for _ in 0..200 {
        stage.reconcile();
        let under_way = stage.surges();
        assert!(under_way <= 1);
        stage.pass(mins(1));
    }
    stage.assert_clean(4);
    assert_eq!(stage.launched.len(), 4);
}

#[test]
fn a_successor_that_is_asked_for_too_is_no_birth_defect() {
    let mut stage = Stage::new(8);
    stage.reconcile();
    asked(&mut stage, 1);
    stage.settle();
    let successor = stage.last_id;
    asked(&mut stage, successor);
    stage.settle_clean(8);
    assert!(!stage.has(&id(successor)));
    let is_repeat_drift = |phase: &Phase| matches!(phase, Phase::Stopped(stopped) if matches!(stopped.why, StopReason::RepeatDrift { .. }));
    assert!(!stage.record().replacements.values().any(|work| is_repeat_drift(work.phase())));
}
