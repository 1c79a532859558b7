//! One drifted instance leaving after its successor has proven itself: the phases that change the world.
//!
//! A surge ends by terminating one instance by its id: the drifted one, or the surplus when the surge is given up. With
//! decrement only where desired capacity is above the base that was recorded at admission, so that what someone else
//! changed meanwhile stays changed.

use jiff::{SignedDuration, Timestamp};

use crate::action::{Action, ActionResult, CapacityChange, Role};
use crate::adopt::Standing;
use crate::decide::Plan;
use crate::decision::{Evidence, JournalEntry, Waiting};
use crate::drift::Findings;
use crate::ids::{GroupName, InstanceId};
use crate::ledger::{make_room, protect};
use crate::notification::{Condition, News};
use crate::observation::{Group, Lifecycle, Member};
use crate::record::{
    Descent, Failure, Phase, Proving, Replacement, Retiring, Setting, StopReason, Stopped, Surge, SurgeMethod,
    WithdrawReason, Withdrawing,
};
use crate::withdrawal::{has_no_surplus, newest_since, withdraw};

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
    Replaced { successor: InstanceId, surge: Surge },
    Withdrawn(WithdrawReason),
}

/// What a phase is judged by.
pub(crate) struct Context<'p, 'a> {
    pub(crate) now: Timestamp,
    pub(crate) id: &'p InstanceId,
    pub(crate) group: &'a Group,
    pub(crate) drifted: Option<&'a Member>,
    pub(crate) is_cleared: bool,
    pub(crate) breaker_open: bool,
    pub(crate) hold: Option<Waiting>,
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
    let context = Context {
        now: plan.input.now,
        id,
        group,
        drifted: group.member(id).filter(|member| member.lifecycle != Lifecycle::Terminating),
        is_cleared: findings.is_cleared(id, &replacement),
        breaker_open: findings.breaker.is_some() && standing.is_live(&group.name),
        hold: plan.hold(standing.mode()),
        others_launched: others_launched(plan, id, &replacement.group),
    };
    let step = match replacement.phase.clone() {
        Phase::Launching(surge) => launching(plan, &context, surge),
        Phase::Proving(proving) => prove(plan, &context, proving),
        Phase::Retiring(retiring) => retire(plan, &context, retiring),
        Phase::Withdrawing(withdrawing) => withdraw(plan, &context, withdrawing),
        Phase::Debouncing | Phase::Blocked(_) | Phase::Stopped(_) => return,
    };
    apply(plan, &context, &replacement, step);
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
                Phase::Launching(_) | Phase::Debouncing | Phase::Blocked(_) | Phase::Stopped(_) => false,
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
                Phase::Retiring(retiring) => retire(plan, context, retiring),
                Phase::Withdrawing(withdrawing) => withdraw(plan, context, withdrawing),
                Phase::Proving(proving) => prove(plan, context, proving),
                Phase::Launching(_) | Phase::Debouncing | Phase::Blocked(_) | Phase::Stopped(_) => {
                    look_at_work_again(plan, before);
                    return;
                }
            };
            let Some(entered) = plan.next.replacements.get(id).cloned() else { return };
            apply(plan, context, &entered, step);
        }
        Step::End(End::Replaced { successor, surge }) => replaced(plan, id, before, successor, &surge),
        Step::End(End::Withdrawn(because)) => withdrawn(plan, context, before, because),
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

// ---- launching -------------------------------------------------------------------------------------------------------

fn launching(plan: &mut Plan<'_>, context: &Context<'_, '_>, mut surge: Surge) -> Step {
    let outcomes: Vec<_> = plan.outcomes_for(context.id).cloned().collect();
    for outcome in &outcomes {
        match (&outcome.action, &outcome.result) {
            (Action::Launch { .. }, ActionResult::Launched(successor)) => {
                let why = format!("launched {successor}");
                let proving = Proving { surge, successor: successor.clone(), healthy_since: None };
                return Step::To(Phase::Proving(proving), why);
            }
            (Action::Launch { .. }, ActionResult::Unsupported) => {
                plan.next.launches_by_desired = true;
                surge.method = SurgeMethod::RaiseDesired;
            }
            // Someone else changed desired capacity, and ours was not written: theirs is the new base.
            (Action::SetDesired { .. }, ActionResult::Changed) => {
                surge.base_desired = context.group.desired.saturating_sub(context.others_launched);
            }
            (Action::Launch { .. } | Action::SetDesired { .. }, ActionResult::Failed(message)) => {
                return refused(surge, WithdrawReason::Failed(message.clone()));
            }
            _ => {}
        }
    }
    if let Some(successor) = newcomer(plan, context, &surge) {
        let why = format!("{successor} was launched");
        return Step::To(Phase::Proving(Proving { surge, successor, healthy_since: None }), why);
    }
    if let Some(failure) = plan.input.seen.launch_failures.get(&context.group.name)
        && surge.method == SurgeMethod::RaiseDesired
        && failure.at >= surge.admitted_at
    {
        return give_up(surge, None, WithdrawReason::Failed(failure.message.clone()));
    }
    if let Some(step) = pointless(context, &surge, None) {
        // Known to have launched nothing: it can end at once. Otherwise the launch is repeated with its token, which
        // tells the id of what is to be withdrawn.
        if has_no_surplus(context, &surge) || surge.method == SurgeMethod::RaiseDesired {
            return step;
        }
    }
    match hold_or_expire(context, &mut surge) {
        Clock::Held(waiting) => {
            plan.waiting.insert(context.id.clone(), waiting);
            return Step::Stay(Phase::Launching(surge));
        }
        Clock::Expired => {
            let why = format!("no successor within {:#}", surge.policy.launch_deadline);
            return give_up(surge, None, WithdrawReason::Failed(why.as_str().into()));
        }
        Clock::Running => {}
    }
    surge.asked_again = true;
    set_phase(plan, context.id, Phase::Launching(surge.clone()));
    launch(plan, context.id);
    Step::Stay(Phase::Launching(surge))
}

/// Asks for the successor of an instance whose phase is `Launching`. Repeated, it launches nothing more.
pub(crate) fn launch(plan: &mut Plan<'_>, id: &InstanceId) {
    let Some(replacement) = plan.next.replacements.get(id).cloned() else { return };
    let Phase::Launching(surge) = &replacement.phase else { return };
    let Some(group) = plan.input.seen.group(&replacement.group) else { return };
    let is_written =
        |action: &Action| matches!(action, Action::SetDesired { .. }) && action.group() == Some(&group.name);
    match surge.method {
        SurgeMethod::LaunchInstances => {
            make_room(plan, group, surge.base_desired);
            plan.actions.push(Action::Launch {
                group: group.name.clone(),
                zone: replacement.zone.clone(),
                replaces: id.clone(),
                token: surge.token.clone(),
            });
        }
        // One raise at a time: the next one starts from what this one leaves.
        SurgeMethod::RaiseDesired if group.desired <= surge.base_desired && !plan.actions.iter().any(is_written) => {
            make_room(plan, group, surge.base_desired);
            plan.actions.push(Action::SetDesired {
                group: group.name.clone(),
                expected: group.desired,
                desired: group.desired + 1,
                replaces: id.clone(),
            });
        }
        // Raised already: Auto Scaling is launching.
        SurgeMethod::RaiseDesired => {}
    }
    look_at_work_again(plan, &replacement);
}

/// Where the launch did not answer an id: the active instance of the release that was launched since the admission and
/// is nobody's successor yet.
fn newcomer(plan: &Plan<'_>, context: &Context<'_, '_>, surge: &Surge) -> Option<InstanceId> {
    // Before desired capacity is up, a new instance is Auto Scaling's own business.
    if surge.method != SurgeMethod::RaiseDesired || context.group.desired <= surge.base_desired {
        return None;
    }
    newest_since(plan, context, surge.admitted_at)
}

// ---- proving ---------------------------------------------------------------------------------------------------------

fn prove(plan: &mut Plan<'_>, context: &Context<'_, '_>, mut proving: Proving) -> Step {
    let successor = context.group.member(&proving.successor);
    let is_leaving = |member: &Member| member.lifecycle == Lifecycle::Terminating;
    if successor.is_some_and(is_leaving) {
        let why = "Auto Scaling took the successor away before it had proven itself";
        return give_up(proving.surge, None, WithdrawReason::Failed(why.into()));
    }
    if successor.is_none() && was_listed(plan, &proving) {
        let why = "the successor is gone, and had not proven itself";
        return give_up(proving.surge, None, WithdrawReason::Failed(why.into()));
    }
    if let Some(step) = pointless(context, &proving.surge, Some(&proving.successor)) {
        return step;
    }
    // Its health is followed through a hold too: what failed in between has not been healthy without interruption.
    let is_serving = successor.is_some_and(|successor| plan.input.seen.is_serving(context.group, successor));
    proving.healthy_since = is_serving.then(|| proving.healthy_since.unwrap_or(context.now));
    match hold_or_expire(context, &mut proving.surge) {
        Clock::Held(waiting) => {
            plan.waiting.insert(context.id.clone(), waiting);
            return Step::Stay(Phase::Proving(proving));
        }
        Clock::Expired => {
            let why = format!("not proven within {:#}", proving.surge.policy.launch_deadline);
            return give_up(proving.surge, Some(proving.successor), WithdrawReason::Failed(why.as_str().into()));
        }
        Clock::Running => {}
    }
    // Just launched, and not listed yet: describes trail.
    let Some(successor) = successor else { return Step::Stay(Phase::Proving(proving)) };
    protect(plan, context.group, successor);
    let Some(healthy_since) = proving.healthy_since else { return Step::Stay(Phase::Proving(proving)) };
    let proven_at = healthy_since + context.group.warm_up;
    if context.now < proven_at {
        plan.look_again(proven_at);
        return Step::Stay(Phase::Proving(proving));
    }
    if let Some(waiting) = floor(plan, context, &proving.surge, context.id) {
        plan.waiting.insert(context.id.clone(), waiting);
        return Step::Stay(Phase::Proving(proving));
    }
    let why = format!("{} has been healthy for {:#}", proving.successor, context.group.warm_up);
    let deadline = context.now + proving.surge.policy.drain_deadline;
    keep_evidence(plan, context, &proving.successor);
    let Proving { surge, successor, .. } = proving;
    let desired_before = context.group.desired;
    Step::To(Phase::Retiring(Retiring { surge, successor, deadline, desired_before, terminated: false }), why)
}

/// Whether a successor was seen in its group before: then it is not just the describe that trails.
fn was_listed(plan: &Plan<'_>, proving: &Proving) -> bool {
    let protects =
        |setting: &Setting| matches!(setting, Setting::Protection { instance } if *instance == proving.successor);
    proving.healthy_since.is_some() || plan.next.ledger.iter().any(|entry| protects(&entry.setting))
}

pub(crate) fn floor(
    plan: &Plan<'_>,
    context: &Context<'_, '_>,
    surge: &Surge,
    leaving: &InstanceId,
) -> Option<Waiting> {
    let serving = plan.input.seen.serving_without(context.group, leaving);
    let floor = surge.policy.min_healthy.of_rounded_up(context.group.desired.min(surge.base_desired));
    (serving < floor).then_some(Waiting::BelowFloor { serving, floor })
}

fn keep_evidence(plan: &mut Plan<'_>, context: &Context<'_, '_>, successor: &InstanceId) {
    let Some(replacement) = plan.next.replacements.get(context.id).cloned() else { return };
    plan.journal_entry(JournalEntry {
        at: context.now,
        instance: Some(context.id.clone()),
        from: replacement.phase.name().to_owned(),
        to: "evidence".to_owned(),
        why: "kept before the instance goes".into(),
        actor: "driftless".to_owned(),
        evidence: Some(Evidence {
            drift: replacement.drift.iter().cloned().collect(),
            findings: replacement.findings.clone(),
            group: replacement.group.clone(),
            zone: replacement.zone.clone(),
            machine: plan.input.seen.machines.get(context.id).cloned(),
            detected_at: replacement.detected_at,
            successor: successor.clone(),
            guards: vec![
                format!("{} serve without it", plan.input.seen.serving_without(context.group, context.id)),
                format!("desired capacity {} over a base of {}", context.group.desired, base_of(&replacement)),
            ],
        }),
    });
}

fn base_of(replacement: &Replacement) -> u32 {
    replacement.phase.surge().map_or(0, |surge| surge.base_desired)
}

// ---- retiring --------------------------------------------------------------------------------------------------------

fn retire(plan: &mut Plan<'_>, context: &Context<'_, '_>, mut retiring: Retiring) -> Step {
    retiring.terminated |= plan
        .outcomes_for(context.id)
        .any(|outcome| matches!(outcome.action, Action::Terminate { .. }) && outcome.result == ActionResult::Done);
    if context.drifted.is_none() && was_taken_by_others(context, &retiring) {
        let Retiring { surge, successor, .. } = retiring;
        return give_up(surge, Some(successor), WithdrawReason::DriftedGone);
    }
    let Some(drifted) = context.group.member(context.id) else {
        return Step::End(End::Replaced { successor: retiring.successor, surge: retiring.surge });
    };
    if drifted.lifecycle == Lifecycle::Terminating {
        if context.now >= retiring.deadline {
            let detail = format!("terminating since before {:.0}", retiring.deadline);
            plan.is_in(Condition::DrainOverdue { instance: context.id.clone() }, detail);
        }
        return Step::Stay(Phase::Retiring(retiring));
    }
    if retiring.terminated && context.now < retiring.deadline {
        // Accepted, and the describe trails.
        return Step::Stay(Phase::Retiring(retiring));
    }
    // Not terminated yet: a crash, or AWS was busy. Everything is asked again before it is done.
    if let Some(step) = pointless(context, &retiring.surge, Some(&retiring.successor)) {
        return step;
    }
    let held_since = retiring.surge.held_since;
    if let Clock::Held(waiting) = hold_or_expire(context, &mut retiring.surge) {
        plan.waiting.insert(context.id.clone(), waiting);
        return Step::Stay(Phase::Retiring(retiring));
    }
    if let Some(held_since) = held_since {
        retiring.deadline += context.now.duration_since(held_since);
    }
    if context.now >= retiring.deadline && !retiring.terminated {
        let why =
            format!("the drifted instance could not be terminated within {:#}", retiring.surge.policy.drain_deadline);
        let Retiring { surge, successor, .. } = retiring;
        return give_up(surge, Some(successor), WithdrawReason::Failed(why.into()));
    }
    let is_proven = context
        .group
        .member(&retiring.successor)
        .is_some_and(|successor| plan.input.seen.is_serving(context.group, successor));
    if !is_proven {
        let why = format!("{} does not serve any more", retiring.successor);
        let Retiring { surge, successor, .. } = retiring;
        return Step::To(Phase::Proving(Proving { surge, successor, healthy_since: None }), why);
    }
    if let Some(waiting) = floor(plan, context, &retiring.surge, context.id) {
        plan.waiting.insert(context.id.clone(), waiting);
        return Step::Stay(Phase::Retiring(retiring));
    }
    retiring.desired_before = context.group.desired;
    terminate(plan, context, context.id, &retiring.surge, Role::Drifted);
    Step::Stay(Phase::Retiring(retiring))
}

/// Whether the drifted instance went without our doing, so that the group is still one too large: nobody took its
/// place off the desired capacity.
fn was_taken_by_others(context: &Context<'_, '_>, retiring: &Retiring) -> bool {
    let expected = retiring.surge.base_desired.saturating_add(context.others_launched);
    !retiring.terminated && context.group.desired >= retiring.desired_before && context.group.desired > expected
}

/// One termination a group in one decision: the next one is decided on the capacity that this one leaves.
pub(crate) fn terminate(
    plan: &mut Plan<'_>,
    context: &Context<'_, '_>,
    instance: &InstanceId,
    surge: &Surge,
    role: Role,
) -> bool {
    let group = context.group;
    let is_taken = plan
        .actions
        .iter()
        .any(|action| matches!(action, Action::Terminate { .. }) && action.group() == Some(&group.name));
    if is_taken {
        plan.look_again(context.now + LOOK_MIN);
        return false;
    }
    // At the minimum Auto Scaling refuses to decrement: then someone raised the minimum, and capacity must stay.
    let is_surplus = group.desired > surge.base_desired && group.desired > group.min;
    plan.actions.push(Action::Terminate {
        group: group.name.clone(),
        instance: instance.clone(),
        expected_desired: group.desired,
        capacity: if is_surplus { CapacityChange::Decrement } else { CapacityChange::Keep },
        role,
    });
    true
}

// ---- the ends --------------------------------------------------------------------------------------------------------

fn replaced(plan: &mut Plan<'_>, id: &InstanceId, before: &Replacement, successor: InstanceId, surge: &Surge) {
    let now = plan.input.now;
    plan.next.replacements.remove(id);
    plan.next.lineage.insert(successor.clone(), Descent { ancestor: id.clone(), drift: before.drift.clone(), at: now });
    plan.journal(Some(id), before.phase.name(), "replaced", format!("{successor} took its place ({})", surge.token));
    plan.tell(News::Replaced {
        instance: id.clone(),
        successor,
        drift: before.drift.iter().cloned().collect(),
        took: now.duration_since(before.detected_at),
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
        WithdrawReason::BreakerOpen => {
            replacement.phase = Phase::Debouncing;
            plan.journal(Some(id), from, "debouncing", because.to_string());
        }
        WithdrawReason::Failed(why) => {
            replacement.failures.push(Failure { at: now, why: why.clone() });
            let failures = replacement.failures.clone();
            if failures.len() >= ATTEMPTS_MAX {
                let why = StopReason::Failures;
                replacement.phase = Phase::Stopped(Stopped { at: now, why: why.clone() });
                plan.journal(Some(id), from, "stopped", because.to_string());
                let drift = before.drift.iter().cloned().collect();
                plan.tell(News::Stopped { instance: id.clone(), drift, why, failures });
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

// ---- what several phases ask -----------------------------------------------------------------------------------------

enum Clock {
    Running,
    Held(Waiting),
    Expired,
}

/// A hold stops the clock: when it ends, the deadline has moved by as long as it lasted.
fn hold_or_expire(context: &Context<'_, '_>, surge: &mut Surge) -> Clock {
    if let Some(waiting) = &context.hold {
        surge.held_since.get_or_insert(context.now);
        return Clock::Held(waiting.clone());
    }
    if let Some(held_since) = surge.held_since.take() {
        surge.deadline += context.now.duration_since(held_since);
    }
    if context.now >= surge.deadline { Clock::Expired } else { Clock::Running }
}

/// Why there is nothing to replace any more, or must not be.
fn pointless(context: &Context<'_, '_>, surge: &Surge, successor: Option<&InstanceId>) -> Option<Step> {
    let because = if context.drifted.is_none() {
        WithdrawReason::DriftedGone
    } else if context.is_cleared {
        WithdrawReason::Cleared
    } else if context.breaker_open {
        WithdrawReason::BreakerOpen
    } else {
        return None;
    };
    Some(give_up(surge.clone(), successor.cloned(), because))
}

fn give_up(surge: Surge, successor: Option<InstanceId>, because: WithdrawReason) -> Step {
    let why = because.to_string();
    let withdrawing = Withdrawing { surge, successor, because, desired_before: None, taken_back: false };
    Step::To(Phase::Withdrawing(withdrawing), why)
}

/// Gives up where AWS refused the launch. Asked for the first time nothing was launched, and nothing is to be taken back,
/// whatever others did to desired capacity.
fn refused(surge: Surge, because: WithdrawReason) -> Step {
    let (why, taken_back) = (because.to_string(), !surge.asked_again);
    let withdrawing = Withdrawing { surge, successor: None, because, desired_before: None, taken_back };
    Step::To(Phase::Withdrawing(withdrawing), why)
}
