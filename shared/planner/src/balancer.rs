//! What a load balancer does with traffic: forward actions with their weights, and settings of target groups.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::ids::{ListenerArn, RuleArn, TargetGroupArn};

/// A forward action, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    pub place: ForwardPlace,
    /// The weight of each target group that it names, 0 to 999. A forward to a single target group counts as weight 1.
    pub weights: BTreeMap<TargetGroupArn, u32>,
    /// How long its own stickiness keeps a client with one target group. None: it is off.
    pub stickiness: Option<SignedDuration>,
    /// The kind of load balancer that it belongs to. Only application load balancers weigh target groups.
    pub balancer: BalancerKind,
}

/// Where a forward action stands.
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
    /// How long its stickiness keeps a client with one target. None: it is off.
    pub stickiness: Option<SignedDuration>,
    /// How long a leaving target may finish its requests.
    pub deregistration_delay: SignedDuration,
    /// How long a new target gets less than its share.
    pub slow_start: SignedDuration,
}

/// With which of its two API families Auto Scaling was told of a target group. What one attached, only the same one
/// detaches.
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
