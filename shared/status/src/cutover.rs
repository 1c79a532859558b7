//! The cutover under way, with its way through the phases.

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

/// A cutover under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CutoverStatus {
    pub id: String,
    /// Whether it is committed. If not, the planner would begin it now.
    pub is_on_record: bool,
    /// Where it is: a phase of the planner's machine.
    pub phase: String,
    /// Since when it is there.
    pub since: Timestamp,
    pub started_at: Timestamp,
    /// The image that is to take the traffic.
    pub image: ImageId,
    /// The build of that image, where it has one.
    pub build: Option<UntrustedText>,
    /// What made it a candidate.
    pub reason: UntrustedText,
    /// What had the traffic, and gets it back.
    pub from: ReleaseStatus,
    /// The color that had the traffic. None: a single group.
    pub old_color: Option<Color>,
    pub old_group: GroupName,
    /// The color that is to take it. None: a single group.
    pub new_color: Option<Color>,
    pub new_group: GroupName,
    pub route: RouteStatus,
    /// Instances that each color is held at.
    pub size: u32,
    /// Its way, in order, as far as it goes by itself.
    pub steps: Vec<StepStatus>,
    /// Steps that are done, in percent of all. None: it goes back, or needs a person.
    pub progress_percent: Option<u32>,
    /// What it waits for. None: it does not wait.
    pub waits: Option<WaitStatus>,
    /// The guards that hold it, in the order in which they are asked.
    pub guards: Vec<GuardStatus>,
    /// Since when its clocks stand. None: they run.
    pub paused_since: Option<Timestamp>,
    /// When the phase is over by itself. None: when what it does is done, which nobody knows, or it is held.
    pub phase_ends_at: Option<Timestamp>,
    /// How long until then; while it is held, from when it goes on.
    pub phase_left_seconds: Option<i64>,
    /// When the phase must have been left, or takes its exit. None: it has no such time, or the clocks stand.
    pub deadline: Option<Timestamp>,
    /// How much of the group an instance refresh has replaced. None: there is none.
    pub refreshed_percent: Option<u8>,
    pub paused_by: Option<UntrustedText>,
    pub approved_by: Option<UntrustedText>,
    /// Whether the remaining waits are skipped.
    pub is_expedited: bool,
    /// Why it goes back, or needs a person.
    pub because: Option<UntrustedText>,
    /// What spoke against the new release.
    pub evidence: Vec<UntrustedText>,
}

/// How traffic moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteStatus {
    /// By the weights of one forward action.
    Weighted,
    /// By attaching to, and detaching from, one target group.
    Shared,
    /// It does not: there is no load balancer.
    NoLoadBalancer,
    /// Auto Scaling rolls a single group.
    Rolling,
}

/// One step of a cutover's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepStatus {
    pub phase: String,
    /// The share of the traffic that the new color gets in it, in percent. None: it moves none.
    pub percent: Option<u8>,
    /// Whether it lies behind, is now, or is to come.
    pub progress: Progress,
}

/// Where a step lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    Done,
    Now,
    Left,
}

/// The cutover on record, or the one that the planner would begin now.
pub(crate) fn cutover(
    record: Option<&Record>,
    explained: &Explanation,
    seen: &Observation,
    now: Timestamp,
) -> Option<CutoverStatus> {
    let committed = record.and_then(|record| record.cutover.as_ref());
    let next = explained.decision.next.cutover.as_ref();
    let cutover = committed.or(next)?;
    // What holds it is known as soon as it is read; the record learns of it with the next commit.
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

/// The deadline of a phase that has one: the others last until what they wait for comes.
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

/// The way that is left and the one that is behind. What goes back has a way of its own: how far it had come is not
/// remembered.
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

/// What every guard says of the cutover, and every check of its preflight.
fn guards(explained: &Explanation) -> Vec<GuardStatus> {
    let checks = explained.preflight_verdicts.iter().map(words::preflight);
    explained.cutover_verdicts.iter().map(words::guard).chain(checks).collect()
}
