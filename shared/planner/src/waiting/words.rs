//! Why something waits, in words.

use super::Waiting;

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
            Self::NoTurn { .. }
            | Self::PreflightFailed { .. }
            | Self::ReplacementsUnderWay { .. }
            | Self::Paused { .. }
            | Self::AwaitingApproval { .. }
            | Self::BothColorsAlarm { .. }
            | Self::GuardAlarmMissing { .. }
            | Self::TrafficChangedByOthers { .. }
            | Self::ColorBelowFloor { .. }
            | Self::RollbackBelowFloor { .. }
            | Self::OldColorDown { .. }
            | Self::NeedsOperator { .. } => formatter.write_str(&self.of_cutover()),
        }
    }
}

impl Waiting {
    /// What a cutover waits for, in words.
    fn of_cutover(&self) -> String {
        match self {
            Self::NoTurn { limit } => format!("{limit} fleets are cutting over, which is as many as may"),
            Self::PreflightFailed { problem } => format!("a check before the first change does not hold: {problem}"),
            Self::ReplacementsUnderWay { surges } => {
                format!("{surges} of its instances are being replaced: that ends first")
            }
            Self::Paused { actor } => format!("paused by {actor}"),
            Self::AwaitingApproval { until } => format!("waits for approval, until {until:.0}"),
            Self::BothColorsAlarm { detail } | Self::TrafficChangedByOthers { detail } => detail.to_string(),
            Self::GuardAlarmMissing { alarm } => format!("the alarm {alarm} does not exist"),
            Self::ColorBelowFloor { serving, floor } => {
                format!("only {serving} of the new color serve, and {floor} must")
            }
            Self::RollbackBelowFloor { serving, floor } => {
                format!("only {serving} of the old color serve, and {floor} must to take the traffic back")
            }
            Self::OldColorDown { left } => {
                format!("nobody of the old color serves, and {left} of the new one do: they stay until somebody does")
            }
            Self::NeedsOperator { why } => format!("a person must say how it goes on: {why}"),
            Self::Frozen { .. }
            | Self::Observed
            | Self::PolicyInvalid { .. }
            | Self::WindowClosed { .. }
            | Self::CutoverUnderWay
            | Self::GroupNotFit { .. }
            | Self::BreakerOpen { .. }
            | Self::RuleBreakerOpen { .. }
            | Self::Lineage { .. }
            | Self::BudgetSpent { .. }
            | Self::BackOff { .. }
            | Self::CapacityShort { .. }
            | Self::QuarantineFull { .. }
            | Self::Protected { .. }
            | Self::NotInService { .. }
            | Self::Debounce { .. }
            | Self::BelowFloor { .. } => self.to_string(),
        }
    }
}
