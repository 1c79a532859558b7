//! Cutovers: one release takes the traffic from another, in all layouts, and every rollback path.

use driftless_planner::action::Action;
use driftless_planner::alarm::AlarmState;
use driftless_planner::fleet::Color;
use driftless_planner::history::Change;
use driftless_planner::observation::{Group, Lifecycle};
use driftless_planner::record::CutoverOutcome;
use driftless_planner::transitions::Step;
use driftless_testkit::{Stage, image_id, pair, secs, target_group};

mod commands;
mod days;
mod events;
mod layouts;
mod measured;
mod trouble;
mod weighted;

/// A fleet of so many behind two target groups, adopted.
pub(crate) fn weighted_fleet(size: u32) -> Stage {
    adopted(pair(size), &[("blue", 100), ("green", 0)])
}

fn adopted(groups: Vec<Group>, weights: &[(&str, u32)]) -> Stage {
    let mut stage = Stage::colored(groups, weights);
    stage.reconcile();
    stage.told.clear();
    stage.history.clear();
    stage
}

/// [`weighted_fleet`], whose cutover to the second image is in this phase.
fn in_phase(size: u32, phase: &str) -> Stage {
    let mut stage = weighted_fleet(size);
    stage.publish(2);
    stage.until_phase(phase);
    stage
}

/// Looks on until no cutover is under way, and returns how the last one ended.
fn until_over(stage: &mut Stage) -> CutoverOutcome {
    for _ in 0..3000 {
        if stage.record().cutover.is_none()
            && let Some(past) = stage.record().memory.past.last()
        {
            let outcome = past.outcome;
            stage.steps(2, secs(15));
            return outcome;
        }
        stage.step(secs(15));
    }
    panic!("never over: {:#?}\n{:#?}", stage.record().cutover, stage.history);
}

/// The phases that it went through, by the history.
fn phases(stage: &Stage) -> Vec<&str> {
    let moved = stage.history.iter().filter_map(|entry| {
        let Change::Cutover { from, to } = &entry.change else { return None };
        match to {
            Step::Enters(phase) => (*from != Some(*phase)).then(|| (*phase).into()),
            Step::Ends(outcome) => Some(outcome.name()),
        }
    });
    moved.collect()
}

fn color(stage: &Stage, color: Color) -> &Group {
    stage.groups.iter().find(|group| is_named(group, color)).unwrap()
}

fn color_mut(stage: &mut Stage, color: Color) -> &mut Group {
    stage.groups.iter_mut().find(|group| is_named(group, color)).unwrap()
}

fn is_named(group: &Group, color: Color) -> bool {
    group.name.as_str() == format!("app-{color:?}").to_lowercase()
}

fn quiet(stage: &mut Stage, name: &str) {
    stage.alarms.get_mut(&name.parse().unwrap()).unwrap().state = AlarmState::Ok;
}

/// The fleet is as it was before: blue live at its size with its own bounds, green empty, nothing left to restored.
fn is_as_before(stage: &Stage, size: u32) {
    is_at_rest(stage, Color::Blue, size, (1, size + 5), (0, 0));
    assert_eq!(stage.record().release.as_ref().unwrap().image, image_id(1));
}

fn is_at_rest(stage: &Stage, live: Color, size: u32, live_bounds: (u32, u32), idle_bounds: (u32, u32)) {
    let (live_group, idle) = (color(stage, live), color(stage, live.other()));
    assert_eq!(stage.record().live, Some(live));
    assert_eq!(stage.record().borrowed_settings, [], "no borrowed setting is left to restore");
    assert_eq!(live_group.desired, size);
    assert_eq!((live_group.min, live_group.max), live_bounds, "bounds of the live color");
    assert_eq!((idle.min, idle.max, idle.desired), (idle_bounds.0, idle_bounds.1, 0), "bounds of the idle color");
    assert_eq!(idle.members, []);
    assert!(stage.account.slots.is_empty(), "the slot is given back");
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
