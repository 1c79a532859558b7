//! What another hand did to the traffic.

use serde::{Deserialize, Serialize};

use crate::balancer::ForwardPlace;
use crate::ids::GroupName;
use crate::text::UntrustedText;

/// What another hand did to the traffic of a cutover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum TrafficChange {
    #[error("the forward action is gone")]
    ForwardGone,
    #[error("another hand wrote the weights of {place}")]
    WeightsWritten { place: ForwardPlace },
    /// Before the first step.
    #[error("the new color has traffic already, by another hand, at {place}")]
    TooEarly { place: ForwardPlace },
    /// While it is being let go.
    #[error("another hand gave traffic to {group}, at {place}")]
    Given { group: GroupName, place: ForwardPlace },
    #[error("another hand attached {group}")]
    Attached { group: GroupName },
    #[error("another hand attached {group} again")]
    AttachedAgain { group: GroupName },
    #[error("another hand detached {group}")]
    Detached { group: GroupName },
    /// Only read, never written: the sentence that an earlier version stored.
    #[error("{0}")]
    #[serde(untagged)]
    AsStored(UntrustedText),
}
