//! The AWS calls behind a call to a port: how `shared/aws` answers it, where everything fits one page.

/// What is behind a call to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// The port's call.
    pub operation: &'static str,
    /// AWS's calls, those of a round together.
    pub rounds: &'static [&'static [&'static str]],
    /// How much fits one page, or how many are asked for in one call. None: it is about one thing.
    pub page: Option<&'static str>,
}

const fn plain(operation: &'static str, rounds: &'static [&'static [&'static str]]) -> Behind {
    Behind { operation, rounds, page: None }
}

const fn paged(operation: &'static str, rounds: &'static [&'static [&'static str]], page: &'static str) -> Behind {
    Behind { operation, rounds, page: Some(page) }
}

const GET: &str = "dynamodb:BatchGetItem";
const QUERY: &str = "dynamodb:Query";
const UPDATE: &str = "dynamodb:UpdateItem";
const TRANSACT: &str = "dynamodb:TransactWriteItems";
const PUT: &str = "dynamodb:PutItem";
const WRITE: &str = "dynamodb:BatchWriteItem";
const GROUPS: &str = "autoscaling:DescribeAutoScalingGroups";
const UPDATE_GROUP: &str = "autoscaling:UpdateAutoScalingGroup";
const VERSIONS: &str = "ec2:DescribeLaunchTemplateVersions";
const IMAGES: &str = "ec2:DescribeImages";

/// Calls that are more than one of AWS's, or another one, or of which there are pages.
const KNOWN: &[Behind] = &[
    plain("acquire", &[&[UPDATE]]),
    plain("load", &[&[QUERY, GET, QUERY]]),
    plain("freezes", &[&[GET]]),
    plain("commit", &[&[TRANSACT]]),
    plain("told", &[&[WRITE]]),
    plain("take_turn", &[&[GET], &[PUT]]),
    plain("give_turn", &[&[GET], &[PUT]]),
    plain("remember", &[&[PUT]]),
    plain("claim_wake", &[&[UPDATE]]),
    plain("release", &[&[UPDATE]]),
    plain("file", &[&[TRANSACT]]),
    paged("dynamodb:BatchGetItem", &[&[GET]], "100 subjects"),
    paged("index", &[&[WRITE]], "25 subjects"),
    paged("open_fleets", &[&[QUERY, GET]], "1 MB"),
    paged("fingerprints", &[&[QUERY]], "1 MB"),
    paged(GROUPS, &[&[GROUPS]], "100 groups"),
    plain("autoscaling:DescribeAutoScalingGroups (group)", &[&[GROUPS]]),
    paged("autoscaling:DescribeAutoScalingInstances", &[&["autoscaling:DescribeAutoScalingInstances"]], "50 instances"),
    paged("ec2:DescribeInstances", &[&["ec2:DescribeInstances"]], "200 instances"),
    paged("ec2:DescribeImages", &[&[IMAGES]], "all in one"),
    paged("ec2:DescribeImages (by id)", &[&[IMAGES, IMAGES]], "200 images"),
    paged("imagebuilder:GetImage", &[&[IMAGES]], "all in one"),
    paged("autoscaling:DescribeTags", &[&[GROUPS]], "50 groups"),
    paged("cloudwatch:DescribeAlarms", &[&["cloudwatch:DescribeAlarms"]], "100 names, or one prefix"),
    paged("cloudwatch:DescribeAlarms (ringing)", &[&["cloudwatch:DescribeAlarms"]], "100 alarms"),
    paged("config:GetComplianceDetailsByConfigRule", &[&["config:GetComplianceDetailsByConfigRule"]], "100 results"),
    paged(
        "elasticloadbalancing:DescribeRules",
        &[
            &["elasticloadbalancing:DescribeTargetGroups"],
            &["elasticloadbalancing:DescribeListeners"],
            &["elasticloadbalancing:DescribeRules"],
        ],
        "20 target groups; a call for each load balancer, then one for each listener",
    ),
    paged(
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        &[&["elasticloadbalancing:DescribeTargetGroupAttributes"]],
        "one target group",
    ),
    plain(
        "elasticloadbalancing:ModifyRule",
        &[&["elasticloadbalancing:DescribeRules"], &["elasticloadbalancing:ModifyRule"]],
    ),
    // The color that is not live has a template of its own: its base is found there.
    plain("ec2:CreateLaunchTemplateVersion", &[&[VERSIONS], &[VERSIONS], &["ec2:CreateLaunchTemplateVersion"]]),
    plain("autoscaling:UpdateAutoScalingGroup (template)", &[&[GROUPS], &[UPDATE_GROUP]]),
    plain("autoscaling:UpdateAutoScalingGroup (minimum)", &[&[UPDATE_GROUP]]),
    plain("autoscaling:UpdateAutoScalingGroup (maximum)", &[&[UPDATE_GROUP]]),
    plain("autoscaling:UpdateAutoScalingGroup (empty)", &[&[UPDATE_GROUP]]),
    plain("autoscaling:StartInstanceRefresh", &[&[GROUPS], &["autoscaling:StartInstanceRefresh"]]),
];

/// All that are told of here.
pub const fn all_behind() -> &'static [Behind] {
    KNOWN
}

/// AWS's calls behind a call, those of a round together. One that is not told of here is AWS's own, by its name.
pub fn behind(operation: &'static str) -> Vec<Vec<&'static str>> {
    let known = KNOWN.iter().find(|known| known.operation == operation);
    known.map_or_else(|| vec![vec![operation]], |known| known.rounds.iter().map(|round| round.to_vec()).collect())
}
