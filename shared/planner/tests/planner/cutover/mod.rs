//! Cutovers: one release takes the traffic from another, in all layouts, and every way back.

use driftless_planner::action::Action;
use driftless_planner::fact::{AlarmState, AlarmSubject, Command, CommandFact, Fact};
use driftless_planner::fleet::Color;
use driftless_planner::machine;
use driftless_planner::observation::{Group, Lifecycle, TemplateReference, TemplateVersion};
use driftless_planner::record::CutoverOutcome;
use jiff::SignedDuration;

use crate::support::{Stage, fleet, group, image_id, member, secs, target_group, version};

mod commands;
mod days;
mod events;
mod layouts;
mod measured;
mod trouble;
mod weighted;

/// Blue with so many instances, and an idle green.
fn pair(size: u32) -> Vec<Group> {
    let colored = |color: &str, template: &str, size: u32| {
        let mut group = group(size);
        group.name = format!("app-{color}").parse().unwrap();
        group.tags.insert("driftless:color".to_owned(), color.to_owned());
        group.target_groups = vec![target_group(color)];
        let template = TemplateVersion { template: template.parse().unwrap(), version: 1 };
        for member in &mut group.members {
            member.template = Some(template.clone());
        }
        group.template = TemplateReference::Numbered(template);
        group
    };
    let (blue, mut green) =
        (colored("blue", "lt-00000000000000001", size), colored("green", "lt-00000000000000002", 0));
    (green.min, green.max) = (0, 0);
    vec![blue, green]
}

/// A fleet of so many behind two target groups, adopted.
fn weighted_fleet(size: u32) -> Stage {
    adopted(pair(size), &[("blue", 100), ("green", 0)])
}

fn adopted(groups: Vec<Group>, weights: &[(&str, u32)]) -> Stage {
    let mut stage = Stage::with(groups);
    let green = TemplateVersion { template: "lt-00000000000000002".parse().unwrap(), version: 1 };
    stage.templates.insert(green, stage.templates[&version(1)].clone());
    stage.traffic = weights.iter().map(|(name, weight)| (target_group(name), vec![*weight])).collect();
    stage.look();
    stage.told.clear();
    stage.journal.clear();
    stage
}

/// One look, after which the world follows and so much time passes.
fn step(stage: &mut Stage, pause: SignedDuration) {
    stage.look();
    stage.arrive();
    stage.leave();
    stage.wait(pause);
}

/// Looks on until the cutover is in this phase.
fn until_phase(stage: &mut Stage, phase: &str) {
    for _ in 0..2000 {
        if stage.cutover_phase() == Some(phase) {
            return;
        }
        step(stage, secs(15));
    }
    panic!("never {phase}: {:#?}\n{:#?}", stage.record().cutover, stage.journal);
}

/// Looks on until no cutover is under way, and returns how the last one ended.
fn until_over(stage: &mut Stage) -> CutoverOutcome {
    for _ in 0..3000 {
        if stage.record().cutover.is_none()
            && let Some(past) = stage.record().memory.past.last()
        {
            let outcome = past.outcome;
            step(stage, secs(15));
            step(stage, secs(15));
            return outcome;
        }
        step(stage, secs(15));
    }
    panic!("never over: {:#?}\n{:#?}", stage.record().cutover, stage.journal);
}

/// The phases that it went through, by the journal.
fn phases(stage: &Stage) -> Vec<&str> {
    let moved = stage.journal.iter().filter(|entry| entry.instance.is_none() && entry.from != entry.to);
    let is_named = |to: &&str| machine::CUTOVER.iter().any(|step| step.to.contains(to));
    moved.map(|entry| entry.to.as_str()).filter(is_named).collect()
}

fn color(stage: &Stage, color: Color) -> &Group {
    let name = format!("app-{color:?}").to_lowercase();
    stage.groups.iter().find(|group| group.name.as_str() == name).unwrap()
}

fn color_mut(stage: &mut Stage, color: Color) -> &mut Group {
    let name = format!("app-{color:?}").to_lowercase();
    stage.groups.iter_mut().find(|group| group.name.as_str() == name).unwrap()
}

/// Makes an alarm ring for the color, or for both where none is named.
fn ring(stage: &mut Stage, name: &str, of: Option<Color>) {
    let now = stage.now;
    let alarm = stage.alarms.get_mut(&name.parse().unwrap()).unwrap();
    alarm.state = AlarmState::Alarm;
    alarm.since = now;
    alarm.reason = "12 of 100 requests failed".into();
    let dimension = |color: Color| target_group(&format!("{color:?}").to_lowercase()).dimension().to_owned();
    alarm.subject = AlarmSubject { target_groups: of.map(dimension).into_iter().collect(), ..AlarmSubject::default() };
}

fn quiet(stage: &mut Stage, name: &str) {
    stage.alarms.get_mut(&name.parse().unwrap()).unwrap().state = AlarmState::Ok;
}

/// Sends a command of ana's.
fn say(stage: &mut Stage, command: Command) {
    say_of(stage, None, command);
}

/// Sends a command of ana's that is about one cutover.
fn say_of(stage: &mut Stage, cutover: Option<String>, command: Command) {
    let request = format!("r-{}", stage.journal.len() + stage.facts.len());
    let (actor, at) = ("ana".into(), stage.now);
    stage.facts.push(Fact::Command(CommandFact { request, fleet: fleet(), actor, at, reason: None, cutover, command }));
}

/// The answer to the last command: whether it was done, and the words.
fn answer(stage: &Stage) -> (bool, String) {
    use driftless_planner::notification::News;
    let answers = stage.told.iter().rev().find_map(|told| {
        if let News::CommandAnswered { is_done, answer, .. } = &told.news {
            Some((*is_done, answer.to_string()))
        } else {
            None
        }
    });
    answers.expect("answered")
}

/// The fleet is as it was before: blue live at its size with its own bounds, green empty, nothing left to put back.
fn is_as_before(stage: &Stage, size: u32) {
    is_at_rest(stage, Color::Blue, size, (1, size + 5), (0, 0));
    assert_eq!(stage.record().release.as_ref().unwrap().image, image_id(1));
}

fn is_at_rest(stage: &Stage, live: Color, size: u32, live_bounds: (u32, u32), idle_bounds: (u32, u32)) {
    let (live_group, idle) = (color(stage, live), color(stage, live.other()));
    assert_eq!(stage.record().live, Some(live));
    assert_eq!(stage.record().ledger, [], "nothing is left to put back");
    assert_eq!(live_group.desired, size);
    assert_eq!((live_group.min, live_group.max), live_bounds, "bounds of the live color");
    assert_eq!((idle.min, idle.max, idle.desired), (idle_bounds.0, idle_bounds.1, 0), "bounds of the idle color");
    assert_eq!(idle.members, []);
    assert!(stage.account.turns.is_empty(), "the turn is given back");
    assert!(live_group.members.iter().all(|member| member.lifecycle == Lifecycle::InService));
}

/// The weights of green that were written, in their order.
fn weights_written(stage: &Stage) -> Vec<u32> {
    let writes = stage.acted.iter().filter_map(|outcome| {
        if let Action::SetWeights { change, .. } = &outcome.action {
            Some(change.weights[&target_group("green")])
        } else {
            None
        }
    });
    writes.collect()
}

/// The members of a color are numbered from its first one.
fn sicken(stage: &mut Stage, of: Color, count: usize) {
    let ids: Vec<_> = color(stage, of).members.iter().take(count).map(|member| member.id.clone()).collect();
    stage.sick.extend(ids);
}

#[test]
fn members_are_numbered() {
    assert_eq!(member(1).id, pair(1)[0].members[0].id);
}
