//! The stored state of a cutover.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::balancer::{AttachmentApi, ForwardPlace};
use crate::fleet::Color;
use crate::ids::{GroupName, ImageId, InstanceId, TargetGroupArn};
use crate::policy::Policy;
use crate::record::history::{Change, DRIFTLESS, History};
use crate::record::transitions::{self, CutoverStep, Step};
use crate::record::{PastCutover, Release};
use crate::template::TemplateVersion;
use crate::text::UntrustedText;
use crate::waiting::Waiting;

/// A cutover in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cutover {
    /// The id, derived from the fleet and the start time. Tokens and messages contain it.
    pub id: String,
    /// The release that takes the traffic.
    pub candidate: Candidate,
    /// The color that had the traffic at the start. None: a single group.
    pub old: Option<Color>,
    /// The group that had the traffic at the start.
    pub old_group: GroupName,
    /// The group that takes the traffic. The same one for a single group.
    pub new_group: GroupName,
    pub route: Route,
    /// The release to which a rollback returns: the last good one.
    pub rollback_to: Release,
    phase: CutoverPhase,
    since: Timestamp,
    /// The deadline of the phase. A pause moves it.
    deadline: Timestamp,
    /// Since when its timers are stopped: by a freeze, observe mode or an operator, or because the alarms cannot judge
    /// the new release.
    paused_since: Option<Timestamp>,
    /// Who paused it. None: no operator.
    paused: Option<UntrustedText>,
    /// Who approved it. None: no one yet.
    pub approved: Option<UntrustedText>,
    /// Whether the cutover skips the remaining waits: an operator promoted it, or it is a rollback after the old color
    /// was scaled to zero.
    pub is_expedited: bool,
    pub started_at: Timestamp,
    /// The fleet's minimum and maximum, which move with the traffic.
    pub bounds: FleetBounds,
    /// The longest lifecycle hook timeout of both groups, as read by the preflight: launches and the scaling to zero
    /// get at least this time.
    pub hook_timeout: SignedDuration,
    /// The launch template version of the new release, once it is written.
    pub template: Option<TemplateVersion>,
    /// How many instances each color must have: the desired capacity of the live group, followed upward.
    pub size: u32,
    /// Instances of the new color that were launched for it, so that lost ones can be counted.
    pub launched: BTreeSet<InstanceId>,
    /// The evidence against the new release.
    pub evidence: Vec<UntrustedText>,
    /// What the cutover waits for, as last written into the history.
    pub waits: Option<Waiting>,
    /// The policy that admitted the cutover. It applies to the end, whatever the tags say later.
    pub policy: Box<Policy>,
}

/// The bounds of a fleet, whichever color has them now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetBounds {
    pub min: u32,
    pub max: u32,
}

/// How traffic moves from one color to the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// Two target groups in one forward action: by weights.
    Weighted {
        place: ForwardPlace,
        /// The target group of the old color.
        old: TargetGroupArn,
        /// The target group of the new color.
        new: TargetGroupArn,
    },
    /// One target group for both: the new color is attached, then the old one detached.
    Shared {
        target_group: TargetGroupArn,
        /// The API family with which the live color was attached.
        api: AttachmentApi,
    },
    /// No load balancer: capacity only.
    None,
    /// A single group: an instance refresh.
    Rolling,
}

/// A release that may take the traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    pub image: ImageId,
    /// The launch template version whose content it copies, except for the image.
    pub base: TemplateVersion,
    /// Its build, if it has one.
    pub build: Option<UntrustedText>,
    /// What makes it a candidate.
    pub why: CandidateReason,
}

/// The reason why a release is a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateReason {
    /// A newer image of the fleet.
    Image,
    /// A newer launch template version from outside Driftless, with the names of the settings that differ.
    Template {
        /// The names of the settings that differ.
        differs_in: Vec<String>,
    },
    /// An operator requested the same release again, on new instances.
    Redeploy { actor: UntrustedText },
    /// An operator requested an earlier release, after its color was scaled to zero.
    Rollback { actor: UntrustedText },
}

/// The phase of a cutover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::EnumDiscriminants)]
#[serde(rename_all = "kebab-case")]
#[strum_discriminants(
    name(CutoverPhaseKind),
    derive(PartialOrd, Ord, strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray),
    strum(serialize_all = "kebab-case"),
    doc = "Which phase a cutover is in."
)]
pub enum CutoverPhase {
    /// Waits for the guards and for a cutover slot.
    Queued,
    /// The preflight checks run; nothing has changed yet.
    Preflight,
    /// Driftless writes a launch template version and sets it on the new color.
    Preparing,
    /// The new color scales up, first by a few instances.
    Scaling,
    /// The instances of the new color are verified.
    Verifying {
        /// Since when all of them have been healthy without interruption.
        healthy_since: Option<Timestamp>,
    },
    /// Waits for an operator or a pipeline.
    AwaitingApproval,
    /// Traffic moves, step by step.
    Shifting(Shifting),
    /// The new color has 100 % of the traffic, and Driftless watches alarms and health.
    Baking {
        /// When the watch ends.
        until: Timestamp,
    },
    /// The old color stays at full size: a rollback takes one write.
    Warm {
        /// When the old color is scaled to zero.
        until: Timestamp,
    },
    /// The bounds move to the new color, and the old color is scaled to zero.
    Retiring,
    /// The cutover is undone before its first traffic.
    Aborting {
        /// The outcome that it will have.
        outcome: CutoverOutcome,
        why: UntrustedText,
    },
    /// Traffic returns to the old color, and then the cutover is undone.
    RollingBack {
        why: UntrustedText,
        /// Since when all traffic has returned. None: not yet.
        back_since: Option<Timestamp>,
    },
    /// An operator must decide. Traffic stays where it is.
    NeedsOperator { why: UntrustedText },
}

/// The movement of traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shifting {
    /// The index of the step in the policy, from 0.
    pub step: usize,
    /// The weights when the step began. None: a route without weights, or not read yet.
    pub before: Option<BTreeMap<TargetGroupArn, u32>>,
    /// Since when the step's weights are in effect and its targets healthy. The watch timer starts here.
    pub effective_since: Option<Timestamp>,
    /// Since when the weights are those of an external change.
    pub changed_outside_since: Option<Timestamp>,
    /// Whether it is the first step, before which the new color has no traffic.
    pub is_first: bool,
}

impl Shifting {
    /// The first step of the movement.
    pub const fn first(step: usize) -> Self {
        Self { step, before: None, effective_since: None, changed_outside_since: None, is_first: true }
    }

    /// A later step: it accepts the weights that it finds when it begins.
    pub const fn next(step: usize) -> Self {
        Self { step, before: None, effective_since: None, changed_outside_since: None, is_first: false }
    }
}

/// How a cutover ended.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum CutoverOutcome {
    /// The new release has the traffic, and the old color is scaled to zero.
    Done,
    /// The cutover was undone before its first traffic.
    Aborted,
    /// The cutover was undone before its first traffic, because of a newer candidate.
    Superseded,
    /// The old release has all of its traffic again.
    RolledBack,
}

impl Candidate {
    /// The key of the candidate. A newer image is the same candidate with any launch template.
    pub fn key(&self) -> String {
        match self.why {
            CandidateReason::Image => self.image.to_string(),
            CandidateReason::Template { .. } | CandidateReason::Redeploy { .. } | CandidateReason::Rollback { .. } => {
                format!("{}@{}:{}", self.image, self.base.template, self.base.version)
            }
        }
    }

    /// Whether an operator requested it, so that no newer candidate replaces it.
    pub const fn is_asked(&self) -> bool {
        match self.why {
            CandidateReason::Redeploy { .. } | CandidateReason::Rollback { .. } => true,
            CandidateReason::Image | CandidateReason::Template { .. } => false,
        }
    }
}

/// The data with which a cutover begins.
#[derive(Debug)]
pub struct Begun {
    pub id: String,
    pub candidate: Candidate,
    pub old: Option<Color>,
    pub old_group: GroupName,
    pub new_group: GroupName,
    pub route: Route,
    pub rollback_to: Release,
    pub bounds: FleetBounds,
    pub size: u32,
    pub policy: Policy,
}

/// The timers of a cutover's phase.
#[derive(Debug)]
pub struct Clocks {
    pub since: Timestamp,
    pub deadline: Timestamp,
    pub paused_since: Option<Timestamp>,
}

impl Cutover {
    /// Begins a cutover, which waits for its cutover slot.
    pub(crate) fn begin(begun: Begun, why: impl Into<UntrustedText>, history: &mut History) -> Self {
        step(None, Step::Enters(CutoverPhaseKind::Queued), why, history);
        let Begun { id, candidate, old, old_group, new_group, route, rollback_to, bounds, size, policy } = begun;
        let now = history.at();
        Self {
            id,
            is_expedited: matches!(candidate.why, CandidateReason::Rollback { .. }),
            candidate,
            old,
            old_group,
            new_group,
            route,
            rollback_to,
            phase: CutoverPhase::Queued,
            since: now,
            deadline: Timestamp::MAX,
            paused_since: None,
            paused: None,
            approved: None,
            started_at: now,
            bounds,
            hook_timeout: SignedDuration::ZERO,
            template: None,
            size,
            launched: BTreeSet::new(),
            evidence: Vec::new(),
            waits: None,
            policy: Box::new(policy),
        }
    }

    /// Enters another phase, with its deadline. No other function changes the phase. The timers restart. A pause ends
    /// on a rollback, which it must not block, or on an operator's command to continue.
    pub(crate) fn enter(
        &mut self,
        to: CutoverPhase,
        deadline: Timestamp,
        why: impl Into<UntrustedText>,
        history: &mut History,
    ) {
        let from = self.phase.kind();
        step(Some(from), Step::Enters(to.kind()), why, history);
        self.phase = to;
        self.since = history.at();
        self.deadline = deadline;
        self.paused_since = None;
        if self.is_going_back() || from == CutoverPhaseKind::NeedsOperator {
            self.paused = None;
        }
    }

    /// Changes the candidate of a cutover that waits for its slot. Its waiting time continues.
    pub(crate) fn take_instead(&mut self, candidate: Candidate, why: impl Into<UntrustedText>, history: &mut History) {
        step(Some(self.phase.kind()), Step::Enters(CutoverPhaseKind::Queued), why, history);
        self.candidate = candidate;
    }

    /// Updates the data of its phase.
    pub(crate) fn stay(&mut self, phase: CutoverPhase) {
        debug_assert_eq!(self.phase.kind(), phase.kind(), "another phase is entered");
        self.phase = phase;
    }

    /// Changes its timers and the data of its phase, for callers that compare records and mask values such as times. A
    /// change to another phase is ignored.
    pub fn change_data(&mut self, change: impl FnOnce(&mut CutoverPhase, &mut Clocks)) {
        let mut changed = self.phase.clone();
        let mut clocks = Clocks { since: self.since, deadline: self.deadline, paused_since: self.paused_since };
        change(&mut changed, &mut clocks);
        if changed.kind() == self.phase.kind() {
            self.phase = changed;
        }
        Clocks { since: self.since, deadline: self.deadline, paused_since: self.paused_since } = clocks;
    }

    /// Removes the cutover from the record.
    pub(crate) fn end(self, outcome: CutoverOutcome, why: &str, history: &mut History) -> PastCutover {
        step(Some(self.phase.kind()), Step::Ends(outcome), why, history);
        PastCutover {
            id: self.id,
            candidate: self.candidate,
            started_at: self.started_at,
            ended_at: history.at(),
            outcome,
            why: why.into(),
        }
    }

    /// Stops its timers at this time, unless they are stopped already.
    pub(crate) fn stop_clock(&mut self, since: Timestamp) {
        self.paused_since.get_or_insert(since);
    }

    /// Ends a stop of its timers without moving a deadline: for a queued cutover and one that is being undone.
    pub(crate) const fn forget_hold(&mut self) {
        self.paused_since = None;
    }

    /// Restarts its timers: every deadline moves by the time that they were stopped.
    pub(crate) fn restart_clock(&mut self, now: Timestamp) {
        let Some(paused_since) = self.paused_since.take() else { return };
        let lasted = now.duration_since(paused_since.max(self.since));
        self.deadline = later(self.deadline, lasted);
        match &mut self.phase {
            CutoverPhase::Baking { until } | CutoverPhase::Warm { until } => *until = later(*until, lasted),
            // A watch that a pause interrupted starts anew.
            CutoverPhase::Shifting(shifting) => shifting.effective_since = None,
            CutoverPhase::Verifying { .. }
            | CutoverPhase::Queued
            | CutoverPhase::Preflight
            | CutoverPhase::Preparing
            | CutoverPhase::Scaling
            | CutoverPhase::AwaitingApproval
            | CutoverPhase::Retiring
            | CutoverPhase::Aborting { .. }
            | CutoverPhase::RollingBack { .. }
            | CutoverPhase::NeedsOperator { .. } => {}
        }
    }

    /// Pauses the cutover for an operator.
    pub(crate) fn pause(&mut self, actor: UntrustedText) {
        self.paused = Some(actor);
    }

    /// Continues the cutover for an operator.
    pub(crate) fn resume(&mut self) {
        self.paused = None;
    }

    /// The phase.
    pub const fn phase(&self) -> &CutoverPhase {
        &self.phase
    }

    /// When the phase began.
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// The deadline of the phase. A pause moves it.
    pub const fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// Since when its timers are stopped. None: they run.
    pub const fn paused_since(&self) -> Option<Timestamp> {
        self.paused_since
    }

    /// Who paused it. None: no operator.
    pub const fn paused(&self) -> Option<&UntrustedText> {
        self.paused.as_ref()
    }

    /// The color that takes the traffic.
    pub fn new_color(&self) -> Option<Color> {
        self.old.map(Color::other)
    }

    /// Whether the new release has traffic, or may have it.
    pub const fn has_traffic(&self) -> bool {
        matches!(
            self.phase,
            CutoverPhase::Shifting(_)
                | CutoverPhase::Baking { .. }
                | CutoverPhase::Warm { .. }
                | CutoverPhase::Retiring
                | CutoverPhase::RollingBack { .. }
                | CutoverPhase::NeedsOperator { .. }
        )
    }

    /// Whether no replacement may start in this phase. In `Warm` and `Retiring` instances of the new color, which is
    /// live by then, may be replaced.
    pub const fn stops_replacements(&self) -> bool {
        matches!(
            self.phase,
            CutoverPhase::Preparing
                | CutoverPhase::Scaling
                | CutoverPhase::Verifying { .. }
                | CutoverPhase::AwaitingApproval
                | CutoverPhase::Shifting(_)
                | CutoverPhase::Baking { .. }
                | CutoverPhase::Aborting { .. }
                | CutoverPhase::RollingBack { .. }
                | CutoverPhase::NeedsOperator { .. }
        )
    }

    /// Whether it is being undone, which no guard blocks.
    pub const fn is_going_back(&self) -> bool {
        matches!(self.phase, CutoverPhase::Aborting { .. } | CutoverPhase::RollingBack { .. })
    }

    /// Whether it has changed nothing yet.
    pub const fn is_untouched(&self) -> bool {
        matches!(self.phase, CutoverPhase::Queued | CutoverPhase::Preflight)
    }

    /// The idempotency token of its launch template version.
    pub fn token(&self) -> String {
        format!("driftless-{}", self.id)
    }

    /// The index of the first step: the last one if the cutover skips waits.
    pub fn first_step(&self) -> usize {
        if self.is_expedited { self.last_step() } else { 0 }
    }

    /// The step at which the new color has all of the traffic.
    pub fn last_step(&self) -> usize {
        self.policy.cutover.traffic.len().saturating_sub(1)
    }

    /// The release that it would become. None: its template is not written yet.
    pub fn release(&self, since: Timestamp) -> Option<Release> {
        let template = self.template.clone()?;
        Some(Release { template, image: self.candidate.image.clone(), since, build: self.candidate.build.clone() })
    }

    /// How long a step is watched: at least as long as its slowest alarm needs to go into ALARM after its metrics have
    /// arrived.
    pub fn step_time(&self, slowest_alarm: SignedDuration) -> SignedDuration {
        self.policy.cutover.step.max(slowest_alarm + self.policy.cutover.metrics_delay)
    }
}

/// Moves a time by a duration. A time that means "never" stays: the first version stored such deadlines.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Records a transition: it is in the history from here on.
fn step(from: Option<CutoverPhaseKind>, to: CutoverStep, why: impl Into<UntrustedText>, history: &mut History) {
    debug_assert!(transitions::allows(transitions::CUTOVER, from, to), "no cutover goes from {from:?} to {to}");
    history.write(DRIFTLESS, Change::Cutover { from, to }, why);
}

impl CutoverPhaseKind {
    /// All phases, in order.
    pub const fn all() -> &'static [Self] {
        Self::VARIANTS
    }
}

impl CutoverPhase {
    /// The kind of the phase.
    pub fn kind(&self) -> CutoverPhaseKind {
        self.into()
    }

    /// The name of the phase in messages, the history and metrics.
    pub fn name(&self) -> &'static str {
        self.kind().into()
    }
}

impl CutoverOutcome {
    /// All outcomes.
    pub const fn all() -> &'static [Self] {
        Self::VARIANTS
    }

    /// The name of the outcome in messages, the history and metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
