//! A cutover moves traffic from one release to another, phase by phase.
//!
//! Driftless undoes a cutover whose new color has had no traffic by scaling that color to zero. Once the new color may
//! have traffic, Driftless first returns all traffic to the old color and then undoes the rest. Each setting that a
//! cutover changes stays in the borrowed settings of the record until Driftless has restored it or the cutover has
//! succeeded.

mod alarms;
mod grow;
mod preflight;
mod retire;
mod rolling;
mod route;
mod shift;
mod start;
mod step;
mod undo;

use jiff::{SignedDuration, Timestamp};

pub(crate) use preflight::PreflightResult;
pub(crate) use step::{CutoverContext, Transition, abort, roll_back, undo};

use crate::adopt::FleetState;
use crate::draft::Draft;
use crate::guards::{self, CutoverQuestion, Fleet, GuardResult};
use crate::limits::{RECHECK_MAX, RECHECK_MIN};
use crate::notification::{Condition, Details};
use crate::observation::{Group, Observation};
use crate::policy::Percent;
use crate::record::{Cutover, CutoverOutcome, CutoverPhase, Deferred, Release, Route, Shifting};
use crate::text::UntrustedText;
use crate::waiting::Waiting;

/// How long a cutover waits in preflight for a check that blocks. After that the cutover ends, and its candidate is
/// tried again after [`SHORTAGE_PAUSE`].
const PREFLIGHT_DEADLINE: SignedDuration = SignedDuration::from_hours(1);
/// How long a cutover waits for approval. In most fleets the instances of both colors run meanwhile. Within 24 hours
/// every approver has been at work once.
const APPROVAL_DEADLINE: SignedDuration = SignedDuration::from_hours(24);
/// How long a rollback may take to return the traffic and to restore the settings before on-call gets a message. The
/// rollback continues after that.
const ROLLBACK_DEADLINE: SignedDuration = SignedDuration::from_mins(30);
/// How long Driftless waits before it tries a candidate again that met a capacity shortage, or whose preflight or
/// preparation took too long. Most shortages pass within an hour.
const SHORTAGE_PAUSE: SignedDuration = SignedDuration::from_mins(30);
/// After this many attempts that failed in such a way, Driftless does not retry the candidate by itself any more.
const SHORTAGE_TRIES_MAX: u32 = 3;

/// Advances the cutover by one pass, or begins a cutover if there is none and a candidate exists. `order` is the
/// transition that an operator's command demands: it comes first. Returns what the cutover waits for.
pub(crate) fn advance(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    mut order: Option<Transition>,
) -> Option<Waiting> {
    if draft.record().cutover.is_none() {
        start::consider(draft, standing);
    }
    let Some(cutover) = draft.record().cutover.clone() else {
        start::give_slot(draft);
        return None;
    };
    let seen = draft.input().seen;
    let (Some(old), Some(new)) = (seen.group(&cutover.old_group), seen.group(&cutover.new_group)) else {
        // A read without any group proves nothing. A read with other groups proves that this group has left the fleet.
        lost(draft, &cutover);
        return None;
    };
    let context = CutoverContext { now: draft.input().now, seen, old, new, pause: pause(draft, standing, &cutover) };
    let mut waits = None;
    // One pass may go through several phases. No cutover has more phases than this.
    for _ in 0..16 {
        let cutover = draft.record().cutover.clone()?;
        match phase(draft, standing, &context, &cutover, order.take()) {
            Transition::Stay(phase) => {
                draft.change_cutover(|cutover| cutover.stay(phase));
                break;
            }
            Transition::Wait(phase, waiting) => {
                if let Some(at) = waiting.may_change_at() {
                    draft.requeue(at);
                }
                draft.change_cutover(|cutover| cutover.stay(phase));
                waits = Some(waiting);
                break;
            }
            Transition::To(phase, why) => enter(draft, &context, &cutover, phase, &why),
            Transition::End(outcome, why) => {
                end(draft, outcome, &why);
                return None;
            }
        }
    }
    note_waiting(draft, waits.as_ref());
    requeue(draft);
    waits
}

/// Stores what the cutover waits for. If another guard than before blocks the cutover, also writes the new reason into
/// the history.
fn note_waiting(draft: &mut Draft<'_>, waits: Option<&Waiting>) {
    let Some(cutover) = &draft.record().cutover else { return };
    let is_new = cutover.waits.as_ref().map(Waiting::guard) != waits.map(Waiting::guard);
    let phase = cutover.phase().kind();
    if let Some(waiting) = waits.filter(|_| is_new) {
        draft.history().cutover_waits(phase, waiting.to_string());
    }
    draft.change_cutover(|cutover| cutover.waits = waits.cloned());
}

fn phase(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    order: Option<Transition>,
) -> Transition {
    if let Some(step) = order {
        return step;
    }
    if let Some(step) = alarms::flip_back(draft, context, cutover) {
        return step;
    }
    let (cutover, exit) = clock(draft, context, cutover);
    if let Some(step) = exit {
        return step;
    }
    let cutover = &cutover;
    match cutover.phase().clone() {
        CutoverPhase::Queued => start::queued(draft, standing, context, cutover),
        CutoverPhase::Preflight => start::preflight(draft, standing, context, cutover),
        CutoverPhase::Preparing => grow::prepare(draft, standing, context, cutover),
        CutoverPhase::Scaling => grow::scale(draft, standing, context, cutover),
        CutoverPhase::Verifying { healthy_since } => grow::verify(draft, standing, context, cutover, healthy_since),
        CutoverPhase::AwaitingApproval => shift::await_approval(draft, standing, context, cutover),
        CutoverPhase::Shifting(shifting) => match cutover.route {
            Route::Rolling => rolling::shift(draft, context, cutover, shifting),
            Route::Weighted { .. } | Route::Shared { .. } | Route::None => {
                shift::shift(draft, context, cutover, shifting)
            }
        },
        CutoverPhase::Baking { until } => shift::bake(draft, context, cutover, until),
        CutoverPhase::Warm { until } => shift::keep_warm(draft, context, cutover, until),
        CutoverPhase::Retiring => retire::retire(draft, context, cutover),
        CutoverPhase::Aborting { outcome, why } => undo::abort(draft, context, cutover, outcome, &why),
        CutoverPhase::RollingBack { why, back_since } => undo::roll_back(draft, context, cutover, &why, back_since),
        CutoverPhase::NeedsOperator { why } => {
            draft.is_in(Condition::NeedsOperator, why.clone());
            Transition::Wait(CutoverPhase::NeedsOperator { why: why.clone() }, Waiting::NeedsOperator { why })
        }
    }
}

/// The result of every guard that applies in the current phase of a cutover. If the cutover has changed nothing yet,
/// also the result of every preflight check.
pub(crate) fn verdicts(
    draft: &Draft<'_>,
    standing: &FleetState<'_>,
    cutover: &Cutover,
) -> (Vec<GuardResult>, Vec<PreflightResult>) {
    let (seen, now) = (draft.input().seen, draft.input().now);
    let groups = seen.group(&cutover.old_group).zip(seen.group(&cutover.new_group));
    let context = groups.map(|(old, new)| CutoverContext { now, seen, old, new, pause: None });
    let checks = if cutover.is_untouched() {
        preflight::verdicts(&preflight::Question::about(draft, context.as_ref(), cutover))
    } else {
        Vec::new()
    };
    (guards::verdicts_on_cutover(&question(draft, standing, cutover)), checks)
}

/// When the phase ends if nothing else happens, because its time to watch or to wait is over then. None: the phase ends
/// when its work is done, at a time that is not known.
pub(crate) fn phase_ends_at(seen: &Observation, cutover: &Cutover, now: Timestamp) -> Option<Timestamp> {
    let (old, new) = (seen.group(&cutover.old_group)?, seen.group(&cutover.new_group)?);
    let context = CutoverContext { now, seen, old, new, pause: None };
    match cutover.phase() {
        CutoverPhase::Verifying { healthy_since } => healthy_since.map(|since| since + new.warm_up),
        CutoverPhase::AwaitingApproval => Some(cutover.deadline()),
        CutoverPhase::Shifting(shifting) => {
            let is_watched = share(cutover, shifting.step) != Percent::ALL;
            let since = shifting.effective_since.filter(|_| is_watched)?;
            Some(alarms::step_ends_at(&context, cutover, since))
        }
        CutoverPhase::Baking { until } | CutoverPhase::Warm { until } => Some(*until),
        CutoverPhase::Queued
        | CutoverPhase::Preflight
        | CutoverPhase::Preparing
        | CutoverPhase::Scaling
        | CutoverPhase::Retiring
        | CutoverPhase::Aborting { .. }
        | CutoverPhase::RollingBack { .. }
        | CutoverPhase::NeedsOperator { .. } => None,
    }
}

/// Why a cutover is paused: the fleet is frozen or in observe mode, or an operator paused the cutover. None of these
/// blocks a rollback.
fn pause(draft: &Draft<'_>, standing: &FleetState<'_>, cutover: &Cutover) -> Option<Waiting> {
    guards::pause(&question(draft, standing, cutover))
}

/// The input of the guards for a cutover.
const fn question<'q>(draft: &'q Draft<'q>, standing: &'q FleetState<'q>, cutover: &'q Cutover) -> CutoverQuestion<'q> {
    CutoverQuestion { fleet: Fleet { draft, standing }, cutover }
}

/// Stops the timers of the cutover while it is paused, and lets them run again after that. Returns the updated cutover,
/// and a transition if the cutover is paused or if its phase ends because the deadline has passed. Whether a phase ends
/// at its deadline is decided by [`expired`].
fn clock(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover) -> (Cutover, Option<Transition>) {
    let goes_back = matches!(
        cutover.phase(),
        CutoverPhase::Aborting { .. } | CutoverPhase::RollingBack { .. } | CutoverPhase::NeedsOperator { .. }
    );
    let as_it_was = || cutover.clone();
    if goes_back || matches!(cutover.phase(), CutoverPhase::Queued) {
        return (draft.change_cutover(Cutover::forget_hold).cloned().unwrap_or_else(as_it_was), None);
    }
    if let Some(waiting) = &context.pause {
        let since = since_when(draft, context.now);
        let held = draft.change_cutover(|cutover| cutover.stop_clock(since)).cloned().unwrap_or_else(as_it_was);
        return (held, Some(Transition::Wait(cutover.phase().clone(), waiting.clone())));
    }
    let cutover = draft.change_cutover(|cutover| cutover.restart_clock(context.now)).cloned().unwrap_or_else(as_it_was);
    let is_expired = context.now >= cutover.deadline();
    let exit = is_expired.then(|| expired(draft, context, &cutover)).flatten();
    (cutover, exit)
}

/// When the pause of the cutover began: a freeze counts from the time when the operator set it, not from the first pass
/// that read it.
fn since_when(draft: &Draft<'_>, now: Timestamp) -> Timestamp {
    draft.freeze().map_or(now, |freeze| freeze.since.min(now))
}

/// The transition of a phase whose deadline has passed. None: the phase continues, and reports by itself if it is
/// overdue.
fn expired(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover) -> Option<Transition> {
    let why = format!("the phase {} took longer than its deadline", cutover.phase().name());
    let words = UntrustedText::from(why.as_str());
    match cutover.phase() {
        CutoverPhase::Preflight | CutoverPhase::Preparing => {
            defer(draft, cutover, &words, true);
            Some(undo(cutover, why))
        }
        CutoverPhase::Scaling => {
            if grow::shortage(context, cutover).is_some() || cutover.launched.is_empty() {
                defer(draft, cutover, &words, true);
            } else {
                veto_and_defer(
                    draft,
                    cutover,
                    &"its instances did not become healthy before the launch deadline".into(),
                );
            }
            Some(abort(CutoverOutcome::Aborted, why))
        }
        CutoverPhase::Verifying { .. } => {
            veto_and_defer(draft, cutover, &"its instances did not stay healthy for the warm-up".into());
            Some(abort(CutoverOutcome::Aborted, why))
        }
        CutoverPhase::AwaitingApproval => {
            defer(draft, cutover, &"no approval within the deadline".into(), false);
            Some(abort(CutoverOutcome::Aborted, why))
        }
        CutoverPhase::Shifting(_) => {
            match grow::below_minimum(context, cutover) {
                Some(waiting) => veto_and_defer(draft, cutover, &waiting.to_string().as_str().into()),
                None => defer(draft, cutover, &words, false),
            }
            Some(roll_back(why))
        }
        CutoverPhase::Baking { .. } => grow::below_minimum(context, cutover).map(|waiting| {
            veto_and_defer(draft, cutover, &waiting.to_string().as_str().into());
            roll_back(why)
        }),
        CutoverPhase::Queued
        | CutoverPhase::Warm { .. }
        | CutoverPhase::Retiring
        | CutoverPhase::Aborting { .. }
        | CutoverPhase::RollingBack { .. }
        | CutoverPhase::NeedsOperator { .. } => None,
    }
}

/// The deadline of a phase that begins now.
fn deadline(cutover: &Cutover, phase: &CutoverPhase, context: &CutoverContext<'_>) -> Timestamp {
    let policy = &cutover.policy;
    let steps = i32::try_from(policy.cutover.traffic.len()).unwrap_or(i32::MAX);
    let launch = policy.launch_deadline.max(cutover.hook_timeout + context.new.warm_up);
    let span = match phase {
        CutoverPhase::Queued => SignedDuration::MAX,
        CutoverPhase::Preflight => PREFLIGHT_DEADLINE,
        CutoverPhase::Preparing => policy.launch_deadline,
        // One launch time for the first instances, and one for the rest.
        CutoverPhase::Scaling => launch + launch,
        CutoverPhase::Verifying { .. } => launch,
        CutoverPhase::AwaitingApproval => APPROVAL_DEADLINE,
        CutoverPhase::Shifting(_) if cutover.route == Route::Rolling => SignedDuration::from_hours(12),
        CutoverPhase::Shifting(_) => (alarms::step_time(context, cutover) + policy.launch_deadline) * steps,
        // Auto Scaling may still be raising the group to its minimum healthy, for up to one launch time.
        CutoverPhase::Baking { until } | CutoverPhase::Warm { until } => {
            return until.saturating_add(launch).unwrap_or(Timestamp::MAX);
        }
        CutoverPhase::Retiring | CutoverPhase::Aborting { .. } => policy.drain_deadline.max(cutover.hook_timeout),
        CutoverPhase::RollingBack { .. } | CutoverPhase::NeedsOperator { .. } => ROLLBACK_DEADLINE,
    };
    context.now.saturating_add(span).unwrap_or(Timestamp::MAX)
}

fn enter(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover, phase: CutoverPhase, why: &str) {
    // The transition may have changed fields that the deadline depends on.
    let now = draft.record().cutover.as_ref().unwrap_or(cutover);
    let deadline = deadline(now, &phase, context);
    if let CutoverPhase::RollingBack { why, .. } = &phase {
        draft.tell(Details::RollingBack {
            candidate: cutover.candidate.clone(),
            new_color: cutover.new_color(),
            rollback_to: cutover.rollback_to.clone(),
            old_color: cutover.old,
            why: why.clone(),
        });
    }
    draft.enter_cutover(phase, deadline, why);
}

fn requeue(draft: &mut Draft<'_>) {
    let Some(cutover) = &draft.record().cutover else { return };
    let now = draft.input().now;
    let at = match cutover.phase() {
        // Facts, the resync and the end of the wait usually cause an earlier pass.
        CutoverPhase::Queued | CutoverPhase::AwaitingApproval | CutoverPhase::NeedsOperator { .. } => {
            now + SignedDuration::from_mins(5)
        }
        CutoverPhase::Preflight | CutoverPhase::Baking { .. } | CutoverPhase::Warm { .. } => now + RECHECK_MAX,
        CutoverPhase::Preparing
        | CutoverPhase::Scaling
        | CutoverPhase::Verifying { .. }
        | CutoverPhase::Shifting(_)
        | CutoverPhase::Retiring
        | CutoverPhase::Aborting { .. }
        | CutoverPhase::RollingBack { .. } => {
            now + (now.duration_since(cutover.since()) / 10).clamp(RECHECK_MIN, RECHECK_MAX)
        }
    };
    let deadline = Some(cutover.deadline()).filter(|at| *at > now && cutover.paused_since().is_none());
    draft.requeue(at);
    if let Some(deadline) = deadline {
        draft.requeue(deadline);
    }
}

/// Ends a cutover if one of its groups no longer belongs to the fleet, because Driftless can then restore nothing on
/// that group. If this pass has read no group at all, it only requests the next pass.
fn lost(draft: &mut Draft<'_>, cutover: &Cutover) {
    if draft.input().seen.groups.is_empty() {
        draft.requeue(draft.input().now + RECHECK_MAX);
        return;
    }
    let outcome = if cutover.has_traffic() { CutoverOutcome::RolledBack } else { CutoverOutcome::Aborted };
    end(draft, outcome, "a group of the cutover no longer belongs to the fleet");
}

/// Ends the cutover, stores its outcome and notifies on-call.
fn end(draft: &mut Draft<'_>, outcome: CutoverOutcome, why: &str) {
    let Some(past) = draft.end_cutover(outcome, why) else { return };
    draft.tell(Details::CutoverEnded {
        candidate: past.candidate,
        outcome,
        why: past.why,
        took: past.ended_at.duration_since(past.started_at),
    });
    start::give_slot(draft);
    draft.requeue(draft.input().now + RECHECK_MIN);
}

/// Stores a release as good, as the newest of at most [`GOOD_RELEASES_MAX`](crate::record::GOOD_RELEASES_MAX).
pub(crate) fn remember_good(draft: &mut Draft<'_>, release: Release) {
    let good = draft.good();
    good.retain(|known| known.template != release.template || known.image != release.image);
    good.push(release);
    let extra = good.len().saturating_sub(crate::record::GOOD_RELEASES_MAX);
    good.drain(..extra);
}

/// Defers the candidate of a cutover. With `shortage`, Driftless tries the candidate again after [`SHORTAGE_PAUSE`],
/// until it has made [`SHORTAGE_TRIES_MAX`] attempts. Otherwise, and after those attempts, the candidate stays deferred
/// until an operator ends the deferral.
pub(crate) fn defer(draft: &mut Draft<'_>, cutover: &Cutover, why: &UntrustedText, shortage: bool) {
    let key = cutover.candidate.key();
    let tries = draft.record().memory.deferred.get(&key).map_or(0, |known| known.tries) + 1;
    let again = shortage && tries < SHORTAGE_TRIES_MAX;
    let until = again.then(|| draft.input().now + SHORTAGE_PAUSE);
    draft.defer(key, Deferred { why: why.clone(), until, tries });
}

/// Defers the candidate of a failed cutover and vetoes its image. The image is not vetoed if the release to which a
/// rollback returns runs it too.
pub(crate) fn veto_and_defer(draft: &mut Draft<'_>, cutover: &Cutover, why: &UntrustedText) {
    defer(draft, cutover, why, false);
    if cutover.candidate.image == cutover.rollback_to.image {
        return;
    }
    let mut evidence = cutover.evidence.clone();
    evidence.push(why.clone());
    crate::vetoes::veto(draft, &cutover.candidate.image, "driftless", evidence);
}

/// The number of healthy instances of a group: in service, healthy to Auto Scaling, and healthy in each target group of
/// the group. In a group without target groups, target health does not count.
pub(crate) fn serving(seen: &Observation, group: &Group) -> u32 {
    let serving = group.members.iter().filter(|member| seen.is_serving(group, member));
    u32::try_from(serving.count()).unwrap_or(u32::MAX)
}

/// How many healthy instances a color needs before Driftless gives it traffic or more traffic: the `min-healthy` of the
/// policy, applied to the size of the cutover, and at least one.
pub(crate) fn minimum_healthy(cutover: &Cutover) -> u32 {
    cutover.policy.min_healthy.of_rounded_up(cutover.size).max(1)
}

/// The percentage of the traffic that the new color gets in a step. The last step is 100 %. On a route without weights,
/// every step is 100 %.
pub(crate) fn share(cutover: &Cutover, step: usize) -> Percent {
    let all = Percent::ALL;
    match cutover.route {
        Route::Weighted { .. } => cutover.policy.cutover.traffic.get(step).copied().unwrap_or(all),
        Route::Shared { .. } | Route::None | Route::Rolling => all,
    }
}

/// Continues a cutover that needs an operator, from the weights that this pass has read.
///
/// # Errors
///
/// The groups of the cutover were not read or have left the fleet, or the forward action does not exist.
pub(crate) fn go_on(draft: &mut Draft<'_>, cutover: &Cutover, actor: &UntrustedText) -> Result<(), String> {
    let (seen, now) = (draft.input().seen, draft.input().now);
    let (Some(old), Some(new)) = (seen.group(&cutover.old_group), seen.group(&cutover.new_group)) else {
        return Err("the groups of the fleet were not read: run the command again".to_owned());
    };
    let context = CutoverContext { now, seen, old, new, pause: None };
    let Some(step) = step_from_here(&context, cutover) else {
        return Err(
            "the forward action does not exist, so Driftless cannot tell which weights to continue from".to_owned()
        );
    };
    let phase = CutoverPhase::Shifting(Shifting::next(step));
    enter(draft, &context, cutover, phase, &format!("resumed by {actor}"));
    Ok(())
}

/// The step at which a cutover continues from the current weights: the first step that takes no traffic from the new
/// color. None: the forward action was not read or does not exist.
fn step_from_here(context: &CutoverContext<'_>, cutover: &Cutover) -> Option<usize> {
    let Route::Weighted { place, old, new } = &cutover.route else { return Some(cutover.first_step()) };
    let live = shift::Weights { place, old, new }.forward(context)?;
    let of_new = u64::from(live.weights.get(new).copied().unwrap_or(0)) * 100;
    let all = live.weights.values().copied().map(u64::from).sum::<u64>();
    let takes_none_away = |step: &usize| u64::from(share(cutover, *step).get()) * all >= of_new;
    Some((cutover.first_step()..cutover.last_step()).find(takes_none_away).unwrap_or(cutover.last_step()))
}
