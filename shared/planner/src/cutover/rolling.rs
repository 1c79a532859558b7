//! The cutover of a fleet with a single group: an Auto Scaling instance refresh. Auto Scaling rolls it back if an alarm
//! goes into ALARM.

use jiff::SignedDuration;

use crate::action::{Action, ActionResult};
use crate::alarm::AlarmPattern;
use crate::cutover::{CutoverContext, Transition, abort, defer, roll_back};
use crate::draft::Draft;
use crate::record::{Cutover, CutoverOutcome, CutoverPhase, Shifting};
use crate::refresh::{Refresh, RefreshPlan, RefreshStatus};
use crate::template::{TemplateReference, TemplateVersion};

/// The most alarms that Auto Scaling accepts for an instance refresh.
const ALARMS_MAX: usize = 10;
/// By how much the start of a refresh, as AWS reports it, may lie before the time of Driftless: clocks differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// The newest instance refresh of the group, if it began during this cutover and launches this template version.
fn refresh_to<'a>(context: &CutoverContext<'a>, cutover: &Cutover, template: &TemplateVersion) -> Option<&'a Refresh> {
    let newest = context.seen.refreshes.get(&context.new.name).found()?;
    let is_of_this = newest.started_at + CLOCKS_DIFFER >= cutover.started_at;
    (is_of_this && newest.template.as_ref() == Some(template)).then_some(newest)
}

fn refresh_plan(cutover: &Cutover, template: &TemplateVersion) -> RefreshPlan {
    let names = cutover.policy.alarms().filter_map(|pattern| match pattern {
        AlarmPattern::Name(name) => Some(name.clone()),
        AlarmPattern::Prefix(_) => None,
    });
    RefreshPlan {
        template: template.clone(),
        min_healthy: cutover.policy.min_healthy,
        alarms: names.take(ALARMS_MAX).collect(),
        bake: cutover.policy.cutover.bake,
    }
}

/// Advances the instance refresh to the new release by one pass.
pub(crate) fn shift(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    shifting: Shifting,
) -> Transition {
    let Some(template) = cutover.template.clone() else {
        return abort(CutoverOutcome::Aborted, "its launch template version is not on record");
    };
    for outcome in draft.input().outcomes {
        if let (Action::StartRefresh { .. }, ActionResult::Failed(message)) = (&outcome.action, &outcome.result) {
            let why = format!("AWS rejected the instance refresh: {message}");
            defer(draft, cutover, &why.as_str().into(), false);
            return abort(CutoverOutcome::Aborted, why);
        }
    }
    match refresh_to(context, cutover, &template) {
        None => {
            draft.act(Action::StartRefresh { group: context.new.name.clone(), plan: refresh_plan(cutover, &template) });
            Transition::Stay(CutoverPhase::Shifting(shifting))
        }
        Some(refresh) => match refresh.status {
            RefreshStatus::Running | RefreshStatus::Baking => Transition::Stay(CutoverPhase::Shifting(shifting)),
            // Auto Scaling itself has watched the alarms.
            RefreshStatus::Successful => {
                Transition::To(CutoverPhase::Baking { until: context.now }, "the instance refresh succeeded".to_owned())
            }
            RefreshStatus::Stopped
            | RefreshStatus::GoingBack
            | RefreshStatus::WentBack
            | RefreshStatus::CouldNotGoBack => {
                let why = refresh.reason.as_ref().map_or("no reason given", |reason| reason.as_str());
                let why = format!("the instance refresh did not succeed: {why}");
                defer(draft, cutover, &why.as_str().into(), false);
                roll_back(why)
            }
        },
    }
}

/// The progress of a rollback in a single group.
pub(crate) enum GoingBack {
    UnderWay,
    There,
    Lost(String),
}

/// Rolls back the instance refresh. If AWS can no longer roll it back, starts another instance refresh to the old
/// release.
pub(crate) fn go_back(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover) -> GoingBack {
    let old = &cutover.rollback_to.template;
    let is_old = |template: &TemplateReference| matches!(template, TemplateReference::Numbered(live) if live == old);
    // The rollback as a refresh of its own.
    if let Some(back) = refresh_to(context, cutover, old) {
        return match back.status {
            RefreshStatus::Running | RefreshStatus::Baking | RefreshStatus::GoingBack => GoingBack::UnderWay,
            RefreshStatus::Successful => GoingBack::There,
            // A failed refresh back is not retried until an operator requests the rollback again.
            RefreshStatus::Stopped | RefreshStatus::WentBack | RefreshStatus::CouldNotGoBack
                if back.started_at + CLOCKS_DIFFER < cutover.since() =>
            {
                roll_to_old(draft, context, cutover)
            }
            RefreshStatus::Stopped | RefreshStatus::WentBack | RefreshStatus::CouldNotGoBack => {
                GoingBack::Lost("the instance refresh to the old release did not succeed".to_owned())
            }
        };
    }
    let forward = cutover.template.as_ref().and_then(|template| refresh_to(context, cutover, template));
    match forward.map(|refresh| (refresh.status, refresh.id.clone())) {
        None if is_old(&context.new.template) => GoingBack::There,
        Some((RefreshStatus::Running | RefreshStatus::Baking, refresh)) => {
            draft.act(Action::RollBackRefresh { group: context.new.name.clone(), refresh });
            GoingBack::UnderWay
        }
        Some((RefreshStatus::GoingBack, _)) => GoingBack::UnderWay,
        Some((RefreshStatus::WentBack, _)) => GoingBack::There,
        // The refresh stopped midway, or it succeeded.
        Some((RefreshStatus::Stopped | RefreshStatus::CouldNotGoBack | RefreshStatus::Successful, _)) | None => {
            roll_to_old(draft, context, cutover)
        }
    }
}

/// Starts an instance refresh to the old release. It has no alarms, because the alarm that the new release caused must
/// not stop it, and no bake time, because a good release needs no watch.
fn roll_to_old(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover) -> GoingBack {
    let forward = refresh_plan(cutover, &cutover.rollback_to.template);
    let back = RefreshPlan { alarms: Vec::new(), bake: SignedDuration::ZERO, ..forward };
    draft.act(Action::StartRefresh { group: context.new.name.clone(), plan: back });
    GoingBack::UnderWay
}
