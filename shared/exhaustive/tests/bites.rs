//! Faulty planners: the exploration must find each of them by the property that it violates.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use driftless_exhaustive::explore::{Unfinished, explore};
use driftless_exhaustive::setups::{self, Setup};
use driftless_exhaustive::small::{Planner, Small};
use driftless_planner::action::Action;
use driftless_planner::decision::Decision;
use driftless_planner::input::Input;
use driftless_planner::observation::TargetHealth;

/// The exploration finds every faulty planner within so many states.
const STATES_MAX: usize = 60_000;

/// The property that this planner violates, and the counterexample.
fn found_out(setup: Setup, planner: Planner) -> (&'static str, String) {
    let model = Small::new(setup, planner).unwrap();
    match explore(&model, |progress| progress.states <= STATES_MAX) {
        Err(Unfinished::Counterexample { broken, story, .. }) => (broken.property, story),
        Err(stopped @ Unfinished::Stopped(_)) => panic!("not found out: {stopped}"),
        Ok(explored) => panic!("not found out in all of {} states", explored.states),
    }
}

fn forgets_borrowed_settings(input: Input<'_>) -> Decision {
    let mut decision = driftless_planner::decide(input);
    decision.next.borrowed_settings.clear();
    decision
}

#[test]
fn a_planner_that_forgets_a_borrowed_setting_is_found() {
    let (property, story) = found_out(setups::drift(), forgets_borrowed_settings);
    assert_eq!(property, "no setting is changed without a row in the borrowed settings");
    assert!(story.contains("drifts") && story.contains("2m pass"), "{story}");
}

fn never_scales_to_zero(input: Input<'_>) -> Decision {
    let mut decision = driftless_planner::decide(input);
    decision.actions.retain(|action| !matches!(action, Action::ScaleToZero { .. }));
    decision
}

#[test]
fn a_planner_that_never_scales_the_old_color_to_zero_is_found() {
    let (property, story) = found_out(setups::cutover("cutover", "", &[], 0), never_scales_to_zero);
    assert_eq!(property, "every path ends at rest once faults stop");
    assert!(story.contains("faults stop"), "{story}");
}

fn takes_all_for_healthy(input: Input<'_>) -> Decision {
    let mut seen = input.seen.clone();
    let targets = std::mem::take(&mut seen.targets).into_iter().map(|(arn, targets)| {
        let all_healthy = |(id, _)| (id, TargetHealth::Healthy);
        (arn, targets.map(|targets| targets.into_iter().map(all_healthy).collect()))
    });
    seen.targets = targets.collect();
    for member in seen.groups.iter_mut().flat_map(|group| &mut group.members) {
        if member.lifecycle == driftless_planner::observation::Lifecycle::Pending {
            member.lifecycle = driftless_planner::observation::Lifecycle::InService;
        }
    }
    driftless_planner::decide(Input { seen: &seen, ..input })
}

#[test]
fn a_planner_that_terminates_before_the_replacement_instance_is_healthy_is_found() {
    let (property, _) = found_out(setups::drift(), takes_all_for_healthy);
    assert_eq!(property, "the healthy instances stay at the minimum healthy");
}

fn asks_for_no_look(input: Input<'_>) -> Decision {
    Decision { recheck: None, ..driftless_planner::decide(input) }
}

#[test]
fn a_planner_that_asks_for_no_requeue_is_found() {
    let (property, _) = found_out(setups::drift(), asks_for_no_look);
    assert_eq!(property, "every wait has a requeue");
}

fn ignores_freezes(input: Input<'_>) -> Decision {
    driftless_planner::decide(Input { freezes: &[], ..input })
}

#[test]
fn a_planner_that_ignores_a_freeze_is_found() {
    let (property, _) = found_out(setups::anything("anything", "", 1, 1), ignores_freezes);
    assert_eq!(property, "under a freeze nothing disruptive starts");
}

fn launches_with_a_new_token_each_time(input: Input<'_>) -> Decision {
    let now = input.now;
    let mut decision = driftless_planner::decide(input);
    let version = decision.next.version;
    for action in &mut decision.actions {
        if let Action::Launch { token, .. } = action {
            *token = format!("{token}-{}-{version}", now.as_second());
        }
    }
    decision
}

#[test]
fn a_planner_that_launches_with_a_new_token_after_a_lost_response_is_found() {
    let (property, _) = found_out(setups::anything("anything", "", 1, 1), launches_with_a_new_token_each_time);
    assert_eq!(property, "no more instances are launched than the budget allows");
}

fn terminates_whatever_is_blocked(input: Input<'_>) -> Decision {
    let seen = input.seen;
    let mut decision = driftless_planner::decide(input);
    if let (Some(id), Some(group)) = (decision.waiting.keys().next(), seen.groups.first()) {
        decision.actions.push(Action::Terminate {
            group: group.name.clone(),
            instance: id.clone(),
            expected_desired: group.desired,
            capacity: driftless_planner::action::CapacityChange::Keep,
            role: driftless_planner::action::Role::Drifted,
        });
    }
    decision
}

#[test]
fn a_planner_that_terminates_without_a_committed_reason_is_found() {
    let (property, _) = found_out(setups::drift(), terminates_whatever_is_blocked);
    assert_eq!(property, "a decision is well formed");
}

fn more_than_the_budget() -> Setup {
    let mut setup = setups::drift();
    setup.policy.extend([("budget", "2"), ("breaker", "100%")]);
    Setup { drifted_max: 2, ..setup }
}

#[test]
fn a_planner_that_exceeds_the_budget_is_found() {
    let (property, _) = found_out(more_than_the_budget(), driftless_planner::decide);
    assert_eq!(property, "no more instances are replaced at once than the budget allows");
}

fn moves_traffic_before_health(input: Input<'_>) -> Decision {
    let mut decision = takes_all_for_healthy(input);
    for action in &mut decision.actions {
        if let Action::SetWeights { gate, .. } = action {
            gate.clear();
        }
    }
    decision
}

#[test]
fn a_planner_that_moves_traffic_before_health_is_found() {
    let (property, _) = found_out(setups::cutover("cutover", "", &[], 0), moves_traffic_before_health);
    assert_eq!(
        property,
        "traffic goes only to a color that has its minimum healthy, or back to a color that has healthy instances"
    );
}

fn keeps_its_slot(input: Input<'_>) -> Decision {
    let mut decision = driftless_planner::decide(input);
    decision.actions.retain(|action| *action != Action::GiveSlot);
    decision
}

#[test]
fn a_planner_that_keeps_its_slot_is_found() {
    let (property, _) = found_out(setups::cutover("cutover", "", &[], 0), keeps_its_slot);
    assert_eq!(property, "at rest the live color has all of the traffic, and no cutover slot is taken");
}
