//! CloudWatch alarms. An alarm goes into ALARM when more than 5 % of the requests to its target group fail for its
//! whole evaluation period.

use driftless_planner::alarm::AlarmState as AlarmStateValue;
use driftless_planner::ids::{AlarmName, TargetGroupArn};

use super::agenda::Due;
use super::{Cloud, CloudEvent};

/// The threshold of every alarm: the percentage of failed requests to its target group.
const THRESHOLD_PERCENT: u128 = 5;

impl Cloud {
    /// Whether the metric of an alarm is above the threshold now.
    fn is_crossed(&self, name: &AlarmName) -> bool {
        let Some(alarm) = self.alarms.get(name) else { return false };
        let suffers = |arn: &TargetGroupArn| {
            let is_named = alarm.subject.target_groups.iter().any(|dimension| dimension == arn.dimension());
            let is_weighed =
                self.forwards.values().any(|forward| forward.weights.get(arn).is_some_and(|weight| *weight > 0));
            let (bad, targets) = self.bad_of(arn);
            is_named && is_weighed && targets > 0 && bad * 100 > targets * THRESHOLD_PERCENT
        };
        self.target_groups.keys().any(suffers)
    }

    /// Compares every alarm with its threshold again, after targets or weights changed.
    pub(super) fn watch_alarms(&mut self) {
        let names: Vec<AlarmName> = self.alarms.keys().cloned().collect();
        for name in names {
            let is_crossed = self.is_crossed(&name);
            let Some(alarm) = self.alarms.get_mut(&name) else { continue };
            let wants = is_crossed != (alarm.state == AlarmStateValue::Alarm);
            if !wants {
                alarm.bad_since = None;
            } else if alarm.bad_since.is_none() && !alarm.is_forced {
                alarm.bad_since = Some(self.now);
                let at = self.now + alarm.window;
                self.agenda.plan(at, Due::AlarmChecks(name));
            }
        }
    }

    pub(super) fn check_alarm(&mut self, name: &AlarmName) {
        let is_crossed = self.is_crossed(name);
        let Some(alarm) = self.alarms.get(name) else { return };
        let is_due = alarm.bad_since.is_some_and(|since| self.now >= since + alarm.window);
        let state = if is_crossed { AlarmStateValue::Alarm } else { AlarmStateValue::Ok };
        if is_due && !alarm.is_forced && alarm.state != state {
            self.alarm_turns(name, state);
        }
    }

    /// Sets the state of an alarm and emits its event.
    pub(super) fn alarm_turns(&mut self, name: &AlarmName, state: AlarmStateValue) {
        let at = self.now;
        let Some(alarm) = self.alarms.get_mut(name) else { return };
        alarm.state = state;
        alarm.since = at;
        alarm.bad_since = None;
        let subject = alarm.subject.clone();
        self.events.push(CloudEvent::Alarm { alarm: name.clone(), state, subject, at });
    }
}
