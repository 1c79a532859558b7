//! Load balancer settings that a cutover reads and writes: forward actions with their weights, and settings of target
//! groups.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::ids::{ListenerArn, RuleArn, TargetGroupArn};

/// A forward action of a load balancer's listener or listener rule, as read in this pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    pub place: ForwardPlace,
    /// The weight, 0 to 999, of each target group in the forward action. A forward to a single target group counts as
    /// weight 1.
    pub weights: BTreeMap<TargetGroupArn, u32>,
    /// How long the stickiness of the forward action keeps a client with one target group. None: stickiness is off.
    pub stickiness: Option<SignedDuration>,
    /// The kind of load balancer that has this forward action. Only application load balancers weight target groups.
    pub balancer: BalancerKind,
}

/// The listener or listener rule that holds a forward action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardPlace {
    /// The default action of a listener.
    Listener(ListenerArn),
    Rule(RuleArn),
}

/// The kind of a load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalancerKind {
    /// An application load balancer.
    Application,
    /// A network or gateway load balancer, or a kind that this version does not know.
    Other,
}

/// Settings of a target group that a cutover depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetGroupSettings {
    /// How long stickiness keeps a client with one target. None: stickiness is off.
    pub stickiness: Option<SignedDuration>,
    /// How long a target that is being deregistered may still finish its requests.
    pub deregistration_delay: SignedDuration,
    /// How long after its registration a target gets less than its share of requests.
    pub slow_start: SignedDuration,
}

/// The Auto Scaling API family that attached a target group. Only the same family can detach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachmentApi {
    TargetGroups,
    TrafficSources,
}

impl std::fmt::Display for ForwardPlace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listener(arn) => write!(formatter, "{arn}"),
            Self::Rule(arn) => write!(formatter, "{arn}"),
        }
    }
}
