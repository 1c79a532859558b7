//! How a cutover begins: the queue and the preflight, which change nothing.

use crate::action::Action;
use crate::adopt::Standing;
use crate::candidate;
use crate::cutover::preflight::{Question, hook_timeout_if_read, problem};
use crate::cutover::route::route_of;
use crate::cutover::{Sight, Step, abort, alarms, question};
use crate::draft::Draft;
use crate::fleet::{Color, Layout};
use crate::guards::{may_not_begin, when_closed};
use crate::limits::{LOOK_MAX, LOOK_MIN};
use crate::notification::{Condition, News, reason};
use crate::observation::Group;
use crate::observed;
use crate::policy::{Mode, Policy};
use crate::record::{
    Begun, Candidate, Cutover, CutoverOutcome, CutoverPhase, FleetBounds, Release, Route, WouldCutOver,
};
use crate::waiting::{RouteProblem, Waiting};

/// Begins a cutover where there is something newer than the release.
pub(crate) fn consider(draft: &mut Draft<'_>, standing: &Standing<'_>) {
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

/// Says that it would begin, and remembers it for the digest when it is new.
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

/// The fleet and the second, or the next one that no cutover has: what was written for another is not to be found by it.
fn id(draft: &Draft<'_>) -> String {
    let mut second = draft.input().now.as_second();
    let named = |second: i64| format!("{}-{second}", draft.input().fleet);
    while draft.record().memory.past.iter().any(|past| past.id == named(second)) {
        second += 1;
    }
    named(second)
}

/// The bounds that a fleet has: those of its policy, or those that its live group has.
fn bounds_of(policy: &Policy, live: &Group) -> FleetBounds {
    FleetBounds { min: policy.min.unwrap_or(live.min), max: policy.max.unwrap_or(live.max) }
}

/// The group that has the traffic, and the one that is to take it.
fn colors<'a>(layout: Layout<'a>, live: &'a Group, color: Option<Color>) -> (&'a Group, &'a Group) {
    match (layout, color) {
        (Layout::Pair { blue, green }, Some(Color::Blue)) => (blue, green),
        (Layout::Pair { blue, green }, Some(Color::Green)) => (green, blue),
        (Layout::Pair { .. }, None) | (Layout::Single(_), _) => (live, live),
    }
}

/// Waits for its turn, and takes whatever is newest by then.
pub(crate) fn queued(draft: &mut Draft<'_>, standing: &Standing<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Step {
    let stay = CutoverPhase::Queued;
    if let (Ok(policy), Some(live)) = (&standing.policy, standing.live) {
        draft.change_cutover(|cutover| {
            *cutover.policy = policy.clone();
            cutover.bounds = bounds_of(policy, live);
        });
        if !cutover.candidate.is_asked() {
            let rollback_to = cutover.rollback_to.clone();
            match candidate::choose(draft, policy, live, &rollback_to).note(draft) {
                None => return Step::End(CutoverOutcome::Aborted, "it is no candidate any more".to_owned()),
                Some(newest) if newest.key() != cutover.candidate.key() => {
                    let why = format!("{}: {}", newest.image, reason(&newest));
                    draft.take_instead(newest, why);
                }
                Some(_) => {}
            }
        }
    }
    if let Some(waiting) = may_not_begin(&question(draft, standing, cutover)) {
        if matches!(waiting, Waiting::NoTurn { .. }) {
            draft.look_again(sight.now + LOOK_MAX);
        }
        return Step::Wait(stay, waiting);
    }
    if sight.seen.account.turns.contains_key(draft.input().fleet) {
        return Step::To(CutoverPhase::Preflight, "nothing stands in its way".to_owned());
    }
    draft.act(Action::TakeTurn);
    draft.look_again(sight.now + LOOK_MIN);
    Step::Stay(stay)
}

/// Gives the turn back where no cutover needs it.
pub(crate) fn give_turn(draft: &mut Draft<'_>) {
    if draft.input().seen.account.turns.contains_key(draft.input().fleet) {
        draft.act(Action::GiveTurn);
        draft.look_again(draft.input().now + LOOK_MIN);
    }
}

/// Everything that can be known beforehand is asked before anything is changed.
pub(crate) fn preflight(draft: &mut Draft<'_>, standing: &Standing<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Step {
    if let (Ok(policy), Some(live)) = (&standing.policy, standing.live)
        && !cutover.candidate.is_asked()
    {
        let rollback_to = cutover.rollback_to.clone();
        let newest = candidate::choose(draft, policy, live, &rollback_to).note(draft);
        if newest.as_ref().map(Candidate::key) != Some(cutover.candidate.key()) {
            return Step::To(CutoverPhase::Queued, "something else is the newest by now".to_owned());
        }
    }
    if let Some(waiting) = may_not_begin(&question(draft, standing, cutover)) {
        return Step::To(CutoverPhase::Queued, waiting.to_string());
    }
    let Some(hook_timeout) = hook_timeout_if_read(sight, cutover) else {
        draft.look_again(sight.now + LOOK_MIN);
        return Step::Stay(CutoverPhase::Preflight);
    };
    draft.change_cutover(|cutover| cutover.hook_timeout = hook_timeout);
    if let Some(problem) = problem(&Question::about(draft, Some(sight), cutover)) {
        draft.is_in(Condition::CutoverWaits, problem.to_string());
        return Step::Wait(CutoverPhase::Preflight, Waiting::PreflightFailed { problem });
    }
    let steps = i32::try_from(cutover.policy.cutover.traffic.len()).unwrap_or(1);
    let watched = alarms::step_time(sight, cutover) * steps + cutover.policy.cutover.bake;
    let doubled = watched + cutover.policy.cutover.keep_warm + sight.new.warm_up;
    draft.tell(News::CutoverStarted {
        candidate: cutover.candidate.clone(),
        from: cutover.rollback_to.clone(),
        instances: sight.old.desired,
        watched,
        doubled,
    });
    Step::To(CutoverPhase::Preparing, "every check of the preflight holds".to_owned())
}

/// Before traffic a newer candidate takes the place of this one.
pub(crate) fn superseded(
    draft: &mut Draft<'_>,
    standing: &Standing<'_>,
    sight: &Sight<'_>,
    cutover: &Cutover,
) -> Option<Step> {
    let Ok(policy) = &standing.policy else { return None };
    if cutover.candidate.is_asked() {
        return None;
    }
    let newest = candidate::choose(draft, policy, sight.old, &cutover.rollback_to).note(draft)?;
    (newest.key() != cutover.candidate.key())
        .then(|| abort(CutoverOutcome::Superseded, format!("{} is newer", newest.image)))
}
