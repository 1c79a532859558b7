//! Notifications to on-call: the catalogue of messages and their texts.
//!
//! A condition is announced when it begins, again every [`REMIND_AFTER`] while it lasts, and when it ends. All external
//! text is [`UntrustedText`], and is quoted in the commands that a message suggests.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fleet::Color;
use crate::ids::{FleetName, GroupName, ImageId, InstanceId, Zone};
use crate::record::{CancelReason, Candidate, CutoverOutcome, DriftReason, Failure, Observed, Release, StopReason};
use crate::text::UntrustedText;

mod chat;
mod condition;
mod cutover;
mod fold;
mod lines;
mod message;
mod observed;
#[cfg(feature = "schema")]
mod published;
mod replacement;
mod runbook;
mod suggestion;
mod wording;

pub use condition::Condition;
pub use cutover::reason;
pub(crate) use fold::fold;
pub use fold::{FOLD_ABOVE, FOLD_NAMES};
pub use message::{Message, SCHEMA_VERSION, SUBJECT_LENGTH_MAX};
#[cfg(feature = "schema")]
pub use published::schema;
#[cfg(feature = "schema")]
pub use published::settings as schema_settings;
pub use runbook::{NotAnAddress, Runbooks};
pub use suggestion::{Purpose, Suggestion, command_about};

/// How often a lasting condition is announced again: each day's shift sees what the last one left, without so many
/// repeats that on-call ignores them.
pub const REMIND_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// A notification to on-call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// The id of the message. A message that is delivered twice has the same id both times.
    pub id: String,
    pub fleet: FleetName,
    /// The groups of the fleet, for the commands that a message suggests.
    pub groups: Vec<GroupName>,
    /// When Driftless decided it.
    pub at: Timestamp,
    pub details: Details,
}

/// How loud a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Severity {
    Info,
    Notify,
    Page,
}

// Its doc comments are the descriptions of the published schema.
/// What happened, with all that Driftless knows of it. `kind` decides which fields there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "details"))]
pub enum Details {
    /// Driftless saw a fleet for the first time and watches it from now on.
    Adopted {
        /// The release of the live color.
        release: Release,
    },
    /// Driftless started to replace a drifted instance.
    ReplacementStarted {
        /// The drifted instance.
        instance: InstanceId,
        /// The Auto Scaling group of the drifted instance.
        group: GroupName,
        /// The Availability Zone of the drifted instance.
        zone: Zone,
        /// Why the instance counts as drifted.
        drift: Vec<DriftReason>,
        /// The annotations of AWS Config.
        remarks: Vec<UntrustedText>,
        /// When the replacement instance must be verified.
        deadline: Timestamp,
        /// Whether the drifted instance is terminated before its replacement instance is launched.
        #[serde(rename = "terminate_first")]
        goes_first: bool,
    },
    /// A drifted instance has been replaced.
    Replaced {
        /// The instance that was replaced.
        instance: InstanceId,
        /// The instance that took its place.
        #[serde(rename = "replacement_instance")]
        successor: InstanceId,
        /// Why the instance counted as drifted.
        drift: Vec<DriftReason>,
        /// The time from the detection of the drift to the end of the replacement.
        took: SignedDuration,
        /// Until when the instance is kept for forensics, without traffic. Null: it is terminated.
        kept_until: Option<Timestamp>,
    },
    /// Driftless could not terminate the extra instance of a cancelled replacement, because minimum healthy or a
    /// protection needs it. The instance stays.
    #[serde(rename = "extra-instance-kept")]
    ExtraInstanceKept {
        /// The extra instance.
        instance: InstanceId,
        /// Why Driftless did not terminate it.
        why: UntrustedText,
    },
    /// A replacement was cancelled, and its extra instance is terminated.
    #[serde(rename = "replacement-cancelled")]
    Cancelled {
        /// The drifted instance. It stays, unless it was terminated outside Driftless.
        instance: InstanceId,
        /// Why the replacement was cancelled.
        because: CancelReason,
        /// When the next attempt may start. Null: there is no next attempt.
        next_attempt: Option<Timestamp>,
    },
    /// Driftless stopped trying to replace an instance.
    Stopped {
        /// The drifted instance. It stays, unless `why` says otherwise.
        instance: InstanceId,
        /// Why the instance counts as drifted.
        drift: Vec<DriftReason>,
        /// Why Driftless stopped.
        why: StopReason,
        /// The attempts that failed.
        failures: Vec<Failure>,
    },
    /// A cutover has passed its preflight checks and starts.
    CutoverStarted {
        /// The release that takes the traffic.
        candidate: Candidate,
        /// The color that takes the traffic. Null: the fleet is a single group.
        new_color: Option<Color>,
        /// The release that has the traffic now.
        from: Release,
        /// The color that has the traffic now. Null: the fleet is a single group.
        old_color: Option<Color>,
        /// How many instances are launched.
        instances: u32,
        /// How long alarms and health are watched, from the first step of traffic to the end of the bake.
        watched: SignedDuration,
        /// How long the fleet has twice its size.
        doubled: SignedDuration,
    },
    /// Traffic is moving back to the old color.
    RollingBack {
        /// The release that loses the traffic.
        candidate: Candidate,
        /// The color that loses the traffic. Null: the fleet is a single group.
        new_color: Option<Color>,
        /// The release that gets the traffic back.
        rollback_to: Release,
        /// The color that gets the traffic back. Null: the fleet is a single group.
        old_color: Option<Color>,
        /// Why the traffic moves back.
        why: UntrustedText,
    },
    /// A cutover has ended.
    CutoverEnded {
        /// The release that was to take the traffic.
        candidate: Candidate,
        /// How the cutover ended.
        outcome: CutoverOutcome,
        /// Why the cutover ended so.
        why: UntrustedText,
        /// The time from the start to the end of the cutover.
        took: SignedDuration,
    },
    /// An image was vetoed: it takes no traffic any more.
    Vetoed {
        /// The image.
        image: ImageId,
        /// Who vetoed the image.
        by: UntrustedText,
        /// The evidence against the image.
        evidence: Vec<UntrustedText>,
    },
    /// The result of a command of an operator or a pipeline.
    #[serde(rename = "command-result")]
    CommandAnswered {
        /// The id of the request, as its sender chose it.
        request: String,
        /// Who sent the command.
        actor: UntrustedText,
        /// The command.
        command: String,
        /// Whether the command was done.
        is_done: bool,
        /// The state after the command, or why it was not done.
        #[serde(rename = "response")]
        answer: UntrustedText,
    },
    /// What Driftless would have done in a week of observe mode.
    ObservedWeek {
        /// What would have been done, and since when it is counted.
        week: Box<Observed>,
        /// How many instances are still drifted.
        #[serde(rename = "still_drifted")]
        still: u32,
    },
    /// A condition began.
    Entered {
        /// The condition.
        condition: Condition,
        /// What Driftless found, as a sentence.
        detail: UntrustedText,
    },
    /// A condition still lasts, 24 hours after the last message about it.
    Lasts {
        /// The condition.
        condition: Condition,
        /// What Driftless found, as a sentence.
        detail: UntrustedText,
        /// When the condition began.
        since: Timestamp,
    },
    /// A condition ended.
    Ended {
        /// The key of the condition: its name, and after a colon what it was about.
        condition: String,
        /// When the condition began.
        since: Timestamp,
    },
    /// More than 5 messages of the same kind at once.
    Many {
        /// How many there are.
        #[cfg_attr(feature = "schema", schemars(range(min = FOLD_ABOVE + 1)))]
        count: u32,
        /// The first of them.
        example: Box<Details>,
        /// The next few.
        others: Vec<Details>,
    },
}

impl Notification {
    /// How loud it is.
    pub fn severity(&self) -> Severity {
        self.details.severity()
    }

    /// The kind of the message in attributes and bodies. For folded messages: the kind of each.
    pub fn kind(&self) -> &'static str {
        self.details.kind()
    }
}

impl Details {
    /// How loud it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Adopted { .. } | Self::ReplacementStarted { .. } | Self::Replaced { .. } | Self::Ended { .. } => {
                Severity::Info
            }
            Self::Cancelled { because, .. } => match because {
                CancelReason::Failed(_) => Severity::Notify,
                CancelReason::Cleared
                | CancelReason::DriftedGone
                | CancelReason::BreakerOpen
                | CancelReason::RuleBreakerOpen(_)
                | CancelReason::NoCapacity(_)
                | CancelReason::DriftedFromTheStart { .. }
                | CancelReason::Protected { .. }
                | CancelReason::WindowClosed
                | CancelReason::BelowMinimum { .. } => Severity::Info,
            },
            Self::ExtraInstanceKept { .. } | Self::Vetoed { .. } => Severity::Notify,
            Self::Stopped { .. } | Self::RollingBack { .. } => Severity::Page,
            Self::CutoverStarted { .. } | Self::CommandAnswered { .. } | Self::ObservedWeek { .. } => Severity::Info,
            Self::CutoverEnded { outcome, .. } => match outcome {
                CutoverOutcome::Done | CutoverOutcome::Superseded => Severity::Info,
                CutoverOutcome::Aborted | CutoverOutcome::RolledBack => Severity::Notify,
            },
            Self::Entered { condition, .. } | Self::Lasts { condition, .. } => condition.severity(),
            Self::Many { example, .. } => example.severity(),
        }
    }

    /// The kind of the message. For folded messages: the kind of each.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Adopted { .. } => "adopted",
            Self::ReplacementStarted { .. } => "replacement-started",
            Self::Replaced { .. } => "replaced",
            Self::Cancelled { .. } => "replacement-cancelled",
            Self::ExtraInstanceKept { .. } => "extra-instance-kept",
            Self::Stopped { .. } => "stopped",
            Self::CutoverStarted { .. } => "cutover-started",
            Self::RollingBack { .. } => "rolling-back",
            Self::CutoverEnded { .. } => "cutover-ended",
            Self::Vetoed { .. } => "vetoed",
            Self::CommandAnswered { .. } => "command-result",
            Self::ObservedWeek { .. } => "observed-week",
            Self::Entered { .. } => "entered",
            Self::Lasts { .. } => "lasts",
            Self::Ended { .. } => "ended",
            Self::Many { example, .. } => example.kind(),
        }
    }

    /// The name of the condition that began, lasts or ended. None: the message is about no condition.
    pub fn condition(&self) -> Option<&str> {
        match self {
            Self::Entered { condition, .. } | Self::Lasts { condition, .. } => Some(condition.name()),
            Self::Ended { condition, .. } => Some(name_and_subject(condition).0),
            Self::Many { example, .. } => example.condition(),
            Self::Adopted { .. }
            | Self::ReplacementStarted { .. }
            | Self::Replaced { .. }
            | Self::ExtraInstanceKept { .. }
            | Self::Cancelled { .. }
            | Self::Stopped { .. }
            | Self::CutoverStarted { .. }
            | Self::RollingBack { .. }
            | Self::CutoverEnded { .. }
            | Self::Vetoed { .. }
            | Self::CommandAnswered { .. }
            | Self::ObservedWeek { .. } => None,
        }
    }

    /// The topic of the runbook: the name of the condition, or else the kind.
    pub fn topic(&self) -> &str {
        self.condition().unwrap_or_else(|| self.kind())
    }

    /// The instance, image, rule or command that it is about.
    fn about(&self) -> String {
        match self {
            Self::Adopted { release } => release.image.to_string(),
            Self::ReplacementStarted { instance, .. }
            | Self::Replaced { instance, .. }
            | Self::ExtraInstanceKept { instance, .. }
            | Self::Cancelled { instance, .. }
            | Self::Stopped { instance, .. } => instance.to_string(),
            Self::CutoverStarted { candidate, .. }
            | Self::RollingBack { candidate, .. }
            | Self::CutoverEnded { candidate, .. } => candidate.image.to_string(),
            Self::Vetoed { image, .. } => image.to_string(),
            Self::CommandAnswered { command, .. } => command.clone(),
            Self::ObservedWeek { .. } => "observe".to_owned(),
            Self::Entered { condition, .. } | Self::Lasts { condition, .. } => {
                name_and_subject(&condition.key()).1.to_owned()
            }
            Self::Ended { condition, .. } => name_and_subject(condition).1.to_owned(),
            Self::Many { example, .. } => example.about(),
        }
    }
}

/// The two parts of a condition's key: name and subject. A condition of the whole fleet has only a name.
fn name_and_subject(key: &str) -> (&str, &str) {
    key.split_once(':').unwrap_or((key, key))
}

impl Severity {
    /// The name of the severity in subjects and attributes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notify => "notify",
            Self::Page => "page",
        }
    }
}
