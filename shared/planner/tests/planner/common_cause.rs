//! What stops more than one instance: a rule that hits many fleets, and a shortage.

use driftless_planner::action::ActionResult;
use driftless_planner::decision::Waiting;
use driftless_planner::limits::{COMMON_CAUSE_FLEETS, COMMON_CAUSE_WITHIN};
use jiff::Timestamp;

use crate::support::{RULE, Stage, around, mins, rule, secs};

/// Other fleets that began to drift under the rule so long ago.
fn others(stage: &mut Stage, count: usize, at: Timestamp) {
    let drifting = stage.account.drifting.entry(rule(RULE)).or_default();
    for number in 0..count {
        drifting.insert(format!("other-{number}").parse().unwrap(), at);
    }
}

#[test]
fn a_rule_under_which_three_fleets_drift_at_once_replaces_nobody() {
    for (count, is_open) in
        [(COMMON_CAUSE_FLEETS - 2, false), (COMMON_CAUSE_FLEETS - 1, true), (COMMON_CAUSE_FLEETS, true)]
    {
        let mut stage = Stage::new(8);
        stage.look();
        let now = stage.now;
        others(&mut stage, count, now);
        stage.drift(1);
        stage.look();
        stage.wait(mins(5));
        stage.look();
        let waits = matches!(stage.waits_for(1), Some(Waiting::RuleBreakerOpen { .. }));
        assert_eq!(waits, is_open, "{count} others: {:?}", stage.waits_for(1));
        assert_eq!(stage.acted.is_empty(), is_open, "{count} others");
    }
}

#[test]
fn fleets_that_drifted_long_before_are_no_common_cause() {
    for (ago, is_open) in around(COMMON_CAUSE_WITHIN).into_iter().zip([true, true, false]) {
        let mut stage = Stage::new(8);
        stage.look();
        let at = stage.now - ago;
        others(&mut stage, COMMON_CAUSE_FLEETS, at);
        stage.drift(1);
        stage.look();
        assert_eq!(stage.record().rule_breakers.contains_key(&rule(RULE)), is_open, "{ago:?}");
    }
}

#[test]
fn without_room_the_fleet_waits_with_growing_pauses_and_no_attempt_counts() {
    let mut stage = Stage::drifted(4, &[1]);
    stage.scripted.insert("launch", ActionResult::Failed("InsufficientInstanceCapacity: no room".into()));
    let mut pauses = Vec::new();
    while pauses.len() < 6 {
        stage.look();
        stage.look();
        let Some(Waiting::CapacityShort { until }) = stage.waits_for(1).cloned() else {
            panic!("{:?}", stage.waits_for(1))
        };
        pauses.push(until.duration_since(stage.now));
        stage.now = until - secs(1);
        stage.look();
        assert_eq!(stage.phase(1), "blocked", "not a second early");
        stage.now = until;
    }
    assert_eq!(pauses[..3], [mins(2), mins(4), mins(8)]);
    assert!(pauses.iter().all(|pause| *pause <= mins(60)), "{pauses:?}");
    assert!(stage.replacement(1).unwrap().failures.is_empty(), "a shortage is no fault of the instance");
    assert_eq!(stage.kinds().iter().filter(|kind| kind.contains("capacity-short")).count(), 1, "told once");
    stage.scripted.clear();
    stage.settle();
    stage.is_clean(4);
    assert_eq!(stage.record().back_off, None);
}
