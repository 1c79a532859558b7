//! Why something waits.

mod group_problem;
mod guard_id;
mod preflight_problem;
mod protector;
mod traffic_change;
mod words;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use group_problem::{GroupProblem, NeededProcess};
pub use guard_id::GuardId;
pub use preflight_problem::{PreflightCheck, PreflightProblem, RouteProblem};
pub use protector::Protector;
pub use traffic_change::TrafficChange;

use crate::ids::{InstanceId, RuleName};
use crate::policy::Percent;
use crate::text::UntrustedText;

/// Why something waits: a guard's reason, and when it may change.
///
/// It is stored under its guard's name. An alias is the name under which earlier versions stored it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum Waiting {
    /// An operator stopped everything.
    #[serde(rename = "freeze", alias = "frozen")]
    #[error("frozen by {owner}{}: {reason}", words::until(.until.as_ref()))]
    Frozen {
        reason: UntrustedText,
        owner: UntrustedText,
        /// Until when, if it ends by itself.
        until: Option<Timestamp>,
    },
    /// The fleet is only observed.
    #[serde(rename = "mode", alias = "observed")]
    #[error("driftless:mode is observe: Driftless reports what it would do and changes nothing")]
    Observed,
    #[serde(rename = "policy", alias = "policy-invalid")]
    #[error("the policy is invalid: {problem}")]
    PolicyInvalid { problem: UntrustedText },
    /// The list names a rule that AWS Config does not have.
    #[serde(rename = "rules")]
    #[error("the policy is invalid: driftless:rules names a rule that AWS Config does not have")]
    RuleMissing,
    /// Disruption may start at other hours only.
    #[serde(rename = "window", alias = "window-closed")]
    #[error("{}", words::window(.opens_at.as_ref()))]
    WindowClosed {
        /// When the window opens. None: not in the next two weeks.
        opens_at: Option<Timestamp>,
    },
    #[serde(rename = "cutover", alias = "cutover-under-way")]
    #[error("a cutover is in progress")]
    CutoverUnderWay,
    /// The groups form no fleet that Driftless works with.
    #[serde(rename = "setup")]
    #[error("the groups of the fleet are not ready: {obstacle}")]
    SetupUnfit {
        /// What stands in the way, as it is told.
        obstacle: UntrustedText,
    },
    /// The group cannot take a replacement now.
    #[serde(rename = "group", alias = "group-not-fit")]
    #[error("the group cannot take a replacement now: {problem}")]
    GroupNotFit { problem: GroupProblem },
    /// The instance came since a launch was asked for that has not answered.
    #[serde(rename = "successor")]
    #[error(
        "the group cannot take a replacement now: this instance may be the replacement instance for {ancestor}, whose \
         launch call has not returned yet"
    )]
    MayBeSuccessor {
        /// The instance whose successor it may be.
        ancestor: InstanceId,
    },
    /// AWS Config did not answer for every rule of the list in this pass.
    #[serde(rename = "drift-read")]
    #[error("the group cannot take a replacement now: AWS Config did not answer for every rule in driftless:rules")]
    DriftUnread,
    /// This look has not read what a replacement must know of the group.
    #[serde(rename = "hooks-read")]
    #[error(
        "the group cannot take a replacement now: the next reconcile pass reads its lifecycle hooks and instance refreshes"
    )]
    HooksUnread,
    /// Too many drifted at once.
    #[serde(rename = "breaker", alias = "breaker-open")]
    #[error("the breaker is open: {drifted} of {members} instances drifted at once, limit {limit}")]
    BreakerOpen {
        drifted: u32,
        members: u32,
        /// The share that is allowed.
        limit: Percent,
    },
    /// Many fleets drifted at once under this rule: it is the rule's doing.
    #[serde(rename = "rule-breaker", alias = "rule-breaker-open")]
    #[error("the breaker is open for rule {rule}: {fleets} fleets drifted under this rule at once")]
    RuleBreakerOpen { rule: RuleName, fleets: u32 },
    /// Another instance of the fleet was replaced for this, and its successor drifted for the same reason.
    #[error("the replacement instance for {ancestor} drifted for the same reason")]
    RepeatDrift { ancestor: InstanceId },
    /// As many instances as allowed are being replaced, or do not serve.
    #[serde(rename = "budget", alias = "budget-spent")]
    #[error("the budget is used up: {used} instances are being replaced or not healthy, limit {limit}")]
    BudgetSpent {
        /// How many are being replaced, or do not serve.
        used: u32,
        /// How many are allowed.
        limit: u32,
    },
    /// An attempt failed; the next one waits.
    #[error("the last attempt failed: next attempt at {until:.0}")]
    BackOff { until: Timestamp },
    /// AWS had no room for the last launch of the fleet; the next one waits.
    #[serde(rename = "capacity", alias = "capacity-short")]
    #[error("AWS has no capacity for launches of this fleet: next attempt at {until:.0}")]
    CapacityShort { until: Timestamp },
    /// As many instances as allowed are kept for forensics.
    #[serde(rename = "quarantine", alias = "quarantine-full")]
    #[error("{}", words::quarantine(.until.as_ref()))]
    QuarantineFull {
        /// When the first of them goes. None: they are on their way there still.
        until: Option<Timestamp>,
    },
    /// Someone protects the instance.
    #[serde(rename = "protection", alias = "protected")]
    #[error("protected by {by}")]
    Protected {
        by: Protector,
        /// Until when, if the protection says so.
        until: Option<Timestamp>,
    },
    /// The instance is not in service: Auto Scaling, or an operator, has it.
    #[serde(rename = "in-service", alias = "not-in-service")]
    #[error("the instance is not in service ({state})")]
    NotInService { state: UntrustedText },
    /// The instance is no member of its group any more.
    #[serde(rename = "member")]
    #[error("the instance is no longer in its group")]
    Gone,
    /// The drift must last longer first.
    #[error("the debounce time ends at {until:.0}")]
    Debounce { until: Timestamp },
    /// Terminating it would leave too few serving.
    #[serde(rename = "min-healthy", alias = "below minimum")]
    #[error("only {serving} instances would stay healthy, minimum healthy is {minimum_healthy}")]
    BelowMinimum {
        /// How many would serve.
        serving: u32,
        minimum_healthy: u32,
    },
    /// As many fleets of the account as allowed are cutting over.
    #[serde(rename = "slot", alias = "turn", alias = "no-turn")]
    #[error("{limit} fleets are cutting over, which is the limit for this account")]
    NoSlot {
        /// How many are allowed.
        limit: usize,
    },
    /// A check before the first change does not hold.
    #[serde(rename = "preflight", alias = "preflight-failed")]
    #[error("a preflight check failed: {problem}")]
    PreflightFailed {
        /// Which one, and why.
        problem: PreflightProblem,
    },
    /// Instances of the fleet are being replaced: that ends first.
    #[serde(rename = "replacements", alias = "replacements-under-way")]
    #[error("{surges} instances of the fleet are being replaced: the cutover starts after that")]
    ReplacementsUnderWay { surges: u32 },
    /// An operator paused it.
    #[serde(rename = "pause", alias = "paused")]
    #[error("paused by {actor}")]
    Paused { actor: UntrustedText },
    /// An operator or a pipeline must approve it.
    #[serde(rename = "approval", alias = "awaiting-approval")]
    #[error("waiting for approval until {until:.0}")]
    AwaitingApproval {
        /// Until when: then it is abandoned.
        until: Timestamp,
    },
    /// Alarms of both colors ring: no fault of the new release.
    #[error("{detail}")]
    BothColorsAlarm { detail: UntrustedText },
    /// An alarm that guards it does not exist.
    #[serde(rename = "guard-alarm", alias = "guard-alarm-missing")]
    #[error("guard alarm {alarm} does not exist")]
    GuardAlarmMissing { alarm: UntrustedText },
    /// An external change moved the traffic.
    #[serde(rename = "traffic", alias = "traffic-changed-by-others")]
    #[error("{change}")]
    TrafficChangedByOthers {
        #[serde(alias = "detail")]
        change: TrafficChange,
    },
    /// Too few of the new color serve to give it traffic, or more of it.
    #[serde(rename = "color-min-healthy", alias = "color-below-floor")] // an old name
    #[error("only {serving} instances of the new color are healthy, {minimum_healthy} needed")]
    ColorBelowMinimum { serving: u32, minimum_healthy: u32 },
    /// Too few of the old color serve to take the traffic back.
    #[serde(rename = "rollback-min-healthy", alias = "rollback-below-floor")] // an old name
    #[error("only {serving} instances of the old color are healthy, {minimum_healthy} needed to take all traffic back")]
    RollbackBelowMinimum { serving: u32, minimum_healthy: u32 },
    /// Nobody of the old color serves: the new one is not scaled to zero before somebody does.
    #[serde(rename = "old-color", alias = "old-color-down")]
    #[error("the old color has no healthy targets: the {left} healthy instances of the new color stay until it has")]
    OldColorDown {
        /// How many of the new color serve.
        left: u32,
    },
    /// Only an operator can say how it goes on.
    #[serde(rename = "operator", alias = "needs-operator")]
    #[error("an operator must choose between resume and rollback: {why}")]
    NeedsOperator { why: UntrustedText },
}

impl Waiting {
    /// The guard that says so.
    pub const fn guard(&self) -> GuardId {
        match self {
            Self::Frozen { .. } => GuardId::Freeze,
            Self::Observed => GuardId::Mode,
            Self::PolicyInvalid { .. } => GuardId::Policy,
            Self::RuleMissing => GuardId::Rules,
            Self::SetupUnfit { .. } => GuardId::Setup,
            Self::WindowClosed { .. } => GuardId::Window,
            Self::CutoverUnderWay => GuardId::Cutover,
            Self::GroupNotFit { .. } => GuardId::Group,
            Self::MayBeSuccessor { .. } => GuardId::Successor,
            Self::DriftUnread => GuardId::DriftRead,
            Self::HooksUnread => GuardId::HooksRead,
            Self::BreakerOpen { .. } => GuardId::Breaker,
            Self::RuleBreakerOpen { .. } => GuardId::RuleBreaker,
            Self::RepeatDrift { .. } => GuardId::RepeatDrift,
            Self::BudgetSpent { .. } => GuardId::Budget,
            Self::BackOff { .. } => GuardId::BackOff,
            Self::CapacityShort { .. } => GuardId::Capacity,
            Self::QuarantineFull { .. } => GuardId::Quarantine,
            Self::Protected { .. } => GuardId::Protection,
            Self::Gone => GuardId::Member,
            Self::NotInService { .. } => GuardId::InService,
            Self::Debounce { .. } => GuardId::Debounce,
            Self::BelowMinimum { .. } => GuardId::MinHealthy,
            Self::NoSlot { .. } => GuardId::Slot,
            Self::PreflightFailed { .. } => GuardId::Preflight,
            Self::ReplacementsUnderWay { .. } => GuardId::Replacements,
            Self::Paused { .. } => GuardId::Pause,
            Self::AwaitingApproval { .. } => GuardId::Approval,
            Self::BothColorsAlarm { .. } => GuardId::BothColorsAlarm,
            Self::GuardAlarmMissing { .. } => GuardId::GuardAlarm,
            Self::TrafficChangedByOthers { .. } => GuardId::Traffic,
            Self::ColorBelowMinimum { .. } => GuardId::ColorMinHealthy,
            Self::RollbackBelowMinimum { .. } => GuardId::RollbackMinHealthy,
            Self::OldColorDown { .. } => GuardId::OldColor,
            Self::NeedsOperator { .. } => GuardId::Operator,
        }
    }

    /// When it may change by itself. None: only an event, an operator or the end of other work changes it.
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
            | Self::RuleMissing
            | Self::SetupUnfit { .. }
            | Self::GroupNotFit { .. }
            | Self::MayBeSuccessor { .. }
            | Self::DriftUnread
            | Self::HooksUnread
            | Self::Gone
            | Self::BreakerOpen { .. }
            | Self::RuleBreakerOpen { .. }
            | Self::RepeatDrift { .. }
            | Self::BudgetSpent { .. }
            | Self::NotInService { .. }
            | Self::BelowMinimum { .. }
            | Self::NoSlot { .. }
            | Self::PreflightFailed { .. }
            | Self::ReplacementsUnderWay { .. }
            | Self::Paused { .. }
            | Self::BothColorsAlarm { .. }
            | Self::GuardAlarmMissing { .. }
            | Self::TrafficChangedByOthers { .. }
            | Self::ColorBelowMinimum { .. }
            | Self::RollbackBelowMinimum { .. }
            | Self::OldColorDown { .. }
            | Self::NeedsOperator { .. } => None,
        }
    }
}
