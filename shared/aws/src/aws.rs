//! [`Aws`] implements the ports of the control loop on AWS.

use std::sync::OnceLock;
use std::time::Duration;

use aws_smithy_async::rt::sleep::AsyncSleep as _;
use aws_types::SdkConfig;
use driftless_planner::request::ReconcileRequest;
use driftless_reconciler::ports::{CallResult, Clock, RequestQueue};
use jiff::{SignedDuration, Timestamp};

use crate::calls::{Calls, Counter};
use crate::config_rules::LargeReadings;

/// Builds a client whose calls are counted.
macro_rules! client {
    ($aws:expr, $sdk:ident) => {{
        let config = $sdk::config::Builder::from(&$aws.config).interceptor($aws.counter.clone());
        $sdk::Client::from_conf(config.build())
    }};
}

/// The names of the resources of this installation that the ports use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    pub table: String,
    /// The reconcile queue, by its URL.
    pub reconcile_queue_url: String,
    /// The alert topic, by its ARN.
    pub alert_topic_arn: String,
    /// The topic for chat, by its ARN.
    pub chat_topic_arn: String,
    /// The event bus, by its name.
    pub event_bus: String,
}

/// The ports on real AWS. The clients share one HTTP client and are built at first use: a run that changes nothing
/// builds only the clients that it calls.
#[derive(Debug)]
pub struct Aws {
    pub(crate) config: SdkConfig,
    pub(crate) names: Names,
    pub(crate) large_readings: LargeReadings,
    counter: Counter,
    autoscaling: OnceLock<aws_sdk_autoscaling::Client>,
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
    compliance: OnceLock<aws_sdk_config::Client>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    ec2: OnceLock<aws_sdk_ec2::Client>,
    elbv2: OnceLock<aws_sdk_elasticloadbalancingv2::Client>,
    eventbridge: OnceLock<aws_sdk_eventbridge::Client>,
    sns: OnceLock<aws_sdk_sns::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
}

impl Aws {
    /// Creates the ports with the shared configuration ([`crate::sdk_config`]).
    pub fn new(config: SdkConfig, names: Names) -> Self {
        Self {
            config,
            names,
            large_readings: LargeReadings::default(),
            counter: Counter::default(),
            autoscaling: OnceLock::new(),
            cloudwatch: OnceLock::new(),
            compliance: OnceLock::new(),
            dynamodb: OnceLock::new(),
            ec2: OnceLock::new(),
            elbv2: OnceLock::new(),
            eventbridge: OnceLock::new(),
            sns: OnceLock::new(),
            sqs: OnceLock::new(),
        }
    }

    /// The number of AWS calls since the last call of this method.
    pub fn take_calls(&self) -> Calls {
        self.counter.take()
    }

    pub(crate) fn autoscaling(&self) -> &aws_sdk_autoscaling::Client {
        self.autoscaling.get_or_init(|| client!(self, aws_sdk_autoscaling))
    }

    pub(crate) fn cloudwatch(&self) -> &aws_sdk_cloudwatch::Client {
        self.cloudwatch.get_or_init(|| client!(self, aws_sdk_cloudwatch))
    }

    pub(crate) fn compliance(&self) -> &aws_sdk_config::Client {
        self.compliance.get_or_init(|| client!(self, aws_sdk_config))
    }

    pub(crate) fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.dynamodb.get_or_init(|| client!(self, aws_sdk_dynamodb))
    }

    pub(crate) fn ec2(&self) -> &aws_sdk_ec2::Client {
        self.ec2.get_or_init(|| client!(self, aws_sdk_ec2))
    }

    pub(crate) fn elbv2(&self) -> &aws_sdk_elasticloadbalancingv2::Client {
        self.elbv2.get_or_init(|| client!(self, aws_sdk_elasticloadbalancingv2))
    }

    pub(crate) fn eventbridge(&self) -> &aws_sdk_eventbridge::Client {
        self.eventbridge.get_or_init(|| client!(self, aws_sdk_eventbridge))
    }

    pub(crate) fn sns(&self) -> &aws_sdk_sns::Client {
        self.sns.get_or_init(|| client!(self, aws_sdk_sns))
    }

    /// Waits between two attempts. Does not wait when the configuration has no sleep implementation.
    pub(crate) async fn pause(&self, duration: Duration) {
        if let Some(sleep) = self.config.sleep_impl() {
            sleep.sleep(duration).await;
        }
    }

    fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.sqs.get_or_init(|| client!(self, aws_sdk_sqs))
    }
}

impl Clock for Aws {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl RequestQueue for Aws {
    async fn send(&self, message: &ReconcileRequest, delay: SignedDuration) -> CallResult<()> {
        crate::sqs::send(self.sqs(), &self.names.reconcile_queue_url, message, delay).await
    }

    async fn send_all(&self, messages: &[(ReconcileRequest, SignedDuration)]) -> CallResult<()> {
        crate::sqs::send_all(self.sqs(), &self.names.reconcile_queue_url, messages).await.into_iter().collect()
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::stub::StubAws;

    pub(crate) fn names() -> Names {
        Names {
            table: "driftless".to_owned(),
            reconcile_queue_url: "https://sqs.us-east-1.amazonaws.com/123456789012/wakes".to_owned(),
            alert_topic_arn: "arn:aws:sns:us-east-1:123456789012:alerts".to_owned(),
            chat_topic_arn: "arn:aws:sns:us-east-1:123456789012:chat".to_owned(),
            event_bus: "default".to_owned(),
        }
    }

    /// The ports, with stubbed responses instead of AWS.
    pub(crate) fn on(stub: &StubAws) -> Aws {
        Aws::new(stub.config(), names())
    }

    fn with<C>(set: impl FnOnce(&Aws) -> &OnceLock<C>, client: C) -> Aws {
        let aws = on(&StubAws::default());
        assert!(set(&aws).set(client).is_ok());
        aws
    }

    /// The ports, with this mocked client for Auto Scaling.
    pub(crate) fn with_autoscaling(client: aws_sdk_autoscaling::Client) -> Aws {
        with(|aws| &aws.autoscaling, client)
    }

    pub(crate) fn with_ec2(client: aws_sdk_ec2::Client) -> Aws {
        with(|aws| &aws.ec2, client)
    }

    pub(crate) fn with_elbv2(client: aws_sdk_elasticloadbalancingv2::Client) -> Aws {
        with(|aws| &aws.elbv2, client)
    }

    pub(crate) fn with_cloudwatch(client: aws_sdk_cloudwatch::Client) -> Aws {
        with(|aws| &aws.cloudwatch, client)
    }

    pub(crate) fn with_compliance(client: aws_sdk_config::Client) -> Aws {
        with(|aws| &aws.compliance, client)
    }
}
