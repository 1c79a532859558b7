//! Instance refreshes: how Auto Scaling itself rolls a single group.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::{AlarmName, RefreshId};
use crate::policy::Percent;
use crate::template::TemplateVersion;
use crate::text::UntrustedText;

/// An instance refresh, as Auto Scaling tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    pub id: RefreshId,
    pub status: RefreshStatus,
    /// The template version that it rolls out, where it was told one.
    pub template: Option<TemplateVersion>,
    /// How much of the group it has replaced, in percent.
    pub percentage: u8,
    pub started_at: Timestamp,
    /// What AWS says about it.
    pub reason: Option<UntrustedText>,
}

/// Where an instance refresh is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshStatus {
    Running,
    /// All are replaced, and it is watched.
    Baking,
    /// It is over, and the group has the new template.
    Successful,
    /// It failed or was cancelled, and stands where it stopped.
    Stopped,
    /// `Cancelling`, or on its rollback path.
    GoingBack,
    /// It went back, and the group has its old template.
    WentBack,
    CouldNotGoBack,
}

impl RefreshStatus {
    /// Whether it still changes the group.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Baking | Self::GoingBack)
    }
}

/// What an instance refresh is asked for. It always goes back by itself when an alarm is in ALARM or it fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshPlan {
    /// The template version to roll out.
    pub template: TemplateVersion,
    /// The share of the group that must stay healthy.
    pub min_healthy: Percent,
    /// Alarms that make it go back, at most 10.
    pub alarms: Vec<AlarmName>,
    /// How long it is watched at the end.
    pub bake: SignedDuration,
}
