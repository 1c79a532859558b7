//! The layout of a fleet's groups: a blue/green pair, a single group, or a misconfiguration.

use serde::{Deserialize, Serialize};

use crate::ids::FleetName;
use crate::observation::{Group, Observation};
use crate::policy::{self, Defaults, Policy, PolicyError};
use crate::reading::Read;
use crate::template::{TemplateReference, TemplateVersion};

/// The tag that makes a group part of a fleet.
pub const FLEET_TAG: &str = "driftless:fleet";
/// The tag that gives a group of a pair its color.
pub const COLOR_TAG: &str = "driftless:color";

/// One of the two groups of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Color {
    Blue,
    Green,
}

impl std::fmt::Display for Color {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Blue => "blue",
            Self::Green => "green",
        })
    }
}

impl Color {
    /// The other color of the pair.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }
}

/// The layout of a fleet's groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout<'a> {
    Pair {
        /// The group tagged `driftless:color=blue`.
        blue: &'a Group,
        /// The group tagged `driftless:color=green`.
        green: &'a Group,
    },
    /// A single group, without a color.
    Single(&'a Group),
}

/// Why the groups do not form a fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misconfigured {
    /// No group carries the tag any more.
    #[error("no Auto Scaling group carries the tag driftless:fleet={fleet}")]
    NoGroups { fleet: FleetName },
    /// The groups are neither a pair, with one group of each color, nor a single group without a color.
    #[error(
        "groups {groups} have the same fleet tag. A fleet has either one group without the tag driftless:color, or one blue and one green group"
    )]
    NotAPairOrASingleGroup {
        /// The groups with their colors.
        groups: String,
    },
    /// Neither the load balancer nor the record shows which color is live.
    #[error("{0}")]
    LiveUnknown(String),
}

impl<'a> Layout<'a> {
    /// Determines the layout of the groups.
    pub fn of(fleet: &FleetName, groups: &'a [Group]) -> Result<Self, Misconfigured> {
        let color = |group: &Group| group.tags.get(COLOR_TAG).cloned();
        let colored = |wanted: &str| groups.iter().find(|group| color(group).as_deref() == Some(wanted));
        match groups {
            [] => Err(Misconfigured::NoGroups { fleet: fleet.clone() }),
            [single] if color(single).is_none() => Ok(Self::Single(single)),
            [_, _] => match (colored("blue"), colored("green")) {
                (Some(blue), Some(green)) => Ok(Self::Pair { blue, green }),
                _ => Err(not_a_pair(groups)),
            },
            _ => Err(not_a_pair(groups)),
        }
    }

    /// The groups, blue first.
    pub fn groups(self) -> Vec<&'a Group> {
        match self {
            Self::Pair { blue, green } => vec![blue, green],
            Self::Single(group) => vec![group],
        }
    }

    /// The policy that the tags of the groups set, over the stack's defaults.
    pub fn policy(self, defaults: &Defaults) -> Result<Policy, PolicyError> {
        match self {
            Self::Pair { blue, green } => {
                policy::agreement(&blue.tags, &green.tags)?;
                Policy::from_tags(&blue.tags, defaults)
            }
            Self::Single(group) => Policy::from_tags(&group.tags, defaults),
        }
    }

    /// The group that is live according to the record, with its color.
    pub fn recorded(self, recorded: Option<Color>) -> Result<(&'a Group, Option<Color>), Misconfigured> {
        match (self, recorded) {
            (Self::Single(group), _) => Ok((group, None)),
            (Self::Pair { blue, .. }, Some(Color::Blue)) => Ok((blue, Some(Color::Blue))),
            (Self::Pair { green, .. }, Some(Color::Green)) => Ok((green, Some(Color::Green))),
            (Self::Pair { .. }, None) => Err(Misconfigured::LiveUnknown(
                "a cutover of a single group is in progress, but the groups form a blue/green pair now".to_owned(),
            )),
        }
    }

    /// The group that receives the traffic, with its color. The load balancer shows it. If the load balancer shows
    /// none, the record does; without a record, the only group with a desired capacity above 0 is live. If the load
    /// balancer and the record disagree, an operator must choose.
    pub fn live(
        self,
        seen: &Observation,
        recorded: Option<Color>,
    ) -> Result<(&'a Group, Option<Color>), Misconfigured> {
        let (blue, green) = match self {
            Self::Single(group) => return Ok((group, None)),
            Self::Pair { blue, green } => (blue, green),
        };
        let of = |color| match color {
            Color::Blue => (blue, Some(Color::Blue)),
            Color::Green => (green, Some(Color::Green)),
        };
        match (balanced(blue, green, seen), recorded) {
            (Some(color), None) => Ok(of(color)),
            (Some(color), Some(recorded)) if color == recorded => Ok(of(color)),
            (Some(color), Some(recorded)) => Err(Misconfigured::LiveUnknown(format!(
                "the load balancer sends traffic to {color}, but {recorded} is the live color that Driftless \
                 recorded: run driftless accept-live with the right color"
            ))),
            (None, Some(recorded)) => Ok(of(recorded)),
            // The first pass, without a load balancer: only the desired capacity shows which color is live.
            (None, None) => match (blue.desired > 0, green.desired > 0) {
                (true, false) => Ok(of(Color::Blue)),
                (false, true) => Ok(of(Color::Green)),
                (true, true) | (false, false) => Err(Misconfigured::LiveUnknown(format!(
                    "no load balancer shows which color is live, and {} and {} have desired capacities of {} \
                     and {}: scale the idle one to 0",
                    blue.name, green.name, blue.desired, green.desired
                ))),
            },
        }
    }
}

/// The color to which the load balancer sends all traffic. None: the load balancer does not show a single color.
fn balanced(blue: &Group, green: &Group, seen: &Observation) -> Option<Color> {
    let is_shared = blue.target_groups.iter().any(|arn| green.target_groups.contains(arn));
    if is_shared {
        // Both colors share one target group, which splits the traffic between them.
        return None;
    }
    let receives = |group: &Group| group.target_groups.iter().any(|arn| seen.weights_of(arn).any(|weight| weight > 0));
    match (receives(blue), receives(green)) {
        (true, false) => Some(Color::Blue),
        (false, true) => Some(Color::Green),
        (true, true) | (false, false) => None,
    }
}

/// Why Driftless cannot manage the groups, in words. Empty: the fleet can be adopted. `known`: launch template versions
/// that are not checked again, because they are the recorded release or a cutover wrote them.
pub fn obstacles(
    layout: Layout<'_>,
    live: &Group,
    seen: &Observation,
    known: &[Option<&TemplateVersion>],
) -> Vec<String> {
    let mut obstacles = Vec::new();
    for group in layout.groups() {
        obstacles.extend(group.unsupported.iter().map(|what| format!("{} has {what}", group.name)));
        if group.deleting {
            obstacles.push(format!("{} is being deleted", group.name));
        }
    }
    if let Layout::Pair { blue, green } = layout
        && let (Some(one), Some(other)) = (template_of(blue), template_of(green))
        && one == other
    {
        obstacles.push(format!("both colors use launch template {one}: each color needs its own"));
    }
    match &live.template {
        TemplateReference::Numbered(version) if known.contains(&Some(version)) => {}
        TemplateReference::Numbered(version) => match seen.templates.get(version) {
            // Not read: no known objection.
            Read::NotAsked => {}
            Read::Found(content) if content.image.is_some() => {}
            Read::Found(_) => obstacles
                .push(format!("{version} does not name its image by id, so the image of the release could change")),
            Read::Absent => obstacles.push(format!("{version} of {} does not exist", live.name)),
        },
        TemplateReference::Floating { alias, .. } => obstacles.push(format!(
            "{} uses {alias} of its launch template: pin a numbered version, so that Driftless can tell the release",
            live.name
        )),
        TemplateReference::None => obstacles.push(format!("{} has no launch template", live.name)),
    }
    obstacles
}

fn template_of(group: &Group) -> Option<&crate::ids::TemplateId> {
    match &group.template {
        TemplateReference::Numbered(version) => Some(&version.template),
        TemplateReference::Floating { template, .. } => Some(template),
        TemplateReference::None => None,
    }
}

fn not_a_pair(groups: &[Group]) -> Misconfigured {
    let named = groups.iter().map(|group| match group.tags.get(COLOR_TAG) {
        Some(color) => format!("{} ({color:?})", group.name),
        None => format!("{} (no color)", group.name),
    });
    Misconfigured::NotAPairOrASingleGroup { groups: named.collect::<Vec<_>>().join(", ") }
}
