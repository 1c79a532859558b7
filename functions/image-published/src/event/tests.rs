//! The variants of the events that AWS documents or has sent, our own event, and invalid input.

use driftless_testkit::events::{event, events_but, with};
use serde_json::{Value, json};

use super::*;

const AMI: &str = include_str!("../../../../tests/events/ami-available.json");
const BUILDER: &str = include_str!("../../../../tests/events/imagebuilder-available.json");
const OWN: &str = include_str!("../../../../tests/events/image-published.json");

driftless_testkit::reads_events!(Image, ImageFact);

fn reported(image: ImageReference, source: ImageSource) -> ImageFact {
    ImageFact {
        image,
        change: ImageChange::Available,
        source,
        at: "2026-11-20T19:04:05Z".parse().unwrap(),
        fleet: None,
        commit: None,
        build: None,
        url: None,
    }
}

#[test]
fn an_ami_that_became_available_is_a_fact_without_a_fleet() {
    let image = ImageReference::Ami("ami-0123456789abcdef0".parse().unwrap());
    assert_eq!(fact(AMI), reported(image, ImageSource::Ec2));
}

#[test]
fn each_final_state_of_an_ami_becomes_a_fact_and_the_others_are_ignored() {
    for (text, change) in [
        ("available", ImageChange::Available),
        ("disabled", ImageChange::Disabled),
        ("deregistered", ImageChange::Deregistered),
        ("failed", ImageChange::Failed),
    ] {
        assert_eq!(fact(&with(AMI, "/detail", "State", Some(json!(text)))).change, change);
    }
    for text in ["pending", "transient", "AVAILABLE", ""] {
        assert_ignored(&with(AMI, "/detail", "State", Some(json!(text))));
    }
}

#[test]
fn the_error_message_of_an_ami_may_be_absent_or_say_something() {
    for value in [None, Some(Value::Null), Some(json!("Client.InternalError"))] {
        assert_eq!(fact(&with(AMI, "/detail", "ErrorMessage", value)), fact(AMI));
    }
}

#[test]
fn an_image_of_image_builder_is_named_by_its_arn() {
    let arn = "arn:aws:imagebuilder:us-east-1:123456789012:image/web-golden/1.0.3/1".to_owned();
    assert_eq!(fact(BUILDER), reported(ImageReference::ImageBuilder(arn), ImageSource::ImageBuilder));
}

#[test]
fn a_build_that_has_not_succeeded_is_ignored() {
    for status in ["BUILDING", "TESTING", "DISTRIBUTING", "INTEGRATING", "CANCELLED", "FAILED"] {
        assert_ignored(&with(BUILDER, "/detail/state", "status", Some(json!(status))));
    }
}

#[test]
fn a_state_of_image_builder_may_have_a_reason_and_no_state_before_it() {
    assert_eq!(fact(&with(BUILDER, "/detail/state", "reason", Some(json!("done")))), fact(BUILDER));
    assert_eq!(fact(&with(BUILDER, "/detail", "previous-state", None)), fact(BUILDER));
}

#[test]
fn other_reports_of_image_builder_are_ignored() {
    for sibling in IMAGE_BUILDER_SIBLINGS {
        assert_ignored(&with(BUILDER, "", "detail-type", Some(json!(sibling))));
    }
}

#[test]
fn a_published_image_names_its_fleet_and_its_build() {
    let image = ImageReference::Ami("ami-0123456789abcdef0".parse().unwrap());
    assert_eq!(
        fact(OWN),
        ImageFact {
            fleet: Some("app".parse().unwrap()),
            commit: Some(UntrustedText::from("3f2c1d9")),
            build: Some(UntrustedText::from("1842")),
            url: Some(UntrustedText::from("https://ci.example.com/builds/1842")),
            ..reported(image, ImageSource::Published)
        }
    );
}

#[test]
fn commit_build_and_url_of_a_published_image_are_optional() {
    for key in ["commit", "build", "url"] {
        for value in [None, Some(Value::Null)] {
            let fact = fact(&with(OWN, "/detail", key, value));
            let found = [("commit", &fact.commit), ("build", &fact.build), ("url", &fact.url)];
            assert!(found.iter().all(|(name, text)| text.is_none() == (*name == key)), "{key}: {fact:?}");
        }
    }
}

#[test]
fn text_from_outside_is_kept_without_control_characters() {
    let body = with(OWN, "/detail", "commit", Some(json!("3f2c\u{1b}[31m\u{202e}1d9")));
    assert_eq!(fact(&body).commit.unwrap().as_str(), "3f2c[31m1d9");
}

#[test]
fn every_source_of_our_own_bus_may_publish() {
    assert_eq!(fact(&with(OWN, "", "source", Some(json!("driftless.ci.web")))), fact(OWN));
    for source in ["driftless", "driftlessci", "evil.driftless.ci", "aws.ec2"] {
        assert_eq!(refused(&with(OWN, "", "source", Some(json!(source)))).field, "source", "{source}");
    }
}

#[test]
fn events_of_other_kinds_are_refused_by_their_detail_type() {
    for body in events_but(&["ami-available", "image-published", "imagebuilder-available"]) {
        assert_eq!(refused(body).field, "detail-type", "{body}");
    }
    assert_eq!(
        refused(event("asg-launch-successful")).to_string(),
        "detail-type: unexpected \"EC2 Instance Launch Successful\", expected EC2 AMI State Change or \
         EC2 Image Builder Image State Change or image.published"
    );
}

#[test]
fn bad_input_is_refused_by_the_name_of_its_field() {
    for (event, parent, key, value, field) in [
        (AMI, "", "account", Some(json!("999999999999")), "account"),
        (BUILDER, "", "account", Some(json!("999999999999")), "account"),
        (OWN, "", "account", Some(json!("999999999999")), "account"),
        (AMI, "", "source", Some(json!("driftless.ci")), "source"),
        (BUILDER, "", "source", Some(json!("aws.ec2")), "source"),
        (AMI, "", "time", Some(json!("today")), "time"),
        (AMI, "/detail", "ImageId", None, "detail.ImageId"),
        (AMI, "/detail", "ImageId", Some(json!("img-1")), "detail.ImageId"),
        (AMI, "/detail", "State", None, "detail.State"),
        (AMI, "/detail", "State", Some(json!(1)), "detail.State"),
        (BUILDER, "", "resources", Some(json!([])), "resources"),
        (BUILDER, "", "resources", None, "resources"),
        (BUILDER, "", "resources", Some(json!([7])), "resources[0]"),
        (BUILDER, "", "resources", Some(json!(["image/web-golden/1.0.3/1"])), "resources[0]"),
        (
            BUILDER,
            "",
            "resources",
            Some(json!(["arn:aws:imagebuilder:us-east-1:123456789012:component/x/1/1"])),
            "resources[0]",
        ),
        (BUILDER, "/detail", "state", None, "detail.state"),
        (BUILDER, "/detail/state", "status", None, "detail.state.status"),
        (OWN, "/detail", "fleet", None, "detail.fleet"),
        (OWN, "/detail", "fleet", Some(json!("App Fleet")), "detail.fleet"),
        (OWN, "/detail", "imageId", None, "detail.imageId"),
        (OWN, "/detail", "imageId", Some(json!("ami-xyz")), "detail.imageId"),
        (OWN, "/detail", "build", Some(json!(1842)), "detail.build"),
        (OWN, "/detail", "image_id", Some(json!("ami-0123456789abcdef0")), "detail.image_id"),
        (OWN, "/detail", "force", Some(json!(true)), "detail.force"),
    ] {
        let error = refused(&with(event, parent, key, value));
        assert_eq!(error.field, field, "{error}");
    }
    for body in ["", "not JSON", "{", "[]"] {
        assert_eq!(refused(body).field, "body", "{body}");
    }
}

#[test]
fn an_unknown_field_of_our_own_event_is_named_with_those_that_exist() {
    let error = refused(&with(OWN, "/detail", "froce", Some(json!(true))));
    assert!(error.to_string().starts_with("detail.froce: unknown field `froce`, expected one of `fleet`"), "{error}");
}
