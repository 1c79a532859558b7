//! What the simulator calls the reads that tests ask about. Writes go by the names that scenarios have for them.

/// The groups of a fleet, as a pass reads them; or all, as the resync does.
pub(crate) const GROUPS: &str = "autoscaling:DescribeAutoScalingGroups";
/// One group, right before a write.
pub(crate) const GROUP: &str = "autoscaling:DescribeAutoScalingGroups (group)";
pub(crate) const GROUPS_OF_INSTANCES: &str = "autoscaling:DescribeAutoScalingInstances";
pub(crate) const REFRESH: &str = "autoscaling:DescribeInstanceRefreshes";
pub(crate) const FORWARDS: &str = "elasticloadbalancing:DescribeRules";
pub(crate) const HEALTH: &str = "elasticloadbalancing:DescribeTargetHealth";
pub(crate) const MACHINES: &str = "ec2:DescribeInstances";
pub(crate) const TEMPLATE: &str = "ec2:DescribeLaunchTemplates";
/// The images of a fleet, or of all.
pub(crate) const IMAGES: &str = "ec2:DescribeImages";
pub(crate) const IMAGES_BY_ID: &str = "ec2:DescribeImages (by id)";
pub(crate) const RULE: &str = "config:GetComplianceDetailsByConfigRule";
pub(crate) const ALARMS: &str = "cloudwatch:DescribeAlarms";
pub(crate) const IN_ALARM: &str = "cloudwatch:DescribeAlarms (ringing)";
pub(crate) const INDEXED: &str = "dynamodb:BatchGetItem";
pub(crate) const SEND_ALL: &str = "sqs:SendMessageBatch";
