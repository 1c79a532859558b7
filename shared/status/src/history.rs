//! The history of a fleet, the newest entry first.

use driftless_planner::history::Evidence;
use driftless_planner::history::{self, Change, ChangeKind, HistoryEntry};
use driftless_planner::ids::{FleetName, GroupName, ImageId, InstanceId, Zone};
use driftless_planner::template::TemplateVersion;
use driftless_planner::text::UntrustedText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{FindingStatus, SCHEMA};
use crate::words;

/// The history of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline, rename = "history"))]
pub struct History {
    /// The version of this document's fields, 1.
    #[serde(rename = "schema_version")]
    pub schema: u32,
    /// The fleet.
    pub fleet: FleetName,
    /// The entries, the newest first.
    #[serde(rename = "entries")]
    pub lines: Vec<HistoryLine>,
    /// The time of the oldest entry, if older entries were left out. To get these, query again with this time as
    /// `before`. Null: there are no older entries.
    pub older_before: Option<Timestamp>,
}

/// One entry: a change of phase of a replacement or a cutover, the start or the end of a condition, or the result of
/// a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "history-entry"))]
pub struct HistoryLine {
    /// When the change happened.
    pub at: Timestamp,
    /// The kind of the change.
    pub kind: ChangeKind,
    /// The instance that the change is about. Null: the change is not about one instance.
    pub instance: Option<InstanceId>,
    /// The phase or state before the change. Empty: there was none.
    pub from: UntrustedText,
    /// The phase or state after the change.
    pub to: UntrustedText,
    /// The reason for the change.
    pub why: UntrustedText,
    /// Who or what made the change.
    pub actor: UntrustedText,
    /// The evidence that is kept about a drifted instance that was terminated. Null: the entry is of another kind.
    pub evidence: Option<EvidenceStatus>,
}

/// The evidence that Driftless keeps about a drifted instance before it terminates the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "evidence"))]
pub struct EvidenceStatus {
    /// Why the instance counted as drifted.
    pub reasons: Vec<UntrustedText>,
    /// The findings of AWS Config about the instance, one for each rule.
    pub findings: Vec<FindingStatus>,
    /// The Auto Scaling group of the instance.
    pub group: GroupName,
    /// The Availability Zone of the instance.
    pub zone: Zone,
    /// The image that the instance ran. Null: EC2 no longer knew the instance.
    pub image: Option<ImageId>,
    /// The launch template version that the instance was launched with. Null: EC2 did not report one.
    pub template: Option<TemplateVersion>,
    /// When the instance was launched. Null: EC2 no longer knew the instance.
    pub launched_at: Option<Timestamp>,
    /// When the drift of the instance was first detected.
    pub detected_at: Timestamp,
    /// The id of the replacement instance. Null: with terminate-first, the replacement instance was not yet launched.
    #[serde(rename = "replacement_instance")]
    pub successor: Option<InstanceId>,
    /// The numbers that the last guards compared, in words.
    pub guards: Vec<UntrustedText>,
}

/// Builds the history document from the newest of these entries, at most `limit` of them. The entries must be in the
/// order in which they were committed; the caller has already selected them by instance and time.
pub fn history(fleet: FleetName, entries: impl IntoIterator<Item = HistoryEntry>, limit: usize) -> History {
    let mut lines: Vec<HistoryLine> = entries.into_iter().map(line).collect();
    lines.reverse();
    // The sort is stable: entries of one commit have the same time and keep their reversed order.
    lines.sort_by_key(|line| std::cmp::Reverse(line.at));
    let is_cut = lines.len() > limit;
    lines.truncate(limit);
    let older_before = lines.last().filter(|_| is_cut).map(|line| line.at);
    History { schema: SCHEMA, fleet, lines, older_before }
}

fn line(entry: HistoryEntry) -> HistoryLine {
    let (from, to) = (entry.from().as_ref().into(), entry.to().as_ref().into());
    let (kind, instance) = (ChangeKind::from(&entry.change), entry.instance().cloned());
    let evidence = if let Change::Evidence { kept, .. } = entry.change { Some(evidence(*kept)) } else { None };
    HistoryLine { at: entry.at, kind, instance, from, to, why: entry.why, actor: entry.actor.into(), evidence }
}

impl HistoryLine {
    /// The change that the entry records. None: the entry is evidence, or of a kind that this version does not know.
    pub fn change(&self) -> Option<Change> {
        history::change(self.kind, self.instance.clone(), self.from.as_str(), self.to.as_str(), None)
    }
}

fn evidence(kept: Evidence) -> EvidenceStatus {
    let (image, template, launched_at) = match kept.machine {
        Some(machine) => (Some(machine.image), machine.template, Some(machine.launched_at)),
        None => (None, None, None),
    };
    EvidenceStatus {
        reasons: kept.drift.iter().map(|reason| reason.to_string().into()).collect(),
        findings: words::findings(&kept.findings),
        group: kept.group,
        zone: kept.zone,
        image,
        template,
        launched_at,
        detected_at: kept.detected_at,
        successor: kept.successor,
        guards: kept.guards.into_iter().map(Into::into).collect(),
    }
}
