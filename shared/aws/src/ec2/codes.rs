//! EC2's error codes, call by call.

use std::collections::BTreeSet;

use driftless_planner::ids::{InstanceId, TemplateId};
use driftless_planner::image::ImageState;
use driftless_planner::template::TemplateVersion;
use driftless_reconciler::ports::{CallErrorKind, CallResult, Ec2Instances as _};

use super::{DESCRIBE_INSTANCES, image, template};
use crate::aws::Aws;
use crate::aws::testing::on;
use crate::stub::StubAws;
use crate::wire::Again::{Call as AtOnce, NextPass};
use crate::wire::Means::{Answers, Fails};
use crate::wire::Says::{Else, Error};
use crate::wire::{Call, EVERYWHERE, Line, Wire, call, meets, words};

/// The calls that the tests cover. All of them are reads, except the write of a template version, which its token makes
/// idempotent.
const CALLS: [Call; 7] = [
    call("machines", DESCRIBE_INSTANCES, 3),
    call("template", template::DESCRIBE_VERSIONS, 3),
    call("newest_template", template::DESCRIBE_TEMPLATES, 3),
    call("write_template", template::CREATE_VERSION, 3),
    call("images_for", image::DESCRIBE_IMAGES, 3),
    call("all_images", image::DESCRIBE_IMAGES, 3),
    call("images_built_as", image::DESCRIBE_IMAGES, 3),
];

async fn ask(aws: &Aws, method: &str) -> CallResult<String> {
    let id: TemplateId = "lt-0123456789abcdef0".parse().unwrap();
    let version = TemplateVersion { template: id.clone(), version: 7 };
    match method {
        "machines" => aws.machines(&instances(1)).await.map(words),
        "template" => aws.template(&version).await.map(words),
        "newest_template" => aws.newest_template(&id).await.map(words),
        "write_template" => {
            let image = "ami-0123456789abcdef0".parse().unwrap();
            aws.write_template(&id, &version, &image, "t-1").await.map(words)
        }
        "images_for" => aws.images_for(&"app".parse().unwrap()).await.map(words),
        "all_images" => aws.all_images().await.map(words),
        "images_built_as" => aws.images_built_as("arn:aws:imagebuilder:x").await.map(words),
        other => panic!("{other}"),
    }
}

fn instances(count: u32) -> BTreeSet<InstanceId> {
    (0..count).map(|number| format!("i-{number:017x}").parse().unwrap()).collect()
}

async fn met(methods: &[&str], lines: &[Line]) {
    let is_meant = |call: &Call| methods.is_empty() || methods.contains(&call.method);
    let calls: Vec<Call> = CALLS.into_iter().filter(is_meant).collect();
    meets(Wire::Ec2, &calls, lines, |_| StubAws::default(), ask).await;
}

const GONE: CallErrorKind = CallErrorKind::Gone;
const DENIED: CallErrorKind = CallErrorKind::Denied;
const REFUSED: CallErrorKind = CallErrorKind::Refused;

#[tokio::test]
async fn every_call_maps_the_errors_of_any_service() {
    met(&[], &EVERYWHERE).await;
}

#[tokio::test]
async fn every_call_maps_the_errors_of_ec2() {
    let lines = [
        (Error(503, "RequestLimitExceeded", "Request limit exceeded."), Fails(CallErrorKind::Throttled), AtOnce),
        (Error(400, "EC2ThrottledException", "slower"), Fails(CallErrorKind::Throttled), AtOnce),
        (Error(503, "Unavailable", "try later"), Fails(CallErrorKind::Unavailable), AtOnce),
        (Error(500, "InternalError", "try later"), Fails(CallErrorKind::Unavailable), AtOnce),
        (Error(403, "UnauthorizedOperation", "Encoded authorization failure message: x"), Fails(DENIED), NextPass),
        (Error(401, "AuthFailure", "not able to validate"), Fails(DENIED), NextPass),
        (Error(400, "InvalidAction", "no such action"), Fails(CallErrorKind::Unsupported), NextPass),
        (Error(400, "InvalidParameterValue", "no"), Fails(REFUSED), NextPass),
        // No call asks for a dry run. If EC2 treated one as such, it did nothing.
        (Error(412, "DryRunOperation", "Request would have succeeded"), Fails(REFUSED), NextPass),
    ];
    met(&[], &lines).await;
}

#[tokio::test]
async fn an_answer_that_is_no_answer_is_unreadable() {
    met(&[], &[(Else(200, "<html>Welcome</html>"), Fails(CallErrorKind::Unreadable), NextPass)]).await;
}

#[tokio::test]
async fn an_unknown_id_is_distinguished_from_an_invalid_one() {
    // Instances and images are read by filter: EC2 leaves unknown ids out and needs no error code.
    let lines = [
        (Error(400, "InvalidInstanceID.NotFound", "do not exist"), Fails(GONE), NextPass),
        (Error(400, "InvalidInstanceID.Malformed", "no"), Fails(REFUSED), NextPass),
    ];
    met(&["machines"], &lines).await;
    let lines = [
        (Error(400, "InvalidAMIID.NotFound", "do not exist"), Fails(GONE), NextPass),
        (Error(400, "InvalidAMIID.Malformed", "no"), Fails(REFUSED), NextPass),
    ];
    met(&["images_for", "all_images", "images_built_as"], &lines).await;
}

#[tokio::test]
async fn a_template_meets_each_of_its_codes() {
    let malformed = (Error(400, "InvalidLaunchTemplateId.Malformed", "no"), Fails(REFUSED), NextPass);
    let lines = [
        (Error(400, "InvalidLaunchTemplateId.NotFound", "gone"), Answers("None"), NextPass),
        (Error(400, "InvalidLaunchTemplateId.VersionNotFound", "not there yet"), Answers("None"), NextPass),
        malformed,
    ];
    met(&["template", "newest_template"], &lines).await;
    let lines = [
        (Error(400, "InvalidLaunchTemplateId.NotFound", "gone"), Fails(GONE), NextPass),
        // The base version may not be known everywhere yet: the next pass writes again.
        (Error(400, "InvalidLaunchTemplateId.VersionNotFound", "not there yet"), Fails(GONE), NextPass),
        (Error(400, "IdempotentParameterMismatch", "another base"), Fails(REFUSED), NextPass),
        malformed,
    ];
    met(&["write_template"], &lines).await;
}

/// EC2 returns two pages and does not know the first of the three instances.
#[tokio::test]
async fn machines_come_in_pages_and_one_that_was_just_launched_may_be_in_none() {
    let page = |id: &InstanceId, token: &str| {
        let instance = format!(
            "<item><instanceId>{id}</instanceId><imageId>ami-0123456789abcdef0</imageId>\
             <launchTime>2026-11-20T12:00:00.000Z</launchTime></item>"
        );
        let reservation = format!("<item><instancesSet>{instance}</instancesSet></item>");
        format!(
            "<DescribeInstancesResponse><reservationSet>{reservation}</reservationSet>\
             <nextToken>{token}</nextToken></DescribeInstancesResponse>"
        )
    };
    let ids: Vec<InstanceId> = instances(3).into_iter().collect();
    let stub = StubAws::default().on("NextToken=more", 200, page(&ids[2], "")).on(
        "Action=DescribeInstances",
        200,
        page(&ids[1], "more"),
    );
    let machines = on(&stub).machines(&instances(3)).await.unwrap();
    assert_eq!(machines.keys().collect::<Vec<_>>(), [&ids[1], &ids[2]]);
    assert_eq!(stub.sent().len(), 2);
}

/// Maps an EC2 description of one image with these fields.
async fn described(fields: &str) -> CallResult<Vec<driftless_planner::image::Image>> {
    let answer = format!(
        "<DescribeImagesResponse><imagesSet><item><imageId>ami-0123456789abcdef0</imageId>{fields}</item></imagesSet>\
         <nextToken/></DescribeImagesResponse>"
    );
    on(&StubAws::default().on("Action=DescribeImages", 200, answer)).all_images().await
}

#[tokio::test]
async fn an_image_in_a_state_that_is_new_cannot_be_launched_from() {
    for (state, expected) in [
        ("available", ImageState::Available),
        ("pending", ImageState::Pending),
        ("transient", ImageState::Pending),
        ("disabled", ImageState::Unavailable("disabled".into())),
        ("deregistered", ImageState::Unavailable("deregistered".into())),
        ("enchanted", ImageState::Unavailable("enchanted".into())),
    ] {
        let images = described(&format!(
            "<imageState>{state}</imageState><creationDate>2026-11-20T12:00:00.000Z</creationDate>\
             <architecture>riscv128</architecture><sourceInstanceId/><tagSet/>"
        ))
        .await
        .unwrap();
        assert_eq!((&images[0].state, images[0].architecture.as_str()), (&expected, "riscv128"));
        assert_eq!((&images[0].source_instance, &images[0].image_for), (&None, &None));
    }
}

#[tokio::test]
async fn an_image_without_its_date_is_unreadable() {
    for (date, message) in [
        ("", "the answer lacks CreationDate"),
        ("<creationDate/>", "CreationDate is \"\""),
        ("<creationDate>yesterday</creationDate>", "CreationDate is \"yesterday\""),
    ] {
        let fields = format!("<imageState>available</imageState><architecture>arm64</architecture>{date}");
        let error = described(&fields).await.unwrap_err();
        assert_eq!(error.kind, CallErrorKind::Unreadable, "{error}");
        assert!(error.message.as_str().starts_with(message), "{error}");
    }
}

#[tokio::test]
async fn an_image_tells_by_its_tags_whose_it_is_how_new_it_is_and_whether_it_is_a_backup() {
    for (tags, image_for, build, is_backup) in [
        (&[][..], None, None, false),
        (&[("driftless:image-for", "web")], Some("web"), None, false),
        (&[("driftless:image-for", "web"), ("driftless:build", "7")], Some("web"), Some("7"), false),
        (&[("driftless:image-for", "web"), ("aws:backup:source-resource", "arn")], Some("web"), None, true),
        (&[("aws:dlm:lifecycle-policy-id", "policy-1")], None, None, true),
        (&[("backup", "daily"), ("made-by:aws:backup:", "a person")], None, None, false),
    ] {
        let tags = tags.iter().map(|(key, value)| format!("<item><key>{key}</key><value>{value}</value></item>"));
        let tags = tags.collect::<Vec<_>>().concat();
        let fields = format!(
            "<imageState>available</imageState><creationDate>2026-11-20T12:00:00.000Z</creationDate>\
             <architecture>arm64</architecture><tagSet>{tags}</tagSet>"
        );
        let image = described(&fields).await.unwrap().remove(0);
        let text = |value: &'static str| driftless_planner::text::UntrustedText::from(value);
        let expected = (image_for.map(text), build.map(text), is_backup);
        assert_eq!((image.image_for, image.build, image.is_backup), expected, "{tags}");
    }
}

#[tokio::test]
async fn the_images_of_a_fleet_are_asked_for_by_its_tag_among_our_own_and_with_those_that_are_disabled() {
    let none = "<DescribeImagesResponse><imagesSet/><nextToken/></DescribeImagesResponse>";
    let asked = async |ask: &str| {
        let stub = StubAws::default().on("Action=DescribeImages", 200, none);
        let aws = on(&stub);
        let images = match ask {
            "fleet" => aws.images_for(&"web".parse().unwrap()).await,
            "any" => aws.all_images().await,
            _ => aws.images_built_as("arn:aws:imagebuilder:image/web").await,
        };
        assert_eq!(images.unwrap(), [], "{ask}");
        stub.only()
    };
    for (ask, filter) in [
        ("fleet", ["Filter.1.Name=tag:driftless:image-for", "Filter.1.Value.1=web"]),
        ("any", ["Filter.1.Name=tag-key", "Filter.1.Value.1=driftless:image-for"]),
        ("built", ["Filter.1.Name=tag:Ec2ImageBuilderArn", "Filter.1.Value.1=arn:aws:imagebuilder:image/web"]),
    ] {
        let sent = asked(ask).await;
        for field in filter.into_iter().chain(["Owner.1=self", "IncludeDisabled=true"]) {
            assert!(sent.has(field), "{ask}: {field} is not in {:?}", sent.fields());
        }
    }
}

#[tokio::test]
async fn a_shared_image_is_found_by_its_id_and_is_not_ours() {
    let item = |id: &str| {
        format!(
            "<item><imageId>{id}</imageId><imageState>available</imageState><architecture>arm64</architecture>\
             <creationDate>2026-11-20T12:00:00.000Z</creationDate></item>"
        )
    };
    let page = |items: &str| {
        format!("<DescribeImagesResponse><imagesSet>{items}</imagesSet><nextToken/></DescribeImagesResponse>")
    };
    let ids = ["ami-0123456789abcdef0", "ami-0123456789abcdef1"];
    let (own, all) = (page(&item(ids[0])), page(&ids.map(item).concat()));
    let stub = StubAws::default().on("Owner.1=self", 200, own).on("Action=DescribeImages", 200, all);
    let images = on(&stub).images(&ids.map(|id| id.parse().unwrap()).into()).await.unwrap();
    let owned: Vec<(&str, bool)> = images.values().map(|image| (image.id.as_str(), image.is_own)).collect();
    assert_eq!(owned, [(ids[0], true), (ids[1], false)]);
}
