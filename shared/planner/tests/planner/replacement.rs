//! One drifted instance, from its detection to the end.

use driftless_planner::action::{Action, ActionResult, CapacityChange, Role};
use driftless_planner::ids::InstanceId;
use driftless_planner::notification::Details;
use driftless_planner::observation::Lifecycle;
use driftless_planner::record::{BorrowedSetting, DriftReason, Phase, Setting, SurgeMethod};
use driftless_planner::waiting::Waiting;
use driftless_testkit::{GROUP, OTHER_RULE, RULE, Stage, around, id, mins, rule, secs};

#[test]
fn a_drift_must_last_for_the_debounce() {
    for (waited, phase) in around(mins(5)).into_iter().zip(["debouncing", "launching", "launching"]) {
        let mut stage = Stage::new(3);
        stage.drift(1);
        let first = stage.reconcile();
        assert_eq!(first.recheck, Some(stage.now + mins(5)));
        assert_eq!(first.waiting.get(&id(1)), Some(&Waiting::Debounce { until: stage.now + mins(5) }));
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
    }
}

#[test]
fn the_launch_goes_to_the_zone_of_the_drifted_instance_with_a_derived_token() {
    let mut stage = Stage::drifted(3, &[2]);
    let decision = stage.reconcile();
    let token = format!("driftless-{}-1-{}", id(2), stage.now.as_second());
    assert_eq!(
        decision.actions,
        [Action::Launch {
            group: GROUP.parse().unwrap(),
            zone: "eu-central-1b".parse().unwrap(),
            replaces: id(2),
            token,
        }]
    );
    assert_eq!(stage.kinds(), ["replacement-started"]);
}

#[test]
fn after_a_crash_between_commit_and_act_the_same_launch_is_asked_with_the_same_token() {
    let mut stage = Stage::drifted(3, &[1]);
    let decision = stage.reconcile_and_crash();
    stage.wait(secs(40));
    assert_eq!(stage.decide().actions, decision.actions);
    // It was acted on, and only the answer was lost: the token answers the same instance.
    stage.act(&decision.actions);
    stage.reconcile();
    stage.reconcile();
    assert_eq!(stage.successor(1), id(101));
    stage.settle_clean(3);
    assert_eq!(stage.launched.len(), 1);
}

#[test]
fn the_replacement_instance_is_protected_from_scale_in_once_in_service_as_a_borrowed_setting() {
    let (mut stage, successor) = Stage::verifying(3);
    assert!(stage.reconcile().actions.is_empty(), "a pending instance cannot be protected");
    stage.arrive();
    let decision = stage.reconcile();
    assert!(matches!(&decision.actions[..], [Action::Protect { instance, .. }] if *instance == successor));
    let ledgered = |entry: &BorrowedSetting| entry.setting == Setting::Protection { instance: successor.clone() };
    assert!(decision.next.borrowed_settings.iter().any(ledgered), "ledgered with the same commit");
    assert!(stage.reconcile().actions.is_empty());
}

#[test]
fn the_successor_must_serve_for_the_whole_warm_up() {
    for (waited, phase) in around(mins(1)).into_iter().zip(["verifying", "retiring", "retiring"]) {
        let (mut stage, _) = Stage::serving(3);
        stage.wait(waited);
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
    }
}

#[test]
fn the_warm_up_starts_again_when_the_successor_fails_in_between() {
    let (mut stage, successor) = Stage::serving(3);
    stage.wait(secs(50));
    stage.sick.insert(successor);
    stage.reconcile();
    stage.sick.clear();
    stage.wait(secs(20));
    stage.reconcile();
    stage.wait(secs(59));
    stage.reconcile();
    assert_eq!(stage.phase(1), "verifying");
    stage.wait(secs(1));
    stage.reconcile();
    assert_eq!(stage.phase(1), "retiring");
}

#[test]
fn nothing_is_terminated_that_would_leave_fewer_than_the_minimum() {
    // 90 % of 10 are 9: the successor and 8, 9 or 10 others serve without the drifted one.
    for (sick, phase) in [(2, "verifying"), (1, "retiring"), (0, "retiring")] {
        let (mut stage, _) = Stage::verifying(10);
        stage.arrive();
        stage.sick = (5..5 + sick).map(id).collect();
        stage.reconcile();
        stage.wait(mins(1));
        stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{sick} sick");
    }
}

#[test]
fn the_drifted_instance_goes_by_its_id_and_desired_capacity_goes_down_with_it() {
    let (mut stage, _) = Stage::serving(3);
    stage.wait(mins(1));
    let decision = stage.reconcile();
    assert_eq!(
        decision.actions,
        [Action::Terminate {
            group: GROUP.parse().unwrap(),
            instance: id(1),
            expected_desired: 4,
            capacity: CapacityChange::Decrement,
            role: Role::Drifted,
        }]
    );
}

#[test]
fn desired_capacity_stays_where_someone_took_it_back_to_the_base() {
    let (mut stage, successor) = Stage::retiring(10);
    stage.scale_to(10);
    stage.leave();
    stage.comply(2);
    // Scale-in took an instance at random; if it was the drifted one, there is nothing left to do.
    if stage.has(&id(1)) {
        let decision = stage.reconcile();
        assert!(matches!(&decision.actions[..], [Action::Terminate { capacity: CapacityChange::Keep, .. }]));
    }
    stage.settle_clean(10);
    assert!(stage.has(&successor));
}

#[test]
fn the_evidence_is_committed_before_the_termination() {
    let (mut stage, successor) = Stage::serving(3);
    stage.wait(mins(1));
    let decision = stage.reconcile();
    assert!(matches!(&decision.actions[..], [Action::Terminate { .. }]));
    let entry = decision.history.iter().find(|entry| entry.evidence().is_some()).expect("evidence");
    assert_eq!(entry.instance(), Some(&id(1)));
    let evidence = entry.evidence().unwrap();
    assert_eq!(evidence.successor, Some(successor));
    assert_eq!(evidence.drift, [DriftReason::Rule(rule(RULE))]);
    assert_eq!(evidence.findings.values().next().unwrap().annotation, Some("port 22 is open".into()));
    assert_eq!(evidence.machine.as_ref().unwrap().image.as_str(), "ami-00000000000000001");
    assert!(!evidence.guards.is_empty());
}

#[test]
fn a_drifted_instance_is_replaced_and_everything_is_restored() {
    let mut stage = Stage::drifted(3, &[1]);
    stage.settle_clean(3);
    assert!(!stage.has(&id(1)) && stage.has(&id(101)));
    assert_eq!(stage.done(), ["launch", "protect", "terminate", "protect"]);
    assert_eq!(stage.kinds(), ["replacement-started", "replaced"]);
    let Details::Replaced { instance, successor, .. } = &stage.told[1].details else { panic!("{:?}", stage.told) };
    assert_eq!((instance, successor), (&id(1), &id(101)));
    let phases: Vec<String> = stage
        .history
        .iter()
        .filter(|entry| entry.instance() == Some(&id(1)))
        .map(|entry| entry.to().into_owned())
        .collect();
    assert_eq!(phases, ["launching", "verifying", "evidence", "retiring", "replaced"]);
}

#[test]
fn an_instance_that_breaks_two_rules_is_one_replacement() {
    let mut stage = Stage::new(8);
    stage.tag("rules", "sg-closed;imds-v2");
    stage.drift(1);
    stage.drift_under(id(1), OTHER_RULE);
    stage.reconcile();
    stage.wait(mins(5));
    stage.settle_clean(8);
    assert_eq!(stage.terminated(), [id(1)]);
}

// ---- where LaunchInstances is not offered ----------------------------------------------------------------------------

fn without_launch_instances(max: u32) -> Stage {
    let mut stage = Stage::drifted(3, &[1]);
    stage.group().max = max;
    stage.scripted.insert("launch", ActionResult::Unsupported);
    stage
}

#[test]
fn where_the_launch_is_not_offered_desired_capacity_is_raised_by_one() {
    let mut stage = without_launch_instances(8);
    stage.reconcile();
    let decision = stage.reconcile();
    assert_eq!(
        decision.actions,
        [Action::SetDesired { group: GROUP.parse().unwrap(), expected: 3, desired: 4, replaces: id(1) }]
    );
    assert_eq!(decision.next.launches_by_desired_since, Some(stage.now));
    assert!(stage.decide().actions.is_empty(), "raised once");
    stage.reconcile();
    assert_eq!(stage.successor(1), id(101), "told by its launch time");
    stage.settle_clean(3);
    assert_eq!(stage.terminated(), [id(1)]);
}

#[test]
fn the_raise_after_a_crash_is_asked_again_and_not_twice() {
    let mut stage = without_launch_instances(8);
    stage.reconcile();
    let decision = stage.reconcile_and_crash();
    assert_eq!(stage.decide().actions, decision.actions, "not acted on");
    stage.act(&decision.actions);
    assert!(stage.decide().actions.is_empty(), "acted on, and the answer was lost");
    stage.settle_clean(3);
}

#[test]
fn the_next_surge_does_not_ask_for_what_is_not_offered() {
    let mut stage = without_launch_instances(8);
    stage.settle();
    stage.drift(2);
    stage.reconcile();
    stage.wait(mins(5));
    let decision = stage.reconcile();
    assert!(matches!(&decision.actions[..], [Action::SetDesired { .. }]));
    let phase = &stage.replacement(2).unwrap().phase();
    assert!(matches!(phase, Phase::Launching(surge) if surge.method == SurgeMethod::RaiseDesired));
    stage.settle_clean(3);
}

#[test]
fn an_instance_that_was_not_asked_for_is_not_taken_for_the_successor() {
    let mut stage = without_launch_instances(8);
    stage.reconcile();
    // Before desired capacity is raised, Auto Scaling replaces an unhealthy instance: that is its own business.
    stage.scripted.insert("set-desired", ActionResult::Busy("try later".into()));
    stage.reconcile();
    stage.take(&id(3), CapacityChange::Keep);
    stage.outcomes.clear();
    stage.reconcile();
    assert_eq!(stage.phase(1), "launching");
    stage.scripted.remove("set-desired");
    stage.settle_clean(3);
    assert_eq!(stage.terminated(), [id(1)]);
}

#[test]
fn what_was_launched_in_the_second_of_the_admission_and_seen_at_it_is_not_the_successor() {
    for (seconds_before, is_known) in [(1, true), (0, true), (-1, true), (0, false)] {
        let mut stage = without_launch_instances(8);
        let launched_at = stage.now - secs(seconds_before);
        let machine = stage.machines.get_mut(&id(3)).unwrap();
        machine.launched_at = launched_at;
        let machine = machine.clone();
        if !is_known {
            stage.machines.remove(&id(3));
        }
        stage.reconcile();
        stage.machines.insert(id(3), machine);
        // The raise is written, and what it launches is not listed yet.
        stage.group().desired = 4;
        stage.outcomes.clear();
        stage.reconcile();
        assert_eq!(stage.phase(1), "launching", "{seconds_before} s before");
    }
}

#[test]
fn a_full_group_gets_room_through_borrowed_settings_and_its_maximum_back() {
    for is_offered in [true, false] {
        let mut stage = without_launch_instances(3);
        if is_offered {
            stage.scripted.clear();
        }
        let decision = stage.reconcile();
        assert_eq!(decision.actions[0], Action::SetMaximum { group: GROUP.parse().unwrap(), expected: 3, maximum: 4 });
        assert_eq!(stage.group().max, 4);
        stage.settle_clean(3);
        assert_eq!(stage.group().max, 3, "offered: {is_offered}");
        let raised = stage.acted.iter().filter(
            |outcome| matches!(&outcome.action, Action::SetMaximum { expected, maximum, .. } if maximum > expected),
        );
        assert_eq!(raised.count(), 1, "offered: {is_offered}");
    }
}

#[test]
fn without_room_nothing_is_launched() {
    for answer in [ActionResult::Busy("try later".into()), ActionResult::Denied("not allowed".into())] {
        let mut stage = without_launch_instances(3);
        stage.scripted.clear();
        stage.scripted.insert("set-maximum", answer);
        stage.reconcile();
        let decision = stage.reconcile();
        assert!(decision.actions.is_empty(), "{:?}", decision.actions);
        stage.scripted.clear();
        stage.settle_clean(3);
        assert!(stage.acted.iter().all(|outcome| !matches!(outcome.result, ActionResult::Failed(_))));
    }
}

#[test]
fn a_termination_that_was_accepted_is_waited_for_and_not_asked_again() {
    let (mut stage, _) = Stage::retiring(3);
    stage.reconcile();
    // The describe trails: the instance is still shown in service with the old capacity, and Config has dropped it.
    let member = stage.member_mut(1);
    member.lifecycle = Lifecycle::InService;
    stage.group().desired = 4;
    stage.comply(1);
    let decision = stage.reconcile();
    assert!(decision.actions.is_empty(), "{:?}", decision.actions);
    assert_eq!(stage.phase(1), "retiring");
}

#[test]
fn a_termination_while_aws_is_busy_is_asked_again_soon() {
    let (mut stage, _): (Stage, InstanceId) = Stage::retiring(3);
    stage.scripted.insert("terminate", ActionResult::Busy("an activity is in progress".into()));
    stage.reconcile();
    let decision = stage.reconcile();
    assert!(decision.actions.is_empty(), "not within the same run");
    assert!(decision.recheck.unwrap() <= stage.now + secs(10));
    stage.scripted.clear();
    stage.settle_clean(3);
}
