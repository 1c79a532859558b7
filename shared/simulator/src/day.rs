//! A fault-injection run, drawn from its seed. In its first part, a fleet meets changes by operators and AWS, and
//! faults. In its second part no fault occurs, and all work must end.

mod cutovers;
mod events;
mod faults;
mod fleet;
mod others;

use std::collections::BTreeMap;

use driftless_planner::fact::{Command, ComplianceType};
use driftless_planner::fleet::Color;
use driftless_planner::ids::{GroupName, IdError};
use driftless_planner::observation::FreezeScope;
use driftless_planner::policy::Defaults;
use driftless_planner::record::{CutoverPhase, Setting};
use jiff::{SignedDuration, Timestamp};

use crate::executor::Simulation;
use crate::faults::Rates;
use crate::fleet::{ColorNames, Layout, zones};
use crate::invariants::{Violation, at_each_step, liveness};
use crate::people;
use crate::rng::Rng;
use crate::trace::Trace;
use crate::world::{Counts, World};
use events::{drifted, plan};
use fleet::{Names, account};

/// The first part of a run, in which changes and faults are injected.
pub const BUSY: SignedDuration = SignedDuration::from_hours(12);
/// The second part of a run, without faults. If work is left at its end, the run goes on for this time once more, since
/// the two periods together are longer than every deadline.
pub const QUIET: SignedDuration = SignedDuration::from_hours(12);

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub seed: u64,
    pub counts: Counts,
    /// Number of writes to AWS, by kind.
    pub aws_writes: BTreeMap<&'static str, u64>,
    /// The first violation of an invariant, if there is one.
    pub violation: Option<Violation>,
    /// The trace, if the caller asked for it.
    pub story: Vec<String>,
}

/// The start of every run. It is 250 ms past a full second, so that code that relies on whole seconds fails.
fn dawn() -> Timestamp {
    Timestamp::from_millisecond(1_795_158_000_250).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Simulates the run of a seed. `is_told` keeps the trace in the outcome.
///
/// # Errors
/// The planner's types reject a name that the simulator generates.
pub fn live(seed: u64, is_told: bool) -> Result<Outcome, IdError> {
    live_with(seed, is_told, None)
}

/// Simulates the run of a seed with these fault rates. None: the rates are drawn from the seed. If all rates are zero,
/// the fleet is a single group, and its only change is one drift.
///
/// # Errors
/// The planner's types reject a name that the simulator generates.
pub fn live_with(seed: u64, is_told: bool, rates: Option<Rates>) -> Result<Outcome, IdError> {
    let mut rng = Rng::new(seed);
    let drawn = Rates::drawn(&mut rng);
    let is_calm = rates.as_ref().is_some_and(|rates| *rates == Rates::none());
    let layout = if is_calm { Layout::Single } else { Layout::drawn(&mut rng) };
    let names = Names::of(layout)?;
    let cloud = account(&names, &mut rng)?;
    let mut world = World::new(dawn(), cloud, rng.split(), rates.unwrap_or(drawn));
    world.history.homes.extend(names.fleet.colors.first().map(|color| color.group.clone()));
    if is_told {
        world.trace = Trace::on();
    }
    world.counts.reach(format!("layout {layout:?}"));
    world.note(|| format!("seed {seed}: {layout:?}"));
    plan(&mut world, &names, &mut rng, is_calm);
    if !is_calm {
        faults::set(&mut world, &names, &mut rng.split());
    }
    let mut simulation = Simulation::new(world, Defaults::default());
    let end = dawn() + BUSY;
    let checked = simulation.run_until(end, at_each_step).and_then(|()| {
        calm(&simulation, &names);
        simulation.run_to_rest(end + QUIET, at_each_step)
    });
    let check_rest = |simulation: &Simulation| liveness::after_quiet(&simulation.shared().lock());
    let verdict = checked.and_then(|()| {
        check_rest(&simulation).or_else(|_| {
            // An instance refresh has a deadline of 12 hours, and its rollback takes time as well.
            simulation.run_to_rest(end + QUIET + QUIET, at_each_step)?;
            check_rest(&simulation)
        })
    });
    let mut world = simulation.shared().lock();
    let traffic = world.cloud.traffic();
    let failed_by =
        traffic.failed_by.iter().map(|(attribution, thousandths)| (attribution.name(), *thousandths)).collect();
    world.counts.requests = (traffic.total_thousandths, traffic.failed_thousandths.values().sum());
    world.counts.failed_by = failed_by;
    let mut story: Vec<String> = world.trace.lines(dawn()).collect();
    if let Err(violation) = &verdict
        && is_told
    {
        story.push(format!("VIOLATION {violation}"));
    }
    Ok(Outcome {
        seed,
        counts: world.counts.clone(),
        aws_writes: world.aws_writes.counts.clone(),
        violation: verdict.err(),
        story,
    })
}

/// Ends all faults and everything that blocks Driftless, and schedules what operators do in the second part of the run.
fn calm(simulation: &Simulation, names: &Names) {
    let mut world = simulation.shared().lock();
    world.rates = Rates::none();
    for zone in zones() {
        world.cloud.set_short(&zone, false);
    }
    for alarm in &names.alarms {
        world.cloud.force_alarm(alarm, None);
    }
    world.table.lift(&FreezeScope::Account);
    others::release_all(&mut world);
    world.note(|| "quiet".to_owned());
    // On-call checks every two hours, as long as the quiet period may last.
    for hours in (1..2 * QUIET.as_hours()).step_by(2) {
        let names = names.clone();
        let later = world.now + SignedDuration::from_hours(hours);
        world.change_at(later, move |world| people_answer(world, &names));
    }
    let later = world.now + SignedDuration::from_hours(6);
    world.change_at(later, people_mend);
}

/// Operators give the commands that a cutover or a replacement waits for. If a cutover is aborting, they return the
/// traffic to the live color.
fn people_answer(world: &mut World, names: &Names) {
    let record = world.table.rows().get(&names.fleet.fleet).and_then(|row| row.record.clone());
    let Some(record) = record else { return };
    let live = record.live;
    if !record.rule_breakers.is_empty() {
        people::tell(world, &names.fleet.fleet, Command::Retry);
    }
    let commands = match record.cutover.as_ref().map(|cutover| (cutover.phase(), cutover.paused())) {
        // The operator may resume or roll back, both must work.
        Some((CutoverPhase::NeedsOperator { .. }, _)) => {
            let is_first = world.now.as_second() / 7200 % 2 == 0;
            vec![if is_first { Command::Resume } else { Command::Rollback }]
        }
        Some((CutoverPhase::AwaitingApproval, paused)) => {
            let resume = paused.map(|_| Command::Resume);
            resume.into_iter().chain([Command::Approve]).collect()
        }
        Some((_, Some(_))) => vec![Command::Resume],
        // A cutover that has not started may wait for `accept-live`.
        Some((CutoverPhase::Queued | CutoverPhase::Preflight, None)) | None => {
            live_color(world, names).map(|color| Command::AcceptLive { color }).into_iter().collect()
        }
        // The operator who gave the new color traffic takes it back.
        Some((CutoverPhase::Aborting { .. }, None)) => {
            if let Some(live) = live {
                give_back(world, names, live);
            }
            Vec::new()
        }
        Some((_, None)) => Vec::new(),
    };
    for command in commands {
        people::tell(world, &names.fleet.fleet, command);
    }
}

/// An operator gives all traffic to the live color, if the other color has any weight.
fn give_back(world: &mut World, names: &Names, live: Color) {
    let [blue, green] = names.fleet.colors.as_slice() else { return };
    let (live, other) = if live == Color::Blue { (blue, green) } else { (green, blue) };
    let (Some(live), Some(other)) = (&live.target_group, &other.target_group) else { return };
    let weights = world.cloud.forwards_now().get(&names.fleet.place).map(|forward| forward.weights.clone());
    if weights.is_some_and(|weights| weights.get(other).is_some_and(|weight| *weight > 0)) {
        people::write_weights(world, &names.fleet.place, BTreeMap::from([(live.clone(), 100), (other.clone(), 0)]));
    }
}

/// The color that has the traffic or, where weights do not decide, the capacity. None: the fleet is a single group, or
/// neither weights nor capacity decide.
fn live_color(world: &World, names: &Names) -> Option<Color> {
    let [blue, green] = names.fleet.colors.as_slice() else { return None };
    let weight = |color: &ColorNames| {
        let forwards = world.cloud.forwards_now().values();
        let arns = world.cloud.groups().get(&color.group).map(|group| group.target_groups.clone()).unwrap_or_default();
        forwards.flat_map(|forward| arns.iter().filter_map(|arn| forward.weights.get(arn))).sum::<u32>()
    };
    let desired = |color: &ColorNames| world.cloud.groups().get(&color.group).map_or(0, |group| group.desired);
    let told = |blue: u32, green: u32| match (blue > 0, green > 0) {
        (true, false) => Some(Color::Blue),
        (false, true) => Some(Color::Green),
        (true, true) | (false, false) => None,
    };
    told(weight(blue), weight(green)).or_else(|| told(desired(blue), desired(green)))
}

/// Operators repair what Driftless must not repair: the drift of a fleet in observe mode, the drift of many instances
/// at once, drift that an image causes, and a desired capacity that an operator raised above the original maximum while
/// Driftless had raised the maximum. A single drifted instance is left to Driftless.
fn people_mend(world: &mut World) {
    world.cloud.mend_images();
    let names: Vec<GroupName> = world.cloud.groups().keys().cloned().collect();
    for name in names {
        let mode = world.cloud.groups().get(&name).and_then(|group| group.tags.get("driftless:mode"));
        let is_observed = mode.is_some_and(|mode| mode == "observe");
        let broken = drifted(world, &name);
        if is_observed || broken.len() > 1 {
            for instance in broken {
                let breaks = world.cloud.instances().get(&instance).map(|known| known.breaks.clone());
                for rule in breaks.unwrap_or_default().keys() {
                    world.cloud.report_compliance(rule, &instance, ComplianceType::Compliant);
                }
            }
        }
    }
    give_back_room(world);
    world.note(|| "people mend what is left to them".to_owned());
}

/// An operator lowers each desired capacity that is above the maximum which Driftless has to restore, as the message to
/// on-call asks.
fn give_back_room(world: &mut World) {
    let records = world.table.rows().values().filter_map(|row| row.record.as_ref());
    // A cutover hands its borrowed settings over to the live group.
    let entries = records.filter(|record| record.cutover.is_none()).flat_map(|record| &record.borrowed_settings);
    let lent: Vec<(GroupName, u32)> = entries
        .filter_map(|entry| match entry.setting {
            Setting::Maximum { had, .. } | Setting::BorrowedMaximum { had, .. } => Some((entry.group.clone(), had)),
            Setting::Protection { .. }
            | Setting::BorrowedMinimum { .. }
            | Setting::Template { .. }
            | Setting::Stickiness { .. } => None,
        })
        .collect();
    for (group, had) in lent {
        if world.cloud.groups().get(&group).is_some_and(|group| group.desired > had) {
            people::write_desired(world, &group, had);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_drifted_instance_is_replaced_on_a_calm_day() {
        let mut replaced = 0;
        for seed in 0..20 {
            let outcome = live_with(seed, true, Some(Rates::none())).unwrap();
            assert_eq!(outcome.violation, None, "{}", outcome.story.join("\n"));
            replaced += outcome.aws_writes.get("terminate").copied().unwrap_or(0);
        }
        assert!(replaced >= 10, "{replaced}");
    }

    #[test]
    fn the_first_days_and_those_that_once_failed_keep_every_rule() {
        let kept = include_str!("../seeds.txt").lines().filter_map(|line| line.split_whitespace().next());
        let kept = kept.filter(|word| !word.starts_with('#')).map(|word| word.parse().unwrap());
        for seed in (0..20).chain(kept) {
            let violation = live(seed, false).unwrap().violation;
            assert_eq!(violation, None, "replay: make sim SEED={seed}");
        }
    }

    #[test]
    fn a_seed_lives_the_same_day_twice() {
        let story = || live(7, true).unwrap().story;
        assert_eq!(story(), story());
    }
}
