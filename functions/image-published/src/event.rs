//! Events about images: from EC2, from Image Builder, and from pipelines on Driftless's own bus.

use driftless_lambda::detector::Parsed;
use driftless_lambda::envelope::{Envelope, InvalidEvent, open};
use driftless_planner::fact::{Fact, ImageChange, ImageFact, ImageReference, ImageSource};
use driftless_planner::ids::{AccountId, FleetName, ImageId};
use driftless_planner::text::UntrustedText;
use serde::Deserialize;

const EC2: &str = "aws.ec2";
const AMI_STATE_CHANGE: &str = "EC2 AMI State Change";
const IMAGE_BUILDER: &str = "aws.imagebuilder";
const IMAGE_BUILDER_STATE_CHANGE: &str = "EC2 Image Builder Image State Change";
/// The other detail types of Image Builder. They report no change of an image's state and are ignored.
const IMAGE_BUILDER_SIBLINGS: [&str; 3] = [
    "EC2 Image Builder CVE Detected",
    "EC2 Image Builder Workflow Step Waiting",
    "EC2 Image Builder Image Pipeline Automatically Disabled",
];
/// The prefix of event sources on our own bus. The policy of the bus decides who may use these sources.
const OWN_PREFIX: &str = "driftless.";
const PUBLISHED: &str = "image.published";

/// The detail of an EC2 AMI event. Its error message is not read, because it is empty or about a failed build.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AmiDetail {
    image_id: ImageId,
    state: String,
}

#[derive(Debug, Deserialize)]
struct ImageBuilderDetail {
    state: ImageBuilderState,
}

#[derive(Debug, Deserialize)]
struct ImageBuilderState {
    status: String,
}

/// The detail of our own event. Unknown fields are refused, because a misspelt field would silently have no effect.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PublishedDetail {
    fleet: FleetName,
    image_id: ImageId,
    commit: Option<UntrustedText>,
    build: Option<UntrustedText>,
    url: Option<UntrustedText>,
}

/// Reads the body of a message as an event about an image. `ours` is the id of our account.
pub(crate) fn parse(body: &str, ours: &AccountId) -> Result<Parsed, InvalidEvent> {
    let event = open(body, ours)?;
    match (event.header.source.as_str(), event.header.detail_type.as_str()) {
        (EC2, AMI_STATE_CHANGE) => ami(&event),
        (IMAGE_BUILDER, IMAGE_BUILDER_STATE_CHANGE) => image_builder(&event),
        (IMAGE_BUILDER, sibling) if IMAGE_BUILDER_SIBLINGS.contains(&sibling) => {
            Ok(Parsed::Ignored("no change of an image's state"))
        }
        (source, PUBLISHED) if source.starts_with(OWN_PREFIX) => published(&event),
        _ => Err(event.unexpected(&[
            (EC2, AMI_STATE_CHANGE),
            (IMAGE_BUILDER, IMAGE_BUILDER_STATE_CHANGE),
            ("driftless.*", PUBLISHED),
        ])),
    }
}

fn ami(event: &Envelope) -> Result<Parsed, InvalidEvent> {
    let detail: AmiDetail = event.detail()?;
    let change = match detail.state.as_str() {
        "available" => ImageChange::Available,
        "disabled" => ImageChange::Disabled,
        "deregistered" => ImageChange::Deregistered,
        "failed" => ImageChange::Failed,
        _ => return Ok(Parsed::Ignored("the image is on its way to another state")),
    };
    Ok(Parsed::Fact(Fact::Image(ImageFact {
        image: ImageReference::Ami(detail.image_id),
        change,
        source: ImageSource::Ec2,
        at: event.header.time,
        fleet: None,
        commit: None,
        build: None,
        url: None,
    })))
}

/// Reads an Image Builder event. The event names no AMI, only the ARN of the Image Builder image; the AMI is found
/// later by the tag that contains this ARN.
fn image_builder(event: &Envelope) -> Result<Parsed, InvalidEvent> {
    let detail: ImageBuilderDetail = event.detail()?;
    if detail.state.status != "AVAILABLE" {
        return Ok(Parsed::Ignored("the build has not succeeded"));
    }
    let arn = match event.header.resources.first() {
        None => return Err(InvalidEvent::new("resources", "empty, expected the ARN of the image")),
        Some(arn) if !is_image_builder_arn(arn) => {
            return Err(InvalidEvent::new("resources[0]", "not arn:…:imagebuilder:…:image/<name>/<version>/<build>"));
        }
        Some(arn) => arn.clone(),
    };
    Ok(Parsed::Fact(Fact::Image(ImageFact {
        image: ImageReference::ImageBuilder(arn),
        change: ImageChange::Available,
        source: ImageSource::ImageBuilder,
        at: event.header.time,
        fleet: None,
        commit: None,
        build: None,
        url: None,
    })))
}

fn published(event: &Envelope) -> Result<Parsed, InvalidEvent> {
    let detail: PublishedDetail = event.detail()?;
    Ok(Parsed::Fact(Fact::Image(ImageFact {
        image: ImageReference::Ami(detail.image_id),
        change: ImageChange::Available,
        source: ImageSource::Published,
        at: event.header.time,
        fleet: Some(detail.fleet),
        commit: detail.commit,
        build: detail.build,
        url: detail.url,
    })))
}

/// Whether a text is the ARN of an Image Builder image. Its length is limited, because the ARN becomes part of a key in
/// the table. The names in it have up to 128 characters.
fn is_image_builder_arn(text: &str) -> bool {
    text.len() <= 512
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && text.starts_with("arn:")
        && text
            .split_once(":imagebuilder:")
            .and_then(|(_, rest)| rest.split_once(":image/"))
            .is_some_and(|(_, path)| path.split('/').count() == 3 && path.split('/').all(|part| !part.is_empty()))
}

#[cfg(test)]
mod tests;
