//! The texts of messages about cutovers.

use jiff::SignedDuration;

use super::lines::{Wording, in_seconds};
use crate::fleet::Color;
use crate::ids::ImageId;
use crate::record::{Candidate, CandidateReason, CutoverOutcome, Release};
use crate::text::UntrustedText;

/// The release that a cutover starts from, or that a rollback returns to.
pub(super) struct Side<'a> {
    pub(super) color: Option<Color>,
    pub(super) release: &'a Release,
}

impl std::fmt::Display for Side<'_> {
    /// `blue (ami-1, build 41)`; without a color, the image.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { color, release } = self;
        match (color, &release.build) {
            (Some(color), Some(build)) => write!(formatter, "{color} ({}, build {build})", release.image),
            (Some(color), None) => write!(formatter, "{color} ({})", release.image),
            (None, Some(build)) => write!(formatter, "{} (build {build})", release.image),
            (None, None) => write!(formatter, "{}", release.image),
        }
    }
}

/// A cutover starts.
pub(super) fn started(
    candidate: &Candidate,
    new_color: Option<Color>,
    from: &Side<'_>,
    instances: u32,
    watched: SignedDuration,
    doubled: SignedDuration,
) -> Wording {
    let (watched, doubled) = (in_seconds(watched), in_seconds(doubled));
    let next = match new_color {
        Some(color) => format!(
            "Driftless launches {instances} instances in {color} and verifies them without traffic. Then traffic moves to \
             {color} in steps; alarms and health are watched for {watched}. The fleet has twice its size for about \
             {doubled}."
        ),
        None => format!(
            "An instance refresh replaces the {instances} instances of the group; alarms and health are watched for \
             {watched}."
        ),
    };
    Wording {
        what: format!("cutover started to {}", named(candidate)),
        why: format!("{}; the traffic is on {from} now", reason(candidate)),
        next,
    }
}

/// Traffic moves back.
pub(super) fn rolling_back(
    candidate: &Candidate,
    new_color: Option<Color>,
    back_to: &Side<'_>,
    why: &UntrustedText,
) -> Wording {
    let next = match new_color {
        Some(color) => format!(
            "Traffic is moving back to {back_to} now; freezes, windows and pauses do not delay this. Then Driftless \
             scales {color} to zero and restores the settings of the groups. A message with \"rolled back\" follows."
        ),
        None => format!(
            "The group is going back to {back_to} by an instance refresh now; freezes, windows and pauses do not delay \
             this. A message with \"rolled back\" follows."
        ),
    };
    Wording { what: format!("rolling back from {}", named(candidate)), why: why.to_string(), next }
}

/// A cutover ended.
pub(super) fn ended(
    candidate: &Candidate,
    outcome: CutoverOutcome,
    why: &UntrustedText,
    took: SignedDuration,
) -> Wording {
    let (how, next) = match outcome {
        CutoverOutcome::Done => (
            "done",
            format!(
                "No action needed. The cutover took {}. From now on a rollback launches new instances of the last good \
                 release first.",
                in_seconds(took)
            ),
        ),
        CutoverOutcome::Superseded => {
            ("superseded by a newer image", "The cutover to the newer image starts.".to_owned())
        }
        CutoverOutcome::Aborted => (
            "aborted",
            "The old color kept all traffic, and the settings of the groups that Driftless had changed are restored. A newer image starts the next cutover."
                .to_owned(),
        ),
        CutoverOutcome::RolledBack => (
            "rolled back",
            "The old color has all traffic, and the settings of the groups that Driftless had changed are restored. A newer image starts the next cutover."
                .to_owned(),
        ),
    };
    Wording { what: format!("cutover to {} {how}", named(candidate)), why: why.to_string(), next }
}

/// An image is vetoed.
pub(super) fn vetoed(image: &ImageId, by: &UntrustedText, evidence: &[UntrustedText]) -> Wording {
    Wording {
        what: format!("{image} is vetoed"),
        why: format!("by {by}: {}", evidence.iter().map(UntrustedText::as_str).collect::<Vec<_>>().join("; ")),
        next: format!("{image} takes no traffic in this fleet until you lift the veto."),
    }
}

/// The result of a command.
pub(super) fn answered(actor: &UntrustedText, command: &str, is_done: bool, answer: &UntrustedText) -> Wording {
    Wording {
        what: format!("{command}: {}", if is_done { "done" } else { "not done" }),
        why: answer.to_string(),
        next: format!("No action needed. This is the result of the command that {actor} sent."),
    }
}

/// `ami-2 (build 42)`.
fn named(candidate: &Candidate) -> String {
    match &candidate.build {
        Some(build) => format!("{} (build {build})", candidate.image),
        None => candidate.image.to_string(),
    }
}

/// Why the release is a candidate, as a clause.
pub fn reason(candidate: &Candidate) -> String {
    match &candidate.why {
        CandidateReason::Image => match &candidate.build {
            Some(build) => format!("a newer image, build {build}"),
            None => "a newer image".to_owned(),
        },
        CandidateReason::Template { differs_in } => {
            format!("{} is a newer launch template version and differs in {}", candidate.base, differs_in.join(", "))
        }
        CandidateReason::Redeploy { actor } => format!("{actor} requested new instances of the release"),
        CandidateReason::Rollback { actor } => format!("{actor} requested a rollback to the last good release"),
    }
}
