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

/// What is known about images and candidates: why one is chosen and another is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Releases that completed a bake, and those that they replaced: newest last, at most [`GOOD_RELEASES_MAX`].
    pub good: Vec<Release>,
    /// Images that must not take traffic.
    pub vetoes: BTreeMap<ImageId, Veto>,
    /// Candidates that are not tried again for now, by [`Candidate::key`].
    pub deferred: BTreeMap<String, Deferred>,
    /// Images that the pipeline published, at most [`PUBLISHED_MAX`]. EC2 shows no tags of other accounts' images, so
    /// Driftless identifies those by this list.
    pub published: BTreeMap<ImageId, Published>,
    /// The last [`PAST_MAX`] cutovers, newest last.
    pub past: Vec<PastCutover>,
    /// The release that an operator requested and for which no cutover has begun yet.
    pub requested: Option<CandidateReason>,
    /// Why each newer image of the fleet is not a candidate, as last written into the history.
    pub refused: BTreeMap<ImageId, UntrustedText>,
}

/// How many good releases are stored: enough to roll back several times in a bad week.
pub const GOOD_RELEASES_MAX: usize = 5;
/// How many past cutovers are stored.
pub const PAST_MAX: usize = 10;
/// How many published images are stored.
pub const PUBLISHED_MAX: usize = 20;
/// How many vetoes are stored. The oldest is removed first: by then its image is probably older than the release.
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
    /// When Driftless tries it again. None: only when an operator retries it.
    pub until: Option<Timestamp>,
    /// How many attempts have failed.
    pub tries: u32,
}

/// An image that the pipeline published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    pub at: Timestamp,
    /// Its build, if the event names one.
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
