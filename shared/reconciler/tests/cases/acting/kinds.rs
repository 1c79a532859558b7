//! Properties of every kind of action: done once, repeated, on a missing resource, under a freeze, and with every kind
//! of call error.

use std::collections::BTreeSet;

use driftless_planner::action::{Action, ActionResult};
use driftless_reconciler::ports::CallErrorKind;
use driftless_simulator::faults::Fate;

use super::stage::{actions, blue, green, one, read_of, refresh, seen, stage, staged, template, write_of, writes};
use crate::support::names::GROUP;
use crate::support::{World, freeze};

const KINDS: [CallErrorKind; 8] = [
    CallErrorKind::Gone,
    CallErrorKind::Busy,
    CallErrorKind::Throttled,
    CallErrorKind::Denied,
    CallErrorKind::Unsupported,
    CallErrorKind::Refused,
    CallErrorKind::Unavailable,
    CallErrorKind::Unreadable,
];

/// The result of an action on the stage. A new kind of action must be added here.
fn done(world: &World, action: &Action) -> ActionResult {
    match action {
        Action::Launch { .. } => ActionResult::Launched(world.launched().pop().unwrap()),
        Action::WriteTemplate { .. } => ActionResult::Written(template(9)),
        Action::StartRefresh { .. } => ActionResult::Started(refresh(&world.lock(), &blue()).unwrap().id),
        Action::SetMaximum { .. }
        | Action::SetMinimum { .. }
        | Action::SetDesired { .. }
        | Action::Protect { .. }
        | Action::Terminate { .. }
        | Action::EnterStandby { .. }
        | Action::TakeSlot
        | Action::GiveSlot
        | Action::ScaleToZero { .. }
        | Action::SetTemplate { .. }
        | Action::SetWeights { .. }
        | Action::Attach { .. }
        | Action::Detach { .. }
        | Action::RollBackRefresh { .. } => ActionResult::Done,
    }
}

#[test]
fn the_stage_has_an_action_of_each_kind() {
    let actions = actions(&stage());
    let names: BTreeSet<&str> = actions.iter().map(Action::name).collect();
    assert_eq!((names.len(), actions.len()), (17, 17));
}

#[test]
fn each_action_makes_one_write_and_answers_what_came_of_it() {
    for (world, action) in staged() {
        let before = seen(&world);
        let result = one(&world, &action);
        assert_eq!(result, done(&world, &action), "{action:?}");
        assert_eq!((writes(&world), world.count(write_of(&action))), (1, 1), "{action:?}");
        // Returning a slot that the fleet does not hold changes nothing.
        assert_eq!(seen(&world) == before, action == Action::GiveSlot, "{action:?}");
    }
}

#[test]
fn an_action_that_is_repeated_changes_nothing_more() {
    for (world, action) in staged() {
        let first = one(&world, &action);
        let after = seen(&world);
        let again = one(&world, &action);
        let (result, further_writes) = match &action {
            // AWS returns the first result again: it knows the token.
            Action::Launch { .. } | Action::WriteTemplate { .. } => (first, 1),
            // A desired capacity that is one higher may be an external change too.
            Action::SetDesired { .. } => (ActionResult::Changed, 0),
            Action::Terminate { .. } => (ActionResult::Gone, 0),
            Action::StartRefresh { .. } => {
                (ActionResult::Busy("busy: InstanceRefreshInProgress: an instance refresh is under way".into()), 1)
            }
            // The table compares in one conditional write.
            Action::TakeSlot | Action::GiveSlot => (ActionResult::Done, 1),
            Action::SetMaximum { .. }
            | Action::SetMinimum { .. }
            | Action::Protect { .. }
            | Action::EnterStandby { .. }
            | Action::ScaleToZero { .. }
            | Action::SetTemplate { .. }
            | Action::SetWeights { .. }
            | Action::Attach { .. }
            | Action::Detach { .. }
            | Action::RollBackRefresh { .. } => (ActionResult::Done, 0),
        };
        assert_eq!(again, result, "{action:?}");
        assert_eq!(writes(&world), 1 + further_writes, "{action:?}");
        assert_eq!(seen(&world), after, "{action:?}");
    }
}

#[test]
fn an_answer_that_was_lost_leads_to_one_effect() {
    for (world, action) in staged() {
        world.fault(write_of(&action), 0..1, Fate::ReplyLost);
        let lost = one(&world, &action);
        assert!(matches!(lost, ActionResult::Busy(_)), "{action:?}: {lost:?}");
        let after = seen(&world);
        one(&world, &action);
        assert_eq!(seen(&world), after, "{action:?}");
    }
}

#[test]
fn a_missing_resource_is_not_written_to() {
    for (world, action) in staged().filter(|(_, action)| action.group().is_some()) {
        world.before(GROUP, 0, |world| [blue(), green()].iter().for_each(|group| world.cloud.remove_group(group)));
        assert_eq!(one(&world, &action), ActionResult::Gone, "{action:?}");
        assert_eq!(writes(&world), 0, "{action:?}");
    }
}

#[test]
fn a_write_that_fails_says_what_that_means_and_is_not_tried_again() {
    for kind in KINDS {
        for (world, action) in staged() {
            let before = seen(&world);
            world.fault(write_of(&action), 0..1, Fate::Fails(kind));
            let result = one(&world, &action);
            assert_eq!(result, meaning(kind, &action), "{kind} on {action:?}");
            assert_eq!(writes(&world), 1, "{kind} on {action:?}");
            assert_eq!(seen(&world), before, "{kind} on {action:?}");
        }
    }
}

#[test]
fn nothing_is_written_when_the_read_before_it_fails() {
    for kind in KINDS {
        for (world, action) in staged() {
            let Some(read) = read_of(&action) else { continue };
            world.fault(read, 0..1, Fate::Fails(kind));
            assert_eq!(one(&world, &action), meaning(kind, &action), "{kind} on {action:?}");
            assert_eq!(writes(&world), 0, "{kind} on {action:?}");
        }
    }
}

/// The result that a failed call leads to.
fn meaning(kind: CallErrorKind, action: &Action) -> ActionResult {
    let message = if kind == CallErrorKind::Throttled { "Rate exceeded" } else { "as planned" };
    let creates = matches!(action, Action::Launch { .. } | Action::WriteTemplate { .. } | Action::StartRefresh { .. });
    match kind {
        CallErrorKind::Gone => ActionResult::Gone,
        CallErrorKind::Denied => ActionResult::Denied(message.into()),
        CallErrorKind::Unsupported => ActionResult::Unsupported,
        CallErrorKind::Refused if creates => ActionResult::Failed(message.into()),
        CallErrorKind::Refused => ActionResult::Busy(message.into()),
        CallErrorKind::Busy | CallErrorKind::Throttled | CallErrorKind::Unavailable | CallErrorKind::Unreadable => {
            ActionResult::Busy(format!("{kind}: {message}").as_str().into())
        }
    }
}

#[test]
fn a_freeze_blocks_disruptive_actions_only() {
    for (world, action) in staged() {
        freeze(&mut world.lock(), None);
        let result = one(&world, &action);
        if action.is_disruptive() {
            assert_eq!((result, writes(&world)), (ActionResult::Frozen, 0), "{action:?}");
        } else {
            assert_eq!((result, writes(&world)), (done(&world, &action), 1), "{action:?}");
        }
    }
}

#[test]
fn a_freeze_that_cannot_be_read_blocks_disruptive_actions_only() {
    for (world, action) in staged() {
        world.fault("freezes", 0..1, Fate::Fails(CallErrorKind::Unavailable));
        let result = one(&world, &action);
        if action.is_disruptive() {
            let busy = ActionResult::Busy("unavailable: as planned".into());
            assert_eq!((result, writes(&world)), (busy, 0), "{action:?}");
        } else {
            assert_eq!((result, writes(&world)), (done(&world, &action), 1), "{action:?}");
        }
    }
}

#[test]
fn an_expired_freeze_blocks_nothing() {
    for (world, action) in staged() {
        freeze(&mut world.lock(), Some(0));
        assert_eq!(one(&world, &action), done(&world, &action), "{action:?}");
    }
}

#[test]
fn the_live_values_are_read_once_and_together_with_the_freezes() {
    for (world, action) in staged().filter(|(_, action)| action.group().is_some()) {
        one(&world, &action);
        assert_eq!(world.count(GROUP), 1, "{action:?}");
        assert_eq!(world.count("freezes"), u64::from(action.is_disruptive()), "{action:?}");
    }
}
