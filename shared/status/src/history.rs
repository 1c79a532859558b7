//! What has been: the journal, newest first.

use driftless_planner::history::Evidence;
use driftless_planner::history::{self, Change, ChangeKind, HistoryEntry};
use driftless_planner::ids::{FleetName, GroupName, ImageId, InstanceId, Zone};
use driftless_planner::template::TemplateVersion;
use driftless_planner::text::UntrustedText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{FindingStatus, SCHEMA};
use crate::words;

/// Lines of a fleet's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct History {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    pub fleet: FleetName,
    /// The lines, newest first.
    pub lines: Vec<HistoryLine>,
    /// The time of the oldest line, where older ones were left out: ask for what was before it. None: this is all.
    pub older_before: Option<Timestamp>,
}

/// One line: a step of a replacement or a cutover, a state that was entered or left, or the answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HistoryLine {
    pub at: Timestamp,
    /// Which kind of change it tells of.
    pub kind: ChangeKind,
    /// The instance that it is about, if it is about one.
    pub instance: Option<InstanceId>,
    /// The phase or state before. Empty: there was none.
    pub from: UntrustedText,
    /// The phase or state after.
    pub to: UntrustedText,
    pub why: UntrustedText,
    /// Who or what brought it about.
    pub actor: UntrustedText,
    /// What is kept of an instance that has gone.
    pub evidence: Option<EvidenceStatus>,
}

/// What is kept of a drifted instance before it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EvidenceStatus {
    /// Why it counted as drifted.
    pub reasons: Vec<UntrustedText>,
    pub findings: Vec<FindingStatus>,
    pub group: GroupName,
    pub zone: Zone,
    /// The image that it ran. None: EC2 no longer knew the instance.
    pub image: Option<ImageId>,
    /// The launch template version that it was launched with. None: EC2 did not tell.
    pub template: Option<TemplateVersion>,
    /// When it was launched. None: EC2 no longer knew the instance.
    pub launched_at: Option<Timestamp>,
    /// When the drift was first seen.
    pub detected_at: Timestamp,
    /// The instance that took its place. None: it went first, and none had come yet.
    pub successor: Option<InstanceId>,
    pub guards: Vec<UntrustedText>,
}

/// The newest of these entries, which come in the order in which they were committed, at most `limit` of them. None of
/// them is dropped but for the limit: whoever reads narrows by instance or time.
pub fn history(fleet: FleetName, entries: impl IntoIterator<Item = HistoryEntry>, limit: usize) -> History {
    let mut lines: Vec<HistoryLine> = entries.into_iter().map(line).collect();
    lines.reverse();
    // Stable: lines of one commit share their time, and keep their order, turned round.
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
    /// What changed. None: it is evidence, which is read by itself, or words that the planner of this version never says.
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
