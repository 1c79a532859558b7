//! Instances that are set aside for forensics: out of traffic, still there, and not for ever.

use driftless_planner::action::{Action, ActionResult, CapacityChange, Role};
use driftless_planner::notification::Details;
use driftless_planner::observation::Lifecycle;
use driftless_planner::policy::{QUARANTINE_FOR, QUARANTINE_MAX};
use driftless_planner::waiting::Waiting;
use driftless_testkit::{RULE, Stage, around, freeze, id, mins};
use jiff::SignedDuration;

fn drifted(size: u32, numbers: &[u32]) -> Stage {
    let mut stage = Stage::drifted(size, numbers);
    stage.tag("strategy", "quarantine");
    stage
}

/// Instance 1 is kept for forensics, and the fleet is at rest.
fn kept() -> Stage {
    let mut stage = drifted(8, &[1]);
    stage.settle();
    assert!(stage.record().quarantined.contains_key(&id(1)));
    stage.acted.clear();
    stage.told.clear();
    stage
}

fn lifecycle(stage: &Stage, number: u32) -> Option<Lifecycle> {
    stage.groups[0].member(&id(number)).map(|member| member.lifecycle.clone())
}

#[test]
fn the_drifted_instance_enters_standby_when_its_replacement_instance_is_verified() {
    let mut stage = drifted(3, &[1]);
    stage.settle_clean(3);
    assert_eq!(stage.done(), ["launch", "protect", "enter-standby", "protect"]);
    assert_eq!(lifecycle(&stage, 1), Some(Lifecycle::Standby));
    let kept = &stage.record().quarantined[&id(1)];
    assert_eq!(kept.until, kept.since + QUARANTINE_FOR);
    let told = stage.told.last().unwrap();
    let Details::Replaced { kept_until, .. } = &told.details else { panic!("{told:?}") };
    assert_eq!(*kept_until, Some(kept.until));
}

#[test]
fn an_instance_in_standby_whose_call_got_no_response_is_kept_whatever_a_scaling_policy_did() {
    for scaled_out_by in [0, 1] {
        let mut stage = drifted(4, &[1]);
        stage.until(|stage| lifecycle(stage, 1) == Some(Lifecycle::Standby));
        stage.outcomes.clear();
        let desired = stage.desired();
        stage.scale_to(desired + scaled_out_by);
        stage.settle_clean(desired + scaled_out_by);
        assert!(stage.record().quarantined.contains_key(&id(1)), "{scaled_out_by}: {:?}", stage.history);
    }
}

#[test]
fn it_is_never_counted_and_never_replaced() {
    let mut stage = kept();
    assert!(stage.compliance[&RULE.parse().unwrap()].contains_key(&id(1)), "it is still drifted");
    stage.wait(mins(60));
    stage.settle();
    assert!(stage.acted.is_empty(), "{:?}", stage.acted);
    assert!(stage.record().replacements.is_empty());
    // Two of eight are the share; with the one that is kept they would be more.
    stage.drift(2);
    stage.drift(3);
    stage.debounce();
    assert!(!stage.record().conditions.contains_key("breaker-open"), "{:?}", stage.kinds());
}

#[test]
fn there_is_room_for_so_many_and_those_on_their_way_count() {
    let mut stage = drifted(20, &[1, 2, 3, 4]);
    stage.tag("budget", "10");
    stage.reconcile();
    let under_way = stage.surges();
    assert_eq!(under_way, QUARANTINE_MAX);
    assert_eq!(stage.waits_for(4), Some(&Waiting::QuarantineFull { until: None }));
    stage.settle();
    assert_eq!(stage.record().quarantined.len(), QUARANTINE_MAX);
    let first = stage.record().quarantined.values().map(|kept| kept.until).min();
    assert_eq!(stage.waits_for(4), Some(&Waiting::QuarantineFull { until: first }));
    // It makes room when the first one has been kept long enough.
    stage.now = first.unwrap();
    stage.settle();
    assert!(!stage.has(&id(4)) || lifecycle(&stage, 4) == Some(Lifecycle::Standby));
    assert_eq!(stage.groups[0].active().count(), 20);
}

#[test]
fn it_goes_when_it_has_been_kept_long_enough_and_takes_no_capacity_with_it() {
    let until = kept().record().quarantined[&id(1)].until;
    for (waited, goes) in around(SignedDuration::ZERO).into_iter().zip([false, true, true]) {
        let mut stage = kept();
        stage.now = until + waited;
        let decision = stage.reconcile();
        let expected = Action::Terminate {
            group: stage.groups[0].name.clone(),
            instance: id(1),
            expected_desired: 8,
            capacity: CapacityChange::Keep,
            role: Role::Quarantined,
        };
        assert_eq!(decision.actions, if goes { vec![expected] } else { Vec::new() }, "{waited:?}");
        if goes {
            stage.settle();
            assert_eq!(lifecycle(&stage, 1), None);
            assert!(stage.record().quarantined.is_empty());
        }
        stage.assert_clean(8);
    }
}

#[test]
fn two_that_expire_at_once_go_one_after_the_other() {
    let mut stage = drifted(8, &[1, 2]);
    stage.tag("budget", "2");
    stage.settle();
    stage.wait(QUARANTINE_FOR);
    assert_eq!(stage.reconcile().actions.len(), 1);
    stage.settle_clean(8);
    assert_eq!((lifecycle(&stage, 1), lifecycle(&stage, 2)), (None, None));
}

#[test]
fn an_instance_that_an_operator_returns_to_service_is_drifted_again() {
    for (waited, is_kept) in around(mins(2)).into_iter().zip([true, false, false]) {
        let mut stage = drifted(8, &[1]);
        while !stage.record().quarantined.contains_key(&id(1)) {
            stage.reconcile();
            stage.arrive();
            stage.wait(mins(1));
        }
        let since = stage.record().quarantined[&id(1)].since;
        stage.member_mut(1).lifecycle = Lifecycle::InService;
        stage.group().desired += 1;
        stage.now = since + waited;
        stage.reconcile();
        assert_eq!(stage.record().quarantined.contains_key(&id(1)), is_kept, "{waited:?}");
        if !is_kept {
            stage.settle();
            stage.wait(mins(5));
            stage.settle();
            assert_eq!(stage.launched.len(), 2, "replaced through all guards, as any other");
            stage.assert_clean(9);
        }
    }
}

#[test]
fn an_instance_that_an_operator_terminates_is_kept_no_longer() {
    let mut stage = kept();
    stage.group().members.retain(|member| member.id != id(1));
    stage.settle();
    assert!(stage.record().quarantined.is_empty());
    stage.assert_clean(8);
    assert!(stage.history.iter().any(|entry| entry.why.as_str() == "the instance is gone"));
}

#[test]
fn an_answer_without_groups_ends_no_quarantine() {
    let mut stage = kept();
    let groups = std::mem::take(&mut stage.groups);
    stage.reconcile();
    assert!(stage.record().quarantined.contains_key(&id(1)));
    stage.groups = groups;
    stage.settle();
    assert!(stage.record().quarantined.contains_key(&id(1)));
}

#[test]
fn a_protection_keeps_it_longer() {
    let mut stage = kept();
    let until = stage.record().quarantined[&id(1)].until;
    let protected_until = until + mins(60);
    let reason = format!("forensics until {protected_until}");
    stage.machines.get_mut(&id(1)).unwrap().protect = Some(reason.as_str().into());
    stage.now = until;
    for (waited, goes) in around(mins(60)).into_iter().zip([false, true, true]) {
        let mut stage = stage.clone();
        stage.wait(waited);
        assert_eq!(!stage.reconcile().actions.is_empty(), goes, "{waited:?}");
    }
}

#[test]
fn a_freeze_keeps_the_evidence() {
    let mut stage = kept();
    stage.freezes.push(freeze(stage.now, None));
    stage.wait(QUARANTINE_FOR);
    stage.reconcile();
    stage.wait(mins(60));
    assert!(stage.reconcile().actions.is_empty());
    stage.freezes.clear();
    stage.settle();
    assert!(stage.record().quarantined.is_empty());
    stage.assert_clean(8);
}

#[test]
fn without_permission_for_standby_the_instance_stays_and_an_operator_is_asked() {
    let mut stage = drifted(3, &[1]);
    stage.scripted.insert("enter-standby", ActionResult::Denied("autoscaling:EnterStandby".into()));
    for _ in 0..40 {
        stage.reconcile();
        stage.arrive();
        stage.wait(mins(1));
    }
    assert!(stage.has(&id(1)));
    assert!(stage.kinds().contains(&"entered permission-denied:enter-standby".to_owned()), "{:?}", stage.kinds());
}
