//! What is remembered of a fleet between two looks: one item, the unit of consistency. Budget, breaker and ledger live
//! in it, so they cannot be raced.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decision::Waiting;
use crate::fleet::Color;
use crate::ids::{FleetName, GroupName, ImageId, InstanceId, RuleName, Zone};
use crate::observation::{Finding, TemplateVersion};
use crate::policy::Policy;
use crate::text::ForeignText;

/// The shape of the stored record. A record of another version is refused, never guessed at.
pub const SCHEMA_VERSION: u32 = 1;

/// A fleet's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Counts commits; a commit names the version that it replaces.
    pub version: u64,
    /// The fleet.
    pub fleet: FleetName,
    /// What the live color runs. None: not adopted yet.
    pub release: Option<Release>,
    /// The color that was last known to be live. None: not adopted, or a single group.
    pub live: Option<Color>,
    /// Drifted instances and what is being done about each.
    pub replacements: BTreeMap<InstanceId, Replacement>,
    /// Successors of the last [`LINEAGE_MEMORY`], with what they descend from.
    pub lineage: BTreeMap<InstanceId, Descent>,
    /// Findings under rules that are not on the fleet's list: shown, never acted on.
    pub shown: BTreeMap<InstanceId, BTreeMap<RuleName, Finding>>,
    /// Settings that Driftless has changed on groups and must put back.
    pub ledger: Vec<LedgerEntry>,
    /// States of the fleet that on-call has been told of, until they end.
    pub conditions: BTreeMap<String, ConditionSince>,
    /// The cutover under way. Always none in this version; its presence blocks replacements.
    pub cutover: Option<Cutover>,
    /// Whether `LaunchInstances` was refused as unknown, so that a surge raises the desired capacity instead.
    pub launches_by_desired: bool,
    /// Actions that AWS last denied, by name, and when: they are not tried again at every look.
    pub denied: BTreeMap<String, Denial>,
}

/// A denied action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    /// When it was last tried.
    pub at: Timestamp,
    /// AWS's message.
    pub message: ForeignText,
}

/// How long a successor is remembered as such. Config evaluates periodic rules at least every 24 hours, so what was
/// born drifted has been found by then; a later failure is a drift of its own.
pub const LINEAGE_MEMORY: SignedDuration = SignedDuration::from_hours(24);

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
}

/// A drifted instance and what is being done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The group that the instance belongs to.
    pub group: GroupName,
    /// Where it runs; its successor goes there too.
    pub zone: Zone,
    /// Why it is not what its release made it.
    pub drift: BTreeSet<DriftReason>,
    /// What Config said, by rule: evidence that outlives the instance.
    pub findings: BTreeMap<RuleName, Finding>,
    /// When the drift was first seen. The debounce counts from here.
    pub detected_at: Timestamp,
    /// Where the replacement is.
    pub phase: Phase,
    /// Attempts that failed, oldest first.
    pub failures: Vec<Failure>,
}

/// Why an instance is not what its release made it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftReason {
    /// A rule of the fleet's list says so.
    Rule(RuleName),
}

/// Where a replacement is. `replaced` and `cleared` are no phases: such a replacement leaves the record, and the
/// journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Phase {
    /// The drift has not lasted long enough yet.
    Debouncing,
    /// A guard says no.
    Blocked(Waiting),
    /// A successor is being launched.
    Launching(Surge),
    /// The successor must be in service, with a healthy target for the warm-up.
    Proving(Proving),
    /// The drifted instance is being terminated.
    Retiring(Retiring),
    /// The surge is given up: its surplus is being terminated, and the drifted instance stays.
    Withdrawing(Withdrawing),
    /// Given up for good. A person must look.
    Stopped(Stopped),
}

/// An attempt to put a successor beside a drifted instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surge {
    /// The idempotency token of the launch: derived from the instance, the attempt and the time of admission.
    pub token: String,
    /// When the guards let it through.
    pub admitted_at: Timestamp,
    /// When the successor must have proven itself. Moves by the time that a freeze holds it.
    pub deadline: Timestamp,
    /// The group's desired capacity at admission: what it must have again at the end, unless someone else changes it.
    pub base_desired: u32,
    /// How the successor comes.
    pub method: SurgeMethod,
    /// Whether the launch was asked for more than once: then an earlier one may have succeeded without an answer.
    pub asked_again: bool,
    /// Since when a freeze holds it.
    pub held_since: Option<Timestamp>,
    /// The policy that it was admitted with. It ends under it, whatever the tags say by then.
    pub policy: Box<Policy>,
}

/// How a successor comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SurgeMethod {
    /// `LaunchInstances`, idempotent, which answers the id.
    LaunchInstances,
    /// Desired capacity raised by one, where the group or the endpoint does not offer the other. The successor is
    /// the instance of the release that was launched after the admission.
    RaiseDesired,
}

/// The proof of a successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proving {
    /// The attempt.
    pub surge: Surge,
    /// The instance that must prove itself.
    pub successor: InstanceId,
    /// Since when it has been in service with a healthy target, without interruption.
    pub healthy_since: Option<Timestamp>,
}

/// The end of a drifted instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retiring {
    /// The attempt.
    pub surge: Surge,
    /// The instance that has proven itself.
    pub successor: InstanceId,
    /// When the drifted instance must be gone.
    pub deadline: Timestamp,
    /// The desired capacity on which the termination was decided.
    pub desired_before: u32,
    /// Whether AWS accepted the termination. After a crash it can be false although it did.
    pub terminated: bool,
}

/// The end of a surge without a replacement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawing {
    /// The attempt.
    pub surge: Surge,
    /// The surplus. None: it is gone or never came, and only the desired capacity is too high.
    pub successor: Option<InstanceId>,
    /// Why.
    pub because: WithdrawReason,
    /// The desired capacity on which taking the surplus back was decided. None: not decided yet.
    pub desired_before: Option<u32>,
    /// Whether AWS accepted that, or there was nothing to take back. After a crash it can be false although it did.
    pub taken_back: bool,
}

/// Why a surge is given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithdrawReason {
    /// The drift is over: there is nothing to replace.
    Cleared,
    /// The drifted instance is gone without our doing.
    DriftedGone,
    /// Many drifted at once: a common cause.
    BreakerOpen,
    /// The successor did not prove itself.
    Failed(ForeignText),
}

/// Why a replacement is given up for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopped {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: StopReason,
}

/// What ends a replacement without success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// [`crate::replacement::ATTEMPTS_MAX`] attempts failed.
    Failures,
    /// The instance is itself a successor and fails the rule that its ancestor was replaced for: the image or the rule
    /// is wrong.
    Lineage {
        /// The replaced instance.
        ancestor: InstanceId,
    },
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// Why, in AWS's own words where it said something.
    pub why: ForeignText,
}

/// What a successor descends from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descent {
    /// The instance that it replaced.
    pub ancestor: InstanceId,
    /// What the ancestor was replaced for.
    pub drift: BTreeSet<DriftReason>,
    /// When.
    pub at: Timestamp,
}

/// A reversible setting that Driftless has changed on a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerEntry {
    /// The group.
    pub group: GroupName,
    /// The setting, with the value it had and the value written.
    pub setting: Setting,
    /// When the change was decided.
    pub since: Timestamp,
}

/// A setting, with the value it had and the value written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// `MaxSize`, raised to make room for successors.
    Maximum {
        /// Before us.
        had: u32,
        /// By us.
        wrote: u32,
    },
    /// Scale-in protection of a successor, which had none.
    Protection {
        /// The successor.
        instance: InstanceId,
    },
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
    pub detail: ForeignText,
}

/// A cutover under way. Its phases are those of the design; nothing starts one in this version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cutover {
    /// The image that takes the traffic.
    pub image: ImageId,
    /// Where it is.
    pub phase: CutoverPhase,
    /// Since when it has been there.
    pub since: Timestamp,
}

/// Where a cutover is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutoverPhase {
    /// Waits for its turn.
    Queued,
    /// Checked without changing anything.
    Preflight,
    /// A launch template version is written.
    Preparing,
    /// The idle color comes up.
    Scaling,
    /// Its targets prove themselves.
    Verifying,
    /// Waits for a person or a pipeline.
    AwaitingApproval,
    /// Traffic moves, step by step.
    Shifting,
    /// Watched at 100 %.
    Baking,
    /// The old color rests at full size.
    Warm,
    /// The old color goes.
    Retiring,
    /// Traffic moves back.
    RollingBack,
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
            lineage: BTreeMap::new(),
            shown: BTreeMap::new(),
            ledger: Vec::new(),
            conditions: BTreeMap::new(),
            cutover: None,
            launches_by_desired: false,
            denied: BTreeMap::new(),
        }
    }

    /// Since when there has been unsettled work: a replacement that is not given up, or a setting to put back.
    pub fn open_since(&self) -> Option<Timestamp> {
        let unsettled = self.replacements.values().filter(|replacement| !replacement.phase.is_final());
        unsettled.map(|replacement| replacement.detected_at).chain(self.ledger.iter().map(|entry| entry.since)).min()
    }

    /// Replacements that hold a slot of the budget, in one group.
    pub fn slots_used(&self, group: &GroupName) -> usize {
        self.replacements
            .values()
            .filter(|replacement| replacement.group == *group && replacement.phase.surge().is_some())
            .count()
    }

    /// Every instance that is a successor under proof, or has proven itself and waits for its predecessor to leave.
    pub fn successors(&self) -> impl Iterator<Item = &InstanceId> {
        self.replacements.values().filter_map(|replacement| replacement.phase.successor())
    }
}

impl Phase {
    /// The attempt that is under way.
    pub const fn surge(&self) -> Option<&Surge> {
        match self {
            Self::Launching(surge) => Some(surge),
            Self::Proving(proving) => Some(&proving.surge),
            Self::Retiring(retiring) => Some(&retiring.surge),
            Self::Withdrawing(withdrawing) => Some(&withdrawing.surge),
            Self::Debouncing | Self::Blocked(_) | Self::Stopped(_) => None,
        }
    }

    /// The successor, once it is known.
    pub const fn successor(&self) -> Option<&InstanceId> {
        match self {
            Self::Proving(proving) => Some(&proving.successor),
            Self::Retiring(retiring) => Some(&retiring.successor),
            Self::Withdrawing(withdrawing) => withdrawing.successor.as_ref(),
            Self::Launching(_) | Self::Debouncing | Self::Blocked(_) | Self::Stopped(_) => None,
        }
    }

    /// Whether nothing more will be done without a person.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Stopped(_))
    }

    /// The word for it in messages, the journal and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Debouncing => "debouncing",
            Self::Blocked(_) => "blocked",
            Self::Launching(_) => "launching",
            Self::Proving(_) => "proving",
            Self::Retiring(_) => "retiring",
            Self::Withdrawing(_) => "withdrawing",
            Self::Stopped(_) => "stopped",
        }
    }
}

impl std::fmt::Display for DriftReason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rule(rule) => write!(formatter, "rule {rule}"),
        }
    }
}

impl std::fmt::Display for WithdrawReason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cleared => formatter.write_str("the drift is over"),
            Self::DriftedGone => formatter.write_str("the drifted instance is gone without our doing"),
            Self::BreakerOpen => formatter.write_str("the breaker opened"),
            Self::Failed(why) => write!(formatter, "the successor failed: {why}"),
        }
    }
}
