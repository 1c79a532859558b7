//! The simulated account of a scenario before its first event, and the names of its resources.

use std::collections::BTreeMap;

use driftless_planner::alarm::AlarmSubject;
use driftless_planner::balancer::TargetGroupSettings;
use driftless_planner::fleet::Color;
use driftless_planner::ids::{AlarmName, FleetName, GroupName, IdError, ImageId, InstanceId, RuleName};
use driftless_planner::image::Image;
use driftless_planner::template::{TemplateReference, TemplateVersion};
use jiff::{SignedDuration, Timestamp};

use super::model::{
    AlarmSpec, AlarmTarget, Character, Event, FleetSpec, GroupRef, ImageNumber, ImageSpec, InstanceRef, LayoutSpec,
    Scenario, What,
};
use crate::cloud::{Build, Cloud, Life};
use crate::faults::Rates;
use crate::fleet::{self, ColorNames, FleetNames, FleetPlan, Layout};
use crate::rng::Rng;
use crate::world::World;

/// The simulated account of a scenario, with its fleets in service.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) cast: Cast,
}

/// The names of the resources in the account, and the time at which the scenario begins.
#[derive(Debug, Clone)]
pub(super) struct Cast {
    pub(super) start: Timestamp,
    pub(super) fleets: Vec<FleetNames>,
    /// Number of instances of each fleet at the beginning.
    pub(super) had: BTreeMap<FleetName, usize>,
}

/// How long Config takes to evaluate a new instance.
const EVALUATION: SignedDuration = SignedDuration::from_mins(3);
/// Number of requests to each fleet, per second.
const LOAD: u64 = 10;
/// The fleets launch at least this long before a scenario begins.
const COMES_UP: SignedDuration = SignedDuration::from_hours(1);

impl Stage {
    /// Sets up the account of a scenario.
    ///
    /// # Errors
    /// The planner's types reject a name.
    pub(super) fn new(scenario: &Scenario, seed: Option<u64>) -> Result<Self, IdError> {
        let mut rng = seed.or(scenario.seed).map_or_else(Rng::fixed, Rng::new);
        let age = scenario.fleets.iter().filter_map(|fleet| fleet.age).max().unwrap_or(SignedDuration::ZERO);
        let born = scenario.start - age.max(COMES_UP);
        let mut cloud = Cloud::new(rng.split(), born);
        for rule in rules(scenario) {
            cloud.add_rule(&rule, EVALUATION);
        }
        let mut fleets = Vec::new();
        // Every fleet runs `ami-1` at the beginning.
        let own = image_id(1)?;
        cloud.add_image(image(own.clone(), None, &ImageSpec::default(), born), Build::Good);
        for (number, spec) in scenario.fleets.iter().enumerate() {
            let plan = plan(spec, number, own.clone())?;
            fleet::add_fleet(&mut cloud, &plan);
            fleets.push(plan.names);
        }
        let cast = Cast { start: scenario.start, fleets, had: BTreeMap::new() };
        leave_in_standby(scenario, &mut cloud, &cast);
        cloud.advance(scenario.start);
        settle(scenario, &mut cloud, &cast)?;
        let mut world = World::new(scenario.start, cloud, rng.split(), Rates::none());
        world.history.homes =
            cast.fleets.iter().filter_map(|fleet| Some(fleet.colors.first()?.group.clone())).collect();
        // The first instances are as old as the file says.
        let aging =
            scenario.fleets.iter().filter(|fleet| fleet.age.is_some()).filter_map(|spec| cast.fleet(&spec.name));
        let aged: Vec<InstanceId> = aging.flat_map(|fleet| instances(&world, fleet)).cloned().collect();
        world.history.drifted.extend(aged.into_iter().map(|id| (id, scenario.start)));
        let had = cast.fleets.iter().map(|fleet| (fleet.fleet.clone(), instances(&world, fleet).count())).collect();
        Ok(Self { world, cast: Cast { had, ..cast } })
    }
}

/// Launches instances in idle groups and moves them to Standby, as if an operator had left them there.
fn leave_in_standby(scenario: &Scenario, cloud: &mut Cloud, cast: &Cast) {
    let idle = cast.fleets.iter().zip(&scenario.fleets).filter(|(_, spec)| spec.standby > 0);
    let idle: Vec<(GroupName, u32)> =
        idle.filter_map(|(fleet, spec)| Some((fleet.colors.last()?.group.clone(), spec.standby))).collect();
    for (group, count) in &idle {
        cloud.edit_group(group, |group| (group.max, group.desired) = (*count, *count));
    }
    cloud.advance(scenario.start - COMES_UP / 2);
    for (group, _) in &idle {
        let members: Vec<InstanceId> = cloud.members(group).map(|member| member.id.clone()).collect();
        for member in members {
            cloud.edit_instance(&member, |instance| instance.life = Life::Standby);
        }
        cloud.edit_group(group, |group| (group.max, group.desired) = (0, 0));
    }
}

/// Adds images, alarms and settings to the account after the fleets are in service.
fn settle(scenario: &Scenario, cloud: &mut Cloud, cast: &Cast) -> Result<(), IdError> {
    for (number, spec) in &scenario.images {
        let known = image_id(*number)?;
        // The image that the fleets run gets its build number and its character only now that they are in service.
        if let Some(build) = &spec.build {
            let fleet = scenario.fleets.first().map(|fleet| fleet.name.as_str().into());
            cloud.edit_image(&known, |image| (image.build, image.image_for) = (Some(build.as_str().into()), fleet));
        }
        if cloud.image_ids().any(|id| *id == known) {
            cloud.set_build(&known, build_of(spec));
        }
    }
    for (name, spec) in alarms(scenario) {
        cloud.add_alarm(&name, cast.subject(cloud, spec.on.as_ref()), spec.window);
        if spec.state != driftless_planner::alarm::AlarmState::Ok {
            cloud.force_alarm(&name, Some(spec.state));
        }
    }
    for (fleet, spec) in cast.fleets.iter().zip(&scenario.fleets) {
        cloud.edit_forward(&fleet.place, |forward| {
            forward.rate = LOAD;
            forward.stickiness = spec.stickiness;
        });
        for color in fleet.colors.iter().filter(|_| spec.floats) {
            cloud.edit_group(&color.group, |group| {
                if let TemplateReference::Numbered(TemplateVersion { template, .. }) = &group.template {
                    let (template, alias) = (template.clone(), "$Latest".to_owned());
                    group.template = TemplateReference::Floating { template, alias };
                }
            });
        }
        if let [live, ..] = fleet.colors.as_slice() {
            cloud.edit_group(&live.group, |group| group.offers_launch = !spec.launches_by_desired);
        }
    }
    cloud.drain_events();
    Ok(())
}

fn plan(spec: &FleetSpec, number: usize, image: ImageId) -> Result<FleetPlan, IdError> {
    let layout = match spec.layout {
        LayoutSpec::Weighted => Layout::Weighted,
        LayoutSpec::Shared => Layout::Shared,
        LayoutSpec::NoLoadBalancer => Layout::Bare,
        LayoutSpec::Single => Layout::Single,
    };
    let names = FleetNames::of(layout, spec.name.clone(), spec.live, number)?;
    let policy = spec.policy.iter().map(|(key, value)| (format!("driftless:{key}"), value.clone()));
    let fleet = ("driftless:fleet".to_owned(), spec.name.to_string());
    Ok(FleetPlan {
        names,
        tags: policy.chain([fleet]).collect(),
        settings: TargetGroupSettings {
            stickiness: None,
            deregistration_delay: spec.deregistration_delay.unwrap_or(SignedDuration::from_mins(1)),
            slow_start: spec.slow_start.unwrap_or(SignedDuration::ZERO),
        },
        image,
        min: spec.min.unwrap_or(spec.instances),
        max: spec.max.unwrap_or(spec.instances),
        desired: spec.instances,
        warm_up: spec.warm_up.unwrap_or(SignedDuration::from_mins(1)),
    })
}

/// The id in AWS of an image of the scenario, such as `ami-7`.
pub(super) fn image_id(number: ImageNumber) -> Result<ImageId, IdError> {
    format!("ami-{number:017}").parse()
}

/// An image as the scenario describes it.
pub(super) fn image(id: ImageId, fleet: Option<&FleetName>, spec: &ImageSpec, at: Timestamp) -> Image {
    let mut image = fleet::image(id, at);
    image.build = spec.build.as_deref().map(Into::into);
    image.is_backup = spec.is_backup;
    image.is_own = !spec.is_foreign;
    image.image_for = fleet.filter(|_| image.is_own).map(|fleet| fleet.as_str().into());
    if let Some(architecture) = &spec.architecture {
        image.architecture = architecture.as_str().into();
    }
    image
}

/// How the instances of an image behave in the simulated AWS.
pub(super) const fn build_of(spec: &ImageSpec) -> Build {
    match spec.character {
        Character::Good => Build::Good,
        Character::NeverBoots => Build::NeverBoots,
        Character::NeverHealthy => Build::Sick,
        Character::TurnsBadAt(share) => Build::FailsUnderLoad(share as u32),
        Character::DriftedFromTheStart => Build::Drifted,
    }
}

/// Every Config rule that a policy or an event of the scenario names.
fn rules(scenario: &Scenario) -> Vec<RuleName> {
    let of_policies = scenario.fleets.iter().filter_map(|fleet| fleet.policy.get("rules"));
    let listed = of_policies.flat_map(|rules| rules.split(';')).filter_map(|rule| rule.trim().parse().ok());
    let events = scenario.steps.iter().filter_map(|step| match &step.what {
        What::Event(Event::Drift { rule, .. } | Event::Clear { rule, .. }) => Some(rule.clone()),
        What::Event(_) | What::Expect(_) => None,
    });
    listed.chain(events).collect()
}

/// The alarms that the file describes, and those that a policy names. An alarm that only a policy names has no metric,
/// and changes its state only by an event of the file.
fn alarms(scenario: &Scenario) -> BTreeMap<AlarmName, AlarmSpec> {
    let of_policies = scenario.fleets.iter().filter_map(|fleet| fleet.policy.get("alarms"));
    let named = of_policies.flat_map(|alarms| alarms.split(';')).map(str::trim);
    let named = named.filter(|alarm| *alarm != "none" && !alarm.contains('*'));
    let mut alarms: BTreeMap<AlarmName, AlarmSpec> =
        named.filter_map(|alarm| Some((alarm.parse().ok()?, AlarmSpec::quiet()))).collect();
    alarms.extend(scenario.alarms.iter().map(|(name, spec)| (name.clone(), spec.clone())));
    alarms
}

/// Every instance that the groups of a fleet have launched.
pub(super) fn instances<'w>(world: &'w World, fleet: &'w FleetNames) -> impl Iterator<Item = &'w InstanceId> {
    let is_of = |group: &GroupName| fleet.colors.iter().any(|color| color.group == *group);
    world.cloud.instances().values().filter(move |known| is_of(&known.group)).map(|known| &known.id)
}

impl Cast {
    /// The names of a fleet.
    pub(super) fn fleet(&self, name: &FleetName) -> Option<&FleetNames> {
        self.fleets.iter().find(|fleet| fleet.fleet == *name)
    }

    /// The names of the color of a group.
    pub(super) fn color(&self, group: &GroupRef) -> Option<&ColorNames> {
        self.fleet(&group.fleet)?.colors.iter().find(|color| color.color == group.color)
    }

    /// The name of a group in AWS.
    pub(super) fn group(&self, group: &GroupRef) -> Option<&GroupName> {
        self.color(group).map(|color| &color.group)
    }

    /// The instance that a reference names. None: the group has not launched it yet.
    pub(super) fn instance<'c>(&self, cloud: &'c Cloud, instance: &InstanceRef) -> Option<&'c InstanceId> {
        let group = self.group(&instance.group)?;
        let mut all = cloud.instances().values().filter(|known| known.group == *group).map(|known| &known.id);
        all.nth(instance.ordinal.checked_sub(1)?)
    }

    fn subject(&self, cloud: &Cloud, target: Option<&AlarmTarget>) -> AlarmSubject {
        match target {
            None => AlarmSubject::default(),
            Some(AlarmTarget::Group(group)) => self.color(group).map(fleet::subject).unwrap_or_default(),
            Some(AlarmTarget::Instance(instance)) => AlarmSubject {
                instances: self.instance(cloud, instance).into_iter().cloned().collect(),
                ..AlarmSubject::default()
            },
        }
    }

    /// Replaces the ids in a text by the names of the scenario: `blue/5` for `i-00000000000000005`, `ami-2` for the
    /// long id.
    pub(super) fn readable(&self, cloud: &Cloud, text: &str) -> String {
        let mut readable = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((at, kind)) = next_id(rest) {
            let (before, id_and_after) = rest.split_at(at);
            let digits = id_and_after.bytes().skip(kind.len()).take_while(u8::is_ascii_hexdigit).count();
            let (id, after) = id_and_after.split_at(kind.len() + digits);
            readable.push_str(before);
            readable.push_str(&self.short(cloud, id).unwrap_or_else(|| id.to_owned()));
            rest = after;
        }
        readable.push_str(rest);
        readable
    }

    /// The name of an id in the scenario. None: the id belongs to no resource of the scenario.
    fn short(&self, cloud: &Cloud, id: &str) -> Option<String> {
        if let Some(number) = id.strip_prefix("ami-") {
            return Some(format!("ami-{}", number.parse::<u64>().ok()?));
        }
        let names = self.fleets.iter().flat_map(|fleet| fleet.colors.iter().map(move |color| (fleet, color)));
        if id.starts_with("lt-") {
            let (_, color) = names.into_iter().find(|(_, color)| color.template.template.as_str() == id)?;
            return Some(format!("template of {}", color.group));
        }
        let id: InstanceId = id.parse().ok()?;
        let group = &cloud.instances().get(&id)?.group;
        let of_group = cloud.instances().values().filter(|known| known.group == *group);
        let ordinal = of_group.take_while(|known| known.id != id).count() + 1;
        let (_, color) = names.into_iter().find(|(_, color)| color.group == *group)?;
        let short = match (self.fleets.as_slice(), color.color) {
            ([_], Some(Color::Blue)) => "blue",
            ([_], Some(Color::Green)) => "green",
            _ => group.as_str(),
        };
        Some(format!("{short}/{ordinal}"))
    }
}

/// The first id in a text: its position, and the prefix with which it begins.
fn next_id(text: &str) -> Option<(usize, &'static str)> {
    let first = |kind: &'static str| text.find(&format!("{kind}0")).map(|at| (at, kind));
    ["i-", "ami-", "lt-"].into_iter().filter_map(first).min()
}
