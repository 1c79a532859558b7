//! CloudWatch: the alarms that guard a cutover or report on one instance.

#[cfg(test)]
mod codes;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::operation::describe_alarms::builders::DescribeAlarmsFluentBuilder;
use aws_sdk_cloudwatch::types::{
    AlarmType, CompositeAlarm, Dimension, Metric, MetricAlarm, MetricDataQuery, MetricStat, StateValue,
};
use aws_smithy_types::DateTime;
use driftless_planner::alarm::{Alarm, AlarmPattern};
use driftless_planner::alarm::{AlarmState, AlarmSubject};
use driftless_planner::ids::AlarmName;
use driftless_reconciler::ports::{Alarms, CallResult};
use futures_util::future::try_join_all;
use jiff::SignedDuration;

use crate::aws::Aws;
use crate::error::{call_error, parsed, required, unreadable};
use crate::time::timestamp;

const DESCRIBE_ALARMS: &str = "cloudwatch:DescribeAlarms";

/// The largest number of alarms on one page, and the most alarm names in one call.
const PAGE: i32 = 100;
const NAMES_MAX: usize = 100;

impl Alarms for Aws {
    async fn alarms(&self, patterns: &BTreeSet<AlarmPattern>) -> CallResult<BTreeMap<AlarmName, Alarm>> {
        let mut names = Vec::new();
        let mut prefixes = Vec::new();
        for pattern in patterns {
            match pattern {
                AlarmPattern::Name(name) => names.push(name.to_string()),
                AlarmPattern::Prefix(prefix) => prefixes.push(prefix.clone()),
            }
        }
        let by_name = names.chunks(NAMES_MAX).map(|chunk| asked(self).set_alarm_names(Some(chunk.to_vec())));
        let by_prefix = prefixes.into_iter().map(|prefix| asked(self).alarm_name_prefix(prefix));
        let answers = try_join_all(by_name.chain(by_prefix).map(read)).await?;
        Ok(answers.into_iter().flatten().collect())
    }

    async fn in_alarm(&self) -> CallResult<BTreeMap<AlarmName, Alarm>> {
        read(asked(self).state_value(StateValue::Alarm)).await
    }
}

/// A request for both types of alarms. CloudWatch leaves out composite alarms unless the request names their type.
fn asked(aws: &Aws) -> DescribeAlarmsFluentBuilder {
    aws.cloudwatch().describe_alarms().alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm)
}

async fn read(request: DescribeAlarmsFluentBuilder) -> CallResult<BTreeMap<AlarmName, Alarm>> {
    let mut pages = request.max_records(PAGE).into_paginator().send();
    let mut alarms = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| call_error(DESCRIBE_ALARMS, error))?;
        for raw in page.metric_alarms() {
            let name = parsed(DESCRIBE_ALARMS, "AlarmName", raw.alarm_name())?;
            alarms.insert(name, of_metrics(raw)?);
        }
        for raw in page.composite_alarms() {
            let name = parsed(DESCRIBE_ALARMS, "AlarmName", raw.alarm_name())?;
            alarms.insert(name, composite(raw)?);
        }
    }
    Ok(alarms)
}

fn of_metrics(raw: &MetricAlarm) -> CallResult<Alarm> {
    let of_metrics = raw.metrics().iter().filter_map(|query| query.metric_stat());
    let dimensions = of_metrics.clone().filter_map(|stat| stat.metric()).flat_map(Metric::dimensions);
    let subject = subject(raw.dimensions().iter().chain(dimensions));
    // An expression over several metrics has no period; the longest period of its metrics counts.
    let periods = raw.metrics().iter().filter_map(MetricDataQuery::period);
    let period = raw.period().or_else(|| of_metrics.filter_map(MetricStat::period).chain(periods).max());
    let evaluated = required(DESCRIBE_ALARMS, "EvaluationPeriods", raw.evaluation_periods())?;
    let window = period.map(|seconds| SignedDuration::from_secs(i64::from(seconds) * i64::from(evaluated)));
    let since = raw.state_transitioned_timestamp().or(raw.state_updated_timestamp());
    alarm(raw.state_value(), since, raw.state_reason(), subject, window)
}

/// Maps a composite alarm. A composite alarm names no resource, so only its own name identifies it.
fn composite(raw: &CompositeAlarm) -> CallResult<Alarm> {
    let since = raw.state_transitioned_timestamp().or(raw.state_updated_timestamp());
    alarm(raw.state_value(), since, raw.state_reason(), AlarmSubject::default(), None)
}

fn alarm(
    state: Option<&StateValue>,
    since: Option<&DateTime>,
    reason: Option<&str>,
    subject: AlarmSubject,
    window: Option<SignedDuration>,
) -> CallResult<Alarm> {
    let state = required(DESCRIBE_ALARMS, "StateValue", state)?;
    Ok(Alarm {
        state: in_words(state)?,
        since: timestamp(DESCRIBE_ALARMS, "StateTransitionedTimestamp", since)?,
        reason: reason.unwrap_or_default().into(),
        subject,
        window,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enums are open; a state that is new is not guessed at")]
fn in_words(state: &StateValue) -> CallResult<AlarmState> {
    match state {
        StateValue::Ok => Ok(AlarmState::Ok),
        StateValue::Alarm => Ok(AlarmState::Alarm),
        StateValue::InsufficientData => Ok(AlarmState::InsufficientData),
        other => Err(unreadable(DESCRIBE_ALARMS, format!("StateValue is {other}"))),
    }
}

fn subject<'d>(dimensions: impl Iterator<Item = &'d Dimension>) -> AlarmSubject {
    let mut subject = AlarmSubject::default();
    for dimension in dimensions {
        let Some(value) = dimension.value() else { continue };
        match dimension.name() {
            Some("InstanceId") => subject.instances.extend(value.parse().ok()),
            Some("AutoScalingGroupName") => subject.groups.extend(value.parse().ok()),
            Some("TargetGroup") => subject.target_groups.push(value.to_owned()),
            Some(_) | None => {}
        }
    }
    subject.instances.sort();
    subject.instances.dedup();
    subject.groups.sort();
    subject.groups.dedup();
    subject.target_groups.sort();
    subject.target_groups.dedup();
    subject
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::Client;
    use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;
    use crate::aws::testing::with_cloudwatch;

    fn dimension(name: &str, value: &str) -> Dimension {
        Dimension::builder().name(name).value(value).build()
    }

    fn raw(name: &str) -> aws_sdk_cloudwatch::types::builders::MetricAlarmBuilder {
        MetricAlarm::builder()
            .alarm_name(name)
            .state_value(StateValue::Alarm)
            .state_reason("12 of 100")
            .state_transitioned_timestamp(DateTime::from_secs(60))
            .evaluation_periods(3)
            .period(60)
    }

    #[tokio::test]
    async fn names_and_prefixes_are_asked_for_with_composite_alarms_and_in_all_pages() {
        let rule = mock!(Client::describe_alarms).then_compute_output(|request| {
            assert_eq!(request.alarm_types(), [AlarmType::MetricAlarm, AlarmType::CompositeAlarm]);
            let answer = DescribeAlarmsOutput::builder();
            match (request.alarm_names(), request.alarm_name_prefix(), request.next_token()) {
                ([name], None, None) if name == "web-5xx" => answer
                    .metric_alarms(raw("web-5xx").dimensions(dimension("TargetGroup", "targetgroup/blue/1")).build())
                    .next_token("more")
                    .build(),
                ([name], None, Some("more")) if name == "web-5xx" => answer.build(),
                ([], Some("cpu-"), None) => {
                    let composite = CompositeAlarm::builder()
                        .alarm_name("cpu-all")
                        .state_value(StateValue::Ok)
                        .state_updated_timestamp(DateTime::from_secs(30));
                    answer.composite_alarms(composite.build()).build()
                }
                other => panic!("{other:?}"),
            }
        });
        let client = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, [&rule]);
        let patterns = ["web-5xx", "cpu-*"].map(|pattern| pattern.parse().unwrap());
        let alarms = with_cloudwatch(client).alarms(&patterns.into()).await.unwrap();
        let web = &alarms[&"web-5xx".parse().unwrap()];
        assert_eq!(web.subject.target_groups, ["targetgroup/blue/1"]);
        assert_eq!((web.state, web.window), (AlarmState::Alarm, Some(SignedDuration::from_mins(3))));
        let composite = &alarms[&"cpu-all".parse().unwrap()];
        assert_eq!((composite.since.as_second(), composite.window), (30, None));
    }

    #[test]
    fn an_expression_takes_the_subjects_and_the_longest_period_of_its_metrics() {
        let query = |id: &str, period: i32| {
            let metric = Metric::builder().dimensions(dimension("InstanceId", "i-0aa11bb22cc33dd44")).build();
            let stat = MetricStat::builder().metric(metric).period(period).stat("Sum").build();
            MetricDataQuery::builder().id(id).metric_stat(stat).build()
        };
        let raw = raw("ratio").set_period(None).metrics(query("m1", 60)).metrics(query("m2", 300)).build();
        let alarm = of_metrics(&raw).unwrap();
        assert_eq!(alarm.window, Some(SignedDuration::from_mins(15)));
        assert_eq!(alarm.subject.instances, ["i-0aa11bb22cc33dd44".parse().unwrap()]);
    }
}
