//! One release taking the traffic from another.

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

/// A cutover under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cutover {
    /// Derived from the fleet and the time at which it began: tokens and messages carry it.
    pub id: String,
    /// What is to take the traffic.
    pub candidate: Candidate,
    /// The color that had the traffic at the beginning. None: a single group.
    pub old: Option<Color>,
    /// The group that had the traffic at the beginning.
    pub old_group: GroupName,
    /// The group that is to take it. The same one in a single group.
    pub new_group: GroupName,
    pub route: Route,
    /// The release to go back to: the last known-good one.
    pub rollback_to: Release,
    phase: CutoverPhase,
    since: Timestamp,
    /// When the phase must have been left. Moves by the time that it is held.
    deadline: Timestamp,
    /// Since when a freeze, `observe` or a pause holds it: its clocks stand.
    paused_since: Option<Timestamp>,
    /// Who paused it, if someone did.
    paused: Option<UntrustedText>,
    /// Who approved it, if someone did.
    pub approved: Option<UntrustedText>,
    /// Whether the remaining waits are skipped: an operator promoted it, or it is a rollback after the old color was scaled to zero.
    pub is_expedited: bool,
    pub started_at: Timestamp,
    /// The fleet's own minimum and maximum, which travel with the traffic.
    pub bounds: FleetBounds,
    /// The longest time-out of the lifecycle hooks of both groups, as the preflight read it: nothing is overdue before.
    pub hook_timeout: SignedDuration,
    /// The launch template version of the new release, once it is written.
    pub template: Option<TemplateVersion>,
    /// How many instances each color must have: the live desired capacity, followed upward.
    pub size: u32,
    /// Instances of the new color that were launched for it, so that those which vanish are counted.
    pub launched: BTreeSet<InstanceId>,
    /// What spoke against the new release.
    pub evidence: Vec<UntrustedText>,
    /// What it waits for, as it was last journaled.
    pub waits: Option<Waiting>,
    /// The policy that it was admitted with. It ends under it, whatever the tags say by then.
    pub policy: Box<Policy>,
}

/// The bounds that a fleet has, whichever color carries them.
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

/// What may take the traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    pub image: ImageId,
    /// The launch template version whose content it gets, apart from the image.
    pub base: TemplateVersion,
    /// Its build, where it has one.
    pub build: Option<UntrustedText>,
    /// What makes it a candidate.
    pub why: CandidateReason,
}

/// What makes a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateReason {
    /// A newer image of the fleet.
    Image,
    /// A newer launch template version that someone else wrote, with the names of the settings that differ.
    Template {
        /// The names of the settings that differ.
        differs_in: Vec<String>,
    },
    /// An operator wants the release again, on fresh instances.
    Redeploy { actor: UntrustedText },
    /// An operator wants an earlier release back, after its color was scaled to zero.
    Rollback { actor: UntrustedText },
}

/// Where a cutover is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::EnumDiscriminants)]
#[serde(rename_all = "kebab-case")]
#[strum_discriminants(
    name(CutoverPhaseKind),
    derive(PartialOrd, Ord, strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray),
    strum(serialize_all = "kebab-case"),
    doc = "Which phase a cutover is in."
)]
pub enum CutoverPhase {
    /// Waits for its cutover slot.
    Queued,
    /// Checked without changing anything.
    Preflight,
    /// A launch template version is written, and given to the new color.
    Preparing,
    /// The new color comes up, the first ring of it alone.
    Scaling,
    /// Its instances prove themselves.
    Verifying {
        /// Since when all of them have served without interruption.
        healthy_since: Option<Timestamp>,
    },
    /// Waits for an operator or a pipeline.
    AwaitingApproval,
    /// Traffic moves, step by step.
    Shifting(Shifting),
    /// Watched at 100 %.
    Baking {
        /// When it has been watched for long enough.
        until: Timestamp,
    },
    /// The old color rests at full size: rollback takes one write.
    Warm {
        /// When it is scaled to zero.
        until: Timestamp,
    },
    /// The bounds move to the new color, and the old color is scaled to zero.
    Retiring,
    /// Undone before it had traffic.
    Aborting {
        /// How it will have ended.
        outcome: CutoverOutcome,
        why: UntrustedText,
    },
    /// Traffic moves back, and then it is undone.
    RollingBack {
        why: UntrustedText,
        /// Since when all traffic is back. None: not yet.
        back_since: Option<Timestamp>,
    },
    /// Only an operator can say how it goes on. Traffic stays where it is.
    NeedsOperator { why: UntrustedText },
}

/// The movement of traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shifting {
    /// Which step of the policy, from 0.
    pub step: usize,
    /// The weights that were there when the step began. None: a route without weights, or not read yet.
    pub before: Option<BTreeMap<TargetGroupArn, u32>>,
    /// Since when the step's weight is read back, and its targets are well. Its clock counts from here.
    pub effective_since: Option<Timestamp>,
    /// Since when an external change's weights are there.
    pub changed_outside_since: Option<Timestamp>,
    /// Whether it is the first one, before which the new color has no traffic.
    pub is_first: bool,
}

impl Shifting {
    /// The first step that is taken.
    pub const fn first(step: usize) -> Self {
        Self { step, before: None, effective_since: None, changed_outside_since: None, is_first: true }
    }

    /// A later step: whatever weights are there when it begins are accepted.
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
    /// The new release has the traffic, and the old color is gone.
    Done,
    /// Undone before it had traffic.
    Aborted,
    /// Undone before it had traffic, because something newer came.
    Superseded,
    /// The old release has its traffic again.
    RolledBack,
}

impl Candidate {
    /// What tells it from other candidates. A newer image is the same candidate whatever template it is put into.
    pub fn key(&self) -> String {
        match self.why {
            CandidateReason::Image => self.image.to_string(),
            CandidateReason::Template { .. } | CandidateReason::Redeploy { .. } | CandidateReason::Rollback { .. } => {
                format!("{}@{}:{}", self.image, self.base.template, self.base.version)
            }
        }
    }

    /// Whether an operator asked for it, so that nothing newer takes its place.
    pub const fn is_asked(&self) -> bool {
        match self.why {
            CandidateReason::Redeploy { .. } | CandidateReason::Rollback { .. } => true,
            CandidateReason::Image | CandidateReason::Template { .. } => false,
        }
    }
}

/// What a cutover is when it begins.
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

/// The clocks of a cutover's phase.
#[derive(Debug)]
pub struct Clocks {
    pub since: Timestamp,
    pub deadline: Timestamp,
    pub paused_since: Option<Timestamp>,
}

impl Cutover {
    /// Begins: it waits for its cutover slot.
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

    /// Goes on to another phase, which must have been left by then: the only way there. Its clocks begin anew, and a
    /// pause ends where it goes back, which nothing holds, or where an operator said how it goes on.
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

    /// Waits for its cutover slot with another candidate. It waits as long as it did.
    pub(crate) fn take_instead(&mut self, candidate: Candidate, why: impl Into<UntrustedText>, history: &mut History) {
        step(Some(self.phase.kind()), Step::Enters(CutoverPhaseKind::Queued), why, history);
        self.candidate = candidate;
    }

    /// Brings the data of its phase up to date.
    pub(crate) fn stay(&mut self, phase: CutoverPhase) {
        debug_assert_eq!(self.phase.kind(), phase.kind(), "another phase is entered");
        self.phase = phase;
    }

    /// Changes its clocks and the data of its phase, for who tells records apart by what matters in them. The phase stays
    /// where that would make it another one.
    pub fn change_data(&mut self, change: impl FnOnce(&mut CutoverPhase, &mut Clocks)) {
        let mut changed = self.phase.clone();
        let mut clocks = Clocks { since: self.since, deadline: self.deadline, paused_since: self.paused_since };
        change(&mut changed, &mut clocks);
        if changed.kind() == self.phase.kind() {
            self.phase = changed;
        }
        Clocks { since: self.since, deadline: self.deadline, paused_since: self.paused_since } = clocks;
    }

    /// Leaves the record.
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

    /// Its clocks stand from then on, unless they did before.
    pub(crate) fn stop_clock(&mut self, since: Timestamp) {
        self.paused_since.get_or_insert(since);
    }

    /// Its clocks never stood.
    pub(crate) const fn forget_hold(&mut self) {
        self.paused_since = None;
    }

    /// Its clocks run on: what it waits for comes later by as long as they stood.
    pub(crate) fn restart_clock(&mut self, now: Timestamp) {
        let Some(paused_since) = self.paused_since.take() else { return };
        let lasted = now.duration_since(paused_since.max(self.since));
        self.deadline = later(self.deadline, lasted);
        match &mut self.phase {
            CutoverPhase::Baking { until } | CutoverPhase::Warm { until } => *until = later(*until, lasted),
            // What was not watched while it was held is watched again from the beginning.
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

    /// An operator wants it to stand still.
    pub(crate) fn pause(&mut self, actor: UntrustedText) {
        self.paused = Some(actor);
    }

    /// An operator wants it to go on.
    pub(crate) fn resume(&mut self) {
        self.paused = None;
    }

    /// Where it is.
    pub const fn phase(&self) -> &CutoverPhase {
        &self.phase
    }

    /// Since when it has been in its phase.
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// When its phase must have been left. Moves by the time that it is held.
    pub const fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// Since when a freeze, `observe` or a pause holds it.
    pub const fn paused_since(&self) -> Option<Timestamp> {
        self.paused_since
    }

    /// Who paused it, if someone did.
    pub const fn paused(&self) -> Option<&UntrustedText> {
        self.paused.as_ref()
    }

    /// The color that is to take the traffic.
    pub fn new_color(&self) -> Option<Color> {
        self.old.map(Color::other)
    }

    /// Whether the new release has, or may have, traffic.
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

    /// Whether it changes groups so that no replacement may start.
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

    /// Whether it is being undone: nothing holds that.
    pub const fn is_going_back(&self) -> bool {
        matches!(self.phase, CutoverPhase::Aborting { .. } | CutoverPhase::RollingBack { .. })
    }

    /// Whether it has not changed anything yet.
    pub const fn is_untouched(&self) -> bool {
        matches!(self.phase, CutoverPhase::Queued | CutoverPhase::Preflight)
    }

    /// The token with which its launch template version is written.
    pub fn token(&self) -> String {
        format!("driftless-{}", self.id)
    }

    /// The step that is taken first: without waits there is only the last one.
    pub fn first_step(&self) -> usize {
        if self.is_expedited { self.last_step() } else { 0 }
    }

    /// The step at which the new color has all of the traffic.
    pub fn last_step(&self) -> usize {
        self.policy.cutover.traffic.len().saturating_sub(1)
    }

    /// What it would be as a release. None: its template is not written yet.
    pub fn release(&self, since: Timestamp) -> Option<Release> {
        let template = self.template.clone()?;
        Some(Release { template, image: self.candidate.image.clone(), since, build: self.candidate.build.clone() })
    }

    /// How long a step is watched: at least as long as its slowest alarm needs to ring after its metrics have come.
    pub fn step_time(&self, slowest_alarm: SignedDuration) -> SignedDuration {
        self.policy.cutover.step.max(slowest_alarm + self.policy.cutover.metrics_delay)
    }
}

/// So much later. What never comes does not come later: the first version stored such deadlines.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Takes a step of the machine: it is in the history from here on.
fn step(from: Option<CutoverPhaseKind>, to: CutoverStep, why: impl Into<UntrustedText>, history: &mut History) {
    debug_assert!(transitions::allows(transitions::CUTOVER, from, to), "no cutover goes from {from:?} to {to}");
    history.write(DRIFTLESS, Change::Cutover { from, to }, why);
}

impl CutoverPhaseKind {
    /// Each of them, in the order of a cutover.
    pub const fn all() -> &'static [Self] {
        Self::VARIANTS
    }
}

impl CutoverPhase {
    /// Which one it is.
    pub fn kind(&self) -> CutoverPhaseKind {
        self.into()
    }

    /// The word for it in messages, the history and metrics.
    pub fn name(&self) -> &'static str {
        self.kind().into()
    }
}

impl CutoverOutcome {
    /// Each of them.
    pub const fn all() -> &'static [Self] {
        Self::VARIANTS
    }

    /// The word for it in messages, the history and metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
