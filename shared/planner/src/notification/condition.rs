//! States of a fleet that last.

use serde::{Deserialize, Serialize};

use super::Severity;
use crate::ids::{ImageId, InstanceId, RuleName};

/// A state of the fleet, with what it is about: a person should know of it for as long as it lasts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "condition", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "condition"))]
pub enum Condition {
    /// Its groups do not form a fleet.
    Misconfigured,
    /// Something stands in the way of adopting it.
    NotAdoptable,
    /// Its policy is invalid.
    PolicyInvalid,
    /// Too many drifted at once.
    BreakerOpen,
    /// Many fleets drifted at once under one rule.
    RuleBreakerOpen { rule: RuleName },
    /// AWS has no room for its launches.
    CapacityShort,
    /// Instances run another version since before the release became the release.
    Backlog,
    /// It is only observed, and an instance would be replaced.
    WouldReplace { instance: InstanceId },
    /// AWS refused a call for want of a permission.
    PermissionDenied {
        /// Which act of Driftless needs it.
        action: String,
    },
    /// A terminated instance does not leave.
    DrainOverdue { instance: InstanceId },
    /// It is only observed, and would be cut over.
    WouldCutOver { image: ImageId },
    /// There is something newer, and what stands in the way of a cutover does not go by itself.
    CutoverWaits,
    /// A cutover waits for approval.
    AwaitingApproval,
    /// Alarms of both colors ring.
    BothColorsAlarm,
    /// An alarm that guards a cutover is gone.
    GuardAlarmMissing,
    /// Another hand moved traffic while a cutover did.
    TrafficChanged,
    /// The color that is to take the traffic back is too weak for it.
    RollbackBelowFloor,
    /// The drifted one is to go first, and at this size the floor lets none go.
    NothingCanGoFirst,
    /// A color is to be let go, and nobody of the one that stays serves.
    OldColorDown,
    /// Traffic is not back in time.
    RollbackOverdue,
    /// What a cutover changed is not put back in time.
    RestoreOverdue,
    /// A color that was let go does not go.
    RetireOverdue,
    /// A cutover stands where only a person can say how it goes on.
    NeedsOperator,
}

impl Condition {
    /// What tells it from other states of the same fleet.
    pub fn key(&self) -> String {
        let name = self.name();
        match self {
            Self::RuleBreakerOpen { rule } => format!("{name}:{rule}"),
            Self::WouldReplace { instance } | Self::DrainOverdue { instance } => format!("{name}:{instance}"),
            Self::PermissionDenied { action } => format!("{name}:{action}"),
            Self::WouldCutOver { image } => format!("{name}:{image}"),
            Self::Misconfigured
            | Self::NotAdoptable
            | Self::PolicyInvalid
            | Self::BreakerOpen
            | Self::CapacityShort
            | Self::Backlog
            | Self::CutoverWaits
            | Self::AwaitingApproval
            | Self::BothColorsAlarm
            | Self::GuardAlarmMissing
            | Self::TrafficChanged
            | Self::RollbackBelowFloor
            | Self::NothingCanGoFirst
            | Self::OldColorDown
            | Self::RollbackOverdue
            | Self::RestoreOverdue
            | Self::RetireOverdue
            | Self::NeedsOperator => name.to_owned(),
        }
    }

    /// The word for it, whatever it is about.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Misconfigured => "misconfigured",
            Self::NotAdoptable => "not-adoptable",
            Self::PolicyInvalid => "policy-invalid",
            Self::BreakerOpen => "breaker-open",
            Self::RuleBreakerOpen { .. } => "rule-breaker-open",
            Self::CapacityShort => "capacity-short",
            Self::Backlog => "backlog",
            Self::WouldReplace { .. } => "would-replace",
            Self::PermissionDenied { .. } => "permission-denied",
            Self::DrainOverdue { .. } => "drain-overdue",
            Self::WouldCutOver { .. } => "would-cut-over",
            Self::CutoverWaits => "cutover-waits",
            Self::AwaitingApproval => "awaiting-approval",
            Self::BothColorsAlarm => "both-colors-alarm",
            Self::GuardAlarmMissing => "guard-alarm-missing",
            Self::TrafficChanged => "traffic-changed",
            Self::RollbackBelowFloor => "rollback-below-floor",
            Self::NothingCanGoFirst => "nothing-can-go-first",
            Self::OldColorDown => "old-color-down",
            Self::RollbackOverdue => "rollback-overdue",
            Self::RestoreOverdue => "restore-overdue",
            Self::RetireOverdue => "retire-overdue",
            Self::NeedsOperator => "needs-operator",
        }
    }

    pub(super) const fn severity(&self) -> Severity {
        match self {
            Self::BreakerOpen
            | Self::RuleBreakerOpen { .. }
            | Self::CapacityShort
            | Self::PermissionDenied { .. }
            | Self::BothColorsAlarm
            | Self::GuardAlarmMissing
            | Self::TrafficChanged
            | Self::RollbackBelowFloor
            | Self::OldColorDown
            | Self::RollbackOverdue
            | Self::NeedsOperator
            | Self::PolicyInvalid => Severity::Page,
            Self::Backlog => Severity::Info,
            Self::Misconfigured
            | Self::NotAdoptable
            | Self::WouldReplace { .. }
            | Self::WouldCutOver { .. }
            | Self::CutoverWaits
            | Self::AwaitingApproval
            | Self::NothingCanGoFirst
            | Self::RestoreOverdue
            | Self::RetireOverdue
            | Self::DrainOverdue { .. } => Severity::Notify,
        }
    }

    pub(super) fn headline(&self) -> String {
        match self {
            Self::Misconfigured => "its groups do not form a fleet".to_owned(),
            Self::NotAdoptable => "cannot be adopted as it is".to_owned(),
            Self::PolicyInvalid => "its policy is invalid".to_owned(),
            Self::BreakerOpen => "breaker open, nothing is replaced".to_owned(),
            Self::RuleBreakerOpen { rule } => format!("breaker open for rule {rule} in all fleets"),
            Self::CapacityShort => "AWS has no room for its launches".to_owned(),
            Self::Backlog => "runs other versions beside its release".to_owned(),
            Self::WouldReplace { instance } => format!("would replace {instance} (observe)"),
            Self::PermissionDenied { action } => format!("AWS denies {action}"),
            Self::DrainOverdue { instance } => format!("{instance} does not leave"),
            Self::WouldCutOver { image } => format!("would cut over to {image} (observe)"),
            Self::CutoverWaits => "a cutover cannot begin".to_owned(),
            Self::AwaitingApproval => "a cutover waits for approval".to_owned(),
            Self::BothColorsAlarm => "alarms of both colors ring, the cutover stands still".to_owned(),
            Self::GuardAlarmMissing => "an alarm that guards the cutover is gone".to_owned(),
            Self::TrafficChanged => "another hand moved its traffic".to_owned(),
            Self::RollbackBelowFloor => "too weak to take all traffic back".to_owned(),
            Self::NothingCanGoFirst => "no drifted instance can go before its successor comes".to_owned(),
            Self::OldColorDown => "nobody of the old color serves".to_owned(),
            Self::RollbackOverdue => "traffic is not back yet".to_owned(),
            Self::RestoreOverdue => "not everything is put back yet".to_owned(),
            Self::RetireOverdue => "the old color does not go".to_owned(),
            Self::NeedsOperator => "a cutover needs a person".to_owned(),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one sentence for each state")]
    pub(super) fn next(&self) -> String {
        match self {
            Self::Misconfigured => "Nothing is changed until the tags are right. Driftless looks again at every sweep, every 5 minutes.",
            Self::NotAdoptable => "Nothing is changed until this is put right. Driftless looks again at every sweep, every 5 minutes.",
            Self::PolicyInvalid => {
                "Nothing disruptive starts until the tags are right. What is under way ends under the policy it was \
                 admitted with, and nothing holds a way back. The tags are read again every 5 minutes."
            }
            Self::BreakerOpen => {
                "Nothing is replaced, and what had started is cancelled. Look at the rule or at what changed on the \
                 instances; the breaker closes by itself when fewer are drifted, within 5 minutes of it."
            }
            Self::RuleBreakerOpen { .. } => {
                "Nothing is replaced for this rule alone, in any fleet. Look at what changed in the rule; the breaker \
                 closes by itself when fewer are drifted under it, and at once when a person has it tried again."
            }
            Self::CapacityShort => {
                "What serves is not touched. The launch is tried again with growing pauses, an hour at most; other \
                 fleets go on. Other instance types or zones in the group would help sooner."
            }
            Self::Backlog => {
                "In act mode they are replaced one after the other, within the budget and the window. They are no sign \
                 of a common cause, so the breaker does not count them."
            }
            Self::WouldReplace { .. } | Self::WouldCutOver { .. } => {
                "Nothing is changed: the fleet is in observe mode. To let Driftless act, set driftless:mode=act."
            }
            Self::PermissionDenied { .. } => {
                "The work waits and is tried again every 5 minutes. Compare the function's role with template.yaml, \
                 and FleetRoleArns with the fleet's instance profile."
            }
            Self::CutoverWaits => {
                "Nothing was changed. It is checked again at every look, every 5 minutes at the latest, and given up for \
                 half an hour when it lasts."
            }
            Self::AwaitingApproval => {
                "The new color is up, without traffic. It waits for an approval; without one it is given up after a day."
            }
            Self::BothColorsAlarm => {
                "Traffic stays where it is: what both depend on suffers, and no release is to blame. The cutover goes \
                 on when one of them is well again."
            }
            Self::GuardAlarmMissing => {
                "Traffic stays where it is. The cutover goes on when the alarm is there again."
            }
            Self::TrafficChanged => {
                "What another hand wrote stays. Put the weights back, or roll back; a person is asked when it lasts for \
                 half an hour."
            }
            Self::RollbackBelowFloor => {
                "As much traffic as its healthy instances can take goes back; its minimum is raised. Look at why they \
                 do not serve."
            }
            Self::NothingCanGoFirst => {
                "Nothing is replaced at this size. Lower driftless:min-healthy, let the successor come first \
                 (driftless:replace=surge), or scale out."
            }
            Self::OldColorDown => {
                "The new color is kept until somebody of the old one serves; the old one's minimum is raised. Look at \
                 why its instances do not serve."
            }
            Self::RollbackOverdue => {
                "It is tried again at every look, within minutes. Look at the target groups' health and at Driftless's permissions."
            }
            Self::RestoreOverdue => {
                "It is tried again at every look, within minutes. Look at the group's scale-in protection, hooks and suspended processes."
            }
            Self::RetireOverdue => {
                "The new release has the traffic. Look at the group's scale-in protection, termination hooks and \
                 suspended processes."
            }
            Self::NeedsOperator => {
                "Traffic stays where it is, and nothing more is done until a person says whether it goes on or back."
            }
            Self::DrainOverdue { .. } => {
                "Its successor serves. Look at the group's termination lifecycle hooks and the target group's \
                 deregistration delay."
            }
        }
        .to_owned()
    }
}
