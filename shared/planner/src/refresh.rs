//! Instance refreshes: Auto Scaling itself replaces the instances of a single group.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::{AlarmName, RefreshId};
use crate::policy::Percent;
use crate::template::TemplateVersion;
use crate::text::UntrustedText;

/// An instance refresh, as Auto Scaling reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    pub id: RefreshId,
    pub status: RefreshStatus,
    /// The launch template version that the refresh rolls out. None: the refresh names none.
    pub template: Option<TemplateVersion>,
    /// The share of the group that the refresh has replaced, in percent.
    pub percentage: u8,
    pub started_at: Timestamp,
    pub reason: Option<UntrustedText>,
}

/// The status of an instance refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshStatus {
    Running,
    /// All instances are replaced, and Auto Scaling watches the alarms.
    Baking,
    /// The refresh succeeded, and the group has the new launch template version.
    Successful,
    /// The refresh failed or was cancelled, and the group has instances of both versions.
    Stopped,
    /// The refresh is being cancelled or rolled back.
    GoingBack,
    /// The refresh was rolled back, and the group has its old launch template version.
    WentBack,
    CouldNotGoBack,
}

impl RefreshStatus {
    /// Whether the refresh still changes the group.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Baking | Self::GoingBack)
    }
}

/// The settings of an instance refresh. Auto Scaling always rolls the refresh back when one of the alarms goes into
/// ALARM or the refresh fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshPlan {
    /// The launch template version to roll out.
    pub template: TemplateVersion,
    /// The share of the group that must stay healthy.
    pub min_healthy: Percent,
    /// Alarms whose state ALARM causes a rollback, at most 10.
    pub alarms: Vec<AlarmName>,
    /// How long Auto Scaling watches the alarms after all instances are replaced.
    pub bake: SignedDuration,
}
