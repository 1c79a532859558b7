//! Instance refreshes: Auto Scaling replaces the instances of a group one at a time, and rolls back when an alarm goes
//! into ALARM.

use driftless_planner::alarm::AlarmState as AlarmStateValue;
use driftless_planner::ids::{AlarmName, GroupName, InstanceId};
use driftless_planner::refresh::RefreshStatus;
use driftless_planner::template::TemplateReference;
use jiff::SignedDuration;

use super::Cloud;
use super::agenda::Due;
use super::state::{Actor, Life};

/// How often an instance refresh checks its progress.
const STEP: SignedDuration = SignedDuration::from_secs(30);

/// Auto Scaling fails a refresh that makes no progress for this long (3.5).
const STUCK: SignedDuration = SignedDuration::from_hours(1);

impl Cloud {
    pub(super) fn step_refresh(&mut self, name: &GroupName) {
        let Some(refresh) = self.groups.get(name).and_then(|group| group.refresh.clone()) else { return };
        if !refresh.told.status.is_under_way() {
            return;
        }
        let is_stuck = self.is_stuck(name);
        let is_in_alarm =
            |alarm: &AlarmName| self.alarms.get(alarm).is_some_and(|known| known.state == AlarmStateValue::Alarm);
        let goes_back = refresh.told.status == RefreshStatus::GoingBack;
        if !goes_back && (is_stuck || refresh.alarms.iter().any(is_in_alarm)) {
            self.send_back(name);
        } else if is_stuck {
            self.settle(name, RefreshStatus::CouldNotGoBack);
        } else if self.replace_next(name) {
            self.conclude(name);
        }
        self.agenda.plan(self.now + STEP, Due::RefreshSteps(name.clone()));
    }

    /// Turns the refresh of a group into a rollback: Auto Scaling replaces the instances that the refresh launched.
    pub(super) fn send_back(&mut self, name: &GroupName) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(name) else { return };
        let Some(refresh) = &mut group.refresh else { return };
        refresh.told.status = RefreshStatus::GoingBack;
        refresh.all_since = None;
        refresh.done = (0, now);
        self.touch(name);
    }

    /// Terminates one more instance that does not run the version which the group launches now, so that Auto Scaling
    /// replaces it. True: no such instance is left, and all instances are healthy.
    fn replace_next(&mut self, name: &GroupName) -> bool {
        let Some(wanted) = self.launches(name).map(|(version, _)| version) else { return false };
        let Some(desired) = self.groups.get(name).map(|group| group.desired) else { return false };
        let others: Vec<InstanceId> = self
            .active(name)
            .filter(|instance| instance.template.as_ref() != Some(&wanted))
            .map(|instance| instance.id.clone())
            .collect();
        let is_whole = self.serving_in(name) >= desired;
        let is_moving = self.members(name).any(|instance| matches!(instance.life, Life::Pending | Life::Terminating));
        match others.first() {
            Some(next) if is_whole && !is_moving => {
                self.end(next, Actor::AutoScaling, self.now);
                self.balances_soon(name);
                false
            }
            Some(_) => false,
            None => is_whole,
        }
    }

    /// Whether the refresh of a group has made no progress for [`STUCK`].
    fn is_stuck(&mut self, name: &GroupName) -> bool {
        let Some((wanted, _)) = self.launches(name) else { return false };
        let done = self.active(name).filter(|known| known.template.as_ref() == Some(&wanted));
        let done = done.filter(|known| self.is_serving(&known.id)).count();
        let now = self.now;
        let Some(refresh) = self.groups.get_mut(name).and_then(|group| group.refresh.as_mut()) else { return false };
        if refresh.done.0 != done {
            refresh.done = (done, now);
        }
        refresh.told.status != RefreshStatus::Baking && now >= refresh.done.1 + STUCK
    }

    fn settle(&mut self, name: &GroupName, status: RefreshStatus) {
        if let Some(refresh) = self.groups.get_mut(name).and_then(|group| group.refresh.as_mut()) {
            refresh.told.status = status;
        }
    }

    fn conclude(&mut self, name: &GroupName) {
        let now = self.now;
        let Some(refresh) = self.groups.get_mut(name).and_then(|group| group.refresh.as_mut()) else { return };
        if refresh.told.status == RefreshStatus::GoingBack {
            refresh.told.status = RefreshStatus::WentBack;
            return;
        }
        refresh.told.percentage = 100;
        let since = *refresh.all_since.get_or_insert(now);
        if now < since + refresh.bake {
            refresh.told.status = RefreshStatus::Baking;
            return;
        }
        // A refresh sets the template of the group only at its end (3.5).
        refresh.told.status = RefreshStatus::Successful;
        let template = refresh.told.template.clone();
        if let (Some(group), Some(template)) = (self.groups.get_mut(name), template) {
            group.template = TemplateReference::Numbered(template);
        }
        self.touch(name);
    }

    /// Schedules the first step of a refresh.
    pub(super) fn begin_refresh(&mut self, name: &GroupName) {
        self.agenda.plan(self.now + STEP, Due::RefreshSteps(name.clone()));
        self.touch(name);
    }
}
