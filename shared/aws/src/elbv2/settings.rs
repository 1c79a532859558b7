//! The target group settings that a cutover depends on.

use std::collections::BTreeMap;

use driftless_planner::balancer::TargetGroupSettings;
use driftless_planner::ids::TargetGroupArn;
use driftless_reconciler::ports::CallResult;
use jiff::SignedDuration;

use crate::aws::Aws;
use crate::error::{call_error, unreadable};

pub(super) const DESCRIBE_ATTRIBUTES: &str = "elasticloadbalancing:DescribeTargetGroupAttributes";

/// Reads the settings from the attributes of the target group, which AWS sends as text.
pub(super) async fn read(aws: &Aws, target_group: &TargetGroupArn) -> CallResult<TargetGroupSettings> {
    let request = aws.elbv2().describe_target_group_attributes().target_group_arn(target_group.as_str());
    let answer = request.send().await.map_err(|error| call_error(DESCRIBE_ATTRIBUTES, error))?;
    let attributes = answer.attributes().iter().filter_map(|attribute| Some((attribute.key()?, attribute.value()?)));
    let attributes: BTreeMap<&str, &str> = attributes.collect();
    let is_sticky = attributes.get("stickiness.enabled") == Some(&"true");
    // An application load balancer keeps clients by one of two cookies; other load balancers keep them by address,
    // without an end.
    let cookie = match attributes.get("stickiness.type") {
        Some(&"app_cookie") => Some("stickiness.app_cookie.duration_seconds"),
        Some(&"lb_cookie") => Some("stickiness.lb_cookie.duration_seconds"),
        Some(_) | None => None,
    };
    let stickiness = match cookie.filter(|_| is_sticky) {
        Some(cookie) => seconds(&attributes, cookie)?,
        None => is_sticky.then_some(SignedDuration::MAX),
    };
    Ok(TargetGroupSettings {
        stickiness,
        deregistration_delay: seconds(&attributes, "deregistration_delay.timeout_seconds")?.unwrap_or_default(),
        // Absent when the target group does not support slow start.
        slow_start: seconds(&attributes, "slow_start.duration_seconds")?.unwrap_or_default(),
    })
}

fn seconds(attributes: &BTreeMap<&str, &str>, key: &str) -> CallResult<Option<SignedDuration>> {
    let Some(text) = attributes.get(key) else { return Ok(None) };
    let seconds = text.parse().map_err(|_odd| unreadable(DESCRIBE_ATTRIBUTES, format!("{key} is {text:?}")))?;
    Ok(Some(SignedDuration::from_secs(seconds)))
}
