//! The simulator's names of the reads that tests count. Writes have the names that scenarios use.

/// The groups of a fleet, as a pass reads them, or all groups, as the resync reads them.
pub(crate) const GROUPS: &str = "autoscaling:DescribeAutoScalingGroups";
/// One group, read right before a write.
pub(crate) const GROUP: &str = "autoscaling:DescribeAutoScalingGroups (group)";
pub(crate) const GROUPS_OF_INSTANCES: &str = "autoscaling:DescribeAutoScalingInstances";
pub(crate) const REFRESH: &str = "autoscaling:DescribeInstanceRefreshes";
pub(crate) const FORWARDS: &str = "elasticloadbalancing:DescribeRules";
pub(crate) const HEALTH: &str = "elasticloadbalancing:DescribeTargetHealth";
pub(crate) const MACHINES: &str = "ec2:DescribeInstances";
pub(crate) const TEMPLATE: &str = "ec2:DescribeLaunchTemplates";
/// The images of a fleet or of all fleets.
pub(crate) const IMAGES: &str = "ec2:DescribeImages";
pub(crate) const IMAGES_BY_ID: &str = "ec2:DescribeImages (by id)";
pub(crate) const RULE: &str = "config:GetComplianceDetailsByConfigRule";
pub(crate) const ALARMS: &str = "cloudwatch:DescribeAlarms";
pub(crate) const IN_ALARM: &str = "cloudwatch:DescribeAlarms (ringing)";
pub(crate) const INDEXED: &str = "dynamodb:BatchGetItem";
pub(crate) const SEND_ALL: &str = "sqs:SendMessageBatch";
