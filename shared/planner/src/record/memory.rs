//! What is remembered of images, and of cutovers that have ended.

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
    /// What was to take the traffic.
    pub candidate: Candidate,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub outcome: CutoverOutcome,
    pub why: UntrustedText,
}

/// What is known of images and candidates: why one is taken and another one is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Releases that have proven themselves, newest last, at most [`GOOD_RELEASES_MAX`].
    pub good: Vec<Release>,
    /// Images that must not take traffic.
    pub vetoes: BTreeMap<ImageId, Veto>,
    /// Candidates that are not tried again for now, by [`Candidate::key`].
    pub deferred: BTreeMap<String, Deferred>,
    /// Images that the pipeline itself announced, at most [`PUBLISHED_MAX`]: foreign accounts' images show no tags.
    pub published: BTreeMap<ImageId, Published>,
    /// The last [`PAST_MAX`] cutovers, newest last.
    pub past: Vec<PastCutover>,
    /// What an operator asked for and has not begun yet.
    pub requested: Option<CandidateReason>,
    /// Why each image that asked for it is no candidate, as it was last said.
    pub refused: BTreeMap<ImageId, UntrustedText>,
}

/// How many good releases are remembered: enough to go back twice over a bad week.
pub const GOOD_RELEASES_MAX: usize = 5;
/// How many past cutovers are remembered.
pub const PAST_MAX: usize = 10;
/// How many announced images are remembered.
pub const PUBLISHED_MAX: usize = 20;
/// How many vetoes are remembered. The oldest go first; by then their images are older than the release.
pub const VETOES_MAX: usize = 50;

/// Why an image must not take traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Veto {
    pub at: Timestamp,
    /// Who: an operator, or Driftless itself.
    pub by: UntrustedText,
    /// What speaks against it.
    pub evidence: Vec<UntrustedText>,
}

/// Why a candidate is not tried again for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deferred {
    pub why: UntrustedText,
    /// When it is tried again by itself. None: only when an operator says so.
    pub until: Option<Timestamp>,
    /// How often it was tried.
    pub tries: u32,
}

/// An image that the pipeline announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    pub at: Timestamp,
    /// Its build, where the announcement says so.
    pub build: Option<UntrustedText>,
}

impl Memory {
    /// Nothing is known yet.
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
