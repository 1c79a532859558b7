//! What may start, and why the rest may not: the guards, in their order, each with a typed reason.

use crate::adopt::Standing;
use crate::draft::Draft;
use crate::drift::Findings;
use crate::explain::Verdict;
use crate::ids::InstanceId;
use crate::limits::LOOK_MIN;
use crate::notification::Condition;
use crate::observation::{Group, Lifecycle, Member, TargetHealth};
use crate::observed;
use crate::policy::{Mode, Policy, ReplaceBy};
use crate::quarantine;
use crate::reading::Read;
use crate::record::{DriftReason, LAUNCH_BY_DESIRED_FOR, Phase, Replacement, StopReason, Stopped};
use crate::template::TemplateReference;
use crate::text::ForeignText;
use crate::waiting::Waiting;

/// A drifted instance that asks to be replaced, with all that the guards look at.
struct Candidate<'p, 'a> {
    draft: &'p Draft<'a>,
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

pub(crate) fn refusal(
    draft: &mut Draft<'_>,
    standing: &Standing<'_>,
    findings: &Findings,
    id: &InstanceId,
) -> Option<Waiting> {
    let replacement = draft.record().replacements.get(id)?.clone();
    // The stop switch is the first reason that a person is told, whatever else would say no.
    let hold = draft.hold(standing.mode());
    let policy = match &standing.policy {
        Ok(policy) => policy,
        Err(problem) => return hold.or_else(|| Some(Waiting::PolicyInvalid { problem: problem.clone() })),
    };
    let until = crate::drift::debounced_at(&replacement, policy.debounce);
    if draft.input().now < until {
        return Some(Waiting::Debounce { until });
    }
    let (Some(group), None) = (standing.live, &standing.obstacle) else {
        let refused = Waiting::GroupNotFit { problem: standing.obstacle.clone().unwrap_or_default() };
        if hold == Some(Waiting::Observed) {
            observed::note_replacement(draft, id, Some(&refused));
        }
        return hold.or(Some(refused));
    };
    let Some(member) = group.member(id) else {
        return Some(Waiting::NotInService { state: "gone".into() });
    };
    let candidate = Candidate { draft, findings, policy, id, replacement: &replacement, group, member };
    if let Some(unknown) = rules_exist(&candidate) {
        return Some(unknown);
    }
    let refused = GUARDS.iter().find_map(|(_, _, verdict)| verdict(&candidate));
    if group_is_asked(&candidate).is_some() {
        draft.look_again(draft.input().now + LOOK_MIN);
    }
    if matches!(refused, Some(Waiting::BelowFloor { .. }))
        && let Some(detail) = nothing_can_go_first(policy, group)
    {
        draft.is_in(Condition::NothingCanGoFirst, detail);
    }
    if standing.mode() == Some(Mode::Observe) && findings.breaker.is_none() && is_worth_telling(draft, id) {
        let detail = would_do(&replacement, member, refused.as_ref());
        draft.is_in(Condition::WouldReplace { instance: id.clone() }, detail);
    }
    if hold == Some(Waiting::Observed) {
        observed::note_replacement(draft, id, refused.as_ref());
    }
    hold.or(refused)
}

/// What every guard says of one drifted instance, in the order of [`refusal`]: the first that holds is its answer.
pub(crate) fn verdicts(
    draft: &Draft<'_>,
    standing: &Standing<'_>,
    findings: &Findings,
    id: &InstanceId,
) -> Vec<Verdict> {
    let Some(replacement) = draft.record().replacements.get(id) else { return Vec::new() };
    let freeze = Verdict::of("freeze", "nobody froze it", draft.hold(None));
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
            let young = (draft.input().now < until).then_some(Waiting::Debounce { until });
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
        draft,
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
fn is_worth_telling(draft: &Draft<'_>, id: &InstanceId) -> bool {
    let key = |id: &InstanceId| Condition::WouldReplace { instance: id.clone() }.key();
    let told = |id: &&InstanceId| draft.record().conditions.contains_key(&key(id));
    let is_told = told(&id);
    let known = draft.record().replacements.keys().filter(told).count();
    let is_backlog = draft.record().backlog.contains(id);
    !is_backlog && (is_told || known + draft.new_conditions("would-replace:") < WOULD_REPLACE_MAX)
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
    let (window, now) = (&candidate.policy.window, candidate.draft.input().now);
    (!window.is_open(now)).then(|| Waiting::WindowClosed { opens_at: window.next_opening(now) })
}

fn no_cutover(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let cutover = candidate.draft.record().cutover.as_ref();
    cutover.filter(|cutover| cutover.stops_replacements()).map(|_| Waiting::CutoverUnderWay)
}

/// Whether this look has asked what an admission must know of the group: it does so for what was known to be drifted
/// before, or looked so.
fn group_is_asked(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let is_asked = candidate.draft.input().seen.hook_timeouts.is_asked(&candidate.group.name);
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
    if candidate
        .draft
        .input()
        .seen
        .refreshes
        .get(&group.name)
        .found()
        .is_some_and(|refresh| refresh.status.is_under_way())
    {
        return unfit(format!("an instance refresh is under way on {}", group.name));
    }
    let release = candidate.draft.record().release.as_ref();
    if let (TemplateReference::Numbered(found), Some(release)) = (&group.template, release)
        && *found != release.template
    {
        return unfit(format!(
            "{} launches {found}, but the release is {}: set driftless:mode to observe and back to accept it",
            group.name, release.template
        ));
    }
    let is_ours = |member: &Member| {
        candidate.draft.record().replacements.iter().any(|(id, replacement)| {
            replacement.phase().surge().is_some()
                && (*id == member.id || replacement.phase().successor() == Some(&member.id))
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
    if candidate.draft.record().slots_used(&group.name) == 0 && active != group.desired {
        return unfit(format!("{} wants {} instances and has {active}", group.name, group.desired));
    }
    None
}

/// What came since a launch was asked for that has not answered may be its successor, which is judged by that replacement.
fn is_no_newcomer(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let launched_at =
        candidate.draft.input().seen.machines.get(candidate.id).found().map(|machine| machine.launched_at);
    let awaits_it = |replacement: &Replacement| {
        let Phase::Launching(surge) = replacement.phase() else { return false };
        // EC2 tells launch times in whole seconds.
        launched_at.is_none_or(|at| at.as_second() >= surge.admitted_at.as_second())
    };
    let (ancestor, _) = candidate
        .draft
        .record()
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
    let (rule, fleets) = crate::drift::open_rule_breaker(candidate.draft.record(), &candidate.replacement.drift)?;
    Some(Waiting::RuleBreakerOpen { rule, fleets })
}

/// What was replaced for the same reasons and had a successor that drifted for them shows that the next one would too.
fn breeds_true(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let is_held = |reason: &DriftReason, stopped: &Replacement| reason.is_inherited() && stopped.drift.contains(reason);
    candidate.draft.record().replacements.iter().find_map(|(id, stopped)| {
        let Phase::Stopped(Stopped { why, .. }) = stopped.phase() else { return None };
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
    let seen = candidate.draft.input().seen;
    // A successor is no member yet: a share must not grow by what it has started. Nor by a launch that did not answer,
    // whose instance nobody knows for a successor: so a share is never of more than the base of the surges under way.
    let is_successor = |member: &Member| candidate.draft.record().successors().any(|successor| *successor == member.id);
    let in_u32 = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let members: Vec<&Member> = group.active().filter(|member| !is_successor(member)).collect();
    let serving = members.iter().filter(|member| seen.is_serving(group, member)).count();
    let size = bases(candidate.draft, group).chain([in_u32(members.len())]).min().unwrap_or_default();
    let limit = candidate.policy.budget.limit(size, in_u32(serving));
    // Without an idempotent launch the successor is told by its launch time, so that surges go one by one.
    let limit = if launches_by_desired(candidate.draft) { limit.min(1) } else { limit };
    // What does not serve, whoever's doing it is, disrupts as much as a replacement does.
    let has_slot = |id: &InstanceId| {
        candidate.draft.record().replacements.get(id).is_some_and(|replacement| replacement.phase().surge().is_some())
    };
    let idle = group.active().filter(|member| {
        !seen.is_serving(group, member) && !is_successor(member) && !has_slot(&member.id) && member.id != *candidate.id
    });
    // Nothing is lost by replacing what does not serve: others that do not serve must not keep it here for ever.
    let is_serving = group.member(candidate.id).is_some_and(|member| seen.is_serving(group, member));
    let idle = if is_serving { idle.count() } else { 0 };
    let used = candidate.draft.record().slots_used(&group.name) + idle;
    let used = in_u32(used);
    (used >= limit).then_some(Waiting::BudgetSpent { used, limit })
}

/// The desired capacities that a group had before each of its surges.
pub(crate) fn bases(draft: &Draft<'_>, group: &Group) -> impl Iterator<Item = u32> {
    let works = draft.record().replacements.values().filter(|work| work.group == group.name);
    works.filter_map(|work| work.phase().surge()).map(|surge| surge.base_desired)
}

/// Whether surges raise the desired capacity, since `LaunchInstances` was refused not long ago.
pub(crate) fn launches_by_desired(draft: &Draft<'_>) -> bool {
    draft.record().launches_by_desired_since.is_some_and(|since| draft.input().now < since + LAUNCH_BY_DESIRED_FOR)
}

fn quarantine_has_room(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let record = &candidate.draft.record();
    let is_full = candidate.policy.replace == ReplaceBy::Quarantine && quarantine::is_full(record);
    let until = record.quarantined.values().map(|kept| kept.until).min();
    is_full.then_some(Waiting::QuarantineFull { until })
}

fn fleet_has_room(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let until = candidate.draft.record().back_off.as_ref()?.until;
    (candidate.draft.input().now < until).then_some(Waiting::CapacityShort { until })
}

/// Where the drifted instance goes first, the floor must hold without it.
fn floor_leaves_room(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    if candidate.policy.replace != ReplaceBy::TerminateFirst {
        return None;
    }
    let serving = crate::replacement::serving_after(candidate.draft, candidate.group, candidate.id);
    let floor = candidate.policy.min_healthy.of_rounded_up(candidate.group.desired);
    let costs_nothing = crate::replacement::serves_nobody(candidate.draft, candidate.group, candidate.id);
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
    (candidate.draft.input().now < until).then_some(Waiting::BackOff { until })
}

fn is_unprotected(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    crate::protection::protection(candidate.draft, candidate.group, candidate.member)
}

fn is_in_service(candidate: &Candidate<'_, '_>) -> Option<Waiting> {
    let member = candidate.member;
    if member.lifecycle != Lifecycle::InService {
        return Some(Waiting::NotInService { state: lifecycle_word(member) });
    }
    let seen = candidate.draft.input().seen;
    let fails = candidate
        .group
        .target_groups
        .iter()
        .any(|arn| matches!(seen.health_of(arn, &member.id), Read::Found(TargetHealth::Unhealthy(_))));
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
