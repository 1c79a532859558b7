//! Terminate-first replacements, which the policy must choose: Driftless terminates the drifted instance, and verifies
//! the instance that Auto Scaling launches in its place. The replacement uses a slot of the budget until then.

use super::cancelling::newest_since;
use super::retiring::terminate;
use super::verifying::{keep_evidence, serves_nobody};
use super::{Clock, End, ReplacementContext, Transition, context_of, drop_successor_entry, pause_or_expire};
use crate::action::{Action, ActionResult, Role};
use crate::adopt::FleetState;
use crate::capacity;
use crate::draft::Draft;
use crate::drift::Findings;
use crate::ids::InstanceId;
use crate::launch_fault::{LaunchFault, classify};
use crate::observation::{Group, Lifecycle};
use crate::record::{CancelReason, LaunchingAfter, Phase, Surge, Terminating};
use crate::waiting::Waiting;

/// Terminates the drifted instance, unless a condition for it is no longer met.
pub(super) fn terminate_first(
    draft: &mut Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    mut terminating: Terminating,
) -> Transition {
    terminating.terminated |= draft
        .outcomes_for(context.id)
        .any(|outcome| matches!(outcome.action, Action::Terminate { .. }) && outcome.result == ActionResult::Done);
    let Some(drifted) = context.drifted else {
        let why = "the drifted instance is being terminated";
        return Transition::To(Phase::LaunchingAfter(launching_after(context, terminating)), why.to_owned());
    };
    if terminating.terminated && context.now < terminating.surge.deadline {
        // AWS accepted the termination, and the describe lags behind.
        return Transition::Stay(Phase::Terminating(terminating));
    }
    terminating.terminated = false;
    if let Some(because) = context.reason_to_stop(draft) {
        return Transition::End(End::Cancelled(because));
    }
    if !terminating.surge.policy.window.is_open(context.now) {
        return Transition::End(End::Cancelled(CancelReason::WindowClosed));
    }
    match pause_or_expire(context, &mut terminating.surge) {
        Clock::Paused(waiting) => {
            draft.waits(context.id, waiting);
            return Transition::Stay(Phase::Terminating(terminating));
        }
        Clock::Expired => {
            return Transition::End(End::Cancelled(not_gone(draft, context, &terminating.surge)));
        }
        Clock::Running => {}
    }
    if drifted.lifecycle != Lifecycle::InService {
        // An operator or Auto Scaling is changing the instance.
        return Transition::End(End::Cancelled(CancelReason::DriftedGone));
    }
    if let Some((serving, minimum_healthy)) = below_minimum(draft, context, &terminating.surge) {
        draft.waits(context.id, Waiting::BelowMinimum { serving, minimum_healthy });
        return Transition::Stay(Phase::Terminating(terminating));
    }
    terminate(draft, context, context.id, &terminating.surge, Role::Drifted);
    Transition::Stay(Phase::Terminating(terminating))
}

/// Stores the evidence about an instance that is about to be terminated.
pub(super) fn keep_evidence_of(draft: &mut Draft<'_>, standing: &FleetState<'_>, findings: &Findings, id: &InstanceId) {
    let Some(replacement) = draft.record().replacements.get(id).cloned() else { return };
    let Some(group) = draft.input().seen.group(&replacement.group) else { return };
    let context = context_of(draft, standing, findings, id, &replacement, group);
    keep_evidence(draft, &context, None);
}

/// The number of healthy instances of the group without this instance and without the other terminate-first instances
/// that are terminated before it. A read that lags behind still shows instances that were just terminated.
pub(crate) fn serving_after(draft: &Draft<'_>, group: &Group, id: &InstanceId) -> u32 {
    let is_going = |other: &InstanceId| {
        other == id
            || draft.record().replacements.get(other).is_some_and(|work| match work.phase() {
                Phase::LaunchingAfter(_) => true,
                // Of two that are not terminated yet, one goes first.
                Phase::Terminating(terminating) => terminating.terminated || other < id,
                Phase::Launching(_)
                | Phase::Verifying(_)
                | Phase::Retiring(_)
                | Phase::Cancelling(_)
                | Phase::Debouncing
                | Phase::Blocked(_)
                | Phase::Stopped(_) => false,
            })
    };
    let seen = draft.input().seen;
    let serving = group.members.iter().filter(|member| seen.is_serving(group, member) && !is_going(&member.id));
    u32::try_from(serving.count()).unwrap_or(u32::MAX)
}

/// Why the drifted instance was not terminated in time. Waiting for the minimum healthy does not count as a failed
/// attempt.
fn not_gone(draft: &Draft<'_>, context: &ReplacementContext<'_, '_>, surge: &Surge) -> CancelReason {
    if let Some((serving, minimum_healthy)) = below_minimum(draft, context, surge) {
        return CancelReason::BelowMinimum { serving, minimum_healthy };
    }
    let why = format!("the drifted instance could not be terminated within {:#}", surge.policy.launch_deadline);
    CancelReason::Failed(why.as_str().into())
}

/// The number of healthy instances without the drifted one, and the minimum healthy. None: the drifted instance may be
/// terminated.
fn below_minimum(draft: &Draft<'_>, context: &ReplacementContext<'_, '_>, surge: &Surge) -> Option<(u32, u32)> {
    let serving = serving_after(draft, context.group, context.id);
    // After an external scale-out the minimum healthy refers to the larger size. A terminate-first replacement does not
    // raise the desired capacity.
    let without_surges = context.group.desired.saturating_sub(context.others_launched);
    let wanted = context.group.desired.min(surge.base_desired).max(without_surges);
    let minimum_healthy = surge.policy.min_healthy.of_rounded_up(wanted);
    (serving < minimum_healthy && !serves_nobody(draft, context.group, context.id))
        .then_some((serving, minimum_healthy))
}

fn launching_after(context: &ReplacementContext<'_, '_>, terminating: Terminating) -> LaunchingAfter {
    let Terminating { surge, .. } = terminating;
    // Draining comes first: only after it does Auto Scaling have room for the next instance.
    let deadline = context.now + surge.policy.drain_deadline + surge.policy.launch_deadline;
    LaunchingAfter { surge, deadline, successor: None, healthy_since: None }
}

/// Waits for the instance that Auto Scaling launches in place of the terminated one, and verifies it.
pub(super) fn launch_after(
    draft: &mut Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    mut launching_after: LaunchingAfter,
) -> Transition {
    let member = |id: &InstanceId| context.group.active().find(|member| member.id == *id);
    if launching_after.successor.as_ref().and_then(member).is_none() {
        launching_after.healthy_since = None;
        launching_after.successor = newest_since(draft, context, &launching_after.surge, None);
        if launching_after.successor.is_some() {
            draft.room_may_be_there();
            drop_successor_entry(draft, launching_after.successor.as_ref());
        }
    }
    let Some(successor) = launching_after.successor.as_ref().and_then(member) else {
        note_shortage(draft, context, &launching_after);
        return if is_complete_without(draft, context, &launching_after) {
            Transition::End(End::Cancelled(CancelReason::DriftedGone))
        } else {
            stay_or_stop(context, launching_after)
        };
    };
    let is_serving = draft.input().seen.is_serving(context.group, successor);
    launching_after.healthy_since = is_serving.then(|| launching_after.healthy_since.unwrap_or(context.now));
    match launching_after.healthy_since.map(|since| since + context.group.warm_up) {
        Some(proven_at) if context.now >= proven_at => {
            let successor = successor.id.clone();
            Transition::End(End::Replaced { successor, surge: launching_after.surge })
        }
        Some(proven_at) => {
            draft.requeue(proven_at);
            stay_or_stop(context, launching_after)
        }
        None => stay_or_stop(context, launching_after),
    }
}

/// Whether Auto Scaling will launch no instance in place of the terminated one, because an external change made the
/// group smaller.
fn is_complete_without(
    draft: &Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    launching_after: &LaunchingAfter,
) -> bool {
    let group = context.group;
    let active = u32::try_from(group.active().count()).unwrap_or(u32::MAX);
    let is_smaller = group.desired < launching_after.surge.base_desired && active >= group.desired;
    is_smaller && group.active().all(|member| draft.input().seen.machines.get(&member.id).is_found())
}

/// Starts the back-off of the fleet if AWS has no capacity for the launch: no further instance may be terminated first
/// then.
fn note_shortage(draft: &mut Draft<'_>, context: &ReplacementContext<'_, '_>, launching_after: &LaunchingAfter) {
    let failure = draft.input().seen.launch_failures.get(&context.group.name).found();
    if let Some(failure) = failure.filter(|failure| failure.at >= launching_after.surge.admitted_at)
        && classify(failure.message.as_str()) == LaunchFault::Capacity
    {
        capacity::back_off(draft, failure.message.clone());
    }
}

/// Stops the replacement if the deadline has passed. The drifted instance is gone, so nothing can be restored, and an
/// operator must act.
fn stay_or_stop(context: &ReplacementContext<'_, '_>, launching_after: LaunchingAfter) -> Transition {
    if context.now >= launching_after.deadline {
        return Transition::End(End::NotLaunchedAfter);
    }
    Transition::Stay(Phase::LaunchingAfter(launching_after))
}
