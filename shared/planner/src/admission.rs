//! Admission: decides which drifted instances are replaced now. The instance that drifted first comes first; among
//! equals, the zone with the fewest replacements in progress.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::adopt::FleetState;
use crate::draft::Draft;
use crate::drift::Findings;
use crate::guards::{
    GuardResult, Question, Refusal, bases, lacks_hooks, launches_by_desired, looks_at_the_instance, refusal, verdicts,
};
use crate::ids::{InstanceId, Zone};
use crate::limits::RECHECK_MIN;
use crate::notification::{Condition, Details};
use crate::observation::Group;
use crate::observed;
use crate::policy::{Mode, Policy, ReplaceBy};
use crate::record::{DriftReason, Phase, StopReason, Stopped, Surge, SurgeMethod, Terminating};
use crate::waiting::Waiting;

/// The result of every guard for each drifted instance.
pub(crate) type Explained = BTreeMap<InstanceId, Vec<GuardResult>>;

/// In observe mode, on-call gets messages about at most this many instances that act mode would replace. More messages
/// would only repeat them.
const WOULD_REPLACE_MAX: usize = 5;

/// Starts the replacement of each drifted instance for which all guards pass: the longest-drifted instance first,
/// spread over zones.
///
/// With `explained`, also records the result of every guard for each instance at the moment when the instance is
/// considered, because each admission changes the input of the next one.
pub(crate) fn admit(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    findings: &Findings,
    mut explained: Option<&mut Explained>,
) {
    stop_drifted_from_the_start(draft);
    let mut candidates: Vec<(Timestamp, InstanceId, Zone)> = draft
        .record()
        .replacements
        .iter()
        .filter(|(_, replacement)| matches!(replacement.phase(), Phase::Debouncing | Phase::Blocked(_)))
        .map(|(id, replacement)| (replacement.detected_at, id.clone(), replacement.zone.clone()))
        .collect();
    let mut has_started = true;
    loop {
        if has_started {
            // Among equally old drift, the zone with the fewest surges goes first. Only an admission changes these
            // counts.
            let slots = slots_by_zone(draft);
            let slots_of = |zone: &Zone| slots.get(zone).copied().unwrap_or(0);
            candidates
                .sort_by_cached_key(|(detected_at, id, zone)| Reverse((*detected_at, slots_of(zone), id.clone())));
        }
        let Some((_, id, _)) = candidates.pop() else { return };
        let Some(question) = Question::about(draft, standing, findings, &id) else { continue };
        if let Some(explained) = &mut explained {
            explained.insert(id.clone(), verdicts(&question));
        }
        let (refusal, lacks_hooks) = (refusal(&question), lacks_hooks(&question));
        note_answers(draft, standing, findings, &id, refusal.as_ref(), lacks_hooks);
        has_started = refusal.is_none();
        match refusal {
            None => start(draft, standing, findings, &id),
            Some(refusal) => wait(draft, &id, &refusal.told),
        }
    }
}

/// Handles the results of the guards for one instance, apart from the admission itself: requests a pass for reads that
/// are missing, notifies on-call, and counts the instance for the weekly digest of observe mode.
fn note_answers(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    findings: &Findings,
    id: &InstanceId,
    refusal: Option<&Refusal>,
    lacks_hooks: bool,
) {
    let otherwise = refusal.and_then(|refusal| refusal.otherwise.as_ref());
    // A guard that blocks before it examines the instance says nothing about the instance.
    if otherwise.is_none_or(|waiting| looks_at_the_instance(waiting.guard())) {
        if lacks_hooks {
            draft.requeue(draft.input().now + RECHECK_MIN);
        }
        if matches!(otherwise, Some(Waiting::BelowMinimum { .. }))
            && let Some(detail) = nothing_can_go_first(standing)
        {
            draft.is_in(Condition::NothingCanGoFirst, detail);
        }
        if standing.mode() == Some(Mode::Observe)
            && findings.breaker.is_none()
            && is_worth_telling(draft, id)
            && let Some(detail) = would_do(draft, standing, id, otherwise)
        {
            draft.is_in(Condition::WouldReplace { instance: id.clone() }, detail);
        }
    }
    if refusal.is_some_and(|refusal| refusal.told == Waiting::Observed) {
        observed::note_replacement(draft, id, otherwise);
    }
}

/// Whether on-call gets a message in observe mode about this single instance. It gets none about an instance of the
/// backlog, which has one message as a whole, nor about more than [`WOULD_REPLACE_MAX`] instances.
fn is_worth_telling(draft: &Draft<'_>, id: &InstanceId) -> bool {
    let key = |id: &InstanceId| Condition::WouldReplace { instance: id.clone() }.key();
    let told = |id: &&InstanceId| draft.record().conditions.contains_key(&key(id));
    let is_told = told(&id);
    let known = draft.record().replacements.keys().filter(told).count();
    let is_backlog = draft.record().backlog.contains(id);
    !is_backlog && (is_told || known + draft.new_conditions("would-replace:") < WOULD_REPLACE_MAX)
}

fn would_do(
    draft: &Draft<'_>,
    standing: &FleetState<'_>,
    id: &InstanceId,
    otherwise: Option<&Waiting>,
) -> Option<String> {
    let member = standing.live?.member(id)?;
    let reasons: Vec<String> = draft.record().replacements.get(id)?.drift.iter().map(ToString::to_string).collect();
    let what = match otherwise {
        None => format!("a replacement instance would be launched in {} now", member.zone),
        Some(waiting) => format!("in act mode the replacement would wait: {waiting}"),
    };
    Some(format!("{}; {what}", reasons.join(", ")))
}

/// Why terminate-first can never replace an instance of this fleet: the minimum healthy is the whole desired capacity.
/// None: it can, or the fleet has another strategy.
fn nothing_can_go_first(standing: &FleetState<'_>) -> Option<String> {
    let (policy, Group { name, desired, .. }) = (standing.policy.as_ref().ok()?, standing.live?);
    let minimum_healthy = policy.min_healthy.of_rounded_up(*desired);
    (policy.replace == ReplaceBy::TerminateFirst && minimum_healthy >= *desired).then(|| {
        format!(
            "terminate-first would leave {} of the {desired} instances of {name} healthy, and driftless:min-healthy={} \
             needs {minimum_healthy}",
            desired.saturating_sub(1),
            policy.min_healthy
        )
    })
}

/// The number of replacements in progress in each zone, without those that only wait.
fn slots_by_zone(draft: &Draft<'_>) -> BTreeMap<Zone, usize> {
    let mut slots = BTreeMap::new();
    for replacement in draft.record().replacements.values().filter(|replacement| replacement.phase().surge().is_some())
    {
        *slots.entry(replacement.zone.clone()).or_default() += 1;
    }
    slots
}

fn wait(draft: &mut Draft<'_>, id: &InstanceId, waiting: &Waiting) {
    if let Some(at) = waiting.may_change_at() {
        draft.requeue(at);
    }
    draft.waits(id, waiting.clone());
    let Some(replacement) = draft.record().replacements.get(id) else { return };
    let is_young = matches!(waiting, Waiting::Debounce { .. });
    let next = if is_young { Phase::Debouncing } else { Phase::Blocked(waiting.clone()) };
    // The numbers in a reason change while the reason stays. Only a change of the blocking guard is a step.
    let is_known = match (replacement.phase(), &next) {
        (Phase::Blocked(before), Phase::Blocked(_)) => before.guard() == waiting.guard(),
        (before, next) => before.kind() == next.kind(),
    };
    if is_known {
        draft.stay(id, next);
    } else {
        draft.enter(id, next, waiting.to_string());
    }
}

/// The members that were launched within the current second or have no known launch time. EC2 reports launch times in
/// whole seconds, so a launch time cannot tell these members from the replacement instance.
fn recently_launched(draft: &Draft<'_>, group: &Group) -> BTreeSet<InstanceId> {
    let launched_at = |id: &InstanceId| draft.input().seen.machines.get(id).found().map(|machine| machine.launched_at);
    let is_recent = |id: &&InstanceId| launched_at(id).is_none_or(|at| at.as_second() >= draft.input().now.as_second());
    group.members.iter().map(|member| &member.id).filter(is_recent).cloned().collect()
}

fn start(draft: &mut Draft<'_>, standing: &FleetState<'_>, findings: &Findings, id: &InstanceId) {
    let now = draft.input().now;
    let (Some(group), Ok(policy)) = (standing.live, &standing.policy) else { return };
    // Parallel surges share one base: the capacity that the group had before the first of them, or a lower one that an
    // external change has set since.
    let base = bases(draft, group).chain([group.desired]).min().unwrap_or_default();
    let method = match policy.replace {
        ReplaceBy::TerminateFirst => SurgeMethod::LaunchAfter,
        ReplaceBy::Surge | ReplaceBy::Quarantine if launches_by_desired(draft) => SurgeMethod::RaiseDesired,
        ReplaceBy::Surge | ReplaceBy::Quarantine => SurgeMethod::LaunchInstances,
    };
    let policy = with_patience_for_hooks(draft, policy, group);
    let goes_first = policy.replace == ReplaceBy::TerminateFirst;
    let is_retry_for_room = draft.record().back_off.is_some();
    let existing_members = recently_launched(draft, group);
    let Some(replacement) = draft.record().replacements.get(id).cloned() else { return };
    let attempt = replacement.failures.len() + 1;
    let deadline = now + policy.launch_deadline;
    let surge = Surge {
        token: format!("driftless-{id}-{attempt}-{}", now.as_second()),
        admitted_at: now,
        existing_members,
        deadline,
        base_desired: base,
        method,
        asked_again: false,
        paused_since: None,
        policy: Box::new(policy),
    };
    let phase =
        if goes_first { Phase::Terminating(Terminating { surge, terminated: false }) } else { Phase::Launching(surge) };
    draft.enter(id, phase, format!("all guards agree; attempt {attempt}"));
    // A retry after a capacity shortage is not reported: on-call already knows of the shortage.
    if !is_retry_for_room {
        draft.tell(Details::ReplacementStarted {
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
        crate::replacement::begin_terminating(draft, standing, findings, id);
    } else {
        crate::replacement::launch(draft, id);
    }
}

/// The policy with its deadlines extended to the timeouts of the group's lifecycle hooks, which may hold an instance
/// that long while it boots or drains.
fn with_patience_for_hooks(draft: &Draft<'_>, policy: &Policy, group: &Group) -> Policy {
    let mut policy = policy.clone();
    if let Some(hooks) = draft.input().seen.hook_timeouts.get(&group.name).found() {
        policy.launch_deadline = policy.launch_deadline.max(*hooks + group.warm_up);
        policy.drain_deadline = policy.drain_deadline.max(*hooks);
    }
    policy
}

/// Stops the replacement of an instance that is itself a replacement instance and drifted for the same reason as the
/// instance that it replaced. The image, the launch template or the rule is at fault then, and further replacement
/// instances would drift too, without end. The first repeat drift is enough to stop.
fn stop_drifted_from_the_start(draft: &mut Draft<'_>) {
    let image = draft.record().release.as_ref().map(|release| release.image.clone());
    let drifted_from_the_start: Vec<(InstanceId, InstanceId)> = draft
        .record()
        .replacements
        .iter()
        .filter(|(_, replacement)| matches!(replacement.phase(), Phase::Debouncing | Phase::Blocked(_)))
        .filter_map(|(id, replacement)| {
            let descent = draft.record().repeat_drift.get(id)?;
            let recurs = replacement.drift.iter().any(|reason| reason.is_inherited() && descent.drift.contains(reason));
            recurs.then(|| (id.clone(), descent.ancestor.clone()))
        })
        .collect();
    for (id, ancestor) in drifted_from_the_start {
        let Some(replacement) = draft.record().replacements.get(&id) else { continue };
        let reasons: Vec<DriftReason> = replacement.drift.iter().cloned().collect();
        let why = StopReason::RepeatDrift { ancestor: ancestor.clone(), image: image.clone() };
        let said = format!("the instance replaced {ancestor} and drifted for the same reason");
        draft.enter(&id, Phase::Stopped(Stopped { at: draft.input().now, why: why.clone() }), said);
        draft.tell(Details::Stopped { instance: id, drift: reasons, why, failures: Vec::new() });
    }
}
