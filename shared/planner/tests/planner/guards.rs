//! Each guard blocks with its reason, and stops blocking when the cause is gone.

use driftless_planner::action::{ActionResult, CapacityChange};
use driftless_planner::image::Image;
use driftless_planner::observation::Lifecycle;
use driftless_planner::refresh::RefreshStatus;
use driftless_planner::template::TemplateReference;
use driftless_planner::waiting::{GuardId, Waiting};
use driftless_testkit::{GROUP, Stage, around, content, id, image, image_id, mins, refresh, secs, version};

/// With this change the drifted instance 1 of 4 waits for this guard, with this reason, and no action follows.
fn check(guard: GuardId, words: &str, change: impl FnOnce(&mut Stage)) -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    change(&mut stage);
    let decision = stage.reconcile();
    assert!(decision.actions.is_empty(), "{guard}: {:?}", decision.actions);
    let waiting = stage.waits_for(1).unwrap_or_else(|| panic!("{guard}: {}", stage.phase(1)));
    assert_eq!(waiting.guard(), guard, "{waiting}");
    assert!(waiting.to_string().contains(words), "{waiting}");
    assert_eq!(decision.waiting.get(&id(1)), Some(waiting));
    let blocked = decision.history.iter().filter(|entry| entry.to() == "blocked").count();
    assert_eq!(blocked, 1, "journaled when it is entered");
    stage.assert_idle();
    stage
}

/// The guard stops blocking when the cause is gone.
fn check_scales_to_zero(mut stage: Stage, change: impl FnOnce(&mut Stage)) {
    change(&mut stage);
    stage.settle_clean(4);
    assert!(!stage.has(&id(1)));
}

fn lifecycle_of(stage: &mut Stage, number: u32, lifecycle: Lifecycle) {
    stage.member_mut(number).lifecycle = lifecycle;
}

#[test]
fn a_suspended_process() {
    for process in ["Launch", "Terminate", "AddToLoadBalancer"] {
        let words = format!("{process} is suspended on {GROUP}");
        let stage = check(GuardId::Group, &words, |stage| stage.suspend(process));
        check_scales_to_zero(stage, |stage| stage.group().suspended.clear());
    }
}

#[test]
fn a_suspended_process_that_does_not_matter() {
    let mut stage = Stage::drifted(4, &[1]);
    stage.suspend("AZRebalance");
    stage.settle_clean(4);
}

#[test]
fn an_instance_refresh() {
    let stage = check(GuardId::Group, "an instance refresh is in progress", |stage| {
        stage.refreshes.insert(GROUP.parse().unwrap(), refresh(RefreshStatus::Running));
    });
    check_scales_to_zero(stage, |stage| stage.refreshes.clear());
}

#[test]
fn another_activity() {
    for (lifecycle, words) in [
        (Lifecycle::Pending, "is pending"),
        (Lifecycle::Terminating, "is terminating"),
        (Lifecycle::Detaching, "is detaching"),
    ] {
        let stage = check(GuardId::Group, words, |stage| lifecycle_of(stage, 3, lifecycle));
        check_scales_to_zero(stage, |stage| lifecycle_of(stage, 3, Lifecycle::InService));
    }
}

#[test]
fn a_group_that_has_not_what_it_wants() {
    let stage = check(GuardId::Group, "has 4 instances and a desired capacity of 5", |stage| stage.group().desired = 5);
    check_scales_to_zero(stage, |stage| stage.group().desired = 4);
}

#[test]
fn a_template_that_is_not_the_release() {
    let words = "launches lt-00000000000000001 version 2, but the release is lt-00000000000000001 version 1";
    let moved = |stage: &mut Stage, number: u64| {
        // The pipeline has not tagged it: it is no candidate.
        stage.images.push(Image { image_for: None, ..image(2) });
        stage.templates.insert(version(2), content(Some(image_id(2))));
        stage.group().template = TemplateReference::Numbered(version(number));
    };
    let stage = check(GuardId::Group, words, |stage| moved(stage, 2));
    check_scales_to_zero(stage.clone(), |stage| moved(stage, 1));
    // An operator accepted the version by a switch to observe and back. The other instances already run it.
    check_scales_to_zero(stage, |stage| {
        for member in stage.group().members.iter_mut().filter(|member| member.id != id(1)) {
            member.template = Some(version(2));
        }
        stage.tag("mode", "observe");
        stage.reconcile();
        stage.tag("mode", "act");
        assert_eq!(stage.record().release.as_ref().unwrap().template, version(2));
    });
}

#[test]
fn its_own_scale_in_protection() {
    let stage =
        check(GuardId::Protection, "its own scale-in protection", |stage| stage.group().members[0].protected = true);
    check_scales_to_zero(stage, |stage| stage.group().members[0].protected = false);
}

#[test]
fn a_group_that_protects_all_its_instances_protects_none_from_us() {
    for by_default in [true, false] {
        let mut stage = Stage::drifted(4, &[1]);
        stage.group().protects_new_instances = by_default;
        for member in &mut stage.group().members {
            member.protected = true;
        }
        stage.settle();
        assert!(stage.record().replacements.is_empty() && stage.record().borrowed_settings.is_empty());
        assert!(!stage.has(&id(1)) && stage.desired() == 4);
        assert_eq!(stage.launched.len(), 1, "it is replaced once");
        assert_eq!(stage.member_mut(101).protected, by_default, "what the group protects stays protected");
    }
}

#[test]
fn a_tag_that_protects() {
    for reason in ["debugging", "debugging until tomorrow", "until then"] {
        let stage = check(GuardId::Protection, &format!("the tag driftless:protect: {reason}"), |stage| {
            stage.machines.get_mut(&id(1)).unwrap().protect = Some(reason.into());
        });
        check_scales_to_zero(stage, |stage| stage.machines.get_mut(&id(1)).unwrap().protect = None);
    }
}

#[test]
fn a_tag_that_protects_until_a_time() {
    for (waited, phase) in around(mins(30)).into_iter().zip(["blocked", "launching", "launching"]) {
        let mut stage = Stage::drifted(4, &[1]);
        let reason = format!("debugging until {}", stage.now + mins(30));
        stage.machines.get_mut(&id(1)).unwrap().protect = Some(reason.as_str().into());
        stage.wait(waited);
        let decision = stage.reconcile();
        assert_eq!(stage.phase(1), phase, "{waited:?}");
        let expiry = stage.now - waited + mins(30);
        assert!(phase == "launching" || decision.recheck == Some(expiry), "{:?}", decision.recheck);
    }
}

#[test]
fn an_instance_that_auto_scaling_or_an_operator_is_changing() {
    let stage = check(GuardId::InService, "in standby", |stage| {
        lifecycle_of(stage, 1, Lifecycle::Standby);
        stage.group().desired = 3;
    });
    check_scales_to_zero(stage, |stage| {
        lifecycle_of(stage, 1, Lifecycle::InService);
        stage.group().desired = 4;
    });
    let stage = check(GuardId::InService, "unhealthy", |stage| stage.group().members[0].healthy = false);
    check_scales_to_zero(stage, |stage| stage.group().members[0].healthy = true);
    let stage = check(GuardId::InService, "unhealthy", |stage| {
        stage.sick.insert(id(1));
    });
    check_scales_to_zero(stage, |stage| stage.sick.clear());
}

#[test]
fn a_state_that_this_version_does_not_know() {
    check(GuardId::Group, "has 3 instances and a desired capacity of 4", |stage| {
        lifecycle_of(stage, 1, Lifecycle::Unknown("Hibernating".into()));
    });
}

#[test]
fn a_rule_that_config_does_not_have() {
    let stage = check(GuardId::Rules, "names a rule that AWS Config does not have", |stage| {
        stage.tag("rules", "sg-closed;no-such-rule");
    });
    check_scales_to_zero(stage, |stage| stage.tag("rules", "sg-closed"));
}

#[test]
fn groups_that_driftless_does_not_work_with() {
    let stage = check(GuardId::Setup, "is being deleted", |stage| stage.group().deleting = true);
    check_scales_to_zero(stage, |stage| stage.group().deleting = false);
}

#[test]
fn an_instance_that_left_is_no_drift_any_more() {
    let mut stage = Stage::drifted(4, &[1]);
    stage.take(&id(1), CapacityChange::Keep);
    stage.settle_clean(4);
    assert!(stage.acted.is_empty());
}

#[test]
fn the_freeze_is_said_before_any_other_guard() {
    let others: [fn(&mut Stage); 3] = [
        |stage| stage.suspend("Launch"),
        |stage| stage.tag("window", "Fri 12:10-13:00 UTC"),
        |stage| stage.tag("debounce", "soon"),
    ];
    for (guard, change) in [GuardId::Group, GuardId::Window, GuardId::Policy].into_iter().zip(others) {
        let mut stage = Stage::drifted(4, &[1]);
        change(&mut stage);
        stage.reconcile();
        assert_eq!(stage.waits_for(1).map(Waiting::guard), Some(guard));
        stage.freezes.push(driftless_testkit::freeze(stage.now, None));
        stage.reconcile();
        assert!(matches!(stage.waits_for(1), Some(Waiting::Frozen { .. })), "{guard}: {:?}", stage.waits_for(1));
    }
}

#[test]
fn only_another_guard_is_a_transition() {
    let mut stage = Stage::drifted(20, &[1, 2]);
    stage.scripted.insert("launch", ActionResult::Busy("throttled".into()));
    stage.reconcile();
    stage.history.clear();
    stage.wait(secs(10));
    stage.reconcile();
    assert!(stage.history.is_empty(), "{:?}", stage.history);
    stage.suspend("Launch");
    stage.reconcile();
    let [entry] = &stage.history[..] else { panic!("{:?}", stage.history) };
    assert_eq!((entry.from().as_ref(), entry.to().as_ref()), ("blocked", "blocked"));
}

#[test]
fn a_policy_that_is_invalid_for_a_while_changes_no_phase_without_a_line_in_the_history() {
    let mut stage = Stage::new(3);
    stage.reconcile();
    stage.drift(1);
    stage.reconcile();
    let mut phases = vec![stage.phase(1)];
    for debounce in ["soon", "5m", "soon", "5m"] {
        stage.wait(secs(10));
        stage.tag("debounce", debounce);
        // Each pass checks that the history leads from one phase to the other.
        let decision = stage.reconcile();
        phases.push(stage.phase(1));
        let waits = decision.waiting.get(&id(1));
        assert_eq!(matches!(waits, Some(Waiting::Debounce { .. })), debounce == "5m", "{waits:?}");
    }
    assert_eq!(phases, ["debouncing", "blocked", "debouncing", "blocked", "debouncing"]);
}
