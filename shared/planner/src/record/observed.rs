//! What observe mode has blocked, for the weekly digest.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ImageId;
use crate::text::UntrustedText;

/// The most reasons that are counted separately. A fleet has a handful of rules; further reasons are counted as
/// [`OTHER_REASONS`].
pub const REASONS_MAX: usize = 8;
/// The name under which the reasons beyond [`REASONS_MAX`] are counted.
pub const OTHER_REASONS: &str = "other reasons";
/// How many would-be cutovers are stored with their images, the newest ones. Earlier ones are only counted.
pub const WOULD_CUT_OVER_MAX: usize = 5;

/// What Driftless would have done since the last digest, or since it first would have done something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    pub since: Timestamp,
    /// How often an instance would have been replaced.
    pub replacements: u32,
    /// How often, by drift reason. An instance can have several reasons.
    pub reasons: Vec<Tally>,
    /// How often another guard would have blocked the replacement at first, by the name of the guard.
    pub would_wait: Vec<Tally>,
    /// How often the fleet would have been cut over.
    pub cutovers: u32,
    /// The last [`WOULD_CUT_OVER_MAX`] of these cutovers.
    pub images: Vec<WouldCutOver>,
}

/// A count with what it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    pub what: UntrustedText,
    pub count: u32,
}

/// A cutover that observe mode blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WouldCutOver {
    pub image: ImageId,
    /// Why the image is a candidate.
    pub why: UntrustedText,
    /// What the cutover would have waited for at first. None: nothing that is known before a preflight.
    pub waits: Option<UntrustedText>,
}

impl Observed {
    /// An empty digest that begins at this time.
    pub const fn since(since: Timestamp) -> Self {
        Self { since, replacements: 0, reasons: Vec::new(), would_wait: Vec::new(), cutovers: 0, images: Vec::new() }
    }
}
