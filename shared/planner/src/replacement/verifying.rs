//! The verification of a replacement instance: it must stay in service with healthy targets for the warm-up, and must
//! not drift for the reasons of the instance that it replaces.

use super::{Clock, ReplacementContext, Transition, give_up, no_longer_needed, pause_or_expire};
use crate::borrowed_settings::protect;
use crate::draft::Draft;
use crate::drift::Recurrence;
use crate::history::Evidence;
use crate::ids::InstanceId;
use crate::observation::{Group, Lifecycle, Member, TargetHealth};
use crate::reading::Read;
use crate::record::{CancelReason, Phase, Replacement, Retiring, Setting, Surge, Verifying};
use crate::waiting::Waiting;

pub(super) fn prove(
    draft: &mut Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    mut verifying: Verifying,
) -> Transition {
    let successor = context.group.member(&verifying.successor);
    let is_leaving = |member: &Member| member.lifecycle == Lifecycle::Terminating;
    if successor.is_some_and(is_leaving) {
        let why = "Auto Scaling terminated the replacement instance before it was verified";
        return give_up(context, verifying.surge, None, CancelReason::Failed(why.into()));
    }
    if successor.is_none() && was_listed(draft, &verifying) {
        let why = "the replacement instance was terminated before it was verified";
        return give_up(context, verifying.surge, None, CancelReason::Failed(why.into()));
    }
    if let Some(step) = no_longer_needed(draft, context, &verifying.surge, Some(&verifying.successor)) {
        return step;
    }
    // Health is tracked during a pause too: an instance that failed meanwhile was not healthy without interruption.
    let is_serving = successor.is_some_and(|successor| draft.input().seen.is_serving(context.group, successor));
    verifying.healthy_since = is_serving.then(|| verifying.healthy_since.unwrap_or(context.now));
    match pause_or_expire(context, &mut verifying.surge) {
        Clock::Paused(waiting) => {
            draft.waits(context.id, waiting);
            return Transition::Stay(Phase::Verifying(verifying));
        }
        Clock::Expired => {
            let why = format!(
                "the replacement instance was not verified within {:#}",
                verifying.surge.policy.launch_deadline
            );
            let because = CancelReason::Failed(why.as_str().into());
            return give_up(context, verifying.surge, Some(verifying.successor), because);
        }
        Clock::Running => {}
    }
    // Just launched and not listed yet, because describes lag behind.
    let Some(successor) = successor else { return Transition::Stay(Phase::Verifying(verifying)) };
    protect(draft, context.group, successor);
    let Some(healthy_since) = verifying.healthy_since else { return Transition::Stay(Phase::Verifying(verifying)) };
    let proven_at = healthy_since + context.group.warm_up;
    if context.now < proven_at {
        draft.requeue(proven_at);
        return Transition::Stay(Phase::Verifying(verifying));
    }
    match &context.recurrence {
        // Drift that lasts is repeat drift: the drifted instance stays, and so do all others with the same reasons.
        Recurrence::Lasting => {
            let because = CancelReason::DriftedFromTheStart { successor: verifying.successor.clone() };
            return give_up(context, verifying.surge, Some(verifying.successor), because);
        }
        Recurrence::Until(until) => {
            draft.requeue(*until);
            return Transition::Stay(Phase::Verifying(verifying));
        }
        Recurrence::None => {}
    }
    if let Some(waiting) = minimum_healthy(draft, context, &verifying.surge, context.id) {
        draft.waits(context.id, waiting);
        return Transition::Stay(Phase::Verifying(verifying));
    }
    let why = format!("{} has been healthy for {:#}", verifying.successor, context.group.warm_up);
    let deadline = context.now + verifying.surge.policy.drain_deadline;
    keep_evidence(draft, context, Some(&verifying.successor));
    let Verifying { surge, successor, .. } = verifying;
    let desired_before = context.group.desired;
    Transition::To(Phase::Retiring(Retiring { surge, successor, deadline, desired_before, terminated: false }), why)
}

/// Whether an earlier pass saw the replacement instance in its group. If so, its absence now is no lag of the read.
fn was_listed(draft: &Draft<'_>, verifying: &Verifying) -> bool {
    let protects =
        |setting: &Setting| matches!(setting, Setting::Protection { instance } if *instance == verifying.successor);
    verifying.healthy_since.is_some() || draft.record().borrowed_settings.iter().any(|entry| protects(&entry.setting))
}

/// Why an instance may not be terminated yet: fewer instances than the minimum healthy would stay healthy. An instance
/// that is unhealthy while others are healthy may always be terminated. None: it may be terminated.
pub(crate) fn minimum_healthy(
    draft: &Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    surge: &Surge,
    leaving: &InstanceId,
) -> Option<Waiting> {
    let serving = draft.input().seen.serving_without(context.group, leaving);
    // After an external scale-out the minimum healthy refers to the larger size, and instances that are launching are
    // not healthy yet.
    let without_surges = context.group.desired.saturating_sub(context.others_launched.saturating_add(1));
    let wanted = context.group.desired.min(surge.base_desired).max(without_surges);
    let minimum_healthy = surge.policy.min_healthy.of_rounded_up(wanted);
    (serving < minimum_healthy && !serves_nobody(draft, context.group, leaving))
        .then_some(Waiting::BelowMinimum { serving, minimum_healthy })
}

/// Whether an instance is known to get no traffic: it is out of service or an unhealthy target, while other instances
/// of its group are healthy. A target of unknown health may get traffic. If no target is healthy, the load balancer
/// sends traffic to all targets.
pub(crate) fn serves_nobody(draft: &Draft<'_>, group: &Group, id: &InstanceId) -> bool {
    let seen = draft.input().seen;
    let Some(member) = group.member(id) else { return true };
    let gets_nothing = group.target_groups.iter().any(|arn| match seen.health_of(arn, id) {
        Read::Found(
            TargetHealth::Initial | TargetHealth::Unhealthy(_) | TargetHealth::Draining | TargetHealth::Unused,
        ) => true,
        Read::Found(TargetHealth::Healthy | TargetHealth::Unavailable) | Read::Absent | Read::NotAsked => false,
    });
    let is_idle = member.lifecycle != Lifecycle::InService || gets_nothing;
    is_idle && seen.serving_without(group, id) > 0
}

pub(super) fn keep_evidence(
    draft: &mut Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    successor: Option<&InstanceId>,
) {
    let Some(replacement) = draft.record().replacements.get(context.id).cloned() else { return };
    let seen = draft.input().seen;
    let kept = Evidence {
        drift: replacement.drift.iter().cloned().collect(),
        findings: replacement.findings.clone(),
        group: replacement.group.clone(),
        zone: replacement.zone.clone(),
        machine: seen.machines.get(context.id).found().cloned(),
        detected_at: replacement.detected_at,
        successor: successor.cloned(),
        guards: vec![
            format!("{} instances stay healthy without it", seen.serving_without(context.group, context.id)),
            format!("desired capacity {} over a base of {}", context.group.desired, base_of(&replacement)),
        ],
    };
    draft.history().evidence(context.id, replacement.phase().kind(), kept);
}

fn base_of(replacement: &Replacement) -> u32 {
    replacement.phase().surge().map_or(0, |surge| surge.base_desired)
}
