//! Can it go back, to what, and how fast. The planner is asked: what would it do if someone said `rollback` now?

use driftless_planner::action::Action;
use driftless_planner::decision::Decision;
use driftless_planner::explain::Explanation;
use driftless_planner::fact::Command;
use driftless_planner::image::{Image, ImageState};
use driftless_planner::input::Input;
use driftless_planner::notification::command_about;
use driftless_planner::policy::Mode;
use driftless_planner::record::{CandidateReason, Cutover, CutoverPhase, Release, Route};
use driftless_planner::template::TemplateContent;
use driftless_planner::text::UntrustedText;
use driftless_planner::waiting::Waiting;
use serde::{Deserialize, Serialize};

use crate::model::{ReleaseStatus, WaitStatus};
use crate::orders::{Trial, trial};
use crate::words;

/// The way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RollbackPath {
    /// Whether a rollback that is asked for now begins now.
    pub is_open: bool,
    pub kind: RollbackPathKind,
    /// What it goes back to. None: there is nothing, or nobody knows.
    pub to: Option<ReleaseStatus>,
    /// How fast, and what happens on the way; where it is closed, why.
    pub says: UntrustedText,
    /// It takes at least so long. None: seconds, or nobody knows; `says` tells which.
    pub at_least_seconds: Option<i64>,
    /// What it would wait for. None: nothing.
    pub waits: Option<WaitStatus>,
    /// What a person types for it. None: it is under way, or there is none.
    pub command: Option<String>,
    /// Whether what it goes back to can still be launched.
    #[serde(default)]
    pub target: Target,
}

/// Whether a release can still be launched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Target {
    /// Nobody has asked, or there is nothing to go back to.
    #[default]
    Unknown,
    /// Its image is there and available, and so is its template version.
    Launchable,
    /// It cannot be launched any more.
    Unlaunchable { why: UntrustedText },
}

impl Target {
    /// What was just read of a release. None: EC2 does not know it, or does not show it to us.
    pub fn of(to: &ReleaseStatus, image: Option<&Image>, template: Option<&TemplateContent>) -> Self {
        let why = match (image, template) {
            (None, _) => format!("{} does not exist any more, or is not shared with this account", to.image),
            (Some(image), _) if image.state != ImageState::Available => format!("{} cannot be launched now", to.image),
            (Some(_), None) => format!("{} does not exist any more", to.template),
            (Some(_), Some(_)) => return Self::Launchable,
        };
        Self::Unlaunchable { why: why.into() }
    }
}

/// How a way back goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RollbackPathKind {
    /// One write: the old color is there and takes all of the traffic at once.
    OneWrite,
    /// The old color comes in first, and the new one goes out when enough of it are healthy.
    AttachFirst,
    /// The old color takes what it can, and the rest when more of it serve.
    InParts,
    /// Nobody of the old color serves: it comes up first.
    GrowsFirst,
    /// It begins, and waits for something other than health.
    Waits,
    /// Auto Scaling rolls the group back, instance by instance.
    Refresh,
    /// The new color has no traffic: it is let go.
    ScaledToZero,
    /// Nothing has been changed yet: it just ends.
    JustEnds,
    /// A new cutover to the last good release, without the waits: it has to launch first.
    LaunchesFirst,
    /// It is on its way back already.
    UnderWay,
    /// There is none now.
    None,
}

/// Asks for the way back.
pub(crate) fn rollback_path(input: Input<'_>, explained: &Explanation) -> RollbackPath {
    let cutover = input.record.and_then(|record| record.cutover.as_ref());
    if let Some(cutover) = cutover.filter(|cutover| cutover.is_going_back()) {
        return under_way(cutover, &explained.decision);
    }
    let Trial { decision: asked, answer } = trial(input, Command::Rollback);
    let way = match (answer, cutover) {
        (Some((true, _)), Some(cutover)) => turned_back(cutover, &asked),
        (Some((true, _)), None) => begun(input, explained, &asked),
        (Some((false, why)), cutover) => closed(cutover.map(|cutover| &cutover.rollback_to), why),
        (None, _) => closed(None, "the planner does not answer: nobody knows".into()),
    };
    let command = (way.kind != RollbackPathKind::None).then(|| command_about(input.fleet, "rollback"));
    RollbackPath { command, ..way }
}

fn closed(to: Option<&Release>, why: UntrustedText) -> RollbackPath {
    RollbackPath {
        is_open: false,
        kind: RollbackPathKind::None,
        to: to.map(words::release),
        says: why,
        at_least_seconds: None,
        waits: None,
        command: None,
        target: Target::Unknown,
    }
}

fn under_way(cutover: &Cutover, decision: &Decision) -> RollbackPath {
    let says = match cutover.phase() {
        CutoverPhase::RollingBack { back_since: Some(since), .. } => {
            format!("all traffic is back since {since:.0}; the rest is being put back")
        }
        CutoverPhase::RollingBack { back_since: None, .. } => "traffic is on its way back".to_owned(),
        CutoverPhase::Aborting { .. } => "it had no traffic; the new color is being let go".to_owned(),
        CutoverPhase::Queued
        | CutoverPhase::Preflight
        | CutoverPhase::Preparing
        | CutoverPhase::Scaling
        | CutoverPhase::Verifying { .. }
        | CutoverPhase::AwaitingApproval
        | CutoverPhase::Shifting(_)
        | CutoverPhase::Baking { .. }
        | CutoverPhase::Warm { .. }
        | CutoverPhase::Retiring
        | CutoverPhase::NeedsOperator { .. } => "it does not go back".to_owned(),
    };
    RollbackPath {
        is_open: true,
        kind: RollbackPathKind::UnderWay,
        to: Some(words::release(&cutover.rollback_to)),
        says: says.into(),
        at_least_seconds: None,
        waits: decision.cutover_waits.as_ref().map(words::wait),
        command: None,
        target: Target::Unknown,
    }
}

/// What the planner makes of a rollback of the cutover under way.
fn turned_back(cutover: &Cutover, asked: &Decision) -> RollbackPath {
    let to = &cutover.rollback_to;
    let group = &cutover.old_group;
    let (kind, says) = if cutover.is_untouched() {
        (RollbackPathKind::JustEnds, format!("nothing has been changed yet: it ends at once, and {} stays", to.image))
    } else if !cutover.has_traffic() {
        let says = format!("at once: {} has all of the traffic, and the new color is let go", to.image);
        (RollbackPathKind::ScaledToZero, says)
    } else {
        match &cutover.route {
            Route::Weighted { new, .. } => {
                let stays = asked.actions.iter().find_map(|action| {
                    if let Action::SetWeights { change, .. } = action { change.weights.get(new).copied() } else { None }
                });
                weighted(group.as_str(), stays, asked.cutover_waits.as_ref())
            }
            Route::Shared { .. } => shared(group.as_str(), asked),
            Route::None => {
                let says = "at once: there is no load balancer, so that only capacity goes back".to_owned();
                (RollbackPathKind::ScaledToZero, says)
            }
            Route::Rolling => {
                let says = "Auto Scaling rolls the group back, instance by instance: minutes for each".to_owned();
                (RollbackPathKind::Refresh, says)
            }
        }
    };
    RollbackPath {
        is_open: true,
        kind,
        to: Some(words::release(to)),
        says: says.into(),
        at_least_seconds: None,
        waits: asked.cutover_waits.as_ref().map(words::wait),
        command: None,
        target: Target::Unknown,
    }
}

/// `stays`: the share that the first write leaves with the new color. None: there is no write yet.
fn weighted(group: &str, stays: Option<u32>, waits: Option<&Waiting>) -> (RollbackPathKind, String) {
    match (stays, waits) {
        (Some(0), _) => (
            RollbackPathKind::OneWrite,
            format!("one write, in seconds: {group} is there and takes all of the traffic"),
        ),
        (Some(stays), _) => (
            RollbackPathKind::InParts,
            format!("in seconds in part: {group} takes {} %, and the rest when more of it serve", 100 - stays.min(100)),
        ),
        (None, Some(Waiting::RollbackBelowMinimum { serving: 0, .. })) => grows_first(group),
        (None, Some(Waiting::RollbackBelowMinimum { .. })) => (
            RollbackPathKind::InParts,
            format!("{group} has as much of the traffic as it can take now, and takes the rest when more of it serve"),
        ),
        (None, waits) => without_traffic(group, waits),
    }
}

fn shared(group: &str, asked: &Decision) -> (RollbackPathKind, String) {
    let waits = asked.cutover_waits.as_ref();
    let is_attached = asked.actions.iter().any(|action| matches!(action, Action::Attach { .. }));
    let is_detached = asked.actions.iter().any(|action| matches!(action, Action::Detach { .. }));
    match waits {
        _ if is_attached => (
            RollbackPathKind::AttachFirst,
            format!("two writes: {group} is attached, and the new color goes out when enough of it are healthy there"),
        ),
        _ if is_detached => (
            RollbackPathKind::OneWrite,
            format!("one write, in seconds: {group} is attached, and the new color goes out"),
        ),
        Some(Waiting::RollbackBelowMinimum { serving: 0, .. }) => grows_first(group),
        Some(Waiting::RollbackBelowMinimum { .. }) => (
            RollbackPathKind::InParts,
            format!("{group} takes its part already; the new color goes out when enough of it are healthy"),
        ),
        waits => without_traffic(group, waits),
    }
}

fn grows_first(group: &str) -> (RollbackPathKind, String) {
    (RollbackPathKind::GrowsFirst, format!("nobody serves in {group}: it comes up first, as long as a launch takes"))
}

/// Nothing is to be moved back, or nothing may be for another reason than health.
fn without_traffic(group: &str, waits: Option<&Waiting>) -> (RollbackPathKind, String) {
    match waits {
        None | Some(Waiting::OldColorDown { .. }) => (
            RollbackPathKind::ScaledToZero,
            format!("at once: {group} has all of the traffic, and the new color is let go"),
        ),
        Some(waiting) => (RollbackPathKind::Waits, format!("it begins, and waits: {waiting}")),
    }
}

/// What the planner makes of a rollback without a cutover under way.
fn begun(input: Input<'_>, explained: &Explanation, asked: &Decision) -> RollbackPath {
    let is_back = |cutover: &&Cutover| matches!(cutover.candidate.why, CandidateReason::Rollback { .. });
    let Some(cutover) = asked.next.cutover.as_ref().filter(is_back) else {
        let known = explained.decision.next.conditions.keys();
        let details = asked.next.conditions.iter().filter(|(key, _)| !known.clone().any(|known| known == *key));
        let detail = details.map(|(_, condition)| condition.detail.clone()).next();
        let why = match (&explained.obstacle, &explained.policy) {
            (Some(obstacle), _) => obstacle.clone(),
            (None, Err(problem)) => format!("the policy is invalid: {problem}").into(),
            (None, Ok(policy)) if policy.mode == Mode::Observe => "the mode is observe, and nothing is changed".into(),
            (None, Ok(_)) => detail.unwrap_or_else(|| "it does not begin, and the planner does not say why".into()),
        };
        let why = format!("a rollback is a new cutover, which cannot begin: {why}");
        return closed(None, why.into());
    };
    let group = input.seen.group(&cutover.new_group);
    let image = &cutover.candidate.image;
    // Not the live release, which `rollback_to` of the new cutover is, but the one that it goes to.
    let good = input.record.into_iter().flat_map(|record| record.memory.good.iter().rev());
    let mut good = good.filter(|good| good.image == *image && good.template == cutover.candidate.base);
    let to = good.next().map(words::release);
    let says = match cutover.route {
        Route::Rolling => format!("a new cutover without the waits: Auto Scaling rolls the group to {image}"),
        Route::Weighted { .. } | Route::Shared { .. } | Route::None => {
            let size = cutover.size;
            format!(
                "a new cutover without the waits: {size} instances of {image} are launched and prove themselves first"
            )
        }
    };
    RollbackPath {
        is_open: asked.cutover_waits.is_none(),
        kind: RollbackPathKind::LaunchesFirst,
        to,
        says: says.into(),
        at_least_seconds: group.map(|group| group.warm_up.as_secs()),
        waits: asked.cutover_waits.as_ref().map(words::wait),
        command: None,
        target: Target::Unknown,
    }
}
