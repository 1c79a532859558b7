//! The fleet of a day: its layout, its groups, its load balancer, its policy.

use std::collections::BTreeMap;

use driftless_planner::balancer::{ForwardPlace, TargetGroupSettings};
use driftless_planner::fact::AlarmSubject;
use driftless_planner::ids::{AlarmName, FleetName, GroupName, IdError, RuleName, TargetGroupArn, Zone};
use driftless_planner::image::{Image, ImageState};
use driftless_planner::observation::{TemplateContent, TemplateVersion};
use jiff::SignedDuration;

use super::dawn;
use crate::cloud::{Build, Cloud};
use crate::dice::Dice;
use crate::judges::admission::WINDOWS;

/// How a fleet is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One group.
    Single,
    /// Two colors, each with its target group in one forward action.
    Weighted,
    /// Two colors that take turns in one target group.
    Shared,
    /// Two colors without a load balancer.
    Bare,
}

impl Layout {
    pub(super) const fn drawn(dice: &mut Dice) -> Self {
        match dice.below(100) {
            0..35 => Self::Single,
            35..70 => Self::Weighted,
            70..87 => Self::Shared,
            _ => Self::Bare,
        }
    }
}

/// The names of one color, or of the only group.
#[derive(Debug, Clone)]
pub(super) struct ColorNames {
    pub(super) group: GroupName,
    /// What it receives traffic through while it is the live one. None: there is no load balancer.
    pub(super) target_group: Option<TargetGroupArn>,
    pub(super) template: TemplateVersion,
    pub(super) alarm: AlarmName,
    color: Option<&'static str>,
}

/// The names of the fleet and what belongs to it.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) layout: Layout,
    pub(super) fleet: FleetName,
    pub(super) rule: RuleName,
    pub(super) place: ForwardPlace,
    /// The live color of the morning first.
    pub(super) colors: Vec<ColorNames>,
}

fn target_group(name: &str) -> Result<TargetGroupArn, IdError> {
    format!("arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/{name}/73e2d6bc24d8a067").parse()
}

impl Names {
    pub(super) fn of(layout: Layout) -> Result<Self, IdError> {
        let listener = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web/50dc6c495c0c9188/\
                        f2f7dc8efc522ab2";
        let color = |name: &'static str, target_group, color| -> Result<ColorNames, IdError> {
            let number = if name == "green" { 2 } else { 1 };
            Ok(ColorNames {
                group: format!("app-{name}").parse()?,
                target_group,
                template: TemplateVersion { template: format!("lt-012345678{number}").parse()?, version: 7 },
                alarm: format!("app-{name}-5xx").parse()?,
                color,
            })
        };
        let colors = match layout {
            Layout::Single => vec![color("asg", Some(target_group("app")?), None)?],
            Layout::Weighted => vec![
                color("blue", Some(target_group("blue")?), Some("blue"))?,
                color("green", Some(target_group("green")?), Some("green"))?,
            ],
            Layout::Shared => vec![
                color("blue", Some(target_group("app")?), Some("blue"))?,
                color("green", Some(target_group("app")?), Some("green"))?,
            ],
            Layout::Bare => vec![color("blue", None, Some("blue"))?, color("green", None, Some("green"))?],
        };
        let place = ForwardPlace::Listener(listener.parse()?);
        Ok(Self { layout, fleet: "app".parse()?, rule: "no-public-ip".parse()?, place, colors })
    }
}

/// The account at dawn: one fleet, settled.
pub(super) fn account(names: &Names, dice: &mut Dice) -> Result<Cloud, IdError> {
    let mut cloud = Cloud::new(dice.split(), dawn() - SignedDuration::from_hours(1));
    cloud.add_image(image()?, Build::Good);
    cloud.add_rule(&names.rule, SignedDuration::from_mins(3));
    let tags = tags(names, dice);
    let sizes = Sizes::drawn(dice);
    let settings = TargetGroupSettings {
        stickiness: None,
        deregistration_delay: dice.duration(SignedDuration::from_secs(10), SignedDuration::from_mins(5)),
        slow_start: SignedDuration::ZERO,
    };
    let mut weights = BTreeMap::new();
    for (position, color) in names.colors.iter().enumerate() {
        let is_live = position == 0;
        if let Some(arn) = &color.target_group {
            cloud.add_target_group(arn, settings, SignedDuration::from_secs(20));
            weights.entry(arn.clone()).or_insert(if is_live { 100 } else { 0 });
        }
        let window = dice.duration(SignedDuration::from_secs(60), SignedDuration::from_mins(3));
        cloud.add_alarm(&color.alarm, subject(color), window);
        let content = TemplateContent { image: Some(image()?.id), written_for: None, settings: BTreeMap::new() };
        cloud.add_template(&color.template, content);
        let colored = color.color.map(|color| ("driftless:color".to_owned(), color.to_owned()));
        let tags = tags.clone().into_iter().chain(colored).collect();
        cloud.add_group(&color.group, tags, color.template.clone(), zones());
        // In a shared target group the idle color rests detached.
        let is_attached = is_live || names.layout == Layout::Weighted;
        let attached = color.target_group.clone().filter(|_| is_attached);
        cloud.edit_group(&color.group, |group| {
            group.target_groups = attached.into_iter().collect();
            group.warm_up = sizes.warm_up;
            if is_live {
                (group.min, group.max, group.desired) = (sizes.desired / 2, sizes.desired + sizes.room, sizes.desired);
            }
        });
    }
    if !weights.is_empty() {
        cloud.add_forward(&names.place, weights, 0);
    }
    cloud.advance(dawn());
    cloud.drain_events();
    cloud.edit_forward(&names.place, |forward| forward.rate = 10);
    Ok(cloud)
}

/// How large the fleet is.
struct Sizes {
    desired: u32,
    room: u32,
    warm_up: SignedDuration,
}

impl Sizes {
    fn drawn(dice: &mut Dice) -> Self {
        Self {
            desired: u32::try_from(dice.between(2, 12)).unwrap_or(4),
            room: u32::try_from(dice.below(4)).unwrap_or(0),
            warm_up: dice.duration(SignedDuration::ZERO, SignedDuration::from_mins(3)),
        }
    }
}

fn subject(color: &ColorNames) -> AlarmSubject {
    let target_groups: Vec<String> = color.target_group.iter().map(|arn| arn.dimension().to_owned()).collect();
    let groups = if target_groups.is_empty() { vec![color.group.clone()] } else { Vec::new() };
    AlarmSubject { instances: Vec::new(), groups, target_groups }
}

/// The image that the fleet runs.
pub(super) fn image() -> Result<Image, IdError> {
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

pub(super) fn zones() -> Vec<Zone> {
    ["eu-central-1a", "eu-central-1b"].iter().filter_map(|zone| zone.parse().ok()).collect()
}

fn tags(names: &Names, dice: &mut Dice) -> BTreeMap<String, String> {
    let alarms: Vec<&str> = names.colors.iter().map(|color| color.alarm.as_str()).collect();
    let mut tags: BTreeMap<String, String> =
        [("fleet", "app"), ("rules", "no-public-ip"), ("alarms", alarms.join(";").as_str())]
            .into_iter()
            .map(|(key, value)| (format!("driftless:{key}"), value.to_owned()))
            .collect();
    let mut choose = |key: &str, values: &[&str]| {
        if let Some(value) = dice.pick(values).filter(|value| !value.is_empty()) {
            tags.insert(format!("driftless:{key}"), (*value).to_owned());
        }
    };
    choose("mode", &["act", "act", "act", "act", "act", "act", "act", "observe"]);
    choose("budget", &["", "", "1", "2", "3", "25%"]);
    choose("breaker", &["", "", "10%", "50%", "100%"]);
    choose("debounce", &["", "0s", "1m", "10m"]);
    choose("min-healthy", &["", "", "50%", "75%", "100%"]);
    // Short times, so that a cutover ends within the day.
    choose("traffic", &["", "100", "50,100", "5,25,75,100"]);
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
