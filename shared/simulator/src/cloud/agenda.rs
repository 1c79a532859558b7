//! The changes that the simulated AWS makes by itself, ordered by the time at which they are due.

use std::collections::BTreeMap;

use driftless_planner::ids::{AlarmName, GroupName, InstanceId, RuleName, TargetGroupArn};
use jiff::Timestamp;

/// A scheduled change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// An instance has booted, or its boot has failed.
    Boots(InstanceId),
    /// The launch hook or the termination hook of an instance completes with CONTINUE.
    HookEnds(InstanceId),
    /// The launch hook of an instance times out with the result ABANDON.
    HookAbandons(InstanceId),
    /// An instance that leaves its target groups has completed its requests.
    Drained(InstanceId),
    /// An instance is terminated.
    Leaves(InstanceId),
    /// The load balancer sets the health of a target.
    TargetHealthReported(TargetGroupArn, InstanceId),
    /// An instance begins to fail.
    TurnsBad(InstanceId),
    /// Auto Scaling compares the instances of a group with its desired capacity.
    Balances(GroupName),
    /// Config evaluates an instance.
    Evaluates(RuleName, InstanceId),
    /// CloudWatch evaluates an alarm.
    AlarmChecks(AlarmName),
    /// An instance refresh takes its next step.
    RefreshSteps(GroupName),
}

/// The schedule. Changes that are due at the same time are applied in the order in which they were scheduled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agenda {
    planned: BTreeMap<(Timestamp, u64), Due>,
    count: u64,
}

impl Agenda {
    pub(crate) fn plan(&mut self, at: Timestamp, due: Due) {
        self.count += 1;
        self.planned.insert((at, self.count), due);
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.planned.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the first change that is due at or before `by`.
    pub(crate) fn take(&mut self, by: Timestamp) -> Option<(Timestamp, Due)> {
        let ((at, _), _) = self.planned.first_key_value()?;
        if *at > by {
            return None;
        }
        self.planned.pop_first().map(|((at, _), due)| (at, due))
    }
}
