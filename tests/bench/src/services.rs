//! The services of the stub AWS: each has an address and ports of its own, as each has hosts of its own in AWS.

use std::net::Ipv4Addr;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// What its requests are signed for, and the folder of its stub answers.
    pub name: &'static str,
    /// What its endpoint is called in the environment, after `AWS_ENDPOINT_URL_`.
    pub variable: &'static str,
    number: u8,
}

impl Service {
    /// Its own address: sessions of TLS are resumed by host, and no two services of AWS share one.
    pub const fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 1, self.number)
    }
}

/// All that have ports.
pub const SERVICES: [Service; 12] = [
    service(1, "autoscaling", "AUTO_SCALING"),
    service(2, "config", "CONFIG_SERVICE"),
    service(3, "dynamodb", "DYNAMODB"),
    service(4, "ec2", "EC2"),
    service(5, "elasticloadbalancing", "ELASTIC_LOAD_BALANCING_V2"),
    service(6, "events", "EVENTBRIDGE"),
    service(7, "iam", "IAM"),
    service(8, "logs", "CLOUDWATCH_LOGS"),
    service(9, "monitoring", "CLOUDWATCH"),
    service(10, "sns", "SNS"),
    service(11, "sqs", "SQS"),
    service(12, "sts", "STS"),
];

const fn service(number: u8, name: &'static str, variable: &'static str) -> Service {
    Service { name, variable, number }
}
