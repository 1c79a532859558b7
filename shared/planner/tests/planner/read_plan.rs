//! The read plan contains only what a decision can use, and each read once.

use driftless_planner::action::Action;
use driftless_planner::decision::Decision;
use driftless_planner::input::Input;
use driftless_planner::observation::Observation;
use driftless_planner::read_plan::{self, FirstReads, SecondReads, StoredState};
use driftless_planner::reading::Reading;
use driftless_planner::template::TemplateReference;
use driftless_planner::waiting::{Protector, Waiting};
use driftless_testkit::{Stage, content, fleet, id, image_id, secs, target_group, version};

fn first(stage: &Stage, has_news: bool) -> FirstReads {
    let policy = read_plan::policy(&fleet(), &stage.groups, &stage.defaults);
    let known = StoredState { record: stage.record.as_ref(), has_news };
    read_plan::first(&fleet(), &stage.groups, &stage.images, known, policy.as_ref())
}

fn second(stage: &Stage, seen: &Observation) -> SecondReads {
    let policy = read_plan::policy(&fleet(), &stage.groups, &stage.defaults);
    read_plan::second(&fleet(), seen, stage.record.as_ref(), policy.as_ref())
}

/// A fleet of three instances after a pass, without any work.
fn at_rest() -> Stage {
    let mut stage = Stage::new(3);
    stage.reconcile();
    stage
}

#[test]
fn target_health_is_not_read_while_no_work_is_in_progress() {
    assert!(first(&at_rest(), false).targets.is_empty());
}

#[test]
fn target_health_is_read_for_an_unknown_fleet_for_new_facts_and_for_age() {
    let all = [target_group("app")].into();
    assert_eq!(first(&Stage::new(3), false).targets, all);
    assert_eq!(first(&at_rest(), true).targets, all);
    let mut aging = at_rest();
    aging.tag("max-age", "49h");
    assert_eq!(first(&aging, false).targets, all);
}

#[test]
fn target_health_is_read_while_a_drifted_instance_is_on_record() {
    let mut stage = at_rest();
    stage.drift(1);
    let mut seen = stage.observation();
    seen.targets = Reading::none();
    assert_eq!(second(&stage, &seen).targets, [target_group("app")].into());
    stage.reconcile();
    assert_eq!(first(&stage, false).targets, [target_group("app")].into());
}

#[test]
fn a_template_version_that_was_just_read_is_not_read_again() {
    let mut stage = at_rest();
    // An external change gives the group a newer version: it becomes the live one, and a candidate too.
    stage.templates.insert(version(2), content(Some(image_id(1))));
    stage.groups[0].template = TemplateReference::Numbered(version(2));
    let seen = stage.observation();
    assert!(first(&stage, false).templates.contains(&version(2)));
    assert!(!second(&stage, &seen).templates.contains(&version(2)));
}

/// The decision of a pass that read no instance from EC2.
fn without_machines(stage: &Stage) -> Decision {
    decided(stage, &Observation { machines: Reading::none(), ..stage.observation() })
}

fn decided(stage: &Stage, seen: &Observation) -> Decision {
    let fleet = fleet();
    driftless_planner::decide(Input {
        fleet: &fleet,
        record: stage.record.as_ref(),
        facts: &stage.facts,
        outcomes: &[],
        freezes: &[],
        seen,
        defaults: &stage.defaults,
        now: stage.now,
    })
}

#[test]
fn an_instance_whose_tags_were_not_read_may_be_protected_and_is_left_alone() {
    let stage = Stage::drifted(4, &[1]);
    assert!(stage.decide().actions.iter().any(|action| matches!(action, Action::Launch { .. })));
    let decision = without_machines(&stage);
    assert_eq!(decision.actions, []);
    assert_eq!(decision.waiting.get(&id(1)), Some(&Waiting::Protected { by: Protector::TagsNotRead, until: None }));
}

#[test]
fn what_is_to_go_stays_where_its_tags_were_not_read() {
    let (mut stage, _) = Stage::retiring(3);
    stage.reconcile();
    let ends = |decision: &Decision| decision.actions.iter().any(|action| matches!(action, Action::Terminate { .. }));
    let mut ended = 0;
    for _ in 0..4 {
        assert!(!ends(&without_machines(&stage)));
        ended += usize::from(ends(&stage.decide()));
        stage.step(secs(15));
    }
    assert!(ended > 0 || !stage.terminated().is_empty(), "read, it goes");
}

#[test]
fn nothing_starts_in_a_group_whose_hooks_were_not_read_and_it_is_looked_at_again_at_once() {
    let stage = Stage::drifted(4, &[1]);
    let decision = decided(&stage, &Observation { hook_timeouts: Reading::none(), ..stage.observation() });
    assert_eq!(decision.actions, []);
    assert_eq!(decision.waiting.get(&id(1)), Some(&Waiting::HooksUnread));
    assert_eq!(decision.recheck, Some(stage.now + secs(2)));
}
