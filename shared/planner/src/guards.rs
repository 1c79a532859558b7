//! What may start, and why the rest may not: the guards, in their order, each with a typed reason.

use jiff::Timestamp;

use crate::adopt::Standing;
use crate::decide::Plan;
use crate::decision::Waiting;
use crate::drift::Findings;
use crate::ids::InstanceId;
use crate::notification::{Condition, News};
use crate::observation::{Group, Lifecycle, Member, TargetHealth, TemplateReference};
use crate::policy::{Mode, Policy};
use crate::record::{DriftReason, Phase, Replacement, StopReason, Stopped, Surge, SurgeMethod};
use crate::text::ForeignText;

/// A drifted instance that asks to be replaced, with all that the guards look at.
struct Candidate<'p, 'a> {
    plan: &'p Plan<'a>,
    findings: &'p Findings,
    policy: &'p Policy,
    id: &'p InstanceId,
    replacement: &'p Replacement,
    group: &'a Group,
    member: &'a Member,
}

/// A guard's verdict: none, or the reason why not.
type Guard = fn(&Candidate<'_, '_>) -> Option<Waiting>;

/// The guards after the freeze, the policy and the mode, which hold for the fleet as a whole.
const GUARDS: [Guard; 8] = [
    no_cutover,
    group_is_fit,
    drift_is_read,
    breaker_is_closed,
    budget_is_left,
    back_off_is_over,
    is_unprotected,
    is_in_service,
];

/// Lets through what may start: the oldest drift first, spread over zones.
pub(crate) fn admit(plan: &mut Plan<'_>, standing: &Standing<'_>, findings: &Findings) {
    stop_born_drifted(plan);
    let mut candidates: Vec<(Timestamp, InstanceId)> = plan
        .next
        .replacements
        .iter()
        .filter(|(_, replacement)| matches!(replacement.phase, Phase::Debouncing | Phase::Blocked(_)))
        .map(|(id, replacement)| (replacement.detected_at, id.clone()))
        .collect();
    candidates.sort();
    // Of one age, the zone with the fewest surges goes first: each that starts changes that.
    while let Some(oldest) = candidates.first().map(|(detected_at, _)| *detected_at) {
        let of_one_age = candidates.iter().take_while(|(detected_at, _)| *detected_at == oldest);
        let slots = of_one_age.map(|(_, id)| slots_in_zone_of(plan, id));
        let next =
            slots.enumerate().min_by_key(|(position, slots)| (*slots, *position)).map_or(0, |(position, _)| position);
        let (_, id) = candidates.remove(next);
        match refusal(plan, standing, findings, &id) {
            None => start(plan, standing, &id),
            Some(waiting) => wait(plan, &id, &waiting),
        }
    }
}

fn refusal(plan: &mut Plan<'_>, standing: &Standing<'_>, findings: &Findings, id: &InstanceId) -> Option<Waiting> {
    let replacement = plan.next.replacements.get(id)?.clone();
    // The stop switch is the first reason that a person is told, whatever else would say no.
    let hold = plan.hold(standing.mode());
    let policy = match &standing.policy {
        Ok(policy) => policy,
        Err(problem) => return hold.or_else(|| Some(Waiting::PolicyInvalid { problem: problem.clone() })),
    };
    let until = replacement.detected_at + policy.debounce;
    if plan.input.now < until {
        return Some(Waiting::Debounce { until });
    }
    let (Some(group), None) = (standing.live, &standing.obstacle) else {
        let problem = standing.obstacle.clone().unwrap_or_default();
        return hold.or(Some(Waiting::GroupNotFit { problem }));
    };
    let Some(member) = group.member(id) else {
        return Some(Waiting::NotInService { state: "gone".into() });
    };
    let candidate = Candidate { plan, findings, policy, id, replacement: &replacement, group, member };
    if let Some(unknown) = rules_exist(&candidate) {
        return Some(unknown);
    }
    let refused = GUARDS.iter().find_map(|guard| guard(&candidate));
    if standing.mode() == Some(Mode::Observe) && findings.breaker.is_none() {
        let detail = would_do(&replacement, member, refused.as_ref());
        plan.is_in(Condition::WouldReplace { instance: id.clone() }, detail);
    }
    hold.or(refused)
}

fn would_do(replacement: &Replacement, member: &Member, refused: Option<&Waiting>) -> String {
    let drift: Vec<String> = replacement.drift.iter().map(ToString::to_string).collect();
    let what = match refused {
        None => format!("a successor would be launched in {} now", member.zone),
        Some(waiting) => format!("in act mode it would wait: {waiting}"),
    };
    format!("{}; {what}", drift.join(", "))
}

fn rules_exist(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    (!candidate.findings.missing.is_empty()).then(|| Waiting::PolicyInvalid {
        problem: "driftless:rules names a rule that AWS Config does not have".into(),
    })
}

fn no_cutover(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    candidate.plan.next.cutover.as_ref().map(|_| Waiting::CutoverUnderWay)
}

fn group_is_fit(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let group = candidate.group;
    let unfit = |problem: String| Some(Waiting::GroupNotFit { problem: problem.into() });
    for process in ["Launch", "Terminate", "AddToLoadBalancer"] {
        if group.suspended.contains(process) {
            return unfit(format!("{process} is suspended on {}", group.name));
        }
    }
    if candidate.plan.input.seen.refreshes.get(&group.name).is_some_and(|refresh| refresh.status.is_under_way()) {
        return unfit(format!("an instance refresh is under way on {}", group.name));
    }
    let release = candidate.plan.next.release.as_ref();
    if let (TemplateReference::Numbered(found), Some(release)) = (&group.template, release)
        && *found != release.template
    {
        return unfit(format!(
            "{} launches {found}, but the release is {}: set driftless:mode to observe and back to accept it",
            group.name, release.template
        ));
    }
    let is_ours = |member: &Member| {
        candidate.plan.next.replacements.iter().any(|(id, replacement)| {
            replacement.phase.surge().is_some()
                && (*id == member.id || replacement.phase.successor() == Some(&member.id))
        })
    };
    let foreign = group.members.iter().find(|member| {
        matches!(member.lifecycle, Lifecycle::Pending | Lifecycle::Terminating | Lifecycle::Detaching)
            && !is_ours(member)
    });
    if let Some(member) = foreign {
        return unfit(format!("another activity is under way: {} is {}", member.id, lifecycle_word(member)));
    }
    let active = u32::try_from(group.active().count()).unwrap_or(u32::MAX);
    if candidate.plan.next.slots_used(&group.name) == 0 && active != group.desired {
        return unfit(format!("{} wants {} instances and has {active}", group.name, group.desired));
    }
    None
}

/// What starts something is verified by the read of this very look, and so is the breaker.
fn drift_is_read(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let is_read = !candidate.findings.is_incomplete && candidate.findings.drifted.contains_key(candidate.id);
    (!is_read).then(|| Waiting::GroupNotFit { problem: "AWS Config did not answer for every rule of the list".into() })
}

fn breaker_is_closed(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let (drifted, members) = candidate.findings.breaker?;
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Some(Waiting::BreakerOpen { drifted: count(drifted), members: count(members), limit: candidate.policy.breaker })
}

fn budget_is_left(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let group = candidate.group;
    let seen = candidate.plan.input.seen;
    // A successor is no member yet: a share must not grow by what it has started.
    let is_successor = |member: &Member| candidate.plan.next.successors().any(|successor| *successor == member.id);
    let serving = group.members.iter().filter(|member| seen.is_serving(group, member) && !is_successor(member)).count();
    let limit = candidate.policy.budget.limit(u32::try_from(serving).unwrap_or(u32::MAX));
    // Without an idempotent launch the successor is told by its launch time, so that surges go one by one.
    let limit = if candidate.plan.next.launches_by_desired { limit.min(1) } else { limit };
    let used = u32::try_from(candidate.plan.next.slots_used(&group.name)).unwrap_or(u32::MAX);
    (used >= limit).then_some(Waiting::BudgetSpent { used, limit })
}

fn back_off_is_over(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let until = crate::replacement::back_off_until(candidate.replacement)?;
    (candidate.plan.input.now < until).then_some(Waiting::BackOff { until })
}

fn is_unprotected(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let tag = candidate.plan.input.seen.machines.get(candidate.id).and_then(|machine| machine.protect.as_ref());
    if let Some(reason) = tag {
        let until = expiry(reason);
        if until.is_none_or(|until| candidate.plan.input.now < until) {
            return Some(Waiting::Protected { by: format!("the tag driftless:protect: {reason}").into(), until });
        }
    }
    // A group that protects all its instances protects none from us: it is how people keep scale-in away.
    let protects_all =
        candidate.group.protects_new_instances || candidate.group.members.iter().all(|member| member.protected);
    (candidate.member.protected && !protects_all)
        .then(|| Waiting::Protected { by: "its own scale-in protection".into(), until: None })
}

fn is_in_service(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let member = candidate.member;
    if member.lifecycle != Lifecycle::InService {
        return Some(Waiting::NotInService { state: lifecycle_word(member) });
    }
    let targets = &candidate.plan.input.seen.targets;
    let fails = candidate.group.target_groups.iter().any(|arn| {
        let health = targets.get(arn).and_then(|targets| targets.get(&member.id));
        matches!(health, Some(TargetHealth::Unhealthy(_)))
    });
    (!member.healthy || fails).then(|| Waiting::NotInService { state: "unhealthy".into() })
}

fn lifecycle_word(member: &Member) -> ForeignText {
    match &member.lifecycle {
        Lifecycle::Pending => "pending".into(),
        Lifecycle::InService => "in service".into(),
        Lifecycle::Terminating => "terminating".into(),
        Lifecycle::Standby => "in standby".into(),
        Lifecycle::Detaching => "detaching".into(),
        Lifecycle::Unknown(state) => state.clone(),
    }
}

/// `driftless:protect=<reason> until <time>` ends at that time. Without a time that can be read it does not end: a
/// protection that someone meant must not be lost to a typing error.
fn expiry(reason: &ForeignText) -> Option<Timestamp> {
    reason.as_str().rsplit_once(" until ").and_then(|(_, time)| time.trim().parse().ok())
}

fn slots_in_zone_of(plan: &Plan<'_>, id: &InstanceId) -> usize {
    let zone = plan.next.replacements.get(id).map(|replacement| &replacement.zone);
    let same_zone =
        plan.next.replacements.values().filter(|other| other.phase.surge().is_some() && Some(&other.zone) == zone);
    same_zone.count()
}

fn wait(plan: &mut Plan<'_>, id: &InstanceId, waiting: &Waiting) {
    if let Some(at) = waiting.may_change_at() {
        plan.look_again(at);
    }
    plan.waiting.insert(id.clone(), waiting.clone());
    let Some(replacement) = plan.next.replacements.get_mut(id) else { return };
    let is_young = matches!(waiting, Waiting::Debounce { .. });
    // Numbers in a reason change while the reason stays: only another guard is a transition.
    let is_known = matches!(&replacement.phase, Phase::Blocked(before) if before.guard() == waiting.guard());
    let from = replacement.phase.name();
    replacement.phase = if is_young { Phase::Debouncing } else { Phase::Blocked(waiting.clone()) };
    if !is_known && !is_young {
        plan.journal(Some(id), from, "blocked", waiting.to_string());
    }
}

fn start(plan: &mut Plan<'_>, standing: &Standing<'_>, id: &InstanceId) {
    let now = plan.input.now;
    let (Some(group), Ok(policy)) = (standing.live, &standing.policy) else { return };
    // Surges side by side share one base: the capacity that the group had before the first of them, or less, if someone
    // took it below that since.
    let base = plan
        .next
        .replacements
        .values()
        .filter(|other| other.group == group.name)
        .filter_map(|other| other.phase.surge())
        .map(|surge| surge.base_desired)
        .chain([group.desired])
        .min()
        .unwrap_or_default();
    let by_desired = plan.next.launches_by_desired;
    let Some(replacement) = plan.next.replacements.get_mut(id) else { return };
    let from = replacement.phase.name();
    let attempt = replacement.failures.len() + 1;
    let deadline = now + policy.launch_deadline;
    replacement.phase = Phase::Launching(Surge {
        token: format!("driftless-{id}-{attempt}-{}", now.as_second()),
        admitted_at: now,
        deadline,
        base_desired: base,
        method: if by_desired { SurgeMethod::RaiseDesired } else { SurgeMethod::LaunchInstances },
        asked_again: false,
        held_since: None,
        policy: Box::new(policy.clone()),
    });
    let replacement = replacement.clone();
    plan.journal(Some(id), from, "launching", format!("all guards agree; attempt {attempt}"));
    plan.tell(News::ReplacementStarted {
        instance: id.clone(),
        group: replacement.group.clone(),
        zone: replacement.zone.clone(),
        drift: replacement.drift.iter().cloned().collect(),
        remarks: replacement.findings.values().filter_map(|finding| finding.annotation.clone()).collect(),
        deadline,
    });
    crate::replacement::launch(plan, id);
}

/// A successor that fails for what its ancestor was replaced for is no drift: the image or the rule is wrong, and a
/// further successor would be the next link of an endless chain. Stops at the first recurrence.
fn stop_born_drifted(plan: &mut Plan<'_>) {
    let born_drifted: Vec<(InstanceId, InstanceId)> = plan
        .next
        .replacements
        .iter()
        .filter(|(_, replacement)| matches!(replacement.phase, Phase::Debouncing | Phase::Blocked(_)))
        .filter_map(|(id, replacement)| {
            let descent = plan.next.lineage.get(id)?;
            let recurs = replacement.drift.iter().any(|reason| descent.drift.contains(reason));
            recurs.then(|| (id.clone(), descent.ancestor.clone()))
        })
        .collect();
    for (id, ancestor) in born_drifted {
        let Some(replacement) = plan.next.replacements.get_mut(&id) else { continue };
        let from = replacement.phase.name();
        let why = StopReason::Lineage { ancestor: ancestor.clone() };
        replacement.phase = Phase::Stopped(Stopped { at: plan.input.now, why: why.clone() });
        let drift: Vec<DriftReason> = replacement.drift.iter().cloned().collect();
        let reason = format!("it replaced {ancestor} and fails for the same reason");
        plan.journal(Some(&id), from, "stopped", reason);
        plan.tell(News::Stopped { instance: id, drift, why, failures: Vec::new() });
    }
}
