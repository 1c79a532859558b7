//! The timeline of a run, collected after each change of the simulated account.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::alarm::AlarmState;
use driftless_planner::history::HistoryEntry;
use driftless_planner::ids::{AlarmName, FleetName, InstanceId};
use driftless_planner::notification::Severity;
use jiff::Timestamp;

use super::report::Moment;
use super::stage::Cast;
use crate::aws_writes::AwsWrite;
use crate::cloud::{Actor, Life};
use crate::fleet::word;
use crate::world::World;

/// A message that Driftless sent.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) fleet: FleetName,
    pub(super) is_page: bool,
    /// The subject, in which the names of the scenario replace the ids of instances and images.
    pub(super) subject: String,
}

/// Collects the timeline, and remembers which changes are in it already.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    pub(super) timeline: Vec<Moment>,
    pub(super) letters: Vec<Letter>,
    told: BTreeSet<String>,
    sent: usize,
    aws_writes: usize,
    endings: usize,
    fault_plan: usize,
    journaled: BTreeMap<FleetName, usize>,
    lives: BTreeMap<InstanceId, Life>,
    alarms: BTreeMap<AlarmName, AlarmState>,
}

impl Watcher {
    /// A watcher that takes everything in this account as known.
    pub(super) fn of(world: &World) -> Self {
        let lives = world.cloud.instances().values().map(|known| (known.id.clone(), known.life)).collect();
        let alarms = world.cloud.alarms_now().iter().map(|(name, alarm)| (name.clone(), alarm.state)).collect();
        Self { lives, alarms, endings: world.cloud.endings().len(), ..Self::default() }
    }

    /// Adds an entry to the timeline.
    pub(super) fn note(&mut self, cast: &Cast, at: Timestamp, who: &'static str, what: String) {
        self.timeline.push(Moment { at: at.duration_since(cast.start), who, what });
    }

    /// Adds what is new in the account to the timeline.
    pub(super) fn observe(&mut self, world: &World, cast: &Cast) {
        if world.trace.is_on() {
            self.tell(world, cast);
        }
        self.see_letters(world, cast);
    }

    fn tell(&mut self, world: &World, cast: &Cast) {
        for (at, what) in world.fault_plan.came.iter().skip(self.fault_plan) {
            let what = cast.readable(&world.cloud, what);
            self.note(cast, *at, "fault", what);
        }
        self.fault_plan = world.fault_plan.came.len();
        self.see_lives(world, cast);
        self.see_alarms(world, cast);
        for (fleet, row) in world.table.rows() {
            let known = self.journaled.get(fleet).copied().unwrap_or(0);
            for entry in row.history.iter().skip(known) {
                let what = cast.readable(&world.cloud, &decided(cast, fleet, entry));
                self.note(cast, world.now, "decision", what);
            }
            self.journaled.insert(fleet.clone(), row.history.len());
        }
        for (at, aws_write) in world.aws_writes.told.iter().skip(self.aws_writes) {
            let what = cast.readable(&world.cloud, &done(cast, aws_write));
            self.note(cast, *at, "write", what);
        }
        self.aws_writes = world.aws_writes.told.len();
    }

    fn see_letters(&mut self, world: &World, cast: &Cast) {
        for (at, message) in world.topic.sent.iter().skip(self.sent) {
            let subject = cast.readable(&world.cloud, &message.subject);
            self.note(cast, *at, "message", subject.clone());
            if self.told.insert(message.id.clone()) {
                let is_page = message.severity == Severity::Page;
                self.letters.push(Letter { fleet: message.fleet.clone(), is_page, subject });
            }
        }
        self.sent = world.topic.sent.len();
    }

    /// Adds the instances whose lifecycle state has changed.
    fn see_lives(&mut self, world: &World, cast: &Cast) {
        let mut details: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        let ended = world.cloud.endings();
        for known in world.cloud.instances().values() {
            if self.lives.get(&known.id) == Some(&known.life) {
                continue;
            }
            self.lives.insert(known.id.clone(), known.life);
            let by = ended.iter().skip(self.endings).find(|ending| ending.instance == known.id).map(|ending| ending.by);
            let what = match known.life {
                Life::Pending => "launched",
                Life::InService => "in service",
                Life::Standby => "in standby",
                Life::Terminating => match by {
                    Some(Actor::AutoScaling) => "terminated by Auto Scaling",
                    Some(Actor::Person) => "terminated by an operator",
                    Some(Actor::Driftless) | None => "draining",
                },
                Life::Gone => "gone",
            };
            details.entry(what).or_default().push(cast.readable(&world.cloud, known.id.as_str()));
        }
        self.endings = ended.len();
        for (what, who) in details {
            self.note(cast, world.now, "AWS", format!("{}: {what}", who.join(" ")));
        }
    }

    /// Adds the alarms whose state has changed, except those whose state the scenario has set.
    fn see_alarms(&mut self, world: &World, cast: &Cast) {
        for (name, alarm) in world.cloud.alarms_now() {
            if self.alarms.insert(name.clone(), alarm.state) == Some(alarm.state) || alarm.is_forced {
                continue;
            }
            let what = match alarm.state {
                AlarmState::Ok => "ok",
                AlarmState::Alarm => "in-alarm",
                AlarmState::InsufficientData => "insufficient-data",
            };
            self.note(cast, alarm.since, "AWS", format!("alarm {name} is {what}"));
        }
    }
}

/// Describes a history entry: the instance, or the fleet if the scenario has several, and the change.
fn decided(cast: &Cast, fleet: &FleetName, entry: &HistoryEntry) -> String {
    let mut said = String::new();
    match (entry.instance(), cast.fleets.as_slice()) {
        (Some(instance), _) => said.push_str(instance.as_str()),
        (None, [_]) => {}
        (None, _) => said.push_str(fleet.as_str()),
    }
    let (from, to) = (entry.from(), entry.to());
    for part in [from.as_ref(), "->", to.as_ref()].into_iter().filter(|part| !part.is_empty()) {
        if !said.is_empty() {
            said.push(' ');
        }
        said.push_str(part);
    }
    if entry.why.as_str().is_empty() { said } else { format!("{said}: {}", entry.why) }
}

/// Describes a write as a line of the timeline.
fn done(cast: &Cast, aws_write: &AwsWrite) -> String {
    let AwsWrite::Weights(change) = aws_write else { return aws_write.to_string() };
    let name = |arn| {
        let color =
            cast.fleets.iter().flat_map(|fleet| &fleet.colors).find(|color| color.target_group.as_ref() == Some(arn));
        match color {
            Some(color) => color.color.map_or_else(|| color.group.to_string(), |color| word(color).to_owned()),
            None => arn.to_string(),
        }
    };
    let weights: Vec<String> = change.weights.iter().map(|(arn, weight)| format!("{}={weight}", name(arn))).collect();
    format!("weights := {}", weights.join(" "))
}
