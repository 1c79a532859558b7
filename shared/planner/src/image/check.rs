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
    /// The tag of the image, or an `image.published` event, must name the fleet.
    Fleet,
    /// The image must be newer than the release.
    Newer,
    Veto,
    Backup,
    /// The image must not be a copy of one of the fleet's own instances.
    Copy,
    Available,
    Architecture,
    /// The image must come from the source that the policy requires.
    Source,
    /// The image must not be deferred after an earlier attempt.
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
    /// The image of the release is unknown, so neither creation dates nor architectures can be compared.
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
        /// The result of the earlier attempt.
        why: UntrustedText,
        /// When Driftless tries the image again. None: only when an operator retries it.
        until: Option<Timestamp>,
    },
}

/// An image check with its result.
pub type ImageResult = CheckResult<ImageCheck, ImageProblem>;

impl ImageProblem {
    /// When the problem may end by itself. None: it does not end by itself.
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
