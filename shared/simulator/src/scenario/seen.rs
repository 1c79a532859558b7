//! Compares what a scenario expects with the simulated account at a moment.

use std::fmt;

use driftless_planner::fleet::Color;
use driftless_planner::ids::{FleetName, InstanceId};
use driftless_planner::record::{Phase, Record};
use driftless_planner::waiting::GuardId;

use super::aliases::documented_subject;
use super::check::{Property, Quantity, Term};
use super::model::{GroupRef, InstanceRef};
use super::stage::{Cast, instances};
use super::timeline::Letter;
use crate::cloud::Life;
use crate::fault_plan::operation_of;
use crate::fleet::word;
use crate::invariants::liveness;
use crate::world::World;

/// The simulated account at a moment, and the messages that were sent until then.
pub(super) struct Snapshot<'w> {
    pub(super) world: &'w World,
    pub(super) cast: &'w Cast,
    /// The messages that Driftless has sent so far. A message that was sent twice is in the list once.
    pub(super) letters: &'w [Letter],
}

/// The actual value, where the scenario expects another value.
struct Found(String);

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Snapshot<'_> {
    /// What contradicts the expectations of a line, in words. Empty: all of them hold.
    pub(super) fn missing(&self, terms: &[Term]) -> Vec<String> {
        terms.iter().filter_map(|term| self.contradicts(term)).map(|found| found.to_string()).collect()
    }

    /// Whether all expectations of a line hold.
    pub(super) fn holds(&self, terms: &[Term]) -> bool {
        terms.iter().all(|term| self.contradicts(term).is_none())
    }

    fn contradicts(&self, term: &Term) -> Option<Found> {
        match term {
            Term::Number { what, comparison, value } => {
                let found = self.number(what);
                (!comparison.holds(found, *value)).then(|| Found(format!("{what} is {found}")))
            }
            Term::Word { what, is, value } => {
                let found = self.words(what);
                (found.contains(value) != *is).then(|| {
                    let found: Vec<&str> = found.iter().map(String::as_str).collect();
                    Found(format!("{what} is {}", found.join(", ")))
                })
            }
            Term::Told { fleet, only_pages, containing, is } => {
                self.told(fleet.as_ref(), *only_pages, containing.as_deref(), *is)
            }
            Term::Idle { fleet } => {
                liveness::left_over(self.world, fleet).err().map(|left| Found(format!("{fleet} is not idle: {left}")))
            }
        }
    }

    fn record(&self, fleet: &FleetName) -> Option<&Record> {
        self.world.table.row(fleet)?.record.as_ref()
    }

    fn told(&self, fleet: Option<&FleetName>, only_pages: bool, part: Option<&str>, is: bool) -> Option<Found> {
        let mut subjects = self.letters(fleet, only_pages).map(|letter| letter.subject.as_str());
        let is_meant = |subject: &&str| part.is_none_or(|part| documented_subject(subject).contains(part));
        let fitting = subjects.clone().find(is_meant);
        let kind = if only_pages { "page" } else { "message" };
        match (fitting, is) {
            (Some(_), true) | (None, false) => None,
            (Some(subject), false) => Some(Found(format!("{kind} {subject:?} was sent"))),
            (None, true) if subjects.next().is_none() => Some(Found(format!("no {kind} was sent"))),
            (None, true) => {
                let told: Vec<&str> = self.letters(fleet, only_pages).map(|letter| letter.subject.as_str()).collect();
                Some(Found(format!("the only {kind}s sent are {told:?}")))
            }
        }
    }

    fn letters(&self, fleet: Option<&FleetName>, only_pages: bool) -> impl Iterator<Item = &Letter> + Clone {
        let (fleet, letters) = (fleet.cloned(), self.letters);
        letters.iter().filter(move |letter| {
            fleet.as_ref().is_none_or(|fleet| letter.fleet == *fleet) && (!only_pages || letter.is_page)
        })
    }

    fn number(&self, what: &Quantity) -> u64 {
        let cloud = &self.world.cloud;
        let group = |group: &GroupRef| self.cast.group(group).and_then(|name| cloud.groups().get(name));
        match what {
            Quantity::Weight(of) => self.weight(of),
            Quantity::Size(of) => group(of).map_or(0, |known| known.desired.into()),
            Quantity::Min(of) => group(of).map_or(0, |known| known.min.into()),
            Quantity::Max(of) => group(of).map_or(0, |known| known.max.into()),
            Quantity::Running(of) => {
                let members = self.cast.group(of).into_iter().flat_map(|name| cloud.members(name));
                count(members.filter(|member| member.life == Life::InService).count())
            }
            Quantity::Serving(of) => self.cast.group(of).map_or(0, |name| cloud.serving_in(name).into()),
            Quantity::Replaced(fleet) => {
                let row = self.world.table.row(fleet);
                count(row.map_or(0, |row| row.history.iter().filter(|entry| entry.to() == "replaced").count()))
            }
            Quantity::Launched(fleet) => {
                let had = self.cast.had.get(fleet).copied().unwrap_or(0);
                count(self.instances(fleet).count().saturating_sub(had))
            }
            Quantity::Terminated(fleet) => {
                let terminated = &self.world.aws_writes.terminated;
                count(self.instances(fleet).filter(|id| terminated.contains_key(*id)).count())
            }
            Quantity::BorrowedSettings(fleet) => {
                count(self.record(fleet).map_or(0, |record| record.borrowed_settings.len()))
            }
            Quantity::Pages(fleet) => count(self.letters(fleet.as_ref(), true).count()),
            Quantity::Messages(fleet) => count(self.letters(fleet.as_ref(), false).count()),
            Quantity::Calls(call) => {
                let calls = &self.world.counts.calls;
                operation_of(call).and_then(|operation| calls.get(operation)).copied().unwrap_or(0)
            }
            Quantity::DeadLetters => count(self.world.queue.dead.len()),
            // Whole requests: a fraction is an artefact of the load model.
            Quantity::FailedRequests => u64::try_from(cloud.traffic().failed()).unwrap_or(u64::MAX),
        }
    }

    fn instances(&self, fleet: &FleetName) -> impl Iterator<Item = &InstanceId> {
        self.cast.fleet(fleet).into_iter().flat_map(|names| instances(self.world, names))
    }

    /// The group's share of the traffic in percent: the share of its attached target group in the weights of the
    /// forward action.
    fn weight(&self, of: &GroupRef) -> u64 {
        let Some(names) = self.cast.fleet(&of.fleet) else { return 0 };
        let Some(color) = self.cast.color(of) else { return 0 };
        let Some(group) = self.world.cloud.groups().get(&color.group) else { return 0 };
        let Some(forward) = self.world.cloud.forwards_now().get(&names.place) else { return 0 };
        let all: u64 = forward.weights.values().map(|weight| u64::from(*weight)).sum();
        let its = group.target_groups.iter().filter_map(|arn| forward.weights.get(arn));
        let its: u64 = its.map(|weight| u64::from(*weight)).sum();
        (its * 100).checked_div(all).unwrap_or(0)
    }

    /// The names of the values of a property. If there is no value, the only name is `none`.
    fn words(&self, what: &Property) -> Vec<String> {
        let color = |color: Option<Color>| color.map(|color| word(color).to_owned());
        let found: Vec<String> = match what {
            Property::Cutover(fleet) => self
                .record(fleet)
                .and_then(|record| record.cutover.as_ref())
                .map(|cutover| cutover.phase().name().to_owned())
                .into_iter()
                .collect(),
            Property::Ended(fleet) => self
                .record(fleet)
                .and_then(|record| record.memory.past.last())
                .map(|past| past.outcome.name().to_owned())
                .into_iter()
                .collect(),
            Property::Live(fleet) => self.record(fleet).and_then(|record| color(record.live)).into_iter().collect(),
            Property::Image(fleet) => {
                let release = self.record(fleet).and_then(|record| record.release.as_ref());
                let readable = |image: &str| self.cast.readable(&self.world.cloud, image);
                release.map(|release| readable(release.image.as_str())).into_iter().collect()
            }
            Property::Vetoed(fleet) => {
                let vetoes = self.record(fleet).map(|record| &record.memory.vetoes);
                let images = vetoes.into_iter().flat_map(|vetoes| vetoes.keys());
                images.map(|image| self.cast.readable(&self.world.cloud, image.as_str())).collect()
            }
            Property::Condition(fleet) => {
                let conditions = self.record(fleet).map(|record| &record.conditions);
                let names = conditions.into_iter().flat_map(|conditions| conditions.keys());
                names.filter_map(|key| Some(key.split(':').next()?.to_owned())).collect()
            }
            Property::Waiting(instance) => self.waiting(instance).map(words_of).unwrap_or_default(),
            Property::Replacement(instance) => {
                self.replacement(instance).map(|phase| phase.name().to_owned()).into_iter().collect()
            }
            Property::Paused(fleet) => {
                let cutover = self.record(fleet).and_then(|record| record.cutover.as_ref());
                let is_paused = cutover.is_some_and(|cutover| cutover.paused().is_some());
                vec![if is_paused { "yes" } else { "no" }.to_owned()]
            }
        };
        if found.is_empty() {
            return vec!["none".to_owned()];
        }
        found.iter().map(|name| what.documented(name).to_owned()).collect()
    }

    fn replacement(&self, instance: &InstanceRef) -> Option<&Phase> {
        let id = self.cast.instance(&self.world.cloud, instance)?;
        Some(self.record(&instance.group.fleet)?.replacements.get(id)?.phase())
    }

    /// The guard that blocks the replacement of an instance.
    fn waiting(&self, instance: &InstanceRef) -> Option<GuardId> {
        match self.replacement(instance)? {
            Phase::Blocked(waiting) => Some(waiting.guard()),
            Phase::Debouncing => Some(GuardId::Debounce),
            Phase::Launching(_)
            | Phase::Verifying(_)
            | Phase::Retiring(_)
            | Phase::Terminating(_)
            | Phase::LaunchingAfter(_)
            | Phase::Cancelling(_)
            | Phase::Stopped(_) => None,
        }
    }
}

/// The names of a guard in a scenario: its own name, and the name that it shared with another guard before.
fn words_of(guard: GuardId) -> Vec<String> {
    std::iter::once(guard.to_string()).chain(guard.earlier_word().map(str::to_owned)).collect()
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_meant_by_its_own_name_and_by_the_one_that_it_shared() {
        for (guard, words) in [
            (GuardId::Group, &["group"][..]),
            (GuardId::Setup, &["setup", "group"]),
            (GuardId::HooksRead, &["hooks-read", "group"]),
            (GuardId::Rules, &["rules", "policy"]),
            (GuardId::Member, &["member", "in-service"]),
        ] {
            assert_eq!(words_of(guard), words);
        }
    }
}
