//! Machine images, as EC2 reports them.

mod check;

use jiff::Timestamp;

pub use check::{ImageCheck, ImageProblem, ImageResult};

use crate::ids::{ImageId, InstanceId};
use crate::text::UntrustedText;

/// The tag that names the fleet for which an image is. It is never propagated to instances, because a backup image
/// inherits the tags of its instance.
pub const IMAGE_FOR_TAG: &str = "driftless:image-for";
/// The tag by which the images of a fleet are ordered, in natural order. Its values are whole numbers, or dates and
/// times.
pub const BUILD_TAG: &str = "driftless:build";

/// A machine image, as EC2 reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub id: ImageId,
    /// Whether instances can be launched from the image.
    pub state: ImageState,
    /// Whether this account owns the image. EC2 shows no tags of other accounts' images.
    pub is_own: bool,
    /// The value of [`IMAGE_FOR_TAG`].
    pub image_for: Option<UntrustedText>,
    /// The value of [`BUILD_TAG`].
    pub build: Option<UntrustedText>,
    /// The value of the tag `driftless:commit`.
    pub commit: Option<UntrustedText>,
    /// When the image was created.
    pub created_at: Timestamp,
    /// The processor architecture, such as `x86_64` or `arm64`.
    pub architecture: UntrustedText,
    /// The instance from which the image was created. None: EC2 knows no such instance.
    pub source_instance: Option<InstanceId>,
    /// Whether AWS Backup or Data Lifecycle Manager created the image.
    pub is_backup: bool,
    /// The ARN of the EC2 Image Builder image to which this AMI belongs, from the tag `Ec2ImageBuilderArn`.
    pub image_builder_arn: Option<String>,
}

/// Whether instances can be launched from an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageState {
    Available,
    Pending,
    /// No instance can be launched from the image: it failed, is disabled or deregistered, or has a state that this
    /// version does not know.
    Unavailable(UntrustedText),
}
