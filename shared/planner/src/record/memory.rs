//! What the record stores about images and about cutovers that have ended.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ImageId;
use crate::record::{Candidate, CandidateReason, CutoverOutcome, Release};
use crate::text::UntrustedText;

/// A cutover that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastCutover {
    pub id: String,
    /// The release that was to take the traffic.
    pub candidate: Candidate,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub outcome: CutoverOutcome,
    pub why: UntrustedText,
}

/// What a fleet remembers about images, candidates and past cutovers. Driftless chooses the next candidate by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Releases whose bake completed, and releases that they replaced: the newest last, at most [`GOOD_RELEASES_MAX`].
    pub good: Vec<Release>,
    /// Images that must not take traffic.
    pub vetoes: BTreeMap<ImageId, Veto>,
    /// Candidates that are not tried again for now, by the key of the candidate ([`Candidate::key`]).
    pub deferred: BTreeMap<String, Deferred>,
    /// Images that the pipeline published, at most [`PUBLISHED_MAX`]. EC2 does not show the tags of images of other
    /// accounts, so Driftless recognizes those images only by this list.
    pub published: BTreeMap<ImageId, Published>,
    /// The last [`PAST_MAX`] cutovers, newest last.
    pub past: Vec<PastCutover>,
    /// The redeployment or the rollback that an operator requested and for which no cutover has begun yet.
    pub requested: Option<CandidateReason>,
    /// The reason why an image is not a candidate, for each newer image of the fleet. The history has the same text.
    pub refused: BTreeMap<ImageId, UntrustedText>,
}

/// How many good releases are stored: enough to roll back several times in a bad week.
pub const GOOD_RELEASES_MAX: usize = 5;
/// How many past cutovers are stored.
pub const PAST_MAX: usize = 10;
/// How many published images are stored.
pub const PUBLISHED_MAX: usize = 20;
/// How many vetoes are stored. The oldest veto is removed first: its image is probably older than the release by then.
pub const VETOES_MAX: usize = 50;

/// Why an image must not take traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Veto {
    pub at: Timestamp,
    /// Who vetoed it: an operator, or Driftless itself.
    pub by: UntrustedText,
    /// The evidence against the image.
    pub evidence: Vec<UntrustedText>,
}

/// Why a candidate is not tried again for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deferred {
    pub why: UntrustedText,
    /// When Driftless tries the candidate again. None: not before an operator ends the deferral.
    pub until: Option<Timestamp>,
    /// How many attempts with the candidate have failed.
    pub tries: u32,
}

/// An image that the pipeline published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    pub at: Timestamp,
    /// The build of the image, if the event contains one.
    pub build: Option<UntrustedText>,
}

impl Memory {
    /// An empty memory, for a new fleet.
    pub const fn new() -> Self {
        Self {
            good: Vec::new(),
            vetoes: BTreeMap::new(),
            deferred: BTreeMap::new(),
            published: BTreeMap::new(),
            past: Vec::new(),
            requested: None,
            refused: BTreeMap::new(),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}
