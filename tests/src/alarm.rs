//! CloudWatch alarms on target groups, whose state a test sets.

use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, StateValue, Statistic};

use crate::events::Event;
use crate::stack::LocalStack;

/// The evaluation period.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);
/// The most errors within the period at which the alarm stays in OK.
pub(crate) const ERRORS_MAX: u64 = 8;

/// The condition of the alarm, as text.
pub fn condition() -> String {
    format!("more than {ERRORS_MAX} errors within {} seconds", PERIOD.as_secs())
}

/// The state reason where a test sets the state.
const BY_HAND: &str = "set by a test";

/// An alarm on errors of a target group.
#[derive(Debug, Clone)]
pub struct Alarm {
    name: String,
    dimension: String,
}

impl Alarm {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An alarm that does not exist in CloudWatch.
    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), dimension: String::new() }
    }
}

impl LocalStack {
    /// Creates an alarm in OK on the errors of a target group, given by its ARN.
    pub async fn create_alarm(&self, name: &str, target_group: &str) -> anyhow::Result<Alarm> {
        let (_, dimension) = target_group.rsplit_once(':').context("the target group's ARN has no colon")?;
        let of_target_group = Dimension::builder().name("TargetGroup").value(dimension).build();
        self.clients()
            .cloudwatch
            .put_metric_alarm()
            .alarm_name(name)
            // A custom metric: load balancer metrics arrive once a minute, and a test should not wait for that.
            .namespace("driftless-tests")
            .metric_name("errors")
            .dimensions(of_target_group)
            .statistic(Statistic::Sum)
            .period(i32::try_from(PERIOD.as_secs())?)
            .evaluation_periods(1)
            .threshold(f64::from(u32::try_from(ERRORS_MAX)?))
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .treat_missing_data("notBreaching")
            .send()
            .await?;
        let alarm = Alarm { name: name.to_owned(), dimension: dimension.to_owned() };
        self.set_state(&alarm, StateValue::Ok, BY_HAND).await?;
        Ok(alarm)
    }

    /// Sets the alarm to ALARM in CloudWatch, and emits its event.
    pub async fn go_into_alarm(&self, alarm: &Alarm) -> anyhow::Result<()> {
        self.set_alarm(alarm, true, BY_HAND).await
    }

    /// Sets the alarm to OK, and emits its event.
    pub async fn quiet(&self, alarm: &Alarm) -> anyhow::Result<()> {
        self.set_alarm(alarm, false, BY_HAND).await
    }

    /// Sets the state of the alarm with a reason, and emits its event.
    pub(crate) async fn set_alarm(&self, alarm: &Alarm, is_in_alarm: bool, reason: &str) -> anyhow::Result<()> {
        let state = if is_in_alarm { StateValue::Alarm } else { StateValue::Ok };
        self.set_state(alarm, state.clone(), reason).await?;
        let event = Event::target_group_alarm(&alarm.name, &alarm.dimension, state.as_str())?;
        self.put(&event.with("/detail/state/reason", reason.into())?).await
    }

    async fn set_state(&self, alarm: &Alarm, state: StateValue, reason: &str) -> anyhow::Result<()> {
        let request = self.clients().cloudwatch.set_alarm_state().alarm_name(&alarm.name);
        request.state_value(state).state_reason(reason).send().await?;
        Ok(())
    }
}
