//! What stops more than one instance: a rule that hits many fleets, and a shortage.

use driftless_planner::action::ActionResult;
use driftless_planner::fact::Command;
use driftless_planner::limits::{COMMON_CAUSE_FLEETS, COMMON_CAUSE_WITHIN};
use driftless_planner::waiting::Waiting;
use driftless_testkit::{OTHER_RULE, RULE, Stage, around, id, mins, rule, secs};
use jiff::Timestamp;

/// Other fleets that began to drift under the rule so long ago.
fn others(stage: &mut Stage, count: usize, at: Timestamp) {
    let drifting = stage.account.drifting.entry(rule(RULE)).or_default();
    for number in 0..count {
        drifting.insert(format!("other-{number}").parse().unwrap(), at);
    }
}

#[test]
fn a_rule_under_which_three_fleets_drift_at_once_replaces_no_instance() {
    for (count, is_open) in
        [(COMMON_CAUSE_FLEETS - 2, false), (COMMON_CAUSE_FLEETS - 1, true), (COMMON_CAUSE_FLEETS, true)]
    {
        let mut stage = Stage::new(8);
        stage.reconcile();
        let now = stage.now;
        others(&mut stage, count, now);
        stage.drift(1);
        stage.debounce();
        let waits = matches!(stage.waits_for(1), Some(Waiting::RuleBreakerOpen { .. }));
        assert_eq!(waits, is_open, "{count} others: {:?}", stage.waits_for(1));
        assert_eq!(stage.acted.is_empty(), is_open, "{count} others");
    }
}

#[test]
fn fleets_that_drifted_long_before_are_no_common_cause() {
    for (ago, is_open) in around(COMMON_CAUSE_WITHIN).into_iter().zip([true, true, false]) {
        let mut stage = Stage::new(8);
        stage.reconcile();
        let at = stage.now - ago;
        others(&mut stage, COMMON_CAUSE_FLEETS, at);
        stage.drift(1);
        stage.reconcile();
        assert_eq!(stage.record().rule_breakers.contains_key(&rule(RULE)), is_open, "{ago:?}");
    }
}

#[test]
fn without_room_the_fleet_waits_with_growing_pauses_and_no_attempt_counts() {
    let mut stage = Stage::drifted(4, &[1]);
    stage.scripted.insert("launch", ActionResult::Failed("InsufficientInstanceCapacity: no room".into()));
    let mut pauses = Vec::new();
    while pauses.len() < 6 {
        stage.reconcile();
        stage.reconcile();
        let Some(Waiting::CapacityShort { until }) = stage.waits_for(1).cloned() else {
            panic!("{:?}", stage.waits_for(1))
        };
        pauses.push(until.duration_since(stage.now));
        stage.now = until - secs(1);
        stage.reconcile();
        assert_eq!(stage.phase(1), "blocked", "not a second early");
        stage.now = until;
    }
    assert_eq!(pauses[..3], [mins(2), mins(4), mins(8)]);
    assert!(pauses.iter().all(|pause| *pause <= mins(60)), "{pauses:?}");
    assert!(stage.replacement(1).unwrap().failures.is_empty(), "a shortage is no fault of the instance");
    assert_eq!(stage.kinds().iter().filter(|kind| kind.contains("capacity-short")).count(), 1, "told once");
    stage.scripted.clear();
    stage.settle_clean(4);
    assert_eq!(stage.record().back_off, None);
}

/// A fleet with an instance drifted under the rule, whose breaker is open in all fleets.
fn opened() -> Stage {
    let mut stage = Stage::new(8);
    stage.reconcile();
    let now = stage.now;
    others(&mut stage, COMMON_CAUSE_FLEETS, now);
    stage.drift(1);
    stage.reconcile();
    assert!(stage.record().rule_breakers.contains_key(&rule(RULE)));
    stage.told.clear();
    stage
}

#[test]
fn the_fleets_own_drift_counts_once_and_fleets_that_do_not_drift_open_nothing() {
    // Known to the account by its own name it is still one fleet.
    let mut stage = Stage::new(8);
    stage.reconcile();
    let now = stage.now;
    others(&mut stage, COMMON_CAUSE_FLEETS - 2, now);
    stage.account.drifting.entry(rule(RULE)).or_default().insert("app".parse().unwrap(), now);
    stage.drift(1);
    stage.reconcile();
    assert!(stage.record().rule_breakers.is_empty());
    // A fleet without drift under the rule has no instance to block.
    let mut stage = Stage::new(8);
    stage.reconcile();
    others(&mut stage, COMMON_CAUSE_FLEETS, now);
    stage.reconcile();
    assert!(stage.record().rule_breakers.is_empty());
}

#[test]
fn drift_under_two_rules_is_not_blocked_by_the_breaker_of_one() {
    let mut stage = opened();
    stage.tag("rules", "sg-closed;imds-v2");
    stage.drift_under(id(1), OTHER_RULE);
    stage.debounce();
    assert_eq!(stage.phase(1), "launching", "what it breaks beside has no common cause");
}

#[test]
fn an_open_rule_breaker_takes_back_what_is_under_way_under_that_rule() {
    let (mut stage, successor) = Stage::serving(8);
    let now = stage.now;
    others(&mut stage, COMMON_CAUSE_FLEETS, now);
    stage.reconcile();
    stage.reconcile();
    assert_eq!(stage.terminated(), [successor]);
    stage.leave();
    stage.reconcile();
    assert!(stage.has(&id(1)));
    assert!(matches!(stage.waits_for(1), Some(Waiting::RuleBreakerOpen { .. })), "{:?}", stage.waits_for(1));
    assert!(stage.replacement(1).unwrap().failures.is_empty());
}

#[test]
fn it_stays_open_until_fewer_are_drifted_and_no_three_fleets_begin_to_drift() {
    for (waited, is_open) in around(COMMON_CAUSE_WITHIN).into_iter().zip([true, true, false]) {
        let mut stage = opened();
        stage.comply(1);
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.record().rule_breakers.contains_key(&rule(RULE)), is_open, "{waited:?}");
    }
    let mut stage = opened();
    stage.wait(COMMON_CAUSE_WITHIN * 100);
    stage.reconcile();
    assert!(stage.record().rule_breakers.contains_key(&rule(RULE)), "time alone mends nothing");
    stage.unread.insert(rule(RULE));
    stage.comply(1);
    stage.reconcile();
    assert!(stage.record().rule_breakers.contains_key(&rule(RULE)), "an answer that is missing closes nothing");
    stage.unread.clear();
    stage.settle();
    assert!(stage.record().rule_breakers.is_empty());
    stage.assert_clean(8);
}

#[test]
fn an_operator_may_close_it() {
    let mut stage = opened();
    stage.wait(COMMON_CAUSE_WITHIN + secs(1));
    stage.say(Command::Retry);
    stage.reconcile();
    stage.settle();
    assert!(stage.record().rule_breakers.is_empty());
    stage.assert_clean(8);
    assert!(!stage.has(&id(1)));
}

#[test]
fn a_capacity_shortage_blocks_every_instance_of_the_fleet_and_counts_once() {
    let mut stage = Stage::drifted(8, &[1, 2]);
    stage.tag("budget", "2");
    stage.scripted.insert("launch", ActionResult::Failed("InsufficientInstanceCapacity: no room".into()));
    for _ in 0..4 {
        stage.reconcile();
        stage.wait(secs(2));
    }
    for number in [1, 2] {
        assert!(matches!(stage.waits_for(number), Some(Waiting::CapacityShort { .. })), "{number}");
    }
    assert_eq!(
        stage.record().back_off.as_ref().unwrap().tries,
        1,
        "those that were under way when it was found are one"
    );
}

#[test]
fn a_mistake_is_no_shortage_and_counts_against_the_instance_alone() {
    let mut stage = Stage::drifted(8, &[1, 2]);
    stage.scripted.insert("launch", ActionResult::Failed("The image id '[ami-1]' does not exist".into()));
    stage.reconcile();
    stage.reconcile();
    assert_eq!(stage.record().back_off, None);
    assert_eq!(stage.replacement(1).unwrap().failures.len(), 1);
    assert!(stage.replacement(2).unwrap().failures.is_empty());
}
