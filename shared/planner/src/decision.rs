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
    /// When to look again at the latest. None: nothing is waited for.
    pub recheck: Option<Timestamp>,
    /// Rules that an instance began to break in this look: kept with the account, where all fleets see it.
    pub begins_to_drift: BTreeSet<RuleName>,
}

/// Why something waits: a guard's verdict, and when it may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum Waiting {
    /// A person stopped everything.
    Frozen {
        /// Why.
        reason: ForeignText,
        /// Who.
        owner: ForeignText,
        /// Until when, if it ends by itself.
        until: Option<Timestamp>,
    },
    /// The fleet is only observed.
    Observed,
    /// The policy is invalid.
    PolicyInvalid {
        /// Why.
        problem: ForeignText,
    },
    /// Disruption may start at other hours only.
    WindowClosed {
        /// When the window opens. None: not in the next two weeks.
        opens_at: Option<Timestamp>,
    },
    /// A cutover is under way.
    CutoverUnderWay,
    /// The group cannot take a replacement now.
    GroupNotFit {
        /// Why.
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
        /// The rule.
        rule: RuleName,
        /// How many fleets.
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
        /// Until when.
        until: Timestamp,
    },
    /// AWS had no room for the last launch of the fleet; the next one waits.
    CapacityShort {
        /// Until when.
        until: Timestamp,
    },
    /// As many instances as allowed are kept for forensics.
    QuarantineFull {
        /// When the first of them goes. None: they are on their way there still.
        until: Option<Timestamp>,
    },
    /// Someone protects the instance.
    Protected {
        /// By what.
        by: ForeignText,
        /// Until when, if the protection says so.
        until: Option<Timestamp>,
    },
    /// The instance is not in service: Auto Scaling, or a person, has it.
    NotInService {
        /// Its state.
        state: ForeignText,
    },
    /// The drift must last longer first.
    Debounce {
        /// Until when.
        until: Timestamp,
    },
    /// Terminating it would leave too few serving.
    BelowFloor {
        /// How many would serve.
        serving: u32,
        /// How many must.
        floor: u32,
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
        }
    }

    /// When it may change by itself. None: only an event, a person or the end of other work changes it.
    pub const fn may_change_at(&self) -> Option<Timestamp> {
        match self {
            Self::Frozen { until, .. }
            | Self::Protected { until, .. }
            | Self::WindowClosed { opens_at: until }
            | Self::QuarantineFull { until } => *until,
            Self::BackOff { until } | Self::Debounce { until } | Self::CapacityShort { until } => Some(*until),
            Self::Observed
            | Self::PolicyInvalid { .. }
            | Self::CutoverUnderWay
            | Self::GroupNotFit { .. }
            | Self::BreakerOpen { .. }
            | Self::RuleBreakerOpen { .. }
            | Self::Lineage { .. }
            | Self::BudgetSpent { .. }
            | Self::NotInService { .. }
            | Self::BelowFloor { .. } => None,
        }
    }
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Frozen { reason, owner, until: Some(until) } => {
                write!(formatter, "frozen by {owner} until {until:.0}: {reason}")
            }
            Self::Frozen { reason, owner, until: None } => write!(formatter, "frozen by {owner}: {reason}"),
            Self::Observed => {
                formatter.write_str("mode is observe: Driftless says what it would do, and changes nothing")
            }
            Self::PolicyInvalid { problem } => write!(formatter, "the policy is invalid: {problem}"),
            Self::WindowClosed { opens_at: Some(at) } => write!(formatter, "the window is closed until {at:.0}"),
            Self::WindowClosed { opens_at: None } => {
                formatter.write_str("the window is closed, and does not open in the next two weeks")
            }
            Self::CutoverUnderWay => formatter.write_str("a cutover is under way"),
            Self::GroupNotFit { problem } => write!(formatter, "the group cannot take a replacement now: {problem}"),
            Self::BreakerOpen { drifted, members, limit } => {
                write!(formatter, "the breaker is open: {drifted} of {members} drifted at once, more than {limit}")
            }
            Self::RuleBreakerOpen { rule, fleets } => {
                write!(formatter, "the breaker is open for rule {rule}: {fleets} fleets drifted under it at once")
            }
            Self::Lineage { ancestor } => {
                write!(
                    formatter,
                    "the successor of {ancestor}, which was replaced for this, drifted for the same reason"
                )
            }
            Self::BudgetSpent { used, limit } => {
                write!(formatter, "the budget is spent: {used} being replaced or not serving, and {limit} allowed")
            }
            Self::CapacityShort { until } => {
                write!(formatter, "AWS has no room for the fleet's launches: next one at {until:.0}")
            }
            Self::QuarantineFull { until: Some(until) } => {
                write!(formatter, "as many instances as allowed are kept for forensics; the first goes at {until:.0}")
            }
            Self::QuarantineFull { until: None } => {
                formatter.write_str("as many instances as allowed are on their way to be kept for forensics")
            }
            Self::BackOff { until } => write!(formatter, "the last attempt failed: next one at {until:.0}"),
            Self::Protected { by, .. } => write!(formatter, "protected by {by}"),
            Self::NotInService { state } => write!(formatter, "not in service ({state}): Auto Scaling has it"),
            Self::Debounce { until } => write!(formatter, "the drift must last until {until:.0}"),
            Self::BelowFloor { serving, floor } => {
                write!(formatter, "only {serving} would serve, and the floor is {floor}")
            }
        }
    }
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalEntry {
    /// When.
    pub at: Timestamp,
    /// The instance that it is about, if it is about one.
    pub instance: Option<InstanceId>,
    /// The phase or state before.
    pub from: String,
    /// The phase or state after.
    pub to: String,
    /// Why.
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
    /// The group.
    pub group: GroupName,
    /// Where it ran.
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
