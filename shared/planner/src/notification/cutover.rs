//! How the news of cutovers is worded.

use jiff::SignedDuration;

use super::lines::{Wording, in_seconds};
use crate::ids::ImageId;
use crate::record::{Candidate, CandidateReason, CutoverOutcome, Release};
use crate::text::UntrustedText;

/// A cutover begins.
pub(super) fn started(
    candidate: &Candidate,
    from: &Release,
    instances: u32,
    watched: SignedDuration,
    doubled: SignedDuration,
) -> Wording {
    Wording {
        what: format!("cutting over to {}", candidate.image),
        why: format!("{}; it runs {} from {} now", reason(candidate), from.image, from.template),
        next: format!(
            "{instances} instances come up without traffic and prove themselves; then traffic moves and is watched for \
             {}. The fleet has twice its size for about {}.",
            in_seconds(watched),
            in_seconds(doubled)
        ),
    }
}

/// Traffic goes back.
pub(super) fn rolling_back(candidate: &Candidate, why: &UntrustedText) -> Wording {
    Wording {
        what: format!("rolling back from {}", candidate.image),
        why: why.to_string(),
        next: "Traffic goes back now, before anything else; nothing holds it, no freeze, window or pause. Then the new color \
               is let go, and everything is put back.".to_owned(),
    }
}

/// A cutover is over.
pub(super) fn ended(
    candidate: &Candidate,
    outcome: CutoverOutcome,
    why: &UntrustedText,
    took: SignedDuration,
) -> Wording {
    let next = match outcome {
        CutoverOutcome::Done => {
            format!("Nothing: it is done, after {}. The way back is a new cutover without the waits.", in_seconds(took))
        }
        CutoverOutcome::Superseded => "The newer one begins.".to_owned(),
        CutoverOutcome::Aborted => "The old color kept its traffic, and has its own settings again. A newer image \
                                    starts the next cutover."
            .to_owned(),
        CutoverOutcome::RolledBack => {
            "The old color has all traffic, and its own settings again. A newer image starts \
                                       the next cutover."
                .to_owned()
        }
    };
    Wording { what: format!("cutover to {}: {}", candidate.image, outcome.name()), why: why.to_string(), next }
}

/// An image is vetoed.
pub(super) fn vetoed(image: &ImageId, by: &UntrustedText, evidence: &[UntrustedText]) -> Wording {
    Wording {
        what: format!("{image} is vetoed"),
        why: format!("by {by}: {}", evidence.iter().map(UntrustedText::as_str).collect::<Vec<_>>().join("; ")),
        next: format!("{image} takes no traffic in this fleet until the veto is lifted."),
    }
}

/// A command is answered.
pub(super) fn answered(actor: &UntrustedText, command: &str, is_done: bool, answer: &UntrustedText) -> Wording {
    Wording {
        what: format!("{command}: {}", if is_done { "done" } else { "not done" }),
        why: answer.to_string(),
        next: format!("Nothing: {actor} asked, and this is the answer."),
    }
}

/// Why there is a candidate, in words.
pub fn reason(candidate: &Candidate) -> String {
    match &candidate.why {
        CandidateReason::Image => match &candidate.build {
            Some(build) => format!("a newer image, build {build}"),
            None => "a newer image".to_owned(),
        },
        CandidateReason::Template { differs_in } => {
            format!("{} was written, and differs in {}", candidate.base, differs_in.join(", "))
        }
        CandidateReason::Redeploy { actor } => format!("{actor} wants the release on fresh instances"),
        CandidateReason::Rollback { actor } => format!("{actor} wants the last good release back"),
    }
}
