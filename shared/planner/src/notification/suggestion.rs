//! The commands that messages suggest. Only this module writes them: each is one line of a POSIX shell, with every word
//! quoted, and can be run as it is.

use serde::Serialize;

use super::{Condition, Details, Notification};
use crate::ids::{FleetName, ImageId, InstanceId};
use crate::record::{CutoverOutcome, StopReason};
use crate::text::shell_quoted;

/// A command that the reader may want to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "command"))]
pub struct Suggestion {
    /// What the command is for.
    pub purpose: Purpose,
    /// What the command does.
    pub effect: String,
    /// The command: one line of a POSIX shell, with every word quoted.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^driftless ")))]
    pub command: String,
}

/// What a suggested command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Purpose {
    /// Keeps Driftless from continuing.
    #[serde(rename = "pause")]
    Stop,
    /// Reverses what was done.
    #[serde(rename = "roll-back")]
    Undo,
    /// Lets Driftless continue, or continue sooner.
    #[serde(rename = "continue")]
    Go,
    /// Shows more and changes nothing.
    #[serde(rename = "inspect")]
    Look,
}

impl Purpose {
    /// Its label in the text.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stop => "Pause",
            Self::Undo => "Roll back",
            Self::Go => "Continue",
            Self::Look => "Inspect",
        }
    }
}

/// The commands that fit a message: first those that pause Driftless, then those that reverse its work, let it
/// continue, and show more.
pub(super) fn suggestions(notification: &Notification) -> Vec<Suggestion> {
    let tool = Tool { fleet: &notification.fleet, message: &notification.id };
    let mut all = tool.of(&notification.details);
    all.sort_by_key(|suggestion| suggestion.purpose);
    all
}

/// `driftless`, about one fleet.
struct Tool<'a> {
    fleet: &'a FleetName,
    message: &'a str,
}

impl Tool<'_> {
    fn of(&self, details: &Details) -> Vec<Suggestion> {
        match details {
            Details::Adopted { .. } => vec![self.check_adoption()],
            Details::Replaced { .. } | Details::Ended { .. } | Details::Cancelled { next_attempt: None, .. } => {
                vec![self.history()]
            }
            Details::ReplacementStarted { instance, .. }
            | Details::Cancelled { instance, next_attempt: Some(_), .. } => {
                vec![self.freeze(), why_instance(instance)]
            }
            Details::Stopped { instance, why, .. } => self.of_stopped(instance, why),
            Details::CutoverStarted { .. } => vec![self.pause(), self.abort(), self.promote(), self.status()],
            Details::RollingBack { .. } => vec![self.freeze(), self.status()],
            Details::CutoverEnded { outcome, .. } => match outcome {
                CutoverOutcome::Done => vec![self.rollback(), self.history()],
                CutoverOutcome::Aborted => vec![self.retry(), self.history()],
                CutoverOutcome::Superseded => vec![self.status()],
                CutoverOutcome::RolledBack => vec![self.freeze(), self.history()],
            },
            Details::Vetoed { image, .. } => vec![self.unveto(image), self.history()],
            Details::ObservedWeek { .. } => vec![self.check_adoption(), self.why()],
            Details::ExtraInstanceKept { .. } | Details::CommandAnswered { is_done: true, .. } => vec![self.status()],
            Details::CommandAnswered { is_done: false, .. } => vec![self.why()],
            Details::Entered { condition, .. } | Details::Lasts { condition, .. } => self.of_condition(condition),
            Details::Many { example, .. } => self.of_many(example),
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
            Condition::RollbackBelowMinimum
            | Condition::OldColorDown
            | Condition::RollbackOverdue
            | Condition::RetireOverdue => vec![self.status()],
            Condition::RestoreOverdue => vec![self.doctor()],
        }
    }

    /// The commands for the first of the folded messages, and one that shows all.
    fn of_many(&self, example: &Details) -> Vec<Suggestion> {
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
            effect: format!(
                "Pauses all changes to this fleet until you run `driftless thaw {}`. Rollbacks still run.",
                self.fleet
            ),
            command,
        }
    }

    fn pause(&self) -> Suggestion {
        self.about(
            Purpose::Stop,
            "pause",
            "Pauses the cutover and its timers where they are, until you run `driftless resume`.",
        )
    }

    fn veto(&self, image: &ImageId) -> Suggestion {
        let command = driftless(&["veto", self.fleet.as_str(), image.as_str()]);
        Suggestion {
            purpose: Purpose::Stop,
            effect: "Keeps this image from taking traffic in this fleet.".to_owned(),
            command,
        }
    }

    fn unveto(&self, image: &ImageId) -> Suggestion {
        let command = driftless(&["unveto", self.fleet.as_str(), image.as_str()]);
        Suggestion {
            purpose: Purpose::Undo,
            effect: "Lets this image take traffic in this fleet again.".to_owned(),
            command,
        }
    }

    fn abort(&self) -> Suggestion {
        self.about(Purpose::Undo, "abort", "Undoes the cutover; traffic that has moved goes back first.")
    }

    fn rollback(&self) -> Suggestion {
        self.about(Purpose::Undo, "rollback", "Moves all traffic back to the last good release now.")
    }

    fn approve(&self) -> Suggestion {
        self.about(Purpose::Go, "approve", "Lets the new color take traffic, step by step.")
    }

    fn promote(&self) -> Suggestion {
        self.about(Purpose::Go, "promote", "Skips the remaining waits; health checks and alarms still apply.")
    }

    fn resume(&self) -> Suggestion {
        self.about(Purpose::Go, "resume", "Continues the cutover from the current weights.")
    }

    fn retry(&self) -> Suggestion {
        self.about(Purpose::Go, "retry", "Immediately tries again everything that Driftless has stopped or postponed in this fleet: replacements, images, rules and launches that met a capacity shortage.")
    }

    fn status(&self) -> Suggestion {
        self.about(Purpose::Look, "status", "Shows colors, weights, phase and whether a rollback is possible.")
    }

    fn history(&self) -> Suggestion {
        self.about(Purpose::Look, "history", "Shows the history of the fleet, newest first.")
    }

    fn why(&self) -> Suggestion {
        self.about(Purpose::Look, "why", "Shows what blocks work on this fleet, with the numbers.")
    }

    fn doctor(&self) -> Suggestion {
        self.about(Purpose::Look, "doctor", "Shows which borrowed settings are not restored, and why.")
    }

    fn check_adoption(&self) -> Suggestion {
        let command = driftless(&["adopt", self.fleet.as_str(), "--check"]);
        Suggestion {
            purpose: Purpose::Look,
            effect: "Shows everything that keeps Driftless from acting on this fleet.".to_owned(),
            command,
        }
    }

    fn about(&self, purpose: Purpose, verb: &str, effect: &str) -> Suggestion {
        Suggestion { purpose, effect: effect.to_owned(), command: command_about(self.fleet, verb) }
    }
}

/// The command with this verb for a fleet, as `driftless rollback app`.
pub fn command_about(fleet: &FleetName, verb: &str) -> String {
    driftless(&[verb, fleet.as_str()])
}

fn why_instance(instance: &InstanceId) -> Suggestion {
    let command = driftless(&["why", instance.as_str()]);
    Suggestion {
        purpose: Purpose::Look,
        effect: "Shows what blocks the replacement of this instance, with the numbers.".to_owned(),
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
