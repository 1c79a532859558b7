//! The stored state of a fleet between two passes: one DynamoDB item, written atomically. The replacement budget, the
//! breakers and the borrowed settings are in this item too, so concurrent runs cannot race on them.

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

/// How many answered commands the record keeps. A message is redelivered within minutes, and no operator sends this
/// many commands in that time.
pub const ANSWERED_MAX: usize = 32;

/// A fleet's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// The number of commits so far. A commit states the version that it replaces, and fails if another commit came
    /// first.
    pub version: u64,
    pub fleet: FleetName,
    /// The release of the live color. None: not adopted yet.
    pub release: Option<Release>,
    /// The color that was last known to be live. None: not adopted, or a single group.
    pub live: Option<Color>,
    /// Drifted instances, each with its replacement.
    pub replacements: BTreeMap<InstanceId, Replacement>,
    /// Instances that became replacement instances within the last [`REPEAT_DRIFT_MEMORY`], each with the instance that
    /// it replaced.
    pub repeat_drift: BTreeMap<InstanceId, Descent>,
    /// AWS Config findings under rules that are not in the policy's list, by instance and rule: shown, never acted on.
    pub shown: BTreeMap<InstanceId, BTreeMap<RuleName, Finding>>,
    /// Settings that Driftless has changed on groups and must restore.
    pub borrowed_settings: Vec<BorrowedSetting>,
    /// The conditions that on-call was notified of and that have not ended, by
    /// [`Condition::key`](crate::notification::Condition::key).
    pub conditions: BTreeMap<String, ConditionSince>,
    /// The cutover in progress.
    pub cutover: Option<Cutover>,
    /// What the fleet remembers about images, candidates and past cutovers.
    pub memory: Memory,
    /// When AWS last refused `LaunchInstances` as an unknown operation. For [`LAUNCH_BY_DESIRED_FOR`] after that, a
    /// surge raises the desired capacity instead.
    pub launches_by_desired_since: Option<Timestamp>,
    /// Instances that already ran another launch template version when the release was set. They are replaced within
    /// the budget, and the breaker does not count their outdated version as drift.
    pub backlog: BTreeSet<InstanceId>,
    /// Instances that an operator asked to replace, each with the name of the operator.
    pub asked_to_replace: BTreeMap<InstanceId, UntrustedText>,
    /// Commands that were executed or refused, the newest last: the last [`ANSWERED_MAX`], and older ones whose facts
    /// are still stored. The list prevents a second execution in two cases: a fact that arrives while a run holds the
    /// lease stays stored after the commit that consumed it, and the message of a command is redelivered if the
    /// function stops after that commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<Answered>,
    /// Groups that still launch `$Latest` or `$Default`, each with the version number that an operator wants it pinned
    /// to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pins: BTreeMap<GroupName, TemplateVersion>,
    /// What observe mode has blocked since the last weekly digest. None: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Box<Observed>>,
    pub quarantined: BTreeMap<InstanceId, Quarantined>,
    /// The back-off of the fleet after a launch for which AWS had no capacity. None: no capacity shortage.
    pub back_off: Option<BackOff>,
    /// The open breakers of rules, each for a rule under which many fleets drifted at once.
    pub rule_breakers: BTreeMap<RuleName, RuleBreaker>,
    /// The actions that IAM denies, by the name of the action. They are retried at intervals, not in every pass.
    pub denied: BTreeMap<String, Denial>,
}

/// An action that IAM denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    /// When Driftless read the last denial.
    pub at: Timestamp,
    pub message: UntrustedText,
}

/// How long a replacement instance is remembered as one. Config evaluates periodic rules at least every 24 hours, so it
/// has found repeat drift by then; a later failure is new drift.
pub const REPEAT_DRIFT_MEMORY: SignedDuration = SignedDuration::from_hours(24);

/// How long surges avoid `LaunchInstances` after AWS refused it as an unknown operation. After that they try it again:
/// support differs by endpoint and group, and can change.
pub const LAUNCH_BY_DESIRED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A release: the launch template version and the image that a color runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The numbered launch template version.
    pub template: TemplateVersion,
    /// The image of that version.
    pub image: ImageId,
    /// When this version became the release of the fleet.
    pub since: Timestamp,
    /// The build of the image, if it has one. The builds of newer images are compared with it.
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
    /// The detail of the last notification about the condition.
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

    /// The start of the oldest work in progress: a replacement that is not stopped, a cutover, or a setting that is not
    /// restored. None: no work is in progress.
    pub fn open_since(&self) -> Option<Timestamp> {
        let in_progress = self.replacements.values().filter(|replacement| !replacement.phase().is_final());
        let in_progress = in_progress.map(|replacement| replacement.detected_at);
        let settings = self.borrowed_settings.iter().map(|entry| entry.since);
        in_progress.chain(settings).chain(self.cutover.as_ref().map(|cutover| cutover.started_at)).min()
    }

    /// The start of the oldest work that Driftless must finish by itself: an admitted replacement, a cutover that has
    /// changed something, or a setting that is not restored. Work that only waits for a guard does not count: a window,
    /// a freeze or `observe` may block it for days, on-call knows why, and it has changed nothing yet.
    pub fn under_way_since(&self) -> Option<Timestamp> {
        let admitted = self.replacements.values().filter_map(|replacement| replacement.phase().surge());
        let admitted = admitted.map(|surge| surge.admitted_at);
        let settings = self.borrowed_settings.iter().map(|entry| entry.since);
        let cutover = self.cutover.as_ref().filter(|cutover| !cutover.is_untouched()).map(|cutover| cutover.started_at);
        admitted.chain(settings).chain(cutover).min()
    }

    /// The number of replacements in a group that use a slot of its budget.
    pub fn slots_used(&self, group: &GroupName) -> usize {
        self.replacements
            .values()
            .filter(|replacement| replacement.group == *group && replacement.phase().surge().is_some())
            .count()
    }

    /// Whether a group has no instance besides those that Driftless keeps in quarantine. An instance in quarantine gets
    /// no traffic and does not count towards the desired capacity. An instance that an operator moved to standby counts
    /// as present.
    pub fn is_vacant(&self, group: &Group) -> bool {
        group.members.iter().all(|member| self.quarantined.contains_key(&member.id))
    }

    /// The stored answer to a command. None: the command was not executed yet, or its answer is no longer stored.
    pub fn answer_to(&self, request: &str) -> Option<&Answered> {
        self.answered.iter().find(|answered| answered.request == request)
    }

    /// The replacement instances of all surges in progress: those under verification, those that are verified while the
    /// drifted instance still exists, and the extra instances of abandoned surges.
    pub fn successors(&self) -> impl Iterator<Item = &InstanceId> {
        self.replacements.values().filter_map(|replacement| replacement.phase().successor())
    }
}
