//! The checks that an image must pass before it may take the traffic, and the reasons for a refusal.

use jiff::Timestamp;

use crate::answer::CheckResult;
use crate::text::UntrustedText;

/// The name of a check of an image.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum ImageCheck {
    /// Its tag, or an `image.published` event, must name the fleet.
    Fleet,
    /// It must be newer than the release.
    Newer,
    Veto,
    Backup,
    /// A copy of one of the fleet's own instances is no release.
    Copy,
    Available,
    Architecture,
    /// It must come from the source that the policy requires.
    Source,
    /// It must not be deferred after an earlier try.
    Deferred,
}

/// Why an image may not take the traffic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageProblem {
    #[error("neither its tag driftless:image-for nor an image.published event names this fleet")]
    NotNamed,
    #[error("the image is not newer than the release")]
    NotNewer,
    #[error("the image has no tag driftless:build, so Driftless cannot tell whether it is newer")]
    NoBuild,
    /// The release's image is unknown, so neither date nor architecture can be compared.
    #[error("the image of the release is unknown, so Driftless cannot compare the two")]
    ReleaseUnknown,
    #[error("vetoed by {by}")]
    Vetoed { by: UntrustedText },
    #[error("the image is a backup, and backups inherit the tags of their source")]
    Backup,
    #[error("the image is a copy of an instance of the fleet")]
    CopyOfMember,
    #[error("the image is pending")]
    Pending,
    #[error("the image is {state}")]
    Unavailable { state: UntrustedText },
    #[error("the architecture of the image is {architecture}, that of the release {released}")]
    OtherArchitecture { architecture: UntrustedText, released: UntrustedText },
    #[error("driftless:image-source is event: only an image.published event starts a cutover, a tag alone does not")]
    NotAnnounced,
    #[error("{why}")]
    Deferred {
        /// What came of the earlier try.
        why: UntrustedText,
        /// When Driftless tries it again. None: when an operator retries it.
        until: Option<Timestamp>,
    },
}

/// An image check with its result.
pub type ImageResult = CheckResult<ImageCheck, ImageProblem>;

impl ImageProblem {
    /// When the result changes by itself. None: it does not.
    pub const fn may_change_at(&self) -> Option<Timestamp> {
        match self {
            Self::Deferred { until, .. } => *until,
            Self::NotNamed
            | Self::NotNewer
            | Self::NoBuild
            | Self::ReleaseUnknown
            | Self::Vetoed { .. }
            | Self::Backup
            | Self::CopyOfMember
            | Self::Pending
            | Self::Unavailable { .. }
            | Self::OtherArchitecture { .. }
            | Self::NotAnnounced => None,
        }
    }
}
