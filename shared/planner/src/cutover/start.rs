//! The start of a cutover: it gets a cutover slot and passes the preflight. Neither changes a group.

use crate::action::Action;
use crate::adopt::FleetState;
use crate::candidate;
use crate::cutover::preflight::{Question, hook_timeout_if_read, problem};
use crate::cutover::route::route_of;
use crate::cutover::{CutoverContext, Transition, abort, alarms, question};
use crate::draft::Draft;
use crate::fleet::{Color, Layout};
use crate::guards::{may_not_begin, when_closed};
use crate::limits::{RECHECK_MAX, RECHECK_MIN};
use crate::notification::{Condition, Details, reason};
use crate::observation::Group;
use crate::observed;
use crate::policy::{Mode, Policy};
use crate::record::{
    Begun, Candidate, Cutover, CutoverOutcome, CutoverPhase, FleetBounds, Release, Route, WouldCutOver,
};
use crate::waiting::{RouteProblem, Waiting};

/// Begins a cutover if there is a candidate: a newer image, a newer launch template version, or a release that an
/// operator requested. In observe mode, Driftless only reports the candidate.
pub(crate) fn consider(draft: &mut Draft<'_>, standing: &FleetState<'_>) {
    let (Some(live), Ok(policy), None) = (standing.live, &standing.policy, &standing.obstacle) else { return };
    let Some(release) = draft.record().release.clone() else { return };
    let Ok(layout) = Layout::of(draft.input().fleet, &draft.input().seen.groups) else { return };
    let Some(candidate) = candidate::choose(draft, policy, live, &release).note(draft) else { return };
    let (old, new) = colors(layout, live, draft.record().live);
    let route = route_of(layout, draft.input().seen, old, new);
    if policy.mode == Mode::Observe {
        would_begin(draft, policy, candidate, route.err());
        return;
    }
    let route = match route {
        Ok(route) => route,
        Err(problem) => {
            draft.is_in(Condition::CutoverWaits, problem.to_string());
            return;
        }
    };
    begin(draft, policy, candidate, release, live, new, route);
}

/// In observe mode: reports the cutover that would begin, and counts it once for the weekly digest.
fn would_begin(draft: &mut Draft<'_>, policy: &Policy, candidate: Candidate, problem: Option<RouteProblem>) {
    let why = reason(&candidate);
    let detail = format!("{}: {why}", candidate.image);
    let condition = Condition::WouldCutOver { image: candidate.image.clone() };
    if !draft.record().conditions.contains_key(&condition.key()) {
        let closed = when_closed(policy, draft.input().now);
        let waits = problem.map(|problem| Waiting::PreflightFailed { problem: problem.into() }).or(closed);
        let waits = waits.map(|waiting| waiting.to_string().into());
        observed::note_cutover(draft, WouldCutOver { image: candidate.image, why: why.into(), waits });
    }
    draft.is_in(condition, detail);
}

fn begin(
    draft: &mut Draft<'_>,
    policy: &Policy,
    candidate: Candidate,
    release: Release,
    live: &Group,
    new: &Group,
    route: Route,
) {
    let begun = Begun {
        id: id(draft),
        old: draft.record().live,
        old_group: live.name.clone(),
        new_group: new.name.clone(),
        route,
        rollback_to: release,
        bounds: bounds_of(policy, live),
        size: live.desired,
        policy: policy.clone(),
        candidate,
    };
    let why = format!("{}: {}", begun.candidate.image, reason(&begun.candidate));
    draft.begin_cutover(begun, why);
}

/// A new id for a cutover: the name of the fleet and the current second, or the next second that no past cutover in the
/// record has. The id must be unique, because a cutover finds by it what it has written.
fn id(draft: &Draft<'_>) -> String {
    let mut second = draft.input().now.as_second();
    let named = |second: i64| format!("{}-{second}", draft.input().fleet);
    while draft.record().memory.past.iter().any(|past| past.id == named(second)) {
        second += 1;
    }
    named(second)
}

/// The minimum and the maximum of the fleet: those of its policy, or else those of its live group.
fn bounds_of(policy: &Policy, live: &Group) -> FleetBounds {
    FleetBounds { min: policy.min.unwrap_or(live.min), max: policy.max.unwrap_or(live.max) }
}

/// The group that has the traffic, and the group that is to take it. In a fleet with a single group they are the same.
fn colors<'a>(layout: Layout<'a>, live: &'a Group, color: Option<Color>) -> (&'a Group, &'a Group) {
    match (layout, color) {
        (Layout::Pair { blue, green }, Some(Color::Blue)) => (blue, green),
        (Layout::Pair { blue, green }, Some(Color::Green)) => (green, blue),
        (Layout::Pair { .. }, None) | (Layout::Single(_), _) => (live, live),
    }
}

/// Keeps a cutover queued until no guard blocks it and it has a cutover slot. Meanwhile switches to a newer candidate,
/// and ends the cutover if there is no candidate any more.
pub(crate) fn queued(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
) -> Transition {
    let stay = CutoverPhase::Queued;
    if let (Ok(policy), Some(live)) = (&standing.policy, standing.live) {
        draft.change_cutover(|cutover| {
            *cutover.policy = policy.clone();
            cutover.bounds = bounds_of(policy, live);
        });
        if !cutover.candidate.is_asked() {
            let rollback_to = cutover.rollback_to.clone();
            match candidate::choose(draft, policy, live, &rollback_to).note(draft) {
                None => {
                    return Transition::End(CutoverOutcome::Aborted, "the image is no longer a candidate".to_owned());
                }
                Some(newest) if newest.key() != cutover.candidate.key() => {
                    let why = format!("{}: {}", newest.image, reason(&newest));
                    draft.take_instead(newest, why);
                }
                Some(_) => {}
            }
        }
    }
    if let Some(waiting) = may_not_begin(&question(draft, standing, cutover)) {
        if matches!(waiting, Waiting::NoSlot { .. }) {
            draft.requeue(context.now + RECHECK_MAX);
        }
        return Transition::Wait(stay, waiting);
    }
    if context.seen.account.slots.contains_key(draft.input().fleet) {
        return Transition::To(CutoverPhase::Preflight, "no guard blocks the cutover".to_owned());
    }
    draft.act(Action::TakeSlot);
    draft.requeue(context.now + RECHECK_MIN);
    Transition::Stay(stay)
}

/// Returns the cutover slot of a fleet that has no cutover.
pub(crate) fn give_slot(draft: &mut Draft<'_>) {
    if draft.input().seen.account.slots.contains_key(draft.input().fleet) {
        draft.act(Action::GiveSlot);
        draft.requeue(draft.input().now + RECHECK_MIN);
    }
}

/// Runs the preflight checks. If all of them pass, the cutover enters the phase `Preparing`, and on-call is notified.
pub(crate) fn preflight(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
) -> Transition {
    if let (Ok(policy), Some(live)) = (&standing.policy, standing.live)
        && !cutover.candidate.is_asked()
    {
        let rollback_to = cutover.rollback_to.clone();
        let newest = candidate::choose(draft, policy, live, &rollback_to).note(draft);
        if newest.as_ref().map(Candidate::key) != Some(cutover.candidate.key()) {
            return Transition::To(CutoverPhase::Queued, "another image is the newest now".to_owned());
        }
    }
    if let Some(waiting) = may_not_begin(&question(draft, standing, cutover)) {
        return Transition::To(CutoverPhase::Queued, waiting.to_string());
    }
    let Some(hook_timeout) = hook_timeout_if_read(context, cutover) else {
        draft.requeue(context.now + RECHECK_MIN);
        return Transition::Stay(CutoverPhase::Preflight);
    };
    draft.change_cutover(|cutover| cutover.hook_timeout = hook_timeout);
    if let Some(problem) = problem(&Question::about(draft, Some(context), cutover)) {
        draft.is_in(Condition::CutoverWaits, problem.to_string());
        return Transition::Wait(CutoverPhase::Preflight, Waiting::PreflightFailed { problem });
    }
    let steps = i32::try_from(cutover.policy.cutover.traffic.len()).unwrap_or(1);
    let watched = alarms::step_time(context, cutover) * steps + cutover.policy.cutover.bake;
    let doubled = watched + cutover.policy.cutover.keep_warm + context.new.warm_up;
    draft.tell(Details::CutoverStarted {
        candidate: cutover.candidate.clone(),
        new_color: cutover.new_color(),
        from: cutover.rollback_to.clone(),
        old_color: cutover.old,
        instances: context.old.desired,
        watched,
        doubled,
    });
    Transition::To(CutoverPhase::Preparing, "every preflight check passed".to_owned())
}

/// Aborts a cutover if there is a newer candidate. Called only before the new color gets traffic. None: there is no
/// newer candidate, or an operator requested the current one.
pub(crate) fn superseded(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
) -> Option<Transition> {
    let Ok(policy) = &standing.policy else { return None };
    if cutover.candidate.is_asked() {
        return None;
    }
    let newest = candidate::choose(draft, policy, context.old, &cutover.rollback_to).note(draft)?;
    (newest.key() != cutover.candidate.key())
        .then(|| abort(CutoverOutcome::Superseded, format!("{} is newer", newest.image)))
}
