//! Two target groups in one forward action.

use driftless_planner::fleet::Color;
use driftless_planner::record::CutoverOutcome;
use driftless_planner::template::TemplateReference;
use driftless_testkit::{image_id, mins, secs};

use super::{
    color, color_mut, in_phase, is_as_before, is_at_rest, phases, sicken, until_over, weighted_fleet, weights_written,
};

#[test]
fn a_newer_image_takes_the_traffic_step_by_step_and_the_bounds_travel_with_it() {
    let mut stage = weighted_fleet(4);
    stage.publish(2);
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    let on_the_way = ["queued", "preflight", "preparing", "scaling", "verifying", "shifting"];
    assert_eq!(phases(&stage), [&on_the_way[..], &["baking", "warm", "retiring", "done"]].concat());
    assert_eq!(weights_written(&stage), [10, 50, 100]);
    is_at_rest(&stage, Color::Green, 4, (1, 9), (0, 0));
    let release = stage.record().release.clone().unwrap();
    assert_eq!(release.image, image_id(2));
    assert_eq!(color(&stage, Color::Green).template, TemplateReference::Numbered(release.template));
    stage.settle();
}

#[test]
fn only_a_newer_build_begins_and_what_the_release_runs_tells_its_own_even_where_the_record_does_not() {
    for recorded in [Some("5".into()), None] {
        for (build, begins) in [(4, false), (5, false), (6, true)] {
            let mut stage = weighted_fleet(3);
            stage.images[0].build = Some("5".into());
            stage.record.as_mut().unwrap().release.as_mut().unwrap().build.clone_from(&recorded);
            stage.publish(build);
            stage.steps(2, secs(60));
            assert_eq!(stage.record().cutover.is_some(), begins, "build {build}, on record: {recorded:?}");
            assert_eq!(stage.acted.is_empty(), !begins, "build {build}: {:?}", stage.acted);
        }
    }
}

#[test]
fn weight_never_goes_to_a_color_below_its_minimum() {
    let mut stage = in_phase(4, "shifting");
    sicken(&mut stage, Color::Green, 1);
    stage.steps(20, secs(15));
    assert_eq!(stage.weight("green"), 10, "no more than it had");
    stage.sick.clear();
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
}

#[test]
fn an_alarm_of_the_new_color_takes_the_traffic_back_and_vetoes_the_image() {
    for phase in ["shifting", "baking", "warm"] {
        let mut stage = in_phase(4, phase);
        stage.steps(3, secs(15));
        assert!(stage.weight("green") > 0, "{phase}");
        stage.go_into_alarm("web-5xx", Some(Color::Green));
        stage.reconcile();
        assert_eq!(stage.weight("green"), 0, "{phase}: one write");
        assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack, "{phase}");
        is_as_before(&stage, 4);
        assert!(stage.record().memory.vetoes.contains_key(&image_id(2)), "{phase}");
        stage.steps(10, mins(10));
        assert_eq!(stage.record().cutover, None, "{phase}: a vetoed image is not tried again");
    }
}

#[test]
fn both_colors_keep_the_live_size_and_follow_it_upward() {
    let mut stage = in_phase(4, "shifting");
    assert_eq!((color(&stage, Color::Blue).min, color(&stage, Color::Green).min), (4, 4));
    color_mut(&mut stage, Color::Blue).desired = 6;
    stage.balance();
    stage.steps(3, secs(15));
    assert_eq!((color(&stage, Color::Blue).min, color(&stage, Color::Green).min), (6, 6));
    assert_eq!(until_over(&mut stage), CutoverOutcome::Done);
    is_at_rest(&stage, Color::Green, 6, (1, 9), (0, 0));
}

#[test]
fn stickiness_is_switched_off_with_the_flip_back_and_restored_afterwards() {
    let mut stage = weighted_fleet(3);
    stage.stickiness = Some(mins(10));
    stage.publish(2);
    stage.until_phase("baking");
    assert_eq!(stage.stickiness, Some(mins(10)), "forward it stays");
    stage.go_into_alarm("web-5xx", Some(Color::Green));
    stage.reconcile();
    assert_eq!((stage.weight("green"), stage.stickiness), (0, None));
    assert_eq!(until_over(&mut stage), CutoverOutcome::RolledBack);
    assert_eq!(stage.stickiness, Some(mins(10)));
    is_as_before(&stage, 3);
}
