//! What a decision comes to in numbers.

use driftless_testkit::{Stage, around, mins, secs};
use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::decision::Decision;
use driftless_planner::measure::{Measured, REPLACEMENT_OUTCOMES, measure};
use driftless_planner::transitions::{REPLACEMENT, Step};
use driftless_planner::waiting::GuardId;
use jiff::SignedDuration;

/// What the stage decides now, in numbers.
fn measured(stage: &Stage) -> Measured {
    measure(stage.record.as_ref(), &stage.decide(), stage.now)
}

#[test]
fn who_waits_is_counted_by_the_guard_that_says_no() {
    let mut stage = Stage::drifted(8, &[1, 2]);
    stage.wait(mins(5));
    stage.tag("mode", "observe");
    assert_eq!(measured(&stage).waiting, BTreeMap::from([(GuardId::Mode, 2)]));
    stage.tag("mode", "act");
    assert_eq!(measured(&stage).waiting, BTreeMap::from([(GuardId::Budget, 1)]), "the other one is being replaced");
}

#[test]
fn a_replacement_is_counted_once_when_it_ends() {
    let mut stage = Stage::drifted(3, &[1]);
    let mut replaced = 0;
    for _ in 0..400 {
        replaced += measured(&stage).replacements.get("replaced").copied().unwrap_or_default();
        stage.step(secs(15));
    }
    assert_eq!(replaced, 1);
}

#[test]
fn a_drift_that_is_over_before_anything_was_done_is_cleared() {
    let mut stage = Stage::new(3);
    stage.reconcile();
    stage.drift(1);
    stage.reconcile();
    stage.comply(1);
    stage.wait(secs(30));
    assert_eq!(measured(&stage).replacements, BTreeMap::from([("cleared", 1)]));
}

#[test]
fn the_outcomes_are_all_ends_that_the_machine_has() {
    let ends = REPLACEMENT.iter().flat_map(|(_, steps)| *steps).filter_map(|step| match step {
        Step::Ends(end) => Some((*end).into()),
        Step::Enters(_) => None,
    });
    let ends: BTreeSet<&str> = ends.chain(["stopped"]).collect();
    assert_eq!(ends, BTreeSet::from(REPLACEMENT_OUTCOMES));
}

#[test]
fn the_oldest_setting_to_restored_tells_its_age() {
    let (mut stage, _) = Stage::retiring(3);
    let since =
        stage.record().borrowed_settings.iter().map(|entry| entry.since).min().expect("the successor is protected");
    for age in around(mins(24 * 60)) {
        let decision = Decision { next: stage.record().clone(), ..stage.decide() };
        assert_eq!(measure(None, &decision, since + age).oldest_borrowed_setting, age);
    }
    stage.settle();
    assert_eq!(measured(&stage).oldest_borrowed_setting, SignedDuration::ZERO);
}
