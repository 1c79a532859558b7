//! Each action after an external change. The planner's `preconditions` tests cover what is compared; these tests show
//! that the loop reads the live values, obeys the result, and writes what was decided.

use std::collections::BTreeMap;

use driftless_planner::action::{Action, ActionResult, CapacityChange, Direction, Role};
use driftless_planner::balancer::AttachmentApi;
use driftless_planner::template::TemplateReference;
use driftless_simulator::aws_writes::AwsWrite;
use driftless_simulator::world::World as State;
use jiff::SignedDuration;

use super::stage::{
    actions, blue, bounds, detach, empty, green, launch, one, other_place, place, set_weights, stage, staged,
    target_group, template, terminate, weights, write_of, writes,
};
use crate::support::names::FORWARDS;
use crate::support::{World, freeze, instance};

/// An external change.
type Hand = fn(&mut State);

/// Makes an external change right before the write, with the expected result. None: the action compares no value.
fn external_change(world: &World, action: &Action) -> Option<ActionResult> {
    let name = action.group().cloned()?;
    let cloud = &mut world.lock().cloud;
    match action {
        Action::SetMaximum { .. } => cloud.edit_group(&name, |group| group.max += 3),
        Action::SetMinimum { .. } => cloud.edit_group(&name, |group| group.min += 1),
        Action::SetDesired { .. }
        | Action::Terminate { .. }
        | Action::EnterStandby { .. }
        | Action::ScaleToZero { .. } => {
            cloud.edit_group(&name, |group| group.desired += 1);
        }
        Action::SetTemplate { .. } => {
            cloud.edit_group(&name, |group| group.template = TemplateReference::Numbered(template(6)));
        }
        Action::SetWeights { .. } => cloud.edit_forward(&place(), |forward| forward.weights = weights(50, 50)),
        Action::Detach { target_group, api, .. } => cloud.detach(&green(), target_group, *api).unwrap(),
        Action::RollBackRefresh { .. } => {
            let other = "4d0c3f1e-93a1-4d8d-8a3b-1f7f0f1e2d3c".parse().unwrap();
            cloud.edit_group(&name, |group| group.refresh.as_mut().unwrap().told.id = other);
            return Some(ActionResult::Gone);
        }
        Action::Launch { .. }
        | Action::Protect { .. }
        | Action::WriteTemplate { .. }
        | Action::Attach { .. }
        | Action::StartRefresh { .. }
        | Action::TakeSlot
        | Action::GiveSlot => return None,
    }
    Some(ActionResult::Changed)
}

#[test]
fn an_external_change_is_kept() {
    let mut compared = 0;
    for (world, action) in staged() {
        let Some(expected) = external_change(&world, &action) else { continue };
        compared += 1;
        assert_eq!(one(&world, &action), expected, "{action:?}");
        assert_eq!(writes(&world), 0, "{action:?}");
    }
    assert_eq!(compared, 10);
}

#[test]
fn an_external_change_to_the_decided_value_counts_as_done() {
    let arrange: [(&str, Hand); 8] = [
        ("set-maximum", |world| world.cloud.edit_group(&blue(), |group| group.max = 7)),
        ("set-minimum", |world| world.cloud.edit_group(&blue(), |group| group.min = 4)),
        ("protect", |world| world.cloud.spare(&instance(2), true)),
        ("enter-standby", |world| world.cloud.enter_standby(&blue(), &instance(1), CapacityChange::Keep).unwrap()),
        ("set-template", |world| world.cloud.set_template(&green(), &template(8)).unwrap()),
        ("set-weights", |world| world.cloud.edit_forward(&place(), |forward| forward.weights = weights(90, 10))),
        ("attach", |world| {
            world.cloud.attach(&green(), &target_group("later"), AttachmentApi::TargetGroups).unwrap();
        }),
        ("detach", |world| {
            world.cloud.detach(&blue(), &target_group("shared"), AttachmentApi::TargetGroups).unwrap();
        }),
    ];
    for (name, arrange) in arrange {
        let world = stage();
        arrange(&mut world.lock());
        let action = actions(&world).into_iter().find(|action| action.name() == name).unwrap();
        assert_eq!((one(&world, &action), writes(&world)), (ActionResult::Done, 0), "{name}");
    }
}

#[test]
fn a_termination_says_whether_the_desired_capacity_goes_down_with_it() {
    for (capacity, desired) in [(CapacityChange::Keep, 4), (CapacityChange::Decrement, 3)] {
        let world = stage();
        assert_eq!(one(&world, &terminate(4, capacity, Role::Drifted)), ActionResult::Done);
        assert_eq!(aws_writes(&world), [AwsWrite::Terminate { instance: instance(1), capacity }]);
        assert_eq!(bounds(&world, &blue()).desired, desired, "{capacity:?}");
    }
}

/// The writes that changed AWS, in order.
fn aws_writes(world: &World) -> Vec<AwsWrite> {
    world.lock().aws_writes.told.iter().map(|(_, aws_write)| aws_write.clone()).collect()
}

#[test]
fn a_frozen_fleet_still_loses_its_extra_instance_and_keeps_its_drifted_and_its_evidence() {
    for (role, result) in [
        (Role::Drifted, ActionResult::Frozen),
        (Role::Quarantined, ActionResult::Frozen),
        (Role::Extra, ActionResult::Done),
    ] {
        let world = stage();
        freeze(&mut world.lock(), None);
        assert_eq!(one(&world, &terminate(4, CapacityChange::Decrement, role)), result, "{role:?}");
    }
}

#[test]
fn a_launch_goes_to_the_decided_zone_and_a_failed_one_says_why() {
    let world = stage();
    let ActionResult::Launched(successor) = one(&world, &launch()) else { panic!() };
    assert_eq!(world.lock().cloud.instances()[&successor].zone.as_str(), "eu-central-1b");
    // No room under the maximum: AWS repeats its refusal when asked again.
    let world = stage();
    world.lock().cloud.edit_group(&blue(), |group| group.max = 4);
    let refused = "ValidationError: the requested capacity exceeds the maximum size of the group";
    assert_eq!(one(&world, &launch()), ActionResult::Failed(refused.into()));
    // No capacity in the zone: AWS tries and reports why the launch failed.
    let world = stage();
    world.lock().cloud.set_short(&"eu-central-1b".parse().unwrap(), true);
    let ActionResult::Failed(told) = one(&world, &launch()) else { panic!() };
    assert!(told.as_str().contains("sufficient"), "{told}");
}

#[test]
fn weights_go_to_a_color_with_as_many_healthy_targets_as_the_gate_asks_for_and_not_with_one_fewer() {
    for (needed, result) in [(1, ActionResult::Done), (2, ActionResult::Done), (3, ActionResult::Changed)] {
        let world = stage();
        let action = set_weights(&BTreeMap::from([(target_group("app-green"), needed), (target_group("app-blue"), 0)]));
        assert_eq!(one(&world, &action), result, "{needed}");
        assert_eq!(world.count("set-weights"), u64::from(result == ActionResult::Done), "{needed}");
    }
}

#[test]
fn the_stickiness_of_a_forward_action_is_compared_and_written_with_its_weights() {
    let day = SignedDuration::from_hours(24);
    let sticky = |expected, wanted| {
        let Action::SetWeights { group, mut change, gate, direction } = set_weights(&BTreeMap::new()) else { panic!() };
        (change.expected_stickiness, change.stickiness) = (expected, wanted);
        Action::SetWeights { group, change, gate, direction }
    };
    for (live, expected, wanted, result) in [
        (Some(day), Some(day), None, ActionResult::Done),
        (Some(day), None, None, ActionResult::Changed),
        (None, Some(day), None, ActionResult::Changed),
        (None, None, Some(day), ActionResult::Done),
    ] {
        let world = stage();
        world.lock().cloud.edit_forward(&place(), |forward| forward.stickiness = live);
        assert_eq!(one(&world, &sticky(expected, wanted)), result, "{live:?} {expected:?}");
        let written = if result == ActionResult::Done { wanted } else { live };
        assert_eq!(world.lock().cloud.forwards_now()[&place()].stickiness, written);
    }
    // The weights alone do not make the action done: the stickiness differs.
    let world = stage();
    world.lock().cloud.edit_forward(&place(), |forward| {
        (forward.weights, forward.stickiness) = (weights(90, 10), Some(day));
    });
    assert_eq!(one(&world, &sticky(Some(day), None)), ActionResult::Changed);
}

#[test]
fn a_forward_action_that_is_gone_has_no_weights_to_write() {
    let world = stage();
    world.lock().cloud.remove_forward(&place());
    assert_eq!((one(&world, &set_weights(&BTreeMap::new())), writes(&world)), (ActionResult::Gone, 0));
}

#[test]
fn a_freeze_blocks_traffic_on_its_way_forward_and_never_in_a_rollback() {
    for (direction, is_held) in [(Direction::Forward, true), (Direction::Back, false)] {
        for (world, action) in staged() {
            let Some(action) = towards(action, direction) else { continue };
            freeze(&mut world.lock(), None);
            let result = one(&world, &action);
            assert_eq!(result == ActionResult::Frozen, is_held, "{direction:?} {action:?}");
            assert_eq!(world.count(write_of(&action)), u64::from(!is_held), "{direction:?} {action:?}");
        }
    }
}

/// The action in the other direction. None: the action has no direction.
fn towards(action: Action, to: Direction) -> Option<Action> {
    let mut action = action;
    if let Action::ScaleToZero { direction, .. }
    | Action::SetWeights { direction, .. }
    | Action::Attach { direction, .. }
    | Action::Detach { direction, .. } = &mut action
    {
        *direction = to;
        return Some(action);
    }
    None
}

#[test]
fn a_shared_target_group_is_scaled_to_zero_only_while_enough_of_the_other_color_are_healthy_in_it() {
    for (needed, result) in [(1, ActionResult::Done), (2, ActionResult::Done), (3, ActionResult::Changed)] {
        let world = stage();
        assert_eq!(one(&world, &detach(needed)), result, "{needed}, of two");
        let attached = world.lock().cloud.groups()[&blue()].target_groups.contains(&target_group("shared"));
        assert_eq!(attached, result == ActionResult::Changed, "{needed}");
    }
}

#[test]
fn a_color_gets_the_shared_target_group_only_with_as_many_in_service_as_the_gate_asks_for() {
    for (needed, result) in [(1, ActionResult::Done), (2, ActionResult::Done), (3, ActionResult::Changed)] {
        let world = stage();
        let attach = actions(&world).into_iter().find_map(|mut action| {
            if let Action::Attach { in_service, .. } = &mut action {
                *in_service = needed;
                return Some(action);
            }
            None
        });
        assert_eq!(one(&world, &attach.unwrap()), result, "{needed}");
    }
}

#[test]
fn attachments_use_the_family_that_was_decided() {
    for family in [AttachmentApi::TargetGroups, AttachmentApi::TrafficSources] {
        let world = stage();
        for mut action in actions(&world) {
            if let Action::Attach { api, .. } | Action::Detach { api, .. } = &mut action {
                *api = family;
                // AWS detaches a target group only by the API family that attached it.
                let is_done = family == AttachmentApi::TargetGroups || matches!(action, Action::Attach { .. });
                assert_eq!(one(&world, &action) == ActionResult::Done, is_done, "{action:?}");
            }
        }
        let attached = AwsWrite::Attach { group: green(), target_group: target_group("later"), api: family };
        assert_eq!(aws_writes(&world)[0], attached);
    }
}

#[test]
fn a_color_with_any_traffic_is_not_scaled_to_zero() {
    // One forward action with traffic is enough, at any listener.
    let world = stage();
    world.lock().cloud.add_forward(&other_place(2), [(target_group("app-green"), 1)].into(), 0);
    assert_eq!(one(&world, &empty(Some(target_group("app-green")))), ActionResult::Changed);
    // A layout without its own target group has no weight to compare.
    let world = stage();
    assert_eq!(one(&world, &empty(None)), ActionResult::Done);
    assert_eq!(world.count(FORWARDS), 0);
}
