//! The layouts other than two target groups.

use std::collections::BTreeMap;

use driftless_planner::action::Action;
use driftless_planner::fact::Command;
use driftless_planner::fleet::Color;
use driftless_planner::input::Input;
use driftless_planner::observation::Observation;
use driftless_planner::reading::Reading;
use driftless_planner::record::{CutoverOutcome, Setting};
use driftless_planner::waiting::Waiting;
use driftless_testkit::{Stage, around, fleet, image_id, pair_that_shares, pair_without_balancer, secs, target_group};

use super::{adopted, color, color_mut, is_as_before, until_over, weighted_fleet};

fn shared_fleet(size: u32) -> Stage {
    adopted(pair_that_shares(size), &[("app", 100)])
}

fn bare_fleet(size: u32) -> Stage {
    adopted(pair_without_balancer(size), &[])
}

#[test]
fn a_color_that_left_the_shared_target_group_is_scaled_to_zero_only_when_no_describe_can_trail_any_more() {
    let mut stage = shared_fleet(3);
    stage.publish(2);
    stage.until_phase("baking");
    stage.go_into_alarm("web-5xx", None);
    let is_out = |stage: &Stage| {
        let attached = |which| !color(stage, which).target_groups.is_empty();
        attached(Color::Blue) && !attached(Color::Green)
    };
    for _ in 0..100 {
        if is_out(&stage) {
            break;
        }
        stage.step(secs(2));
    }
    assert!(is_out(&stage));
    // The first pass that shows it.
    stage.reconcile();
    for (waited, is_scaled_to_zero) in around(secs(15)).into_iter().zip([false, true, true]) {
        let mut stage = stage.clone();
        stage.wait(waited);
        let decision = stage.reconcile();
        let empties = decision.actions.iter().any(|action| matches!(action, Action::ScaleToZero { .. }));
        assert_eq!(empties, is_scaled_to_zero, "{waited:?}: {:?}", decision.actions);
    }
    // It was a describe that trailed.
    color_mut(&mut stage, Color::Green).target_groups = vec![target_group("app")];
    stage.wait(secs(15));
    let decision = stage.reconcile();
    assert!(matches!(&decision.actions[..], [Action::Detach { .. }, ..]), "{:?}", decision.actions);
    assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack);
    is_as_before(&stage, 3);
}

#[test]
fn without_a_load_balancer_an_alarm_scales_the_new_color_to_zero() {
    let mut stage = bare_fleet(3);
    stage.publish(2);
    stage.until_phase("baking");
    stage.go_into_alarm("web-5xx", None);
    assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack);
    is_as_before(&stage, 3);
}

pub(super) fn single_fleet() -> Stage {
    let mut stage = Stage::new(3);
    stage.reconcile();
    stage.told.clear();
    stage
}

#[test]
fn what_waits_for_approval_says_whether_it_serves_already() {
    for (mut stage, words) in
        [(weighted_fleet(3), "is launched and healthy"), (single_fleet(), "is ready for an instance refresh")]
    {
        stage.tag("approval", "manual");
        stage.publish(2);
        stage.until_phase("awaiting-approval");
        let cutover = stage.record().cutover.as_ref().unwrap();
        assert_eq!(cutover.waits, Some(Waiting::AwaitingApproval { until: cutover.deadline() }));
        assert!(format!("{:?}", stage.told).contains(&format!("{} {words}", image_id(2))), "{:?}", stage.told);
    }
}

#[test]
fn the_old_color_grows_past_its_own_maximum_to_take_back_what_the_fleet_grew_to() {
    for is_shared in [true, false] {
        let mut stage = if is_shared { shared_fleet(4) } else { weighted_fleet(4) };
        stage.tag("min-healthy", "100%");
        for group in &mut stage.groups {
            group.max = 4;
        }
        stage.publish(2);
        stage.until_phase("warm");
        let new = color_mut(&mut stage, Color::Green);
        (new.max, new.min, new.desired) = (6, 6, 6);
        stage.steps(20, secs(15));
        stage.say(Command::Rollback);
        assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack, "shared: {is_shared}");
        assert_eq!(color(&stage, Color::Green).desired, 0);
        assert!(color(&stage, Color::Blue).desired >= 4);
    }
}

#[test]
fn a_fleet_that_was_scaled_past_its_bounds_midway_comes_to_its_end_and_to_them_later() {
    let mut stage = weighted_fleet(4);
    color_mut(&mut stage, Color::Blue).max = 4;
    stage.publish(2);
    stage.until_phase("warm");
    let green = color_mut(&mut stage, Color::Green);
    (green.max, green.desired) = (green.max.max(6), 6);
    let lent = green.max;
    let ours = stage
        .record()
        .borrowed_settings
        .iter()
        .any(|entry| matches!(&entry.setting, Setting::BorrowedMaximum { wrote, .. } if wrote.contains(&lent)));
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    assert_eq!((color(&stage, Color::Green).desired, color(&stage, Color::Green).max), (6, lent));
    if ours {
        color_mut(&mut stage, Color::Green).min = 1;
        color_mut(&mut stage, Color::Green).desired = 4;
        stage.steps(10, secs(15));
        assert_eq!(color(&stage, Color::Green).max, 4, "the fleet's own maximum");
        assert!(stage.record().borrowed_settings.is_empty());
    }
}

#[test]
fn a_target_group_that_no_longer_exists_blocks_the_preflight() {
    let mut stage = weighted_fleet(4);
    stage.publish(2);
    for _ in 0..6 {
        let seen = stage.observation();
        let all = stage.groups.iter().flat_map(|group| group.target_groups.iter().cloned());
        let seen = Observation { target_group_settings: Reading::of(all, BTreeMap::new()), ..seen };
        let fleet = fleet();
        let decision = driftless_planner::decide(Input {
            fleet: &fleet,
            record: stage.record.as_ref(),
            facts: &stage.facts,
            outcomes: &stage.outcomes,
            freezes: &[],
            seen: &seen,
            defaults: &stage.defaults,
            now: stage.now,
        });
        stage.commit(&decision);
        stage.outcomes = stage.act(&decision.actions);
        stage.wait(secs(2));
    }
    assert_eq!(stage.cutover_phase(), Some("preflight"));
}
