//! Machine images, as EC2 reports them.

mod check;

use jiff::Timestamp;

pub use check::{ImageCheck, ImageProblem, ImageResult};

use crate::ids::{ImageId, InstanceId};
use crate::text::UntrustedText;

/// The tag that names the fleet that an image is for. It is never propagated to instances: backups inherit their tags.
pub const IMAGE_FOR_TAG: &str = "driftless:image-for";
/// The tag that orders the images of a fleet in natural order: whole numbers, or dates and times.
pub const BUILD_TAG: &str = "driftless:build";

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub id: ImageId,
    /// Whether it can be launched.
    pub state: ImageState,
    /// Whether this account owns it. EC2 shows no tags of other accounts' images.
    pub is_own: bool,
    /// The value of [`IMAGE_FOR_TAG`].
    pub image_for: Option<UntrustedText>,
    /// The value of [`BUILD_TAG`].
    pub build: Option<UntrustedText>,
    /// The value of the tag `driftless:commit`.
    pub commit: Option<UntrustedText>,
    /// When it was made.
    pub created_at: Timestamp,
    /// `x86_64`, `arm64` and the like.
    pub architecture: UntrustedText,
    /// The instance that it is a copy of, where EC2 knows one.
    pub source_instance: Option<InstanceId>,
    /// Whether AWS Backup or Data Lifecycle Manager made it.
    pub is_backup: bool,
    /// The ARN of the Image Builder image that it belongs to, from the tag `Ec2ImageBuilderArn`.
    pub image_builder_arn: Option<String>,
}

/// Whether an image can be launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageState {
    Available,
    Pending,
    /// It cannot: failed, disabled, deregistered, or a state that this version does not know.
    Unavailable(UntrustedText),
}
