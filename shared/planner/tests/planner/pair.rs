//! A blue/green pair: which color is live, and that only its drift is repaired.

use driftless_planner::fleet::Color;
use driftless_planner::notification::{Condition, Details};
use driftless_planner::template::TemplateReference;
use driftless_testkit::{Stage, id, member, mins, pair, pair_that_shares, target_group, version};

/// With these weights, and this color on record, this one is live; or an operator must say.
fn check(weights: &[(&str, u32)], recorded: Option<Color>, live: Option<Color>, change: impl FnOnce(&mut Stage)) {
    let mut stage = Stage::colored(pair(3), weights);
    if let Some(color) = recorded {
        stage.weigh(&[("blue", u32::from(color == Color::Blue)), ("green", u32::from(color == Color::Green))]);
        stage.reconcile();
        assert_eq!(stage.record().live, recorded);
        stage.told.clear();
        stage.weigh(weights);
    }
    change(&mut stage);
    stage.settle();
    let is_misconfigured = stage.record().conditions.contains_key("misconfigured");
    assert_eq!(is_misconfigured, live.is_none(), "{weights:?} {recorded:?}: {:?}", stage.told);
    if live.is_some() {
        assert_eq!(stage.record().live, live, "{weights:?} {recorded:?}");
    }
}

#[test]
fn the_load_balancer_says_which_color_is_live() {
    let (blue, green) = (Some(Color::Blue), Some(Color::Green));
    check(&[("blue", 100), ("green", 0)], None, blue, |_| {});
    check(&[("blue", 100), ("green", 0)], blue, blue, |_| {});
    check(&[("blue", 1)], None, blue, |_| {});
    check(&[("blue", 100), ("green", 0)], green, None, |_| {});
    check(&[("blue", 0), ("green", 100)], blue, None, |_| {});
}

#[test]
fn where_it_cannot_say_the_record_does() {
    let (blue, green) = (Some(Color::Blue), Some(Color::Green));
    check(&[("blue", 50), ("green", 50)], blue, blue, |_| {});
    check(&[("blue", 50), ("green", 50)], green, green, |_| {});
    check(&[], blue, blue, |_| {});
    check(&[("blue", 0), ("green", 0)], green, green, |_| {});
}

#[test]
fn where_neither_says_it_capacity_tells_or_a_person_must() {
    let (blue, green) = (Some(Color::Blue), Some(Color::Green));
    check(&[], None, blue, |_| {});
    check(&[("blue", 50), ("green", 50)], None, blue, |_| {});
    let sizes = |blue: u32, green: u32| {
        move |stage: &mut Stage| {
            for (group, size) in stage.groups.iter_mut().zip([blue, green]) {
                (group.min, group.max, group.desired) = (0, size, size);
                group.members.clear();
                stage.launches = false;
            }
        }
    };
    check(&[], None, green, sizes(0, 2));
    check(&[], None, None, sizes(2, 2));
    check(&[], None, None, sizes(0, 0));
}

#[test]
fn with_one_target_group_the_attached_color_is_live() {
    let mut groups = pair_that_shares(3);
    let mut stage = Stage::colored(groups.clone(), &[("app", 100)]);
    stage.settle();
    assert_eq!(stage.record().live, Some(Color::Blue));
    // Both attached: a split, which only the record can tell.
    groups[1].target_groups = vec![target_group("app")];
    stage.groups = groups.clone();
    stage.settle();
    assert_eq!(stage.record().live, Some(Color::Blue));
    groups[0].target_groups = Vec::new();
    stage.groups = groups;
    stage.reconcile();
    assert!(stage.record().conditions.contains_key("misconfigured"), "green is attached, and blue is on record");
}

#[test]
fn drift_of_the_live_color_is_repaired_and_that_of_the_idle_one_is_not() {
    let mut groups = pair(3);
    groups[1].members = vec![member(50)];
    (groups[1].max, groups[1].desired) = (1, 1);
    let mut stage = Stage::colored(groups, &[("blue", 100), ("green", 0)]);
    stage.drift(1);
    stage.drift(50);
    stage.reconcile();
    stage.wait(mins(5));
    stage.settle_clean(3);
    assert!(!stage.has(&id(1)) && stage.has(&id(50)));
    assert_eq!(stage.groups[1].members.len(), 1);
}

#[test]
fn a_disagreement_of_the_two_groups_is_an_invalid_policy() {
    let mut stage = Stage::colored(pair(3), &[("blue", 100), ("green", 0)]);
    stage.drift(1);
    stage.reconcile();
    stage.told.clear();
    stage.groups[1].tags.insert("driftless:budget".to_owned(), "2".to_owned());
    stage.wait(mins(10));
    stage.settle();
    assert!(stage.acted.is_empty());
    assert_eq!(stage.kinds(), ["entered policy-invalid"]);
    let Details::Entered { condition: Condition::PolicyInvalid, detail } = &stage.told[0].details else { panic!() };
    assert_eq!(
        detail.as_str(),
        r#"driftless:budget is absent on the blue group and "2" on the green one: both must agree"#
    );
    stage.tag("budget", "1");
    stage.settle_clean(3);
}

#[test]
fn a_template_shared_by_both_colors_is_refused() {
    let mut groups = pair(3);
    groups[1].template = TemplateReference::Numbered(version(7));
    let mut stage = Stage::colored(groups, &[("blue", 100), ("green", 0)]);
    stage.settle();
    assert_eq!(stage.record().release, None);
    assert_eq!(stage.kinds(), ["entered not-adoptable"]);
}

#[test]
fn groups_that_form_no_pair_are_left_alone() {
    for colors in [&["blue", "blue"][..], &["blue"], &["blue", "green", "green"], &["red", "green"]] {
        let groups = colors.iter().enumerate().map(|(number, color)| {
            let mut group = pair(3).remove(0);
            group.name = format!("app-{number}").parse().unwrap();
            group.tags.insert("driftless:color".to_owned(), (*color).to_owned());
            group
        });
        let mut stage = Stage::colored(groups.collect(), &[]);
        stage.drift(1);
        stage.settle();
        stage.wait(mins(10));
        stage.settle();
        assert_eq!(stage.kinds(), ["entered misconfigured"], "{colors:?}");
        assert!(stage.acted.is_empty() && stage.record().replacements.is_empty());
    }
}

#[test]
fn traffic_that_was_moved_by_hand_clears_nothing_and_starts_nothing() {
    let mut groups = pair(3);
    groups[0].target_groups = vec![target_group("blue")];
    let mut stage = Stage::colored(groups, &[("blue", 100), ("green", 0)]);
    stage.drift(1);
    stage.reconcile();
    stage.wait(mins(5));
    let mut surging = stage.clone();
    stage.weigh(&[("blue", 0), ("green", 100)]);
    stage.reconcile();
    assert!(stage.acted.is_empty());
    assert_eq!(stage.phase(1), "blocked", "a person must say which color is right");
    // What is under way ends under its own policy.
    surging.reconcile();
    surging.traffic = stage.traffic.clone();
    surging.settle_clean(3);
    assert!(!surging.has(&id(1)));
}

#[test]
fn what_waits_in_a_group_that_is_no_longer_live_is_cleared() {
    let mut stage = Stage::colored(pair(3), &[("blue", 100), ("green", 0)]);
    stage.drift(1);
    stage.reconcile();
    // As a cutover would: the record and the load balancer agree on the other color.
    stage.record.as_mut().unwrap().live = Some(Color::Green);
    stage.record.as_mut().unwrap().release.as_mut().unwrap().template.template =
        "lt-00000000000000002".parse().unwrap();
    stage.weigh(&[("blue", 0), ("green", 100)]);
    stage.settle();
    assert!(stage.record().replacements.is_empty());
    assert!(stage.history.iter().any(|entry| entry.why.as_str() == "its group is no longer the live group"));
}
