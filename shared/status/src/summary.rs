//! The summary of all fleets.

use driftless_planner::fleet::Color;
use driftless_planner::ids::{FleetName, ImageId};
use driftless_planner::policy::Mode;
use driftless_planner::text::UntrustedText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{FleetStatus, ReleaseStatus, Role, SCHEMA, State, Traffic, WaitStatus};
use crate::rollback_path::RollbackPathKind;

/// The summary of all fleets of an account and region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline, rename = "fleet-summaries"))]
pub struct FleetsSummary {
    /// The version of this document's fields, 1.
    #[serde(rename = "schema_version")]
    pub schema: u32,
    /// When the fleets were read.
    pub at: Timestamp,
    /// The fleets, by name.
    pub fleets: Vec<FleetSummary>,
    /// Fleets that could not be read, each with the reason.
    pub unread: Vec<Unread>,
    /// Values of the fleet tag that are not valid fleet names, each with the groups that have it.
    pub misnamed: Vec<UntrustedText>,
}

/// A fleet that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "unread-fleet"))]
pub struct Unread {
    /// The fleet.
    pub fleet: FleetName,
    /// Why the fleet could not be read.
    pub why: UntrustedText,
}

/// The summary of one fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "fleet-summary"))]
pub struct FleetSummary {
    /// The fleet.
    pub fleet: FleetName,
    /// What the fleet does, in one word.
    pub state: State,
    /// What the fleet does, in a sentence.
    #[serde(rename = "message")]
    pub says: UntrustedText,
    /// The mode that the tags set. Null: the policy is invalid, so that the mode is unknown.
    pub mode: Option<Mode>,
    /// The last good release. Null: the fleet is not adopted yet.
    pub release: Option<ReleaseStatus>,
    /// The fleet's groups, blue first.
    pub colors: Vec<ColorSummary>,
    /// The number of drifted instances.
    pub drifted: usize,
    /// The keys of the conditions that notifications report.
    pub conditions: Vec<String>,
    /// The image of the new color. Null: no cutover is in progress.
    #[serde(rename = "new_image")]
    pub coming: Option<ImageId>,
    /// The phase of the cutover. Null: no cutover is in progress.
    pub phase: Option<String>,
    /// The share of the cutover's steps that are done, in percent. Null: no cutover is in progress, or the cutover is
    /// being undone or needs an operator.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub progress_percent: Option<u32>,
    /// What blocks the cutover or, if nothing blocks a cutover, the oldest drifted instance that is blocked. Null:
    /// nothing is blocked.
    #[serde(rename = "waiting_for")]
    pub waits: Option<WaitStatus>,
    /// How a rollback would run.
    #[serde(rename = "rollback_kind")]
    pub rollback_path: RollbackPathKind,
    /// Since when work is in progress. Null: the fleet is idle.
    #[serde(rename = "in_progress_since")]
    pub in_progress_since: Option<Timestamp>,
}

/// The summary of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "color-summary"))]
pub struct ColorSummary {
    /// The color of the group. Null: a single group, or groups that form no pair.
    pub color: Option<Color>,
    /// Whether the group is live or idle.
    pub role: Role,
    /// The number of healthy instances: those that are InService, and healthy in every target group of the group.
    #[serde(rename = "healthy")]
    pub serving: u32,
    /// The desired capacity of the group.
    pub desired: u32,
    /// The traffic that the group gets.
    pub traffic: Traffic,
}

/// The summary of these fleets, ordered by name.
pub fn summarize(
    fleets: impl IntoIterator<Item = FleetStatus>,
    unread: Vec<Unread>,
    misnamed: Vec<UntrustedText>,
    now: Timestamp,
) -> FleetsSummary {
    let mut fleets: Vec<FleetSummary> = fleets.into_iter().map(|fleet| summary(&fleet)).collect();
    fleets.sort_by(|one, other| one.fleet.cmp(&other.fleet));
    FleetsSummary { schema: SCHEMA, at: now, fleets, unread, misnamed }
}

/// The summary of one fleet.
pub fn summary(status: &FleetStatus) -> FleetSummary {
    let cutover = status.cutover.as_ref();
    let waits = cutover.and_then(|cutover| cutover.waits.clone());
    let waits = waits.or_else(|| status.drifted.iter().find_map(|work| work.held_by.clone()));
    let color = |color: &crate::model::ColorStatus| ColorSummary {
        color: color.color,
        role: color.role,
        serving: color.serving,
        desired: color.desired,
        traffic: color.traffic.clone(),
    };
    FleetSummary {
        fleet: status.fleet.clone(),
        state: status.state,
        says: status.says.clone(),
        mode: status.mode,
        release: status.release.clone(),
        colors: status.colors.iter().map(color).collect(),
        drifted: status.drifted.len(),
        conditions: status.conditions.iter().map(|known| known.condition.clone()).collect(),
        coming: cutover.map(|cutover| cutover.image.clone()),
        phase: cutover.map(|cutover| cutover.phase.clone()),
        progress_percent: cutover.and_then(|cutover| cutover.progress_percent),
        waits,
        rollback_path: status.rollback_path.kind,
        in_progress_since: status.in_progress_since,
    }
}
