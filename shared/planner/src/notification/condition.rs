//! States of a fleet that last.

use serde::{Deserialize, Serialize};

use super::Severity;
use crate::ids::{ImageId, InstanceId, RuleName};

/// A condition of the fleet, with what it is about: on-call should know of it for as long as it lasts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "condition", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "condition"))]
pub enum Condition {
    /// The groups do not form a fleet.
    Misconfigured,
    /// Driftless cannot adopt the fleet as it is.
    NotAdoptable,
    /// The policy of the fleet is invalid.
    PolicyInvalid,
    /// Too many instances of the fleet drifted at once.
    BreakerOpen,
    /// Many fleets drifted at once under one rule.
    RuleBreakerOpen { rule: RuleName },
    /// AWS has no capacity for launches of the fleet.
    CapacityShort,
    /// Instances run another version than the release, since before it became the release.
    Backlog,
    /// In observe mode: an instance would be replaced.
    WouldReplace { instance: InstanceId },
    /// AWS denied a call because a permission is missing.
    PermissionDenied {
        /// The action of Driftless that needs it.
        action: String,
    },
    /// A terminated instance still exists after its drain deadline.
    DrainOverdue { instance: InstanceId },
    /// In observe mode: a cutover would start.
    WouldCutOver { image: ImageId },
    /// A cutover should start, and a preflight check or the route of its traffic blocks it.
    #[serde(rename = "cutover-blocked")]
    CutoverWaits,
    /// A cutover waits for approval.
    AwaitingApproval,
    /// Alarms of both colors are in ALARM.
    BothColorsAlarm,
    /// A guard alarm of a cutover does not exist any more.
    GuardAlarmMissing,
    /// The traffic of a cutover was changed outside Driftless.
    TrafficChanged,
    /// A rollback is partial: the old color has too few healthy instances to take all traffic.
    #[serde(rename = "rollback-below-minimum")]
    RollbackBelowMinimum,
    /// With terminate-first, minimum healthy allows no instance to be terminated at this size.
    #[serde(rename = "terminate-first-blocked")]
    NothingCanGoFirst,
    /// The new color is to be scaled to zero, and the old color has no healthy targets.
    #[serde(rename = "old-color-unhealthy")]
    OldColorDown,
    /// A rollback has not moved all traffic back by its deadline.
    RollbackOverdue,
    /// Settings that a cutover or a replacement borrowed are not restored by the deadline.
    RestoreOverdue,
    /// The old color still has instances after its deadline.
    RetireOverdue,
    /// A cutover needs an operator to choose between resume and rollback.
    NeedsOperator,
}

impl Condition {
    /// The key of the condition in its fleet: its name, and its subject if it has one.
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
            | Self::RollbackBelowMinimum
            | Self::NothingCanGoFirst
            | Self::OldColorDown
            | Self::RollbackOverdue
            | Self::RestoreOverdue
            | Self::RetireOverdue
            | Self::NeedsOperator => name.to_owned(),
        }
    }

    /// The name of the condition, without its subject.
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
            Self::CutoverWaits => "cutover-blocked",
            Self::AwaitingApproval => "awaiting-approval",
            Self::BothColorsAlarm => "both-colors-alarm",
            Self::GuardAlarmMissing => "guard-alarm-missing",
            Self::TrafficChanged => "traffic-changed",
            Self::RollbackBelowMinimum => "rollback-below-minimum",
            Self::NothingCanGoFirst => "terminate-first-blocked",
            Self::OldColorDown => "old-color-unhealthy",
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
            | Self::RollbackBelowMinimum
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

    /// The condition as a clause, for subjects.
    pub(super) fn headline(&self) -> String {
        match self {
            Self::Misconfigured => "the tags of its Auto Scaling groups are invalid".to_owned(),
            Self::NotAdoptable => "Driftless cannot adopt the fleet as it is".to_owned(),
            Self::PolicyInvalid => "the policy is invalid".to_owned(),
            Self::BreakerOpen => "breaker open, no instance is replaced".to_owned(),
            Self::RuleBreakerOpen { rule } => format!("breaker open for rule {rule} in all fleets"),
            Self::CapacityShort => "AWS has no capacity for its launches".to_owned(),
            Self::Backlog => "some instances do not run the release".to_owned(),
            Self::WouldReplace { instance } => format!("would replace {instance} (observe)"),
            Self::PermissionDenied { action } => format!("AccessDenied on {}", api_call(action)),
            Self::DrainOverdue { instance } => format!("{instance} is still terminating"),
            Self::WouldCutOver { image } => format!("would cut over to {image} (observe)"),
            Self::CutoverWaits => "a cutover cannot begin".to_owned(),
            Self::AwaitingApproval => "a cutover waits for approval".to_owned(),
            Self::BothColorsAlarm => "cutover held, both colors are in ALARM".to_owned(),
            Self::GuardAlarmMissing => "cutover held, a guard alarm does not exist".to_owned(),
            Self::TrafficChanged => "traffic was changed outside Driftless".to_owned(),
            Self::RollbackBelowMinimum => "the rollback is partial, the old color is below minimum healthy".to_owned(),
            Self::NothingCanGoFirst => "terminate-first can replace no instance at this size".to_owned(),
            Self::OldColorDown => "the old color has no healthy targets".to_owned(),
            Self::RollbackOverdue => "rollback overdue, traffic is still on the new color".to_owned(),
            Self::RestoreOverdue => "settings that Driftless changed are not restored yet".to_owned(),
            Self::RetireOverdue => "the old color still has instances".to_owned(),
            Self::NeedsOperator => "the cutover needs an operator".to_owned(),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one text for each condition")]
    pub(super) fn next(&self) -> String {
        match self {
            Self::Misconfigured => {
                "Driftless changes nothing until the tags are right. It reads the tags again every 5 minutes."
            }
            Self::NotAdoptable => {
                "Driftless changes nothing until the problem is fixed. It checks the groups again every 5 minutes."
            }
            Self::PolicyInvalid => {
                "No replacement and no cutover starts until the tags are right. Work in progress ends under the policy \
                 with which it started, and rollbacks still run. Driftless reads the tags again every 5 minutes."
            }
            Self::BreakerOpen => {
                "Driftless replaces no instance. It cancels the replacements in progress and terminates their new \
                 instances. Check the rule, or what changed on the instances. The breaker closes by itself within 5 minutes after the drifted share is within the limit."
            }
            Self::RuleBreakerOpen { .. } => {
                "Driftless replaces no instance for this rule alone, in any fleet. Check what changed in the rule. The \
                 breaker closes when fewer instances are drifted under the rule, or when you run `driftless retry`."
            }
            Self::CapacityShort => {
                "Healthy instances stay. Driftless tries the launch again, with increasing pauses of at most 1 hour; other \
                 fleets continue. More instance types or Availability Zones in the group would help sooner."
            }
            Self::Backlog => {
                "In act mode Driftless replaces these instances one after the other, within budget and window. The \
                 breaker does not count them, because they were there before Driftless adopted the fleet."
            }
            Self::WouldReplace { .. } | Self::WouldCutOver { .. } => {
                "Driftless changes nothing, because the fleet is in observe mode. To let Driftless act, set \
                 driftless:mode=act."
            }
            Self::PermissionDenied { .. } => {
                "Driftless tries the call again every 5 minutes; the work waits until then. Compare the role of the \
                 reconcile function with template.yaml, and FleetRoleArns with the instance profile of the fleet."
            }
            Self::CutoverWaits => {
                "Nothing was changed. Driftless runs the checks again at least every 5 minutes. If a check still fails after \
                 1 hour, Driftless aborts the cutover and tries again half an hour later."
            }
            Self::AwaitingApproval => {
                "The new color is healthy and has no traffic. Without an approval Driftless aborts the cutover 24 hours \
                 after it began to wait."
            }
            Self::BothColorsAlarm => {
                "Driftless holds the traffic where it is, because alarms of both colors point to a shared dependency. The \
                 cutover resumes when either color recovers. If unsure, roll back."
            }
            Self::GuardAlarmMissing => {
                "Driftless holds the traffic where it is. The cutover resumes when the alarm exists again."
            }
            Self::TrafficChanged => {
                "Driftless leaves the change in place. Restore the weights, or roll back. If the change lasts for 30 \
                 minutes, the cutover stops and needs an operator."
            }
            Self::RollbackBelowMinimum => {
                "Driftless moves back as much traffic as the healthy instances of the old color can take, and raises its \
                 MinSize. Check why its other instances are not healthy."
            }
            Self::NothingCanGoFirst => {
                "Driftless replaces no instance at this size. Lower driftless:min-healthy, launch the replacement \
                 instance first (driftless:strategy=surge), or scale out."
            }
            Self::OldColorDown => {
                "Driftless keeps the new color until the old color has a healthy target, and raises the MinSize of the \
                 old color. Check why its instances are not healthy."
            }
            Self::RollbackOverdue => {
                "Driftless tries again within minutes. Check the health of the target groups and the permissions of the \
                 reconcile function."
            }
            Self::RestoreOverdue => {
                "Driftless tries again within minutes. Check scale-in protection, lifecycle hooks and suspended processes \
                 of the group."
            }
            Self::RetireOverdue => {
                "The new release has all traffic. Check scale-in protection, termination hooks and suspended processes \
                 of the old group."
            }
            Self::NeedsOperator => {
                "Driftless holds the traffic where it is until you run `driftless resume` or `driftless rollback`. If \
                 unsure, roll back."
            }
            Self::DrainOverdue { .. } => {
                "The replacement instance is healthy and has taken over. Check the termination hooks of the group and the \
                 deregistration delay of the target group."
            }
        }
        .to_owned()
    }
}

/// The clause for the end of a condition, from its name and what it was about.
pub(super) fn resolved(name: &str, subject: &str) -> String {
    match name {
        "misconfigured" => "the tags of its Auto Scaling groups are valid".to_owned(),
        "not-adoptable" => "Driftless can adopt the fleet".to_owned(),
        "policy-invalid" => "the policy is valid".to_owned(),
        "breaker-open" => "the breaker is closed".to_owned(),
        "rule-breaker-open" => format!("the breaker for rule {subject} is closed"),
        "capacity-short" => "AWS has capacity again, or no launch is pending".to_owned(),
        "backlog" => "all instances run the release".to_owned(),
        "would-replace" => format!("Driftless would no longer replace {subject} (observe)"),
        "permission-denied" => format!("Driftless no longer needs {} or is no longer denied it", api_call(subject)),
        "drain-overdue" => format!("{subject} is terminated"),
        "would-cut-over" => format!("Driftless would no longer cut over to {subject} (observe)"),
        "cutover-blocked" => "no check blocks the cutover any more".to_owned(),
        "awaiting-approval" => "no cutover waits for approval any more".to_owned(),
        "both-colors-alarm" => "alarms of both colors are not in ALARM together any more".to_owned(),
        "guard-alarm-missing" => "every guard alarm exists, or no cutover is in progress".to_owned(),
        "traffic-changed" => "the weights are as Driftless set them, or no cutover is in progress".to_owned(),
        "rollback-below-minimum" => "the old color can take all traffic, or the rollback ended".to_owned(),
        "terminate-first-blocked" => {
            "minimum healthy lets an instance be terminated first, or no instance is drifted".to_owned()
        }
        "old-color-unhealthy" => "the old color has healthy targets, or the rollback ended".to_owned(),
        "rollback-overdue" => "the rollback has moved all traffic back".to_owned(),
        "restore-overdue" => "the settings that Driftless changed are restored".to_owned(),
        "retire-overdue" => "the old color has no instances any more".to_owned(),
        "needs-operator" => "the cutover needs no operator any more".to_owned(),
        unknown => unknown.to_owned(),
    }
}

/// The call of AWS that an action of Driftless makes, as IAM names it. The name of an action that makes none, or that
/// another version of Driftless stored, stays as it is.
fn api_call(action: &str) -> &str {
    match action {
        "launch" => "autoscaling:LaunchInstances",
        "set-desired" => "autoscaling:SetDesiredCapacity",
        "protect" => "autoscaling:SetInstanceProtection",
        "terminate" => "autoscaling:TerminateInstanceInAutoScalingGroup",
        "enter-standby" => "autoscaling:EnterStandby",
        "set-maximum" | "set-minimum" | "scale-to-zero" | "set-template" => "autoscaling:UpdateAutoScalingGroup",
        "write-template" => "ec2:CreateLaunchTemplateVersion",
        "set-weights" => "elasticloadbalancing:ModifyListener or ModifyRule",
        "attach" => "autoscaling:AttachLoadBalancerTargetGroups or AttachTrafficSources",
        "detach" => "autoscaling:DetachLoadBalancerTargetGroups or DetachTrafficSources",
        "start-refresh" => "autoscaling:StartInstanceRefresh",
        "roll-back-refresh" => "autoscaling:RollbackInstanceRefresh",
        other => other,
    }
}
