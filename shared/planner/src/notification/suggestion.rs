//! The commands that messages suggest. This is the only place that writes them: each is one line of a POSIX shell, every
//! word of it quoted, and can be typed as it stands.

use serde::Serialize;

use super::{Condition, News, Notification};
use crate::ids::{FleetName, ImageId, InstanceId};
use crate::record::{CutoverOutcome, StopReason};
use crate::text::shell_quoted;

/// A command that a person may want to type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "command"))]
pub struct Suggestion {
    /// What it is for.
    pub purpose: Purpose,
    /// What it does, in words.
    pub effect: &'static str,
    /// One line of a POSIX shell, every word quoted.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^driftless ")))]
    pub command: String,
}

/// What a suggested command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Purpose {
    /// Keeps Driftless from going on.
    Stop,
    /// Takes back what was done.
    Undo,
    /// Lets it go on, sooner or at all.
    Go,
    /// Shows more, and changes nothing.
    Look,
}

impl Purpose {
    /// How it is marked in the text for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stop => "STOP",
            Self::Undo => "UNDO",
            Self::Go => "GO",
            Self::Look => "LOOK",
        }
    }
}

/// What a person may want to type on reading this: first what stops it, then what reverses it, what speeds it up, and
/// what shows more.
pub(super) fn suggestions(notification: &Notification) -> Vec<Suggestion> {
    let tool = Tool { fleet: &notification.fleet, message: &notification.id };
    let mut all = tool.of(&notification.news);
    all.sort_by_key(|suggestion| suggestion.purpose);
    all
}

/// `driftless`, about one fleet.
struct Tool<'a> {
    fleet: &'a FleetName,
    message: &'a str,
}

impl Tool<'_> {
    fn of(&self, news: &News) -> Vec<Suggestion> {
        match news {
            News::Adopted { .. } => vec![self.check_adoption()],
            News::Replaced { .. } | News::Ended { .. } | News::Cancelled { next_attempt: None, .. } => {
                vec![self.history()]
            }
            News::ReplacementStarted { instance, .. } | News::Cancelled { instance, next_attempt: Some(_), .. } => {
                vec![self.freeze(), why_instance(instance)]
            }
            News::Stopped { instance, why, .. } => self.of_stopped(instance, why),
            News::CutoverStarted { .. } => vec![self.pause(), self.abort(), self.promote(), self.status()],
            News::RollingBack { .. } => vec![self.freeze(), self.status()],
            News::CutoverEnded { outcome, .. } => match outcome {
                CutoverOutcome::Done => vec![self.rollback(), self.history()],
                CutoverOutcome::Aborted => vec![self.retry(), self.history()],
                CutoverOutcome::Superseded => vec![self.status()],
                CutoverOutcome::RolledBack => vec![self.freeze(), self.history()],
            },
            News::Vetoed { image, .. } => vec![self.unveto(image), self.history()],
            News::ObservedWeek { .. } => vec![self.check_adoption(), self.why()],
            News::SurplusKept { .. } | News::CommandAnswered { is_done: true, .. } => vec![self.status()],
            News::CommandAnswered { is_done: false, .. } => vec![self.why()],
            News::Entered { condition, .. } | News::Lasts { condition, .. } => self.of_condition(condition),
            News::Many { example, .. } => self.of_many(example),
        }
    }

    fn of_stopped(&self, instance: &InstanceId, why: &StopReason) -> Vec<Suggestion> {
        let veto = why.suspect().map(|image| self.veto(image));
        veto.into_iter().chain([self.retry(), why_instance(instance)]).collect()
    }

    fn of_condition(&self, condition: &Condition) -> Vec<Suggestion> {
        match condition {
            Condition::NotAdoptable => vec![self.check_adoption()],
            Condition::Misconfigured
            | Condition::PolicyInvalid
            | Condition::PermissionDenied { .. }
            | Condition::NothingCanGoFirst => vec![self.why()],
            Condition::BreakerOpen | Condition::Backlog => vec![self.freeze(), self.why()],
            Condition::RuleBreakerOpen { .. } | Condition::CapacityShort | Condition::CutoverWaits => {
                vec![self.freeze(), self.retry(), self.why()]
            }
            Condition::WouldReplace { instance } | Condition::DrainOverdue { instance } => vec![why_instance(instance)],
            Condition::WouldCutOver { image } => vec![self.veto(image), self.why()],
            Condition::AwaitingApproval => vec![self.abort(), self.approve(), self.status()],
            Condition::BothColorsAlarm | Condition::GuardAlarmMissing => {
                vec![self.pause(), self.rollback(), self.status()]
            }
            Condition::TrafficChanged => vec![self.rollback(), self.status()],
            Condition::NeedsOperator => vec![self.rollback(), self.resume(), self.why()],
            Condition::RollbackBelowFloor
            | Condition::OldColorDown
            | Condition::RollbackOverdue
            | Condition::RetireOverdue => vec![self.status()],
            Condition::RestoreOverdue => vec![self.doctor()],
        }
    }

    /// What can be done about the first of them, and what shows all.
    fn of_many(&self, example: &News) -> Vec<Suggestion> {
        let mut all = self.of(example);
        if !all.contains(&self.status()) {
            all.push(self.status());
        }
        all
    }

    fn freeze(&self) -> Suggestion {
        let command = driftless(&["freeze", self.fleet.as_str(), "--reason", &format!("see {}", self.message)]);
        Suggestion {
            purpose: Purpose::Stop,
            effect: "holds everything here until somebody thaws it, but never a way back",
            command,
        }
    }

    fn pause(&self) -> Suggestion {
        self.about(
            Purpose::Stop,
            "pause",
            "the cutover stands still where it is, with its clocks; resume lets it go on",
        )
    }

    fn veto(&self, image: &ImageId) -> Suggestion {
        let command = driftless(&["veto", self.fleet.as_str(), image.as_str()]);
        Suggestion { purpose: Purpose::Stop, effect: "this image takes no traffic here any more", command }
    }

    fn unveto(&self, image: &ImageId) -> Suggestion {
        let command = driftless(&["unveto", self.fleet.as_str(), image.as_str()]);
        Suggestion { purpose: Purpose::Undo, effect: "this image may take traffic here again", command }
    }

    fn abort(&self) -> Suggestion {
        self.about(Purpose::Undo, "abort", "the cutover is undone, and traffic that has moved goes back first")
    }

    fn rollback(&self) -> Suggestion {
        self.about(Purpose::Undo, "rollback", "traffic goes back to the last good release now")
    }

    fn approve(&self) -> Suggestion {
        self.about(Purpose::Go, "approve", "the new color takes traffic, step by step")
    }

    fn promote(&self) -> Suggestion {
        self.about(Purpose::Go, "promote", "skips the waits that remain, never health or alarms")
    }

    fn resume(&self) -> Suggestion {
        self.about(Purpose::Go, "resume", "it goes on from the weights that are there")
    }

    fn retry(&self) -> Suggestion {
        self.about(Purpose::Go, "retry", "what was stopped or held back is tried again at once")
    }

    fn status(&self) -> Suggestion {
        self.about(Purpose::Look, "status", "colors, weights, phase, and whether there is a way back")
    }

    fn history(&self) -> Suggestion {
        self.about(Purpose::Look, "history", "what led here")
    }

    fn why(&self) -> Suggestion {
        self.about(Purpose::Look, "why", "each guard's verdict, and when it may change")
    }

    fn doctor(&self) -> Suggestion {
        self.about(Purpose::Look, "doctor", "what is not put back yet, and what keeps it")
    }

    fn check_adoption(&self) -> Suggestion {
        let command = driftless(&["adopt", self.fleet.as_str(), "--check"]);
        Suggestion { purpose: Purpose::Look, effect: "everything that stands in the way of act mode", command }
    }

    fn about(&self, purpose: Purpose, verb: &str, effect: &'static str) -> Suggestion {
        Suggestion { purpose, effect, command: command_about(self.fleet, verb) }
    }
}

/// What a person types to say this of a fleet: `rollback`, `approve`.
pub fn command_about(fleet: &FleetName, verb: &str) -> String {
    driftless(&[verb, fleet.as_str()])
}

fn why_instance(instance: &InstanceId) -> Suggestion {
    let command = driftless(&["why", instance.as_str()]);
    Suggestion {
        purpose: Purpose::Look,
        effect: "each guard's verdict on this instance, and when it may change",
        command,
    }
}

fn driftless(words: &[&str]) -> String {
    words.iter().fold("driftless".to_owned(), |command, word| format!("{command} {}", shell_quoted(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_command_is_one_word_to_a_shell() {
        assert_eq!(driftless(&["why", "i-1"]), "driftless why i-1");
        assert_eq!(
            driftless(&["freeze", "app", "--reason", "it's $(late)"]),
            r"driftless freeze app --reason 'it'\''s $(late)'"
        );
        assert_eq!(driftless(&["why", "x; rm -rf /", ""]), "driftless why 'x; rm -rf /' ''");
    }

    #[test]
    fn what_stops_comes_first_and_what_only_shows_comes_last() {
        assert!(Purpose::Stop < Purpose::Undo && Purpose::Undo < Purpose::Go && Purpose::Go < Purpose::Look);
    }
}
