//! Settings that Driftless has changed and must restored.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::balancer::ForwardPlace;
use crate::ids::{GroupName, InstanceId};
use crate::template::TemplateVersion;

/// A reversible setting that Driftless has changed on a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BorrowedSetting {
    pub group: GroupName,
    /// The setting, with the value it had and the value written.
    pub setting: Setting,
    /// When the change was decided.
    pub since: Timestamp,
}

/// A setting, with the value it had and what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// `MaxSize`, raised to make room for successors.
    Maximum { had: u32, wrote: u32 },
    /// Scale-in protection of a successor, which had none.
    Protection { instance: InstanceId },
    /// `MinSize`, held up for as long as a cutover lasts.
    BorrowedMinimum {
        had: u32,
        /// Every value that the cutover wrote: it follows what is live upward.
        wrote: BTreeSet<u32>,
    },
    /// `MaxSize` of the color that is to take the traffic.
    BorrowedMaximum {
        had: u32,
        /// Every value that the cutover wrote.
        wrote: BTreeSet<u32>,
    },
    /// The launch template version of the color that is to take the traffic.
    Template { had: TemplateVersion, wrote: TemplateVersion },
    /// The stickiness of a forward action, switched off when traffic went back.
    Stickiness { place: ForwardPlace, had: SignedDuration },
}

impl Setting {
    /// Whether it belongs to a cutover. The others belong to replacements.
    pub const fn is_of_cutover(&self) -> bool {
        match self {
            Self::Maximum { .. } | Self::Protection { .. } => false,
            Self::BorrowedMinimum { .. }
            | Self::BorrowedMaximum { .. }
            | Self::Template { .. }
            | Self::Stickiness { .. } => true,
        }
    }
}
