//! What observe mode has blocked, counted for the weekly digest.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ImageId;
use crate::text::UntrustedText;

/// The most drift reasons that are counted separately. A fleet has a handful of rules. Further reasons are counted
/// together as [`OTHER_REASONS`].
pub const REASONS_MAX: usize = 8;
/// The name under which the drift reasons beyond [`REASONS_MAX`] are counted together.
pub const OTHER_REASONS: &str = "other reasons";
/// How many of the cutovers that observe mode has blocked are stored with their images. Only the newest are stored; the
/// earlier ones are only counted.
pub const WOULD_CUT_OVER_MAX: usize = 5;

/// What Driftless would have done in act mode, counted from the time `since`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    pub since: Timestamp,
    /// How often an instance would have been replaced. An instance counts each time that observe mode begins to block
    /// it.
    pub replacements: u32,
    /// How often each drift reason would have caused a replacement. An instance can have several reasons.
    pub reasons: Vec<Tally>,
    /// How often a further guard would have blocked a replacement in act mode, by the name of the first such guard.
    pub would_wait: Vec<Tally>,
    /// How often a cutover would have begun.
    pub cutovers: u32,
    /// The newest [`WOULD_CUT_OVER_MAX`] cutovers that would have begun, oldest first.
    pub images: Vec<WouldCutOver>,
}

/// How often something occurred, with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    pub what: UntrustedText,
    pub count: u32,
}

/// A cutover that observe mode has blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WouldCutOver {
    pub image: ImageId,
    /// Why the image is a candidate for a cutover.
    pub why: UntrustedText,
    /// What would have blocked the cutover in act mode. None: nothing that is known before a preflight.
    pub waits: Option<UntrustedText>,
}

impl Observed {
    /// A digest without counts that begins at this time.
    pub const fn since(since: Timestamp) -> Self {
        Self { since, replacements: 0, reasons: Vec::new(), would_wait: Vec::new(), cutovers: 0, images: Vec::new() }
    }
}
