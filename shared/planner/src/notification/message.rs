//! A message as it is sent: one body for each kind of reader.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::lines::Wording;
#[cfg(feature = "schema")]
use super::published;
use super::runbook::Runbooks;
use super::suggestion::{Suggestion, suggestions};
use super::wording::wording;
use super::{Details, Notification, Severity, chat};
use crate::ids::{FleetName, GroupName};
use crate::text::printable;

/// SNS takes subjects of fewer than 100 characters.
pub const SUBJECT_LENGTH_MAX: usize = 99;

/// The version of the body for machines. It goes up when a field changes its meaning or goes; new fields leave it.
pub const SCHEMA_VERSION: u32 = 1;

/// A message as it is sent: the bodies, and the attributes for filter policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Stable: a message that is sent twice has the same id twice.
    pub id: String,
    pub fleet: FleetName,
    /// The subject: fleet and event, fewer than 100 printable ASCII characters.
    pub subject: String,
    /// For people: what, why, what next, the commands, and the runbook.
    pub text: String,
    /// For machines, with stable fields: `docs/messages.md`.
    pub json: String,
    /// For a chat channel: a custom notification of Amazon Q Developer.
    pub chat: String,
    pub severity: Severity,
    /// What happened, in one word.
    pub kind: &'static str,
    /// The name of the condition that began, lasts or ended. None: the message is about no condition.
    pub condition: Option<String>,
}

/// The input of every body.
pub(super) struct Parts<'a> {
    pub(super) notification: &'a Notification,
    pub(super) wording: Wording,
    pub(super) suggestions: Vec<Suggestion>,
    pub(super) runbook: Option<String>,
    pub(super) thread: String,
}

impl Notification {
    /// The message for it, with runbooks by their path in the repository.
    pub fn message(&self) -> Result<Message, serde_json::Error> {
        self.message_with(&Runbooks::default())
    }

    /// The message for it, with links to where the runbooks are.
    pub fn message_with(&self, runbooks: &Runbooks) -> Result<Message, serde_json::Error> {
        let is_for_people_to_act_on = self.severity() >= Severity::Notify;
        let parts = Parts {
            notification: self,
            wording: wording(&self.details, self.at).printable(),
            suggestions: suggestions(self),
            runbook: is_for_people_to_act_on.then(|| runbooks.link(self.details.topic())),
            thread: self.thread(),
        };
        Ok(Message {
            id: self.id.clone(),
            fleet: self.fleet.clone(),
            subject: subject(&parts),
            text: text(&parts),
            json: json(&parts)?,
            chat: chat::body(&parts)?,
            severity: self.severity(),
            kind: self.kind(),
            condition: self.details.condition().map(str::to_owned),
        })
    }

    /// The thread: the same for all messages about one piece of work, from its beginning to its end.
    fn thread(&self) -> String {
        let work = match &self.details {
            Details::Adopted { .. } => "adopted".to_owned(),
            Details::ReplacementStarted { instance, .. }
            | Details::Replaced { instance, .. }
            | Details::Cancelled { instance, .. }
            | Details::Stopped { instance, .. }
            | Details::ExtraInstanceKept { instance, .. } => instance.to_string(),
            Details::CutoverStarted { candidate, .. }
            | Details::RollingBack { candidate, .. }
            | Details::CutoverEnded { candidate, .. } => candidate.image.to_string(),
            Details::Vetoed { image, .. } => image.to_string(),
            Details::Entered { condition, .. } => format!("{}:{}", self.at.as_second(), condition.key()),
            Details::Lasts { condition, since, .. } => format!("{}:{}", since.as_second(), condition.key()),
            Details::Ended { condition, since } => format!("{}:{condition}", since.as_second()),
            Details::ObservedWeek { .. } => "observed-week".to_owned(),
            // Each response is a thread of its own.
            Details::CommandAnswered { .. } | Details::Many { .. } => self.id.clone(),
        };
        chat::thread_id(&format!("{}:{work}", self.fleet))
    }
}

/// The subject before it is shortened: severity, fleet and event.
pub(super) fn headline(parts: &Parts<'_>) -> String {
    let Parts { notification, wording, .. } = parts;
    format!("[{}] {}: {}", notification.severity().word(), notification.fleet, wording.what)
}

/// SNS refuses subjects with line breaks, control characters or 100 characters and more; e-mail wants ASCII.
fn subject(parts: &Parts<'_>) -> String {
    headline(parts)
        .chars()
        .map(|character| if character.is_ascii_graphic() || character == ' ' { character } else { '?' })
        .take(SUBJECT_LENGTH_MAX)
        .collect()
}

fn text(parts: &Parts<'_>) -> String {
    let Parts { notification, wording, suggestions, runbook, .. } = parts;
    let Wording { what, why, next } = wording;
    let mut text = format!("What       {}: {what}.\nWhy        {why}\nNext       {next}\n", notification.fleet);
    // `write!` to a String cannot fail.
    for Suggestion { purpose, effect, command } in suggestions {
        let _ = writeln!(text, "{:<11}{effect}\n           {command}", purpose.label());
    }
    if let Some(runbook) = runbook {
        let _ = writeln!(text, "Runbook    {runbook}");
    }
    let _ = writeln!(text, "\n{} at {:.0}, id {}", notification.kind(), notification.at, notification.id);
    text
}

// Its doc comments, and those of its parts, are the descriptions of the published schema.
/// Version 1. Described in docs/messages.md. It names every field that this release sends. A later release may add fields
/// without a new version: a consumer that does not validate should ignore fields that it does not know.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(title = "A message of Driftless, for machines"))]
pub(super) struct MachineBody<'a> {
    /// The version of this schema.
    #[cfg_attr(feature = "schema", schemars(extend("const" = SCHEMA_VERSION)))]
    schema_version: u32,
    /// The id of the message. A message that is delivered twice has the same id both times.
    id: &'a str,
    /// The fleet.
    fleet: &'a FleetName,
    /// The Auto Scaling groups of the fleet.
    groups: &'a [GroupName],
    /// What happened. For `many` it is the kind of each of them.
    #[cfg_attr(feature = "schema", schemars(schema_with = "published::kinds"))]
    kind: &'static str,
    /// The name of the condition that began, lasts or ended. Null: the message is about no condition.
    condition: Option<&'a str>,
    /// The severity.
    severity: Severity,
    /// When Driftless decided it.
    at: Timestamp,
    /// The same for all messages about one piece of work or one condition.
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = chat::THREAD_MAX), regex(pattern = "^[A-Za-z0-9._:-]+$"))
    )]
    thread: &'a str,
    /// How many messages this one stands for: 1, or more than 5 if an event burst was folded.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    count: u32,
    /// What happened, as a clause.
    what: &'a str,
    /// Why it happened.
    why: &'a str,
    /// What Driftless does next and when.
    next: &'a str,
    /// Commands to run: what pauses Driftless, what reverses its work, what lets it continue, what shows more, in this
    /// order.
    commands: &'a [Suggestion],
    /// The runbook. Null: the message needs no action.
    runbook: Option<&'a str>,
    /// What happened, with all that Driftless knows of it.
    details: &'a Details,
}

fn json(parts: &Parts<'_>) -> Result<String, serde_json::Error> {
    let Parts { notification, wording, suggestions, runbook, thread } = parts;
    let Notification { id, fleet, groups, at, details } = notification;
    serde_json::to_string(&MachineBody {
        schema_version: SCHEMA_VERSION,
        id,
        fleet,
        groups,
        kind: details.kind(),
        condition: details.condition(),
        severity: details.severity(),
        at: *at,
        thread,
        count: details.count(),
        what: &wording.what,
        why: &wording.why,
        next: &wording.next,
        commands: suggestions,
        runbook: runbook.as_deref(),
        details,
    })
}

impl Wording {
    fn printable(self) -> Self {
        Self { what: printable(&self.what), why: printable(&self.why), next: printable(&self.next) }
    }
}
