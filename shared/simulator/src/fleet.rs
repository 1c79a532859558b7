//! A fleet in the simulated account: its groups, its load balancer, its templates and its tags. Fault-injection runs
//! draw one fleet; scenarios describe several.

use std::collections::BTreeMap;

use driftless_planner::alarm::AlarmSubject;
use driftless_planner::balancer::{ForwardPlace, TargetGroupSettings};
use driftless_planner::fleet::Color;
use driftless_planner::ids::{FleetName, GroupName, IdError, ImageId, TargetGroupArn, Zone};
use driftless_planner::image::{Image, ImageState};
use driftless_planner::template::{TemplateContent, TemplateVersion};
use jiff::{SignedDuration, Timestamp};

use crate::cloud::Cloud;

/// The layout of a fleet: its groups, and how requests reach them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One group without colors.
    Single,
    /// Two colors, each with its target group in one forward action.
    Weighted,
    /// Two colors that share one target group: only the live color is attached.
    Shared,
    /// Two colors without a load balancer.
    Bare,
}

/// The names of the resources of one color, or of a fleet with a single group.
#[derive(Debug, Clone)]
pub(crate) struct ColorNames {
    pub(crate) group: GroupName,
    /// The target group that is attached while the color is live. None: there is no load balancer.
    pub(crate) target_group: Option<TargetGroupArn>,
    pub(crate) template: TemplateVersion,
    /// None: the fleet has a single group.
    pub(crate) color: Option<Color>,
}

/// The names of a fleet and of its resources.
#[derive(Debug, Clone)]
pub(crate) struct FleetNames {
    pub(crate) layout: Layout,
    pub(crate) fleet: FleetName,
    pub(crate) place: ForwardPlace,
    /// The names of each color, the initially live one first.
    pub(crate) colors: Vec<ColorNames>,
}

/// Everything that is needed to create an idle fleet.
#[derive(Debug, Clone)]
pub(crate) struct FleetPlan {
    pub(crate) names: FleetNames,
    /// All tags of the groups except the color tag.
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) settings: TargetGroupSettings,
    pub(crate) image: ImageId,
    /// The minimum of the live group. The other group has the size 0.
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) desired: u32,
    pub(crate) warm_up: SignedDuration,
}

/// How long the load balancer takes to determine the health of a new target.
const JUDGING: SignedDuration = SignedDuration::from_secs(20);

fn target_group(name: &str) -> Result<TargetGroupArn, IdError> {
    format!("arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/{name}/73e2d6bc24d8a067").parse()
}

impl FleetNames {
    /// The names of a fleet. `number` makes the ids of its resources unique in the account.
    pub(crate) fn of(layout: Layout, fleet: FleetName, live: Color, number: usize) -> Result<Self, IdError> {
        let listener = format!(
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web/50dc6c495c0c9188/\
             f2f7dc8efc522ab{number:x}"
        );
        let color = |color: Option<Color>| -> Result<ColorNames, IdError> {
            let group = color.map_or_else(|| fleet.to_string(), |color| format!("{fleet}-{}", word(color)));
            let target_group = match layout {
                Layout::Single | Layout::Shared => Some(target_group(fleet.as_str())?),
                Layout::Weighted => Some(target_group(&group)?),
                Layout::Bare => None,
            };
            let position = if color == Some(Color::Green) { 2 } else { 1 };
            let template = format!("lt-{number:08x}{position}").parse()?;
            Ok(ColorNames {
                group: group.parse()?,
                target_group,
                template: TemplateVersion { template, version: 7 },
                color,
            })
        };
        let colors = match layout {
            Layout::Single => vec![color(None)?],
            Layout::Weighted | Layout::Shared | Layout::Bare => vec![color(Some(live))?, color(Some(live.other()))?],
        };
        let place = ForwardPlace::Listener(listener.parse()?);
        Ok(Self { layout, fleet, place, colors })
    }
}

/// Creates a fleet. Its instances become healthy within minutes; there are no requests yet.
pub(crate) fn add_fleet(cloud: &mut Cloud, plan: &FleetPlan) {
    let names = &plan.names;
    let mut weights = BTreeMap::new();
    for (position, color) in names.colors.iter().enumerate() {
        let is_live = position == 0;
        if let Some(arn) = &color.target_group {
            cloud.add_target_group(arn, plan.settings, JUDGING);
            weights.entry(arn.clone()).or_insert(if is_live { 100 } else { 0 });
        }
        let content = TemplateContent { image: Some(plan.image.clone()), written_for: None, settings: BTreeMap::new() };
        cloud.add_template(&color.template, content);
        let colored = color.color.map(|color| ("driftless:color".to_owned(), word(color).to_owned()));
        let tags = plan.tags.clone().into_iter().chain(colored).collect();
        cloud.add_group(&color.group, tags, color.template.clone(), zones());
        // The idle color is detached from a shared target group.
        let is_attached = is_live || names.layout == Layout::Weighted;
        let attached = color.target_group.clone().filter(|_| is_attached);
        cloud.edit_group(&color.group, |group| {
            group.target_groups = attached.into_iter().collect();
            group.warm_up = plan.warm_up;
            if is_live {
                (group.min, group.max, group.desired) = (plan.min, plan.max, plan.desired);
            }
        });
    }
    if !weights.is_empty() {
        cloud.add_forward(&names.place, weights, 0);
    }
}

/// The resource that the alarm of a color watches: its target group or, without a load balancer, its group.
pub(crate) fn subject(color: &ColorNames) -> AlarmSubject {
    let target_groups: Vec<String> = color.target_group.iter().map(|arn| arn.dimension().to_owned()).collect();
    let groups = if target_groups.is_empty() { vec![color.group.clone()] } else { Vec::new() };
    AlarmSubject { instances: Vec::new(), groups, target_groups }
}

/// The name of a color in tags and group names.
pub(crate) const fn word(color: Color) -> &'static str {
    match color {
        Color::Blue => "blue",
        Color::Green => "green",
    }
}

/// An image of this account without a fleet tag.
pub(crate) fn image(id: ImageId, created_at: Timestamp) -> Image {
    Image {
        id,
        state: ImageState::Available,
        is_own: true,
        image_for: None,
        build: None,
        commit: None,
        created_at,
        architecture: "x86_64".into(),
        source_instance: None,
        is_backup: false,
        image_builder_arn: None,
    }
}

/// The Availability Zones of every group.
pub(crate) fn zones() -> Vec<Zone> {
    ["eu-central-1a", "eu-central-1b"].iter().filter_map(|zone| zone.parse().ok()).collect()
}
