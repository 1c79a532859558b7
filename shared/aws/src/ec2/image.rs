//! Amazon Machine Images (AMIs), by fleet tag and by id.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::operation::describe_images::builders::DescribeImagesFluentBuilder;
use aws_sdk_ec2::types::{Filter, Image as RawImage, ImageState as RawState};
use driftless_planner::ids::{FleetName, ImageId};
use driftless_planner::image::{BUILD_TAG, IMAGE_FOR_TAG, Image, ImageState};
use driftless_planner::policy::TAG_PREFIX;
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::CallResult;
use futures_util::future::{try_join, try_join_all};
use jiff::Timestamp;

use crate::aws::Aws;
use crate::ec2::FILTER_VALUES_MAX;
use crate::error::{call_error, parsed, required, unreadable};

pub(super) const DESCRIBE_IMAGES: &str = "ec2:DescribeImages";

/// The tag that EC2 Image Builder sets on an AMI. Its value is the ARN of the Image Builder image.
const IMAGE_BUILDER_TAG: &str = "Ec2ImageBuilderArn";
/// The prefixes of tags that AWS Backup and Data Lifecycle Manager set. Users cannot set them: `aws:` is reserved.
const BACKUP_TAGS: [&str; 2] = ["aws:backup:", "aws:dlm:"];

/// Images of this account that have the tag with this value.
pub(crate) async fn tagged(aws: &Aws, tag: &str, value: &str) -> CallResult<Vec<Image>> {
    let filter = Filter::builder().name(format!("tag:{tag}")).values(value).build();
    read(aws.ec2().describe_images().owners("self").filters(filter), true).await
}

/// Images of this account that are tagged for a fleet.
pub(crate) async fn for_fleet(aws: &Aws, fleet: &FleetName) -> CallResult<Vec<Image>> {
    tagged(aws, IMAGE_FOR_TAG, fleet.as_str()).await
}

/// Images of this account that are tagged for any fleet.
pub(crate) async fn for_any_fleet(aws: &Aws) -> CallResult<Vec<Image>> {
    let filter = Filter::builder().name("tag-key").values(IMAGE_FOR_TAG).build();
    read(aws.ec2().describe_images().owners("self").filters(filter), true).await
}

/// Images of this account that came from the EC2 Image Builder build with this ARN.
pub(crate) async fn built_as(aws: &Aws, arn: &str) -> CallResult<Vec<Image>> {
    tagged(aws, IMAGE_BUILDER_TAG, arn).await
}

/// Images by id, of any owner. A second request finds those of this account: the description of an image has the
/// account id of its owner, but this code does not know its own account id.
pub(crate) async fn by_ids(aws: &Aws, ids: &BTreeSet<ImageId>) -> CallResult<BTreeMap<ImageId, Image>> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let of_all = ids.chunks(FILTER_VALUES_MAX).map(|chunk| read(with_ids(aws, chunk), false));
    let own = ids.chunks(FILTER_VALUES_MAX).map(|chunk| read(with_ids(aws, chunk).owners("self"), true));
    let (of_all, own) = try_join(try_join_all(of_all), try_join_all(own)).await?;
    // Our own images come last and replace the entries that were read as another owner's.
    let images = of_all.into_iter().flatten().chain(own.into_iter().flatten());
    Ok(images.map(|image| (image.id.clone(), image)).collect())
}

/// A request for images, by a filter and not by id: one id that EC2 does not know would fail the whole call.
fn with_ids(aws: &Aws, ids: &[String]) -> DescribeImagesFluentBuilder {
    let filter = Filter::builder().name("image-id").set_values(Some(ids.to_vec())).build();
    aws.ec2().describe_images().filters(filter)
}

async fn read(request: DescribeImagesFluentBuilder, is_own: bool) -> CallResult<Vec<Image>> {
    // EC2 leaves out disabled images unless asked. They exist, but cannot be launched.
    let pages = request.include_disabled(true).into_paginator().items().send();
    let raw = pages.collect::<Result<Vec<RawImage>, _>>().await;
    let raw = raw.map_err(|error| call_error(DESCRIBE_IMAGES, error))?;
    raw.iter().map(|raw| image(raw, is_own)).collect()
}

fn image(raw: &RawImage, is_own: bool) -> CallResult<Image> {
    let tag = |key: &str| raw.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value());
    let keys = raw.tags().iter().filter_map(|tag| tag.key());
    let is_backup = keys.into_iter().any(|key| BACKUP_TAGS.iter().any(|prefix| key.starts_with(prefix)));
    Ok(Image {
        id: parsed(DESCRIBE_IMAGES, "ImageId", raw.image_id())?,
        state: state(raw)?,
        is_own,
        image_for: tag(IMAGE_FOR_TAG).map(Into::into),
        build: tag(BUILD_TAG).map(Into::into),
        commit: tag(&format!("{TAG_PREFIX}commit")).map(Into::into),
        created_at: created_at(raw)?,
        architecture: required(DESCRIBE_IMAGES, "Architecture", raw.architecture())?.as_str().into(),
        source_instance: raw.source_instance_id().and_then(|id| id.parse().ok()),
        is_backup,
        image_builder_arn: tag(IMAGE_BUILDER_TAG).map(str::to_owned),
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enums are open; a new state cannot be launched from")]
fn state(raw: &RawImage) -> CallResult<ImageState> {
    Ok(match required(DESCRIBE_IMAGES, "State", raw.state())? {
        RawState::Available => ImageState::Available,
        RawState::Pending | RawState::Transient => ImageState::Pending,
        other => ImageState::Unavailable(UntrustedText::from(other.as_str())),
    })
}

/// Parses the creation time, which EC2 sends as text.
fn created_at(raw: &RawImage) -> CallResult<Timestamp> {
    let text = required(DESCRIBE_IMAGES, "CreationDate", raw.creation_date())?;
    text.parse().map_err(|error| unreadable(DESCRIBE_IMAGES, format!("CreationDate is {text:?}: {error}")))
}
