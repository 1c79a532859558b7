//! What observe mode has deferred, for its weekly digest.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ImageId;
use crate::text::UntrustedText;

/// Reasons that are told apart. A fleet has a handful of rules; what comes beyond is counted as [`OTHER_REASONS`].
pub const REASONS_MAX: usize = 8;
/// What stands for the reasons beyond [`REASONS_MAX`].
pub const OTHER_REASONS: &str = "other reasons";
/// Cutovers that are remembered by their images, the last ones. More are only counted.
pub const WOULD_CUT_OVER_MAX: usize = 5;

/// What would have been done, since the last digest or since there was first something to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    pub since: Timestamp,
    /// How often an instance would have been replaced.
    pub replacements: u32,
    /// How often for which reason. An instance can have several.
    pub reasons: Vec<Tally>,
    /// How often a guard would have said no at first, by its name.
    pub would_wait: Vec<Tally>,
    /// How often the fleet would have been cut over.
    pub cutovers: u32,
    /// To which images, the last [`WOULD_CUT_OVER_MAX`].
    pub images: Vec<WouldCutOver>,
}

/// How often something was so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    pub what: UntrustedText,
    pub count: u32,
}

/// A cutover that was deferred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WouldCutOver {
    pub image: ImageId,
    /// What makes it a candidate.
    pub why: UntrustedText,
    /// What it would have waited for at first. None: nothing that shows before its preflight.
    pub waits: Option<UntrustedText>,
}

impl Observed {
    /// Nothing yet.
    pub const fn since(since: Timestamp) -> Self {
        Self { since, replacements: 0, reasons: Vec::new(), would_wait: Vec::new(), cutovers: 0, images: Vec::new() }
    }
}
