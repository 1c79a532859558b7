//! How the traffic of a cutover was changed outside Driftless.

use serde::{Deserialize, Serialize};

use crate::balancer::ForwardPlace;
use crate::ids::GroupName;
use crate::text::UntrustedText;

/// How the traffic of a cutover was changed outside Driftless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum TrafficChange {
    #[error("the forward action no longer exists")]
    ForwardGone,
    #[error("the weights of {place} were changed outside Driftless")]
    WeightsWritten { place: ForwardPlace },
    /// The new color has traffic before the first traffic step of the cutover.
    #[error("the new color already has traffic at {place}, which was set outside Driftless")]
    TooEarly { place: ForwardPlace },
    /// The new color has traffic while an abort of the cutover scales it to zero.
    #[error("{group} was given traffic at {place} outside Driftless")]
    Given { group: GroupName, place: ForwardPlace },
    #[error("{group} was attached to the target group outside Driftless")]
    Attached { group: GroupName },
    #[error("{group} was attached to the target group again outside Driftless")]
    AttachedAgain { group: GroupName },
    #[error("{group} was detached from the target group outside Driftless")]
    Detached { group: GroupName },
    /// The sentence that an earlier version of Driftless stored. This version reads it and never writes it.
    #[error("{0}")]
    #[serde(untagged)]
    AsStored(UntrustedText),
}
