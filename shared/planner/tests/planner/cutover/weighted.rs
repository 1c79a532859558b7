//! Two target groups in one forward action.

use driftless_planner::fleet::Color;
use driftless_planner::observation::TemplateReference;
use driftless_planner::record::CutoverOutcome;
use driftless_testkit::{image_id, mins, secs};

use super::{color, color_mut, is_as_before, is_at_rest, phases, sicken, until_over, weighted_fleet, weights_written};

#[test]
fn a_newer_image_takes_the_traffic_step_by_step_and_the_bounds_travel_with_it() {
    let mut stage = weighted_fleet(4);
    stage.publish(2);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    assert_eq!(
        phases(&stage),
        [
            "queued",
            "preflight",
            "preparing",
            "scaling",
            "verifying",
            "shifting",
            "shifting",
            "shifting",
            "baking",
            "warm",
            "retiring-old",
            "done"
        ]
        .into_iter()
        .fold(Vec::new(), |mut unique, phase| {
            if unique.last() != Some(&phase) {
                unique.push(phase);
            }
            unique
        })
    );
    assert_eq!(weights_written(&stage), [10, 50, 100]);
    is_at_rest(&stage, Color::Green, 4, (1, 9), (0, 0));
    let release = stage.record().release.clone().unwrap();
    assert_eq!(release.image, image_id(2));
    assert_eq!(color(&stage, Color::Green).template, TemplateReference::Numbered(release.template));
    stage.settle();
}

#[test]
fn the_same_older_or_vetoed_image_changes_nothing() {
    let mut stage = weighted_fleet(3);
    stage.images[0].build = Some("5".into());
    stage.record.as_mut().unwrap().release.as_mut().unwrap().build = Some("5".into());
    stage.publish(4);
    stage.images.push(driftless_planner::image::Image { build: Some("5".into()), ..driftless_testkit::image(9) });
    for _ in 0..5 {
        stage.step(secs(60));
    }
    assert_eq!(stage.record().cutover, None);
    assert!(stage.acted.is_empty(), "{:?}", stage.acted);
}

#[test]
fn what_the_release_runs_tells_its_build_even_where_the_record_does_not() {
    for (build, begins) in [(4, false), (5, false), (6, true)] {
        let mut stage = weighted_fleet(3);
        stage.images[0].build = Some("5".into());
        stage.record.as_mut().unwrap().release.as_mut().unwrap().build = None;
        stage.publish(build);
        stage.step(secs(60));
        assert_eq!(stage.record().cutover.is_some(), begins, "build {build}");
    }
}

#[test]
fn weight_never_goes_to_a_color_below_its_floor() {
    let mut stage = weighted_fleet(4);
    stage.publish(2);
    stage.until_phase("shifting");
    sicken(&mut stage, Color::Green, 1);
    for _ in 0..20 {
        stage.step(secs(15));
    }
    assert_eq!(stage.weight("green"), 10, "no more than it had");
    stage.sick.clear();
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
}

#[test]
fn an_alarm_of_the_new_color_takes_the_traffic_back_and_vetoes_the_image() {
    for phase in ["shifting", "baking", "warm"] {
        let mut stage = weighted_fleet(4);
        stage.publish(2);
        stage.until_phase(phase);
        for _ in 0..3 {
            stage.step(secs(15));
        }
        assert!(stage.weight("green") > 0, "{phase}");
        stage.ring("web-5xx", Some(Color::Green));
        stage.look();
        assert_eq!(stage.weight("green"), 0, "{phase}: one write");
        assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack, "{phase}");
        is_as_before(&stage, 4);
        assert!(stage.record().memory.vetoes.contains_key(&image_id(2)), "{phase}");
        for _ in 0..10 {
            stage.step(mins(10));
        }
        assert_eq!(stage.record().cutover, None, "{phase}: a vetoed image is not tried again");
    }
}

#[test]
fn both_colors_are_held_at_the_live_size_and_follow_it_upward() {
    let mut stage = weighted_fleet(4);
    stage.publish(2);
    stage.until_phase("shifting");
    assert_eq!((color(&stage, Color::Blue).min, color(&stage, Color::Green).min), (4, 4));
    color_mut(&mut stage, Color::Blue).desired = 6;
    stage.balance();
    for _ in 0..3 {
        stage.step(secs(15));
    }
    assert_eq!((color(&stage, Color::Blue).min, color(&stage, Color::Green).min), (6, 6));
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    is_at_rest(&stage, Color::Green, 6, (1, 9), (0, 0));
}

#[test]
fn the_first_ring_is_of_two() {
    let mut stage = weighted_fleet(6);
    stage.publish(2);
    stage.broken.insert(image_id(2));
    stage.until_phase("scaling");
    for _ in 0..10 {
        stage.step(secs(15));
    }
    assert_eq!(color(&stage, Color::Green).desired, 2);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Aborted);
    is_as_before(&stage, 6);
    assert!(stage.record().memory.vetoes.contains_key(&image_id(2)));
}

#[test]
fn stickiness_is_switched_off_with_the_flip_back_and_put_back_afterwards() {
    let mut stage = weighted_fleet(3);
    stage.stickiness = Some(mins(10));
    stage.publish(2);
    stage.until_phase("baking");
    assert_eq!(stage.stickiness, Some(mins(10)), "forward it stays");
    stage.ring("web-5xx", Some(Color::Green));
    stage.look();
    assert_eq!((stage.weight("green"), stage.stickiness), (0, None));
    assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack);
    assert_eq!(stage.stickiness, Some(mins(10)));
    is_as_before(&stage, 3);
}

#[test]
fn a_newer_image_before_traffic_takes_the_place_of_the_one_under_way() {
    let mut stage = weighted_fleet(3);
    stage.publish(2);
    stage.until_phase("scaling");
    stage.publish(3);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Superseded);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    assert_eq!(stage.record().release.as_ref().unwrap().image, image_id(3));
}

#[test]
fn a_newer_image_after_the_first_traffic_waits_for_the_end() {
    let mut stage = weighted_fleet(3);
    stage.publish(2);
    stage.until_phase("baking");
    stage.publish(3);
    stage.publish(4);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    assert_eq!(stage.record().release.as_ref().unwrap().image, image_id(2));
    stage.until_phase("scaling");
    assert_eq!(stage.record().cutover.as_ref().unwrap().candidate.image, image_id(4));
}
