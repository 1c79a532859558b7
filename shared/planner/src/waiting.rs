//! The reasons for which a replacement or a cutover waits.

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

/// Why a replacement or a cutover waits: the reason of a guard, and when it may change.
///
/// A reason is stored under the name of its guard. Its serde alias is the name under which earlier versions stored it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum Waiting {
    /// An operator's freeze is in force.
    #[serde(rename = "freeze", alias = "frozen")]
    #[error("frozen by {owner}{}: {reason}", words::until(.until.as_ref()))]
    Frozen {
        reason: UntrustedText,
        owner: UntrustedText,
        /// When the freeze ends. None: an operator must end it.
        until: Option<Timestamp>,
    },
    /// The fleet is in observe mode.
    #[serde(rename = "mode", alias = "observed")]
    #[error("driftless:mode is observe: Driftless reports what it would do and changes nothing")]
    Observed,
    #[serde(rename = "policy", alias = "policy-invalid")]
    #[error("the policy is invalid: {problem}")]
    PolicyInvalid { problem: UntrustedText },
    /// The policy lists a rule that AWS Config does not have, and so is invalid.
    #[serde(rename = "rules")]
    #[error("the policy is invalid: driftless:rules names a rule that AWS Config does not have")]
    RuleMissing,
    /// The change window is closed.
    #[serde(rename = "window", alias = "window-closed")]
    #[error("{}", words::window(.opens_at.as_ref()))]
    WindowClosed {
        /// When the window opens. None: not in the next two weeks.
        opens_at: Option<Timestamp>,
    },
    #[serde(rename = "cutover", alias = "cutover-under-way")]
    #[error("a cutover is in progress")]
    CutoverUnderWay,
    /// The groups do not form a fleet that Driftless supports.
    #[serde(rename = "setup")]
    #[error("the groups of the fleet are not ready: {obstacle}")]
    SetupUnfit {
        /// The obstacle, in words.
        obstacle: UntrustedText,
    },
    /// The group cannot take a replacement now.
    #[serde(rename = "group", alias = "group-not-fit")]
    #[error("the group cannot take a replacement now: {problem}")]
    GroupNotFit { problem: GroupProblem },
    /// The instance appeared after a launch call that has no response yet, so it may be the replacement instance of
    /// that call.
    #[serde(rename = "launch-pending", alias = "successor")]
    #[error(
        "the group cannot take a replacement now: this instance may be the replacement instance for {ancestor}, whose \
         launch call has not returned yet"
    )]
    MayBeSuccessor {
        /// The drifted instance for which the launch call was made.
        ancestor: InstanceId,
    },
    /// AWS Config did not return every rule of the policy in this pass.
    #[serde(rename = "drift-read")]
    #[error("the group cannot take a replacement now: AWS Config did not answer for every rule in driftless:rules")]
    DriftUnread,
    /// This pass has not read the lifecycle hooks and instance refreshes of the group.
    #[serde(rename = "hooks-read")]
    #[error(
        "the group cannot take a replacement now: the next reconcile pass reads its lifecycle hooks and instance refreshes"
    )]
    HooksUnread,
    /// Too many instances drifted at once.
    #[serde(rename = "breaker", alias = "breaker-open")]
    #[error("the breaker is open: {drifted} of {members} instances drifted at once, limit {limit}")]
    BreakerOpen { drifted: u32, members: u32, limit: Percent },
    /// Many fleets drifted at once under this rule, which is probably at fault.
    #[serde(rename = "rule-breaker", alias = "rule-breaker-open")]
    #[error("the breaker is open for rule {rule}: {fleets} fleets drifted under this rule at once")]
    RuleBreakerOpen { rule: RuleName, fleets: u32 },
    /// Another instance was replaced for this reason, and its replacement instance drifted for the same reason.
    #[serde(alias = "lineage")] // an old name
    #[error("the replacement instance for {ancestor} drifted for the same reason")]
    RepeatDrift { ancestor: InstanceId },
    /// The budget is used up by replacements and unhealthy instances.
    #[serde(rename = "budget", alias = "budget-spent")]
    #[error("the budget is used up: {used} instances are being replaced or not healthy, limit {limit}")]
    BudgetSpent {
        /// The number of instances that are being replaced or are unhealthy.
        used: u32,
        /// The number of such instances that the budget allows.
        limit: u32,
    },
    /// An attempt to replace the instance failed, and the next attempt waits.
    #[error("the last attempt failed: next attempt at {until:.0}")]
    BackOff { until: Timestamp },
    /// AWS had no capacity for the last launch of the fleet, so that the fleet backs off.
    #[serde(rename = "capacity", alias = "capacity-short")]
    #[error("AWS has no capacity for launches of this fleet: next attempt at {until:.0}")]
    CapacityShort { until: Timestamp },
    /// The quarantine of the fleet is full.
    #[serde(rename = "quarantine", alias = "quarantine-full")]
    #[error("{}", words::quarantine(.until.as_ref()))]
    QuarantineFull {
        /// When the first quarantined instance is terminated. None: the instances are still entering quarantine.
        until: Option<Timestamp>,
    },
    /// A tag or a setting protects the instance.
    #[serde(rename = "protection", alias = "protected")]
    #[error("protected by {by}")]
    Protected {
        by: Protector,
        /// When the protection ends. None: the protection names no time.
        until: Option<Timestamp>,
    },
    /// The instance is not InService: Auto Scaling or an operator is changing it.
    #[serde(rename = "in-service", alias = "not-in-service")]
    #[error("the instance is not in service ({state})")]
    NotInService { state: UntrustedText },
    /// The instance is no member of its group any more.
    #[serde(rename = "member")]
    #[error("the instance is no longer in its group")]
    Gone,
    /// The drift has not yet lasted for the debounce time.
    #[error("the debounce time ends at {until:.0}")]
    Debounce { until: Timestamp },
    /// Terminating the instance would leave fewer healthy instances than the minimum healthy.
    #[serde(rename = "min-healthy", alias = "floor", alias = "below-floor")] // old names
    #[error("only {serving} instances would stay healthy, minimum healthy is {minimum_healthy}")]
    BelowMinimum {
        /// The number of instances that would stay healthy.
        serving: u32,
        minimum_healthy: u32,
    },
    /// All cutover slots of the account are in use.
    #[serde(rename = "slot", alias = "turn", alias = "no-turn")]
    #[error("{limit} fleets are cutting over, which is the limit for this account")]
    NoSlot {
        /// The number of slots in the account.
        limit: usize,
    },
    /// A preflight check blocks.
    #[serde(rename = "preflight", alias = "preflight-failed")]
    #[error("a preflight check failed: {problem}")]
    PreflightFailed {
        /// The check, and why it blocks.
        problem: PreflightProblem,
    },
    /// Instances of the fleet are being replaced, which must end before the cutover starts.
    #[serde(rename = "replacements", alias = "replacements-under-way")]
    #[error("{surges} instances of the fleet are being replaced: the cutover starts after that")]
    ReplacementsUnderWay { surges: u32 },
    /// An operator paused the cutover.
    #[serde(rename = "pause", alias = "paused")]
    #[error("paused by {actor}")]
    Paused { actor: UntrustedText },
    /// An operator or a pipeline must approve the cutover.
    #[serde(rename = "approval", alias = "awaiting-approval")]
    #[error("waiting for approval until {until:.0}")]
    AwaitingApproval {
        /// When the cutover is aborted unless it is approved.
        until: Timestamp,
    },
    /// Alarms of both colors are in ALARM, so the new release is not at fault.
    #[error("{detail}")]
    BothColorsAlarm { detail: UntrustedText },
    /// An alarm that guards the cutover does not exist.
    #[serde(rename = "guard-alarm", alias = "guard-alarm-missing")]
    #[error("guard alarm {alarm} does not exist")]
    GuardAlarmMissing { alarm: UntrustedText },
    /// An external change moved the traffic of the cutover.
    #[serde(rename = "traffic", alias = "traffic-changed-by-others")]
    #[error("{change}")]
    TrafficChangedByOthers {
        #[serde(alias = "detail")]
        change: TrafficChange,
    },
    /// Too few instances of the new color are healthy to give the new color its first traffic, or more traffic.
    #[serde(rename = "color-min-healthy", alias = "color-floor", alias = "color-below-floor")] // old names
    #[error("only {serving} instances of the new color are healthy, {minimum_healthy} needed")]
    ColorBelowMinimum { serving: u32, minimum_healthy: u32 },
    /// Too few instances of the old color are healthy to take the traffic back.
    #[serde(rename = "rollback-min-healthy", alias = "rollback-floor", alias = "rollback-below-floor")] // old names
    #[error("only {serving} instances of the old color are healthy, {minimum_healthy} needed to take all traffic back")]
    RollbackBelowMinimum { serving: u32, minimum_healthy: u32 },
    /// The old color has no healthy instance, so the new color is not scaled to zero.
    #[serde(rename = "old-color", alias = "old-color-down")]
    #[error("the old color has no healthy targets: the {left} healthy instances of the new color stay until it has")]
    OldColorDown {
        /// The number of healthy instances of the new color.
        left: u32,
    },
    /// An operator must decide whether the cutover continues or is rolled back.
    #[serde(rename = "operator", alias = "needs-operator")]
    #[error("an operator must choose between resume and rollback: {why}")]
    NeedsOperator { why: UntrustedText },
}

impl Waiting {
    /// The guard that gives this reason.
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
            Self::MayBeSuccessor { .. } => GuardId::LaunchPending,
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

    /// When the reason may end by itself. None: only an event, an operator or the end of other work ends it.
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
