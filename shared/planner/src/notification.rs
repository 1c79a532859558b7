//! What on-call is told: the catalogue of messages, and how each is worded.
//!
//! A state is announced when it is entered, again when it has lasted for [`REMIND_AFTER`], and when it ends. Everything
//! that came from outside is [`ForeignText`] and is quoted in the commands that a message suggests.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::{FleetName, GroupName, ImageId, InstanceId, Zone};
use crate::record::{Candidate, CutoverOutcome, DriftReason, Failure, Release, StopReason, WithdrawReason};
use crate::text::{ForeignText, shell_quoted};

mod condition;
mod cutover;

pub use condition::Condition;
pub use cutover::reason;

/// A lasting state is announced again after this long: once a shift notices what the last one left, and no pager
/// learns to ignore it.
pub const REMIND_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// SNS takes subjects of fewer than 100 characters.
pub const SUBJECT_LENGTH_MAX: usize = 99;

/// One thing worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// Stable: a message that is sent twice has the same id twice.
    pub id: String,
    /// The fleet.
    pub fleet: FleetName,
    /// Its groups, for the command that a message suggests.
    pub groups: Vec<GroupName>,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub news: News,
}

/// How loud a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// For the record.
    Info,
    /// Worth reading today.
    Notify,
    /// Worth waking for.
    Page,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum News {
    /// A fleet was seen for the first time and is watched from now on.
    Adopted {
        /// What its live color runs.
        release: Release,
    },
    /// A drifted instance is being replaced.
    ReplacementStarted {
        /// The drifted instance.
        instance: InstanceId,
        /// Its group.
        group: GroupName,
        /// Where it runs.
        zone: Zone,
        /// Why it counts as drifted.
        drift: Vec<DriftReason>,
        /// Config's remarks.
        remarks: Vec<ForeignText>,
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
        /// Until when it is kept for forensics, out of traffic. None: it is gone.
        kept_until: Option<Timestamp>,
    },
    /// A surplus could not be taken back, since the group is below its floor: it stays.
    SurplusKept {
        /// The surplus.
        instance: InstanceId,
        /// Why.
        why: ForeignText,
    },
    /// A surge was given up and its surplus is gone.
    Withdrawn {
        /// The drifted instance, which stays, unless it was gone anyway.
        instance: InstanceId,
        /// Why.
        because: WithdrawReason,
        /// When the next attempt may start, if there is one.
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
        /// Why.
        why: ForeignText,
    },
    /// A cutover is over.
    CutoverEnded {
        /// What was to take the traffic.
        candidate: Candidate,
        /// How.
        outcome: CutoverOutcome,
        /// Why.
        why: ForeignText,
        /// From its beginning to its end.
        took: SignedDuration,
    },
    /// An image must not take traffic any more.
    Vetoed {
        /// The image.
        image: ImageId,
        /// Who said so.
        by: ForeignText,
        /// What speaks against it.
        evidence: Vec<ForeignText>,
    },
    /// What became of what a person, or a pipeline, wanted.
    CommandAnswered {
        /// The request.
        request: String,
        /// Who.
        actor: ForeignText,
        /// What, in words.
        command: String,
        /// Whether it was done.
        is_done: bool,
        /// The state it led to, or why not.
        answer: ForeignText,
    },
    /// A state was entered.
    Entered {
        /// The state.
        condition: Condition,
        /// What is known about it.
        detail: ForeignText,
    },
    /// A state lasts.
    Lasts {
        /// The state.
        condition: Condition,
        /// What is known about it.
        detail: ForeignText,
        /// Since when.
        since: Timestamp,
    },
    /// A state ended.
    Ended {
        /// The state, by its key.
        condition: String,
        /// Since when it had lasted.
        since: Timestamp,
    },
}

/// A message as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One line that a pager can show: fleet and fact, fewer than 100 characters, nothing but printable ASCII.
    pub subject: String,
    /// For people: what, why, what next, and the command that stops it.
    pub text: String,
    /// For machines, with stable fields.
    pub json: String,
    /// For filter policies.
    pub severity: Severity,
    /// For filter policies: the kind of news.
    pub kind: &'static str,
}

impl Notification {
    /// How loud it is.
    pub const fn severity(&self) -> Severity {
        match &self.news {
            News::Adopted { .. } | News::ReplacementStarted { .. } | News::Replaced { .. } | News::Ended { .. } => {
                Severity::Info
            }
            News::Withdrawn { because, .. } => match because {
                WithdrawReason::Failed(_) => Severity::Notify,
                WithdrawReason::Cleared
                | WithdrawReason::DriftedGone
                | WithdrawReason::BreakerOpen
                | WithdrawReason::RuleBreakerOpen(_)
                | WithdrawReason::NoCapacity(_)
                | WithdrawReason::BornDrifted { .. }
                | WithdrawReason::Protected { .. }
                | WithdrawReason::WindowClosed => Severity::Info,
            },
            News::SurplusKept { .. } | News::Vetoed { .. } => Severity::Notify,
            News::Stopped { .. } | News::RollingBack { .. } => Severity::Page,
            News::CutoverStarted { .. } | News::CommandAnswered { .. } => Severity::Info,
            News::CutoverEnded { outcome, .. } => match outcome {
                CutoverOutcome::Done | CutoverOutcome::Superseded => Severity::Info,
                CutoverOutcome::Aborted | CutoverOutcome::RolledBack => Severity::Notify,
            },
            News::Entered { condition, .. } | News::Lasts { condition, .. } => condition.severity(),
        }
    }

    /// The word for it in attributes and bodies.
    pub const fn kind(&self) -> &'static str {
        match &self.news {
            News::Adopted { .. } => "adopted",
            News::ReplacementStarted { .. } => "replacement-started",
            News::Replaced { .. } => "replaced",
            News::Withdrawn { .. } => "withdrawn",
            News::SurplusKept { .. } => "surplus-kept",
            News::Stopped { .. } => "stopped",
            News::CutoverStarted { .. } => "cutover-started",
            News::RollingBack { .. } => "rolling-back",
            News::CutoverEnded { .. } => "cutover-ended",
            News::Vetoed { .. } => "vetoed",
            News::CommandAnswered { .. } => "command-answered",
            News::Entered { .. } => "entered",
            News::Lasts { .. } => "lasts",
            News::Ended { .. } => "ended",
        }
    }

    /// The message for it.
    pub fn message(&self) -> Result<Message, serde_json::Error> {
        let wording = self.wording();
        let subject = printable_ascii(&format!("[{}] {}: {}", self.severity().word(), self.fleet, wording.what));
        let mut text =
            format!("WHAT  {}: {}.\nWHY   {}\nNEXT  {}\n", self.fleet, wording.what, wording.why, wording.next);
        let command = self.stop_command();
        if let Some(command) = &command {
            // `write!` to a String cannot fail; its result says so only by type.
            let _ = writeln!(text, "STOP  {command}");
        }
        let _ = writeln!(text, "\n{} at {:.0}, id {}", self.kind(), self.at, self.id);
        let body = MachineBody {
            schema_version: 1,
            id: &self.id,
            fleet: &self.fleet,
            kind: self.kind(),
            severity: self.severity(),
            at: self.at,
            what: &wording.what,
            why: &wording.why,
            next: &wording.next,
            stop_command: command.as_deref(),
            news: &self.news,
        };
        Ok(Message { subject, text, json: serde_json::to_string(&body)?, severity: self.severity(), kind: self.kind() })
    }

    #[expect(clippy::too_many_lines, reason = "one wording for each kind of news")]
    fn wording(&self) -> Wording {
        match &self.news {
            News::Adopted { release } => Wording {
                what: "adopted, and watched from now on".to_owned(),
                why: format!("its live group runs {} from {}", release.image, release.template),
                next: "Nothing was changed. Drift is reported from now on; in act mode it is repaired.".to_owned(),
            },
            News::ReplacementStarted { instance, group, drift, remarks, goes_first: true, .. } => Wording {
                what: format!("replacing {instance}"),
                why: format!("{}{}", listed(drift), remarks_of(remarks)),
                next: format!(
                    "{instance} is terminated first, as driftless:replace says; Auto Scaling launches its successor in \
                     {group}. No other goes before that one has proven itself."
                ),
            },
            News::ReplacementStarted { instance, group, zone, drift, remarks, deadline, goes_first: false } => {
                Wording {
                    what: format!("replacing {instance}"),
                    why: format!("{}{}", listed(drift), remarks_of(remarks)),
                    next: format!(
                        "A successor is launched in {zone}, in {group}. {instance} is terminated only when its successor \
                     has proven itself, until {deadline:.0} at the latest; else the successor goes."
                    ),
                }
            }
            News::Replaced { instance, successor, drift, took, kept_until } => Wording {
                what: format!("replaced {instance} by {successor}"),
                why: listed(drift),
                next: kept_until.map_or_else(
                    || format!("Nothing: it is done. From detection to the end it took {}.", in_seconds(*took)),
                    |until| {
                        format!(
                            "{instance} is out of traffic, in standby, and kept until {until:.0}; the tag \
                             driftless:protect on it keeps it longer."
                        )
                    },
                ),
            },
            News::SurplusKept { instance, why } => Wording {
                what: format!("kept the surplus instance {instance}"),
                why: why.to_string(),
                next:
                    "It stays, and desired capacity stays one higher. What scales the group, or a person, may take it \
                       back."
                        .to_owned(),
            },
            News::Withdrawn { instance, because, next_attempt } => Wording {
                what: format!("withdrew the replacement of {instance}"),
                why: because.to_string(),
                next: next_attempt.map_or_else(
                    || {
                        let rest = match because {
                            WithdrawReason::Protected { .. } => "It is replaced when nobody protects it any more.",
                            WithdrawReason::Cleared
                            | WithdrawReason::DriftedGone
                            | WithdrawReason::BreakerOpen
                            | WithdrawReason::RuleBreakerOpen(_)
                            | WithdrawReason::NoCapacity(_)
                            | WithdrawReason::BornDrifted { .. }
                            | WithdrawReason::WindowClosed
                            | WithdrawReason::Failed(_) => "Nothing more is done.",
                        };
                        format!("The group has its own size again. {rest}")
                    },
                    |at| format!("The group has its own size again. The next attempt may start at {at:.0}."),
                ),
            },
            News::Stopped { instance, drift, why, failures } => stopped(instance, drift, why, failures),
            News::CutoverStarted { candidate, from, instances, watched, doubled } => {
                cutover::started(candidate, from, *instances, *watched, *doubled)
            }
            News::RollingBack { candidate, why } => cutover::rolling_back(candidate, why),
            News::CutoverEnded { candidate, outcome, why, took } => cutover::ended(candidate, *outcome, why, *took),
            News::Vetoed { image, by, evidence } => cutover::vetoed(image, by, evidence),
            News::CommandAnswered { actor, command, is_done, answer, .. } => {
                cutover::answered(actor, command, *is_done, answer)
            }
            News::Entered { condition, detail } => {
                Wording { what: condition.headline(), why: detail.to_string(), next: condition.next() }
            }
            News::Lasts { condition, detail, since } => Wording {
                what: format!("still: {}", condition.headline()),
                why: format!("since {since:.0}: {detail}"),
                next: condition.next(),
            },
            News::Ended { condition, since } => Wording {
                what: format!("over: {}", condition.replace(':', " ")),
                why: format!("it had lasted since {since:.0}"),
                next: "Nothing: Driftless goes on.".to_owned(),
            },
        }
    }

    /// The command that makes Driftless hands off this fleet at once: where it is doing something, or would again.
    fn stop_command(&self) -> Option<String> {
        let is_stoppable = match &self.news {
            News::ReplacementStarted { .. } | News::CutoverStarted { .. } => true,
            News::Withdrawn { next_attempt, .. } => next_attempt.is_some(),
            News::Adopted { .. }
            | News::Replaced { .. }
            | News::SurplusKept { .. }
            | News::Stopped { .. }
            | News::RollingBack { .. }
            | News::CutoverEnded { .. }
            | News::Vetoed { .. }
            | News::CommandAnswered { .. }
            | News::Entered { .. }
            | News::Lasts { .. }
            | News::Ended { .. } => false,
        };
        (is_stoppable && !self.groups.is_empty()).then(|| {
            let tags = self.groups.iter().map(|group| {
                shell_quoted(&format!(
                    "ResourceId={group},ResourceType=auto-scaling-group,Key=driftless:mode,Value=observe,\
                     PropagateAtLaunch=false"
                ))
            });
            format!("aws autoscaling create-or-update-tags --tags {}", tags.collect::<Vec<_>>().join(" "))
        })
    }
}

struct Wording {
    what: String,
    why: String,
    next: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MachineBody<'a> {
    schema_version: u32,
    id: &'a str,
    fleet: &'a FleetName,
    kind: &'static str,
    severity: Severity,
    at: Timestamp,
    what: &'a str,
    why: &'a str,
    next: &'a str,
    stop_command: Option<&'a str>,
    news: &'a News,
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

fn stopped(instance: &InstanceId, drift: &[DriftReason], why: &StopReason, failures: &[Failure]) -> Wording {
    match why {
        StopReason::Failures => Wording {
            what: format!("gave up replacing {instance}"),
            why: format!(
                "{}; {} attempts failed, the last one with: {}",
                listed(drift),
                failures.len(),
                failures.last().map_or("no message", |failure| failure.why.as_str())
            ),
            next: format!("{instance} stays and serves. Nothing more is done about it until it is compliant or gone."),
        },
        StopReason::NotRefilled => Wording {
            what: format!("nothing took the place of {instance}"),
            why: format!("{}; it went first, and no successor proved itself in time", listed(drift)),
            next: "Nothing else of the group goes while one is missing. Look at the group's scaling activities: it is \
                   Auto Scaling that launches."
                .to_owned(),
        },
        StopReason::Recurrence { successor, image } => Wording {
            what: format!("the successor of {instance} was born drifted"),
            why: format!("{successor} was to replace {instance} and fails for the same reason, {}", listed(drift)),
            next: format!(
                "{successor} is gone again, {instance} stays and serves, and no other is replaced for this. Check the \
                 rule, or build an image that passes it{}.",
                proposed_veto(image.as_ref())
            ),
        },
        StopReason::Lineage { ancestor, image } => Wording {
            what: format!("{instance} was born drifted"),
            why: format!(
                "{instance} replaced {ancestor} and fails for the same reason, {}: the image or the rule is wrong",
                listed(drift)
            ),
            next: format!(
                "{instance} stays and serves. No further successor is launched for it: check the rule, or build an \
                 image that passes it{}.",
                proposed_veto(image.as_ref())
            ),
        },
    }
}

fn proposed_veto(image: Option<&ImageId>) -> String {
    image.map_or_else(String::new, |image| format!("; to keep this one from other cutovers: driftless veto {image}"))
}

fn listed(drift: &[DriftReason]) -> String {
    drift.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn remarks_of(remarks: &[ForeignText]) -> String {
    remarks.iter().fold(String::new(), |text, remark| format!("{text} ({:?})", remark.as_str()))
}

/// A duration as a person says it: `20m 34s`.
fn in_seconds(duration: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_secs(duration.as_secs()))
}

/// SNS refuses subjects with line breaks, control characters or 100 characters and more; e-mail wants ASCII.
fn printable_ascii(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_ascii_graphic() || character == ' ' { character } else { '?' })
        .take(SUBJECT_LENGTH_MAX)
        .collect()
}
