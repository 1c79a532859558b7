//! What is remembered of a fleet between two passes: one item, the unit of consistency. Budget, breaker and borrowed settings live
//! in it, so they cannot be raced.

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

/// The shape of the stored record. A record of another version is refused, never guessed at.
pub const SCHEMA_VERSION: u32 = 1;

/// Requests of people that are remembered after they were followed. A message comes again within minutes, and nobody says
/// so much in minutes; each costs the record some forty bytes.
pub const ANSWERED_MAX: usize = 32;

/// A fleet's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Counts commits; a commit names the version that it replaces.
    pub version: u64,
    pub fleet: FleetName,
    /// What the live color runs. None: not adopted yet.
    pub release: Option<Release>,
    /// The color that was last known to be live. None: not adopted, or a single group.
    pub live: Option<Color>,
    /// Drifted instances and what is being done about each.
    pub replacements: BTreeMap<InstanceId, Replacement>,
    /// Successors of the last [`REPEAT_DRIFT_MEMORY`], with what they descend from.
    pub repeat_drift: BTreeMap<InstanceId, Descent>,
    /// Findings under rules that are not on the fleet's list: shown, never acted on.
    pub shown: BTreeMap<InstanceId, BTreeMap<RuleName, Finding>>,
    /// Settings that Driftless has changed on groups and must restored.
    pub borrowed_settings: Vec<BorrowedSetting>,
    /// States of the fleet that on-call has been told of, until they end.
    pub conditions: BTreeMap<String, ConditionSince>,
    /// The cutover under way.
    pub cutover: Option<Cutover>,
    /// What is known of images and candidates.
    pub memory: Memory,
    /// When `LaunchInstances` was last refused as unknown: for [`LAUNCH_BY_DESIRED_FOR`] a surge raises the desired
    /// capacity instead.
    pub launches_by_desired_since: Option<Timestamp>,
    /// Instances that ran another version than the release when it became the release: replaced within the budget,
    /// and no sign of a common cause.
    pub backlog: BTreeSet<InstanceId>,
    /// Instances that an operator wants to have replaced, with who said so.
    pub asked_to_replace: BTreeMap<InstanceId, UntrustedText>,
    /// Requests that were followed, the newest last: the last [`ANSWERED_MAX`] of them, and
    /// those that are still on file. A fact that comes while a run holds the lease stays on file after the commit that
    /// used it, and its message comes again where a function dies after that commit. They are not followed again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<Answered>,
    /// Groups that an operator wants to launch this number, where they follow `$Latest` or `$Default` still.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pins: BTreeMap<GroupName, TemplateVersion>,
    /// What observe mode has deferred since its last digest. None: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Box<Observed>>,
    /// Instances that are kept for forensics.
    pub quarantined: BTreeMap<InstanceId, Quarantined>,
    /// Set while AWS has no room for a launch.
    pub back_off: Option<BackOff>,
    /// Rules under which many fleets drifted at once.
    pub rule_breakers: BTreeMap<RuleName, RuleBreaker>,
    /// Actions that AWS last denied, by name, and when: they are not tried again at every pass.
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

/// How long a successor is remembered as such. Config evaluates periodic rules at least every 24 hours, so what was
/// drifted from the start has been found by then; a later failure is a drift of its own.
pub const REPEAT_DRIFT_MEMORY: SignedDuration = SignedDuration::from_hours(24);

/// How long a surge does without `LaunchInstances` after it was refused as unknown. Endpoints and groups change.
pub const LAUNCH_BY_DESIRED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What a color runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The numbered launch template version.
    pub template: TemplateVersion,
    /// The image that it names.
    pub image: ImageId,
    /// When it became the release.
    pub since: Timestamp,
    /// Its build, where its image has one: what newer images are compared with.
    pub build: Option<UntrustedText>,
}

/// Since when on-call knows of a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionSince {
    /// When it was entered.
    pub since: Timestamp,
    /// When on-call was last told.
    pub announced_at: Timestamp,
    /// What it said when it was last announced.
    pub detail: UntrustedText,
}

/// A command that was followed, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// The request's id, as its sender chose it.
    pub request: String,
    pub is_done: bool,
    /// The state that it led to, or why not.
    pub answer: UntrustedText,
}

impl Record {
    /// The record of a fleet that was never looked at before.
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

    /// Since when there has been work in progress: a replacement that is not abandoned, a cutover, or a setting to
    /// restore.
    pub fn open_since(&self) -> Option<Timestamp> {
        let in_progress = self.replacements.values().filter(|replacement| !replacement.phase().is_final());
        let in_progress = in_progress.map(|replacement| replacement.detected_at);
        let settings = self.borrowed_settings.iter().map(|entry| entry.since);
        in_progress.chain(settings).chain(self.cutover.as_ref().map(|cutover| cutover.started_at)).min()
    }

    /// Since when something is under way that Driftless must bring to an end by itself: an admitted replacement, a cutover
    /// that has begun to change something, or a setting to restored. What only waits for a guard is not: a window, a freeze
    /// or `observe` may keep it for days, on-call knows why, and nothing is half done.
    pub fn under_way_since(&self) -> Option<Timestamp> {
        let admitted = self.replacements.values().filter_map(|replacement| replacement.phase().surge());
        let admitted = admitted.map(|surge| surge.admitted_at);
        let settings = self.borrowed_settings.iter().map(|entry| entry.since);
        let cutover = self.cutover.as_ref().filter(|cutover| !cutover.is_untouched()).map(|cutover| cutover.started_at);
        admitted.chain(settings).chain(cutover).min()
    }

    /// Replacements that hold a slot of the budget, in one group.
    pub fn slots_used(&self, group: &GroupName) -> usize {
        self.replacements
            .values()
            .filter(|replacement| replacement.group == *group && replacement.phase().surge().is_some())
            .count()
    }

    /// Whether nobody is in a group but those whom Driftless keeps for forensics: they get no traffic, and count in no
    /// capacity. What an operator set aside is that person's, and counts as there.
    pub fn is_vacant(&self, group: &Group) -> bool {
        group.members.iter().all(|member| self.quarantined.contains_key(&member.id))
    }

    /// What a request was answered, if it was followed and is remembered still.
    pub fn answer_to(&self, request: &str) -> Option<&Answered> {
        self.answered.iter().find(|answered| answered.request == request)
    }

    /// Every instance that is a successor under proof, or has proven itself and waits for its predecessor to leave.
    pub fn successors(&self) -> impl Iterator<Item = &InstanceId> {
        self.replacements.values().filter_map(|replacement| replacement.phase().successor())
    }
}
