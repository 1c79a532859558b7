//! The guards about one drifted instance in the live group.

use crate::answer::Answer::{Agrees, Blocks};
use crate::draft::Draft;
use crate::drift::{Findings, open_rule_breaker};
use crate::guards::GuardAnswer;
use crate::guards::fitness::{refresh_under_way, suspended};
use crate::guards::fleet::when_closed;
use crate::ids::InstanceId;
use crate::observation::{Group, Lifecycle, Member, TargetHealth};
use crate::policy::{Policy, ReplaceBy};
use crate::protection::protection;
use crate::quarantine;
use crate::reading::Read;
use crate::record::{DriftReason, LAUNCH_BY_DESIRED_FOR, Phase, Replacement, StopReason, Stopped};
use crate::replacement::{back_off_until, serves_nobody, serving_after};
use crate::template::TemplateReference;
use crate::text::UntrustedText;
use crate::waiting::{GroupProblem, Waiting};

/// A drifted instance in the live group of a fleet with a valid policy.
pub(crate) struct Instance<'q> {
    pub(super) draft: &'q Draft<'q>,
    pub(super) findings: &'q Findings,
    pub(super) policy: &'q Policy,
    pub(super) id: &'q InstanceId,
    pub(super) replacement: &'q Replacement,
    pub(super) group: &'q Group,
    pub(super) member: &'q Member,
}

pub(super) fn window_is_open(instance: &Instance<'_>) -> GuardAnswer {
    when_closed(instance.policy, instance.draft.input().now).into()
}

pub(super) fn no_cutover(instance: &Instance<'_>) -> GuardAnswer {
    let cutover = instance.draft.record().cutover.as_ref();
    cutover.filter(|cutover| cutover.stops_replacements()).map(|_| Waiting::CutoverUnderWay).into()
}

pub(super) fn group_is_fit(instance: &Instance<'_>) -> GuardAnswer {
    let group = instance.group;
    let problem = suspended(group)
        .or_else(|| refresh_under_way(group, instance.draft.input().seen))
        .or_else(|| other_template(instance))
        .or_else(|| other_activity(instance))
        .or_else(|| not_at_size(instance));
    problem.map(|problem| Waiting::GroupNotFit { problem }).into()
}

fn other_template(instance: &Instance<'_>) -> Option<GroupProblem> {
    let release = instance.draft.record().release.as_ref()?;
    let TemplateReference::Numbered(found) = &instance.group.template else { return None };
    (*found != release.template).then(|| GroupProblem::OtherTemplate {
        group: instance.group.name.clone(),
        found: found.clone(),
        released: release.template.clone(),
    })
}

fn other_activity(instance: &Instance<'_>) -> Option<GroupProblem> {
    let is_ours = |member: &Member| {
        instance.draft.record().replacements.iter().any(|(id, replacement)| {
            replacement.phase().surge().is_some()
                && (*id == member.id || replacement.phase().successor() == Some(&member.id))
        })
    };
    let foreign = instance.group.members.iter().find(|member| {
        matches!(member.lifecycle, Lifecycle::Pending | Lifecycle::Terminating | Lifecycle::Detaching)
            && !is_ours(member)
    })?;
    Some(GroupProblem::OtherActivity { instance: foreign.id.clone(), state: lifecycle_word(foreign) })
}

fn not_at_size(instance: &Instance<'_>) -> Option<GroupProblem> {
    let group = instance.group;
    let has = in_u32(group.active().count());
    let is_at_rest = instance.draft.record().slots_used(&group.name) == 0;
    (is_at_rest && has != group.desired).then(|| GroupProblem::NotAtSize {
        group: group.name.clone(),
        wants: group.desired,
        has,
    })
}

/// Blocks an instance that may be the replacement instance of another replacement, whose launch call has not returned.
/// That replacement evaluates the drift of the instance.
pub(super) fn is_no_successor(instance: &Instance<'_>) -> GuardAnswer {
    let launched_at = instance.draft.input().seen.machines.get(instance.id).found().map(|machine| machine.launched_at);
    let awaits_it = |replacement: &Replacement| {
        let Phase::Launching(surge) = replacement.phase() else { return false };
        // EC2 reports launch times in whole seconds.
        launched_at.is_none_or(|at| at.as_second() >= surge.admitted_at.as_second())
    };
    let mut works = instance.draft.record().replacements.iter();
    let awaiting = works.find(|(_, replacement)| replacement.group == instance.group.name && awaits_it(replacement));
    awaiting.map(|(ancestor, _)| Waiting::MayBeSuccessor { ancestor: ancestor.clone() }).into()
}

/// Blocks an instance whose drift this pass has not read. A replacement starts only from a current read, which the
/// breaker needs too.
pub(super) fn is_drift_read(instance: &Instance<'_>) -> GuardAnswer {
    let is_read =
        !instance.findings.is_incomplete(instance.policy) && instance.findings.drifted.contains_key(instance.id);
    (!is_read).then_some(Waiting::DriftUnread).into()
}

pub(super) fn breaker_is_closed(instance: &Instance<'_>) -> GuardAnswer {
    let open = instance.findings.breaker.map(|(drifted, members)| Waiting::BreakerOpen {
        drifted: in_u32(drifted),
        members: in_u32(members),
        limit: instance.policy.breaker,
    });
    open.into()
}

pub(super) fn rule_breaker_is_closed(instance: &Instance<'_>) -> GuardAnswer {
    let open = open_rule_breaker(instance.draft.record(), &instance.replacement.drift);
    open.map(|(rule, fleets)| Waiting::RuleBreakerOpen { rule, fleets }).into()
}

/// Blocks an instance after repeat drift: another replacement instance drifted for the same reasons, so the next one
/// would drift too.
pub(super) fn no_successor_inherited_it(instance: &Instance<'_>) -> GuardAnswer {
    let is_held = |reason: &DriftReason, stopped: &Replacement| reason.is_inherited() && stopped.drift.contains(reason);
    let ancestor = instance.draft.record().replacements.iter().find_map(|(id, stopped)| {
        let Phase::Stopped(Stopped { why, .. }) = stopped.phase() else { return None };
        let ancestor = match why {
            StopReason::RepeatDrift { ancestor, .. } => ancestor,
            StopReason::Recurrence { .. } => id,
            StopReason::Failures | StopReason::NotLaunchedAfter => return None,
        };
        let all_held = instance.replacement.drift.iter().all(|reason| is_held(reason, stopped));
        all_held.then(|| ancestor.clone())
    });
    ancestor.map(|ancestor| Waiting::RepeatDrift { ancestor }).into()
}

pub(super) fn budget_is_left(instance: &Instance<'_>) -> GuardAnswer {
    let group = instance.group;
    let seen = instance.draft.input().seen;
    // A replacement instance does not count as a member yet: otherwise a percentage limit would grow with each surge. A
    // launch call without a response may have created an unknown one, so a percentage never applies to more than the
    // base of the surges in progress.
    let is_successor = |member: &Member| instance.draft.record().successors().any(|successor| *successor == member.id);
    let members: Vec<&Member> = group.active().filter(|member| !is_successor(member)).collect();
    let serving = members.iter().filter(|member| seen.is_serving(group, member)).count();
    let size = bases(instance.draft, group).chain([in_u32(members.len())]).min().unwrap_or_default();
    let limit = instance.policy.budget.limit(size, in_u32(serving));
    // Without an idempotent launch call, only the launch time identifies a replacement instance, so surges run one at a
    // time.
    let limit = if launches_by_desired(instance.draft) { limit.min(1) } else { limit };
    // An unhealthy instance disrupts the fleet as much as a replacement does, whatever the cause.
    let has_slot = |id: &InstanceId| {
        instance.draft.record().replacements.get(id).is_some_and(|replacement| replacement.phase().surge().is_some())
    };
    let idle = group.active().filter(|member| {
        !seen.is_serving(group, member) && !is_successor(member) && !has_slot(&member.id) && member.id != *instance.id
    });
    // Replacing an unhealthy instance costs no capacity: other unhealthy instances must not block it for ever.
    let is_serving = group.member(instance.id).is_some_and(|member| seen.is_serving(group, member));
    let idle = if is_serving { idle.count() } else { 0 };
    let used = in_u32(instance.draft.record().slots_used(&group.name) + idle);
    (used >= limit).then_some(Waiting::BudgetSpent { used, limit }).into()
}

/// The base of each surge in progress in a group: the desired capacity that the group had without surges when the surge
/// was admitted.
pub(crate) fn bases(draft: &Draft<'_>, group: &Group) -> impl Iterator<Item = u32> {
    let works = draft.record().replacements.values().filter(|work| work.group == group.name);
    works.filter_map(|work| work.phase().surge()).map(|surge| surge.base_desired)
}

/// Whether surges raise the desired capacity now, because AWS recently refused `LaunchInstances` as an unknown
/// operation.
pub(crate) fn launches_by_desired(draft: &Draft<'_>) -> bool {
    draft.record().launches_by_desired_since.is_some_and(|since| draft.input().now < since + LAUNCH_BY_DESIRED_FOR)
}

pub(super) fn quarantine_has_room(instance: &Instance<'_>) -> GuardAnswer {
    let record = instance.draft.record();
    let is_full = instance.policy.replace == ReplaceBy::Quarantine && quarantine::is_full(record);
    let until = record.quarantined.values().map(|kept| kept.until).min();
    is_full.then_some(Waiting::QuarantineFull { until }).into()
}

pub(super) fn back_off_is_over(instance: &Instance<'_>) -> GuardAnswer {
    let lasting = back_off_until(instance.replacement).filter(|until| instance.draft.input().now < *until);
    lasting.map(|until| Waiting::BackOff { until }).into()
}

pub(super) fn aws_has_room(instance: &Instance<'_>) -> GuardAnswer {
    let back_off = instance.draft.record().back_off.as_ref().map(|back_off| back_off.until);
    let lasting = back_off.filter(|until| instance.draft.input().now < *until);
    lasting.map(|until| Waiting::CapacityShort { until }).into()
}

pub(super) fn is_unprotected(instance: &Instance<'_>) -> GuardAnswer {
    protection(instance.draft, instance.group, instance.member).into()
}

pub(super) fn is_in_service(instance: &Instance<'_>) -> GuardAnswer {
    let member = instance.member;
    if member.lifecycle != Lifecycle::InService {
        return Blocks(Waiting::NotInService { state: lifecycle_word(member) });
    }
    let seen = instance.draft.input().seen;
    let is_unhealthy = |arn| matches!(seen.health_of(arn, &member.id), Read::Found(TargetHealth::Unhealthy(_)));
    let fails = instance.group.target_groups.iter().any(is_unhealthy);
    (!member.healthy || fails).then(|| Waiting::NotInService { state: "unhealthy".into() }).into()
}

/// With terminate-first, blocks if the group would not keep its minimum healthy without the drifted instance.
pub(super) fn minimum_healthy_leaves_room(instance: &Instance<'_>) -> GuardAnswer {
    if instance.policy.replace != ReplaceBy::TerminateFirst {
        return Agrees;
    }
    let serving = serving_after(instance.draft, instance.group, instance.id);
    let minimum_healthy = instance.policy.min_healthy.of_rounded_up(instance.group.desired);
    let costs_nothing = serves_nobody(instance.draft, instance.group, instance.id);
    (serving < minimum_healthy && !costs_nothing).then_some(Waiting::BelowMinimum { serving, minimum_healthy }).into()
}

/// Blocks until this pass has read the lifecycle hooks of the group. A pass reads them only if the group already had a
/// drifted instance when its reads were planned.
pub(super) fn are_hooks_read(instance: &Instance<'_>) -> GuardAnswer {
    let is_asked = instance.draft.input().seen.hook_timeouts.is_asked(&instance.group.name);
    (!is_asked).then_some(Waiting::HooksUnread).into()
}

fn lifecycle_word(member: &Member) -> UntrustedText {
    match &member.lifecycle {
        Lifecycle::Pending => "pending".into(),
        Lifecycle::InService => "in service".into(),
        Lifecycle::Terminating => "terminating".into(),
        Lifecycle::Standby => "in standby".into(),
        Lifecycle::Detaching => "detaching".into(),
        Lifecycle::Unknown(state) => state.clone(),
    }
}

fn in_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
