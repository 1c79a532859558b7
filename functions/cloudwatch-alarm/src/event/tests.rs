//! The variants of the event that AWS documents or has sent, and invalid input.

use driftless_testkit::events::{self, event, events_but};
use serde_json::{Value, json};

use super::*;

const INSTANCE: &str = include_str!("../../../../tests/events/alarm-instance.json");
const TARGET_GROUP: &str = include_str!("../../../../tests/events/alarm-target-group.json");

const METRIC: &str = "/detail/configuration/metrics/0/metricStat/metric";

/// The event about an alarm of one instance, with one field replaced, or removed if `value` is None.
fn with(parent: &str, key: &str, value: Option<Value>) -> String {
    events::with(INSTANCE, parent, key, value)
}

/// The event about an alarm that has these metrics.
fn with_metrics(metrics: Value) -> String {
    with("/detail/configuration", "metrics", Some(metrics))
}

fn metric(namespace: &str, dimensions: &Value) -> Value {
    json!({"id": "m", "metricStat": {"metric": {"namespace": namespace, "name": "n", "dimensions": dimensions},
           "period": 60, "stat": "Sum"}, "returnData": true})
}

driftless_testkit::reads_events!(Alarm, AlarmFact);

fn subject_of(instances: &[&str], groups: &[&str], target_groups: &[&str]) -> AlarmSubject {
    AlarmSubject {
        instances: instances.iter().map(|id| id.parse().unwrap()).collect(),
        groups: groups.iter().map(|name| name.parse().unwrap()).collect(),
        target_groups: target_groups.iter().map(|&text| text.to_owned()).collect(),
    }
}

#[test]
fn an_alarm_of_an_instance_is_a_fact() {
    assert_eq!(
        fact(INSTANCE),
        AlarmFact {
            alarm: "i-status".parse().unwrap(),
            state: AlarmState::Alarm,
            since: "2026-11-20T17:04:40.989Z".parse().unwrap(),
            reason: UntrustedText::from(
                "Threshold Crossed: 1 datapoint [12.0 (20/11/26 17:03:00)] was greater than the threshold (5.0)."
            ),
            subject: subject_of(&["i-0aa11bb22cc33dd44"], &[], &[]),
            muted: false,
        }
    );
}

#[test]
fn an_alarm_of_a_target_group_names_it_as_the_dimension_does() {
    assert_eq!(fact(TARGET_GROUP).subject, subject_of(&[], &[], &["targetgroup/green/73e2d6bc24d8a067"]));
}

#[test]
fn the_time_of_a_state_may_be_written_with_and_without_a_colon_in_its_offset() {
    for text in ["2026-11-20T17:04:40.989+0000", "2026-11-20T17:04:40.989+00:00", "2026-11-20T17:04:40.989Z"] {
        let fact = fact(&with("/detail/state", "timestamp", Some(json!(text))));
        assert_eq!(fact.since, "2026-11-20T17:04:40.989Z".parse().unwrap(), "{text}");
    }
}

#[test]
fn each_state_becomes_a_fact() {
    for (text, state) in [("ALARM", AlarmState::Alarm), ("INSUFFICIENT_DATA", AlarmState::InsufficientData)] {
        assert_eq!(fact(&with("/detail/state", "value", Some(json!(text)))).state, state);
    }
    let mut event: Value = serde_json::from_str(INSTANCE).unwrap();
    event["detail"]["previousState"]["value"] = json!("ALARM");
    event["detail"]["state"]["value"] = json!("OK");
    assert_eq!(fact(&event.to_string()).state, AlarmState::Ok);
}

#[test]
fn a_description_may_be_absent_null_or_there() {
    for value in [None, Some(Value::Null), Some(json!("5xx on green"))] {
        assert_eq!(fact(&with("/detail/configuration", "description", value)), fact(INSTANCE));
    }
}

#[test]
fn a_new_alarm_has_no_previous_state_or_one_without_data() {
    let initial = json!({"value": "INSUFFICIENT_DATA", "reason": "Unchecked: Initial alarm creation",
                         "timestamp": "2026-11-20T17:00:40.987+0000"});
    for value in [None, Some(Value::Null), Some(initial)] {
        assert_eq!(fact(&with("/detail", "previousState", value)), fact(INSTANCE));
    }
}

#[test]
fn a_period_of_a_day_is_no_error() {
    let mut metric = metric("AWS/EC2", &json!({"AutoScalingGroupName": "app-green"}));
    metric["metricStat"]["period"] = json!(86_400);
    assert_eq!(fact(&with_metrics(json!([metric]))).subject, subject_of(&[], &["app-green"], &[]));
}

#[test]
fn metric_math_names_the_subjects_of_all_its_metrics_in_order_and_once() {
    let body = with_metrics(json!([
        {"id": "e1", "expression": "m1 / m2 * 100", "label": "errors", "returnData": true},
        {"id": "band", "expression": "ANOMALY_DETECTION_BAND(m1, 2)", "period": 60, "returnData": true},
        metric("AWS/ApplicationELB", &json!({"LoadBalancer": "app/web/50dc6c495c0c9188", "TargetGroup": "targetgroup/green/73e2d6bc24d8a067"})),
        metric("AWS/ApplicationELB", &json!({"LoadBalancer": "app/web/50dc6c495c0c9188", "TargetGroup": "targetgroup/blue/83e2d6bc24d8a067"})),
        metric("AWS/ApplicationELB", &json!({"LoadBalancer": "app/web/50dc6c495c0c9188", "TargetGroup": "targetgroup/green/73e2d6bc24d8a067"})),
        metric("AWS/AutoScaling", &json!({"AutoScalingGroupName": "app-green"})),
        metric("AWS/EC2", &json!({"AutoScalingGroupName": "app-blue"})),
        metric("AWS/EC2", &json!({"InstanceId": "i-0bb11bb22cc33dd44"})),
        metric("AWS/EC2", &json!({"InstanceId": "i-0aa11bb22cc33dd44"})),
    ]));
    assert_eq!(
        fact(&body).subject,
        subject_of(
            &["i-0aa11bb22cc33dd44", "i-0bb11bb22cc33dd44"],
            &["app-blue", "app-green"],
            &["targetgroup/blue/83e2d6bc24d8a067", "targetgroup/green/73e2d6bc24d8a067"],
        )
    );
}

#[test]
fn a_metric_may_have_no_dimensions() {
    let without = json!({"id": "m", "metricStat": {"metric": {"namespace": "AWS/EC2", "name": "n"}}});
    for metrics in [json!([metric("AWS/EC2", &json!({}))]), json!([without]), json!([]), Value::Null] {
        assert_eq!(fact(&with_metrics(metrics)).subject, AlarmSubject::default());
    }
}

#[test]
fn dimensions_of_other_namespaces_name_nothing() {
    for namespace in ["CWAgent", "Driftless", "AWS/NetworkELB", "aws/ec2"] {
        let dimensions = json!({"InstanceId": "banana", "AutoScalingGroupName": "app", "TargetGroup": "x"});
        assert_eq!(fact(&with_metrics(json!([metric(namespace, &dimensions)]))).subject, AlarmSubject::default());
    }
    let load_balancer = metric("AWS/ApplicationELB", &json!({"LoadBalancer": "app/web/50dc6c495c0c9188"}));
    assert_eq!(fact(&with_metrics(json!([load_balancer]))).subject, AlarmSubject::default());
}

#[test]
fn a_metric_of_another_account_names_nothing() {
    for (account, groups) in [("999999999999", &[][..]), ("123456789012", &["app"][..])] {
        let mut metric = metric("AWS/AutoScaling", &json!({"AutoScalingGroupName": "app"}));
        metric["accountId"] = json!(account);
        assert_eq!(fact(&with_metrics(json!([metric]))).subject, subject_of(&[], groups, &[]));
    }
}

#[test]
fn a_composite_alarm_is_known_by_its_name_only() {
    let plain = json!({"alarmRule": "ALARM(\"web-green-5xx\") OR ALARM(\"web-green-latency\")"});
    let suppressed = json!({"alarmRule": "ALARM(a)", "actionsSuppressor": "deploying",
                            "actionsSuppressorWaitPeriod": 120, "actionsSuppressorExtensionPeriod": 180});
    for configuration in [Some(plain), Some(suppressed), Some(json!({})), Some(Value::Null), None] {
        let fact = fact(&with("/detail", "configuration", configuration));
        assert_eq!((fact.subject, fact.muted), (AlarmSubject::default(), false));
    }
}

#[test]
fn an_alarm_whose_actions_are_suppressed_is_muted() {
    let mute = json!({"mutedByArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm-mute-rule:x",
                      "muteWindowStart": "2026-11-20T17:00:00.000+0000", "muteWindowEnd": "2026-11-20T18:00:00.000+0000"});
    assert!(fact(&with("/detail", "muteDetail", Some(mute))).muted);
    assert!(!fact(&with("/detail", "muteDetail", Some(Value::Null))).muted);
    for by in ["WaitPeriod", "ExtensionPeriod", "Alarm"] {
        assert!(fact(&with("/detail/state", "actionsSuppressedBy", Some(json!(by)))).muted, "{by}");
    }
    assert!(!fact(&with("/detail/state", "actionsSuppressedBy", Some(Value::Null))).muted);
}

#[test]
fn a_state_that_is_the_one_before_is_ignored() {
    assert_ignored(&with("/detail/previousState", "value", Some(json!("ALARM"))));
}

#[test]
fn the_end_of_a_suppression_is_a_change_though_the_state_stays() {
    let mut event: Value = serde_json::from_str(INSTANCE).unwrap();
    event["detail"]["previousState"]["value"] = json!("ALARM");
    event["detail"]["previousState"]["actionsSuppressedBy"] = json!("Alarm");
    let fact = fact(&event.to_string());
    assert_eq!((fact.state, fact.muted), (AlarmState::Alarm, false));
}

#[test]
fn a_reason_is_kept_without_control_characters_and_may_be_absent() {
    let body = with("/detail/state", "reason", Some(json!("too\nhigh\u{1b}[0m")));
    assert_eq!(fact(&body).reason.as_str(), "too high[0m");
    for value in [None, Some(Value::Null)] {
        assert_eq!(fact(&with("/detail/state", "reason", value)).reason, UntrustedText::default());
    }
}

#[test]
fn other_reports_of_alarms_are_ignored() {
    let configuration = with("", "detail-type", Some(json!("CloudWatch Alarm Configuration Change")));
    let contributor = json!({"alarmName": "many", "alarmContributor": {"id": "1"}, "state": {"value": "ALARM"}});
    let mut contributor: Value = serde_json::from_str(&with("", "detail", Some(contributor))).unwrap();
    contributor["detail-type"] = json!("CloudWatch Alarm Contributor State Change");
    assert_ignored(&configuration);
    assert_ignored(&contributor.to_string());
}

#[test]
fn events_of_other_kinds_are_refused_by_their_detail_type() {
    for body in events_but(&["alarm-instance", "alarm-target-group"]) {
        assert_eq!(refused(body).field, "detail-type", "{body}");
    }
    assert_eq!(
        refused(event("asg-launch-successful")).to_string(),
        "detail-type: unexpected \"EC2 Instance Launch Successful\", expected CloudWatch Alarm State Change"
    );
}

#[test]
fn bad_input_is_refused_by_the_name_of_its_field() {
    for (parent, key, value, field) in [
        ("", "account", Some(json!("999999999999")), "account"),
        ("", "source", Some(json!("custom.cloudwatch")), "source"),
        ("", "detail", Some(json!("text")), "detail"),
        ("/detail", "alarmName", None, "detail.alarmName"),
        ("/detail", "alarmName", Some(json!("")), "detail.alarmName"),
        ("/detail", "state", None, "detail.state"),
        ("/detail/state", "value", None, "detail.state.value"),
        ("/detail/state", "value", Some(json!("WARN")), "detail.state.value"),
        ("/detail/state", "timestamp", None, "detail.state.timestamp"),
        ("/detail/state", "timestamp", Some(json!(1_795_000_000)), "detail.state.timestamp"),
        ("/detail/previousState", "value", Some(json!(1)), "detail.previousState.value"),
        ("/detail/configuration", "metrics", Some(json!({})), "detail.configuration.metrics"),
        (
            METRIC,
            "dimensions",
            Some(json!({"InstanceId": 7})),
            "detail.configuration.metrics[0].metricStat.metric.dimensions.InstanceId",
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
fn a_dimension_of_aws_that_is_no_id_is_refused_by_its_path() {
    for (namespace, name, value) in [
        ("AWS/EC2", "InstanceId", "banana"),
        ("AWS/EC2", "AutoScalingGroupName", ""),
        ("AWS/AutoScaling", "AutoScalingGroupName", "a\nb"),
        ("AWS/ApplicationELB", "TargetGroup", "green"),
        ("AWS/ApplicationELB", "TargetGroup", "targetgroup/green"),
        ("AWS/ApplicationELB", "TargetGroup", "targetgroup/green/73e2/x"),
        ("AWS/ApplicationELB", "TargetGroup", "targetgroup//73e2d6bc24d8a067"),
    ] {
        let error =
            refused(&with_metrics(json!([metric("Mine", &json!({})), metric(namespace, &json!({name: value}))])));
        assert_eq!(error.field, format!("detail.configuration.metrics[1].metricStat.metric.dimensions.{name}"));
    }
}
