//! Events on EventBridge: Driftless publishes every history entry as an event, for pipelines that wait for a result.
//! `docs/events.md` describes them.
//!
//! The text of an event is fixed when the event is committed: two deliveries of an event are identical, including its
//! id.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::decision::Decision;
#[cfg(feature = "schema")]
use crate::ids::FleetName;
use crate::ids::{GroupName, ImageId, InstanceId, TargetGroupArn};
use crate::observation::FreezeScope;
use crate::policy::Approval;
use crate::record::history::{Change, HistoryEntry};
use crate::record::transitions::Step;
use crate::record::{Cutover, Record, Route};
use crate::text::UntrustedText;

/// The `source` of every event on EventBridge.
pub const SOURCE: &str = "driftless";
/// The version of the event detail's schema. It goes up when a field is removed or changes its meaning; a new field
/// does not change it.
pub const SCHEMA_VERSION: u32 = 1;
/// The most events that EventBridge accepts in one call.
pub const ENTRIES_MAX: usize = 10;
/// The most event batches that are committed with one decision: they share a transaction with the record, the history
/// and the outbox.
const BATCHES_MAX: usize = 8;

/// An event, as it is sent to EventBridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The id of the event. An event that is sent twice has the same id both times.
    pub id: String,
    pub at: Timestamp,
    /// What the event is about, which determines its detail-type.
    pub machine: Part,
    /// The detail, in JSON.
    pub detail: String,
}

/// Events that are committed together, and removed from the outbox together after they were published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventBatch {
    /// The id of the batch: the id of its last event.
    pub id: String,
    /// The events, in the order of the history.
    pub events: Vec<Event>,
}

/// What an event is about. Each has a detail-type of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::VariantArray)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Part {
    /// The replacement of an instance, to the end of its time in quarantine.
    Replacement,
    /// The cutover to an image.
    Cutover,
    /// A condition of the fleet, which on-call is told of.
    #[serde(rename = "condition")]
    State,
    /// A command of an operator or a pipeline.
    Command,
    /// Whether an image may take traffic.
    Image,
    /// A setting that Driftless borrowed from a group, a listener or a rule.
    Setting,
}

impl Part {
    /// The `detail-type` on EventBridge of the events about this part.
    pub const fn detail_type(self) -> &'static str {
        match self {
            Self::Replacement => "Driftless Replacement State Change",
            Self::Cutover => "Driftless Cutover State Change",
            Self::State => "Driftless Fleet Condition",
            Self::Command => "Driftless Command Result",
            Self::Image => "Driftless Image State Change",
            Self::Setting => "Driftless Borrowed Setting Change",
        }
    }

    const fn of(change: &Change) -> Self {
        match change {
            Change::Replacement { .. }
            | Change::Evidence { .. }
            | Change::ExtraInstanceKept { .. }
            | Change::Quarantine { .. }
            | Change::Finding { .. } => Self::Replacement,
            Change::Cutover { .. } | Change::CutoverWaits { .. } => Self::Cutover,
            Change::Condition { .. } | Change::RuleBreaker { .. } | Change::Adoption { .. } => Self::State,
            Change::Command { .. } => Self::Command,
            Change::Setting { .. } => Self::Setting,
            Change::Image { .. } => Self::Image,
        }
    }
}

impl Decision {
    /// The events for the history entries of the decision, in batches that are committed with the decision.
    pub fn events(&self) -> Vec<EventBatch> {
        let (next, fleet) = (&self.next, &self.next.fleet);
        let mut ends_to_come = self.history.iter().filter(|entry| is_end(&entry.change)).count();
        let events = self.history.iter().enumerate().map(|(number, entry)| {
            let id = format!("{fleet}-{}-e{number}", next.version);
            let about = About::of(entry, next, ends_to_come);
            if is_end(&entry.change) {
                ends_to_come = ends_to_come.saturating_sub(1);
            }
            let machine = Part::of(&entry.change);
            Event { detail: detail(&id, Some(fleet.as_str()), machine, entry, &about), id, at: entry.at, machine }
        });
        let events: Vec<Event> = events.collect();
        let size = events.len().div_ceil(BATCHES_MAX).max(ENTRIES_MAX);
        events.chunks(size).filter_map(EventBatch::of).collect()
    }
}

impl EventBatch {
    fn of(events: &[Event]) -> Option<Self> {
        Some(Self { id: events.last()?.id.clone(), events: events.to_vec() })
    }

    /// The event for a history entry that no decision wrote: an operator set or ended a freeze.
    pub fn alone(scope: &FreezeScope, line: &HistoryEntry) -> Self {
        let fleet = match scope {
            FreezeScope::Account => None,
            FreezeScope::Fleet(fleet) => Some(fleet.as_str()),
        };
        // No fleet has a name in capitals.
        let id = format!("{}-{}e", fleet.unwrap_or("ACCOUNT"), line.at.as_nanosecond());
        let about = About { subject: line.from().into_owned(), image: None, cutover: None };
        let machine = Part::of(&line.change);
        let event = Event { detail: detail(&id, fleet, machine, line, &about), id: id.clone(), at: line.at, machine };
        Self { id, events: vec![event] }
    }
}

/// What a history entry is about, as far as the entry itself does not contain it.
struct About<'a> {
    subject: String,
    image: Option<&'a ImageId>,
    cutover: Option<&'a Cutover>,
}

impl<'a> About<'a> {
    fn of(entry: &'a HistoryEntry, next: &'a Record, ends_to_come: usize) -> Self {
        let of_release = || next.release.as_ref().map(|release| &release.image);
        match &entry.change {
            Change::Replacement { instance, .. }
            | Change::Evidence { instance, .. }
            | Change::ExtraInstanceKept { instance }
            | Change::Quarantine { instance, .. }
            | Change::Finding { instance } => {
                Self { subject: instance.to_string(), image: of_release(), cutover: None }
            }
            // What has ended is remembered in the order in which it ended; what is under way came after it.
            Change::Cutover { .. } | Change::CutoverWaits { .. } if ends_to_come > 0 => {
                let past = next.memory.past.len().checked_sub(ends_to_come).and_then(|at| next.memory.past.get(at));
                let subject = past.map_or_else(String::new, |past| past.id.clone());
                Self { subject, image: past.map(|past| &past.candidate.image), cutover: None }
            }
            Change::Cutover { .. } | Change::CutoverWaits { .. } => {
                let cutover = next.cutover.as_ref();
                let subject = cutover.map_or_else(String::new, |cutover| cutover.id.clone());
                Self { subject, image: cutover.map(|cutover| &cutover.candidate.image), cutover }
            }
            Change::Condition { .. } | Change::RuleBreaker { .. } | Change::Adoption { .. } => {
                let subject = if entry.from().is_empty() { entry.to() } else { entry.from() };
                Self { subject: subject.into_owned(), image: None, cutover: next.cutover.as_ref() }
            }
            Change::Image { image, .. } => Self { subject: image.to_string(), image: Some(image), cutover: None },
            Change::Command { .. } | Change::Setting { .. } => {
                Self { subject: entry.from().into_owned(), image: None, cutover: None }
            }
        }
    }
}

/// Whether a cutover ends with this change.
const fn is_end(change: &Change) -> bool {
    matches!(change, Change::Cutover { to: Step::Ends(_), .. })
}

// The words on it, and on what it is made of, are those of the published schema.
/// Version 1. Described in docs/events.md. It names every field that this release sends. A later release may add fields
/// without a new version: a consumer that does not validate should ignore fields that it does not know.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(title = "The detail of an event of Driftless"))]
struct Detail<'a> {
    /// The version of this schema.
    #[cfg_attr(feature = "schema", schemars(extend("const" = SCHEMA_VERSION)))]
    schema_version: u32,
    /// The id of the event. An event that is delivered twice has the same id both times. The `id` of the envelope is
    /// EventBridge's own and differs.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[A-Za-z0-9-]+e[0-9]*$")))]
    id: &'a str,
    /// When it happened.
    at: Timestamp,
    /// The fleet. Null: the event is about all fleets of the account and region.
    #[cfg_attr(feature = "schema", schemars(with = "Option<FleetName>"))]
    fleet: Option<&'a str>,
    /// What the event is about. Each value has a detail-type of its own.
    machine: Part,
    /// Which one it is about: the id of the drifted instance, the id of the cutover, the key of the condition, the
    /// command, the id of the image, or the setting.
    subject: &'a str,
    /// The id of the instance. Null: the event is not about one instance.
    instance: Option<&'a InstanceId>,
    /// The phase or state before the change. Empty: there was none. For a command: the command.
    from: Cow<'a, str>,
    /// The phase or state after the change.
    to: Cow<'a, str>,
    /// Why, as a sentence. It may quote untrusted text: one line, without control characters.
    reason: &'a UntrustedText,
    /// Who made the change: `driftless`, the identity that AWS verified, or `unverified`.
    actor: &'a str,
    /// For a cutover the image that takes the traffic, for an image event that image, for a replacement the image of
    /// the replacement instance. Null: the event is about no image.
    image: Option<&'a ImageId>,
    /// For a cutover or a condition: the cutover that is in progress after the change. Null: none is in progress, or the
    /// event is about something else.
    cutover: Option<UnderWay<'a>>,
}

/// A cutover in progress.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "cutover"))]
struct UnderWay<'a> {
    /// The id of the cutover, which stays the same from its start to its end.
    id: &'a str,
    /// The image that takes the traffic.
    image: &'a ImageId,
    /// The build of that image. Null: the image has no build.
    build: Option<&'a UntrustedText>,
    /// The phase of the cutover.
    phase: &'static str,
    /// What the cutover waits for before its first traffic: nothing, the approval of an operator, or the verdict of a
    /// pipeline.
    approval: Approval,
    /// When the cutover started.
    started_at: Timestamp,
    /// When the phase must be over. In `awaiting-approval`: without a verdict the cutover is aborted then.
    deadline: Timestamp,
    /// The Auto Scaling group that had the traffic when the cutover started.
    old_group: &'a GroupName,
    /// The Auto Scaling group that takes the traffic.
    new_group: &'a GroupName,
    /// The ARN of the target group of the new color, in which a check can read its health. Null: the fleet has no load
    /// balancer, or is a single group.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    target_group: Option<&'a TargetGroupArn>,
    /// The image to which a rollback returns.
    rollback_to: &'a ImageId,
}

/// The JSON schema of the detail of an event.
#[cfg(feature = "schema")]
pub fn schema() -> schemars::Schema {
    crate::notification::schema_settings().into_generator().into_root_schema_for::<Detail<'_>>()
}

/// The detail of an event, as JSON. The keys are sorted, so that the text is the same in every build, whatever order
/// `serde_json` keeps there.
fn detail(id: &str, fleet: Option<&str>, machine: Part, entry: &HistoryEntry, about: &About<'_>) -> String {
    let mut detail = json!(Detail {
        schema_version: SCHEMA_VERSION,
        id,
        at: entry.at,
        fleet,
        machine,
        subject: &about.subject,
        instance: entry.instance(),
        from: entry.from(),
        to: entry.to(),
        reason: &entry.why,
        actor: &entry.actor,
        image: about.image,
        cutover: about.cutover.map(under_way),
    });
    detail.sort_all_objects();
    detail.to_string()
}

/// The data of a cutover in progress that a pipeline needs before it gives its verdict.
fn under_way(cutover: &Cutover) -> UnderWay<'_> {
    let target_group = match &cutover.route {
        Route::Weighted { new, .. } => Some(new),
        Route::Shared { target_group, .. } => Some(target_group),
        Route::None | Route::Rolling => None,
    };
    UnderWay {
        id: &cutover.id,
        image: &cutover.candidate.image,
        build: cutover.candidate.build.as_ref(),
        phase: cutover.phase().name(),
        approval: cutover.policy.cutover.approval,
        started_at: cutover.started_at,
        deadline: cutover.deadline(),
        old_group: &cutover.old_group,
        new_group: &cutover.new_group,
        target_group,
        rollback_to: &cutover.rollback_to.image,
    }
}
