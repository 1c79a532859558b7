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
    /// The template version that it rolls out, if it names one.
    pub template: Option<TemplateVersion>,
    /// How much of the group it has replaced, in percent.
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
    /// It succeeded, and the group has the new template.
    Successful,
    /// It failed or was cancelled, and the group has instances of both versions.
    Stopped,
    /// `Cancelling`, or rolling back.
    GoingBack,
    /// It was rolled back, and the group has its old template.
    WentBack,
    CouldNotGoBack,
}

impl RefreshStatus {
    /// Whether it still changes the group.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Baking | Self::GoingBack)
    }
}

/// The settings of an instance refresh. Auto Scaling always rolls it back when an alarm goes into ALARM or the refresh
/// fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshPlan {
    /// The template version to roll out.
    pub template: TemplateVersion,
    /// The share of the group that must stay healthy.
    pub min_healthy: Percent,
    /// Alarms that cause a rollback, at most 10.
    pub alarms: Vec<AlarmName>,
    /// How long Auto Scaling watches the alarms at the end.
    pub bake: SignedDuration,
}
