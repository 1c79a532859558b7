//! Settings that Driftless has changed and must restore.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::balancer::ForwardPlace;
use crate::ids::{GroupName, InstanceId};
use crate::template::TemplateVersion;

/// A setting of a group that Driftless has changed and will restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BorrowedSetting {
    pub group: GroupName,
    /// The setting, with its earlier value and the value that Driftless wrote.
    pub setting: Setting,
    /// When Driftless decided to change it.
    pub since: Timestamp,
}

/// A setting, with its earlier value (`had`) and what Driftless wrote (`wrote`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// `MaxSize`, raised to make room for replacement instances.
    Maximum { had: u32, wrote: u32 },
    /// Scale-in protection of a replacement instance, which had none.
    Protection { instance: InstanceId },
    /// `MinSize`, raised while a cutover lasts.
    BorrowedMinimum {
        had: u32,
        /// Every value that the cutover wrote: it raises the minimum again when the live group grows.
        wrote: BTreeSet<u32>,
    },
    /// `MaxSize` of the new color, or of the old color during a rollback.
    BorrowedMaximum {
        had: u32,
        /// Every value that the cutover wrote.
        wrote: BTreeSet<u32>,
    },
    /// The launch template version of the new color.
    Template { had: TemplateVersion, wrote: TemplateVersion },
    /// The stickiness of a forward action, which a rollback switched off.
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
