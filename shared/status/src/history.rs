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
    /// The time of the oldest entry, if older ones were left out: query again with it as `before`. Null: there are no
    /// older entries.
    pub older_before: Option<Timestamp>,
}

/// One entry: a change of phase of a replacement or a cutover, the start or the end of a condition, or the result of
/// a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "history-entry"))]
pub struct HistoryLine {
    /// When it happened.
    pub at: Timestamp,
    /// Which kind of change the entry records.
    pub kind: ChangeKind,
    /// The instance that the change is about. Null: the change is not about one instance.
    pub instance: Option<InstanceId>,
    /// The phase or state before. Empty: there was none.
    pub from: UntrustedText,
    /// The phase or state after.
    pub to: UntrustedText,
    /// Why it changed.
    pub why: UntrustedText,
    /// Who or what changed it.
    pub actor: UntrustedText,
    /// What is kept of a drifted instance that was terminated. Null: the entry is of another kind.
    pub evidence: Option<EvidenceStatus>,
}

/// What Driftless keeps of a drifted instance before it terminates the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "evidence"))]
pub struct EvidenceStatus {
    /// Why the instance counted as drifted.
    pub reasons: Vec<UntrustedText>,
    /// What AWS Config reported, for each rule.
    pub findings: Vec<FindingStatus>,
    /// Its Auto Scaling group.
    pub group: GroupName,
    /// Its Availability Zone.
    pub zone: Zone,
    /// The image that it ran. Null: EC2 no longer knew the instance.
    pub image: Option<ImageId>,
    /// The launch template version that it was launched with. Null: EC2 did not report one.
    pub template: Option<TemplateVersion>,
    /// When it was launched. Null: EC2 no longer knew the instance.
    pub launched_at: Option<Timestamp>,
    /// When the drift was first detected.
    pub detected_at: Timestamp,
    /// The replacement instance. Null: with terminate-first, none was launched yet.
    #[serde(rename = "replacement_instance")]
    pub successor: Option<InstanceId>,
    /// What the guards found.
    pub guards: Vec<UntrustedText>,
}

/// The newest of these entries, at most `limit` of them. The entries come in the order in which they were committed; the
/// caller has selected them by instance and time.
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
    /// What changed. None: the entry is evidence, or of a kind that this version does not know.
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
