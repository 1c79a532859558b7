//! One release taking the traffic from another, and what is remembered of images.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::balancer::{AttachmentApi, ForwardPlace};
use crate::fleet::Color;
use crate::ids::{GroupName, ImageId, InstanceId, TargetGroupArn};
use crate::observation::TemplateVersion;
use crate::policy::Policy;
use crate::record::Release;
use crate::text::ForeignText;
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
    pub phase: CutoverPhase,
    pub since: Timestamp,
    /// When the phase must have been left. Moves by the time that it is held.
    pub deadline: Timestamp,
    /// Since when a freeze, `observe` or a pause holds it: its clocks stand.
    pub held_since: Option<Timestamp>,
    /// Who paused it, if someone did.
    pub paused: Option<ForeignText>,
    /// Who approved it, if someone did.
    pub approved: Option<ForeignText>,
    /// Whether the remaining waits are skipped: a person promoted it, or it is a rollback after the old color was let go.
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
    pub evidence: Vec<ForeignText>,
    /// What it waits for, as it was last journaled.
    pub waits: Option<Waiting>,
    /// The policy that it was admitted with. It ends under it, whatever the tags say by then.
    pub policy: Box<Policy>,
}

/// The bounds that a fleet has, whichever color carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetBounds {
    /// `MinSize`.
    pub min: u32,
    /// `MaxSize`.
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
    pub build: Option<ForeignText>,
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
    /// A person wants the release again, on fresh instances.
    Redeploy { actor: ForeignText },
    /// A person wants an earlier release back, after its color was let go.
    Rollback { actor: ForeignText },
}

/// Where a cutover is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutoverPhase {
    /// Waits for its turn.
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
    /// Waits for a person or a pipeline.
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
        /// When it is let go.
        until: Timestamp,
    },
    /// The bounds travel, and the old color goes.
    Retiring,
    /// Undone before it had traffic.
    Aborting {
        /// How it will have ended.
        outcome: CutoverOutcome,
        why: ForeignText,
    },
    /// Traffic moves back, and then it is undone.
    RollingBack {
        why: ForeignText,
        /// Since when all traffic is back. None: not yet.
        back_since: Option<Timestamp>,
    },
    /// Only a person can say how it goes on. Traffic stays where it is.
    NeedsOperator { why: ForeignText },
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
    /// Since when another hand's weights are there.
    pub disturbed_since: Option<Timestamp>,
    /// Whether it is the first one, before which the new color has no traffic.
    pub is_first: bool,
}

impl Shifting {
    /// The first step that is taken.
    pub const fn first(step: usize) -> Self {
        Self { step, before: None, effective_since: None, disturbed_since: None, is_first: true }
    }

    /// A later step: whatever weights are there when it begins are accepted.
    pub const fn next(step: usize) -> Self {
        Self { step, before: None, effective_since: None, disturbed_since: None, is_first: false }
    }
}

/// How a cutover ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// A cutover that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastCutover {
    pub id: String,
    /// What was to take the traffic.
    pub candidate: Candidate,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub outcome: CutoverOutcome,
    pub why: ForeignText,
}

/// What is known of images and candidates: why one is taken and another one is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Releases that have proven themselves, newest last, at most [`GOOD_RELEASES_MAX`].
    pub good: Vec<Release>,
    /// Images that must not take traffic.
    pub vetoes: BTreeMap<ImageId, Veto>,
    /// Candidates that are not tried again for now, by [`Candidate::key`].
    pub held_back: BTreeMap<String, HeldBack>,
    /// Images that the pipeline itself announced, at most [`PUBLISHED_MAX`]: foreign accounts' images show no tags.
    pub published: BTreeMap<ImageId, Published>,
    /// The last [`PAST_MAX`] cutovers, newest last.
    pub past: Vec<PastCutover>,
    /// What a person asked for and has not begun yet.
    pub requested: Option<CandidateReason>,
    /// Why each image that asked for it is no candidate, as it was last said.
    pub refused: BTreeMap<ImageId, ForeignText>,
}

/// How many good releases are remembered: enough to go back twice over a bad week.
pub const GOOD_RELEASES_MAX: usize = 5;
/// How many past cutovers are remembered.
pub const PAST_MAX: usize = 10;
/// How many announced images are remembered.
pub const PUBLISHED_MAX: usize = 20;
/// How many vetoes are remembered. The oldest go first; by then their images are older than the release.
pub const VETOES_MAX: usize = 50;

/// Why an image must not take traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Veto {
    pub at: Timestamp,
    /// Who: a person, or Driftless itself.
    pub by: ForeignText,
    /// What speaks against it.
    pub evidence: Vec<ForeignText>,
}

/// Why a candidate is not tried again for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldBack {
    pub why: ForeignText,
    /// When it is tried again by itself. None: only when a person says so.
    pub until: Option<Timestamp>,
    /// How often it was tried.
    pub tries: u32,
}

/// An image that the pipeline announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    pub at: Timestamp,
    /// Its build, where the announcement says so.
    pub build: Option<ForeignText>,
}

impl Memory {
    /// Nothing is known yet.
    pub const fn new() -> Self {
        Self {
            good: Vec::new(),
            vetoes: BTreeMap::new(),
            held_back: BTreeMap::new(),
            published: BTreeMap::new(),
            past: Vec::new(),
            requested: None,
            refused: BTreeMap::new(),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
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

    /// Whether a person asked for it, so that nothing newer takes its place.
    pub const fn is_asked(&self) -> bool {
        match self.why {
            CandidateReason::Redeploy { .. } | CandidateReason::Rollback { .. } => true,
            CandidateReason::Image | CandidateReason::Template { .. } => false,
        }
    }
}

impl Cutover {
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
        self.policy.cutover.step.max(slowest_alarm + self.policy.cutover.metrics_trail)
    }
}

impl CutoverPhase {
    /// The word for it in messages, the journal and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Preflight => "preflight",
            Self::Preparing => "preparing",
            Self::Scaling => "scaling",
            Self::Verifying { .. } => "verifying",
            Self::AwaitingApproval => "awaiting-approval",
            Self::Shifting(_) => "shifting",
            Self::Baking { .. } => "baking",
            Self::Warm { .. } => "warm",
            Self::Retiring => "retiring-old",
            Self::Aborting { .. } => "aborting",
            Self::RollingBack { .. } => "rolling-back",
            Self::NeedsOperator { .. } => "needs-operator",
        }
    }
}

impl CutoverOutcome {
    /// The word for it in messages, the journal and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Aborted => "aborted",
            Self::Superseded => "superseded",
            Self::RolledBack => "rolled-back",
        }
    }
}
