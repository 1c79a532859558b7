//! The new color comes up: its template, its capacity, and the proof that it serves.

use std::collections::BTreeSet;

use crate::action::{Action, ActionResult};
use crate::adopt::Standing;
use crate::cutover::{Sight, Step, abort, condemn, floor, hold_back, serving, start};
use crate::draft::Draft;
use crate::ids::{InstanceId, RuleName};
use crate::launch_fault::{LaunchFault, classify};
use crate::ledger;
use crate::notification::Condition;
use crate::observation::{Group, LaunchFailure, Observation, RuleReading};
use crate::policy::Approval;
use crate::record::{Cutover, CutoverOutcome, CutoverPhase, Route, Shifting};
use crate::template::TemplateReference;
use crate::waiting::Waiting;

/// So many instances come first. A broken image is seen on two as well as on two hundred.
const FIRST_RING: u32 = 2;
/// So many launched instances gone are the release's doing, not bad luck.
const LOST_MAX: usize = 3;

/// Writes the template version of the new release, and gives it to the new color.
pub(crate) fn prepare(draft: &mut Draft<'_>, standing: &Standing<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Step {
    if let Some(step) = start::superseded(draft, standing, sight, cutover) {
        return step;
    }
    let TemplateReference::Numbered(own) = &sight.new.template else {
        return abort(
            CutoverOutcome::Aborted,
            format!("{} no longer uses a numbered launch template version", sight.new.name),
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
                hold_back(draft, cutover, &why.as_str().into(), false);
                return abort(CutoverOutcome::Aborted, why);
            }
            _ => {}
        }
    }
    let Some(template) = written else {
        draft.act(Action::WriteTemplate {
            group: sight.new.name.clone(),
            template: own.template.clone(),
            base: cutover.candidate.base.clone(),
            image: cutover.candidate.image.clone(),
            token: cutover.token(),
        });
        return Step::Stay(CutoverPhase::Preparing);
    };
    if cutover.route == Route::Rolling {
        return approve_or_shift(cutover, "the launch template version is written");
    }
    if *own == template {
        return Step::To(CutoverPhase::Scaling, format!("{} launches {template}", sight.new.name));
    }
    ledger::hold_template(draft, sight.new, own, &template);
    Step::Stay(CutoverPhase::Preparing)
}

/// Raises the minimum of the new color, the first ring alone before the rest.
pub(crate) fn scale(draft: &mut Draft<'_>, standing: &Standing<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Step {
    if let Some(step) = start::superseded(draft, standing, sight, cutover) {
        return step;
    }
    if let Some(step) = failing(draft, sight, cutover) {
        return step;
    }
    note_launched(draft, sight, cutover);
    let serving = serving(sight.seen, sight.new);
    let size = cutover.size.max(sight.old.desired);
    draft.change_cutover(|cutover| cutover.size = size);
    let ring = size.min(FIRST_RING);
    let is_past_ring = serving >= ring || sight.new.min > ring;
    let wanted = if is_past_ring { size } else { ring };
    ledger::hold_minimum(draft, sight.old, size);
    ledger::hold_maximum(draft, sight.new, cutover.bounds.max.max(size));
    ledger::hold_minimum(draft, sight.new, wanted);
    if serving >= size && sight.new.min >= size && sight.old.min >= size {
        return Step::To(CutoverPhase::Verifying { healthy_since: None }, format!("{serving} instances are healthy"));
    }
    if let Some(failure) = shortage(sight, cutover) {
        draft.is_in(Condition::CapacityShort, failure.message.clone());
    }
    Step::Stay(CutoverPhase::Scaling)
}

/// All of them must have served for the warm-up without interruption.
pub(crate) fn verify(
    draft: &mut Draft<'_>,
    standing: &Standing<'_>,
    sight: &Sight<'_>,
    cutover: &Cutover,
    healthy_since: Option<jiff::Timestamp>,
) -> Step {
    if let Some(step) = start::superseded(draft, standing, sight, cutover) {
        return step;
    }
    if let Some(step) = failing(draft, sight, cutover).or_else(|| breaks_rules(draft, sight, cutover)) {
        return step;
    }
    note_launched(draft, sight, cutover);
    let cutover = &keep_sizes(draft, sight, cutover, sight.old.desired);
    let serving = serving(sight.seen, sight.new);
    if serving < cutover.size {
        let waiting = Waiting::ColorBelowFloor { serving, floor: cutover.size };
        return Step::Wait(CutoverPhase::Verifying { healthy_since: None }, waiting);
    }
    let since = healthy_since.unwrap_or(sight.now);
    let proven_at = since + sight.new.warm_up;
    if sight.now < proven_at {
        draft.requeue(proven_at);
        return Step::Stay(CutoverPhase::Verifying { healthy_since: Some(since) });
    }
    approve_or_shift(cutover, &format!("{serving} instances have been healthy for {:#}", sight.new.warm_up))
}

/// The step after the proof: traffic, or a person's word first.
fn approve_or_shift(cutover: &Cutover, why: &str) -> Step {
    let is_approved = cutover.is_expedited || cutover.approved.is_some();
    match cutover.policy.cutover.approval {
        Approval::Manual | Approval::Check if !is_approved => Step::To(CutoverPhase::AwaitingApproval, why.to_owned()),
        Approval::Manual | Approval::Check | Approval::Auto => {
            Step::To(CutoverPhase::Shifting(Shifting::first(cutover.first_step())), why.to_owned())
        }
    }
}

/// Holds both colors at the size of the live one, which they follow upward. Answers the cutover with its size from here
/// on.
pub(crate) fn keep_sizes(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover, live_desired: u32) -> Cutover {
    if cutover.route == Route::Rolling {
        return cutover.clone();
    }
    let size = cutover.size.max(live_desired);
    let sized = draft.change_cutover(|cutover| cutover.size = size).cloned();
    for group in [sight.old, sight.new] {
        ledger::hold_minimum(draft, group, size);
    }
    sized.unwrap_or_else(|| cutover.clone())
}

/// The instances of the new color, so that those which vanish are counted.
fn note_launched(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover) {
    let is_of_release =
        |template: &Option<crate::template::TemplateVersion>| template.is_some() && *template == cutover.template;
    let launched: Vec<InstanceId> = sight
        .new
        .members
        .iter()
        .filter(|member| is_of_release(&member.template))
        .map(|member| member.id.clone())
        .collect();
    draft.change_cutover(|cutover| cutover.launched.extend(launched));
}

/// Launched instances that are gone: Auto Scaling gave them up.
pub(crate) fn lost(sight: &Sight<'_>, cutover: &Cutover) -> usize {
    let is_there = |id: &&InstanceId| sight.new.active().any(|member| member.id == **id);
    cutover.launched.iter().filter(|id| !is_there(id)).count()
}

/// A failed launch of the new color since it began to come up.
fn launch_failure<'a>(sight: &Sight<'a>, cutover: &Cutover) -> Option<&'a LaunchFailure> {
    sight.seen.launch_failures.get(&sight.new.name).found().filter(|failure| failure.at >= cutover.since())
}

/// The newest failed launch, where AWS had no room for it.
pub(crate) fn shortage<'a>(sight: &Sight<'a>, cutover: &Cutover) -> Option<&'a LaunchFailure> {
    launch_failure(sight, cutover).filter(|failure| classify(failure.message.as_str()) == LaunchFault::Capacity)
}

/// Evidence that waiting does not help: instances that do not stay, or a launch that AWS says can never succeed.
fn failing(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Option<Step> {
    let lost = lost(sight, cutover);
    let why = if lost >= LOST_MAX {
        format!("{lost} of its instances were launched and then lost")
    } else {
        let failure = launch_failure(sight, cutover)?;
        if classify(failure.message.as_str()) != LaunchFault::Configuration {
            return None;
        }
        format!("its launches failed: {}", failure.message)
    };
    condemn(draft, cutover, &why.as_str().into());
    Some(abort(CutoverOutcome::Aborted, why))
}

/// A rule of the list that an instance of the new color breaks and none of the old one does: the release's doing. One
/// that both break is the rule's fault.
pub(crate) fn breaks_rules(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Option<Step> {
    let broken = newly_broken(sight, cutover);
    let rule = broken.iter().next()?;
    let why = format!("its instances break rule {rule}, and those of the old color do not");
    condemn(draft, cutover, &why.as_str().into());
    draft.change_cutover(|cutover| cutover.evidence.push(why.as_str().into()));
    Some(super::undo(cutover, why))
}

fn newly_broken(sight: &Sight<'_>, cutover: &Cutover) -> BTreeSet<RuleName> {
    // Without anyone left to compare with, nothing tells whose fault it is. What comes up is not judged by any rule yet.
    if cutover.route == Route::Rolling || serving(sight.seen, sight.old) == 0 {
        return BTreeSet::new();
    }
    let breaks = |seen: &Observation, group: &Group, rule: &RuleName, lasting: bool| match seen.compliance.get(rule) {
        // What is kept aside for forensics says nothing of the image that comes up beside it.
        Some(RuleReading::NonCompliant(instances)) => group.active().any(|member| {
            instances
                .get(&member.id)
                .is_some_and(|finding| !lasting || sight.now >= finding.recorded_at + cutover.policy.debounce)
        }),
        Some(RuleReading::NoSuchRule) | None => false,
    };
    let rules = cutover.policy.rules.iter();
    let is_new =
        |rule: &&RuleName| breaks(sight.seen, sight.new, rule, true) && !breaks(sight.seen, sight.old, rule, false);
    rules.filter(is_new).cloned().collect()
}

/// What a color at work must have, and has not.
pub(crate) fn below_floor(sight: &Sight<'_>, cutover: &Cutover) -> Option<Waiting> {
    let (serving, floor) = (serving(sight.seen, sight.new), floor(cutover));
    (serving < floor).then_some(Waiting::ColorBelowFloor { serving, floor })
}
