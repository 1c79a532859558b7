//! One drifted instance leaving after its successor has proven itself: the phases that change the world.
//!
//! A surge ends by terminating one instance by its id: the drifted one, or the surplus when the surge is given up. With
//! decrement only where desired capacity is above the base that was recorded at admission, so that what someone else
//! changed meanwhile stays changed.

use jiff::{SignedDuration, Timestamp};

use crate::adopt::Standing;
use crate::decide::Plan;
use crate::decision::Waiting;
use crate::drift::Findings;
use crate::ids::{GroupName, InstanceId, RuleName, Zone};
use crate::notification::News;
use crate::observation::{Group, Lifecycle, Member};
use crate::policy::ReplaceBy;
use crate::record::{
    Descent, Failure, Phase, Refused, Replacement, StopReason, Stopped, Surge, SurgeMethod, WithdrawReason, Withdrawing,
};
use crate::withdrawal::withdraw;
use crate::{capacity, quarantine};

mod launching;
mod proving;
mod retiring;
mod vacating;

pub(crate) use launching::launch;
pub(crate) use proving::{floor, serves_nobody};
pub(crate) use retiring::terminate;
pub(crate) use vacating::serving_after;

/// After so many failed attempts on one instance a person must look. One failure may be a passing shortage and two a
/// coincidence; a third of the same kind will not be the last.
pub const ATTEMPTS_MAX: usize = 3;

/// The first back-off; each further one doubles. Shortages of capacity pass in minutes.
const BACK_OFF: SignedDuration = SignedDuration::from_mins(2);

/// The shortest and the longest time between two looks at work under way. Below, reads would cost more than they tell;
/// above, a person would notice the wait.
pub(crate) const LOOK_MIN: SignedDuration = SignedDuration::from_secs(2);
pub(crate) const LOOK_MAX: SignedDuration = SignedDuration::from_secs(30);

/// What becomes of a phase in one look.
pub(crate) enum Step {
    /// It stays, perhaps with its data brought up to date.
    Stay(Phase),
    /// It becomes another one.
    To(Phase, String),
    /// The replacement is over.
    End(End),
}

pub(crate) enum End {
    Replaced {
        successor: InstanceId,
        surge: Surge,
    },
    Withdrawn(WithdrawReason),
    /// Nothing proved itself in the place of the drifted one, which is gone.
    NotRefilled,
}

/// Whether the successor on trial drifts for what its ancestor is replaced for.
pub(crate) enum Recurrence {
    None,
    /// It does, and may get over it until then: a rule can be late to see what a young instance has set up.
    Until(Timestamp),
    Lasting,
}

/// What a phase is judged by.
pub(crate) struct Context<'p, 'a> {
    pub(crate) now: Timestamp,
    pub(crate) id: &'p InstanceId,
    pub(crate) group: &'a Group,
    /// Where the drifted instance runs, and its successor is launched.
    pub(crate) zone: &'p Zone,
    pub(crate) drifted: Option<&'a Member>,
    pub(crate) is_cleared: bool,
    pub(crate) breaker_open: bool,
    /// The rule whose breaker is open in all fleets, where the drift is of such rules alone.
    pub(crate) rule_breaker: Option<RuleName>,
    pub(crate) recurrence: Recurrence,
    pub(crate) hold: Option<Waiting>,
    /// Since when it is held: since the freeze was said, not since it was noticed.
    pub(crate) held_since: Timestamp,
    /// See [`others_launched`].
    pub(crate) others_launched: u32,
}

/// When the next attempt may start. None: none has failed.
pub(crate) fn back_off_until(replacement: &Replacement) -> Option<Timestamp> {
    let last = replacement.failures.last()?;
    let doublings = u32::try_from(replacement.failures.len() - 1).unwrap_or(0).min(8);
    Some(last.at + BACK_OFF * 2_i32.pow(doublings))
}

/// Brings every replacement that is under way one look further.
pub(crate) fn advance_all(plan: &mut Plan<'_>, standing: &Standing<'_>, findings: &Findings) {
    let under_way: Vec<InstanceId> = plan
        .next
        .replacements
        .iter()
        .filter(|(_, replacement)| replacement.phase.surge().is_some())
        .map(|(id, _)| id.clone())
        .collect();
    for id in under_way {
        advance(plan, standing, findings, &id);
    }
}

fn advance(plan: &mut Plan<'_>, standing: &Standing<'_>, findings: &Findings, id: &InstanceId) {
    let Some(replacement) = plan.next.replacements.get(id).cloned() else { return };
    let Some(group) = plan.input.seen.group(&replacement.group) else {
        // An empty answer is no proof; a look that shows other groups, or the fleet as gone, is.
        if plan.input.seen.groups.is_empty() {
            plan.look_again(plan.input.now + LOOK_MAX);
        } else {
            plan.next.replacements.remove(id);
            let why = format!("{} no longer belongs to the fleet", replacement.group);
            plan.journal(Some(id), replacement.phase.name(), "cleared", why);
        }
        return;
    };
    let context = context_of(plan, standing, findings, id, &replacement, group);
    let step = match replacement.phase.clone() {
        Phase::Launching(surge) => launching::launching(plan, &context, surge),
        Phase::Proving(proving) => proving::prove(plan, &context, proving),
        Phase::Retiring(retiring) => retiring::retire(plan, &context, retiring),
        Phase::Vacating(vacating) => vacating::vacate(plan, &context, vacating),
        Phase::Refilling(refilling) => vacating::refill(plan, &context, refilling),
        Phase::Withdrawing(withdrawing) => withdraw(plan, &context, withdrawing),
        Phase::Debouncing | Phase::Blocked(_) | Phase::Stopped(_) => return,
    };
    apply(plan, &context, &replacement, step);
}

fn context_of<'p, 'a>(
    plan: &Plan<'a>,
    standing: &Standing<'_>,
    findings: &Findings,
    id: &'p InstanceId,
    replacement: &'p Replacement,
    group: &'a Group,
) -> Context<'p, 'a> {
    Context {
        now: plan.input.now,
        id,
        group,
        zone: &replacement.zone,
        drifted: group.member(id).filter(|member| member.lifecycle != Lifecycle::Terminating),
        is_cleared: findings.is_cleared(id, replacement),
        breaker_open: findings.breaker.is_some() && standing.is_live(&group.name),
        rule_breaker: crate::drift::open_rule_breaker(&plan.next, &replacement.drift).map(|(rule, _)| rule),
        recurrence: crate::drift::recurrence(plan, findings, replacement),
        hold: plan.hold(standing.mode()),
        held_since: plan.frozen_since().unwrap_or(plan.input.now),
        others_launched: others_launched(plan, id, &replacement.group),
    }
}

/// Other surges of the group that hold it one above the base just now: their successor came, and neither they nor
/// what they replace has gone.
fn others_launched(plan: &Plan<'_>, id: &InstanceId, group: &GroupName) -> u32 {
    let stays = |member: &InstanceId| {
        let found = plan.input.seen.group(group).and_then(|group| group.member(member));
        found.is_some_and(|member| member.lifecycle != Lifecycle::Terminating)
    };
    let others = plan.next.replacements.iter().filter(|(other, replacement)| {
        *other != id
            && replacement.group == *group
            && match &replacement.phase {
                Phase::Proving(_) => true,
                Phase::Retiring(_) => stays(other),
                Phase::Withdrawing(withdrawing) => withdrawing.successor.as_ref().is_some_and(stays),
                // Their drifted one goes first: they hold the group at its size.
                Phase::Vacating(_)
                | Phase::Refilling(_)
                | Phase::Launching(_)
                | Phase::Debouncing
                | Phase::Blocked(_)
                | Phase::Stopped(_) => false,
            }
    });
    u32::try_from(others.count()).unwrap_or(u32::MAX)
}

fn apply(plan: &mut Plan<'_>, context: &Context<'_, '_>, before: &Replacement, step: Step) {
    let id = context.id;
    match step {
        Step::Stay(phase) => {
            set_phase(plan, id, phase);
            look_at_work_again(plan, before);
        }
        Step::To(phase, why) => {
            plan.journal(Some(id), before.phase.name(), phase.name(), why);
            set_phase(plan, id, phase.clone());
            is_on_trial(plan, phase.successor());
            // The new phase acts in the same decision: what it does is committed with the transition.
            let step = match phase {
                Phase::Retiring(retiring) => retiring::retire(plan, context, retiring),
                Phase::Withdrawing(withdrawing) => withdraw(plan, context, withdrawing),
                Phase::Proving(proving) => {
                    if matches!(before.phase, Phase::Launching(_)) {
                        // There was room.
                        plan.next.back_off = None;
                    }
                    proving::prove(plan, context, proving)
                }
                Phase::Refilling(refilling) => vacating::refill(plan, context, refilling),
                Phase::Launching(_)
                | Phase::Vacating(_)
                | Phase::Debouncing
                | Phase::Blocked(_)
                | Phase::Stopped(_) => {
                    look_at_work_again(plan, before);
                    return;
                }
            };
            let Some(entered) = plan.next.replacements.get(id).cloned() else { return };
            apply(plan, context, &entered, step);
        }
        Step::End(End::Replaced { successor, surge }) => replaced(plan, id, before, successor, &surge),
        Step::End(End::Withdrawn(because)) => withdrawn(plan, context, before, because),
        Step::End(End::NotRefilled) => stop(plan, context.id, before, StopReason::NotRefilled, "no successor came"),
    }
}

/// An instance that turns out to be a successor may have been found drifted before that was known. It is judged by its
/// own replacement, and afterwards by its lineage: a surge of its own would be the second link of an endless chain.
fn is_on_trial(plan: &mut Plan<'_>, successor: Option<&InstanceId>) {
    let Some(successor) = successor else { return };
    let Some(known) = plan.next.replacements.get(successor).filter(|known| known.phase.surge().is_none()) else {
        return;
    };
    let from = known.phase.name();
    plan.next.replacements.remove(successor);
    plan.waiting.remove(successor);
    plan.journal(Some(successor), from, "cleared", "it is a successor that is still on trial");
}

fn set_phase(plan: &mut Plan<'_>, id: &InstanceId, phase: Phase) {
    if let Some(replacement) = plan.next.replacements.get_mut(id) {
        replacement.phase = phase;
    }
}

/// Looks again after a tenth of the time that the attempt has taken so far: quick work is followed closely, slow work
/// costs few reads, and no wait is ever a tenth longer than it had to be.
fn look_at_work_again(plan: &mut Plan<'_>, replacement: &Replacement) {
    let now = plan.input.now;
    let Some(surge) = replacement.phase.surge() else { return };
    let elapsed = now.duration_since(surge.admitted_at);
    let pause = (elapsed / 10).clamp(LOOK_MIN, LOOK_MAX);
    plan.look_again(now + pause);
    if now < surge.deadline {
        plan.look_again(surge.deadline.min(now + LOOK_MAX));
    }
}

// ---- the ends --------------------------------------------------------------------------------------------------------

fn replaced(plan: &mut Plan<'_>, id: &InstanceId, before: &Replacement, successor: InstanceId, surge: &Surge) {
    let now = plan.input.now;
    plan.next.replacements.remove(id);
    plan.next.asked_to_replace.remove(id);
    plan.next.lineage.insert(successor.clone(), Descent { ancestor: id.clone(), drift: before.drift.clone(), at: now });
    plan.journal(Some(id), before.phase.name(), "replaced", format!("{successor} took its place ({})", surge.token));
    let is_there = plan.input.seen.groups.iter().any(|group| group.member(id).is_some());
    let kept_until = (is_there && surge.replace_by() == ReplaceBy::Quarantine).then(|| {
        let until = quarantine::keep(plan, id, before);
        plan.journal(Some(id), "replaced", "quarantined", format!("kept until {until:.0}"));
        until
    });
    plan.tell(News::Replaced {
        instance: id.clone(),
        successor,
        drift: before.drift.iter().cloned().collect(),
        took: now.duration_since(before.detected_at),
        kept_until,
    });
}

fn withdrawn(plan: &mut Plan<'_>, context: &Context<'_, '_>, before: &Replacement, because: WithdrawReason) {
    let (id, now) = (context.id, context.now);
    let Some(replacement) = plan.next.replacements.get_mut(id) else { return };
    let from = before.phase.name();
    let mut next_attempt = None;
    match &because {
        WithdrawReason::Cleared | WithdrawReason::DriftedGone => {
            plan.next.replacements.remove(id);
            plan.journal(Some(id), from, "cleared", because.to_string());
        }
        WithdrawReason::BreakerOpen | WithdrawReason::RuleBreakerOpen(_) | WithdrawReason::Protected { .. } => {
            replacement.phase = Phase::Debouncing;
            plan.journal(Some(id), from, "debouncing", because.to_string());
        }
        WithdrawReason::WindowClosed | WithdrawReason::BelowFloor { .. } => {
            replacement.phase = Phase::Debouncing;
            plan.journal(Some(id), from, "debouncing", because.to_string());
            return;
        }
        WithdrawReason::NoCapacity(message) => {
            // Nobody's fault: it counts against no instance, and on-call hears of the shortage, not of each try.
            replacement.phase = Phase::Debouncing;
            capacity::back_off(plan, message.clone());
            plan.journal(Some(id), from, "debouncing", because.to_string());
            return;
        }
        WithdrawReason::BornDrifted { successor } => {
            let image = plan.next.release.as_ref().map(|release| release.image.clone());
            let why = StopReason::Recurrence { successor: successor.clone(), image };
            stop(plan, id, before, why, &because.to_string());
            return;
        }
        WithdrawReason::Failed(why) => {
            replacement.failures.push(Failure { at: now, why: why.clone() });
            let failed = replacement.clone();
            if failed.failures.len() >= ATTEMPTS_MAX {
                let failed = Replacement { phase: before.phase.clone(), ..failed };
                stop(plan, id, &failed, StopReason::Failures, &because.to_string());
                return;
            }
            let until = back_off_until(replacement).unwrap_or(now);
            replacement.phase = Phase::Blocked(Waiting::BackOff { until });
            next_attempt = Some(until);
            plan.journal(Some(id), from, "blocked", because.to_string());
        }
    }
    plan.tell(News::Withdrawn { instance: id.clone(), because, next_attempt });
}

/// Gives a replacement up for good, and calls a person.
fn stop(plan: &mut Plan<'_>, id: &InstanceId, before: &Replacement, why: StopReason, journaled: &str) {
    let Some(replacement) = plan.next.replacements.get_mut(id) else { return };
    replacement.phase = Phase::Stopped(Stopped { at: plan.input.now, why: why.clone() });
    plan.journal(Some(id), before.phase.name(), "stopped", journaled);
    let drift = before.drift.iter().cloned().collect();
    plan.tell(News::Stopped { instance: id.clone(), drift, why, failures: before.failures.clone() });
}

// ---- what several phases ask -----------------------------------------------------------------------------------------

enum Clock {
    Running,
    Held(Waiting),
    Expired,
}

/// A hold stops the clock: when it ends, the deadline has moved by as long as it lasted.
fn hold_or_expire(context: &Context<'_, '_>, surge: &mut Surge) -> Clock {
    if let Some(waiting) = &context.hold {
        // An admission after the freeze was said had not read it yet: nothing was held before.
        surge.held_since.get_or_insert(context.held_since.max(surge.admitted_at));
        return Clock::Held(waiting.clone());
    }
    if let Some(held_since) = surge.held_since.take() {
        surge.deadline += context.now.duration_since(held_since);
    }
    if context.now >= surge.deadline { Clock::Expired } else { Clock::Running }
}

impl Context<'_, '_> {
    /// Why there is nothing to replace any more, or must not be.
    fn reason_to_stop(&self, plan: &Plan<'_>) -> Option<WithdrawReason> {
        let Some(drifted) = self.drifted else { return Some(WithdrawReason::DriftedGone) };
        if self.is_cleared {
            Some(WithdrawReason::Cleared)
        } else if self.breaker_open {
            Some(WithdrawReason::BreakerOpen)
        } else if let Some(rule) = &self.rule_breaker {
            Some(WithdrawReason::RuleBreakerOpen(rule.clone()))
        } else {
            let protection = crate::guards::protection(plan, self.group, drifted)?;
            Some(WithdrawReason::Protected { by: protection.to_string().as_str().into() })
        }
    }
}

fn pointless(
    plan: &Plan<'_>,
    context: &Context<'_, '_>,
    surge: &Surge,
    successor: Option<&InstanceId>,
) -> Option<Step> {
    let because = context.reason_to_stop(plan)?;
    Some(give_up(context, surge.clone(), successor.cloned(), because))
}

fn give_up(context: &Context<'_, '_>, surge: Surge, successor: Option<InstanceId>, because: WithdrawReason) -> Step {
    let why = because.to_string();
    Step::To(Phase::Withdrawing(withdrawing(context, surge, successor, because)), why)
}

/// Gives up where AWS refused the launch. Asked for the first time nothing was launched, and nothing is to be taken back,
/// whatever others did to desired capacity.
fn refused(context: &Context<'_, '_>, surge: Surge, because: WithdrawReason) -> Step {
    let taken_back = !surge.asked_again;
    let is_of_zone = surge.asked_again && surge.method == SurgeMethod::LaunchInstances;
    let refused = is_of_zone.then(|| Refused { zone: context.zone.clone(), at: context.now });
    let why = because.to_string();
    let phase = Withdrawing { taken_back, refused, ..withdrawing(context, surge, None, because) };
    Step::To(Phase::Withdrawing(phase), why)
}

fn withdrawing(
    context: &Context<'_, '_>,
    surge: Surge,
    successor: Option<InstanceId>,
    because: WithdrawReason,
) -> Withdrawing {
    let deadline = context.now + surge.policy.drain_deadline;
    Withdrawing { surge, successor, because, deadline, desired_before: None, taken_back: false, refused: None }
}

/// Starts to replace an instance that goes before its successor comes. What is kept of it is committed together with the
/// decision to terminate it.
pub(crate) fn begin_vacating(plan: &mut Plan<'_>, standing: &Standing<'_>, findings: &Findings, id: &InstanceId) {
    vacating::keep_evidence_of(plan, standing, findings, id);
    advance(plan, standing, findings, id);
}
