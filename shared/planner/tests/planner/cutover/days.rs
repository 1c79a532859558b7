//! What days of faults and people brought to light.

use driftless_planner::action::{Action, ActionResult};
use driftless_planner::fact::Command;
use driftless_planner::fleet::Color;
use driftless_planner::observation::{Group, Lifecycle};
use driftless_planner::record::CutoverOutcome;
use driftless_planner::refresh::RefreshStatus;
use driftless_planner::template::{TemplateReference, TemplateVersion};
use driftless_testkit::{RULE, Stage, image_id, member, mins, secs};

use super::layouts::single_fleet;
use super::{color, color_mut, in_phase, is_as_before, is_at_rest, sicken, until_over, weighted_fleet};

fn touched(stage: &Stage) -> Vec<&str> {
    let of_groups = stage.acted.iter().filter(|outcome| outcome.action.group().is_some());
    of_groups.map(|outcome| outcome.action.name()).collect()
}

/// An external use of green, so that the preflight of a cutover waits.
fn green_in_use() -> Stage {
    let mut stage = weighted_fleet(3);
    let green = color_mut(&mut stage, Color::Green);
    (green.max, green.desired) = (2, 2);
    green.members = vec![member(90), member(91)];
    stage.publish(2);
    stage.until_phase("preflight");
    stage
}

#[test]
fn a_color_that_the_preflight_found_in_use_is_not_scaled_to_zero_when_its_time_is_up() {
    let mut stage = green_in_use();
    stage.steps(62, mins(1));
    assert_eq!(stage.record().cutover, None);
    assert_eq!(stage.record().memory.past.last().map(|past| past.outcome), Some(CutoverOutcome::Aborted));
    assert_eq!((color(&stage, Color::Green).desired, touched(&stage)), (2, vec![]));
}

#[test]
fn a_color_that_the_preflight_found_in_use_is_not_scaled_to_zero_by_an_abort() {
    for command in [Command::Abort, Command::Reject, Command::Rollback, Command::Veto { image: image_id(2) }] {
        let mut stage = green_in_use();
        stage.say(command.clone());
        stage.step(secs(1));
        stage.step(secs(15));
        assert!(stage.answer().0);
        assert_eq!(stage.record().cutover, None, "{command:?}");
        assert_eq!((color(&stage, Color::Green).desired, touched(&stage)), (2, vec![]), "{command:?}");
    }
}

#[test]
fn no_command_turns_back_a_cutover_whose_old_color_is_being_scaled_to_zero() {
    for command in [Command::Abort, Command::Reject, Command::Rollback, Command::Veto { image: image_id(2) }] {
        let mut stage = in_phase(3, "retiring");
        stage.say(command.clone());
        assert_eq!(until_over(&mut stage), CutoverOutcome::Done, "{command:?}");
    }
}

/// Blue with four instances at full size, all traffic on green with this many unhealthy ones, and a promoted cutover.
fn promoted_with(sick: usize) -> Stage {
    let mut stage = in_phase(4, "warm");
    stage.say(Command::Promote);
    sicken(&mut stage, Color::Green, sick);
    stage.reconcile();
    stage
}

#[test]
fn the_old_color_is_not_scaled_to_zero_while_too_few_of_the_new_one_serve() {
    let mut stage = promoted_with(1);
    for _ in 0..10 {
        assert_eq!(stage.cutover_phase(), Some("retiring"));
        assert_eq!(color(&stage, Color::Blue).desired, 4);
        stage.step(secs(15));
    }
    stage.sick.clear();
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    is_at_rest(&stage, Color::Green, 4, (1, 9), (0, 0));
}

#[test]
fn as_long_as_the_old_color_is_there_it_takes_the_traffic_back() {
    let mut stage = promoted_with(1);
    sicken(&mut stage, Color::Green, 4);
    stage.step(secs(1));
    assert_eq!(stage.weight("green"), 0);
    assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack);
    is_as_before(&stage, 4);
}

#[test]
fn a_new_color_that_stays_under_its_minimum_loses_the_traffic_when_the_time_is_up() {
    let mut stage = promoted_with(1);
    assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack);
    is_as_before(&stage, 4);
}

#[test]
fn a_minimum_that_is_pinned_in_the_last_pass_of_the_warm_time_is_restored() {
    let mut stage = weighted_fleet(3);
    for group in &mut stage.groups {
        group.tags.insert("driftless:min".to_owned(), "3".to_owned());
    }
    stage.publish(2);
    stage.until_phase("warm");
    color_mut(&mut stage, Color::Green).desired = 4;
    stage.say(Command::Promote);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    is_at_rest(&stage, Color::Green, 4, (3, 8), (0, 0));
}

#[test]
fn a_vetoed_release_is_not_put_on_fresh_instances() {
    let mut stage = weighted_fleet(3);
    stage.say(Command::Veto { image: image_id(1) });
    stage.reconcile();
    stage.say(Command::Redeploy);
    stage.reconcile();
    assert!(!stage.answer().0, "{}", stage.answer().1);
    let TemplateReference::Numbered(own) = color(&stage, Color::Blue).template.clone() else { panic!() };
    let mut content = stage.templates[&own].clone();
    content.settings.insert("user_data".to_owned(), "sha256:2".into());
    stage.templates.insert(TemplateVersion { version: 2, ..own }, content);
    stage.steps(5, mins(1));
    assert_eq!(stage.record().cutover, None);
    stage.publish(2);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    assert_eq!(stage.record().release.as_ref().unwrap().image, image_id(2));
}

#[test]
fn a_surge_in_the_new_color_is_no_growth_of_the_fleet() {
    let mut stage = in_phase(3, "warm");
    let drifted = color(&stage, Color::Green).members[0].id.clone();
    stage.drift_under(drifted.clone(), RULE);
    // The old color breaks the rule as well: it is no evidence against the release.
    let other = color(&stage, Color::Blue).members[0].id.clone();
    stage.drift_under(other, RULE);
    let mut surged = false;
    for _ in 0..40 {
        stage.step(secs(15));
        surged |= color(&stage, Color::Green).desired > 3;
        assert_eq!(color(&stage, Color::Green).min, 3);
    }
    assert!(surged, "{:?}", stage.record().replacements);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    is_at_rest(&stage, Color::Green, 3, (1, 8), (0, 0));
}

/// A single group whose refresh to the second image is under way.
fn refreshing() -> Stage {
    let mut stage = single_fleet();
    stage.publish(2);
    stage.until_phase("shifting");
    stage.steps(2, secs(15));
    stage
}

/// Where its instance refresh is.
fn refresh(stage: &mut Stage) -> &mut RefreshStatus {
    &mut stage.refreshes.get_mut(&stage.groups[0].name).unwrap().status
}

#[test]
fn a_refresh_that_could_not_roll_back_is_retried_when_an_operator_requests_it() {
    let mut stage = refreshing();
    *refresh(&mut stage) = RefreshStatus::Stopped;
    stage.go_into_alarm("web-5xx", None);
    stage.steps(2, secs(15));
    // The rollback path is a roll of its own, and fails.
    *refresh(&mut stage) = RefreshStatus::Stopped;
    stage.until_phase("needs-operator");
    stage.wait(mins(30));
    let starts = |stage: &Stage| {
        let starts = stage.acted.iter().filter(|outcome| matches!(outcome.action, Action::StartRefresh { .. }));
        starts.count()
    };
    let before = starts(&stage);
    stage.say(Command::Rollback);
    stage.steps(2, secs(15));
    assert_eq!(stage.cutover_phase(), Some("rolling-back"));
    assert_eq!(starts(&stage), before + 1);
    *refresh(&mut stage) = RefreshStatus::Successful;
    assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack);
}

#[test]
fn the_rollback_as_a_roll_of_its_own_is_not_stopped_by_the_alarms_in_alarm_for_it() {
    let mut stage = refreshing();
    *refresh(&mut stage) = RefreshStatus::CouldNotGoBack;
    stage.go_into_alarm("web-5xx", None);
    stage.steps(2, secs(15));
    let plans = stage.acted.iter().filter_map(|outcome| {
        let Action::StartRefresh { plan, .. } = &outcome.action else { return None };
        Some((plan.template.version, plan.alarms.len(), plan.bake))
    });
    let plans: Vec<_> = plans.collect();
    assert_eq!((plans[0].0, plans[0].1), (2, 1));
    assert_eq!(plans[1], (1, 0, secs(0)));
}

#[test]
fn what_is_kept_for_forensics_keeps_no_color_from_going_nor_from_coming_back() {
    let mut stage = weighted_fleet(2);
    stage.tag("strategy", "quarantine");
    stage.tag("breaker", "100%");
    let drifted = color(&stage, Color::Blue).members[0].id.clone();
    stage.drift_under(drifted, RULE);
    stage.steps(80, secs(15));
    assert_eq!(stage.record().quarantined.len(), 1);
    for (image, live) in [(2, Color::Green), (3, Color::Blue)] {
        stage.publish(image);
        stage.step(secs(1));
        assert_eq!(until_over(&mut stage), CutoverOutcome::Done, "{image}");
        assert_eq!(color(&stage, live).desired, 2);
    }
    let is_kept = |group: &Group| group.members.iter().any(|member| member.lifecycle == Lifecycle::Standby);
    assert!(is_kept(color(&stage, Color::Blue)));
}

#[test]
fn a_template_that_is_asked_for_again_changes_nothing_on_record() {
    let mut stage = weighted_fleet(2);
    stage.publish(2);
    stage.scripted.insert("set-template", ActionResult::Busy("throttled".into()));
    stage.until_phase("preparing");
    stage.steps(4, secs(15));
    let before = stage.record().clone();
    stage.step(secs(15));
    assert_eq!(*stage.record(), before, "a function that is killed after each commit would never get on");
}
