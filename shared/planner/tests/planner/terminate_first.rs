//! Terminate-first replacements: the drifted instance is terminated before its replacement instance is launched.

use driftless_planner::action::{Action, ActionResult, CapacityChange, Role};
use driftless_planner::history::HistoryEntry;
use driftless_planner::notification::Details;
use driftless_planner::observation::{LaunchFailure, Member, TargetHealth};
use driftless_planner::record::{Phase, StopReason};
use driftless_planner::waiting::{GuardId, Waiting};
use driftless_testkit::{GROUP, RULE, Stage, around, freeze, id, mins, secs};

/// A group of this size with some debounced drifted instances, in terminate-first mode with this minimum healthy.
fn drifted(size: u32, numbers: &[u32], min_healthy: &str) -> Stage {
    let mut stage = Stage::drifted(size, numbers);
    stage.tag("strategy", "terminate-first");
    stage.tag("min-healthy", min_healthy);
    stage
}

/// The drifted instance is gone, and nothing has come into its place.
fn launching_after(size: u32, numbers: &[u32]) -> Stage {
    let mut stage = drifted(size, numbers, "50%");
    stage.launches = false;
    stage.reconcile();
    stage.reconcile();
    stage.leave();
    assert_eq!(stage.phase(numbers[0]), "launching-after");
    stage
}

#[test]
fn the_drifted_one_goes_first_and_what_fills_its_place_must_prove_itself() {
    let mut stage = drifted(3, &[1], "60%");
    stage.group().max = 3;
    let start = stage.reconcile();
    let [
        Action::Terminate {
            instance, expected_desired: 3, capacity: CapacityChange::Keep, role: Role::Drifted, ..
        },
    ] = &start.actions[..]
    else {
        panic!("{:?}", start.actions)
    };
    assert_eq!(*instance, id(1));
    assert_eq!(stage.phase(1), "terminating");
    let Details::ReplacementStarted { goes_first: true, .. } = &stage.told[0].details else {
        panic!("{:?}", stage.told)
    };
    stage.reconcile();
    assert_eq!(stage.phase(1), "launching-after");
    stage.arrive();
    stage.leave();
    stage.reconcile();
    for (waited, phase) in around(mins(1)).into_iter().zip(["launching-after", "-", "-"]) {
        let mut stage = stage.clone();
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
    }
    stage.settle_clean(3);
    assert_eq!(stage.done(), ["terminate"], "desired capacity and maximum are not touched");
    assert_eq!(stage.kinds(), ["replacement-started", "replaced"]);
}

#[test]
fn an_instance_that_an_operator_protects_before_its_termination_stays() {
    let mut stage = drifted(3, &[1], "60%");
    stage.reconcile_and_crash();
    assert_eq!(stage.phase(1), "terminating");
    stage.machines.get_mut(&id(1)).unwrap().protect = Some("debugging".into());
    stage.settle();
    assert!(stage.has(&id(1)));
    assert_eq!(stage.waits_for(1).map(Waiting::guard), Some(GuardId::Protection));
}

#[test]
fn its_evidence_is_committed_with_the_decision_to_terminate_it() {
    let mut stage = drifted(3, &[1], "60%");
    let decision = stage.decide();
    assert!(!decision.actions.is_empty());
    let evidence = decision.history.iter().find_map(HistoryEntry::evidence).unwrap();
    assert!(evidence.findings.contains_key(&RULE.parse().unwrap()));
    assert_eq!(evidence.machine, Some(stage.machines[&id(1)].clone()));
    stage.settle();
}

#[test]
fn the_minimum_must_hold_without_it() {
    // 80 % of ten are eight.
    for (sick, starts) in [(0, true), (1, true), (2, false)] {
        let mut stage = drifted(10, &[1], "80%");
        stage.tag("budget", "5");
        stage.sick = (0..sick).map(|offset| id(10 - offset)).collect();
        let decision = stage.reconcile();
        assert_eq!(!decision.actions.is_empty(), starts, "{sick}");
        let below = Waiting::BelowMinimum { serving: 7, minimum_healthy: 8 };
        assert_eq!(stage.waits_for(1), (!starts).then_some(&below), "{sick}");
    }
}

#[test]
fn a_scale_out_before_the_termination_raises_the_minimum_healthy() {
    // Nine are healthy without it: enough for a desired capacity of ten, not for eleven.
    for (wanted, is_gone) in [(9, true), (10, true), (11, false)] {
        let mut stage = drifted(10, &[1], "90%");
        stage.group().max = 20;
        stage.reconcile_and_crash();
        // The instances of the scale-out are launching and not healthy yet.
        stage.launches = false;
        stage.group().desired = wanted;
        let decision = stage.reconcile();
        let goes = decision.actions.iter().any(|action| matches!(action, Action::Terminate { .. }));
        assert_eq!(goes, is_gone, "{wanted}: {:?}", decision.actions);
        if !is_gone {
            assert_eq!(decision.waiting[&id(1)], Waiting::BelowMinimum { serving: 9, minimum_healthy: 10 });
        }
    }
}

#[test]
fn two_that_go_at_once_leave_the_minimum() {
    for (min_healthy, fewest_serving) in [("90%", 9), ("80%", 8), ("70%", 8)] {
        let mut stage = drifted(10, &[1, 2], min_healthy);
        stage.tag("budget", "2");
        let mut fewest = 10;
        for reconcile in 1..=120 {
            stage.reconcile();
            let serves = |member: &&Member| stage.health(member) == TargetHealth::Healthy;
            fewest = fewest.min(stage.groups[0].members.iter().filter(serves).count());
            // Coming takes longer than a pass.
            if reconcile % 4 == 0 {
                stage.arrive();
                stage.leave();
            }
            stage.wait(secs(15));
        }
        stage.assert_clean(10);
        assert_eq!(fewest, fewest_serving, "{min_healthy}");
    }
}

#[test]
fn what_does_not_serve_may_go_below_the_minimum() {
    let mut stage = drifted(4, &[1, 2], "75%");
    stage.tag("breaker", "100%");
    stage.unreported.extend([id(1), id(2)]);
    stage.settle_clean(4);
    assert_eq!(stage.terminated().len(), 2, "no one serves less without them");
}

#[test]
fn a_terminated_instance_is_not_terminated_again_while_the_describe_lags() {
    let mut stage = drifted(3, &[1], "60%");
    stage.scripted.insert("terminate", ActionResult::Done);
    stage.reconcile();
    stage.wait(secs(2));
    let again = stage.reconcile();
    assert!(again.actions.is_empty(), "{:?}", again.actions);
    assert_eq!(stage.phase(1), "terminating");
}

#[test]
fn drift_that_is_over_before_it_went_keeps_it() {
    let mut stage = drifted(3, &[1], "60%");
    stage.scripted.insert("terminate", ActionResult::Busy("an activity is in progress".into()));
    stage.reconcile();
    stage.comply(1);
    stage.scripted.clear();
    stage.outcomes.clear();
    stage.settle_clean(3);
    assert!(stage.has(&id(1)));
    assert_eq!(stage.kinds(), ["replacement-started", "replacement-cancelled"]);
}

#[test]
fn a_freeze_blocks_a_terminate_first_termination_and_stops_its_timer() {
    let mut stage = drifted(3, &[1], "60%");
    stage.scripted.insert("terminate", ActionResult::Frozen);
    stage.reconcile();
    stage.scripted.clear();
    stage.freezes.push(freeze(stage.now, None));
    stage.wait(mins(60));
    let held = stage.reconcile();
    assert!(held.actions.is_empty());
    assert_eq!(stage.phase(1), "terminating");
    stage.freezes.clear();
    stage.settle_clean(3);
    assert!(!stage.has(&id(1)));
}

#[test]
fn without_a_replacement_instance_in_time_an_operator_is_asked() {
    // The drain deadline and the launch deadline together: 30 and 20 minutes.
    for (waited, phase) in around(mins(50)).into_iter().zip(["launching-after", "stopped", "stopped"]) {
        let mut stage = launching_after(3, &[1]);
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
        let is_told =
            matches!(stage.told.last().unwrap().details, Details::Stopped { why: StopReason::NotLaunchedAfter, .. });
        assert_eq!(is_told, phase == "stopped", "{waited:?}");
    }
}

#[test]
fn an_instance_that_never_becomes_healthy_does_not_end_the_replacement() {
    let mut stage = launching_after(3, &[1]);
    stage.launches = true;
    stage.arrive();
    stage.arrive();
    stage.sick.insert(id(stage.last_id));
    for _ in 0..110 {
        stage.reconcile();
        stage.wait(secs(30));
    }
    assert_eq!(stage.kinds(), ["replacement-started", "stopped"]);
}

#[test]
fn a_smaller_desired_capacity_needs_no_replacement_instance() {
    let mut stage = launching_after(3, &[1]);
    stage.scale_to(2);
    stage.settle_clean(2);
    assert_eq!(stage.kinds(), ["replacement-started", "replacement-cancelled"]);
}

#[test]
fn a_capacity_shortage_blocks_further_terminations() {
    let mut stage = launching_after(8, &[1, 2]);
    stage.tag("budget", "2");
    let message = "We currently do not have sufficient m5.large capacity (InsufficientInstanceCapacity)";
    let failure = LaunchFailure { at: stage.now, message: message.into() };
    stage.launch_failures.insert(GROUP.parse().unwrap(), failure);
    let before = stage.terminated().len();
    stage.reconcile();
    stage.wait(secs(30));
    stage.reconcile();
    let waits = stage.waits_for(2);
    assert!(matches!(waits, Some(Waiting::CapacityShort { .. } | Waiting::GroupNotFit { .. })), "{waits:?}");
    assert_eq!(stage.terminated().len(), before);
    assert!(stage.kinds().contains(&"entered capacity-short".to_owned()), "{:?}", stage.kinds());
    stage.launch_failures.clear();
    stage.launches = true;
    stage.settle_clean(8);
    assert_eq!(stage.terminated().len(), 2);
}

#[test]
fn a_successor_that_drifts_as_its_ancestor_did_ends_the_chain() {
    let mut stage = drifted(3, &[1], "60%");
    stage.reconcile();
    stage.reconcile();
    stage.arrive();
    stage.leave();
    stage.reconcile();
    let successor = stage.successor(1);
    stage.drift_under(successor.clone(), RULE);
    stage.settle();
    stage.wait(mins(10));
    stage.settle();
    assert_eq!(stage.terminated(), [id(1)]);
    let Phase::Stopped(stopped) = &stage.record().replacements[&successor].phase() else { panic!() };
    assert!(matches!(&stopped.why, StopReason::RepeatDrift { ancestor, .. } if *ancestor == id(1)), "{stopped:?}");
}

#[test]
fn while_nothing_takes_its_place_no_other_goes() {
    let mut stage = Stage::drifted(6, &[1, 2]);
    stage.tag("strategy", "terminate-first");
    stage.tag("min-healthy", "50%");
    stage.tag("breaker", "50%");
    stage.launches = false;
    for _ in 0..90 {
        stage.reconcile();
        stage.leave();
        stage.wait(mins(1));
    }
    assert_eq!(stage.terminated().len(), 1);
    assert!(stage.kinds().contains(&"stopped".to_owned()), "{:?}", stage.kinds());
}

#[test]
fn a_replacement_instance_that_is_drifted_when_first_seen_is_verified_and_not_replaced_itself() {
    let mut stage = launching_after(3, &[1]);
    stage.launches = true;
    stage.arrive();
    stage.arrive();
    let unattributed = id(stage.last_id);
    stage.tag("budget", "2");
    stage.tag("breaker", "100%");
    stage.unreported.insert(unattributed.clone());
    stage.drift_under(unattributed.clone(), RULE);
    stage.reconcile();
    assert_eq!(stage.successor(1), unattributed);
    stage.wait(mins(5));
    stage.reconcile();
    stage.unreported.clear();
    stage.settle();
    assert_eq!(stage.terminated(), [id(1)]);
    assert!(matches!(stage.record().replacements[&unattributed].phase(), Phase::Stopped(_)));
    assert_eq!((stage.desired(), stage.groups[0].active().count()), (3, 3));
}

#[test]
fn a_minimum_that_is_the_whole_group_at_its_size_is_told() {
    for (size, is_told) in [(9, true), (10, false), (11, false)] {
        let mut stage = drifted(size, &[1], "90%");
        stage.reconcile();
        let waits = stage.waits_for(1).is_some_and(|waiting| matches!(waiting, Waiting::BelowMinimum { .. }));
        let kinds = stage.kinds();
        assert_eq!(
            (waits, kinds.contains(&"entered terminate-first-blocked".to_owned())),
            (is_told, is_told),
            "{size}"
        );
    }
}

/// One that is about to go first, which AWS is too busy to take.
fn terminating() -> Stage {
    let mut stage = drifted(10, &[1], "80%");
    stage.scripted.insert("terminate", ActionResult::Busy("an activity is in progress".into()));
    stage.reconcile();
    assert_eq!(stage.phase(1), "terminating");
    stage
}

#[test]
fn what_could_not_be_terminated_in_time_is_tried_again_after_a_while() {
    for (waited, phase) in around(mins(20)).into_iter().zip(["terminating", "blocked", "blocked"]) {
        let mut stage = terminating();
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
        let failures: Vec<&str> =
            stage.replacement(1).unwrap().failures.iter().map(|failure| failure.why.as_str()).collect();
        let failed = ["the drifted instance could not be terminated within 20m"];
        assert_eq!(failures, if phase == "blocked" { &failed[..] } else { &[] }, "{waited:?}");
    }
}

#[test]
fn a_wait_for_the_minimum_healthy_is_no_failed_attempt() {
    let mut stage = terminating();
    for number in [2, 3] {
        stage.sick.insert(id(number));
    }
    for (waited, is_over) in around(mins(20)).into_iter().zip([false, true, true]) {
        let mut stage = stage.clone();
        stage.wait(waited);
        let decision = stage.reconcile();
        let waiting = &decision.waiting[&id(1)];
        assert_eq!(
            *waiting == Waiting::BelowMinimum { serving: 7, minimum_healthy: 8 },
            !is_over,
            "{waited:?}: {waiting}"
        );
        assert_eq!(stage.phase(1) == "blocked", is_over, "{waited:?}: {}", stage.phase(1));
        assert!(stage.replacement(1).unwrap().failures.is_empty(), "{waited:?}");
        stage.sick.clear();
        stage.scripted.clear();
        stage.settle_clean(10);
        assert!(!stage.has(&id(1)), "{waited:?}");
    }
}
