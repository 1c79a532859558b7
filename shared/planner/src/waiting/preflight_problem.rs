//! The problems for which the preflight checks of a cutover block its start.

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
    /// The group that has the traffic must be fit for a cutover.
    LiveGroup,
    /// The group that takes the traffic must be fit for a cutover.
    NextGroup,
    /// The group of the idle color must have no instances.
    OtherColor,
    /// Every guard alarm must exist, and none may be in ALARM.
    Alarms,
    /// The release to which a rollback would return must be launchable.
    RollbackPath,
    /// Stickiness must end before the old color is scaled to zero, or clients would still be sent there.
    Stickiness,
    /// The maximum of the fleet must leave room for the new color, and no borrowed setting may remain to be restored.
    Room,
}

/// Why a cutover cannot begin yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum PreflightProblem {
    /// One of the groups of the cutover cannot be changed now.
    #[error(transparent)]
    Group(GroupProblem),
    /// The load balancer is not set up so that a cutover can move the traffic.
    #[error(transparent)]
    Route(RouteProblem),
    #[error("another activity is in progress on {group}: {instance} is starting or stopping")]
    OtherActivity { group: GroupName, instance: InstanceId },
    #[error("{group} does not use a numbered launch template version")]
    NoNumberedTemplate { group: GroupName },
    /// The group of the idle color has, or will have, instances that do not run the candidate.
    #[error("{group} must be empty: its desired capacity is {wants}, its MinSize {least}, and it has {has} instances")]
    NotEmpty { group: GroupName, wants: u32, least: u32, has: usize },
    #[error("guard alarm {alarm} does not exist: nothing would stop the cutover")]
    AlarmMissing { alarm: UntrustedText },
    #[error("guard alarm {alarm} is in ALARM: {reason}")]
    AlarmInAlarm { alarm: AlarmName, reason: UntrustedText },
    #[error("the release to roll back to cannot be launched: {image} is pending")]
    RollbackPathPending { image: ImageId },
    #[error("the release to roll back to cannot be launched: {image} is {state}")]
    RollbackPathUnavailable { image: ImageId, state: UntrustedText },
    #[error("the release to roll back to cannot be launched: {image} does not exist")]
    RollbackImageGone { image: ImageId },
    #[error("the release to roll back to cannot be launched: {template} does not exist")]
    RollbackTemplateGone { template: TemplateVersion },
    #[error("the next reconcile pass reads whether {image} can be launched")]
    RollbackImageUnread { image: ImageId },
    #[error("the next reconcile pass reads whether {template} can be launched")]
    RollbackTemplateUnread { template: TemplateVersion },
    #[error(
        "stickiness keeps clients on their target group for {longest:#}, longer than driftless:bake and \
         driftless:keep-warm together ({watched:#}): some requests would still go to the old color when it is scaled to \
         zero"
    )]
    ClientsStick { longest: SignedDuration, watched: SignedDuration },
    #[error("{group} has a desired capacity of {wants}, above the fleet's maximum of {max}")]
    AboveMaximum { group: GroupName, wants: u32, max: u32 },
    #[error("{group} has a desired capacity of 0: the new color has no size to copy")]
    NothingToSizeBy { group: GroupName },
    #[error("the fleet's minimum of {min} is above its maximum of {max}")]
    MinimumAboveMaximum { min: u32, max: u32 },
    #[error("settings that earlier work borrowed are not restored yet")]
    SettingsToRestore,
    /// The sentence that an earlier version of Driftless stored. This version reads it and never writes it.
    #[error("{0}")]
    #[serde(untagged)]
    AsStored(UntrustedText),
}

/// Why the setup of the load balancer does not allow to move the traffic between the two groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum RouteProblem {
    #[error("{place} also forwards to other target groups, which would lose their share")]
    OthersShareIt { place: ForwardPlace },
    #[error("only Application Load Balancers support weighted target groups")]
    NoWeights,
    #[error("no listener or rule forwards to the target groups of either color")]
    NothingForwards,
    #[error("the forward action names only one of the two target groups: add the idle one with weight 0")]
    OneIsNotNamed,
    #[error("{actions} forward actions name the target groups: exactly one must name both")]
    SeveralForward { actions: usize },
    #[error("both colors are attached to the same target group: detach the idle one")]
    BothInOne,
    #[error("the colors have {old} and {new} target groups: use one each, one for both, or none")]
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
