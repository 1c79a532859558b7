//! The new color scales up: Driftless sets its launch template version, raises its capacity, and verifies its health.

use std::collections::BTreeSet;

use crate::action::{Action, ActionResult};
use crate::adopt::FleetState;
use crate::borrowed_settings;
use crate::cutover::{CutoverContext, Transition, abort, defer, minimum_healthy, serving, start, veto_and_defer};
use crate::draft::Draft;
use crate::ids::{InstanceId, RuleName};
use crate::launch_fault::{LaunchFault, classify};
use crate::notification::Condition;
use crate::observation::{Group, LaunchFailure, Observation, RuleReading};
use crate::policy::Approval;
use crate::record::{Cutover, CutoverOutcome, CutoverPhase, Route, Shifting};
use crate::template::TemplateReference;
use crate::waiting::Waiting;

/// How many instances of a new color are launched first. Two instances reveal a broken image as well as two hundred.
const FIRST_RING: u32 = 2;
/// How many launched instances a new color may lose before the cutover is undone: so many losses are no coincidence,
/// and the release is at fault.
const LOST_MAX: usize = 3;

/// Writes the launch template version of the new release and sets it on the group of the new color. In a single group
/// it only writes the version, which the instance refresh then uses.
pub(crate) fn prepare(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
) -> Transition {
    if let Some(step) = start::superseded(draft, standing, context, cutover) {
        return step;
    }
    let TemplateReference::Numbered(own) = &context.new.template else {
        return abort(
            CutoverOutcome::Aborted,
            format!("{} no longer uses a numbered launch template version", context.new.name),
        );
    };
    let mut written = cutover.template.clone();
    for outcome in draft.input().outcomes {
        match (&outcome.action, &outcome.result) {
            (Action::WriteTemplate { token, .. }, ActionResult::Written(version)) if *token == cutover.token() => {
                written = Some(version.clone());
                draft.change_cutover(|cutover| cutover.template = Some(version.clone()));
            }
            (Action::WriteTemplate { .. }, ActionResult::Failed(message)) => {
                let why = format!("AWS rejected the launch template version: {message}");
                defer(draft, cutover, &why.as_str().into(), false);
                return abort(CutoverOutcome::Aborted, why);
            }
            _ => {}
        }
    }
    let Some(template) = written else {
        draft.act(Action::WriteTemplate {
            group: context.new.name.clone(),
            template: own.template.clone(),
            base: cutover.candidate.base.clone(),
            image: cutover.candidate.image.clone(),
            token: cutover.token(),
        });
        return Transition::Stay(CutoverPhase::Preparing);
    };
    if cutover.route == Route::Rolling {
        return approve_or_shift(cutover, "the launch template version is written");
    }
    if *own == template {
        return Transition::To(CutoverPhase::Scaling, format!("{} launches {template}", context.new.name));
    }
    borrowed_settings::borrow_template(draft, context.new, own, &template);
    Transition::Stay(CutoverPhase::Preparing)
}

/// Raises the minimum of the new color, first to [`FIRST_RING`] instances and then to the full size. Also raises the
/// maximum of the new color and the minimum of the old color, so that neither color becomes smaller than the live group
/// was.
pub(crate) fn scale(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
) -> Transition {
    if let Some(step) = start::superseded(draft, standing, context, cutover) {
        return step;
    }
    if let Some(step) = failing(draft, context, cutover) {
        return step;
    }
    note_launched(draft, context, cutover);
    let serving = serving(context.seen, context.new);
    let size = cutover.size.max(context.old.desired);
    draft.change_cutover(|cutover| cutover.size = size);
    let ring = size.min(FIRST_RING);
    let is_past_ring = serving >= ring || context.new.min > ring;
    let wanted = if is_past_ring { size } else { ring };
    borrowed_settings::borrow_minimum(draft, context.old, size);
    borrowed_settings::borrow_maximum(draft, context.new, cutover.bounds.max.max(size));
    borrowed_settings::borrow_minimum(draft, context.new, wanted);
    if serving >= size && context.new.min >= size && context.old.min >= size {
        return Transition::To(
            CutoverPhase::Verifying { healthy_since: None },
            format!("{serving} instances are healthy"),
        );
    }
    if let Some(failure) = shortage(context, cutover) {
        draft.is_in(Condition::CapacityShort, failure.message.clone());
    }
    Transition::Stay(CutoverPhase::Scaling)
}

/// Verifies that all instances of the new color stay healthy for the warm-up without interruption.
pub(crate) fn verify(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    healthy_since: Option<jiff::Timestamp>,
) -> Transition {
    if let Some(step) = start::superseded(draft, standing, context, cutover) {
        return step;
    }
    if let Some(step) = failing(draft, context, cutover).or_else(|| breaks_rules(draft, context, cutover)) {
        return step;
    }
    note_launched(draft, context, cutover);
    let cutover = &keep_sizes(draft, context, cutover, context.old.desired);
    let serving = serving(context.seen, context.new);
    if serving < cutover.size {
        let waiting = Waiting::ColorBelowMinimum { serving, minimum_healthy: cutover.size };
        return Transition::Wait(CutoverPhase::Verifying { healthy_since: None }, waiting);
    }
    let since = healthy_since.unwrap_or(context.now);
    let proven_at = since + context.new.warm_up;
    if context.now < proven_at {
        draft.requeue(proven_at);
        return Transition::Stay(CutoverPhase::Verifying { healthy_since: Some(since) });
    }
    approve_or_shift(cutover, &format!("{serving} instances have been healthy for {:#}", context.new.warm_up))
}

/// The transition after the verification: the first traffic step, or before it the approval if the policy demands one.
fn approve_or_shift(cutover: &Cutover, why: &str) -> Transition {
    let is_approved = cutover.is_expedited || cutover.approved.is_some();
    match cutover.policy.cutover.approval {
        Approval::Manual | Approval::Check if !is_approved => {
            Transition::To(CutoverPhase::AwaitingApproval, why.to_owned())
        }
        Approval::Manual | Approval::Check | Approval::Auto => {
            Transition::To(CutoverPhase::Shifting(Shifting::first(cutover.first_step())), why.to_owned())
        }
    }
}

/// Raises the minimum of both colors when the live color has grown, so that both have its size. Returns the cutover
/// with its new size.
pub(crate) fn keep_sizes(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    live_desired: u32,
) -> Cutover {
    if cutover.route == Route::Rolling {
        return cutover.clone();
    }
    let size = cutover.size.max(live_desired);
    let sized = draft.change_cutover(|cutover| cutover.size = size).cloned();
    for group in [context.old, context.new] {
        borrowed_settings::borrow_minimum(draft, group, size);
    }
    sized.unwrap_or_else(|| cutover.clone())
}

/// Stores which instances were launched for the new color, so that lost ones can be counted.
fn note_launched(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover) {
    let is_of_release =
        |template: &Option<crate::template::TemplateVersion>| template.is_some() && *template == cutover.template;
    let launched: Vec<InstanceId> = context
        .new
        .members
        .iter()
        .filter(|member| is_of_release(&member.template))
        .map(|member| member.id.clone())
        .collect();
    draft.change_cutover(|cutover| cutover.launched.extend(launched));
}

/// The number of launched instances that are no longer in service or pending in the new color. Auto Scaling has
/// replaced them.
pub(crate) fn lost(context: &CutoverContext<'_>, cutover: &Cutover) -> usize {
    let is_there = |id: &&InstanceId| context.new.active().any(|member| member.id == **id);
    cutover.launched.iter().filter(|id| !is_there(id)).count()
}

/// The newest failed launch of the new color, if it failed after the current phase began.
fn launch_failure<'a>(context: &CutoverContext<'a>, cutover: &Cutover) -> Option<&'a LaunchFailure> {
    context.seen.launch_failures.get(&context.new.name).found().filter(|failure| failure.at >= cutover.since())
}

/// The newest failed launch of the new color in the current phase, if AWS had no capacity for it.
pub(crate) fn shortage<'a>(context: &CutoverContext<'a>, cutover: &Cutover) -> Option<&'a LaunchFailure> {
    launch_failure(context, cutover).filter(|failure| classify(failure.message.as_str()) == LaunchFault::Capacity)
}

/// Aborts the cutover and vetoes its image if waiting cannot help: [`LOST_MAX`] launched instances were lost, or AWS
/// reports that the launches cannot succeed. None: the phase continues.
fn failing(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover) -> Option<Transition> {
    let lost = lost(context, cutover);
    let why = if lost >= LOST_MAX {
        format!("{lost} of its instances were launched and then lost")
    } else {
        let failure = launch_failure(context, cutover)?;
        if classify(failure.message.as_str()) != LaunchFault::Configuration {
            return None;
        }
        format!("its launches failed: {}", failure.message)
    };
    veto_and_defer(draft, cutover, &why.as_str().into());
    Some(abort(CutoverOutcome::Aborted, why))
}

/// Undoes the cutover if an instance of the new color has broken a rule of the policy for longer than the debounce, and
/// no instance of the old color breaks that rule: the new release is at fault. If both colors break the rule, the rule
/// is at fault, and the cutover continues.
pub(crate) fn breaks_rules(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
) -> Option<Transition> {
    let broken = newly_broken(context, cutover);
    let rule = broken.iter().next()?;
    let why = format!("its instances break rule {rule}, and those of the old color do not");
    veto_and_defer(draft, cutover, &why.as_str().into());
    draft.change_cutover(|cutover| cutover.evidence.push(why.as_str().into()));
    Some(super::undo(cutover, why))
}

fn newly_broken(context: &CutoverContext<'_>, cutover: &Cutover) -> BTreeSet<RuleName> {
    // Without a healthy instance of the old color there is nothing to compare with, so no fault can be assigned: Config
    // has not evaluated instances that are still launching.
    if cutover.route == Route::Rolling || serving(context.seen, context.old) == 0 {
        return BTreeSet::new();
    }
    let breaks = |seen: &Observation, group: &Group, rule: &RuleName, lasting: bool| match seen.compliance.get(rule) {
        // An instance in quarantine says nothing about the new image.
        Some(RuleReading::NonCompliant(instances)) => group.active().any(|member| {
            instances
                .get(&member.id)
                .is_some_and(|finding| !lasting || context.now >= finding.recorded_at + cutover.policy.debounce)
        }),
        Some(RuleReading::NoSuchRule) | None => false,
    };
    let rules = cutover.policy.rules.iter();
    let is_new = |rule: &&RuleName| {
        breaks(context.seen, context.new, rule, true) && !breaks(context.seen, context.old, rule, false)
    };
    rules.filter(is_new).cloned().collect()
}

/// Why the new color must not get traffic or more traffic: it has fewer healthy instances than its minimum healthy.
/// None: it has enough.
pub(crate) fn below_minimum(context: &CutoverContext<'_>, cutover: &Cutover) -> Option<Waiting> {
    let (serving, minimum_healthy) = (serving(context.seen, context.new), minimum_healthy(cutover));
    (serving < minimum_healthy).then_some(Waiting::ColorBelowMinimum { serving, minimum_healthy })
}
