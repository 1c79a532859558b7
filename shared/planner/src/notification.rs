//! What on-call is told: the catalogue of messages, and how each is worded.
//!
//! A state is announced when it is entered, again when it has lasted for [`REMIND_AFTER`], and when it ends. Everything
//! that came from outside is [`UntrustedText`] and is quoted in the commands that a message suggests.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

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
pub(crate) use published::settings as schema_settings;
pub use runbook::{NotAnAddress, Runbooks};
pub use suggestion::{Purpose, Suggestion, command_about};

/// A lasting state is announced again after this long: once a shift notices what the last one left, and no pager
/// learns to ignore it.
pub const REMIND_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// One thing worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// Stable: a message that is sent twice has the same id twice.
    pub id: String,
    pub fleet: FleetName,
    /// Its groups, for the command that a message suggests.
    pub groups: Vec<GroupName>,
    /// When it was decided.
    pub at: Timestamp,
    pub news: News,
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

// The words on it are those of the published schema.
/// What happened, with all that is known of it. Its `kind` says which fields there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "news"))]
pub enum News {
    /// A fleet was seen for the first time and is watched from now on.
    Adopted {
        /// What its live color runs.
        release: Release,
    },
    /// A drifted instance is being replaced.
    ReplacementStarted {
        instance: InstanceId,
        group: GroupName,
        zone: Zone,
        /// Why it counts as drifted.
        drift: Vec<DriftReason>,
        remarks: Vec<UntrustedText>,
        /// When the successor must have proven itself.
        deadline: Timestamp,
        /// Whether the drifted instance goes before its successor comes.
        goes_first: bool,
    },
    /// A drifted instance has been replaced.
    Replaced {
        /// The instance that is gone.
        instance: InstanceId,
        /// The instance that took its place.
        successor: InstanceId,
        /// Why it counted as drifted.
        drift: Vec<DriftReason>,
        /// From detection to the end.
        took: SignedDuration,
        /// Until when it is kept for forensics, out of traffic. Null: it is gone.
        kept_until: Option<Timestamp>,
    },
    /// A surplus could not be taken back, since the group is below its floor: it stays.
    SurplusKept { instance: InstanceId, why: UntrustedText },
    /// A surge was given up and its surplus is gone.
    Cancelled {
        /// The drifted instance, which stays, unless it was gone anyway.
        instance: InstanceId,
        because: CancelReason,
        /// When the next attempt may start. Null: there is none.
        next_attempt: Option<Timestamp>,
    },
    /// A replacement was given up for good.
    Stopped {
        /// The drifted instance, which stays.
        instance: InstanceId,
        /// Why it counts as drifted.
        drift: Vec<DriftReason>,
        /// Why it was given up.
        why: StopReason,
        /// The attempts that failed.
        failures: Vec<Failure>,
    },
    /// A cutover has passed its preflight and begins.
    CutoverStarted {
        /// What is to take the traffic.
        candidate: Candidate,
        /// What has it now.
        from: Release,
        /// How many instances come up.
        instances: u32,
        /// How long traffic is watched, from its first step to the end of the bake.
        watched: SignedDuration,
        /// How long the fleet has twice its size.
        doubled: SignedDuration,
    },
    /// Traffic goes back to the old color.
    RollingBack {
        /// What had taken it.
        candidate: Candidate,
        why: UntrustedText,
    },
    /// A cutover is over.
    CutoverEnded {
        /// What was to take the traffic.
        candidate: Candidate,
        outcome: CutoverOutcome,
        why: UntrustedText,
        /// From its beginning to its end.
        took: SignedDuration,
    },
    /// An image must not take traffic any more.
    Vetoed {
        image: ImageId,
        by: UntrustedText,
        /// What speaks against it.
        evidence: Vec<UntrustedText>,
    },
    /// What became of what a person, or a pipeline, wanted.
    CommandAnswered {
        /// The request's id, as its sender chose it.
        request: String,
        actor: UntrustedText,
        command: String,
        /// Whether it was done.
        is_done: bool,
        /// The state it led to, or why not.
        answer: UntrustedText,
    },
    /// What a week of observe mode has held back.
    ObservedWeek {
        /// What would have been done, and since when.
        week: Box<Observed>,
        /// How many instances wait still.
        still: u32,
    },
    /// A state was entered.
    Entered {
        condition: Condition,
        /// What is known about it.
        detail: UntrustedText,
    },
    Lasts {
        condition: Condition,
        /// What is known about it.
        detail: UntrustedText,
        since: Timestamp,
    },
    Ended {
        /// The state's key: its name, and after a colon what it was about.
        condition: String,
        /// Since when it had lasted.
        since: Timestamp,
    },
    /// The same at once, more often than anyone reads one by one.
    Many {
        #[cfg_attr(feature = "schema", schemars(range(min = FOLD_ABOVE + 1)))]
        count: u32,
        /// The first of them.
        example: Box<News>,
        others: Vec<News>,
    },
}

impl Notification {
    /// How loud it is.
    pub fn severity(&self) -> Severity {
        self.news.severity()
    }

    /// The word for it in attributes and bodies. Of many it is the word for each.
    pub fn kind(&self) -> &'static str {
        self.news.kind()
    }
}

impl News {
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
                | CancelReason::BornDrifted { .. }
                | CancelReason::Protected { .. }
                | CancelReason::WindowClosed
                | CancelReason::BelowFloor { .. } => Severity::Info,
            },
            Self::SurplusKept { .. } | Self::Vetoed { .. } => Severity::Notify,
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

    /// The word for it. Of many it is the word for each.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Adopted { .. } => "adopted",
            Self::ReplacementStarted { .. } => "replacement-started",
            Self::Replaced { .. } => "replaced",
            Self::Cancelled { .. } => "withdrawn",
            Self::SurplusKept { .. } => "surplus-kept",
            Self::Stopped { .. } => "stopped",
            Self::CutoverStarted { .. } => "cutover-started",
            Self::RollingBack { .. } => "rolling-back",
            Self::CutoverEnded { .. } => "cutover-ended",
            Self::Vetoed { .. } => "vetoed",
            Self::CommandAnswered { .. } => "command-answered",
            Self::ObservedWeek { .. } => "observed-week",
            Self::Entered { .. } => "entered",
            Self::Lasts { .. } => "lasts",
            Self::Ended { .. } => "ended",
            Self::Many { example, .. } => example.kind(),
        }
    }

    /// The name of the state that was entered, lasts or ended. None: it is about no state.
    pub fn condition(&self) -> Option<&str> {
        match self {
            Self::Entered { condition, .. } | Self::Lasts { condition, .. } => Some(condition.name()),
            Self::Ended { condition, .. } => Some(name_and_subject(condition).0),
            Self::Many { example, .. } => example.condition(),
            Self::Adopted { .. }
            | Self::ReplacementStarted { .. }
            | Self::Replaced { .. }
            | Self::SurplusKept { .. }
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

    /// What a person looks up: the state where it is about one, else its kind.
    pub fn topic(&self) -> &str {
        self.condition().unwrap_or_else(|| self.kind())
    }

    /// The instance, image, rule or command that it is about.
    fn about(&self) -> String {
        match self {
            Self::Adopted { release } => release.image.to_string(),
            Self::ReplacementStarted { instance, .. }
            | Self::Replaced { instance, .. }
            | Self::SurplusKept { instance, .. }
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

/// The two parts of a state's key. A state of the whole fleet is about itself.
fn name_and_subject(key: &str) -> (&str, &str) {
    key.split_once(':').unwrap_or((key, key))
}

impl Severity {
    /// The word for it in subjects and attributes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notify => "notify",
            Self::Page => "page",
        }
    }
}
