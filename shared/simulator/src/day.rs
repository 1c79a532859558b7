//! A day, drawn from its seed: a fleet, what people and AWS do, what goes wrong; then a quiet time, and the verdict.

use std::collections::BTreeMap;

use driftless_planner::balancer::{ForwardPlace, TargetGroupSettings};
use driftless_planner::fact::{Command, CommandFact, Fact, Verdict};
use driftless_planner::ids::{FleetName, GroupName, IdError, InstanceId, RuleName, TargetGroupArn, Zone};
use driftless_planner::image::{Image, ImageState};
use driftless_planner::observation::{Freeze, FreezeScope, TemplateContent, TemplateVersion};
use driftless_planner::policy::Defaults;
use jiff::{SignedDuration, Timestamp};

use crate::cloud::{Build, Cloud};
use crate::dice::Dice;
use crate::executor::Simulation;
use crate::faults::Rates;
use crate::judges::{Violation, at_each_step, liveness};
use crate::trace::Trace;
use crate::world::{Counts, World};

/// Things happen for so long.
pub const BUSY: SignedDuration = SignedDuration::from_hours(12);
/// Then nothing does, for so long: longer than every deadline together.
pub const QUIET: SignedDuration = SignedDuration::from_hours(12);

/// What came of a day.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was counted.
    pub counts: Counts,
    /// What Driftless wrote, by kind.
    pub deeds: BTreeMap<&'static str, u64>,
    /// The first thing that went wrong, if one did.
    pub violation: Option<Violation>,
    /// The story, where it was asked for.
    pub story: Vec<String>,
}

/// A quarter past the second: the clock is never so kind as to show whole ones.
fn dawn() -> Timestamp {
    Timestamp::from_millisecond(1_795_158_000_250).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The names of the fleet and what belongs to it.
#[derive(Debug, Clone)]
struct Names {
    fleet: FleetName,
    group: GroupName,
    rule: RuleName,
    target_group: TargetGroupArn,
    template: TemplateVersion,
}

impl Names {
    fn new() -> Result<Self, IdError> {
        Ok(Self {
            fleet: "app".parse()?,
            group: "app-asg".parse()?,
            rule: "no-public-ip".parse()?,
            target_group: "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/app/73e2d6bc24d8a067"
                .parse()?,
            template: TemplateVersion { template: "lt-0123456789".parse()?, version: 7 },
        })
    }
}

/// Lives through the day of a seed.
///
/// # Errors
/// A name that the planner's types refuse: the plan itself is wrong.
pub fn live(seed: u64, is_told: bool) -> Result<Outcome, IdError> {
    live_with(seed, is_told, None)
}

/// The same, with rates that are not drawn.
///
/// # Errors
/// A name that the planner's types refuse: the plan itself is wrong.
pub fn live_with(seed: u64, is_told: bool, rates: Option<Rates>) -> Result<Outcome, IdError> {
    let mut dice = Dice::new(seed);
    let names = Names::new()?;
    let cloud = account(&names, &mut dice)?;
    let drawn = Rates::drawn(&mut dice);
    let rates = rates.unwrap_or(drawn);
    let mut world = World::new(dawn(), cloud, dice.split(), rates);
    if is_told {
        world.trace = Trace::on();
    }
    let is_calm = world.rates == Rates::none();
    world.note(|| format!("seed {seed}"));
    plan(&mut world, &names, &mut dice, is_calm);
    let mut simulation = Simulation::new(world, Defaults::default());
    let end = dawn() + BUSY;
    let judged = simulation.run_until(end, at_each_step).and_then(|()| {
        calm(&simulation);
        simulation.run_to_rest(end + QUIET, at_each_step)
    });
    let verdict = judged.and_then(|()| liveness::after_quiet(&simulation.shared().lock()));
    let world = simulation.shared().lock();
    let mut story: Vec<String> = world.trace.lines(dawn()).collect();
    if let Err(violation) = &verdict
        && is_told
    {
        story.push(format!("VIOLATION {violation}"));
    }
    Ok(Outcome {
        seed,
        counts: world.counts.clone(),
        deeds: world.deeds.counts.clone(),
        violation: verdict.err(),
        story,
    })
}

/// From here on nothing goes wrong, and nobody stands in the way.
fn calm(simulation: &Simulation) {
    let mut world = simulation.shared().lock();
    world.rates = Rates::none();
    for zone in zones() {
        world.cloud.set_short(&zone, false);
    }
    world.table.lift(&FreezeScope::Account);
    world.note(|| "quiet".to_owned());
    let later = world.now + SignedDuration::from_hours(6);
    world.change_at(later, people_mend);
}

/// What only people can mend, they mend: the drift of a fleet that is only observed, and that of many at once. One
/// instance alone is Driftless's own to replace.
fn people_mend(world: &mut World) {
    let names: Vec<GroupName> = world.cloud.groups().keys().cloned().collect();
    for name in names {
        let mode = world.cloud.groups().get(&name).and_then(|group| group.tags.get("driftless:mode"));
        let is_observed = mode.is_some_and(|mode| mode == "observe");
        let broken = drifted(world, &name);
        if is_observed || broken.len() > 1 {
            for instance in broken {
                let breaks = world.cloud.instances().get(&instance).map(|known| known.breaks.clone());
                for rule in breaks.unwrap_or_default().keys() {
                    world.cloud.judge(rule, &instance, Verdict::Compliant);
                }
            }
        }
    }
    world.note(|| "people mend what is left to them".to_owned());
}

/// The account at dawn: one fleet, settled.
fn account(names: &Names, dice: &mut Dice) -> Result<Cloud, IdError> {
    let mut cloud = Cloud::new(dice.split(), dawn() - SignedDuration::from_hours(1));
    cloud.add_image(image()?, Build::Good);
    let content = TemplateContent { image: Some(image()?.id), written_for: None, settings: BTreeMap::new() };
    cloud.add_template(&names.template, content);
    let settings = TargetGroupSettings {
        stickiness: None,
        deregistration_delay: dice.duration(SignedDuration::from_secs(10), SignedDuration::from_mins(5)),
        slow_start: SignedDuration::ZERO,
    };
    cloud.add_target_group(&names.target_group, settings, SignedDuration::from_secs(20));
    let listener =
        "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2";
    let place = ForwardPlace::Listener(listener.parse()?);
    cloud.add_forward(&place, BTreeMap::from([(names.target_group.clone(), 1)]), 0);
    cloud.add_rule(&names.rule, SignedDuration::from_mins(3));
    cloud.add_group(&names.group, tags(dice), names.template.clone(), zones());
    let desired = u32::try_from(dice.between(2, 12)).unwrap_or(4);
    let room = u32::try_from(dice.below(4)).unwrap_or(0);
    let warm_up = dice.duration(SignedDuration::ZERO, SignedDuration::from_mins(3));
    cloud.edit_group(&names.group, |group| {
        (group.min, group.max, group.desired) = (desired / 2, desired + room, desired);
        group.target_groups = vec![names.target_group.clone()];
        group.warm_up = warm_up;
    });
    cloud.advance(dawn());
    cloud.drain_events();
    cloud.edit_forward(&place, |forward| forward.rate = 10);
    Ok(cloud)
}

/// The image that the fleet runs.
fn image() -> Result<Image, IdError> {
    Ok(Image {
        id: "ami-00000000000000001".parse()?,
        state: ImageState::Available,
        is_own: true,
        image_for: None,
        build: None,
        commit: None,
        created_at: dawn() - SignedDuration::from_hours(24),
        architecture: "x86_64".into(),
        source_instance: None,
        is_backup: false,
        image_builder_arn: None,
    })
}

fn zones() -> Vec<Zone> {
    ["eu-central-1a", "eu-central-1b"].iter().filter_map(|zone| zone.parse().ok()).collect()
}

fn tags(dice: &mut Dice) -> BTreeMap<String, String> {
    let mut tags = vec![("fleet", "app"), ("rules", "no-public-ip"), ("alarms", "web-5xx")];
    let mut choose = |key: &'static str, values: &[&'static str]| {
        if let Some(value) = dice.pick(values).filter(|value| !value.is_empty()) {
            tags.push((key, value));
        }
    };
    choose("mode", &["act", "act", "act", "act", "act", "observe"]);
    choose("budget", &["", "", "1", "2", "3", "25%"]);
    choose("breaker", &["", "", "10%", "50%", "100%"]);
    choose("debounce", &["", "0s", "1m", "10m"]);
    choose("min-healthy", &["", "", "50%", "75%", "100%"]);
    tags.into_iter().map(|(key, value)| (format!("driftless:{key}"), value.to_owned())).collect()
}

/// Writes the day's events on the agenda.
fn plan(world: &mut World, names: &Names, dice: &mut Dice, is_calm: bool) {
    let events = if is_calm { 1 } else { dice.between(1, 25) };
    for number in 0..events {
        let at = dawn() + dice.duration(SignedDuration::from_mins(5), BUSY - SignedDuration::from_mins(5));
        let kind = if is_calm { 0 } else { dice.below(100) };
        let (names, mut dice) = (names.clone(), dice.split());
        world.change_at(at, move |world| match kind {
            0..50 => drift(world, &names, &mut dice),
            50..55 => drift_many(world, &names),
            55..65 => clear(world, &names, &mut dice),
            65..75 => resize(world, &names, &mut dice),
            75..82 => freeze(world, &mut dice),
            82..88 => fail(world, &names, &mut dice),
            88..94 => shortage(world, &mut dice),
            _ => command(world, &names, &mut dice, number),
        });
    }
}

fn some_member(world: &World, names: &Names, dice: &mut Dice) -> Option<InstanceId> {
    let members: Vec<InstanceId> = world.cloud.members(&names.group).map(|member| member.id.clone()).collect();
    dice.pick(&members).cloned()
}

fn drift(world: &mut World, names: &Names, dice: &mut Dice) {
    if let Some(instance) = some_member(world, names, dice) {
        world.cloud.judge(&names.rule, &instance, Verdict::NonCompliant);
    }
}

/// A rule was edited: most of the fleet drifts at once.
fn drift_many(world: &mut World, names: &Names) {
    world.cloud.edit_rule(&names.rule, 60);
}

fn clear(world: &mut World, names: &Names, dice: &mut Dice) {
    let drifted = drifted(world, &names.group);
    if let Some(instance) = dice.pick(&drifted).cloned() {
        world.cloud.judge(&names.rule, &instance, Verdict::Compliant);
    }
}

/// What breaks a rule now.
fn drifted(world: &World, group: &GroupName) -> Vec<InstanceId> {
    let drifted = world.cloud.members(group).filter(|member| !member.breaks.is_empty());
    drifted.map(|member| member.id.clone()).collect()
}

/// A person, Terraform or a scaling policy writes the desired capacity.
fn resize(world: &mut World, names: &Names, dice: &mut Dice) {
    let share = dice.below(1_000);
    world.cloud.edit_group(&names.group, |group| {
        let low = group.min.max(1);
        let span = u64::from(group.max.saturating_sub(low));
        group.desired = low + u32::try_from(span * share / 999).unwrap_or(0);
    });
    world.note(|| "a person: writes DesiredCapacity".to_owned());
}

fn freeze(world: &mut World, dice: &mut Dice) {
    let expires_at = Some(world.now + dice.duration(SignedDuration::from_mins(1), SignedDuration::from_hours(3)));
    world.note(|| format!("a person: freeze until {expires_at:?}"));
    let (since, scope) = (world.now, FreezeScope::Account);
    world.table.freeze(Freeze { reason: "incident".into(), owner: "ana".into(), since, expires_at, scope });
}

/// A zone has no room for new instances.
fn shortage(world: &mut World, dice: &mut Dice) {
    let end = world.now + dice.duration(SignedDuration::from_mins(5), SignedDuration::from_hours(1));
    if let Some(zone) = dice.pick(&zones()).cloned() {
        world.note(|| format!("EC2: no room in {zone} until {end}"));
        world.cloud.set_short(&zone, true);
        world.change_at(end, move |world| world.cloud.set_short(&zone, false));
    }
}

/// An instance stops to answer, or EC2 loses it.
fn fail(world: &mut World, names: &Names, dice: &mut Dice) {
    if let Some(instance) = some_member(world, names, dice) {
        world.note(|| format!("EC2: {instance} fails"));
        world.cloud.break_instance(&instance, dice.happens(500_000));
    }
}

fn command(world: &mut World, names: &Names, dice: &mut Dice, number: u64) {
    let Some(instance) = some_member(world, names, dice) else { return };
    let command = if dice.happens(500_000) {
        world.history.drifted.entry(instance.clone()).or_insert(world.now);
        Command::Replace { instance }
    } else {
        Command::Retry
    };
    world.note(|| format!("a person: {command:?}"));
    world.report(&Fact::Command(CommandFact {
        request: format!("request-{number}"),
        fleet: names.fleet.clone(),
        actor: "ana".into(),
        at: world.now,
        reason: None,
        command,
    }));
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
            replaced += outcome.deeds.get("terminate").copied().unwrap_or(0);
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
