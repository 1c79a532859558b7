//! The fleet of a run: its layout, its size and its policy.

use std::collections::BTreeMap;

use driftless_planner::balancer::TargetGroupSettings;
use driftless_planner::fleet::Color;
use driftless_planner::ids::{AlarmName, IdError, RuleName};
use driftless_planner::image::Image;
use jiff::SignedDuration;

use super::dawn;
use crate::cloud::{Build, Cloud};
use crate::fleet::{self, FleetNames, FleetPlan, Layout};
use crate::invariants::admission::WINDOWS;
use crate::rng::Rng;

/// The names of the resources of the run.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) fleet: FleetNames,
    pub(super) rule: RuleName,
    /// One alarm for each group.
    pub(super) alarms: Vec<AlarmName>,
}

impl Layout {
    pub(super) const fn drawn(rng: &mut Rng) -> Self {
        match rng.below(100) {
            0..35 => Self::Single,
            35..70 => Self::Weighted,
            70..87 => Self::Shared,
            _ => Self::Bare,
        }
    }
}

impl Names {
    pub(super) fn of(layout: Layout) -> Result<Self, IdError> {
        let fleet = FleetNames::of(layout, "app".parse()?, Color::Blue, 0)?;
        let alarms = fleet.colors.iter().map(|color| format!("{}-5xx", color.group).parse());
        let alarms = alarms.collect::<Result<_, _>>()?;
        Ok(Self { fleet, rule: "no-public-ip".parse()?, alarms })
    }
}

/// The account at the start: one idle fleet.
pub(super) fn account(names: &Names, rng: &mut Rng) -> Result<Cloud, IdError> {
    let mut cloud = Cloud::new(rng.split(), dawn() - SignedDuration::from_hours(1));
    let image = image()?;
    let tags = tags(names, rng);
    let sizes = Sizes::drawn(rng);
    let settings = TargetGroupSettings {
        stickiness: None,
        deregistration_delay: rng.duration(SignedDuration::from_secs(10), SignedDuration::from_mins(5)),
        slow_start: SignedDuration::ZERO,
    };
    let plan = FleetPlan {
        names: names.fleet.clone(),
        tags,
        settings,
        image: image.id.clone(),
        min: sizes.desired / 2,
        max: sizes.desired + sizes.room,
        desired: sizes.desired,
        warm_up: sizes.warm_up,
    };
    cloud.add_image(image, Build::Good);
    cloud.add_rule(&names.rule, SignedDuration::from_mins(3));
    for (color, alarm) in names.fleet.colors.iter().zip(&names.alarms) {
        let window = rng.duration(SignedDuration::from_secs(60), SignedDuration::from_mins(3));
        cloud.add_alarm(alarm, fleet::subject(color), window);
    }
    fleet::add_fleet(&mut cloud, &plan);
    cloud.advance(dawn());
    cloud.drain_events();
    cloud.edit_forward(&names.fleet.place, |forward| forward.rate = 10);
    Ok(cloud)
}

/// The size of the fleet: its desired capacity, the room from there to the maximum, and the instance warm-up.
struct Sizes {
    desired: u32,
    room: u32,
    warm_up: SignedDuration,
}

impl Sizes {
    fn drawn(rng: &mut Rng) -> Self {
        Self {
            desired: u32::try_from(rng.between(2, 12)).unwrap_or(4),
            room: u32::try_from(rng.below(4)).unwrap_or(0),
            warm_up: rng.duration(SignedDuration::ZERO, SignedDuration::from_mins(3)),
        }
    }
}

/// The image that the fleet runs at the beginning.
pub(super) fn image() -> Result<Image, IdError> {
    Ok(fleet::image("ami-00000000000000001".parse()?, dawn() - SignedDuration::from_hours(24)))
}

fn tags(names: &Names, rng: &mut Rng) -> BTreeMap<String, String> {
    let alarms: Vec<&str> = names.alarms.iter().map(AlarmName::as_str).collect();
    let mut tags: BTreeMap<String, String> =
        [("fleet", "app"), ("rules", "no-public-ip"), ("alarms", alarms.join(";").as_str())]
            .into_iter()
            .map(|(key, value)| (format!("driftless:{key}"), value.to_owned()))
            .collect();
    let mut choose = |key: &str, values: &[&str]| {
        if let Some(value) = rng.pick(values).filter(|value| !value.is_empty()) {
            tags.insert(format!("driftless:{key}"), (*value).to_owned());
        }
    };
    choose("mode", &["act", "act", "act", "act", "act", "act", "act", "observe"]);
    choose("budget", &["", "", "1", "2", "3", "25%"]);
    choose("breaker", &["", "", "10%", "50%", "100%"]);
    choose("debounce", &["", "0s", "1m", "10m"]);
    choose("min-healthy", &["", "", "50%", "75%", "100%"]);
    // Short durations, so that a cutover ends within the run.
    choose("weights", &["", "100", "50,100", "5,25,75,100"]);
    choose("step", &["1m", "2m"]);
    choose("bake", &["0s", "1m", "5m"]);
    choose("keep-warm", &["0s", "5m", "20m"]);
    let windows: Vec<&str> = WINDOWS.iter().map(|(text, _)| *text).collect();
    choose("window", &[&["", "", "", "", "", "", ""], windows.as_slice()].concat());
    choose("approval", &["", "", "", "manual", "check"]);
    choose("launch-deadline", &["8m", "20m"]);
    choose("drain-deadline", &["10m", ""]);
    tags
}
