//! Replacement of a drifted instance: the phases in which Driftless changes AWS resources.
//!
//! A surge ends when one instance is terminated by its id: the drifted instance, or the extra instance of an abandoned
//! surge. The termination lowers the desired capacity only if it is above the base that was recorded at the admission,
//! so that external changes stay.

use jiff::{SignedDuration, Timestamp};

use crate::adopt::FleetState;
use crate::draft::Draft;
use crate::drift::Findings;
use crate::ids::{GroupName, InstanceId};
use crate::limits::{RECHECK_MAX, RECHECK_MIN};
use crate::notification::Details;
use crate::observation::{Group, Lifecycle};
use crate::policy::ReplaceBy;
use crate::record::transitions::ReplacementEnd;
use crate::record::{
    CancelReason, Cancelling, Descent, Phase, Refused, Replacement, StopReason, Stopped, Surge, SurgeMethod,
};
use crate::waiting::Waiting;
use crate::{capacity, quarantine};

mod cancelling;
mod launching;
mod retiring;
mod step;
mod terminating;
mod verifying;

use cancelling::cancel;
pub(crate) use launching::launch;
pub(crate) use retiring::terminate;
pub(crate) use step::{End, ReplacementContext, Transition};
pub(crate) use terminating::serving_after;
pub(crate) use verifying::{minimum_healthy, serves_nobody};

/// After this many failed attempts to replace an instance, an operator must inspect it. One failure may be a passing
/// fault and two a coincidence; a third points to a lasting cause. Capacity shortages do not count.
pub const ATTEMPTS_MAX: usize = 3;

/// How long Driftless waits after the first failed attempt to replace an instance. Each further failure doubles the
/// wait.
const BACK_OFF: SignedDuration = SignedDuration::from_mins(2);

/// When the next attempt to replace the instance may start. None: no attempt has failed.
pub(crate) fn back_off_until(replacement: &Replacement) -> Option<Timestamp> {
    let last = replacement.failures.last()?;
    let doublings = u32::try_from(replacement.failures.len() - 1).unwrap_or(0).min(8);
    Some(last.at + BACK_OFF * 2_i32.pow(doublings))
}

/// Advances every admitted replacement by one pass.
pub(crate) fn advance_all(draft: &mut Draft<'_>, standing: &FleetState<'_>, findings: &Findings) {
    let under_way: Vec<InstanceId> = draft
        .record()
        .replacements
        .iter()
        .filter(|(_, replacement)| replacement.phase().surge().is_some())
        .map(|(id, _)| id.clone())
        .collect();
    for id in under_way {
        advance(draft, standing, findings, &id);
    }
}

fn advance(draft: &mut Draft<'_>, standing: &FleetState<'_>, findings: &Findings, id: &InstanceId) {
    let Some(replacement) = draft.record().replacements.get(id).cloned() else { return };
    let Some(group) = draft.input().seen.group(&replacement.group) else {
        // A read without any group proves nothing. A read with other groups proves that this group has left the fleet.
        if draft.input().seen.groups.is_empty() {
            draft.requeue(draft.input().now + RECHECK_MAX);
        } else {
            let why = format!("{} no longer belongs to the fleet", replacement.group);
            draft.end_replacement(id, ReplacementEnd::Cleared, why);
        }
        return;
    };
    let context = context_of(draft, standing, findings, id, &replacement, group);
    let step = match replacement.phase().clone() {
        Phase::Launching(surge) => launching::launching(draft, &context, surge),
        Phase::Verifying(verifying) => verifying::prove(draft, &context, verifying),
        Phase::Retiring(retiring) => retiring::retire(draft, &context, retiring),
        Phase::Terminating(terminating) => terminating::terminate_first(draft, &context, terminating),
        Phase::LaunchingAfter(launching_after) => terminating::launch_after(draft, &context, launching_after),
        Phase::Cancelling(cancelling) => cancel(draft, &context, cancelling),
        Phase::Debouncing | Phase::Blocked(_) | Phase::Stopped(_) => return,
    };
    apply(draft, &context, &replacement, step);
}

fn context_of<'p, 'a>(
    draft: &Draft<'a>,
    standing: &FleetState<'_>,
    findings: &Findings,
    id: &'p InstanceId,
    replacement: &'p Replacement,
    group: &'a Group,
) -> ReplacementContext<'p, 'a> {
    ReplacementContext {
        now: draft.input().now,
        id,
        group,
        zone: &replacement.zone,
        drifted: group.member(id).filter(|member| member.lifecycle != Lifecycle::Terminating),
        is_cleared: findings.is_cleared(id, replacement),
        breaker_open: findings.breaker.is_some() && standing.is_live(&group.name),
        rule_breaker: crate::drift::open_rule_breaker(draft.record(), &replacement.drift).map(|(rule, _)| rule),
        recurrence: crate::drift::recurrence(draft, findings, replacement),
        pause: draft.pause(standing.mode()),
        paused_since: draft.frozen_since().unwrap_or(draft.input().now),
        others_launched: others_launched(draft, id, &replacement.group),
    }
}

/// The number of other surges that currently keep the group one instance above its base. Such a surge has launched its
/// replacement instance, and neither that instance nor the drifted one is gone.
fn others_launched(draft: &Draft<'_>, id: &InstanceId, group: &GroupName) -> u32 {
    let stays = |member: &InstanceId| {
        let found = draft.input().seen.group(group).and_then(|group| group.member(member));
        found.is_some_and(|member| member.lifecycle != Lifecycle::Terminating)
    };
    let others = draft.record().replacements.iter().filter(|(other, replacement)| {
        *other != id
            && replacement.group == *group
            && match replacement.phase() {
                Phase::Verifying(_) => true,
                Phase::Retiring(_) => stays(other),
                Phase::Cancelling(cancelling) => cancelling.successor.as_ref().is_some_and(stays),
                // A terminate-first replacement does not raise the size of the group.
                Phase::Terminating(_)
                | Phase::LaunchingAfter(_)
                | Phase::Launching(_)
                | Phase::Debouncing
                | Phase::Blocked(_)
                | Phase::Stopped(_) => false,
            }
    });
    u32::try_from(others.count()).unwrap_or(u32::MAX)
}

fn apply(draft: &mut Draft<'_>, context: &ReplacementContext<'_, '_>, before: &Replacement, step: Transition) {
    let id = context.id;
    match step {
        Transition::Stay(phase) => {
            draft.stay(id, phase);
            requeue_open_work(draft, before);
        }
        Transition::To(phase, why) => {
            draft.enter(id, phase.clone(), why);
            drop_successor_entry(draft, phase.successor());
            // The new phase acts in the same decision, so that its effects are committed with the transition.
            let step = match phase {
                Phase::Retiring(retiring) => retiring::retire(draft, context, retiring),
                Phase::Cancelling(cancelling) => cancel(draft, context, cancelling),
                Phase::Verifying(verifying) => {
                    if matches!(before.phase(), Phase::Launching(_)) {
                        // The launch found capacity.
                        draft.room_may_be_there();
                    }
                    verifying::prove(draft, context, verifying)
                }
                Phase::LaunchingAfter(launching_after) => terminating::launch_after(draft, context, launching_after),
                Phase::Launching(_)
                | Phase::Terminating(_)
                | Phase::Debouncing
                | Phase::Blocked(_)
                | Phase::Stopped(_) => {
                    requeue_open_work(draft, before);
                    return;
                }
            };
            let Some(entered) = draft.record().replacements.get(id).cloned() else { return };
            apply(draft, context, &entered, step);
        }
        Transition::End(End::Replaced { successor, surge }) => replaced(draft, id, before, successor, &surge),
        Transition::End(End::Cancelled(because)) => cancelled(draft, context, before, because),
        Transition::End(End::NotLaunchedAfter) => {
            stop(draft, context.id, StopReason::NotLaunchedAfter, "no replacement instance was launched");
        }
    }
}

/// Removes the drift of an instance that turns out to be a replacement instance. The replacement that launched it
/// evaluates that drift, and after it has ended the repeat drift guard does. A separate surge for the instance would
/// start an endless chain.
fn drop_successor_entry(draft: &mut Draft<'_>, successor: Option<&InstanceId>) {
    let Some(successor) = successor else { return };
    let known = draft.record().replacements.get(successor);
    if known.is_some_and(|known| known.phase().surge().is_none()) {
        draft.end_replacement(successor, ReplacementEnd::Cleared, "this replacement instance is not verified yet");
    }
}

/// Requests the next pass after a tenth of the time that the attempt has taken so far, but after [`RECHECK_MIN`] at the
/// earliest and [`RECHECK_MAX`] at the latest. Short work thus gets frequent passes, and long work few reads.
fn requeue_open_work(draft: &mut Draft<'_>, replacement: &Replacement) {
    let now = draft.input().now;
    let Some(surge) = replacement.phase().surge() else { return };
    let elapsed = now.duration_since(surge.admitted_at);
    let pause = (elapsed / 10).clamp(RECHECK_MIN, RECHECK_MAX);
    draft.requeue(now + pause);
    if now < surge.deadline {
        draft.requeue(surge.deadline.min(now + RECHECK_MAX));
    }
}

// ---- the ends --------------------------------------------------------------------------------------------------------

fn replaced(draft: &mut Draft<'_>, id: &InstanceId, before: &Replacement, successor: InstanceId, surge: &Surge) {
    let now = draft.input().now;
    draft.end_replacement(id, ReplacementEnd::Replaced, format!("{successor} took its place ({})", surge.token));
    draft.is_replaced_as_asked(id);
    draft.descends(&successor, Descent { ancestor: id.clone(), drift: before.drift.clone(), at: now });
    let is_there = draft.input().seen.groups.iter().any(|group| group.member(id).is_some());
    let kept_until = (is_there && surge.replace_by() == ReplaceBy::Quarantine).then(|| {
        let until = quarantine::keep(draft, id, before);
        draft.history().quarantine(id, true, format!("kept until {until:.0}"));
        until
    });
    draft.tell(Details::Replaced {
        instance: id.clone(),
        successor,
        drift: before.drift.iter().cloned().collect(),
        took: now.duration_since(before.detected_at),
        kept_until,
    });
}

fn cancelled(draft: &mut Draft<'_>, context: &ReplacementContext<'_, '_>, before: &Replacement, because: CancelReason) {
    let id = context.id;
    let mut next_attempt = None;
    match &because {
        CancelReason::Cleared | CancelReason::DriftedGone => {
            draft.end_replacement(id, ReplacementEnd::Cleared, because.to_string());
        }
        CancelReason::BreakerOpen | CancelReason::RuleBreakerOpen(_) | CancelReason::Protected { .. } => {
            draft.enter(id, Phase::Debouncing, because.to_string());
        }
        CancelReason::WindowClosed | CancelReason::BelowMinimum { .. } => {
            draft.enter(id, Phase::Debouncing, because.to_string());
            return;
        }
        CancelReason::NoCapacity(message) => {
            // A shortage counts against no instance, and on-call is notified of the shortage, not of each attempt.
            capacity::back_off(draft, message.clone());
            draft.enter(id, Phase::Debouncing, because.to_string());
            return;
        }
        CancelReason::DriftedFromTheStart { successor } => {
            let image = draft.record().release.as_ref().map(|release| release.image.clone());
            let why = StopReason::Recurrence { successor: successor.clone(), image };
            stop(draft, id, why, &because.to_string());
            return;
        }
        CancelReason::Failed(why) => {
            draft.attempt_failed(id, why.clone());
            let failed = draft.record().replacements.get(id).unwrap_or(before);
            if failed.failures.len() >= ATTEMPTS_MAX {
                stop(draft, id, StopReason::Failures, &because.to_string());
                return;
            }
            let until = back_off_until(failed).unwrap_or(context.now);
            draft.enter(id, Phase::Blocked(Waiting::BackOff { until }), because.to_string());
            next_attempt = Some(until);
        }
    }
    draft.tell(Details::Cancelled { instance: id.clone(), because, next_attempt });
}

/// Stops a replacement and notifies on-call, so that an operator acts.
fn stop(draft: &mut Draft<'_>, id: &InstanceId, why: StopReason, said: &str) {
    let Some(replacement) = draft.record().replacements.get(id) else { return };
    let (reasons, failures) = (replacement.drift.iter().cloned().collect(), replacement.failures.clone());
    draft.enter(id, Phase::Stopped(Stopped { at: draft.input().now, why: why.clone() }), said);
    draft.tell(Details::Stopped { instance: id.clone(), drift: reasons, why, failures });
}

// ---- what several phases ask -----------------------------------------------------------------------------------------

enum Clock {
    Running,
    Paused(Waiting),
    Expired,
}

/// The state of the timer of a surge. A pause stops the timer, and the end of the pause moves the deadline by the
/// duration of the pause.
fn pause_or_expire(context: &ReplacementContext<'_, '_>, surge: &mut Surge) -> Clock {
    if let Some(waiting) = &context.pause {
        // A surge that was admitted after the freeze began had not read it: the pause starts at the admission.
        surge.paused_since.get_or_insert(context.paused_since.max(surge.admitted_at));
        return Clock::Paused(waiting.clone());
    }
    if let Some(paused_since) = surge.paused_since.take() {
        surge.deadline += context.now.duration_since(paused_since);
    }
    if context.now >= surge.deadline { Clock::Expired } else { Clock::Running }
}

impl ReplacementContext<'_, '_> {
    /// Why the replacement must be cancelled now. None: it continues.
    fn reason_to_stop(&self, draft: &Draft<'_>) -> Option<CancelReason> {
        let Some(drifted) = self.drifted else { return Some(CancelReason::DriftedGone) };
        if self.is_cleared {
            Some(CancelReason::Cleared)
        } else if self.breaker_open {
            Some(CancelReason::BreakerOpen)
        } else if let Some(rule) = &self.rule_breaker {
            Some(CancelReason::RuleBreakerOpen(rule.clone()))
        } else {
            let protection = crate::protection::protection(draft, self.group, drifted)?;
            Some(CancelReason::Protected { by: protection.to_string().as_str().into() })
        }
    }
}

fn no_longer_needed(
    draft: &Draft<'_>,
    context: &ReplacementContext<'_, '_>,
    surge: &Surge,
    successor: Option<&InstanceId>,
) -> Option<Transition> {
    let because = context.reason_to_stop(draft)?;
    Some(give_up(context, surge.clone(), successor.cloned(), because))
}

fn give_up(
    context: &ReplacementContext<'_, '_>,
    surge: Surge,
    successor: Option<InstanceId>,
    because: CancelReason,
) -> Transition {
    let why = because.to_string();
    Transition::To(Phase::Cancelling(cancelling(context, surge, successor, because)), why)
}

/// Abandons a surge whose launch call AWS refused. If the first call was refused, it launched nothing, so nothing is
/// undone, whatever external changes did to the desired capacity.
fn refused(context: &ReplacementContext<'_, '_>, surge: Surge, because: CancelReason) -> Transition {
    let taken_back = !surge.asked_again;
    let is_of_zone = surge.asked_again && surge.method == SurgeMethod::LaunchInstances;
    let refused = is_of_zone.then(|| Refused { zone: context.zone.clone(), at: context.now });
    let why = because.to_string();
    let phase = Cancelling { taken_back, refused, ..cancelling(context, surge, None, because) };
    Transition::To(Phase::Cancelling(phase), why)
}

fn cancelling(
    context: &ReplacementContext<'_, '_>,
    surge: Surge,
    successor: Option<InstanceId>,
    because: CancelReason,
) -> Cancelling {
    let deadline = context.now + surge.policy.drain_deadline;
    Cancelling { surge, successor, because, deadline, desired_before: None, taken_back: false, refused: None }
}

/// Starts a terminate-first replacement. The evidence about the instance is committed together with the decision to
/// terminate it.
pub(crate) fn begin_terminating(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    findings: &Findings,
    id: &InstanceId,
) {
    terminating::keep_evidence_of(draft, standing, findings, id);
    advance(draft, standing, findings, id);
}
