//! What an instance runs: another version than the release's, or another image.

use driftless_testkit::{Stage, id, image_id, member, mins, version};
use std::collections::BTreeSet;

use driftless_planner::record::DriftReason;
use driftless_planner::template::TemplateVersion;
use driftless_planner::waiting::Waiting;

fn older() -> TemplateVersion {
    TemplateVersion { version: 7, ..version(1) }
}

/// These run another version than the group launches.
fn run_other(stage: &mut Stage, numbers: &[u32]) {
    for number in numbers {
        stage.member_mut(*number).template = Some(older());
    }
}

#[test]
fn what_ran_another_version_at_adoption_is_a_backlog_and_no_common_cause() {
    let mut stage = Stage::new(4);
    run_other(&mut stage, &[1, 2, 3, 4]);
    stage.reconcile();
    assert_eq!(stage.record().backlog.len(), 4);
    assert_eq!(stage.kinds(), ["adopted", "entered backlog"]);
    stage.wait(mins(5));
    for _ in 0..300 {
        stage.reconcile();
        let under_way = stage.surges();
        assert!(under_way <= 1, "the budget holds for a backlog");
        stage.pass(mins(1));
    }
    stage.assert_clean(4);
    assert!(stage.record().backlog.is_empty());
    assert!(stage.kinds().contains(&"ended backlog".to_owned()));
    assert!(!stage.kinds().iter().any(|kind| kind.contains("breaker")), "{:?}", stage.kinds());
}

#[test]
fn a_backlog_that_breaks_a_rule_too_speaks_for_a_common_cause() {
    let mut stage = Stage::new(4);
    run_other(&mut stage, &[1, 2, 3, 4]);
    stage.reconcile();
    stage.drift(1);
    stage.drift(2);
    stage.debounce();
    assert!(matches!(stage.waits_for(3), Some(Waiting::BreakerOpen { drifted: 2, members: 4, .. })));
}

#[test]
fn what_runs_another_version_later_is_drift_like_any_other() {
    for (count, is_open) in [(1, false), (2, false), (3, true)] {
        let mut stage = Stage::new(8);
        stage.reconcile();
        run_other(&mut stage, &(1..=count).collect::<Vec<_>>());
        stage.reconcile();
        assert_eq!(stage.replacement(1).unwrap().drift, BTreeSet::from([DriftReason::Template { found: older() }]));
        assert!(stage.record().backlog.is_empty());
        stage.wait(mins(5));
        stage.reconcile();
        assert_eq!(matches!(stage.waits_for(1), Some(Waiting::BreakerOpen { .. })), is_open, "{count}");
        assert_eq!(stage.phase(1) == "launching", !is_open, "{count}");
    }
}

#[test]
fn an_instance_without_a_known_version_is_not_held_for_drifted() {
    let mut stage = Stage::new(4);
    stage.group().members[0].template = None;
    stage.settle();
    stage.wait(mins(30));
    stage.settle();
    assert!(stage.record().replacements.is_empty());
}

#[test]
fn an_instance_whose_root_volume_runs_another_image_is_drifted() {
    for (found, is_drifted) in [(1, false), (2, true)] {
        let mut stage = Stage::new(8);
        stage.reconcile();
        stage.group().members[0].image_override = Some(image_id(found));
        stage.reconcile();
        let expected = is_drifted.then(|| BTreeSet::from([DriftReason::Image { found: image_id(found) }]));
        assert_eq!(stage.replacement(1).map(|work| work.drift.clone()), expected, "{found}");
        stage.wait(mins(5));
        stage.settle_clean(8);
        assert_eq!(stage.has(&id(1)), !is_drifted, "{found}");
    }
}

#[test]
fn what_was_attached_by_hand_with_another_version_is_replaced() {
    let mut stage = Stage::new(8);
    stage.reconcile();
    let foreign = driftless_planner::observation::Member { template: Some(older()), ..member(50) };
    let machine = stage.machines[&id(1)].clone();
    stage.machines.insert(id(50), machine);
    stage.group().members.push(foreign);
    stage.group().desired += 1;
    stage.reconcile();
    stage.wait(mins(5));
    stage.settle_clean(9);
    assert!(!stage.has(&id(50)));
}
