//! Why something waits.

mod words;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, RuleName};
use crate::policy::Percent;
use crate::text::ForeignText;

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
