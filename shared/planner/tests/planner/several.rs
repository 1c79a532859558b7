//! Several surges at once.

use driftless_testkit::{Stage, finding, id, mins, rule, secs, t0};
use std::collections::BTreeSet;

use driftless_planner::action::{Action, ActionResult};
use driftless_planner::observation::Finding;
use driftless_planner::waiting::Waiting;

fn launching(stage: &Stage) -> Vec<u32> {
    let under_way = stage.record().replacements.iter().filter(|(_, replacement)| replacement.phase().surge().is_some());
    let ids: BTreeSet<_> = under_way.map(|(id, _)| id.clone()).collect();
    (1..=99).filter(|number| ids.contains(&id(*number))).collect()
}

/// With this budget and so many serving, so many start at once.
fn check(budget: &str, size: u32, sick: u32, started: usize) {
    let mut stage = Stage::new(size);
    stage.tag("budget", budget);
    stage.tag("breaker", "100%");
    for number in 1..=4 {
        stage.drift(number);
    }
    stage.sick = (0..sick).map(|offset| id(size - offset)).collect();
    stage.debounce();
    assert_eq!(launching(&stage).len(), started, "{budget} of {size}, {sick} of them sick");
}

#[test]
fn the_budget_is_a_count_or_a_share_of_those_that_serve() {
    for (budget, size, sick, started) in [
        ("1", 20, 0, 1),
        ("2", 20, 0, 2),
        ("3", 20, 0, 3),
        ("10%", 19, 0, 1),
        ("10%", 20, 0, 2),
        ("10%", 21, 0, 2),
        ("10%", 20, 1, 1),
        ("10%", 29, 0, 2),
        ("10%", 30, 0, 3),
    ] {
        check(budget, size, sick, started);
    }
}

#[test]
fn a_serving_successor_does_not_raise_the_share_whether_its_launch_has_answered_or_not() {
    for is_answered in [true, false] {
        let mut stage = Stage::new(19);
        stage.tag("budget", "10%");
        stage.drift(1);
        stage.drift(2);
        stage.debounce();
        if is_answered {
            stage.reconcile();
        } else {
            stage.outcomes.clear();
        }
        stage.arrive();
        stage.reconcile();
        assert_eq!(launching(&stage), [1], "10 % of 19 is one, and the twentieth is no member yet: {is_answered}");
    }
}

#[test]
fn all_drifted_instances_are_replaced_within_the_budget_and_capacity_returns() {
    for budget in ["1", "2", "10%"] {
        for is_offered in [true, false] {
            for is_full in [true, false] {
                let mut stage = Stage::drifted(20, &[3, 5, 8, 13]);
                stage.tag("budget", budget);
                if !is_offered {
                    stage.scripted.insert("launch", ActionResult::Unsupported);
                }
                if is_full {
                    stage.group().max = 20;
                }
                let maximum = stage.group().max;
                stage.settle_clean(20);
                assert_eq!(stage.group().max, maximum);
                let gone: BTreeSet<_> = stage.terminated().into_iter().collect();
                assert_eq!(gone, [3, 5, 8, 13].map(id).into(), "{budget}, offered: {is_offered}, full: {is_full}");
                let is_failed = |told: &String| told != "replacement-started" && told != "replaced";
                assert!(!stage.kinds().iter().any(is_failed), "{:?}", stage.kinds());
            }
        }
    }
}

#[test]
fn two_surges_of_a_full_group_get_room_for_two() {
    let mut stage = Stage::drifted(20, &[1, 2]);
    stage.tag("budget", "2");
    stage.group().max = 20;
    let decision = stage.reconcile();
    let maxima: Vec<_> = decision.actions.iter().filter(|action| matches!(action, Action::SetMaximum { .. })).collect();
    assert!(matches!(maxima[..], [Action::SetMaximum { expected: 20, maximum: 22, .. }]), "{maxima:?}");
    assert_eq!(stage.done(), ["set-maximum", "launch", "launch"]);
}

#[test]
fn one_termination_a_group_is_decided_at_a_time() {
    let mut stage = Stage::drifted(20, &[1, 2]);
    stage.tag("budget", "2");
    stage.reconcile();
    stage.reconcile();
    stage.arrive();
    stage.reconcile();
    stage.wait(mins(1));
    let decision = stage.reconcile();
    let terminations = decision.actions.iter().filter(|action| matches!(action, Action::Terminate { .. }));
    assert_eq!(terminations.count(), 1);
    assert!(decision.recheck.unwrap() <= stage.now + secs(2));
    stage.settle_clean(20);
}

#[test]
fn the_oldest_drift_goes_first() {
    let mut stage = Stage::new(20);
    for number in [7, 3, 5] {
        stage.drift(number);
        stage.reconcile();
        stage.wait(secs(30));
    }
    stage.wait(mins(5));
    stage.reconcile();
    assert_eq!(launching(&stage), [7]);
    assert!(matches!(stage.waits_for(3), Some(Waiting::BudgetSpent { used: 1, limit: 1 })));
}

#[test]
fn drift_of_one_age_is_spread_over_zones() {
    // 1, 4 and 7 run in zone a, 2 in zone b.
    let mut stage = Stage::drifted(20, &[1, 4, 7, 2]);
    stage.tag("budget", "2");
    stage.reconcile();
    assert_eq!(launching(&stage), [1, 2]);
}

#[test]
fn a_surge_that_is_abandoned_leaves_the_other_alone() {
    let mut stage = Stage::drifted(20, &[1, 2]);
    stage.tag("budget", "2");
    stage.reconcile();
    stage.reconcile();
    let successor = stage.successor(1);
    stage.comply(1);
    stage.settle_clean(20);
    let gone: BTreeSet<_> = stage.terminated().into_iter().collect();
    assert_eq!(gone, [successor, id(2)].into());
}

#[test]
fn a_new_remark_of_config_is_kept_and_starts_nothing_new() {
    let mut stage = Stage::drifted(20, &[1]);
    stage.reconcile();
    let newer = Finding { recorded_at: t0() + mins(3), annotation: Some("port 23 is open too".into()) };
    assert_ne!(newer, finding());
    stage.compliance.get_mut(&rule("sg-closed")).unwrap().insert(id(1), newer.clone());
    stage.reconcile();
    assert_eq!(stage.replacement(1).unwrap().findings.values().next(), Some(&newer));
    assert_eq!(stage.done(), ["launch"]);
}

#[test]
fn what_does_not_serve_takes_its_place_in_the_budget_of_what_does() {
    for (budget, starts) in [("1", false), ("2", true), ("3", true)] {
        let mut stage = Stage::drifted(8, &[1]);
        stage.tag("budget", budget);
        stage.unreported.insert(id(8));
        stage.reconcile();
        assert_eq!(stage.phase(1) == "launching", starts, "{budget}");
        let spent = Waiting::BudgetSpent { used: 1, limit: 1 };
        assert_eq!(stage.waits_for(1), (!starts).then_some(&spent), "{budget}");
    }
}

#[test]
fn instances_that_do_not_serve_do_not_keep_each_other_for_ever() {
    let mut stage = Stage::drifted(4, &[1, 2]);
    stage.tag("breaker", "100%");
    stage.unreported.extend([id(1), id(2)]);
    stage.settle_clean(4);
    assert!(!stage.has(&id(1)) && !stage.has(&id(2)));
    assert_eq!(stage.launched.len(), 2, "one successor each");
}

#[test]
fn what_does_not_serve_but_has_not_drifted_does_not_keep_a_drifted_one_that_does_not_serve() {
    let mut stage = Stage::drifted(8, &[1]);
    stage.unreported.extend([id(1), id(7), id(8)]);
    stage.settle_clean(8);
    assert!(!stage.has(&id(1)));
}

#[test]
fn what_may_be_a_successor_is_not_replaced_itself_while_its_launch_has_not_answered() {
    let mut stage = Stage::drifted(8, &[1]);
    stage.tag("budget", "2");
    stage.reconcile();
    // The response is lost, and so are those to the repeated calls. Meanwhile the replacement instance drifts.
    stage.outcomes.clear();
    stage.scripted.insert("launch", ActionResult::Busy("throttled".into()));
    stage.arrive();
    stage.drift_under(id(101), "sg-closed");
    stage.debounce();
    stage.reconcile();
    assert_eq!(launching(&stage), [1]);
    assert_eq!(stage.waits_for(101), Some(&Waiting::MayBeSuccessor { ancestor: id(1) }));
    stage.scripted.clear();
    stage.settle();
    assert_eq!((stage.desired(), stage.groups[0].active().count()), (8, 8));
    assert_eq!(stage.terminated(), [id(101)]);
}

#[test]
fn a_launch_that_has_not_answered_is_no_sign_that_others_took_what_was_terminated() {
    let mut stage = Stage::drifted(8, &[1]);
    stage.tag("budget", "2");
    stage.reconcile();
    stage.arrive();
    stage.drift(2);
    stage.debounce();
    // One goes and another comes in one pass, and both answers are lost.
    assert_eq!((stage.terminated(), stage.launched.len()), (vec![id(1)], 2));
    stage.outcomes.clear();
    stage.arrive();
    stage.leave();
    stage.settle_clean(8);
    assert_eq!(stage.terminated(), [id(1), id(2)], "both successors stay");
}
