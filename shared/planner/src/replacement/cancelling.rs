//! The end of an abandoned surge: its extra instance is terminated at most once, and external changes of the group
//! stay.

use crate::action::{Action, ActionResult, Role};
use crate::draft::Draft;
use crate::ids::InstanceId;
use crate::notification::Details;
use crate::observation::{Lifecycle, Member};
use crate::record::{CancelReason, Cancelling, Phase, Refused, Replacement, Surge};
use crate::replacement::{End, ReplacementContext, Transition, minimum_healthy, terminate};
use crate::template::TemplateReference;

pub(crate) fn cancel(
    draft: &mut Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    mut cancelling: Cancelling,
) -> Transition {
    cancelling.taken_back |= draft.input().outcomes.iter().any(|outcome| {
        outcome.result == ActionResult::Done
            && (matches!(&outcome.action, Action::Terminate { instance, .. } if cancelling.successor.as_ref() == Some(instance))
                || matches!(
                    &outcome.action,
                    Action::SetDesired { expected, desired, replaces, .. } if replaces == context.id && desired < expected
                ))
    });
    match cancelling.successor.as_ref().and_then(|id| context.group.member(id)) {
        Some(member) if member.lifecycle == Lifecycle::Terminating => {
            // Stored from here on, whatever external changes do to the desired capacity meanwhile.
            cancelling.taken_back |= is_lowered(context, &cancelling);
            Transition::Stay(Phase::Cancelling(cancelling))
        }
        // AWS accepted the termination, and the describe lags behind by seconds. An instance that still exists at the
        // deadline was not terminated.
        Some(_) if cancelling.taken_back && context.now < cancelling.deadline => {
            Transition::Stay(Phase::Cancelling(cancelling))
        }
        Some(member) => cancel_extra(draft, context, cancelling, member),
        None if is_even(context, &cancelling) => Transition::End(End::Cancelled(cancelling.because)),
        None => cancel_capacity(draft, context, cancelling),
    }
}

fn cancel_extra(
    draft: &mut Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    mut cancelling: Cancelling,
    extra: &Member,
) -> Transition {
    let is_serving = draft.input().seen.is_serving(context.group, extra);
    let is_unwanted = match &cancelling.because {
        CancelReason::Failed(_) => !is_serving,
        // Healthy or not, it has drifted for the same reason as the instance that it was to replace.
        CancelReason::DriftedFromTheStart { .. } => true,
        CancelReason::Cleared
        | CancelReason::DriftedGone
        | CancelReason::BreakerOpen
        | CancelReason::RuleBreakerOpen(_)
        | CancelReason::NoCapacity(_)
        | CancelReason::Protected { .. }
        | CancelReason::WindowClosed
        | CancelReason::BelowMinimum { .. } => false,
    };
    if has_no_extra(context, &cancelling.surge) && !is_unwanted {
        // An external change has already lowered the group to its size, so the replacement instance stays as a member.
        return Transition::End(End::Cancelled(cancelling.because));
    }
    // An extra instance that is healthy, or may become healthy because the drifted one is gone, must not leave the
    // group below its minimum healthy.
    let may_serve = is_serving || !is_unwanted;
    let minimum_healthy = || may_serve.then(|| minimum_healthy(draft, context, &cancelling.surge, &extra.id)).flatten();
    if let Some(waiting) = crate::protection::protected_by_tag(draft, &extra.id).or_else(minimum_healthy) {
        if context.now >= cancelling.deadline {
            draft.history().extra_instance_kept(context.id, waiting.to_string());
            draft.tell(Details::ExtraInstanceKept {
                instance: extra.id.clone(),
                why: waiting.to_string().as_str().into(),
            });
            return Transition::End(End::Cancelled(cancelling.because));
        }
        draft.requeue(cancelling.deadline);
        draft.waits(context.id, waiting);
        return Transition::Stay(Phase::Cancelling(cancelling));
    }
    if terminate(draft, context, &extra.id, &cancelling.surge, Role::Extra) {
        cancelling.desired_before = Some(context.group.desired);
    }
    Transition::Stay(Phase::Cancelling(cancelling))
}

/// Removes the capacity of a surge whose extra instance is gone or was never launched. The desired capacity is still
/// too high, so Auto Scaling will launch one more instance or has done so. Terminates that instance, or lowers the
/// desired capacity if the group still lacks an instance.
fn cancel_capacity(
    draft: &mut Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    mut cancelling: Cancelling,
) -> Transition {
    let group = context.group;
    let is_launching = |work: &Replacement| work.group == group.name && matches!(work.phase(), Phase::Launching(_));
    if draft.record().replacements.values().any(is_launching) {
        // The instance could belong to another surge, whose launch call has no response yet.
        return Transition::Stay(Phase::Cancelling(cancelling));
    }
    if let Some(newest) = newest_since(draft, context, &cancelling.surge, cancelling.refused.as_ref())
        && let Some(extra) = group.member(&newest)
    {
        cancelling.successor = Some(newest);
        return cancel_extra(draft, context, cancelling, extra);
    }
    let is_short = u32::try_from(group.active().count()).unwrap_or(u32::MAX) < group.desired;
    if is_short && cancelling.refused.is_none() {
        cancelling.desired_before = Some(group.desired);
        draft.act(Action::SetDesired {
            group: group.name.clone(),
            expected: group.desired,
            desired: group.desired - 1,
            replaces: context.id.clone(),
        });
        return Transition::Stay(Phase::Cancelling(cancelling));
    }
    let is_idle = if is_short {
        // AWS refused the launch: desired capacity without an instance belongs to an external change, as far as the
        // reads show.
        context.now >= cancelling.deadline
    } else {
        group.active().all(|member| draft.input().seen.machines.get(&member.id).is_found())
    };
    if is_idle {
        // All members are known, and none came from this surge: the capacity belongs to an external change.
        return Transition::End(End::Cancelled(cancelling.because));
    }
    Transition::Stay(Phase::Cancelling(cancelling))
}

/// Whether this surge no longer makes the group larger. Capacity that external changes added stays, because a surge
/// lowers the desired capacity by one, and only once.
fn is_even(context: &ReplacementContext<'_, '_>, cancelling: &Cancelling) -> bool {
    cancelling.taken_back
        || context.group.desired <= size_without(context, &cancelling.surge)
        || is_lowered(context, cancelling)
}

/// Whether the desired capacity is lower now than when Driftless decided to remove the extra instance.
fn is_lowered(context: &ReplacementContext<'_, '_>, cancelling: &Cancelling) -> bool {
    cancelling.desired_before.is_some_and(|before| context.group.desired < before)
}

/// The desired capacity that the group would have without this surge, as far as is known. It is at least the minimum of
/// the group, so a group at its minimum has no extra instance.
fn size_without(context: &ReplacementContext<'_, '_>, surge: &Surge) -> u32 {
    surge.base_desired.saturating_add(context.others_launched).max(context.group.min)
}

/// Whether the group is no larger than it would be without this surge.
pub(crate) fn has_no_extra(context: &ReplacementContext<'_, '_>, surge: &Surge) -> bool {
    let expected = size_without(context, surge);
    let active = u32::try_from(context.group.active().count()).unwrap_or(u32::MAX);
    context.group.desired <= expected && active <= expected
}

/// The newest active instance of the group that runs the release, was launched since the admission of the surge and
/// belongs to no other surge. With `refused`, only an instance that an earlier launch call may have created counts: it
/// is in the requested zone and was launched before the refusal.
pub(crate) fn newest_since(
    draft: &Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    surge: &Surge,
    refused: Option<&Refused>,
) -> Option<InstanceId> {
    let launched = context.group.active().filter_map(|member| {
        let machine = draft.input().seen.machines.get(&member.id).found()?;
        // EC2 reports launch times in whole seconds.
        let is_new = machine.launched_at.as_second() >= surge.admitted_at.as_second()
            && !surge.existing_members.contains(&member.id);
        let is_there = refused.is_none_or(|refused| member.zone == refused.zone && machine.launched_at <= refused.at);
        let is_release = match &context.group.template {
            TemplateReference::Numbered(version) => member.template.as_ref() == Some(version),
            TemplateReference::Floating { .. } | TemplateReference::None => false,
        };
        let is_taken = draft.record().successors().any(|successor| *successor == member.id);
        (is_new && is_there && is_release && !is_taken && member.id != *context.id)
            .then_some((machine.launched_at, &member.id))
    });
    launched.max().map(|(_, id)| id.clone())
}
