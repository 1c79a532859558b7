//! Lists of actions: carried out in order while each one comes out as decided and time is left. Also cutover slots.

use driftless_planner::action::{Action, ActionResult, CapacityChange, Role};
use driftless_planner::limits::CUTOVERS_MAX;
use driftless_reconciler::ports::CallErrorKind;
use driftless_simulator::faults::Fate;
use jiff::SignedDuration;

use super::stage::{
    all, blue, bounds, launch, one, set_maximum, slots_of_others, stage, staged, terminate, until, writes,
};
use crate::support::names::GROUP;
use crate::support::{CALL, World, fleet_name, instance};

fn results(world: &World, actions: &[Action]) -> Vec<ActionResult> {
    all(world, actions).outcomes.into_iter().map(|outcome| outcome.result).collect()
}

#[test]
fn actions_are_done_in_their_order_each_on_what_the_one_before_left() {
    let world = stage();
    let actions = [set_maximum(6, 7), set_maximum(7, 8), set_maximum(8, 6)];
    assert_eq!(results(&world, &actions), [ActionResult::Done, ActionResult::Done, ActionResult::Done]);
    assert_eq!(bounds(&world, &blue()).max, 6);
    assert_eq!(world.count(GROUP), 3, "read again before each");
}

#[test]
fn after_an_action_that_does_not_come_out_as_decided_none_follows() {
    for kind in [
        CallErrorKind::Busy,
        CallErrorKind::Throttled,
        CallErrorKind::Denied,
        CallErrorKind::Unsupported,
        CallErrorKind::Refused,
        CallErrorKind::Unavailable,
    ] {
        let world = stage();
        world.fault("launch", 0..1, Fate::Fails(kind));
        assert_eq!(results(&world, &[launch(), set_maximum(6, 7)]).len(), 1, "{kind}");
        assert_eq!(world.count("set-maximum"), 0, "{kind}");
    }
    let world = stage();
    assert_eq!(results(&world, &[set_maximum(5, 7), launch()]), [ActionResult::Changed]);
    assert_eq!(writes(&world), 0);
}

#[test]
fn a_missing_resource_does_not_stop_the_actions_that_follow() {
    let world = stage();
    world.lock().cloud.kill(&instance(1));
    let gone = terminate(4, CapacityChange::Keep, Role::Drifted);
    assert_eq!(results(&world, &[gone, set_maximum(6, 7)]), [ActionResult::Gone, ActionResult::Done]);
}

#[test]
fn no_action_begins_when_the_time_is_up_and_the_rest_is_left() {
    // A read and a write take equally long. An action whose read ends exactly at the deadline is not written.
    let moment = SignedDuration::from_millis(1);
    for (left, read, written) in [
        (SignedDuration::ZERO, 0, 0),
        (CALL, 1, 0),
        (CALL + moment, 1, 1),
        (CALL * 2, 1, 1),
        (CALL * 3, 2, 1),
        (CALL * 3 + moment, 2, 2),
    ] {
        let world = stage();
        let acted = until(&world, &[set_maximum(6, 5), set_maximum(5, 4)], world.now() + left);
        assert_eq!((acted.outcomes.len(), writes(&world)), (usize::try_from(written).unwrap(), written), "{left:#}");
        assert_eq!(world.count(GROUP), read, "{left:#}");
        assert_eq!(acted.is_out_of_time, written < 2, "{left:#}");
    }
}

#[test]
fn no_write_begins_once_its_own_reads_have_used_up_the_time() {
    let moment = SignedDuration::from_millis(1);
    for (left, written) in [(-moment, 0), (SignedDuration::ZERO, 0), (moment, 1)] {
        for (world, action) in staged() {
            // All values are read in parallel.
            let read_in = if action.group().is_some() || action.is_disruptive() { CALL } else { SignedDuration::ZERO };
            let acted = until(&world, std::slice::from_ref(&action), world.now() + read_in + left);
            assert_eq!((writes(&world), acted.is_out_of_time), (written, written == 0), "{action:?}: {left:#}");
        }
    }
}

#[test]
fn nothing_to_do_is_nothing_done() {
    let world = stage();
    let acted = all(&world, &[]);
    assert!(acted.outcomes.is_empty() && !acted.is_out_of_time);
    assert_eq!(world.names_since(0), Vec::<&str>::new());
}

#[test]
fn a_slot_is_taken_while_one_is_left_and_never_one_more() {
    for (taken, result) in [
        (CUTOVERS_MAX - 1, ActionResult::Done),
        (CUTOVERS_MAX, ActionResult::NoSlot),
        (CUTOVERS_MAX + 1, ActionResult::NoSlot),
    ] {
        let world = stage();
        slots_of_others(&world, taken);
        assert_eq!(one(&world, &Action::TakeSlot), result, "{taken} taken");
        let holds = world.lock().table.account().slots.contains_key(&fleet_name());
        assert_eq!(holds, result == ActionResult::Done, "{taken} taken");
    }
}

#[test]
fn nothing_follows_when_no_slot_is_left() {
    let world = stage();
    slots_of_others(&world, CUTOVERS_MAX);
    assert_eq!(results(&world, &[Action::TakeSlot, set_maximum(6, 7)]), [ActionResult::NoSlot]);
    assert_eq!(world.count("set-maximum"), 0);
}

#[test]
fn a_fleet_keeps_its_slot_however_many_others_hold_one() {
    let world = stage();
    assert_eq!(one(&world, &Action::TakeSlot), ActionResult::Done);
    let since = world.lock().table.account().slots[&fleet_name()];
    slots_of_others(&world, CUTOVERS_MAX - 1);
    assert_eq!(one(&world, &Action::TakeSlot), ActionResult::Done);
    let slots = world.lock().table.account().slots.clone();
    assert_eq!((slots.len(), slots[&fleet_name()]), (CUTOVERS_MAX, since));
}

#[test]
fn a_slot_that_is_returned_is_free_for_another_fleet() {
    let world = stage();
    slots_of_others(&world, CUTOVERS_MAX - 1);
    let both = [Action::TakeSlot, Action::GiveSlot];
    assert_eq!(results(&world, &both), [ActionResult::Done, ActionResult::Done]);
    assert_eq!(world.lock().table.account().slots.len(), CUTOVERS_MAX - 1);
    assert_eq!(one(&world, &Action::GiveSlot), ActionResult::Done, "without one there is nothing to give");
}

#[test]
fn slots_are_about_no_group() {
    let world = stage();
    results(&world, &[Action::TakeSlot, Action::GiveSlot]);
    assert_eq!(world.count(GROUP), 0);
}
