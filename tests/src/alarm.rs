//! Alarms of the load balancer, whose state a test sets.

use anyhow::Context as _;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, StateValue, Statistic};

use crate::events::Event;
use crate::stack::LocalStack;

/// An alarm on errors of a target group.
#[derive(Debug, Clone)]
pub struct Alarm {
    name: String,
    dimension: String,
}

impl LocalStack {
    /// Makes an alarm on the errors of a target group, given by its ARN. It is quiet.
    pub async fn create_alarm(&self, name: &str, target_group: &str) -> anyhow::Result<Alarm> {
        let (_, dimension) = target_group.rsplit_once(':').context("the target group's ARN has no colon")?;
        let of_target_group = Dimension::builder().name("TargetGroup").value(dimension).build();
        self.clients()
            .cloudwatch
            .put_metric_alarm()
            .alarm_name(name)
            // A metric of its own: those of the load balancer come once a minute, and a scene should not wait for that.
            .namespace("driftless-tests")
            .metric_name("errors")
            .dimensions(of_target_group)
            .statistic(Statistic::Sum)
            .period(10)
            .evaluation_periods(1)
            .threshold(5.0)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .treat_missing_data("notBreaching")
            .send()
            .await?;
        let alarm = Alarm { name: name.to_owned(), dimension: dimension.to_owned() };
        self.set_state(&alarm, StateValue::Ok).await?;
        Ok(alarm)
    }

    /// The alarm rings: so CloudWatch says when asked, and so it reports.
    pub async fn ring(&self, alarm: &Alarm) -> anyhow::Result<()> {
        self.set_state(alarm, StateValue::Alarm).await?;
        self.put(&Event::target_group_alarm(&alarm.name, &alarm.dimension, "ALARM")?).await
    }

    /// The alarm is quiet again.
    pub async fn quiet(&self, alarm: &Alarm) -> anyhow::Result<()> {
        self.set_state(alarm, StateValue::Ok).await?;
        self.put(&Event::target_group_alarm(&alarm.name, &alarm.dimension, "OK")?).await
    }

    async fn set_state(&self, alarm: &Alarm, state: StateValue) -> anyhow::Result<()> {
        let request = self.clients().cloudwatch.set_alarm_state().alarm_name(&alarm.name);
        request.state_value(state).state_reason("set by a test").send().await?;
        Ok(())
    }
}
