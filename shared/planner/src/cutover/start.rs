//! What may begin, and why the rest may not: the queue and the preflight, which change nothing.

use jiff::SignedDuration;

use crate::action::{Action, ActionResult};
use crate::adopt::Standing;
use crate::balancer::BalancerKind;
use crate::candidate;
use crate::cutover::{Sight, Step, abort, alarms};
use crate::draft::Draft;
use crate::explain::Verdict;
use crate::fleet::{Color, Layout};
use crate::image::ImageState;
use crate::limits::CUTOVERS_MAX;
use crate::limits::LOOK_MIN;
use crate::notification::{Condition, News, reason};
use crate::observation::{Group, Lifecycle, Observation};
use crate::observed;
use crate::policy::{Mode, Policy};
use crate::reading::Read;
use crate::record::{
    Begun, Candidate, Cutover, CutoverOutcome, CutoverPhase, FleetBounds, Release, Route, WouldCutOver,
};
use crate::template::TemplateReference;
use crate::waiting::Waiting;

/// Begins a cutover where there is something newer than the release.
pub(crate) fn consider(draft: &mut Draft<'_>, standing: &Standing<'_>) {
    let (Some(live), Ok(policy), None) = (standing.live, &standing.policy, &standing.obstacle) else { return };
    let Some(release) = draft.record().release.clone() else { return };
    let Ok(layout) = Layout::of(draft.input().fleet, &draft.input().seen.groups) else { return };
    let Some(candidate) = candidate::choose(draft, policy, live, &release) else { return };
    let (old, new) = colors(layout, live, draft.record().live);
    let route = route_of(layout, draft.input().seen, old, new);
    if policy.mode == Mode::Observe {
        would_begin(draft, policy, candidate, route.err());
        return;
    }
    let route = match route {
        Ok(route) => route,
        Err(problem) => {
            draft.is_in(Condition::CutoverWaits, problem);
            return;
        }
    };
    begin(draft, policy, candidate, release, live, new, route);
}

/// Says that it would begin, and remembers it for the digest when it is new.
fn would_begin(draft: &mut Draft<'_>, policy: &Policy, candidate: Candidate, problem: Option<String>) {
    let why = reason(&candidate);
    let detail = format!("{}: {why}", candidate.image);
    let condition = Condition::WouldCutOver { image: candidate.image.clone() };
    if !draft.record().conditions.contains_key(&condition.key()) {
        let now = draft.input().now;
        let closed =
            (!policy.window.is_open(now)).then(|| Waiting::WindowClosed { opens_at: policy.window.next_opening(now) });
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
        id: format!("{}-{}", draft.input().fleet, draft.input().now.as_second()),
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

/// How traffic moves between two groups, as the load balancer is set up.
fn route_of(layout: Layout<'_>, seen: &Observation, old: &Group, new: &Group) -> Result<Route, String> {
    if matches!(layout, Layout::Single(_)) {
        return Ok(Route::Rolling);
    }
    match (old.target_groups.as_slice(), new.target_groups.as_slice()) {
        ([], []) => Ok(Route::None),
        ([target_group], []) => Ok(Route::Shared { target_group: target_group.clone(), api: old.attachment_api }),
        ([of_old], [of_new]) if of_old != of_new => {
            let naming: Vec<_> = seen
                .forwards
                .iter()
                .filter(|forward| forward.weights.contains_key(of_old) || forward.weights.contains_key(of_new))
                .collect();
            match naming.as_slice() {
                [one] if one.weights.len() > 2 => {
                    Err(format!("{} names other target groups too: their share would be lost", one.place))
                }
                [one] if one.balancer != BalancerKind::Application => {
                    Err("only application load balancers weigh target groups".to_owned())
                }
                [one] if one.weights.contains_key(of_old) && one.weights.contains_key(of_new) => {
                    Ok(Route::Weighted { place: one.place.clone(), old: of_old.clone(), new: of_new.clone() })
                }
                [] => Err("no listener or rule forwards to the target groups of either color".to_owned()),
                [_] => Err("the forward action names only one of the two target groups: name both, the idle one with \
                            weight 0"
                    .to_owned()),
                several => {
                    Err(format!("{} forward actions name the target groups: exactly one must name both", several.len()))
                }
            }
        }
        ([_], [_]) => Err("both colors are attached to one target group: detach the idle one".to_owned()),
        (of_old, of_new) => Err(format!(
            "the colors have {} and {} target groups: one each, one for both, or none",
            of_old.len(),
            of_new.len()
        )),
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
            match candidate::choose(draft, policy, live, &rollback_to) {
                None => return Step::End(CutoverOutcome::Aborted, "it is no candidate any more".to_owned()),
                Some(newest) if newest.key() != cutover.candidate.key() => {
                    let why = format!("{}: {}", newest.image, reason(&newest));
                    draft.take_instead(newest, why);
                }
                Some(_) => {}
            }
        }
    }
    if let Some(waiting) = may_not_begin(draft, standing, cutover) {
        return Step::Wait(stay, waiting);
    }
    if sight.seen.account.turns.contains_key(draft.input().fleet) {
        return Step::To(CutoverPhase::Preflight, "nothing stands in its way".to_owned());
    }
    if let Some(waiting) = no_turn(draft) {
        draft.look_again(sight.now + crate::limits::LOOK_MAX);
        return Step::Wait(stay, waiting);
    }
    draft.act(Action::TakeTurn);
    draft.look_again(sight.now + LOOK_MIN);
    Step::Stay(stay)
}

/// Whether other fleets have all turns.
fn no_turn(draft: &Draft<'_>) -> Option<Waiting> {
    let turns = &draft.input().seen.account.turns;
    let is_refused = draft.input().outcomes.iter().any(|outcome| outcome.result == ActionResult::NoTurn);
    let is_full = is_refused || turns.len() >= CUTOVERS_MAX;
    (is_full && !turns.contains_key(draft.input().fleet)).then_some(Waiting::NoTurn { limit: CUTOVERS_MAX })
}

/// What may keep a cutover from beginning: its word, what it asks for, and its verdict.
type Guard = (&'static str, &'static str, fn(&Draft<'_>, &Standing<'_>, &Cutover) -> Option<Waiting>);

/// What is asked before a cutover begins, in this order. The first [`HOLDS`] hold it later on too.
const GUARDS: [Guard; 7] = [
    ("freeze", "nobody froze it", |draft, _, _| draft.hold(None)),
    ("mode", "the mode is act", |_, standing, _| (standing.mode() == Some(Mode::Observe)).then_some(Waiting::Observed)),
    ("pause", "nobody paused it", |_, _, cutover| cutover.paused().cloned().map(|actor| Waiting::Paused { actor })),
    ("policy", "the policy is valid", |_, standing, _| {
        standing.policy.as_ref().err().map(|problem| Waiting::PolicyInvalid { problem: problem.clone() })
    }),
    ("window", "the window is open", |draft, standing, cutover| {
        let (window, now) = (&standing.policy.as_ref().ok()?.window, draft.input().now);
        let is_closed = !cutover.is_expedited && !window.is_open(now);
        is_closed.then(|| Waiting::WindowClosed { opens_at: window.next_opening(now) })
    }),
    ("group", "nothing stands in the way of its groups", |_, standing, _| {
        standing.obstacle.clone().map(|problem| Waiting::GroupNotFit { problem })
    }),
    ("replacements", "none of its instances is being replaced", |draft, _, _| {
        let surges = draft.record().replacements.values().filter(|work| work.phase().surge().is_some()).count();
        let surges = u32::try_from(surges).unwrap_or(u32::MAX);
        (surges > 0).then_some(Waiting::ReplacementsUnderWay { surges })
    }),
];

/// How many of the guards hold a cutover that has begun.
const HOLDS: usize = 3;

fn may_not_begin(draft: &Draft<'_>, standing: &Standing<'_>, cutover: &Cutover) -> Option<Waiting> {
    GUARDS.iter().find_map(|(_, _, verdict)| verdict(draft, standing, cutover))
}

/// What every guard says of a cutover. What goes back is held by none.
pub(crate) fn verdicts(
    draft: &Draft<'_>,
    standing: &Standing<'_>,
    sight: Option<&Sight<'_>>,
    cutover: &Cutover,
) -> Vec<Verdict> {
    let asked = match cutover.phase() {
        CutoverPhase::Queued | CutoverPhase::Preflight => GUARDS.len(),
        CutoverPhase::Aborting { .. } | CutoverPhase::RollingBack { .. } | CutoverPhase::NeedsOperator { .. } => 0,
        CutoverPhase::Preparing
        | CutoverPhase::Scaling
        | CutoverPhase::Verifying { .. }
        | CutoverPhase::AwaitingApproval
        | CutoverPhase::Shifting(_)
        | CutoverPhase::Baking { .. }
        | CutoverPhase::Warm { .. }
        | CutoverPhase::Retiring => HOLDS,
    };
    let verdict = |(guard, asks, verdict): &Guard| {
        let is_known = standing.policy.is_ok() || !["mode", "window"].contains(guard);
        Verdict::of(guard, asks, verdict(draft, standing, cutover)).only_if(is_known)
    };
    let mut verdicts: Vec<Verdict> = GUARDS.iter().take(asked).map(verdict).collect();
    if cutover.is_untouched() {
        verdicts.push(Verdict::of("turn", "the account has a turn for it", no_turn(draft)));
        // Each look of the preflight asks what the checks must know.
        let sight = sight.filter(|sight| asked_for(sight, cutover).is_some());
        verdicts.extend(CHECKS.iter().map(|(asks, problem)| {
            let problem = sight.and_then(|sight| problem(draft, sight, cutover));
            let holds = problem.map(|problem| Waiting::PreflightFailed { problem: problem.into() });
            Verdict::of("preflight", asks, holds).only_if(sight.is_some())
        }));
    }
    verdicts
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
        let newest = candidate::choose(draft, policy, live, &rollback_to);
        if newest.as_ref().map(Candidate::key) != Some(cutover.candidate.key()) {
            return Step::To(CutoverPhase::Queued, "something else is the newest by now".to_owned());
        }
    }
    if let Some(waiting) = may_not_begin(draft, standing, cutover) {
        return Step::To(CutoverPhase::Queued, waiting.to_string());
    }
    let Some(hook_timeout) = asked_for(sight, cutover) else {
        draft.look_again(sight.now + LOOK_MIN);
        return Step::Stay(CutoverPhase::Preflight);
    };
    draft.change_cutover(|cutover| cutover.hook_timeout = hook_timeout);
    if let Some(problem) = problem(draft, sight, cutover) {
        draft.is_in(Condition::CutoverWaits, problem.clone());
        return Step::Wait(CutoverPhase::Preflight, Waiting::PreflightFailed { problem: problem.into() });
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

/// The longest hook time-out of both groups. None: this look has not asked yet what the checks must know.
fn asked_for(sight: &Sight<'_>, cutover: &Cutover) -> Option<SignedDuration> {
    let settings = &sight.seen.target_group_settings;
    let are_known = match &cutover.route {
        Route::Weighted { old, new, .. } => settings.is_asked(old) && settings.is_asked(new),
        Route::Shared { target_group, .. } => settings.is_asked(target_group),
        Route::None | Route::Rolling => true,
    };
    let hook_timeouts = &sight.seen.hook_timeouts;
    let longest = hook_timeouts.get(&sight.old.name).found()?.max(hook_timeouts.get(&sight.new.name).found()?);
    are_known.then_some(*longest)
}

/// A check of the preflight: what it asks for, and its problem.
type Check = (&'static str, fn(&Draft<'_>, &Sight<'_>, &Cutover) -> Option<String>);

/// What the preflight asks, in this order.
const CHECKS: [Check; 7] = [
    ("the live group is fit", |_, sight, _| fit(sight.old, sight.seen)),
    ("the group that comes is fit", |_, sight, _| fit(sight.new, sight.seen)),
    ("the other color is empty", is_idle_empty),
    ("its alarms exist, and none rings", |_, sight, cutover| alarms::preflight(sight, cutover)),
    ("the way back is launchable", |_, sight, cutover| rollback_is_launchable(sight, cutover)),
    ("no client sticks for longer than it is watched", |_, sight, cutover| stickiness_fits(sight, cutover)),
    ("there is room for it", has_room),
];

/// The first thing that stands in the way, in words.
fn problem(draft: &Draft<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Option<String> {
    CHECKS.iter().find_map(|(_, problem)| problem(draft, sight, cutover))
}

fn fit(group: &Group, seen: &Observation) -> Option<String> {
    for process in ["Launch", "Terminate", "AddToLoadBalancer"] {
        if group.suspended.contains(process) {
            return Some(format!("{process} is suspended on {}", group.name));
        }
    }
    if seen.refreshes.get(&group.name).found().is_some_and(|refresh| refresh.status.is_under_way()) {
        return Some(format!("an instance refresh is under way on {}", group.name));
    }
    let moving = group
        .members
        .iter()
        .find(|member| matches!(member.lifecycle, Lifecycle::Pending | Lifecycle::Terminating | Lifecycle::Detaching));
    moving.map(|member| format!("another activity is under way on {}: {} comes or goes", group.name, member.id))
}

fn is_idle_empty(draft: &Draft<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Option<String> {
    let new = sight.new;
    if cutover.route == Route::Rolling {
        return None;
    }
    if !matches!(new.template, TemplateReference::Numbered(_)) {
        return Some(format!("{} uses no numbered launch template version", new.name));
    }
    let is_empty = draft.record().is_vacant(new) && new.desired == 0 && new.min == 0;
    (!is_empty).then(|| {
        format!(
            "{} is to be empty: it wants {} instances, at least {}, and has {}",
            new.name,
            new.desired,
            new.min,
            new.members.len()
        )
    })
}

fn rollback_is_launchable(sight: &Sight<'_>, cutover: &Cutover) -> Option<String> {
    let release = &cutover.rollback_to;
    match sight.seen.images.get(&release.image).map(|image| &image.state) {
        Read::Found(ImageState::Available) => {}
        Read::Found(ImageState::Pending) => {
            return Some(format!("the way back is not launchable: {} is pending", release.image));
        }
        Read::Found(ImageState::Unavailable(state)) => {
            return Some(format!("the way back is not launchable: {} is {state}", release.image));
        }
        Read::Absent => return Some(format!("the way back is not launchable: {} does not exist", release.image)),
        Read::NotAsked => return Some(format!("whether {} can be launched is read at the next look", release.image)),
    }
    match sight.seen.templates.get(&release.template) {
        Read::Found(_) => None,
        Read::Absent => Some(format!("the way back is not launchable: {} does not exist", release.template)),
        Read::NotAsked => Some(format!("whether {} can be launched is read at the next look", release.template)),
    }
}

fn stickiness_fits(sight: &Sight<'_>, cutover: &Cutover) -> Option<String> {
    let Route::Weighted { place, new, old } = &cutover.route else { return None };
    let watched = cutover.policy.cutover.bake + cutover.policy.cutover.keep_warm;
    let of_action = sight.seen.forwards.iter().find(|forward| forward.place == *place)?.stickiness;
    let of_targets =
        [new, old].map(|arn| sight.seen.target_group_settings.get(arn).found().and_then(|known| known.stickiness));
    let longest = of_targets.into_iter().chain([of_action]).flatten().max()?;
    (longest > watched).then(|| {
        format!(
            "clients stick to their target group for {longest:#}, longer than driftless:bake and keep-warm together \
             ({watched:#}): some would still be sent to the old color when it goes"
        )
    })
}

fn has_room(draft: &Draft<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Option<String> {
    let FleetBounds { min, max } = cutover.bounds;
    if sight.old.desired > max {
        return Some(format!(
            "{} wants {} instances, and the fleet's maximum is {max}",
            sight.old.name, sight.old.desired
        ));
    }
    if sight.old.desired == 0 && cutover.route != Route::Rolling {
        return Some(format!("{} wants no instance: there is nothing to size the new color by", sight.old.name));
    }
    if min > max {
        return Some(format!("the fleet's minimum {min} is above its maximum {max}"));
    }
    let is_ours = |entry: &crate::record::LedgerEntry| entry.group == sight.new.name || entry.group == sight.old.name;
    draft.record().ledger.iter().any(is_ours).then(|| "settings of earlier work are still to be put back".to_owned())
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
    let newest = candidate::choose(draft, policy, sight.old, &cutover.rollback_to)?;
    (newest.key() != cutover.candidate.key())
        .then(|| abort(CutoverOutcome::Superseded, format!("{} is newer", newest.image)))
}
