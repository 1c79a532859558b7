//! The termination of a drifted instance, or its move to standby, after its replacement instance was verified.

use super::{Clock, End, ReplacementContext, Transition, give_up, minimum_healthy, no_longer_needed, pause_or_expire};
use crate::action::{Action, ActionResult, CapacityChange, Role};
use crate::draft::Draft;
use crate::drift::Recurrence;
use crate::ids::InstanceId;
use crate::limits::RECHECK_MIN;
use crate::notification::Condition;
use crate::observation::Lifecycle;
use crate::policy::ReplaceBy;
use crate::record::{CancelReason, Phase, Retiring, Surge, SurgeMethod, Verifying};

pub(super) fn retire(
    draft: &mut Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    mut retiring: Retiring,
) -> Transition {
    retiring.terminated |= draft.outcomes_for(context.id).any(|outcome| {
        matches!(outcome.action, Action::Terminate { .. } | Action::EnterStandby { .. })
            && outcome.result == ActionResult::Done
    });
    let is_set_aside = is_quarantine(&retiring.surge)
        && context.drifted.is_some_and(|drifted| drifted.lifecycle == Lifecycle::Standby);
    // In standby the instance is where it should be, whatever external changes did to the desired capacity.
    if context.drifted.is_none() && !is_set_aside && was_taken_by_others(context, &retiring) {
        if is_launching_beside(draft, context) {
            // That launch may be what keeps the desired capacity up. Its token returns the result, or the launch ends.
            return Transition::Stay(Phase::Retiring(retiring));
        }
        let Retiring { surge, successor, .. } = retiring;
        return give_up(context, surge, Some(successor), CancelReason::DriftedGone);
    }
    let Some(drifted) = context.group.member(context.id).filter(|_| !is_set_aside) else {
        return Transition::End(End::Replaced { successor: retiring.successor, surge: retiring.surge });
    };
    if drifted.lifecycle == Lifecycle::Terminating {
        if context.now >= retiring.deadline {
            let detail = format!("terminating since before {:.0}", retiring.deadline);
            draft.is_in(Condition::DrainOverdue { instance: context.id.clone() }, detail);
        }
        return Transition::Stay(Phase::Retiring(retiring));
    }
    if retiring.terminated && context.now < retiring.deadline {
        // AWS accepted the termination, and the describe lags behind.
        return Transition::Stay(Phase::Retiring(retiring));
    }
    // Not terminated yet: the run crashed, or AWS was busy. Every condition is evaluated again first.
    if let Some(step) = no_longer_needed(draft, context, &retiring.surge, Some(&retiring.successor)) {
        return step;
    }
    let paused_since = retiring.surge.paused_since;
    if let Clock::Paused(waiting) = pause_or_expire(context, &mut retiring.surge) {
        draft.waits(context.id, waiting);
        return Transition::Stay(Phase::Retiring(retiring));
    }
    if let Some(paused_since) = paused_since {
        retiring.deadline += context.now.duration_since(paused_since);
    }
    if context.now >= retiring.deadline && !retiring.terminated {
        let why =
            format!("the drifted instance could not be terminated within {:#}", retiring.surge.policy.drain_deadline);
        let Retiring { surge, successor, .. } = retiring;
        return give_up(context, surge, Some(successor), CancelReason::Failed(why.into()));
    }
    end_drifted(draft, context, retiring)
}

/// Terminates the drifted instance, or moves it to standby, if its replacement instance is still healthy and the group
/// keeps its minimum healthy without it.
fn end_drifted(draft: &mut Draft<'_>, context: &ReplacementContext<'_, '_>, mut retiring: Retiring) -> Transition {
    let is_proven = context
        .group
        .member(&retiring.successor)
        .is_some_and(|successor| draft.input().seen.is_serving(context.group, successor));
    let why = match &context.recurrence {
        Recurrence::None if is_proven => None,
        Recurrence::None => Some("is no longer healthy"),
        Recurrence::Until(_) | Recurrence::Lasting => Some("drifted for the same reason"),
    };
    if let Some(why) = why {
        let why = format!("{} {why}", retiring.successor);
        let Retiring { surge, successor, .. } = retiring;
        return Transition::To(Phase::Verifying(Verifying { surge, successor, healthy_since: None }), why);
    }
    if let Some(waiting) = minimum_healthy(draft, context, &retiring.surge, context.id) {
        draft.waits(context.id, waiting);
        return Transition::Stay(Phase::Retiring(retiring));
    }
    retiring.desired_before = context.group.desired;
    if is_quarantine(&retiring.surge) {
        enter_standby(draft, context, &retiring.surge);
    } else {
        terminate(draft, context, context.id, &retiring.surge, Role::Drifted);
    }
    Transition::Stay(Phase::Retiring(retiring))
}

const fn is_quarantine(surge: &Surge) -> bool {
    matches!(surge.replace_by(), ReplaceBy::Quarantine)
}

/// Whether an external change terminated the drifted instance without lowering the desired capacity, so that the group
/// is still one instance too large.
fn was_taken_by_others(context: &ReplacementContext<'_, '_>, retiring: &Retiring) -> bool {
    let expected = retiring.surge.base_desired.saturating_add(context.others_launched);
    !retiring.terminated && context.group.desired >= retiring.desired_before && context.group.desired > expected
}

/// Whether another surge of the group is in phase `Launching`, so that the result of its launch call is not known yet.
fn is_launching_beside(draft: &Draft<'_>, context: &ReplacementContext<'_, '_>) -> bool {
    let mut beside =
        draft.record().replacements.iter().filter(|(id, work)| *id != context.id && work.group == context.group.name);
    beside.any(|(_, work)| matches!(work.phase(), Phase::Launching(_)))
}

/// Terminates an instance. One decision removes at most one instance from a group, because the next removal depends on
/// the capacity that this one leaves. Returns whether this decision terminates the instance.
pub(crate) fn terminate(
    draft: &mut Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    instance: &InstanceId,
    surge: &Surge,
    role: Role,
) -> bool {
    if is_taken(draft, context) {
        return false;
    }
    draft.act(Action::Terminate {
        group: context.group.name.clone(),
        instance: instance.clone(),
        expected_desired: context.group.desired,
        capacity: capacity_change(context, surge),
        role,
    });
    true
}

/// Moves the drifted instance to standby instead of terminating it: with the quarantine strategy, the fleet keeps it
/// for forensics.
fn enter_standby(draft: &mut Draft<'_>, context: &ReplacementContext<'_, '_>, surge: &Surge) {
    if is_taken(draft, context) {
        return;
    }
    draft.act(Action::EnterStandby {
        group: context.group.name.clone(),
        instance: context.id.clone(),
        expected_desired: context.group.desired,
        capacity: capacity_change(context, surge),
    });
}

/// Whether this decision already removes an instance from the group. If so, the next pass is requested soon.
pub(crate) fn is_taken(draft: &mut Draft<'_>, context: &ReplacementContext<'_, '_>) -> bool {
    let is_taken = draft.takes_from(&context.group.name);
    if is_taken {
        draft.requeue(context.now + RECHECK_MIN);
    }
    is_taken
}

/// Whether the removal of an instance lowers the desired capacity: only if it is above the base of the surge, and above
/// the minimum of the group, below which Auto Scaling refuses to lower it. A terminate-first replacement never lowers
/// it.
fn capacity_change(context: &ReplacementContext<'_, '_>, surge: &Surge) -> CapacityChange {
    let group = context.group;
    if surge.method != SurgeMethod::LaunchAfter && group.desired > surge.base_desired && group.desired > group.min {
        CapacityChange::Decrement
    } else {
        CapacityChange::Keep
    }
}
