//! Whether a rollback is possible, to which release, and how fast. The answer is what the planner would do with the
//! command `rollback` now.

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

/// The way in which a fleet can roll back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "rollback"))]
pub struct RollbackPath {
    /// Whether a rollback would start at once if it were requested now.
    pub is_open: bool,
    /// How the rollback runs.
    pub kind: RollbackPathKind,
    /// The release that the rollback returns to. Null: there is none, or it is unknown.
    pub to: Option<ReleaseStatus>,
    /// How long the rollback takes and what it does, or why it is not possible.
    #[serde(rename = "message")]
    pub says: UntrustedText,
    /// The shortest time that the rollback takes. Null: it takes only seconds, or the time is unknown; `message` says
    /// which.
    pub at_least_seconds: Option<i64>,
    /// What would block the rollback. Null: nothing would block it.
    #[serde(rename = "waiting_for")]
    pub waits: Option<WaitStatus>,
    /// The command that an operator types to start the rollback. Null: the rollback is in progress or not possible.
    pub command: Option<String>,
    /// Whether the release that the rollback returns to can still be launched.
    #[serde(default)]
    pub target: Target,
}

/// Whether a release can still be launched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "rollback-target"))]
pub enum Target {
    /// The release was not read, or there is no release to return to.
    #[default]
    Unknown,
    /// The image is available, and the launch template version exists.
    Launchable,
    /// The release can no longer be launched.
    Unlaunchable {
        /// Why the release cannot be launched.
        why: UntrustedText,
    },
}

impl Target {
    /// Whether a release can be launched, according to its image and its launch template version as they were just
    /// read. None, in either of the two: EC2 does not know it, or this account has no access to it.
    pub fn of(to: &ReleaseStatus, image: Option<&Image>, template: Option<&TemplateContent>) -> Self {
        let why = match (image, template) {
            (None, _) => format!("{} no longer exists, or is not shared with this account", to.image),
            (Some(image), _) if image.state != ImageState::Available => format!("{} is not available", to.image),
            (Some(_), None) => format!("{} no longer exists", to.template),
            (Some(_), Some(_)) => return Self::Launchable,
        };
        Self::Unlaunchable { why: why.into() }
    }
}

/// How a rollback runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "rollback-kind"))]
pub enum RollbackPathKind {
    /// One write moves all traffic to the old color at once.
    OneWrite,
    /// The old color is attached first. The new color is detached once enough instances of the old color are healthy.
    AttachFirst,
    /// The old color gets the share of the traffic that its healthy instances can take, and the rest once more of
    /// them are healthy.
    InParts,
    /// The old color has no healthy instance, so its instances are launched first.
    #[serde(rename = "launches-old-color")]
    GrowsFirst,
    /// The rollback starts and then waits for something other than healthy instances.
    #[serde(rename = "blocked")]
    Waits,
    /// Auto Scaling rolls back the instance refresh, instance by instance.
    Refresh,
    /// The new color has no traffic and is scaled to zero.
    #[serde(rename = "scale-to-zero")]
    ScaledToZero,
    /// The cutover has changed nothing yet and ends at once.
    #[serde(rename = "ends-at-once")]
    JustEnds,
    /// The rollback is a new cutover to the last good release, without waits. Its instances are launched first.
    #[serde(rename = "new-cutover")]
    LaunchesFirst,
    /// The rollback is in progress.
    #[serde(rename = "in-progress")]
    UnderWay,
    /// No rollback is possible now.
    None,
}

/// Whether and how the fleet can roll back.
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
        (None, _) => closed(None, "unknown: the planner gave no response to a rollback".into()),
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
            format!("all traffic is back on the old color since {since:.0}; settings are being restored")
        }
        CutoverPhase::RollingBack { back_since: None, .. } => "traffic is returning to the old color".to_owned(),
        CutoverPhase::Aborting { .. } => "the new color had no traffic and is being scaled to zero".to_owned(),
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
        | CutoverPhase::NeedsOperator { .. } => "no rollback is in progress".to_owned(),
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

/// What the planner would do with a rollback of the cutover in progress.
fn turned_back(cutover: &Cutover, asked: &Decision) -> RollbackPath {
    let to = &cutover.rollback_to;
    let group = &cutover.old_group;
    let (kind, says) = if cutover.is_untouched() {
        (
            RollbackPathKind::JustEnds,
            format!("the cutover has changed nothing yet and ends at once; {} keeps all traffic", to.image),
        )
    } else if !cutover.has_traffic() {
        let says = format!("at once: {} has all traffic, and the new color is scaled to zero", to.image);
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
                let says = "at once: the fleet has no load balancer, so only the capacity changes back".to_owned();
                (RollbackPathKind::ScaledToZero, says)
            }
            Route::Rolling => {
                let says = "Auto Scaling rolls the group back instance by instance, minutes for each".to_owned();
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

/// The kind and the message of a rollback by weights. `stays` is the share of the traffic that the first write leaves
/// on the new color. None: there is no write yet.
fn weighted(group: &str, stays: Option<u32>, waits: Option<&Waiting>) -> (RollbackPathKind, String) {
    match (stays, waits) {
        (Some(0), _) => (
            RollbackPathKind::OneWrite,
            format!("{group} takes all traffic within seconds, by one write to the load balancer"),
        ),
        (Some(stays), _) => (
            RollbackPathKind::InParts,
            format!(
                "{group} takes {} % of the traffic in seconds, and the rest once more of its instances are healthy",
                100 - stays.min(100)
            ),
        ),
        (None, Some(Waiting::RollbackBelowMinimum { serving: 0, .. })) => grows_first(group),
        (None, Some(Waiting::RollbackBelowMinimum { .. })) => (
            RollbackPathKind::InParts,
            format!(
                "{group} has as much traffic as its healthy instances can take, and takes the rest once more of them are healthy"
            ),
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
            format!(
                "two writes: {group} is attached, and the new color is detached once enough instances of {group} are healthy"
            ),
        ),
        _ if is_detached => (
            RollbackPathKind::OneWrite,
            format!("{group} is attached; the new color is detached within seconds, by one write"),
        ),
        Some(Waiting::RollbackBelowMinimum { serving: 0, .. }) => grows_first(group),
        Some(Waiting::RollbackBelowMinimum { .. }) => (
            RollbackPathKind::InParts,
            format!(
                "{group} takes a share of the traffic already; the new color is detached once enough instances of {group} are healthy"
            ),
        ),
        waits => without_traffic(group, waits),
    }
}

fn grows_first(group: &str) -> (RollbackPathKind, String) {
    (
        RollbackPathKind::GrowsFirst,
        format!("{group} has no healthy instance: its instances are launched first, which takes as long as a launch"),
    )
}

/// The kind and the message of a rollback that moves no traffic, or must not move any for another reason than too few
/// healthy instances.
fn without_traffic(group: &str, waits: Option<&Waiting>) -> (RollbackPathKind, String) {
    match waits {
        None | Some(Waiting::OldColorDown { .. }) => (
            RollbackPathKind::ScaledToZero,
            format!("at once: {group} has all traffic, and the new color is scaled to zero"),
        ),
        Some(waiting) => (RollbackPathKind::Waits, format!("the rollback starts and then waits: {waiting}")),
    }
}

/// What the planner would do with a rollback while no cutover is in progress.
fn begun(input: Input<'_>, explained: &Explanation, asked: &Decision) -> RollbackPath {
    let is_back = |cutover: &&Cutover| matches!(cutover.candidate.why, CandidateReason::Rollback { .. });
    let Some(cutover) = asked.next.cutover.as_ref().filter(is_back) else {
        let known = explained.decision.next.conditions.keys();
        let details = asked.next.conditions.iter().filter(|(key, _)| !known.clone().any(|known| known == *key));
        let detail = details.map(|(_, condition)| condition.detail.clone()).next();
        let why = match (&explained.obstacle, &explained.policy) {
            (Some(obstacle), _) => obstacle.clone(),
            (None, Err(problem)) => format!("the policy is invalid: {problem}").into(),
            (None, Ok(policy)) if policy.mode == Mode::Observe => "driftless:mode is observe".into(),
            (None, Ok(_)) => detail.unwrap_or_else(|| "the planner gives no reason".into()),
        };
        let why = format!("a rollback is a new cutover, which cannot start: {why}");
        return closed(None, why.into());
    };
    let group = input.seen.group(&cutover.new_group);
    let image = &cutover.candidate.image;
    // The target of the new cutover, not its `rollback_to`, which is the live release.
    let good = input.record.into_iter().flat_map(|record| record.memory.good.iter().rev());
    let mut good = good.filter(|good| good.image == *image && good.template == cutover.candidate.base);
    let to = good.next().map(words::release);
    let says = match cutover.route {
        Route::Rolling => format!("a new cutover without waits: Auto Scaling rolls the group to {image}"),
        Route::Weighted { .. } | Route::Shared { .. } | Route::None => {
            let size = cutover.size;
            format!(
                "a new cutover without waits: {size} instances of {image} are launched and pass health checks first"
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
