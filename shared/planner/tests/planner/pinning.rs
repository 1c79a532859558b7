//! Groups that follow a floating version are pinned to the number that runs.

use driftless_planner::action::{Action, ActionResult};
use driftless_planner::fact::Command;
use driftless_planner::template::{TemplateReference, TemplateVersion};
use driftless_testkit::{Stage, freeze, mins, secs, version};

/// A group of so many that follows this alias, looked at.
fn floating(size: u32, alias: &str) -> Stage {
    let mut stage = Stage::new(size);
    float(&mut stage, alias);
    stage.reconcile();
    stage
}

fn float(stage: &mut Stage, alias: &str) {
    stage.group().template = TemplateReference::Floating { template: version(1).template, alias: alias.to_owned() };
}

fn refused(stage: &mut Stage, why: &str) {
    stage.say(Command::Pin);
    stage.reconcile();
    stage.reconcile();
    let (is_done, says) = stage.answer();
    assert!(!is_done && says.contains(why), "{says}");
    assert!(stage.acted.is_empty() && stage.record().pins.is_empty());
}

#[test]
fn the_number_that_runs_is_written_and_the_fleet_is_adopted_in_either_mode() {
    for (mode, alias) in [("act", "$Latest"), ("act", "$Default"), ("observe", "$Latest")] {
        let mut stage = floating(3, alias);
        stage.tag("mode", mode);
        assert_eq!(stage.record().release, None);
        stage.say(Command::Pin);
        let looked = stage.reconcile();
        assert!(looked.changed, "what is meant is committed before it is done");
        assert!(matches!(&looked.actions[..], [Action::SetTemplate { template, .. }] if *template == version(1)));
        stage.settle();
        assert!(stage.answer().0, "{}", stage.answer().1);
        assert_eq!(stage.groups[0].template, TemplateReference::Numbered(version(1)));
        assert_eq!(stage.record().release.as_ref().map(|release| &release.template), Some(&version(1)));
        assert_eq!((stage.done(), stage.record().pins.len()), (vec!["set-template"], 0));
    }
}

#[test]
fn a_newer_version_that_nobody_runs_is_not_taken_by_the_way() {
    let mut stage = floating(3, "$Latest");
    let content = stage.templates[&version(1)].clone();
    stage.templates.insert(version(2), content);
    stage.say(Command::Pin);
    stage.settle();
    assert_eq!(stage.groups[0].template, TemplateReference::Numbered(version(1)));
}

#[test]
fn where_auto_scaling_shows_no_number_the_instances_own_tags_do() {
    let mut stage = floating(3, "$Default");
    for member in &mut stage.group().members {
        member.template = None;
    }
    stage.say(Command::Pin);
    stage.settle();
    assert_eq!(stage.groups[0].template, TemplateReference::Numbered(version(1)), "{:?}", stage.answer());
}

#[test]
fn an_empty_group_gets_what_it_would_launch_where_that_can_be_told() {
    let mut stage = floating(0, "$Latest");
    stage.say(Command::Pin);
    stage.settle();
    assert_eq!(stage.groups[0].template, TemplateReference::Numbered(version(1)));
    refused(&mut floating(0, "$Default"), "no instance that shows which version $Default means");
}

#[test]
fn what_only_an_operator_can_decide_is_refused_and_nothing_is_written() {
    let mut mixed = floating(3, "$Latest");
    mixed.group().members[0].template = Some(version(2));
    refused(&mut mixed, "run several versions");
    let mut other = floating(1, "$Latest");
    let stranger = TemplateVersion { template: "lt-00000000000000009".parse().unwrap(), version: 1 };
    other.group().members[0].template = Some(stranger);
    refused(&mut other, "do not run lt-00000000000000001");
    let mut frozen = floating(3, "$Latest");
    frozen.freezes = vec![freeze(frozen.now, None)];
    refused(&mut frozen, "the fleet is frozen by");
}

#[test]
fn a_pinned_fleet_has_nothing_to_pin_and_says_so() {
    let mut stage = Stage::new(3);
    stage.reconcile();
    stage.say(Command::Pin);
    stage.reconcile();
    assert_eq!(stage.answer(), (true, "every group already launches a numbered version".to_owned()));
    assert!(stage.acted.is_empty());
}

#[test]
fn a_failed_pin_is_retried_and_a_freeze_blocks_it_meanwhile() {
    let mut stage = floating(3, "$Latest");
    stage.scripted.insert("set-template", ActionResult::Busy("ScalingActivityInProgress".into()));
    stage.say(Command::Pin);
    stage.reconcile();
    assert_eq!(stage.record().pins.len(), 1);
    stage.freezes = vec![freeze(stage.now, None)];
    stage.wait(mins(1));
    stage.reconcile();
    assert!(stage.decide().actions.is_empty());
    stage.freezes.clear();
    stage.scripted.clear();
    stage.wait(secs(30));
    stage.settle();
    assert_eq!(stage.groups[0].template, TemplateReference::Numbered(version(1)));
}

#[test]
fn a_group_that_an_external_change_pins_meanwhile_is_left_alone() {
    let mut stage = floating(3, "$Latest");
    stage.scripted.insert("set-template", ActionResult::Busy("ScalingActivityInProgress".into()));
    stage.say(Command::Pin);
    stage.reconcile();
    stage.scripted.clear();
    let content = stage.templates[&version(1)].clone();
    stage.templates.insert(version(2), content);
    stage.group().template = TemplateReference::Numbered(version(2));
    stage.wait(mins(1));
    stage.reconcile();
    assert!(stage.record().pins.is_empty());
    assert_eq!(stage.groups[0].template, TemplateReference::Numbered(version(2)));
}
