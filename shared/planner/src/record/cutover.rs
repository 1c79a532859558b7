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
    /// The id of the cutover, derived from the fleet and the start time. Idempotency tokens and messages contain it.
    pub id: String,
    /// The release that is to take the traffic.
    pub candidate: Candidate,
    /// The color that had the traffic at the start. None: the fleet has a single group.
    pub old: Option<Color>,
    /// The group that had the traffic at the start.
    pub old_group: GroupName,
    /// The group that is to take the traffic. In a fleet with a single group it equals `old_group`.
    pub new_group: GroupName,
    pub route: Route,
    /// The release that the fleet ran at the start. A rollback returns to it.
    pub rollback_to: Release,
    phase: CutoverPhase,
    since: Timestamp,
    /// The time by which the phase must end. A pause moves this time.
    deadline: Timestamp,
    /// Since when the timers are stopped: by a freeze, by observe mode, by an operator, or because the alarms cannot
    /// show whether the new release is good. None: the timers run.
    paused_since: Option<Timestamp>,
    /// The operator who paused the cutover. None: no operator has paused it.
    paused: Option<UntrustedText>,
    /// The operator or the pipeline that approved the cutover. None: it is not approved yet.
    pub approved: Option<UntrustedText>,
    /// Whether the cutover skips the remaining waits: an operator promoted it, or it is a rollback after the old color
    /// was scaled to zero.
    pub is_expedited: bool,
    pub started_at: Timestamp,
    /// The minimum and the maximum of the fleet, which move to the new color at the end.
    pub bounds: FleetBounds,
    /// The longest lifecycle hook timeout of both groups, as the preflight read it. The deadlines for launches and for
    /// scaling a color to zero are at least this long.
    pub hook_timeout: SignedDuration,
    /// The launch template version of the new release. None: it is not written yet.
    pub template: Option<TemplateVersion>,
    /// How many instances each color must have: the highest desired capacity that the live group has had during the
    /// cutover.
    pub size: u32,
    /// The instances that were launched for the new color, from which lost ones are counted.
    pub launched: BTreeSet<InstanceId>,
    /// The evidence against the new release.
    pub evidence: Vec<UntrustedText>,
    /// What the cutover waited for in the last pass. None: for nothing.
    pub waits: Option<Waiting>,
    /// The policy that admitted the cutover. It applies until the cutover ends, whatever the tags say later.
    pub policy: Box<Policy>,
}

/// The minimum and the maximum number of instances of a fleet, whichever color has the traffic.
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
    /// The colors have one target group each, and one forward action names both. Its weights move the traffic.
    Weighted {
        place: ForwardPlace,
        /// The target group of the old color.
        old: TargetGroupArn,
        /// The target group of the new color.
        new: TargetGroupArn,
    },
    /// Both colors share one target group. The new color is attached to it, then the old color is detached.
    Shared {
        target_group: TargetGroupArn,
        /// The API family by which the live color is attached to the target group.
        api: AttachmentApi,
    },
    /// There is no load balancer: only the capacity of the colors changes.
    None,
    /// The fleet has a single group, in which an instance refresh replaces the instances.
    Rolling,
}

/// A release that may become the release of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    pub image: ImageId,
    /// The launch template version that is copied for the new release. Only the image is changed in the copy.
    pub base: TemplateVersion,
    /// The build of the image, if it has one.
    pub build: Option<UntrustedText>,
    /// Why this release is a candidate.
    pub why: CandidateReason,
}

/// The reason why a release is a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateReason {
    /// The image is a newer image of the fleet.
    Image,
    /// Something other than Driftless wrote a newer launch template version.
    Template {
        /// The names of the settings in which the new version differs from that of the release.
        differs_in: Vec<String>,
    },
    /// An operator asked to launch the current release again, on new instances.
    Redeploy { actor: UntrustedText },
    /// An operator asked to return to an earlier release, of which no instances run any more.
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
    /// The cutover waits for its guards and for a cutover slot of the account.
    Queued,
    /// The preflight checks run; nothing has changed yet.
    Preflight,
    /// Driftless writes the launch template version of the new release and sets it on the group of the new color.
    Preparing,
    /// The group of the new color is scaled up: first to a few instances, then to full size.
    Scaling,
    /// The instances of the new color are verified.
    Verifying {
        /// Since when all instances of the new color have been healthy without interruption. None: not all are healthy
        /// now.
        healthy_since: Option<Timestamp>,
    },
    /// The cutover waits for the approval of an operator or a pipeline.
    AwaitingApproval,
    /// Traffic moves to the new color, step by step.
    Shifting(Shifting),
    /// The new color has all traffic, and Driftless watches alarms and health.
    Baking {
        /// When the watch ends.
        until: Timestamp,
    },
    /// The old color stays at full size, so that a rollback only has to move the traffic.
    Warm {
        /// When the old color is scaled to zero.
        until: Timestamp,
    },
    /// The minimum and the maximum of the fleet move to the new color, and the old color is scaled to zero.
    Retiring,
    /// The cutover is undone, and the new color has had no traffic.
    Aborting {
        /// The outcome with which the cutover ends.
        outcome: CutoverOutcome,
        why: UntrustedText,
    },
    /// Traffic returns to the old color, and then the other changes of the cutover are undone.
    RollingBack {
        why: UntrustedText,
        /// Since when the old color has all traffic again. None: it does not have all traffic yet.
        back_since: Option<Timestamp>,
    },
    /// An operator must decide how the cutover continues. Until then traffic stays where it is.
    NeedsOperator { why: UntrustedText },
}

/// The progress of one traffic step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shifting {
    /// The index of the step in the traffic steps of the policy, from 0.
    pub step: usize,
    /// The weights of the forward action when the step began. None: the route has no weights, or they are not read yet.
    pub before: Option<BTreeMap<TargetGroupArn, u32>>,
    /// Since when the traffic of the step has been in effect with enough healthy targets. The watch time of the step
    /// counts from here. With a shared target group it starts earlier, when the new color is attached and healthy.
    pub effective_since: Option<Timestamp>,
    /// Since when the weights have been those of an external change. None: there is no external change.
    pub changed_outside_since: Option<Timestamp>,
    /// Whether this is the first step of the cutover, before which the new color has no traffic.
    pub is_first: bool,
}

impl Shifting {
    /// The first step of a cutover, which begins at this index of the policy's steps.
    pub const fn first(step: usize) -> Self {
        Self { step, before: None, effective_since: None, changed_outside_since: None, is_first: true }
    }

    /// A later step, which accepts the weights that it reads when it begins.
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
    /// The new release has all traffic, and the old color is scaled to zero.
    Done,
    /// The cutover was undone before the new color had traffic.
    Aborted,
    /// The cutover was undone before the new color had traffic, because there was a newer candidate.
    Superseded,
    /// The cutover was undone after the new color may have had traffic: the old release has all traffic again.
    RolledBack,
}

impl Candidate {
    /// The key under which the candidate is deferred. For a newer image it is the image alone, whatever the launch
    /// template version.
    pub fn key(&self) -> String {
        match self.why {
            CandidateReason::Image => self.image.to_string(),
            CandidateReason::Template { .. } | CandidateReason::Redeploy { .. } | CandidateReason::Rollback { .. } => {
                format!("{}@{}:{}", self.image, self.base.template, self.base.version)
            }
        }
    }

    /// Whether an operator requested the candidate. No newer candidate takes its place then.
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

/// The timers of a phase of a cutover.
#[derive(Debug)]
pub struct Clocks {
    pub since: Timestamp,
    pub deadline: Timestamp,
    pub paused_since: Option<Timestamp>,
}

impl Cutover {
    /// Begins a cutover. It waits in the phase `Queued` for a cutover slot.
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

    /// Enters a phase with its deadline, restarts the timers, and writes the transition into the history. No other
    /// function changes the phase. The pause of an operator ends if the cutover is undone from here on, or if an
    /// operator decided how it continues.
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

    /// Gives another candidate to a cutover that waits for its cutover slot. The time since which it waits does not
    /// change.
    pub(crate) fn take_instead(&mut self, candidate: Candidate, why: impl Into<UntrustedText>, history: &mut History) {
        step(Some(self.phase.kind()), Step::Enters(CutoverPhaseKind::Queued), why, history);
        self.candidate = candidate;
    }

    /// Replaces the data of the current phase.
    pub(crate) fn stay(&mut self, phase: CutoverPhase) {
        debug_assert_eq!(self.phase.kind(), phase.kind(), "another phase is entered");
        self.phase = phase;
    }

    /// Changes the timers and the data of the current phase, for callers that compare records and mask values such as
    /// times. A change to another phase is ignored.
    pub fn change_data(&mut self, change: impl FnOnce(&mut CutoverPhase, &mut Clocks)) {
        let mut changed = self.phase.clone();
        let mut clocks = Clocks { since: self.since, deadline: self.deadline, paused_since: self.paused_since };
        change(&mut changed, &mut clocks);
        if changed.kind() == self.phase.kind() {
            self.phase = changed;
        }
        Clocks { since: self.since, deadline: self.deadline, paused_since: self.paused_since } = clocks;
    }

    /// Ends the cutover, which the caller has removed from the record, and writes the end into the history. Returns the
    /// entry for the list of past cutovers.
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

    /// Stops the timers from this time on, unless they are stopped already.
    pub(crate) fn stop_clock(&mut self, since: Timestamp) {
        self.paused_since.get_or_insert(since);
    }

    /// Lets stopped timers run again without moving a deadline: for a cutover that is queued, is being undone, or needs
    /// an operator.
    pub(crate) const fn forget_hold(&mut self) {
        self.paused_since = None;
    }

    /// Lets stopped timers run again, and moves the times at which the phase ends by the duration of the stop. The
    /// watch time of a traffic step starts anew.
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

    /// Marks the cutover as paused by an operator.
    pub(crate) fn pause(&mut self, actor: UntrustedText) {
        self.paused = Some(actor);
    }

    /// Ends the pause of an operator.
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

    /// The time by which the phase must end. A pause moves this time.
    pub const fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// Since when the timers are stopped. None: the timers run.
    pub const fn paused_since(&self) -> Option<Timestamp> {
        self.paused_since
    }

    /// The operator who paused the cutover. None: no operator has paused it.
    pub const fn paused(&self) -> Option<&UntrustedText> {
        self.paused.as_ref()
    }

    /// The color that is to take the traffic. None: the fleet has a single group.
    pub fn new_color(&self) -> Option<Color> {
        self.old.map(Color::other)
    }

    /// Whether the new release has traffic or may have it in this phase.
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

    /// Whether no replacement may start in this phase. Replacements may start in `Warm` and `Retiring`, for instances
    /// of the new color, which is the live color by then.
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

    /// Whether the cutover is being undone. No guard blocks that.
    pub const fn is_going_back(&self) -> bool {
        matches!(self.phase, CutoverPhase::Aborting { .. } | CutoverPhase::RollingBack { .. })
    }

    /// Whether the cutover is in a phase in which it has changed nothing yet.
    pub const fn is_untouched(&self) -> bool {
        matches!(self.phase, CutoverPhase::Queued | CutoverPhase::Preflight)
    }

    /// The idempotency token of the call that writes the launch template version.
    pub fn token(&self) -> String {
        format!("driftless-{}", self.id)
    }

    /// The index of the first traffic step. A cutover that skips the remaining waits begins with the last step.
    pub fn first_step(&self) -> usize {
        if self.is_expedited { self.last_step() } else { 0 }
    }

    /// The index of the last traffic step, at which the new color gets all traffic.
    pub fn last_step(&self) -> usize {
        self.policy.cutover.traffic.len().saturating_sub(1)
    }

    /// The release that the fleet has if the cutover succeeds. None: its launch template version is not written yet.
    pub fn release(&self, since: Timestamp) -> Option<Release> {
        let template = self.template.clone()?;
        Some(Release { template, image: self.candidate.image.clone(), since, build: self.candidate.build.clone() })
    }

    /// How long a traffic step is watched: the step time of the policy, or longer if the slowest alarm needs longer to
    /// go into ALARM after its metrics have arrived.
    pub fn step_time(&self, slowest_alarm: SignedDuration) -> SignedDuration {
        self.policy.cutover.step.max(slowest_alarm + self.policy.cutover.metrics_delay)
    }
}

/// Moves a time later. A time that stands for "never" stays as it is: the first version of Driftless stored such
/// deadlines.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Writes a transition of a cutover into the history. A debug build panics if the state machine does not allow it.
fn step(from: Option<CutoverPhaseKind>, to: CutoverStep, why: impl Into<UntrustedText>, history: &mut History) {
    debug_assert!(transitions::allows(transitions::CUTOVER, from, to), "no cutover goes from {from:?} to {to}");
    history.write(DRIFTLESS, Change::Cutover { from, to }, why);
}

impl CutoverPhaseKind {
    /// All phases. Those of a cutover that succeeds are in the order in which it enters them.
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
