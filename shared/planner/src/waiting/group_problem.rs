//! Why a group is not fit for a change.

use serde::{Deserialize, Serialize};

use crate::ids::{GroupName, InstanceId};
use crate::template::TemplateVersion;
use crate::text::UntrustedText;

/// An Auto Scaling process without which a replacement or a cutover would stop half-way.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
pub enum NeededProcess {
    Launch,
    Terminate,
    AddToLoadBalancer,
}

/// Why a group is not fit for a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum GroupProblem {
    /// An operator or another tool suspended a process that Driftless needs.
    #[error("{process} is suspended on {group}")]
    ProcessSuspended { process: NeededProcess, group: GroupName },
    /// An instance refresh, which replaces instances itself, is in progress on the group.
    #[error("an instance refresh is in progress on {group}")]
    RefreshUnderWay { group: GroupName },
    /// The group would launch another launch template version than the release.
    #[error(
        "{group} launches {found}, but the release is {released}: to accept {found}, set driftless:mode to observe and \
         back to act"
    )]
    OtherTemplate { group: GroupName, found: TemplateVersion, released: TemplateVersion },
    /// An instance that belongs to no replacement in progress is launching or terminating.
    #[error("another activity is in progress: {instance} is {state}")]
    OtherActivity { instance: InstanceId, state: UntrustedText },
    /// The group has not reached its desired capacity yet, or cannot reach it.
    #[error("{group} has {has} instances and a desired capacity of {wants}")]
    NotAtSize { group: GroupName, wants: u32, has: u32 },
    /// The sentence that an earlier version of Driftless stored. This version reads it and never writes it.
    #[error("{0}")]
    #[serde(untagged)]
    AsStored(UntrustedText),
}
