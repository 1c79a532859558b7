//! What may start, and why the rest may not: the guards, in their order, each with a typed reason.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::adopt::Standing;
use crate::decide::Plan;
use crate::decision::Waiting;
use crate::drift::Findings;
use crate::explain::Verdict;
use crate::ids::{InstanceId, Zone};
use crate::notification::{Condition, News};
use crate::observation::{Group, Lifecycle, Member, TargetHealth, TemplateReference};
use crate::observed;
use crate::policy::{Mode, Policy, ReplaceBy};
use crate::quarantine;
use crate::record::{
    DriftReason, LAUNCH_BY_DESIRED_FOR, Phase, Replacement, StopReason, Stopped, Surge, SurgeMethod, Vacating,
};
use crate::replacement::LOOK_MIN;
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

/// A guard: its word, what it asks for, and its verdict, which is none, or the reason why not.
type Guard = (&'static str, &'static str, fn(&Candidate<'_, '_>) -> Option<Waiting>);

/// The guards after the freeze, the policy and the mode, which hold for the fleet as a whole.
const GUARDS: [Guard; 16] = [
    ("window", "the window is open", window_is_open),
    ("cutover", "no cutover changes its groups", no_cutover),
    ("group", "the group is fit for a replacement", group_is_fit),
    ("group", "it is no successor whose launch has not answered", is_no_newcomer),
    ("group", "its drift was read in this look", drift_is_read),
    ("breaker", "not too many drifted at once", breaker_is_closed),
    ("rule-breaker", "not too many fleets drifted at once under its rules", rule_breaker_is_closed),
    ("lineage", "no successor drifted for the same", breeds_true),
    ("budget", "the budget is not spent", budget_is_left),
    ("quarantine", "there is room for one more to be kept", quarantine_has_room),
    ("back-off", "no failed attempt is waited out", back_off_is_over),
    ("capacity", "AWS has room for a launch", fleet_has_room),
    ("protection", "nobody protects it", is_unprotected),
    ("in-service", "it is in service, and not Auto Scaling's to replace", is_in_service),
    ("floor", "enough serve without it, where it goes first", floor_leaves_room),
    ("group", "its hooks and refreshes were read in this look", group_is_asked),
];

/// Would-be replacements of an observed fleet that on-call is told of at once. The rest would say the same.
const WOULD_REPLACE_MAX: usize = 5;

/// Lets through what may start: the oldest drift first, spread over zones.
pub(crate) fn admit(plan: &mut Plan<'_>, standing: &Standing<'_>, findings: &Findings) {
    stop_born_drifted(plan);
    let mut candidates: Vec<(Timestamp, InstanceId, Zone)> = plan
        .next
        .replacements
        .iter()
        .filter(|(_, replacement)| matches!(replacement.phase, Phase::Debouncing | Phase::Blocked(_)))
        .map(|(id, replacement)| (replacement.detected_at, id.clone(), replacement.zone.clone()))
        .collect();
    let mut has_started = true;
    loop {
        if has_started {
            // Of one age, the zone with the fewest surges goes first: each that starts changes that, and nothing else does.
            let slots = slots_by_zone(plan);
            let slots_of = |zone: &Zone| slots.get(zone).copied().unwrap_or(0);
            candidates
                .sort_by_cached_key(|(detected_at, id, zone)| Reverse((*detected_at, slots_of(zone), id.clone())));
        }
        let Some((_, id, _)) = candidates.pop() else { return };
        if plan.verdicts.is_some() {
            let asked = verdicts(plan, standing, findings, &id);
            plan.verdicts.get_or_insert_default().insert(id.clone(), asked);
        }
        let refusal = refusal(plan, standing, findings, &id);
        has_started = refusal.is_none();
        match refusal {
            None => start(plan, standing, findings, &id),
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
    let until = crate::drift::debounced_at(&replacement, policy.debounce);
    if plan.input.now < until {
        return Some(Waiting::Debounce { until });
    }
    let (Some(group), None) = (standing.live, &standing.obstacle) else {
        let refused = Waiting::GroupNotFit { problem: standing.obstacle.clone().unwrap_or_default() };
        if hold == Some(Waiting::Observed) {
            observed::note_replacement(plan, id, Some(&refused));
        }
        return hold.or(Some(refused));
    };
    let Some(member) = group.member(id) else {
        return Some(Waiting::NotInService { state: "gone".into() });
    };
    let candidate = Candidate { plan, findings, policy, id, replacement: &replacement, group, member };
    if let Some(unknown) = rules_exist(&candidate) {
        return Some(unknown);
    }
    let refused = GUARDS.iter().find_map(|(_, _, verdict)| verdict(&candidate));
    if group_is_asked(&candidate).is_some() {
        plan.look_again(plan.input.now + LOOK_MIN);
    }
    if matches!(refused, Some(Waiting::BelowFloor { .. }))
        && let Some(detail) = nothing_can_go_first(policy, group)
    {
        plan.is_in(Condition::NothingCanGoFirst, detail);
    }
    if standing.mode() == Some(Mode::Observe) && findings.breaker.is_none() && is_worth_telling(plan, id) {
        let detail = would_do(&replacement, member, refused.as_ref());
        plan.is_in(Condition::WouldReplace { instance: id.clone() }, detail);
    }
    if hold == Some(Waiting::Observed) {
        observed::note_replacement(plan, id, refused.as_ref());
    }
    hold.or(refused)
}

/// What every guard says of one drifted instance, in the order of [`refusal`]: the first that holds is its answer.
fn verdicts(plan: &Plan<'_>, standing: &Standing<'_>, findings: &Findings, id: &InstanceId) -> Vec<Verdict> {
    let Some(replacement) = plan.next.replacements.get(id) else { return Vec::new() };
    let freeze = Verdict::of("freeze", "nobody froze it", plan.hold(None));
    let obstacle = match (standing.live, &standing.obstacle) {
        (Some(_), None) => None,
        (_, problem) => Some(Waiting::GroupNotFit { problem: problem.clone().unwrap_or_default() }),
    };
    let is_clear = obstacle.is_none();
    let group = Verdict::of("group", "nothing stands in the way of its groups", obstacle);
    let member = standing.live.and_then(|group| Some((group, group.member(id)?)));
    let (policy, mut asked) = match &standing.policy {
        Ok(policy) => {
            let until = crate::drift::debounced_at(replacement, policy.debounce);
            let young = (plan.input.now < until).then_some(Waiting::Debounce { until });
            let gone = member.is_none().then(|| Waiting::NotInService { state: "gone".into() });
            let unknown = (!findings.missing.is_empty()).then(rule_unknown);
            let observed = (policy.mode == Mode::Observe).then_some(Waiting::Observed);
            let asked = vec![
                Verdict::of("debounce", "the drift has lasted long enough", young),
                Verdict::of("in-service", "it is there", gone).only_if(is_clear),
                Verdict::of("policy", "the policy is valid", unknown).only_if(is_clear),
                freeze,
                Verdict::of("mode", "the mode is act", observed),
                group,
            ];
            (Some(policy), asked)
        }
        Err(problem) => {
            let invalid = Waiting::PolicyInvalid { problem: problem.clone() };
            let mode = Verdict::of("mode", "the mode is act", None).only_if(false);
            (None, vec![freeze, mode, Verdict::of("policy", "the policy is valid", Some(invalid)), group])
        }
    };
    let candidate = policy.zip(member).map(|(policy, (group, member))| Candidate {
        plan,
        findings,
        policy,
        id,
        replacement,
        group,
        member,
    });
    asked.extend(GUARDS.map(|(guard, asks, verdict)| {
        let holds = candidate.as_ref().and_then(verdict);
        Verdict::of(guard, asks, holds).only_if(candidate.is_some())
    }));
    asked
}

/// A backlog is told of as a whole, and so is what goes beyond a handful.
fn is_worth_telling(plan: &Plan<'_>, id: &InstanceId) -> bool {
    let key = |id: &InstanceId| Condition::WouldReplace { instance: id.clone() }.key();
    let told = |id: &&InstanceId| plan.next.conditions.contains_key(&key(id));
    let is_told = told(&id);
    let known = plan.next.replacements.keys().filter(told).count();
    let is_backlog = plan.next.backlog.contains(id);
    !is_backlog && (is_told || known + plan.new_conditions("would-replace:") < WOULD_REPLACE_MAX)
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
    (!candidate.findings.missing.is_empty()).then(rule_unknown)
}

fn rule_unknown() -> Waiting {
    Waiting::PolicyInvalid { problem: "driftless:rules names a rule that AWS Config does not have".into() }
}

fn window_is_open(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let (window, now) = (&candidate.policy.window, candidate.plan.input.now);
    (!window.is_open(now)).then(|| Waiting::WindowClosed { opens_at: window.next_opening(now) })
}

fn no_cutover(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let cutover = candidate.plan.next.cutover.as_ref();
    cutover.filter(|cutover| cutover.stops_replacements()).map(|_| Waiting::CutoverUnderWay)
}

/// Whether this look has asked what an admission must know of the group: it does so for what was known to be drifted
/// before, or looked so.
fn group_is_asked(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let is_asked = candidate.plan.input.seen.hook_timeouts.contains_key(&candidate.group.name);
    (!is_asked).then(|| Waiting::GroupNotFit { problem: "its hooks and refreshes are read at the next look".into() })
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

/// What came since a launch was asked for that has not answered may be its successor, which is judged by that replacement.
fn is_no_newcomer(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let launched_at = candidate.plan.input.seen.machines.get(candidate.id).map(|machine| machine.launched_at);
    let awaits_it = |replacement: &Replacement| {
        let Phase::Launching(surge) = &replacement.phase else { return false };
        // EC2 tells launch times in whole seconds.
        launched_at.is_none_or(|at| at.as_second() >= surge.admitted_at.as_second())
    };
    let (ancestor, _) = candidate
        .plan
        .next
        .replacements
        .iter()
        .find(|(_, replacement)| replacement.group == candidate.group.name && awaits_it(replacement))?;
    let problem = format!("it may be the successor of {ancestor}, whose launch has not answered yet");
    Some(Waiting::GroupNotFit { problem: problem.into() })
}

/// What starts something is verified by what this very look read, and so is the breaker.
fn drift_is_read(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let is_read =
        !candidate.findings.is_incomplete(candidate.policy) && candidate.findings.drifted.contains_key(candidate.id);
    (!is_read).then(|| Waiting::GroupNotFit { problem: "AWS Config did not answer for every rule of the list".into() })
}

fn breaker_is_closed(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let (drifted, members) = candidate.findings.breaker?;
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Some(Waiting::BreakerOpen { drifted: count(drifted), members: count(members), limit: candidate.policy.breaker })
}

fn rule_breaker_is_closed(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let (rule, fleets) = crate::drift::open_rule_breaker(&candidate.plan.next, &candidate.replacement.drift)?;
    Some(Waiting::RuleBreakerOpen { rule, fleets })
}

/// What was replaced for the same reasons and had a successor that drifted for them shows that the next one would too.
fn breeds_true(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let is_held = |reason: &DriftReason, stopped: &Replacement| reason.is_inherited() && stopped.drift.contains(reason);
    candidate.plan.next.replacements.iter().find_map(|(id, stopped)| {
        let Phase::Stopped(Stopped { why, .. }) = &stopped.phase else { return None };
        let ancestor = match why {
            StopReason::Lineage { ancestor, .. } => ancestor,
            StopReason::Recurrence { .. } => id,
            StopReason::Failures | StopReason::NotRefilled => return None,
        };
        let all_held = candidate.replacement.drift.iter().all(|reason| is_held(reason, stopped));
        all_held.then(|| Waiting::Lineage { ancestor: ancestor.clone() })
    })
}

fn budget_is_left(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let group = candidate.group;
    let seen = candidate.plan.input.seen;
    // A successor is no member yet: a share must not grow by what it has started. Nor by a launch that did not answer,
    // whose instance nobody knows for a successor: so a share is never of more than the base of the surges under way.
    let is_successor = |member: &Member| candidate.plan.next.successors().any(|successor| *successor == member.id);
    let in_u32 = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let members: Vec<&Member> = group.active().filter(|member| !is_successor(member)).collect();
    let serving = members.iter().filter(|member| seen.is_serving(group, member)).count();
    let size = bases(candidate.plan, group).chain([in_u32(members.len())]).min().unwrap_or_default();
    let limit = candidate.policy.budget.limit(size, in_u32(serving));
    // Without an idempotent launch the successor is told by its launch time, so that surges go one by one.
    let limit = if launches_by_desired(candidate.plan) { limit.min(1) } else { limit };
    // What does not serve, whoever's doing it is, disrupts as much as a replacement does.
    let has_slot = |id: &InstanceId| {
        candidate.plan.next.replacements.get(id).is_some_and(|replacement| replacement.phase.surge().is_some())
    };
    let idle = group.active().filter(|member| {
        !seen.is_serving(group, member) && !is_successor(member) && !has_slot(&member.id) && member.id != *candidate.id
    });
    // Nothing is lost by replacing what does not serve: others that do not serve must not keep it here for ever.
    let is_serving = group.member(candidate.id).is_some_and(|member| seen.is_serving(group, member));
    let idle = if is_serving { idle.count() } else { 0 };
    let used = candidate.plan.next.slots_used(&group.name) + idle;
    let used = in_u32(used);
    (used >= limit).then_some(Waiting::BudgetSpent { used, limit })
}

/// The desired capacities that a group had before each of its surges.
fn bases(plan: &Plan<'_>, group: &Group) -> impl Iterator<Item = u32> {
    let works = plan.next.replacements.values().filter(|work| work.group == group.name);
    works.filter_map(|work| work.phase.surge()).map(|surge| surge.base_desired)
}

/// Whether surges raise the desired capacity, since `LaunchInstances` was refused not long ago.
fn launches_by_desired(plan: &Plan<'_>) -> bool {
    plan.next.launches_by_desired_since.is_some_and(|since| plan.input.now < since + LAUNCH_BY_DESIRED_FOR)
}

fn quarantine_has_room(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let record = &candidate.plan.next;
    let is_full = candidate.policy.replace == ReplaceBy::Quarantine && quarantine::is_full(record);
    let until = record.quarantined.values().map(|kept| kept.until).min();
    is_full.then_some(Waiting::QuarantineFull { until })
}

fn fleet_has_room(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let until = candidate.plan.next.back_off.as_ref()?.until;
    (candidate.plan.input.now < until).then_some(Waiting::CapacityShort { until })
}

/// Where the drifted instance goes first, the floor must hold without it.
fn floor_leaves_room(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    if candidate.policy.replace != ReplaceBy::TerminateFirst {
        return None;
    }
    let serving = crate::replacement::serving_after(candidate.plan, candidate.group, candidate.id);
    let floor = candidate.policy.min_healthy.of_rounded_up(candidate.group.desired);
    let costs_nothing = crate::replacement::serves_nobody(candidate.plan, candidate.group, candidate.id);
    (serving < floor && !costs_nothing).then_some(Waiting::BelowFloor { serving, floor })
}

/// A floor that is the whole group at its size, so that nothing can ever go before its successor comes.
fn nothing_can_go_first(policy: &Policy, group: &Group) -> Option<String> {
    let Group { name, desired, .. } = group;
    let floor = policy.min_healthy.of_rounded_up(*desired);
    (policy.replace == ReplaceBy::TerminateFirst && floor >= *desired).then(|| {
        format!(
            "driftless:replace=terminate-first leaves one fewer of the {desired} of {name}, and driftless:min-healthy={} \
             asks for {floor}",
            policy.min_healthy
        )
    })
}

fn back_off_is_over(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let until = crate::replacement::back_off_until(candidate.replacement)?;
    (candidate.plan.input.now < until).then_some(Waiting::BackOff { until })
}

fn is_unprotected(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    protection(candidate.plan, candidate.group, candidate.member)
}

/// What protects an instance from us: the word of a person, at the admission and until it goes.
pub(crate) fn protection(plan: &Plan<'_>, group: &Group, member: &Member) -> Option<Waiting> {
    if let Some(waiting) = protected_by_tag(plan, &member.id) {
        return Some(waiting);
    }
    // A group that protects all its instances protects none from us: it is how people keep scale-in away. What we have
    // just launched ourselves is not protected yet, and what is pending cannot be.
    let is_successor = |member: &Member| plan.next.successors().any(|successor| *successor == member.id);
    let is_spared =
        |member: &Member| member.protected || member.lifecycle == Lifecycle::Pending || is_successor(member);
    let protects_all = group.protects_new_instances || group.members.iter().all(is_spared);
    (member.protected && !protects_all)
        .then(|| Waiting::Protected { by: "its own scale-in protection".into(), until: None })
}

/// A person's tag on an instance, until its expiry.
pub(crate) fn protected_by_tag(plan: &Plan<'_>, id: &InstanceId) -> Option<Waiting> {
    let reason = plan.input.seen.machines.get(id)?.protect.as_ref()?;
    let until = protection_expiry(reason);
    let holds = until.is_none_or(|until| plan.input.now < until);
    holds.then(|| Waiting::Protected { by: format!("the tag driftless:protect: {reason}").into(), until })
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
fn protection_expiry(reason: &ForeignText) -> Option<Timestamp> {
    reason.as_str().rsplit_once(" until ").and_then(|(_, time)| time.trim().parse().ok())
}

/// How many surges are under way in each zone.
fn slots_by_zone(plan: &Plan<'_>) -> BTreeMap<Zone, usize> {
    let mut slots = BTreeMap::new();
    for replacement in plan.next.replacements.values().filter(|replacement| replacement.phase.surge().is_some()) {
        *slots.entry(replacement.zone.clone()).or_default() += 1;
    }
    slots
}

fn wait(plan: &mut Plan<'_>, id: &InstanceId, waiting: &Waiting) {
    if let Some(at) = waiting.may_change_at() {
        plan.look_again(at);
    }
    plan.waiting.insert(id.clone(), waiting.clone());
    let Some(replacement) = plan.next.replacements.get_mut(id) else { return };
    let is_young = matches!(waiting, Waiting::Debounce { .. });
    // Numbers in a reason change while the reason stays: only another guard is a transition.
    let is_known = match &replacement.phase {
        Phase::Blocked(before) => before.guard() == waiting.guard(),
        Phase::Debouncing => is_young,
        _ => false,
    };
    let from = replacement.phase.name();
    replacement.phase = if is_young { Phase::Debouncing } else { Phase::Blocked(waiting.clone()) };
    let to = replacement.phase.name();
    if !is_known {
        plan.journal(Some(id), from, to, waiting.to_string());
    }
}

/// The members that are not known to have been launched before this second.
fn recently_launched(plan: &Plan<'_>, group: &Group) -> BTreeSet<InstanceId> {
    let launched_at = |id: &InstanceId| plan.input.seen.machines.get(id).map(|machine| machine.launched_at);
    let is_recent = |id: &&InstanceId| launched_at(id).is_none_or(|at| at.as_second() >= plan.input.now.as_second());
    group.members.iter().map(|member| &member.id).filter(is_recent).cloned().collect()
}

fn start(plan: &mut Plan<'_>, standing: &Standing<'_>, findings: &Findings, id: &InstanceId) {
    let now = plan.input.now;
    let (Some(group), Ok(policy)) = (standing.live, &standing.policy) else { return };
    // Surges side by side share one base: the capacity that the group had before the first of them, or less, if someone
    // took it below that since.
    let base = bases(plan, group).chain([group.desired]).min().unwrap_or_default();
    let method = match policy.replace {
        ReplaceBy::TerminateFirst => SurgeMethod::Refill,
        ReplaceBy::Surge | ReplaceBy::Quarantine if launches_by_desired(plan) => SurgeMethod::RaiseDesired,
        ReplaceBy::Surge | ReplaceBy::Quarantine => SurgeMethod::LaunchInstances,
    };
    let policy = with_patience_for_hooks(plan, policy, group);
    let goes_first = policy.replace == ReplaceBy::TerminateFirst;
    let is_retry_for_room = plan.next.back_off.is_some();
    let there_before = recently_launched(plan, group);
    let Some(replacement) = plan.next.replacements.get_mut(id) else { return };
    let from = replacement.phase.name();
    let attempt = replacement.failures.len() + 1;
    let deadline = now + policy.launch_deadline;
    let surge = Surge {
        token: format!("driftless-{id}-{attempt}-{}", now.as_second()),
        admitted_at: now,
        there_before,
        deadline,
        base_desired: base,
        method,
        asked_again: false,
        held_since: None,
        policy: Box::new(policy),
    };
    replacement.phase =
        if goes_first { Phase::Vacating(Vacating { surge, terminated: false }) } else { Phase::Launching(surge) };
    let replacement = replacement.clone();
    let to = replacement.phase.name();
    plan.journal(Some(id), from, to, format!("all guards agree; attempt {attempt}"));
    // Tried again for want of room it is no news: on-call knows of the shortage.
    if !is_retry_for_room {
        plan.tell(News::ReplacementStarted {
            instance: id.clone(),
            group: replacement.group.clone(),
            zone: replacement.zone.clone(),
            drift: replacement.drift.iter().cloned().collect(),
            remarks: replacement.findings.values().filter_map(|finding| finding.annotation.clone()).collect(),
            deadline,
            goes_first,
        });
    }
    if goes_first {
        crate::replacement::begin_vacating(plan, standing, findings, id);
    } else {
        crate::replacement::launch(plan, id);
    }
}

/// No deadline is shorter than the group's own hooks may take: they are how it boots and how it drains.
fn with_patience_for_hooks(plan: &Plan<'_>, policy: &Policy, group: &Group) -> Policy {
    let mut policy = policy.clone();
    if let Some(hooks) = plan.input.seen.hook_timeouts.get(&group.name) {
        policy.launch_deadline = policy.launch_deadline.max(*hooks + group.warm_up);
        policy.drain_deadline = policy.drain_deadline.max(*hooks);
    }
    policy
}

/// A successor that fails for what its ancestor was replaced for is no drift: the image or the rule is wrong, and a
/// further successor would be the next link of an endless chain. Stops at the first recurrence.
fn stop_born_drifted(plan: &mut Plan<'_>) {
    let image = plan.next.release.as_ref().map(|release| release.image.clone());
    let born_drifted: Vec<(InstanceId, InstanceId)> = plan
        .next
        .replacements
        .iter()
        .filter(|(_, replacement)| matches!(replacement.phase, Phase::Debouncing | Phase::Blocked(_)))
        .filter_map(|(id, replacement)| {
            let descent = plan.next.lineage.get(id)?;
            let recurs = replacement.drift.iter().any(|reason| reason.is_inherited() && descent.drift.contains(reason));
            recurs.then(|| (id.clone(), descent.ancestor.clone()))
        })
        .collect();
    for (id, ancestor) in born_drifted {
        let Some(replacement) = plan.next.replacements.get_mut(&id) else { continue };
        let from = replacement.phase.name();
        let why = StopReason::Lineage { ancestor: ancestor.clone(), image: image.clone() };
        replacement.phase = Phase::Stopped(Stopped { at: plan.input.now, why: why.clone() });
        let drift: Vec<DriftReason> = replacement.drift.iter().cloned().collect();
        let reason = format!("it replaced {ancestor} and fails for the same reason");
        plan.journal(Some(&id), from, "stopped", reason);
        plan.tell(News::Stopped { instance: id, drift, why, failures: Vec::new() });
    }
}
