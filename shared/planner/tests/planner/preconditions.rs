//! What is compared right before each write.

use std::collections::BTreeMap;

use driftless_planner::action::{
    Action, ActionResult, Bounds, CapacityChange, Direction, Protection, Role, WeightChange,
};
use driftless_planner::balancer::AttachmentApi;
use driftless_planner::ids::GroupName;
use driftless_planner::observation::{Group, Lifecycle, Member, TargetHealth};
use driftless_planner::policy::Percent;
use driftless_planner::precondition;
use driftless_planner::precondition::{Live, Precondition, needs};
use driftless_planner::refresh::{RefreshPlan, RefreshStatus};
use driftless_planner::template::TemplateReference;
use driftless_testkit::{GROUP, forward, group, id, image_id, mins, refresh, secs, target_group, version};

use Precondition::{Changed, Done, Frozen, Gone, Proceed};

fn name() -> GroupName {
    GROUP.parse().unwrap()
}

fn set_weights(change: impl FnOnce(&mut WeightChange)) -> Action {
    let weights = |app, other| BTreeMap::from([(target_group("app"), app), (target_group("other"), other)]);
    let mut weight_change = WeightChange {
        place: forward(0, BTreeMap::new()).place,
        expected: weights(0, 100),
        weights: weights(10, 90),
        expected_stickiness: Some(secs(60)),
        stickiness: None,
    };
    change(&mut weight_change);
    let gate = BTreeMap::from([(target_group("app"), 3)]);
    Action::SetWeights { group: name(), change: weight_change, gate, direction: Direction::Forward }
}

fn terminate(role: Role) -> Action {
    let capacity = CapacityChange::Decrement;
    Action::Terminate { group: name(), instance: id(1), expected_desired: 4, capacity, role }
}

fn protect(protection: Protection) -> Action {
    Action::Protect { group: name(), instance: id(1), protection }
}

/// One of each kind.
fn actions() -> Vec<Action> {
    let (api, direction) = (AttachmentApi::TargetGroups, Direction::Forward);
    let (token, template) = ("token".to_owned(), version(1));
    let plan = RefreshPlan {
        template: version(2),
        min_healthy: Percent::try_from(90).unwrap(),
        alarms: Vec::new(),
        bake: mins(1),
    };
    vec![
        Action::TakeTurn,
        Action::GiveTurn,
        Action::SetMaximum { group: name(), expected: 9, maximum: 10 },
        Action::SetMinimum { group: name(), expected: 1, minimum: 2 },
        Action::SetDesired { group: name(), expected: 4, desired: 5, replaces: id(1) },
        Action::Launch { group: name(), zone: "eu-central-1a".parse().unwrap(), replaces: id(1), token: token.clone() },
        Action::WriteTemplate {
            group: name(),
            template: template.template.clone(),
            base: template,
            image: image_id(2),
            token,
        },
        Action::StartRefresh { group: name(), plan },
        protect(Protection::On),
        terminate(Role::Drifted),
        Action::SetAside { group: name(), instance: id(1), expected_desired: 4, capacity: CapacityChange::Decrement },
        Action::Empty {
            group: name(),
            expected: Bounds { min: 1, max: 9, desired: 4 },
            maximum: 9,
            without_traffic: Some(target_group("app")),
            direction,
        },
        Action::SetTemplate { group: name(), expected: TemplateReference::Numbered(version(1)), template: version(2) },
        set_weights(|_| {}),
        Action::Attach { group: name(), target_group: target_group("other"), api, in_service: 3, direction },
        Action::Detach { group: name(), target_group: target_group("app"), api, others_healthy: 3, direction },
        Action::RollBackRefresh { group: name(), refresh: refresh(RefreshStatus::Running).id },
    ]
}

fn the(name: &str) -> Action {
    actions().into_iter().find(|action| action.name() == name).unwrap()
}

/// The world on which all of it was decided: a group of four without traffic, and as many of the other color.
fn live() -> Live {
    let weights = BTreeMap::from([(target_group("app"), 0), (target_group("other"), 100)]);
    let mut forward = forward(0, weights);
    forward.stickiness = Some(secs(60));
    Live {
        is_frozen: false,
        group: Some(group(4)),
        forwards: vec![forward],
        targets: BTreeMap::from([(target_group("app"), (1..=8).map(|at| (id(at), TargetHealth::Healthy)).collect())]),
        refresh: Some(refresh(RefreshStatus::Running)),
    }
}

/// What is left of an action after this happened.
fn after(action: &Action, change: impl FnOnce(&mut Live)) -> Precondition {
    let mut live = live();
    change(&mut live);
    precondition(action, &live)
}

fn of_group(action: &Action, change: impl FnOnce(&mut Group)) -> Precondition {
    after(action, |live| change(live.group.as_mut().unwrap()))
}

fn of_first(action: &Action, change: impl FnOnce(&mut Member)) -> Precondition {
    of_group(action, |group| change(&mut group.members[0]))
}

#[test]
fn what_was_decided_is_written_on_the_world_on_which_it_was_decided() {
    for action in actions() {
        assert_eq!(after(&action, |_| {}), Proceed, "{action:?}");
    }
    assert_eq!(Proceed.result(), None);
}

#[test]
fn what_is_not_written_is_told_as_what_it_met() {
    for (met, told) in [
        (Frozen, ActionResult::Frozen),
        (Gone, ActionResult::Gone),
        (Done, ActionResult::Done),
        (Changed, ActionResult::Changed),
    ] {
        assert_eq!(met.result(), Some(told));
    }
}

#[test]
fn a_freeze_holds_back_what_disrupts_and_no_way_back() {
    let frozen = |action: &Action| after(action, |live| live.is_frozen = true);
    let is_free = |action: &Action| frozen(action) == Proceed;
    let free: Vec<Action> = actions().into_iter().filter(is_free).collect();
    let names: Vec<&str> = free.iter().map(Action::name).collect();
    assert_eq!(names, ["give-turn", "protect", "set-template", "roll-back-refresh"]);
    assert_eq!(frozen(&terminate(Role::Quarantined)), Frozen, "the evidence is kept");
    for mut action in actions() {
        match &mut action {
            // As far down as what runs fits under.
            Action::SetMaximum { maximum, .. } => *maximum = 4,
            Action::SetMinimum { minimum: to, .. } | Action::SetDesired { desired: to, .. } => *to = 0,
            Action::Terminate { role, .. } => *role = Role::Surplus,
            Action::Empty { direction, .. }
            | Action::SetWeights { direction, .. }
            | Action::Attach { direction, .. }
            | Action::Detach { direction, .. } => *direction = Direction::Back,
            Action::Launch { .. }
            | Action::Protect { .. }
            | Action::SetAside { .. }
            | Action::WriteTemplate { .. }
            | Action::SetTemplate { .. }
            | Action::StartRefresh { .. }
            | Action::RollBackRefresh { .. }
            | Action::TakeTurn
            | Action::GiveTurn => continue,
        }
        assert_eq!(frozen(&action), Proceed, "{action:?}");
    }
}

#[test]
fn whatever_is_about_a_group_is_gone_with_it() {
    for action in actions() {
        let expected = if action.group().is_some() { Gone } else { Proceed };
        assert_eq!(after(&action, |live| live.group = None), expected, "{action:?}");
    }
}

#[test]
fn a_bound_is_written_over_the_one_that_was_decided_on_and_only_over_that() {
    let maximum = the("set-maximum");
    let minimum = Action::SetMinimum { group: name(), expected: 9, minimum: 10 };
    for (live, expected) in [(8, Changed), (9, Proceed), (10, Done), (11, Changed)] {
        assert_eq!(of_group(&maximum, |group| group.max = live), expected, "{live}");
        assert_eq!(of_group(&minimum, |group| group.min = live), expected, "{live}");
    }
}

#[test]
fn a_maximum_that_does_not_hold_what_is_wanted_by_now_would_take_instances() {
    let lowered = Action::SetMaximum { group: name(), expected: 9, maximum: 4 };
    for (desired, expected) in [(3, Proceed), (4, Proceed), (5, Changed)] {
        assert_eq!(of_group(&lowered, |group| group.desired = desired), expected, "{desired}");
    }
    // What is so already takes nobody, and what is raised holds whatever was there.
    let is_there = |group: &mut Group| (group.max, group.desired) = (4, 4);
    assert_eq!(of_group(&lowered, is_there), Done);
    assert_eq!(of_group(&the("set-maximum"), |group| group.desired = 9), Proceed);
}

#[test]
fn a_size_that_is_already_as_wanted_may_be_somebody_elses() {
    let desired = the("set-desired");
    for (live, expected) in [(3, Changed), (4, Proceed), (5, Changed)] {
        assert_eq!(of_group(&desired, |group| group.desired = live), expected, "{live}");
    }
}

#[test]
fn a_template_is_written_over_the_one_that_was_decided_on_and_only_over_that() {
    let floating = TemplateReference::Floating { template: version(1).template, alias: "$Latest".to_owned() };
    for (live, expected) in [
        (TemplateReference::Numbered(version(1)), Proceed),
        (TemplateReference::Numbered(version(2)), Done),
        (TemplateReference::Numbered(version(3)), Changed),
        (floating, Changed),
        (TemplateReference::None, Changed),
    ] {
        assert_eq!(of_group(&the("set-template"), |group| group.template = live.clone()), expected, "{live:?}");
    }
}

#[test]
fn protection_is_switched_where_it_is_another_and_of_what_is_there() {
    for (is_on, protection, expected) in [
        (false, Protection::On, Proceed),
        (true, Protection::On, Done),
        (true, Protection::Off, Proceed),
        (false, Protection::Off, Done),
    ] {
        assert_eq!(of_first(&protect(protection), |member| member.protected = is_on), expected, "{protection:?}");
    }
    assert_eq!(of_group(&protect(Protection::Off), |group| drop(group.members.remove(0))), Gone);
}

#[test]
fn what_leaves_or_is_gone_is_taken_out_no_more() {
    for action in [terminate(Role::Drifted), the("set-aside")] {
        assert_eq!(of_first(&action, |member| member.lifecycle = Lifecycle::Terminating), Gone);
        assert_eq!(of_group(&action, |group| drop(group.members.remove(0))), Gone);
        let resized = |group: &mut Group| {
            group.desired = 5;
            group.members.remove(0);
        };
        assert_eq!(of_group(&action, resized), Gone, "also where the size has changed");
    }
}

#[test]
fn whether_the_size_goes_down_with_an_instance_was_decided_on_the_size() {
    for action in [terminate(Role::Drifted), the("set-aside")] {
        for (live, expected) in [(3, Changed), (4, Proceed), (5, Changed)] {
            assert_eq!(of_group(&action, |group| group.desired = live), expected, "{live}");
        }
    }
}

#[test]
fn what_stands_by_is_set_aside_already_and_can_still_be_terminated() {
    let standby = |member: &mut Member| member.lifecycle = Lifecycle::Standby;
    assert_eq!(of_first(&the("set-aside"), standby), Done);
    assert_eq!(of_first(&terminate(Role::Quarantined), standby), Proceed);
}

#[test]
fn a_color_is_let_go_with_the_bounds_that_were_decided_on_and_only_without_traffic() {
    for (min, max, desired, expected) in
        [(1, 9, 4, Proceed), (2, 9, 4, Changed), (1, 8, 4, Changed), (1, 9, 3, Changed), (0, 9, 0, Done)]
    {
        let bounds = |group: &mut Group| (group.min, group.max, group.desired) = (min, max, desired);
        assert_eq!(of_group(&the("empty"), bounds), expected, "{min} {max} {desired}");
    }
    let weighs = |live: &mut Live| live.forwards[0].weights.extend([(target_group("app"), 1)]);
    assert_eq!(after(&the("empty"), weighs), Changed);
    let is_empty = |live: &mut Live| {
        weighs(live);
        live.group.iter_mut().for_each(|group| (group.min, group.max, group.desired) = (0, 9, 0));
    };
    assert_eq!(after(&the("empty"), is_empty), Done, "there is nothing left to let go");
}

#[test]
fn weights_are_written_over_those_that_were_decided_on_and_only_over_those() {
    let action = set_weights(|_| {});
    let weights = |app: u32| move |live: &mut Live| live.forwards[0].weights.extend([(target_group("app"), app)]);
    assert_eq!(after(&action, weights(1)), Changed);
    assert_eq!(after(&action, |live| live.forwards[0].stickiness = None), Changed);
    assert_eq!(after(&action, |live| live.forwards[0].place = forward(1, BTreeMap::new()).place), Gone);
    let written = |live: &mut Live| {
        live.forwards[0].weights = BTreeMap::from([(target_group("app"), 10), (target_group("other"), 90)]);
        live.targets.clear();
    };
    assert_eq!(after(&action, written), Changed, "the stickiness is another");
    let action = set_weights(|change| change.stickiness = change.expected_stickiness);
    assert_eq!(after(&action, written), Done, "however few are healthy by then");
}

/// So many of these instances are healthy in the target group of the group.
fn healthy(live: &mut Live, instances: impl Iterator<Item = u32>, healthy: usize) {
    let health = |at| if at < healthy { TargetHealth::Healthy } else { TargetHealth::Draining };
    let targets = instances.enumerate().map(|(at, number)| (id(number), health(at))).collect();
    live.targets.insert(target_group("app"), targets);
}

#[test]
fn traffic_moves_where_enough_are_healthy_right_before() {
    for (count, expected) in [(2, Changed), (3, Proceed), (4, Proceed)] {
        assert_eq!(after(&set_weights(|_| {}), |live| healthy(live, 1..=8, count)), expected, "{count}");
        // Of a target group that both share, its own do not count: they go.
        assert_eq!(after(&the("detach"), |live| healthy(live, 5..=8, count)), expected, "{count}");
        let in_service = |group: &mut Group| {
            group.members.iter_mut().skip(count).for_each(|member| member.lifecycle = Lifecycle::Pending);
        };
        assert_eq!(of_group(&the("attach"), in_service), expected, "{count}");
    }
    assert_eq!(after(&the("detach"), |live| healthy(live, 1..=4, 4)), Changed);
    let mut gated = set_weights(|_| {});
    let Action::SetWeights { gate, .. } = &mut gated else { unreachable!() };
    gate.insert(target_group("other"), 1);
    assert_eq!(after(&gated, |_| {}), Changed, "there are enough in one target group, and none in the other");
}

#[test]
fn only_what_is_healthy_counts() {
    for (health, expected) in [
        (TargetHealth::Healthy, Proceed),
        (TargetHealth::Initial, Changed),
        (TargetHealth::Unused, Changed),
        (TargetHealth::Unavailable, Changed),
        (TargetHealth::Draining, Changed),
        (TargetHealth::Unhealthy("timeout".into()), Changed),
    ] {
        let third = |live: &mut Live| {
            healthy(live, 5..=7, 2);
            live.targets.get_mut(&target_group("app")).unwrap().insert(id(7), health.clone());
        };
        assert_eq!(after(&set_weights(|_| {}), third), expected, "{health:?}");
        assert_eq!(after(&the("detach"), third), expected, "{health:?}");
    }
}

#[test]
fn what_is_attached_or_detached_already_is_so_however_few_are_healthy() {
    let none = |live: &mut Live| {
        live.targets.clear();
        live.group.iter_mut().for_each(|group| group.members.clear());
    };
    let attached = |live: &mut Live| {
        none(live);
        live.group.iter_mut().for_each(|group| group.target_groups = vec![target_group("other")]);
    };
    assert_eq!((after(&the("attach"), none), after(&the("attach"), attached)), (Changed, Done));
    assert_eq!((after(&the("detach"), none), after(&the("detach"), attached)), (Changed, Done));
}

#[test]
fn only_the_refresh_that_was_decided_on_is_sent_back_and_only_while_it_is_under_way() {
    for (status, expected) in [
        (RefreshStatus::Running, Proceed),
        (RefreshStatus::Baking, Proceed),
        (RefreshStatus::GoingBack, Done),
        (RefreshStatus::Successful, Gone),
        (RefreshStatus::Stopped, Gone),
        (RefreshStatus::WentBack, Gone),
        (RefreshStatus::CouldNotGoBack, Gone),
    ] {
        assert_eq!(
            after(&the("roll-back-refresh"), |live| live.refresh = Some(refresh(status))),
            expected,
            "{status:?}"
        );
    }
    let other =
        |live: &mut Live| live.refresh.as_mut().unwrap().id = "7a2f6f0e-1f5b-4a5e-9d2c-0d9c7a1b2c3d".parse().unwrap();
    assert_eq!(after(&the("roll-back-refresh"), other), Gone);
    assert_eq!(after(&the("roll-back-refresh"), |live| live.refresh = None), Gone);
}

#[test]
fn whatever_counts_is_read() {
    let worlds: [fn(&mut Live); 4] = [
        |_| {},
        |live| live.forwards[0].weights = BTreeMap::from([(target_group("app"), 50), (target_group("other"), 50)]),
        |live| healthy(live, 1..=8, 2),
        |live| live.refresh = Some(refresh(RefreshStatus::GoingBack)),
    ];
    for (action, change) in actions().iter().flat_map(|action| worlds.map(|change| (action, change))) {
        let needs = needs(action);
        let read = |live: &mut Live| {
            change(live);
            live.forwards.retain(|forward| forward.weights.keys().any(|arn| needs.forwards.contains(arn)));
            live.targets.retain(|arn, _| needs.targets.contains(arn));
            live.refresh.take_if(|_| !needs.refresh);
        };
        assert_eq!(after(action, read), after(action, change), "{action:?}");
    }
}
