//! The launch of a replacement instance.

use super::cancelling::{has_no_extra, newest_since};
use super::{
    Clock, ReplacementContext, Transition, give_up, no_longer_needed, pause_or_expire, refused, requeue_open_work,
};
use crate::action::{Action, ActionResult};
use crate::borrowed_settings::make_room;
use crate::capacity;
use crate::draft::Draft;
use crate::ids::InstanceId;
use crate::record::{CancelReason, Phase, Surge, SurgeMethod, Verifying};

pub(super) fn launching(draft: &mut Draft<'_>, context: &ReplacementContext<'_, '_>, mut surge: Surge) -> Transition {
    let outcomes: Vec<_> = draft.outcomes_for(context.id).cloned().collect();
    for outcome in &outcomes {
        match (&outcome.action, &outcome.result) {
            (Action::Launch { .. }, ActionResult::Launched(successor)) => {
                let why = format!("launched {successor}");
                let verifying = Verifying { surge, successor: successor.clone(), healthy_since: None };
                return Transition::To(Phase::Verifying(verifying), why);
            }
            (Action::Launch { .. }, ActionResult::Unsupported) => {
                draft.launches_by_desired();
                surge.method = SurgeMethod::RaiseDesired;
            }
            // An external change set the desired capacity before Driftless's write: its value, less the other surges,
            // is the new base.
            (Action::SetDesired { .. }, ActionResult::Changed) => {
                surge.base_desired = context.group.desired.saturating_sub(context.others_launched);
            }
            (Action::Launch { .. } | Action::SetDesired { .. }, ActionResult::Failed(message)) => {
                return refused(context, surge, capacity::reason_of(message));
            }
            (Action::Launch { .. } | Action::SetDesired { .. }, ActionResult::Gone) => {
                let why = format!("{} is gone", context.group.name);
                return refused(context, surge, CancelReason::Failed(why.as_str().into()));
            }
            _ => {}
        }
    }
    if let Some(successor) = unattributed(draft, context, &surge) {
        let why = format!("{successor} was launched");
        return Transition::To(Phase::Verifying(Verifying { surge, successor, healthy_since: None }), why);
    }
    if let Some(failure) = draft.input().seen.launch_failures.get(&context.group.name).found()
        && surge.method == SurgeMethod::RaiseDesired
        && failure.at >= surge.admitted_at
    {
        return give_up(context, surge, None, capacity::reason_of(&failure.message));
    }
    if let Some(step) = no_longer_needed(draft, context, &surge, None) {
        // A surge that launched nothing can end at once. Otherwise the launch is repeated with its token, which returns
        // the id of the instance to terminate.
        if is_known(context, &surge) {
            return step;
        }
    }
    match pause_or_expire(context, &mut surge) {
        Clock::Paused(waiting) => {
            draft.waits(context.id, waiting);
            return Transition::Stay(Phase::Launching(surge));
        }
        Clock::Expired if is_known(context, &surge) || context.now >= surge.deadline + surge.policy.drain_deadline => {
            let why = format!("no replacement instance within {:#}", surge.policy.launch_deadline);
            return give_up(context, surge, None, CancelReason::Failed(why.as_str().into()));
        }
        // A new instance may come from this launch, whose response was lost, or from an external scale-out. Only the
        // token tells.
        Clock::Expired | Clock::Running => {}
    }
    surge.asked_again = true;
    draft.stay(context.id, Phase::Launching(surge.clone()));
    launch(draft, context.id);
    Transition::Stay(Phase::Launching(surge))
}

/// Whether the surge can be abandoned, because no instance of it can be missed: it has launched nothing, or its
/// instance is identified by the launch time anyway.
fn is_known(context: &ReplacementContext<'_, '_>, surge: &Surge) -> bool {
    has_no_extra(context, surge) || surge.method == SurgeMethod::RaiseDesired
}

/// Launches the replacement instance of a replacement in phase `Launching`. A repeated call launches no second
/// instance.
pub(crate) fn launch(draft: &mut Draft<'_>, id: &InstanceId) {
    let Some(replacement) = draft.record().replacements.get(id).cloned() else { return };
    let Phase::Launching(surge) = replacement.phase() else { return };
    let Some(group) = draft.input().seen.group(&replacement.group) else { return };
    match surge.method {
        SurgeMethod::LaunchInstances => {
            make_room(draft, group, surge.base_desired);
            draft.act(Action::Launch {
                group: group.name.clone(),
                zone: replacement.zone.clone(),
                replaces: id.clone(),
                token: surge.token.clone(),
            });
        }
        // One raise at a time: the next one starts from the value that this one leaves.
        SurgeMethod::RaiseDesired if group.desired <= surge.base_desired && !draft.resizes(&group.name) => {
            make_room(draft, group, surge.base_desired);
            draft.act(Action::SetDesired {
                group: group.name.clone(),
                expected: group.desired,
                desired: group.desired + 1,
                replaces: id.clone(),
            });
        }
        // The desired capacity is already raised, or was never lowered: Auto Scaling is launching.
        SurgeMethod::RaiseDesired | SurgeMethod::LaunchAfter => {}
    }
    requeue_open_work(draft, &replacement);
}

/// The replacement instance of a surge that raises the desired capacity, which returns no instance id: the active
/// instance of the release that was launched since the admission and belongs to no other surge.
fn unattributed(draft: &Draft<'_>, context: &ReplacementContext<'_, '_>, surge: &Surge) -> Option<InstanceId> {
    // A new instance that appears before the desired capacity is raised is not the surge's.
    if surge.method != SurgeMethod::RaiseDesired || context.group.desired <= surge.base_desired {
        return None;
    }
    newest_since(draft, context, surge, None)
}
