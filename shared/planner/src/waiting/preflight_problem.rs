//! Why a cutover cannot begin yet, as its preflight finds it.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::balancer::ForwardPlace;
use crate::ids::{AlarmName, GroupName, ImageId, InstanceId};
use crate::template::TemplateVersion;
use crate::text::UntrustedText;
use crate::waiting::GroupProblem;

/// The name of a check of the preflight.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum PreflightCheck {
    /// The group that has the traffic.
    LiveGroup,
    /// The group that is to take it.
    NextGroup,
    /// Nothing may be in the other color that is not the candidate's.
    OtherColor,
    /// Alarms are what stops a cutover.
    Alarms,
    /// What it replaces must be launchable again.
    WayBack,
    /// Clients that stick to the old color would be sent there when it goes.
    Stickiness,
    /// The bounds of the groups must let it grow.
    Room,
}

/// Why a cutover cannot begin yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum PreflightProblem {
    /// One of its groups is not fit for any change.
    #[error(transparent)]
    Group(GroupProblem),
    /// The load balancer is not set up for it.
    #[error(transparent)]
    Route(RouteProblem),
    #[error("another activity is under way on {group}: {instance} comes or goes")]
    OtherActivity { group: GroupName, instance: InstanceId },
    #[error("{group} uses no numbered launch template version")]
    NoNumberedTemplate { group: GroupName },
    /// The idle color has, or will have, instances that are not the candidate's.
    #[error("{group} is to be empty: it wants {wants} instances, at least {least}, and has {has}")]
    NotEmpty { group: GroupName, wants: u32, least: u32, has: usize },
    #[error("the alarm {alarm} does not exist: nothing would stop the cutover")]
    AlarmMissing { alarm: UntrustedText },
    #[error("the alarm {alarm} rings already: {reason}")]
    AlarmRings { alarm: AlarmName, reason: UntrustedText },
    #[error("the way back is not launchable: {image} is pending")]
    WayBackPending { image: ImageId },
    #[error("the way back is not launchable: {image} is {state}")]
    WayBackUnavailable { image: ImageId, state: UntrustedText },
    #[error("the way back is not launchable: {image} does not exist")]
    WayBackImageGone { image: ImageId },
    #[error("the way back is not launchable: {template} does not exist")]
    WayBackTemplateGone { template: TemplateVersion },
    #[error("whether {image} can be launched is read at the next look")]
    WayBackImageUnread { image: ImageId },
    #[error("whether {template} can be launched is read at the next look")]
    WayBackTemplateUnread { template: TemplateVersion },
    #[error(
        "clients stick to their target group for {longest:#}, longer than driftless:bake and keep-warm together \
         ({watched:#}): some would still be sent to the old color when it goes"
    )]
    ClientsStick { longest: SignedDuration, watched: SignedDuration },
    #[error("{group} wants {wants} instances, and the fleet's maximum is {max}")]
    AboveMaximum { group: GroupName, wants: u32, max: u32 },
    #[error("{group} wants no instance: there is nothing to size the new color by")]
    NothingToSizeBy { group: GroupName },
    #[error("the fleet's minimum {min} is above its maximum {max}")]
    MinimumAboveMaximum { min: u32, max: u32 },
    #[error("settings of earlier work are still to be put back")]
    SettingsToPutBack,
    /// Only read, never written: the sentence that an earlier version stored.
    #[error("{0}")]
    #[serde(untagged)]
    AsStored(UntrustedText),
}

/// Why traffic cannot be moved between two groups as the load balancer is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum RouteProblem {
    #[error("{place} names other target groups too: their share would be lost")]
    OthersShareIt { place: ForwardPlace },
    #[error("only application load balancers weigh target groups")]
    NoWeights,
    #[error("no listener or rule forwards to the target groups of either color")]
    NothingForwards,
    #[error("the forward action names only one of the two target groups: name both, the idle one with weight 0")]
    OneIsNotNamed,
    #[error("{actions} forward actions name the target groups: exactly one must name both")]
    SeveralForward { actions: usize },
    #[error("both colors are attached to one target group: detach the idle one")]
    BothInOne,
    #[error("the colors have {old} and {new} target groups: one each, one for both, or none")]
    TargetGroupsDiffer { old: usize, new: usize },
}

impl From<GroupProblem> for PreflightProblem {
    fn from(problem: GroupProblem) -> Self {
        Self::Group(problem)
    }
}

impl From<RouteProblem> for PreflightProblem {
    fn from(problem: RouteProblem) -> Self {
        Self::Route(problem)
    }
}
