//! The stored state of a fleet between two passes: one DynamoDB item, written atomically. It contains budget, breaker
//! and borrowed settings, so concurrent runs cannot race on them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fleet::Color;
use crate::ids::{FleetName, GroupName, ImageId, InstanceId, RuleName};
use crate::observation::{Finding, Group};
use crate::template::TemplateVersion;
use crate::text::UntrustedText;

mod borrowed_settings;
mod cutover;
pub mod history;
mod memory;
mod observed;
mod replacement;
pub mod transitions;

pub use borrowed_settings::{BorrowedSetting, Setting};
pub use cutover::{
    Begun, Candidate, CandidateReason, Clocks, Cutover, CutoverOutcome, CutoverPhase, CutoverPhaseKind, FleetBounds,
    Route, Shifting,
};
pub use memory::{
    Deferred, GOOD_RELEASES_MAX, Memory, PAST_MAX, PUBLISHED_MAX, PastCutover, Published, VETOES_MAX, Veto,
};
pub use observed::{OTHER_REASONS, Observed, REASONS_MAX, Tally, WOULD_CUT_OVER_MAX, WouldCutOver};
pub use replacement::{
    BackOff, CancelReason, Cancelling, Descent, DriftReason, Failure, LaunchingAfter, Phase, PhaseKind, Quarantined,
    Refused, Replacement, Retiring, RuleBreaker, StopReason, Stopped, Surge, SurgeMethod, Terminating, Verifying,
};

/// The version of the stored record. A record of another version is refused, never interpreted.
pub const SCHEMA_VERSION: u32 = 1;

/// How many executed commands the record keeps. A message is redelivered within minutes, and no operator sends this
/// many in that time; each uses about 40 bytes.
pub const ANSWERED_MAX: usize = 32;

/// A fleet's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Counts commits; a commit states the version that it replaces.
    pub version: u64,
    pub fleet: FleetName,
    /// The release of the live color. None: not adopted yet.
    pub release: Option<Release>,
    /// The color that was last known to be live. None: not adopted, or a single group.
    pub live: Option<Color>,
    /// Drifted instances, each with its replacement.
    pub replacements: BTreeMap<InstanceId, Replacement>,
    /// Replacement instances of the last [`REPEAT_DRIFT_MEMORY`], each with the instance that it replaced.
    pub repeat_drift: BTreeMap<InstanceId, Descent>,
    /// Findings under rules that are not in the policy's list: shown, never acted on.
    pub shown: BTreeMap<InstanceId, BTreeMap<RuleName, Finding>>,
    /// Settings that Driftless has changed on groups and must restore.
    pub borrowed_settings: Vec<BorrowedSetting>,
    /// Conditions that on-call was notified of, until they end.
    pub conditions: BTreeMap<String, ConditionSince>,
    /// The cutover under way.
    pub cutover: Option<Cutover>,
    /// Stored data about images and candidates.
    pub memory: Memory,
    /// When AWS last refused `LaunchInstances` as unknown: for [`LAUNCH_BY_DESIRED_FOR`] after that, a surge raises the
    /// desired capacity instead.
    pub launches_by_desired_since: Option<Timestamp>,
    /// Instances that already ran another version when the release was set: replaced within the budget, and no sign of
    /// a common cause.
    pub backlog: BTreeSet<InstanceId>,
    /// Instances that an operator wants replaced, each with the operator.
    pub asked_to_replace: BTreeMap<InstanceId, UntrustedText>,
    /// Executed commands, the newest last: the last [`ANSWERED_MAX`], and those whose facts are still stored. A fact
    /// that arrives while a run holds the lease stays stored after the commit that consumed it, and its message is
    /// redelivered if the function stops after that commit. Neither is executed again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<Answered>,
    /// Groups that still launch `$Latest` or `$Default` and that an operator wants pinned to this number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pins: BTreeMap<GroupName, TemplateVersion>,
    /// What Driftless would have done in observe mode since the last digest. None: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Box<Observed>>,
    pub quarantined: BTreeMap<InstanceId, Quarantined>,
    /// The back-off of a capacity shortage. None: no shortage.
    pub back_off: Option<BackOff>,
    /// Rules under which many fleets drifted at once.
    pub rule_breakers: BTreeMap<RuleName, RuleBreaker>,
    /// Actions that IAM last denied, by name, and when: they are not retried in every pass.
    pub denied: BTreeMap<String, Denial>,
}

/// A denied action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    /// When it was last tried.
    pub at: Timestamp,
    pub message: UntrustedText,
}

/// How long a replacement instance is remembered as one. Config evaluates periodic rules at least every 24 hours, so it
/// has found repeat drift by then; a later failure is new drift.
pub const REPEAT_DRIFT_MEMORY: SignedDuration = SignedDuration::from_hours(24);

/// How long a surge avoids `LaunchInstances` after AWS refused it as unknown. Support differs by endpoint and group and
/// can change.
pub const LAUNCH_BY_DESIRED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A release: what a color runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The numbered launch template version.
    pub template: TemplateVersion,
    /// The image of that version.
    pub image: ImageId,
    /// When it became the release.
    pub since: Timestamp,
    /// The build of its image, if it has one: newer images are compared with it.
    pub build: Option<UntrustedText>,
}

/// A condition that on-call was notified of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionSince {
    /// When the condition began.
    pub since: Timestamp,
    /// When on-call was last notified.
    pub announced_at: Timestamp,
    /// The detail of the last announcement.
    pub detail: UntrustedText,
}

/// A command that was executed or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// The request's id, as its sender chose it.
    pub request: String,
    pub is_done: bool,
    /// The resulting state, or the reason for the refusal.
    pub answer: UntrustedText,
}

impl Record {
    /// The record of a fleet before its first pass.
    pub const fn new(fleet: FleetName) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            version: 0,
            fleet,
            release: None,
            live: None,
            replacements: BTreeMap::new(),
            repeat_drift: BTreeMap::new(),
            shown: BTreeMap::new(),
            borrowed_settings: Vec::new(),
            conditions: BTreeMap::new(),
            cutover: None,
            memory: Memory::new(),
            launches_by_desired_since: None,
            backlog: BTreeSet::new(),
            asked_to_replace: BTreeMap::new(),
            answered: Vec::new(),
            pins: BTreeMap::new(),
            observed: None,
            quarantined: BTreeMap::new(),
            back_off: None,
            rule_breakers: BTreeMap::new(),
            denied: BTreeMap::new(),
        }
    }

    /// Since when work has been in progress: a replacement that is not abandoned, a cutover, or a setting that is not
    /// restored.
    pub fn open_since(&self) -> Option<Timestamp> {
        let in_progress = self.replacements.values().filter(|replacement| !replacement.phase().is_final());
        let in_progress = in_progress.map(|replacement| replacement.detected_at);
        let settings = self.borrowed_settings.iter().map(|entry| entry.since);
        in_progress.chain(settings).chain(self.cutover.as_ref().map(|cutover| cutover.started_at)).min()
    }

    /// Since when work has been in progress that Driftless must finish by itself: an admitted replacement, a cutover
    /// that has changed something, or a setting that is not restored. Work that only waits for a guard does not count:
    /// a window, a freeze or `observe` may block it for days, on-call knows why, and it has changed nothing yet.
    pub fn under_way_since(&self) -> Option<Timestamp> {
        let admitted = self.replacements.values().filter_map(|replacement| replacement.phase().surge());
        let admitted = admitted.map(|surge| surge.admitted_at);
        let settings = self.borrowed_settings.iter().map(|entry| entry.since);
        let cutover = self.cutover.as_ref().filter(|cutover| !cutover.is_untouched()).map(|cutover| cutover.started_at);
        admitted.chain(settings).chain(cutover).min()
    }

    /// Replacements that use a slot of the budget, in one group.
    pub fn slots_used(&self, group: &GroupName) -> usize {
        self.replacements
            .values()
            .filter(|replacement| replacement.group == *group && replacement.phase().surge().is_some())
            .count()
    }

    /// Whether a group has no instance except those that Driftless keeps in quarantine, which get no traffic and count
    /// in no capacity. An instance that an operator moved to standby counts as present.
    pub fn is_vacant(&self, group: &Group) -> bool {
        group.members.iter().all(|member| self.quarantined.contains_key(&member.id))
    }

    /// The response to a command, if it was executed and is still stored.
    pub fn answer_to(&self, request: &str) -> Option<&Answered> {
        self.answered.iter().find(|answered| answered.request == request)
    }

    /// Every replacement instance of a surge in progress: under verification, verified while the drifted instance still
    /// exists, or the extra instance of an abandoned surge.
    pub fn successors(&self) -> impl Iterator<Item = &InstanceId> {
        self.replacements.values().filter_map(|replacement| replacement.phase().successor())
    }
}
