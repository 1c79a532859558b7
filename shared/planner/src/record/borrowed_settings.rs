//! The settings that Driftless has changed and must restore.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::balancer::ForwardPlace;
use crate::ids::{GroupName, InstanceId};
use crate::template::TemplateVersion;

/// A setting that Driftless has changed and must restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BorrowedSetting {
    pub group: GroupName,
    /// Which setting it is, with the value before the change and the value that Driftless wrote.
    pub setting: Setting,
    /// When Driftless decided to change the setting.
    pub since: Timestamp,
}

/// A setting with the value before the change (`had`) and the value that Driftless wrote (`wrote`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// `MaxSize`, raised to make room for replacement instances.
    Maximum { had: u32, wrote: u32 },
    /// Scale-in protection of a replacement instance, which had none before.
    Protection { instance: InstanceId },
    /// `MinSize` of a group, raised for the time of a cutover.
    BorrowedMinimum {
        had: u32,
        /// Every value that the cutover wrote. A cutover raises the minimum again whenever the live group grows.
        wrote: BTreeSet<u32>,
    },
    /// `MaxSize` of the new color, or of the old color in a rollback, raised for the time of a cutover.
    BorrowedMaximum {
        had: u32,
        /// Every value that the cutover wrote.
        wrote: BTreeSet<u32>,
    },
    /// The launch template version of the group of the new color.
    Template { had: TemplateVersion, wrote: TemplateVersion },
    /// The stickiness duration of a forward action, which a rollback switched off.
    Stickiness { place: ForwardPlace, had: SignedDuration },
}

impl Setting {
    /// Whether a cutover borrows this setting. The other settings are borrowed by replacements.
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
