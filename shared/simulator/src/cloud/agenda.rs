//! What is going to happen by itself, in the order of its times.

use std::collections::BTreeMap;

use driftless_planner::ids::{AlarmName, GroupName, InstanceId, RuleName, TargetGroupArn};
use jiff::Timestamp;

/// Something that is going to happen by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// An instance has booted, or has tried for long enough.
    Boots(InstanceId),
    /// A lifecycle hook lets an instance go on.
    HookEnds(InstanceId),
    /// The time of a launch hook is up.
    HookAbandons(InstanceId),
    /// A leaving instance has finished its requests.
    Drained(InstanceId),
    /// An instance is gone.
    Leaves(InstanceId),
    /// The load balancer has judged a target.
    TargetJudged(TargetGroupArn, InstanceId),
    /// An instance begins to fail.
    TurnsBad(InstanceId),
    /// Auto Scaling looks at a group.
    Balances(GroupName),
    /// Config evaluates an instance.
    Evaluates(RuleName, InstanceId),
    /// CloudWatch looks at an alarm.
    AlarmChecks(AlarmName),
    /// An instance refresh takes its next step.
    RefreshSteps(GroupName),
}

/// The agenda. What is due at the same time happens in the order in which it was planned.
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

    /// Takes the first entry that is due by then.
    pub(crate) fn take(&mut self, by: Timestamp) -> Option<(Timestamp, Due)> {
        let ((at, _), _) = self.planned.first_key_value()?;
        if *at > by {
            return None;
        }
        self.planned.pop_first().map(|((at, _), due)| (at, due))
    }
}
