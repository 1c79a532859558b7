//! The history of a fleet: what changed, when, why and by whom. Entries are only ever added.
//!
//! Each entry contains one [`Change`]. It is stored as text, and shown in the same words.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{GroupName, ImageId, InstanceId, RuleName, Zone};
use crate::observation::{Ec2Instance, Finding};
use crate::record::transitions::{CutoverStep, ReplacementStep};
use crate::record::{CutoverPhaseKind, DriftReason, PhaseKind};
use crate::template::TemplateVersion;
use crate::text::UntrustedText;

/// The actor of the changes that Driftless makes by itself.
pub const DRIFTLESS: &str = "driftless";

/// An entry of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Row", try_from = "Row")]
pub struct HistoryEntry {
    pub at: Timestamp,
    /// Who made the change: an operator, a pipeline or [`DRIFTLESS`].
    pub actor: String,
    pub change: Change,
    pub why: UntrustedText,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, strum::EnumDiscriminants)]
#[strum_discriminants(
    name(ChangeKind),
    derive(PartialOrd, Ord, Serialize, Deserialize, strum::Display, strum::IntoStaticStr),
    serde(rename_all = "kebab-case"),
    strum(serialize_all = "kebab-case"),
    cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "change-kind")),
    doc = "Which kind of change an entry records."
)]
pub enum Change {
    /// A replacement began, changed its phase, or ended.
    Replacement {
        instance: InstanceId,
        /// The phase before. None: the replacement begins.
        from: Option<PhaseKind>,
        to: ReplacementStep,
    },
    /// Driftless stored the evidence about a drifted instance, before it terminates the instance or moves it to
    /// standby.
    Evidence { instance: InstanceId, phase: PhaseKind, kept: Box<Evidence> },
    /// A surge was abandoned, but its extra instance stays as a member.
    ExtraInstanceKept { instance: InstanceId },
    /// An instance was quarantined, or its quarantine ended.
    Quarantine { instance: InstanceId, is_kept: bool },
    /// AWS Config reported an instance as non-compliant with a rule that is not in `driftless:rules`.
    Finding { instance: InstanceId },
    /// A cutover began, changed its phase, or ended.
    Cutover {
        /// The phase before. None: the cutover begins.
        from: Option<CutoverPhaseKind>,
        to: CutoverStep,
    },
    /// Another guard or check than before blocks a cutover in this phase.
    CutoverWaits { phase: CutoverPhaseKind },
    /// A condition that on-call is notified of began or ended.
    Condition { key: String, is_over: bool },
    /// The breaker of a rule opened, because many fleets drifted under the rule at once, or closed.
    RuleBreaker { is_open: bool },
    /// A command was executed or refused.
    Command {
        /// The command and its subject in words, such as `veto ami-1`.
        command: String,
        is_done: bool,
    },
    /// A borrowed setting was restored, or need not be restored any more.
    Setting {
        /// The setting in words, with the value that it had before Driftless changed it.
        setting: String,
        /// The instance that the setting belongs to. None: it is a setting of a group or a forward action.
        instance: Option<InstanceId>,
    },
    /// An image was published, refused or vetoed, or its veto was lifted.
    Image { image: ImageId, change: ImageChange },
    /// Driftless took the launch template version of the live group as the release.
    Adoption {
        /// The launch template version of the release before. None: the fleet had no release.
        from: Option<TemplateVersion>,
        to: TemplateVersion,
    },
}

/// How the state of an image changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum ImageChange {
    /// The pipeline published the image with an `image.published` event.
    Announced,
    /// The image is newer than the release and names this fleet, but it is not a candidate.
    Refused,
    /// The image was vetoed: it must not take traffic.
    Vetoed,
    Unvetoed,
}

/// What the history stores about a drifted instance before it is terminated or moved to standby.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The reasons why the instance counts as drifted.
    pub drift: Vec<DriftReason>,
    /// The AWS Config findings about the instance, by rule.
    pub findings: BTreeMap<RuleName, Finding>,
    pub group: GroupName,
    pub zone: Zone,
    /// The instance as EC2 reported it. None: this pass did not read it, or EC2 no longer has it.
    pub machine: Option<Ec2Instance>,
    /// When the drift was first seen.
    pub detected_at: Timestamp,
    /// The verified replacement instance. None: with terminate-first it is not launched yet.
    pub successor: Option<InstanceId>,
    /// The numbers that the last guards compared, in words: how many instances stay healthy, and the desired capacity.
    pub guards: Vec<String>,
}

/// An entry of the history as text, in the form in which it is stored, sent in events and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    at: Timestamp,
    /// None: the first version of Driftless stored the entry, without its kind.
    #[serde(default)]
    kind: Option<ChangeKind>,
    instance: Option<InstanceId>,
    from: String,
    to: String,
    why: UntrustedText,
    actor: String,
    evidence: Option<Box<Evidence>>,
}

/// A stored entry that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a history entry of kind {kind} goes from {from:?} to {to:?}, which no such entry does")]
pub struct UnreadableEntry {
    kind: ChangeKind,
    from: String,
    to: String,
}

/// The history entries of one decision, in order. Changes of phases are written only by `Replacement` and `Cutover`
/// themselves.
#[derive(Debug)]
pub(crate) struct History {
    at: Timestamp,
    entries: Vec<HistoryEntry>,
}

impl History {
    pub(crate) const fn at_time(at: Timestamp) -> Self {
        Self { at, entries: Vec::new() }
    }

    /// The time of the decision, which all its entries have.
    pub(crate) const fn at(&self) -> Timestamp {
        self.at
    }

    pub(crate) fn entries(&self) -> &[HistoryEntry] {
        &self.entries
    }

    pub(crate) fn into_entries(self) -> Vec<HistoryEntry> {
        self.entries
    }

    pub(super) fn write(&mut self, actor: &str, change: Change, why: impl Into<UntrustedText>) {
        self.entries.push(HistoryEntry { at: self.at, actor: actor.to_owned(), change, why: why.into() });
    }

    /// Writes the evidence about a drifted instance. The replacement stays in its phase.
    pub(crate) fn evidence(&mut self, instance: &InstanceId, phase: PhaseKind, kept: Evidence) {
        let change = Change::Evidence { instance: instance.clone(), phase, kept: Box::new(kept) };
        self.write(DRIFTLESS, change, "recorded before the instance is terminated");
    }

    pub(crate) fn extra_instance_kept(&mut self, instance: &InstanceId, why: impl Into<UntrustedText>) {
        self.write(DRIFTLESS, Change::ExtraInstanceKept { instance: instance.clone() }, why);
    }

    pub(crate) fn quarantine(&mut self, instance: &InstanceId, is_kept: bool, why: impl Into<UntrustedText>) {
        self.write(DRIFTLESS, Change::Quarantine { instance: instance.clone(), is_kept }, why);
    }

    pub(crate) fn finding(&mut self, instance: &InstanceId, why: impl Into<UntrustedText>) {
        self.write(DRIFTLESS, Change::Finding { instance: instance.clone() }, why);
    }

    pub(crate) fn cutover_waits(&mut self, phase: CutoverPhaseKind, why: impl Into<UntrustedText>) {
        self.write(DRIFTLESS, Change::CutoverWaits { phase }, why);
    }

    pub(crate) fn condition(&mut self, key: &str, is_over: bool, why: impl Into<UntrustedText>) {
        self.write(DRIFTLESS, Change::Condition { key: key.to_owned(), is_over }, why);
    }

    pub(crate) fn rule_breaker(&mut self, is_open: bool, why: impl Into<UntrustedText>) {
        self.write(DRIFTLESS, Change::RuleBreaker { is_open }, why);
    }

    pub(crate) fn command(&mut self, actor: &str, command: String, is_done: bool, why: impl Into<UntrustedText>) {
        self.write(actor, Change::Command { command, is_done }, why);
    }

    pub(crate) fn setting(&mut self, setting: String, instance: Option<&InstanceId>, why: impl Into<UntrustedText>) {
        self.write(DRIFTLESS, Change::Setting { setting, instance: instance.cloned() }, why);
    }

    pub(crate) fn image(&mut self, image: &ImageId, change: ImageChange, why: impl Into<UntrustedText>) {
        self.write(DRIFTLESS, Change::Image { image: image.clone(), change }, why);
    }

    pub(crate) fn adoption(&mut self, from: Option<TemplateVersion>, to: TemplateVersion, why: &str) {
        self.write(DRIFTLESS, Change::Adoption { from, to }, why);
    }
}

const QUARANTINED: &str = "quarantined";
const SCALED_TO_ZERO: &str = "ended";
const SHOWN: &str = "shown";
const WAITING: &str = "waiting";
const OVER: &str = "resolved";
const EVIDENCE: &str = "evidence";
const EXTRA_INSTANCE_KEPT: &str = "extra-instance-kept";
const RULE_BREAKER_OPEN: &str = "rule-breaker-open";
const CLOSED: &str = "closed";
const DONE: &str = "done";
const NOT_DONE: &str = "not-done";
const IDLE: &str = "released";

impl HistoryEntry {
    /// The instance that the change is about. None: the change is about no instance.
    pub const fn instance(&self) -> Option<&InstanceId> {
        match &self.change {
            Change::Replacement { instance, .. }
            | Change::Evidence { instance, .. }
            | Change::ExtraInstanceKept { instance }
            | Change::Quarantine { instance, .. }
            | Change::Finding { instance } => Some(instance),
            Change::Setting { instance, .. } => instance.as_ref(),
            Change::Cutover { .. }
            | Change::CutoverWaits { .. }
            | Change::Condition { .. }
            | Change::RuleBreaker { .. }
            | Change::Command { .. }
            | Change::Image { .. }
            | Change::Adoption { .. } => None,
        }
    }

    /// The stored evidence, if this entry contains evidence about a drifted instance.
    pub fn evidence(&self) -> Option<&Evidence> {
        if let Change::Evidence { kept, .. } = &self.change { Some(kept) } else { None }
    }

    /// The phase or state before the change, or the subject of the change. Empty: neither exists.
    pub fn from(&self) -> Cow<'_, str> {
        self.change.words().0
    }

    /// The phase or state after the change.
    pub fn to(&self) -> Cow<'_, str> {
        self.change.words().1
    }
}

/// The name of a phase. Empty: no phase.
fn named<P: Into<&'static str>>(phase: Option<P>) -> Cow<'static, str> {
    Cow::Borrowed(phase.map_or("", Into::into))
}

impl Change {
    /// The state before the change and the state after it, in words.
    fn words(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        let word = |word: &'static str| Cow::Borrowed(word);
        match self {
            Self::Replacement { from, to, .. } => (named(*from), Cow::Owned(to.to_string())),
            Self::Evidence { phase, .. } => (named(Some(*phase)), word(EVIDENCE)),
            Self::ExtraInstanceKept { .. } => (named(Some(PhaseKind::Cancelling)), word(EXTRA_INSTANCE_KEPT)),
            Self::Quarantine { is_kept: true, .. } => (word("replaced"), word(QUARANTINED)),
            Self::Quarantine { is_kept: false, .. } => (word(QUARANTINED), word(SCALED_TO_ZERO)),
            Self::Finding { .. } => (word(""), word(SHOWN)),
            Self::Cutover { from, to } => (named(*from), Cow::Owned(to.to_string())),
            Self::CutoverWaits { phase } => (named(Some(*phase)), word(WAITING)),
            Self::Condition { key, is_over: false } => (word(""), Cow::Borrowed(key)),
            Self::Condition { key, is_over: true } => (Cow::Borrowed(key), word(OVER)),
            Self::RuleBreaker { is_open: true } => (word(""), word(RULE_BREAKER_OPEN)),
            Self::RuleBreaker { is_open: false } => (word(RULE_BREAKER_OPEN), word(CLOSED)),
            Self::Command { command, is_done } => {
                (Cow::Borrowed(command), word(if *is_done { DONE } else { NOT_DONE }))
            }
            Self::Setting { setting, .. } => (Cow::Borrowed(setting), word(IDLE)),
            Self::Image { image, change: ImageChange::Announced } => (word(""), Cow::Borrowed(image.as_str())),
            Self::Image { image, change } => (Cow::Borrowed(image.as_str()), word((*change).into())),
            Self::Adoption { from, to } => {
                (from.as_ref().map_or(word(""), |from| Cow::Owned(from.to_string())), Cow::Owned(to.to_string()))
            }
        }
    }
}

impl From<HistoryEntry> for Row {
    fn from(entry: HistoryEntry) -> Self {
        let (from, to) = entry.change.words();
        let (from, to, instance) = (from.into_owned(), to.into_owned(), entry.instance().cloned());
        let kind = Some(ChangeKind::from(&entry.change));
        let HistoryEntry { at, actor, change, why } = entry;
        let evidence = if let Change::Evidence { kept, .. } = change { Some(kept) } else { None };
        Self { at, kind, instance, from, to, why, actor, evidence }
    }
}

impl TryFrom<Row> for HistoryEntry {
    type Error = UnreadableEntry;

    fn try_from(row: Row) -> Result<Self, UnreadableEntry> {
        let Row { at, kind, instance, from, to, why, actor, evidence } = row;
        let kind = kind.unwrap_or_else(|| kind_by_words(instance.as_ref(), &from, &to));
        let unreadable = || UnreadableEntry { kind, from: from.clone(), to: to.clone() };
        let change = change(kind, instance, &from, &to, evidence).ok_or_else(unreadable)?;
        Ok(Self { at, actor, change, why })
    }
}

/// The kind of an entry that has none, derived from its text. The first version of Driftless did not store kinds.
fn kind_by_words(instance: Option<&InstanceId>, from: &str, to: &str) -> ChangeKind {
    let is_template = |text: &str| text.parse::<TemplateVersion>().is_ok();
    let is_image = |text: &str| text.parse::<ImageId>().is_ok();
    match (from, to) {
        (_, IDLE) => ChangeKind::Setting,
        (_, EVIDENCE) if instance.is_some() => ChangeKind::Evidence,
        (_, EXTRA_INSTANCE_KEPT) if instance.is_some() => ChangeKind::ExtraInstanceKept,
        (_, QUARANTINED | SCALED_TO_ZERO) if instance.is_some() => ChangeKind::Quarantine,
        ("", SHOWN) if instance.is_some() => ChangeKind::Finding,
        _ if instance.is_some() => ChangeKind::Replacement,
        ("", "queued") => ChangeKind::Cutover,
        (_, WAITING) => ChangeKind::CutoverWaits,
        _ if from.parse::<CutoverPhaseKind>().is_ok() && to.parse::<CutoverStep>().is_ok() => ChangeKind::Cutover,
        (_, DONE | NOT_DONE) => ChangeKind::Command,
        ("", RULE_BREAKER_OPEN) | (RULE_BREAKER_OPEN, CLOSED) => ChangeKind::RuleBreaker,
        _ if is_template(to) => ChangeKind::Adoption,
        _ if is_image(from) || is_image(to) => ChangeKind::Image,
        _ => ChangeKind::Condition,
    }
}

/// Parses the text of an entry, as it is stored or shown. None: the text does not fit the kind, or the evidence or the
/// instance of the entry is missing.
pub fn change(
    kind: ChangeKind,
    instance: Option<InstanceId>,
    from: &str,
    to: &str,
    evidence: Option<Box<Evidence>>,
) -> Option<Change> {
    Some(match kind {
        ChangeKind::Replacement => {
            Change::Replacement { instance: instance?, from: before(from).ok()?, to: to.parse().ok()? }
        }
        ChangeKind::Evidence => Change::Evidence { instance: instance?, phase: from.parse().ok()?, kept: evidence? },
        ChangeKind::ExtraInstanceKept => Change::ExtraInstanceKept { instance: instance? },
        ChangeKind::Quarantine => {
            Change::Quarantine { instance: instance?, is_kept: one_of(to, QUARANTINED, SCALED_TO_ZERO)? }
        }
        ChangeKind::Finding => Change::Finding { instance: instance? },
        ChangeKind::Cutover => Change::Cutover { from: before(from).ok()?, to: to.parse().ok()? },
        ChangeKind::CutoverWaits => Change::CutoverWaits { phase: from.parse().ok()? },
        ChangeKind::Condition if from.is_empty() => Change::Condition { key: to.to_owned(), is_over: false },
        ChangeKind::Condition if to == OVER => Change::Condition { key: from.to_owned(), is_over: true },
        ChangeKind::RuleBreaker => Change::RuleBreaker { is_open: one_of(to, RULE_BREAKER_OPEN, CLOSED)? },
        ChangeKind::Command => Change::Command { command: from.to_owned(), is_done: one_of(to, DONE, NOT_DONE)? },
        ChangeKind::Setting if to == IDLE => Change::Setting { setting: from.to_owned(), instance },
        ChangeKind::Condition | ChangeKind::Setting => return None,
        ChangeKind::Image if from.is_empty() => {
            Change::Image { image: to.parse().ok()?, change: ImageChange::Announced }
        }
        ChangeKind::Image => Change::Image { image: from.parse().ok()?, change: to.parse().ok()? },
        ChangeKind::Adoption => Change::Adoption { from: before(from).ok()?, to: to.parse().ok()? },
    })
}

/// Parses the state before a change. Ok(None): there was no state before. Err: the text cannot be parsed.
fn before<T: std::str::FromStr>(from: &str) -> Result<Option<T>, T::Err> {
    if from.is_empty() { Ok(None) } else { from.parse().map(Some) }
}

/// True for the word `yes`, false for the word `no`. None: it is neither.
fn one_of(found: &str, yes: &str, no: &str) -> Option<bool> {
    if found == yes { Some(true) } else { (found == no).then_some(false) }
}
