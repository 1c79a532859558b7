//! What goes out of a decision, apart from its actions.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::ids::{GroupName, InstanceId, RuleName, Zone};
use crate::notification::Notification;
use crate::observation::Finding;
use crate::policy::Percent;
use crate::record::{DriftReason, Record};
use crate::text::ForeignText;

mod words;

/// The planner's answer. It fixes everything: acting on it needs no further choice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a decision that is not committed and acted on is lost"]
pub struct Decision {
    /// The record to commit before anything is done.
    pub next: Record,
    /// Whether there is anything to commit.
    pub changed: bool,
    /// Facts that are now part of the record and need not be kept.
    pub consumed: Vec<String>,
    /// What to write into the journal with the commit.
    pub journal: Vec<JournalEntry>,
    /// What to tell on-call, with the commit, through the outbox.
    pub notifications: Vec<Notification>,
    /// What to do, in this order. Never in the record: the next decision derives what is still to be done from what
    /// it sees.
    pub actions: Vec<Action>,
    /// Why each drifted instance waits.
    pub waiting: BTreeMap<InstanceId, Waiting>,
    /// Why the cutover under way waits. None: it does not, or none is under way.
    pub cutover_waits: Option<Waiting>,
    /// When to look again at the latest. None: nothing is waited for.
    pub recheck: Option<Timestamp>,
    /// Rules that an instance began to break in this look: kept with the account, where all fleets see it.
    pub begins_to_drift: BTreeSet<RuleName>,
}

impl Decision {
    /// A decision that commits this record and does nothing else.
    pub const fn keeping(next: Record) -> Self {
        Self {
            next,
            changed: true,
            consumed: Vec::new(),
            journal: Vec::new(),
            notifications: Vec::new(),
            actions: Vec::new(),
            waiting: BTreeMap::new(),
            cutover_waits: None,
            recheck: None,
            begins_to_drift: BTreeSet::new(),
        }
    }
}

/// Why something waits: a guard's verdict, and when it may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum Waiting {
    /// A person stopped everything.
    Frozen {
        reason: ForeignText,
        owner: ForeignText,
        /// Until when, if it ends by itself.
        until: Option<Timestamp>,
    },
    /// The fleet is only observed.
    Observed,
    PolicyInvalid {
        problem: ForeignText,
    },
    /// Disruption may start at other hours only.
    WindowClosed {
        /// When the window opens. None: not in the next two weeks.
        opens_at: Option<Timestamp>,
    },
    CutoverUnderWay,
    /// The group cannot take a replacement now.
    GroupNotFit {
        problem: ForeignText,
    },
    /// Too many drifted at once.
    BreakerOpen {
        /// How many.
        drifted: u32,
        /// Of how many.
        members: u32,
        /// The share that is allowed.
        limit: Percent,
    },
    /// Many fleets drifted at once under this rule: it is the rule's doing.
    RuleBreakerOpen {
        rule: RuleName,
        fleets: u32,
    },
    /// Another instance of the fleet was replaced for this, and its successor drifted for the same reason.
    Lineage {
        /// The replaced instance.
        ancestor: InstanceId,
    },
    /// As many instances as allowed are being replaced, or do not serve.
    BudgetSpent {
        /// How many are being replaced, or do not serve.
        used: u32,
        /// How many are allowed.
        limit: u32,
    },
    /// An attempt failed; the next one waits.
    BackOff {
        until: Timestamp,
    },
    /// AWS had no room for the last launch of the fleet; the next one waits.
    CapacityShort {
        until: Timestamp,
    },
    /// As many instances as allowed are kept for forensics.
    QuarantineFull {
        /// When the first of them goes. None: they are on their way there still.
        until: Option<Timestamp>,
    },
    /// Someone protects the instance.
    Protected {
        by: ForeignText,
        /// Until when, if the protection says so.
        until: Option<Timestamp>,
    },
    /// The instance is not in service: Auto Scaling, or a person, has it.
    NotInService {
        state: ForeignText,
    },
    /// The drift must last longer first.
    Debounce {
        until: Timestamp,
    },
    /// Terminating it would leave too few serving.
    BelowFloor {
        /// How many would serve.
        serving: u32,
        /// How many must.
        floor: u32,
    },
    /// As many fleets of the account as allowed are cutting over.
    NoTurn {
        /// How many are allowed.
        limit: usize,
    },
    /// A check before the first change does not hold.
    PreflightFailed {
        /// Which one.
        problem: ForeignText,
    },
    /// Instances of the fleet are being replaced: that ends first.
    ReplacementsUnderWay {
        /// How many.
        surges: u32,
    },
    /// A person paused it.
    Paused {
        actor: ForeignText,
    },
    /// A person or a pipeline must approve it.
    AwaitingApproval {
        /// Until when: then it is given up.
        until: Timestamp,
    },
    /// Alarms of both colors ring: no fault of the new release.
    BothColorsAlarm {
        detail: ForeignText,
    },
    /// An alarm that guards it does not exist.
    GuardAlarmMissing {
        alarm: ForeignText,
    },
    /// Another hand moved the traffic.
    TrafficChangedByOthers {
        detail: ForeignText,
    },
    /// Too few of the new color serve to give it traffic, or more of it.
    ColorBelowFloor {
        /// How many serve.
        serving: u32,
        /// How many must.
        floor: u32,
    },
    /// Too few of the old color serve to take the traffic back.
    RollbackBelowFloor {
        /// How many serve.
        serving: u32,
        /// How many must.
        floor: u32,
    },
    /// Nobody of the old color serves: the new one is not let go before somebody does.
    OldColorDown {
        /// How many of the new color serve.
        left: u32,
    },
    /// Only a person can say how it goes on.
    NeedsOperator {
        why: ForeignText,
    },
}

impl Waiting {
    /// The guard's name.
    pub const fn guard(&self) -> &'static str {
        match self {
            Self::Frozen { .. } => "freeze",
            Self::Observed => "mode",
            Self::PolicyInvalid { .. } => "policy",
            Self::WindowClosed { .. } => "window",
            Self::CutoverUnderWay => "cutover",
            Self::GroupNotFit { .. } => "group",
            Self::BreakerOpen { .. } => "breaker",
            Self::RuleBreakerOpen { .. } => "rule-breaker",
            Self::Lineage { .. } => "lineage",
            Self::BudgetSpent { .. } => "budget",
            Self::BackOff { .. } => "back-off",
            Self::CapacityShort { .. } => "capacity",
            Self::QuarantineFull { .. } => "quarantine",
            Self::Protected { .. } => "protection",
            Self::NotInService { .. } => "in-service",
            Self::Debounce { .. } => "debounce",
            Self::BelowFloor { .. } => "floor",
            Self::NoTurn { .. } => "turn",
            Self::PreflightFailed { .. } => "preflight",
            Self::ReplacementsUnderWay { .. } => "replacements",
            Self::Paused { .. } => "pause",
            Self::AwaitingApproval { .. } => "approval",
            Self::BothColorsAlarm { .. } => "both-colors-alarm",
            Self::GuardAlarmMissing { .. } => "guard-alarm",
            Self::TrafficChangedByOthers { .. } => "traffic",
            Self::ColorBelowFloor { .. } => "color-floor",
            Self::RollbackBelowFloor { .. } => "rollback-floor",
            Self::OldColorDown { .. } => "old-color",
            Self::NeedsOperator { .. } => "operator",
        }
    }

    /// When it may change by itself. None: only an event, a person or the end of other work changes it.
    pub const fn may_change_at(&self) -> Option<Timestamp> {
        match self {
            Self::Frozen { until, .. }
            | Self::Protected { until, .. }
            | Self::WindowClosed { opens_at: until }
            | Self::QuarantineFull { until } => *until,
            Self::BackOff { until }
            | Self::Debounce { until }
            | Self::CapacityShort { until }
            | Self::AwaitingApproval { until } => Some(*until),
            Self::Observed
            | Self::PolicyInvalid { .. }
            | Self::CutoverUnderWay
            | Self::GroupNotFit { .. }
            | Self::BreakerOpen { .. }
            | Self::RuleBreakerOpen { .. }
            | Self::Lineage { .. }
            | Self::BudgetSpent { .. }
            | Self::NotInService { .. }
            | Self::BelowFloor { .. }
            | Self::NoTurn { .. }
            | Self::PreflightFailed { .. }
            | Self::ReplacementsUnderWay { .. }
            | Self::Paused { .. }
            | Self::BothColorsAlarm { .. }
            | Self::GuardAlarmMissing { .. }
            | Self::TrafficChangedByOthers { .. }
            | Self::ColorBelowFloor { .. }
            | Self::RollbackBelowFloor { .. }
            | Self::OldColorDown { .. }
            | Self::NeedsOperator { .. } => None,
        }
    }
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalEntry {
    pub at: Timestamp,
    /// The instance that it is about, if it is about one.
    pub instance: Option<InstanceId>,
    /// The phase or state before.
    pub from: String,
    /// The phase or state after.
    pub to: String,
    pub why: ForeignText,
    /// Who or what brought it about.
    pub actor: String,
    /// What is kept of an instance that is about to go.
    pub evidence: Option<Evidence>,
}

/// What is kept of a drifted instance before it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Why it counts as drifted.
    pub drift: Vec<DriftReason>,
    /// What Config said, by rule.
    pub findings: BTreeMap<RuleName, Finding>,
    pub group: GroupName,
    pub zone: Zone,
    /// What EC2 said of it. None: EC2 no longer knew it.
    pub machine: Option<crate::observation::Machine>,
    /// When the drift was first seen.
    pub detected_at: Timestamp,
    /// The instance that took its place. None: it goes first, and none came yet.
    pub successor: Option<InstanceId>,
    /// What the guards said, in words.
    pub guards: Vec<String>,
}
