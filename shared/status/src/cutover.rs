//! The cutover in progress, with its steps.

use driftless_planner::explain::Explanation;
use driftless_planner::fleet::Color;
use driftless_planner::ids::{GroupName, ImageId};
use driftless_planner::notification::reason;
use driftless_planner::observation::Observation;
use driftless_planner::policy::Approval;
use driftless_planner::record::{Cutover, CutoverPhase, Record, Route};
use driftless_planner::text::UntrustedText;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::{GuardStatus, ReleaseStatus, WaitStatus};
use crate::words;

/// A cutover (a blue/green deployment) in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "cutover"))]
pub struct CutoverStatus {
    /// The id of the cutover.
    pub id: String,
    /// Whether the cutover is committed. False: the next reconcile pass would start it.
    pub is_on_record: bool,
    /// The phase of the cutover.
    pub phase: String,
    /// Since when the cutover is in this phase.
    pub since: Timestamp,
    /// When the cutover started.
    pub started_at: Timestamp,
    /// The image of the new color.
    pub image: ImageId,
    /// The build of that image. Null: the image has no build.
    pub build: Option<UntrustedText>,
    /// Why the image is a candidate for the next release.
    pub reason: UntrustedText,
    /// The release of the old color, to which a rollback returns.
    pub from: ReleaseStatus,
    /// The old color. Null: a single group.
    pub old_color: Option<Color>,
    /// The Auto Scaling group of the old color.
    pub old_group: GroupName,
    /// The new color. Null: a single group.
    pub new_color: Option<Color>,
    /// The Auto Scaling group of the new color.
    pub new_group: GroupName,
    /// How traffic moves.
    pub route: RouteStatus,
    /// The number of instances that each color must have: the highest desired capacity of the live group during the
    /// cutover.
    pub size: u32,
    /// The steps in their order, up to the end of the cutover or to the first step that needs an operator.
    pub steps: Vec<StepStatus>,
    /// The share of the steps that are done, in percent. Null: the cutover is being undone or needs an operator.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub progress_percent: Option<u32>,
    /// What the cutover waits for. Null: nothing blocks the cutover.
    #[serde(rename = "waiting_for")]
    pub waits: Option<WaitStatus>,
    /// The result of every guard of the cutover, in the order in which the planner checks them.
    pub guards: Vec<GuardStatus>,
    /// Since when the timers of the cutover are stopped. Null: the timers run.
    #[serde(rename = "timers_stopped_since")]
    pub paused_since: Option<Timestamp>,
    /// When the phase ends. Null: the phase ends when its work is done, or the timers are stopped.
    pub phase_ends_at: Option<Timestamp>,
    /// The time that is left in the phase, in seconds. While the timers are stopped, it is the time that is left after
    /// they run again. Null: unknown.
    pub phase_left_seconds: Option<i64>,
    /// The latest time at which the phase ends. The cutover then takes the exit that the phase has for a timeout. Null:
    /// the phase has no deadline, or the timers are stopped.
    pub deadline: Option<Timestamp>,
    /// The share of the group that the instance refresh has replaced, in percent. Null: there is no instance refresh.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub refreshed_percent: Option<u8>,
    /// Who paused the cutover. Null: the cutover is not paused.
    pub paused_by: Option<UntrustedText>,
    /// Who approved the cutover. Null: the cutover is not approved.
    pub approved_by: Option<UntrustedText>,
    /// Whether an operator promoted the cutover, so that it skips the remaining waits.
    pub is_expedited: bool,
    /// Why the cutover is being undone or needs an operator. Null: neither.
    pub because: Option<UntrustedText>,
    /// The evidence against the new release.
    pub evidence: Vec<UntrustedText>,
}

/// How traffic moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "route"))]
pub enum RouteStatus {
    /// Traffic moves by the weights of one forward action.
    Weighted,
    /// Traffic moves when a group is attached to the shared target group or detached from it.
    Shared,
    /// There is no load balancer, so no traffic moves.
    NoLoadBalancer,
    /// An instance refresh replaces the instances of a single group.
    Rolling,
}

/// One step of a cutover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "step"))]
pub struct StepStatus {
    /// The phase of the step.
    pub phase: String,
    /// The share of the traffic that the new color gets in this step, in percent. Null: the step moves no traffic.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub percent: Option<u8>,
    /// The progress of the step.
    pub progress: Progress,
}

/// The progress of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "progress"))]
pub enum Progress {
    /// The step is done.
    Done,
    /// The step is in progress.
    #[serde(rename = "current")]
    Now,
    /// The step has not started.
    #[serde(rename = "pending")]
    Left,
}

/// The cutover on record or, if there is none, the cutover that the next reconcile pass would start.
pub(crate) fn cutover(
    record: Option<&Record>,
    explained: &Explanation,
    seen: &Observation,
    now: Timestamp,
) -> Option<CutoverStatus> {
    let committed = record.and_then(|record| record.cutover.as_ref());
    let next = explained.decision.next.cutover.as_ref();
    let cutover = committed.or(next)?;
    // A block is known as soon as it is read; the record has it from the next commit on.
    let paused_since = next.filter(|next| next.id == cutover.id && next.phase().name() == cutover.phase().name());
    let paused_since = paused_since.and_then(Cutover::paused_since);
    let ends_at = explained.phase_ends_at.filter(|_| committed.is_some());
    let left = ends_at.map(|end| end.duration_since(paused_since.unwrap_or(now)).max(SignedDuration::ZERO).as_secs());
    let is_held = paused_since.is_some();
    let steps = steps(cutover);
    let waits = explained.decision.cutover_waits.as_ref();
    Some(CutoverStatus {
        id: cutover.id.clone(),
        is_on_record: committed.is_some(),
        phase: cutover.phase().name().to_owned(),
        since: cutover.since(),
        started_at: cutover.started_at,
        image: cutover.candidate.image.clone(),
        build: cutover.candidate.build.clone(),
        reason: reason(&cutover.candidate).into(),
        from: words::release(&cutover.rollback_to),
        old_color: cutover.old,
        old_group: cutover.old_group.clone(),
        new_color: cutover.new_color(),
        new_group: cutover.new_group.clone(),
        route: route(&cutover.route),
        size: cutover.size,
        progress_percent: because(cutover.phase()).is_none().then(|| progress(&steps)),
        steps,
        waits: waits.map(words::wait),
        guards: guards(explained),
        paused_since,
        phase_ends_at: ends_at.filter(|_| !is_held),
        phase_left_seconds: left,
        deadline: deadline(cutover).filter(|_| !is_held),
        refreshed_percent: refreshed(cutover, seen),
        paused_by: cutover.paused().cloned(),
        approved_by: cutover.approved.clone(),
        is_expedited: cutover.is_expedited,
        because: because(cutover.phase()).cloned(),
        evidence: cutover.evidence.clone(),
    })
}

/// The deadline of a cutover's phase. None: the phase has no deadline.
fn deadline(cutover: &Cutover) -> Option<Timestamp> {
    let lasts_until_then = matches!(
        cutover.phase(),
        CutoverPhase::Queued | CutoverPhase::Warm { .. } | CutoverPhase::NeedsOperator { .. }
    );
    (!lasts_until_then).then_some(cutover.deadline())
}

fn refreshed(cutover: &Cutover, seen: &Observation) -> Option<u8> {
    let refresh = seen.refreshes.get(&cutover.new_group).found()?;
    let is_of_this =
        cutover.route == Route::Rolling && refresh.template.is_some() && refresh.template == cutover.template;
    is_of_this.then_some(refresh.percentage)
}

const fn route(route: &Route) -> RouteStatus {
    match route {
        Route::Weighted { .. } => RouteStatus::Weighted,
        Route::Shared { .. } => RouteStatus::Shared,
        Route::None => RouteStatus::NoLoadBalancer,
        Route::Rolling => RouteStatus::Rolling,
    }
}

const fn because(phase: &CutoverPhase) -> Option<&UntrustedText> {
    if let CutoverPhase::Aborting { why, .. }
    | CutoverPhase::RollingBack { why, .. }
    | CutoverPhase::NeedsOperator { why } = phase
    {
        Some(why)
    } else {
        None
    }
}

/// The done and the remaining steps. A cutover that is being undone has other steps, because its earlier progress is
/// not stored.
fn steps(cutover: &Cutover) -> Vec<StepStatus> {
    let way = match cutover.phase() {
        CutoverPhase::Aborting { outcome, .. } => vec![("aborting", None), (outcome.name(), None)],
        CutoverPhase::RollingBack { .. } => vec![("rolling-back", Some(0)), ("rolled-back", None)],
        CutoverPhase::NeedsOperator { .. } => vec![("needs-operator", None)],
        CutoverPhase::Queued
        | CutoverPhase::Preflight
        | CutoverPhase::Preparing
        | CutoverPhase::Scaling
        | CutoverPhase::Verifying { .. }
        | CutoverPhase::AwaitingApproval
        | CutoverPhase::Shifting(_)
        | CutoverPhase::Baking { .. }
        | CutoverPhase::Warm { .. }
        | CutoverPhase::Retiring => forward(cutover),
    };
    let step = if let CutoverPhase::Shifting(shifting) = cutover.phase() { shifting.step } else { 0 };
    let of_phase = way.iter().position(|(phase, _)| *phase == cutover.phase().name()).unwrap_or(0);
    let first = cutover.first_step();
    let is_stepped = matches!(cutover.route, Route::Weighted { .. });
    let now = of_phase + if is_stepped { step.saturating_sub(first) } else { 0 };
    let progress = |position: usize| match position.cmp(&now) {
        std::cmp::Ordering::Less => Progress::Done,
        std::cmp::Ordering::Equal => Progress::Now,
        std::cmp::Ordering::Greater => Progress::Left,
    };
    let numbered = way.into_iter().enumerate();
    numbered
        .map(|(position, (phase, percent))| StepStatus {
            phase: phase.to_owned(),
            percent,
            progress: progress(position),
        })
        .collect()
}

fn forward(cutover: &Cutover) -> Vec<(&'static str, Option<u8>)> {
    let is_rolling = cutover.route == Route::Rolling;
    let mut way = vec![("queued", None), ("preflight", None), ("preparing", None)];
    if !is_rolling {
        way.extend([("scaling", None), ("verifying", None)]);
    }
    let is_asked = match cutover.policy.cutover.approval {
        Approval::Auto => false,
        Approval::Manual | Approval::Check => !cutover.is_expedited && cutover.approved.is_none(),
    };
    if is_asked || matches!(cutover.phase(), CutoverPhase::AwaitingApproval) {
        way.push(("awaiting-approval", None));
    }
    match cutover.route {
        Route::Weighted { .. } => {
            let shares = cutover.policy.cutover.traffic.iter().skip(cutover.first_step());
            way.extend(shares.map(|share| ("shifting", Some(share.get()))));
        }
        Route::Shared { .. } => way.push(("shifting", Some(100))),
        Route::None | Route::Rolling => way.push(("shifting", None)),
    }
    way.extend([("baking", None), ("warm", None), ("retiring", None)]);
    way
}

fn progress(steps: &[StepStatus]) -> u32 {
    let done = steps.iter().filter(|step| step.progress == Progress::Done).count();
    let percent = (done * 100).checked_div(steps.len()).unwrap_or(0);
    u32::try_from(percent).unwrap_or(100)
}

/// The result of every guard of the cutover, and of every preflight check.
fn guards(explained: &Explanation) -> Vec<GuardStatus> {
    let checks = explained.preflight_verdicts.iter().map(words::preflight);
    explained.cutover_verdicts.iter().map(words::guard).chain(checks).collect()
}
