//! All fleets at a glance.

use driftless_planner::fleet::Color;
use driftless_planner::ids::{FleetName, ImageId};
use driftless_planner::policy::Mode;
use driftless_planner::text::UntrustedText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{FleetStatus, ReleaseStatus, Role, SCHEMA, State, Traffic, WaitStatus};
use crate::rollback_path::RollbackPathKind;

/// All fleets of an account and region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FleetsAtAGlance {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// When they were read.
    pub at: Timestamp,
    /// The fleets, by their names.
    pub fleets: Vec<Glance>,
    /// Fleets that could not be read, each with the reason: nothing is known of them.
    pub unread: Vec<Unread>,
    /// Tag values that are no fleet names, with the groups that carry them.
    pub misnamed: Vec<UntrustedText>,
}

/// A fleet that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unread {
    pub fleet: FleetName,
    pub why: UntrustedText,
}

/// One fleet at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Glance {
    pub fleet: FleetName,
    /// What it is doing.
    pub state: State,
    /// The same in a sentence.
    pub says: UntrustedText,
    /// What its tags say of its mode. None: the policy is invalid.
    pub mode: Option<Mode>,
    /// What it runs. None: not adopted yet.
    pub release: Option<ReleaseStatus>,
    /// Its groups, blue first.
    pub colors: Vec<GlanceColor>,
    pub drifted: usize,
    /// The image of the cutover under way.
    pub coming: Option<ImageId>,
    pub phase: Option<String>,
    /// How far it is, in percent of its steps. None: there is none, it goes back, or it needs a person.
    pub progress_percent: Option<u32>,
    /// What holds it most: what the cutover waits for, else what the oldest drift does. None: nothing waits.
    pub waits: Option<WaitStatus>,
    /// How it would go back.
    pub rollback_path: RollbackPathKind,
    /// Since when there has been unsettled work. None: there is none.
    pub in_progress_since: Option<Timestamp>,
}

/// A group at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GlanceColor {
    /// Its color. None: a single group, or groups that form no pair.
    pub color: Option<Color>,
    /// What it is to the traffic.
    pub role: Role,
    pub serving: u32,
    /// Instances that it wants.
    pub desired: u32,
    /// What traffic it gets.
    pub traffic: Traffic,
}

/// Puts fleets side by side, by their names.
pub fn at_a_glance(
    fleets: impl IntoIterator<Item = FleetStatus>,
    unread: Vec<Unread>,
    misnamed: Vec<UntrustedText>,
    now: Timestamp,
) -> FleetsAtAGlance {
    let mut fleets: Vec<Glance> = fleets.into_iter().map(|fleet| glance(&fleet)).collect();
    fleets.sort_by(|one, other| one.fleet.cmp(&other.fleet));
    FleetsAtAGlance { schema: SCHEMA, at: now, fleets, unread, misnamed }
}

/// One fleet at a glance.
pub fn glance(status: &FleetStatus) -> Glance {
    let cutover = status.cutover.as_ref();
    let waits = cutover.and_then(|cutover| cutover.waits.clone());
    let waits = waits.or_else(|| status.drifted.iter().find_map(|work| work.held_by.clone()));
    let color = |color: &crate::model::ColorStatus| GlanceColor {
        color: color.color,
        role: color.role,
        serving: color.serving,
        desired: color.desired,
        traffic: color.traffic.clone(),
    };
    Glance {
        fleet: status.fleet.clone(),
        state: status.state,
        says: status.says.clone(),
        mode: status.mode,
        release: status.release.clone(),
        colors: status.colors.iter().map(color).collect(),
        drifted: status.drifted.len(),
        coming: cutover.map(|cutover| cutover.image.clone()),
        phase: cutover.map(|cutover| cutover.phase.clone()),
        progress_percent: cutover.and_then(|cutover| cutover.progress_percent),
        waits,
        rollback_path: status.rollback_path.kind,
        in_progress_since: status.in_progress_since,
    }
}
