//! The services of the canned AWS: each has ports of its own, as each has hosts of its own in AWS.

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// What its requests are signed for, and the folder of its canned answers.
    pub name: &'static str,
    /// What its endpoint is called in the environment, after `AWS_ENDPOINT_URL_`.
    pub variable: &'static str,
}

/// All that have ports.
pub const SERVICES: [Service; 12] = [
    service("autoscaling", "AUTO_SCALING"),
    service("config", "CONFIG_SERVICE"),
    service("dynamodb", "DYNAMODB"),
    service("ec2", "EC2"),
    service("elasticloadbalancing", "ELASTIC_LOAD_BALANCING_V2"),
    service("events", "EVENTBRIDGE"),
    service("iam", "IAM"),
    service("logs", "CLOUDWATCH_LOGS"),
    service("monitoring", "CLOUDWATCH"),
    service("sns", "SNS"),
    service("sqs", "SQS"),
    service("sts", "STS"),
];

const fn service(name: &'static str, variable: &'static str) -> Service {
    Service { name, variable }
}
