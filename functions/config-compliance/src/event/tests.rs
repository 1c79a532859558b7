//! The variants of the event that AWS documents or has sent, and invalid input.

use driftless_testkit::events::{self, event, events_but};
use serde_json::{Value, json};

use super::*;

const NON_COMPLIANT: &str = include_str!("../../../../tests/events/config-noncompliant.json");
const INVENTORY: &str = include_str!("../../../../tests/events/config-noncompliant-inventory.json");
const COMPLIANT: &str = include_str!("../../../../tests/events/config-compliant.json");

const RESULT: &str = "/detail/newEvaluationResult";

/// The event about a non-compliant instance with one field replaced, or removed if `value` is None.
fn with(parent: &str, key: &str, value: Option<Value>) -> String {
    events::with(NON_COMPLIANT, parent, key, value)
}

driftless_testkit::reads_events!(Compliance, ComplianceFact);

#[test]
fn a_result_for_an_instance_is_a_fact() {
    assert_eq!(
        fact(NON_COMPLIANT),
        ComplianceFact {
            instance: "i-0aa11bb22cc33dd44".parse().unwrap(),
            rule: "approved-amis".parse().unwrap(),
            verdict: ComplianceType::NonCompliant,
            observed_at: "2026-11-20T19:03:50.251Z".parse().unwrap(),
            annotation: None,
        }
    );
    assert_eq!(fact(COMPLIANT).verdict, ComplianceType::Compliant);
}

#[test]
fn a_result_for_a_systems_manager_resource_is_a_fact_about_its_instance() {
    assert_eq!(fact(INVENTORY).rule.as_str(), "ec2-managedinstance-inventory-blacklisted");
    for resource_type in RESOURCE_TYPES {
        let body = with("/detail", "resourceType", Some(json!(resource_type)));
        assert_eq!(fact(&body).instance.as_str(), "i-0aa11bb22cc33dd44", "{resource_type}");
    }
}

#[test]
fn a_resource_id_may_have_its_systems_manager_type_before_it() {
    let id = json!("AWS::SSM::ManagedInstanceInventory/i-0aa11bb22cc33dd44");
    assert_eq!(fact(&with("/detail", "resourceId", Some(id))).instance.as_str(), "i-0aa11bb22cc33dd44");
}

#[test]
fn a_managed_node_outside_ec2_is_ignored() {
    for id in ["mi-0aa11bb22cc33dd44", "AWS::SSM::ManagedInstanceInventory/mi-0aa11bb22cc33dd44"] {
        assert_ignored(&with("/detail", "resourceId", Some(json!(id))));
    }
}

#[test]
fn each_compliance_type_is_mapped() {
    for (text, verdict) in [
        ("COMPLIANT", ComplianceType::Compliant),
        ("NON_COMPLIANT", ComplianceType::NonCompliant),
        ("NOT_APPLICABLE", ComplianceType::NotApplicable),
    ] {
        assert_eq!(fact(&with(RESULT, "complianceType", Some(json!(text)))).verdict, verdict);
    }
}

#[test]
fn insufficient_data_clears_nothing() {
    assert_ignored(&with(RESULT, "complianceType", Some(json!("INSUFFICIENT_DATA"))));
}

#[test]
fn without_a_new_result_the_rule_no_longer_applies_since_the_notification() {
    for value in [None, Some(Value::Null)] {
        let fact = fact(&with("/detail", "newEvaluationResult", value));
        assert_eq!(fact.verdict, ComplianceType::NotApplicable);
        assert_eq!(fact.observed_at, "2026-11-20T19:04:05.751Z".parse().unwrap());
        assert_eq!(fact.annotation, None);
    }
}

#[test]
fn the_old_result_may_be_null_or_absent() {
    for value in [None, Some(Value::Null)] {
        assert_eq!(fact(&with("/detail", "oldEvaluationResult", value)), fact(NON_COMPLIANT));
    }
}

#[test]
fn an_annotation_is_kept_without_control_characters_and_an_empty_one_is_none() {
    for (value, annotation) in [
        (json!("AMI is not approved"), Some("AMI is not approved")),
        (json!("\u{1b}[31mred\u{202e}"), Some("[31mred")),
        (json!(""), None),
        (Value::Null, None),
    ] {
        let fact = fact(&with(RESULT, "annotation", Some(value)));
        assert_eq!(fact.annotation.as_ref().map(UntrustedText::as_str), annotation);
    }
}

#[test]
fn fields_that_aws_adds_are_no_error() {
    for (parent, key) in [
        ("", "replay-name"),
        ("/detail", "evaluationMode"),
        (RESULT, "resultToken"),
        ("/detail/newEvaluationResult/evaluationResultIdentifier/evaluationResultQualifier", "evaluationMode"),
    ] {
        assert_eq!(fact(&with(parent, key, Some(json!("new")))), fact(NON_COMPLIANT), "{key}");
    }
}

#[test]
fn other_reports_of_config_are_ignored() {
    for sibling in SIBLINGS {
        assert_ignored(&with("", "detail-type", Some(json!(sibling))));
    }
}

#[test]
fn events_of_other_kinds_are_refused_by_their_detail_type() {
    for body in events_but(&["config-compliant", "config-noncompliant", "config-noncompliant-inventory"]) {
        assert_eq!(refused(body).field, "detail-type", "{body}");
    }
    assert_eq!(
        refused(event("asg-launch-successful")).to_string(),
        "detail-type: unexpected \"EC2 Instance Launch Successful\", expected Config Rules Compliance Change"
    );
}

#[test]
fn bad_input_is_refused_by_the_name_of_its_field() {
    for (parent, key, value, field) in [
        ("", "account", Some(json!("999999999999")), "account"),
        ("", "source", Some(json!("custom.config")), "source"),
        ("", "detail-type", None, "detail-type"),
        ("", "detail", Some(json!("text")), "detail"),
        ("", "detail", Some(json!({})), "detail.messageType"),
        ("/detail", "messageType", Some(json!("ScheduledNotification")), "detail.messageType"),
        ("/detail", "awsAccountId", Some(json!("999999999999")), "detail.awsAccountId"),
        ("/detail", "awsAccountId", None, "detail.awsAccountId"),
        ("/detail", "configRuleName", None, "detail.configRuleName"),
        ("/detail", "configRuleName", Some(json!("")), "detail.configRuleName"),
        ("/detail", "resourceType", Some(json!("AWS::S3::Bucket")), "detail.resourceType"),
        ("/detail", "resourceType", Some(json!("AWS::SSM::FileData")), "detail.resourceType"),
        ("/detail", "resourceId", None, "detail.resourceId"),
        ("/detail", "resourceId", Some(json!(7)), "detail.resourceId"),
        ("/detail", "resourceId", Some(json!("i-xyz")), "detail.resourceId"),
        ("/detail", "resourceId", Some(json!("i-0aa11bb22cc33dd44/")), "detail.resourceId"),
        ("/detail", "notificationCreationTime", Some(json!("now")), "detail.notificationCreationTime"),
        (RESULT, "complianceType", Some(json!("MOSTLY")), "detail.newEvaluationResult.complianceType"),
        (RESULT, "complianceType", None, "detail.newEvaluationResult.complianceType"),
        (
            "/detail/newEvaluationResult/evaluationResultIdentifier",
            "orderingTimestamp",
            None,
            "detail.newEvaluationResult.evaluationResultIdentifier.orderingTimestamp",
        ),
    ] {
        let error = refused(&with(parent, key, value));
        assert_eq!(error.field, field, "{error}");
    }
    for body in ["", "not JSON", "{", "[]"] {
        assert_eq!(refused(body).field, "body", "{body}");
    }
}

#[test]
fn a_foreign_account_is_called_so() {
    let error = refused(&with("", "account", Some(json!("999999999999"))));
    assert!(error.to_string().contains("Foreign account 999999999999"), "{error}");
}
