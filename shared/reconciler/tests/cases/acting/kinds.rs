//! What holds for every kind of action: done once, repeated, on what is gone, frozen, and with every way in which a call
//! can fail.

use std::collections::BTreeSet;

use driftless_planner::action::{Action, ActionResult};
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_reconciler::ports::CallErrorKind;

use super::stage::{actions, one, read_of, seen, stage, template, write_of, writes};
use crate::support::{Fault, World, fleet_name, group_name};

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

/// What doing it on the stage answers. An action of a new kind has no place here before it has one on the stage.
fn done(world: &World, action: &Action) -> ActionResult {
    match action {
        Action::Launch { token, .. } => ActionResult::Launched(world.lock().tokens[token].clone()),
        Action::WriteTemplate { .. } => ActionResult::Written(template(9)),
        Action::StartRefresh { .. } => ActionResult::Started(world.lock().refreshes[&group_name()].id.clone()),
        Action::SetMaximum { .. }
        | Action::SetMinimum { .. }
        | Action::SetDesired { .. }
        | Action::Protect { .. }
        | Action::Terminate { .. }
        | Action::SetAside { .. }
        | Action::TakeTurn
        | Action::GiveTurn
        | Action::Empty { .. }
        | Action::SetTemplate { .. }
        | Action::SetWeights { .. }
        | Action::Attach { .. }
        | Action::Detach { .. }
        | Action::RollBackRefresh { .. } => ActionResult::Done,
    }
}

fn is_frozen(world: &World) {
    let mut state = world.lock();
    let since = state.now;
    let scope = FreezeScope::Fleet(fleet_name());
    state.freezes.push(Freeze { reason: "incident".into(), owner: "ana".into(), since, expires_at: None, scope });
}

#[test]
fn the_stage_has_an_action_of_each_kind() {
    let names: BTreeSet<&str> = actions().iter().map(Action::name).collect();
    assert_eq!((names.len(), actions().len()), (17, 17));
}

#[test]
fn each_action_makes_one_write_and_answers_what_came_of_it() {
    for action in actions() {
        let world = stage();
        let before = seen(&world);
        let result = one(&world, &action);
        assert_eq!(result, done(&world, &action), "{action:?}");
        assert_eq!((writes(&world), world.count(write_of(&action))), (1, 1), "{action:?}");
        // Giving back what was never taken is all that there is to it.
        assert_eq!(seen(&world) == before, action == Action::GiveTurn, "{action:?}");
    }
}

#[test]
fn an_action_that_is_repeated_changes_nothing_more() {
    for action in actions() {
        let world = stage();
        let first = one(&world, &action);
        let after = seen(&world);
        let again = one(&world, &action);
        let (result, further_writes) = match &action {
            // The answer is the first one again: AWS knows the token.
            Action::Launch { .. } | Action::WriteTemplate { .. } => (first, 1),
            // What is one higher may be someone else's doing too.
            Action::SetDesired { .. } => (ActionResult::Changed, 0),
            Action::Terminate { .. } => (ActionResult::Gone, 0),
            Action::StartRefresh { .. } => (ActionResult::Busy("busy: InstanceRefreshInProgress".into()), 1),
            // The table compares, in one conditional write.
            Action::TakeTurn | Action::GiveTurn => (ActionResult::Done, 1),
            Action::SetMaximum { .. }
            | Action::SetMinimum { .. }
            | Action::Protect { .. }
            | Action::SetAside { .. }
            | Action::Empty { .. }
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
    for action in actions() {
        let world = stage();
        world.fault(write_of(&action), 0..1, Fault::LostReply);
        let lost = one(&world, &action);
        assert!(matches!(lost, ActionResult::Busy(_)), "{action:?}: {lost:?}");
        let after = seen(&world);
        one(&world, &action);
        assert_eq!(seen(&world), after, "{action:?}");
    }
}

#[test]
fn what_is_gone_is_not_written_to() {
    for action in actions().iter().filter(|action| action.group().is_some()) {
        let world = stage();
        world.hook("group", 0, |world| world.lock().groups.clear());
        assert_eq!(one(&world, action), ActionResult::Gone, "{action:?}");
        assert_eq!(writes(&world), 0, "{action:?}");
    }
}

#[test]
fn a_write_that_fails_says_what_that_means_and_is_not_tried_again() {
    for action in actions() {
        for kind in KINDS {
            let world = stage();
            let before = seen(&world);
            world.fault(write_of(&action), 0..1, Fault::Fails(kind));
            let result = one(&world, &action);
            assert_eq!(result, meaning(kind, &action), "{kind} on {action:?}");
            assert_eq!(writes(&world), 1, "{kind} on {action:?}");
            assert_eq!(seen(&world), before, "{kind} on {action:?}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_not_written() {
    for action in actions() {
        let Some(read) = read_of(&action) else { continue };
        for kind in KINDS {
            let world = stage();
            world.fault(read, 0..1, Fault::Fails(kind));
            assert_eq!(one(&world, &action), meaning(kind, &action), "{kind} on {action:?}");
            assert_eq!(writes(&world), 0, "{kind} on {action:?}");
        }
    }
}

/// What a failed call means to the decision.
fn meaning(kind: CallErrorKind, action: &Action) -> ActionResult {
    let message = "as the test wants it";
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
fn a_freeze_holds_back_what_disrupts_and_nothing_else() {
    for action in actions() {
        let world = stage();
        is_frozen(&world);
        let result = one(&world, &action);
        if action.is_disruptive() {
            assert_eq!((result, writes(&world)), (ActionResult::Frozen, 0), "{action:?}");
        } else {
            assert_eq!((result, writes(&world)), (done(&world, &action), 1), "{action:?}");
        }
    }
}

#[test]
fn a_freeze_that_cannot_be_read_holds_back_what_disrupts_and_nothing_else() {
    for action in actions() {
        let world = stage();
        world.fault("freezes", 0..1, Fault::Fails(CallErrorKind::Unavailable));
        let result = one(&world, &action);
        if action.is_disruptive() {
            let busy = ActionResult::Busy("unavailable: as the test wants it".into());
            assert_eq!((result, writes(&world)), (busy, 0), "{action:?}");
        } else {
            assert_eq!((result, writes(&world)), (done(&world, &action), 1), "{action:?}");
        }
    }
}

#[test]
fn a_freeze_that_has_expired_holds_nothing_back() {
    for action in actions() {
        let world = stage();
        is_frozen(&world);
        let mut state = world.lock();
        let now = state.now;
        state.freezes[0].expires_at = Some(now);
        drop(state);
        assert_eq!(one(&world, &action), done(&world, &action), "{action:?}");
    }
}

#[test]
fn the_live_values_are_read_once_and_together_with_the_stop_switch() {
    for action in actions().iter().filter(|action| action.group().is_some()) {
        let world = stage();
        one(&world, action);
        assert_eq!(world.count("group"), 1, "{action:?}");
        assert_eq!(world.count("freezes"), usize::from(action.is_disruptive()), "{action:?}");
    }
}
