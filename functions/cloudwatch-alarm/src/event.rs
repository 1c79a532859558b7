//! Reads the event `CloudWatch Alarm State Change` of metric alarms (plain, metric math, anomaly bands) and of
//! composite alarms.

use std::collections::{BTreeMap, BTreeSet};

use driftless_lambda::detector::Parsed;
use driftless_lambda::envelope::{Envelope, InvalidEvent, open};
use driftless_planner::alarm::{AlarmState, AlarmSubject};
use driftless_planner::fact::{AlarmFact, Fact};
use driftless_planner::ids::{AccountId, AlarmName, GroupName, InstanceId};
use driftless_planner::text::UntrustedText;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

const SOURCE: &str = "aws.cloudwatch";
const DETAIL_TYPE: &str = "CloudWatch Alarm State Change";
/// The other detail types about alarms. They report no change of an alarm's state and are ignored.
const SIBLINGS: [&str; 2] = ["CloudWatch Alarm Configuration Change", "CloudWatch Alarm Contributor State Change"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateChange {
    alarm_name: AlarmName,
    state: State,
    previous_state: Option<PreviousState>,
    configuration: Option<Configuration>,
    /// Present while a mute rule suppresses the alarm's actions.
    mute_detail: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    value: StateValue,
    timestamp: Timestamp,
    reason: Option<UntrustedText>,
    /// Present while the suppressor alarm of a composite alarm suppresses the actions of the composite alarm.
    actions_suppressed_by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum StateValue {
    Ok,
    Alarm,
    InsufficientData,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PreviousState {
    value: StateValue,
    actions_suppressed_by: Option<String>,
}

/// The configuration of an alarm. A composite alarm has a rule instead of metrics.
#[derive(Debug, Deserialize)]
struct Configuration {
    metrics: Option<Vec<Metric>>,
}

/// A metric, or an expression over other metrics, which has no `metricStat`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    metric_stat: Option<MetricStat>,
    /// The account of the metric, if it is another one than the account of the alarm.
    account_id: Option<String>,
}

/// A metric with its dimensions. The period of the metric is not read, because it may be a day or ten seconds.
#[derive(Debug, Deserialize)]
struct MetricStat {
    metric: MetricName,
}

#[derive(Debug, Deserialize)]
struct MetricName {
    namespace: Option<String>,
    dimensions: Option<BTreeMap<String, String>>,
}

/// Reads the body of a message as an alarm event. `ours` is the id of our account.
pub(crate) fn parse(body: &str, ours: &AccountId) -> Result<Parsed, InvalidEvent> {
    let event = open(body, ours)?;
    match (event.header.source.as_str(), event.header.detail_type.as_str()) {
        (SOURCE, DETAIL_TYPE) => state_change(&event, ours),
        (SOURCE, sibling) if SIBLINGS.contains(&sibling) => Ok(Parsed::Ignored("no change of an alarm's state")),
        _ => Err(event.unexpected(&[(SOURCE, DETAIL_TYPE)])),
    }
}

fn state_change(event: &Envelope, ours: &AccountId) -> Result<Parsed, InvalidEvent> {
    let detail: StateChange = event.detail()?;
    // A composite alarm may keep its state while the suppression of its actions ends: that is a change too.
    let is_unchanged = detail.previous_state.is_some_and(|previous| {
        previous.value == detail.state.value && previous.actions_suppressed_by == detail.state.actions_suppressed_by
    });
    if is_unchanged {
        return Ok(Parsed::Ignored("the alarm's state is the one before"));
    }
    let metrics = detail.configuration.and_then(|configuration| configuration.metrics).unwrap_or_default();
    Ok(Parsed::Fact(Fact::Alarm(AlarmFact {
        alarm: detail.alarm_name,
        state: match detail.state.value {
            StateValue::Ok => AlarmState::Ok,
            StateValue::Alarm => AlarmState::Alarm,
            StateValue::InsufficientData => AlarmState::InsufficientData,
        },
        since: detail.state.timestamp,
        reason: detail.state.reason.unwrap_or_default(),
        subject: subject(&metrics, ours)?,
        muted: detail.mute_detail.is_some() || detail.state.actions_suppressed_by.is_some(),
    })))
}

/// The resources that the metrics name, in order and without repetition. Only metrics in the namespaces of AWS count:
/// in any other namespace, a dimension named `InstanceId` may contain any text. An invalid id in a namespace of AWS is
/// an error to investigate, so it is not skipped.
fn subject(metrics: &[Metric], ours: &AccountId) -> Result<AlarmSubject, InvalidEvent> {
    let mut instances: BTreeSet<InstanceId> = BTreeSet::new();
    let mut groups: BTreeSet<GroupName> = BTreeSet::new();
    let mut target_groups = BTreeSet::new();
    for (index, metric) in metrics.iter().enumerate() {
        let Some(MetricStat { metric: MetricName { namespace: Some(namespace), dimensions: Some(dimensions) } }) =
            &metric.metric_stat
        else {
            continue;
        };
        // A group of that name in another account is not ours.
        if metric.account_id.as_ref().is_some_and(|account| account != ours.as_str()) {
            continue;
        }
        for (name, value) in dimensions {
            let field = || format!("detail.configuration.metrics[{index}].metricStat.metric.dimensions.{name}");
            match (namespace.as_str(), name.as_str()) {
                ("AWS/EC2", "InstanceId") => {
                    instances.insert(value.parse().map_err(|error| InvalidEvent::bad_id(field(), error))?);
                }
                ("AWS/EC2" | "AWS/AutoScaling", "AutoScalingGroupName") => {
                    groups.insert(value.parse().map_err(|error| InvalidEvent::bad_id(field(), error))?);
                }
                ("AWS/ApplicationELB", "TargetGroup") => {
                    if !is_target_group(value) {
                        return Err(InvalidEvent::new(field(), "not targetgroup/<name>/<id>"));
                    }
                    target_groups.insert(value.clone());
                }
                _ => {}
            }
        }
    }
    Ok(AlarmSubject {
        instances: instances.into_iter().collect(),
        groups: groups.into_iter().collect(),
        target_groups: target_groups.into_iter().collect(),
    })
}

/// Whether a text is the end of the ARN of a target group. The name has up to 32 characters and the id 16 digits; both
/// contain only letters, digits and hyphens.
fn is_target_group(text: &str) -> bool {
    let is_part = |part: &str| {
        (1..=32).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.strip_prefix("targetgroup/")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(name, id)| is_part(name) && is_part(id))
}

#[cfg(test)]
mod tests;
