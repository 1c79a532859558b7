//! Instance refreshes, by which Auto Scaling itself replaces the instances of a group.

use aws_sdk_autoscaling::types::{
    AlarmSpecification, DesiredConfiguration, InstanceRefresh, InstanceRefreshStatus, RefreshPreferences,
    RefreshStrategy,
};
use driftless_planner::ids::{GroupName, RefreshId};
use driftless_planner::refresh::{Refresh, RefreshPlan, RefreshStatus};
use driftless_reconciler::ports::{CallResult, Clock};
use jiff::{SignedDuration, Timestamp};

use crate::autoscaling::group::version;
use crate::autoscaling::once;
use crate::autoscaling::template::{Holder, held};
use crate::aws::Aws;
use crate::error::{call_error, parsed, refused, required, unreadable};
use crate::time::timestamp;

pub(crate) const DESCRIBE_REFRESHES: &str = "autoscaling:DescribeInstanceRefreshes";
pub(crate) const START: &str = "autoscaling:StartInstanceRefresh";
pub(crate) const ROLL_BACK: &str = "autoscaling:RollbackInstanceRefresh";

/// The number of instance refreshes that are read. AWS lists the newest first, and only that one is needed.
const REFRESHES_PAGE: i32 = 1;

/// The newest instance refresh of a group, in any status.
pub(crate) async fn newest(aws: &Aws, group: &GroupName) -> CallResult<Option<Refresh>> {
    let request = aws.autoscaling().describe_instance_refreshes().auto_scaling_group_name(group.as_str());
    let answer = request.max_records(REFRESHES_PAGE).send().await;
    let answer = answer.map_err(|error| call_error(DESCRIBE_REFRESHES, error))?;
    answer.instance_refreshes().first().map(|raw| refresh(raw, aws.now())).transpose()
}

/// Starts an instance refresh. AWS refuses a second one while the first is in progress, so a retry cannot start two.
pub(crate) async fn start(aws: &Aws, group: &GroupName, plan: &RefreshPlan) -> CallResult<RefreshId> {
    let desired = match held(aws, START, group, &plan.template).await? {
        Holder::Group(specification) => DesiredConfiguration::builder().launch_template(specification),
        Holder::Policy(policy) => DesiredConfiguration::builder().mixed_instances_policy(*policy),
    };
    let request = aws
        .autoscaling()
        .start_instance_refresh()
        .auto_scaling_group_name(group.as_str())
        .strategy(RefreshStrategy::Rolling)
        .desired_configuration(desired.build())
        .preferences(preferences(plan)?);
    let answer = request.customize().config_override(once()).send().await;
    let answer = answer.map_err(|error| call_error(START, error))?;
    parsed(START, "InstanceRefreshId", answer.instance_refresh_id())
}

/// Rolls back the instance refresh in progress.
pub(crate) async fn roll_back(aws: &Aws, group: &GroupName) -> CallResult<()> {
    let request = aws.autoscaling().rollback_instance_refresh().auto_scaling_group_name(group.as_str());
    let answer = request.customize().config_override(once()).send().await;
    answer.map(|_| ()).map_err(|error| call_error(ROLL_BACK, error))
}

fn preferences(plan: &RefreshPlan) -> CallResult<RefreshPreferences> {
    let alarms: Vec<String> = plan.alarms.iter().map(ToString::to_string).collect();
    let alarms = (!alarms.is_empty()).then(|| AlarmSpecification::builder().set_alarms(Some(alarms)).build());
    Ok(RefreshPreferences::builder()
        .min_healthy_percentage(plan.min_healthy.get().into())
        .auto_rollback(true)
        // Skips instances that already run the version: a retry does not replace the whole group again.
        .skip_matching(true)
        .bake_time(seconds(plan.bake)?)
        .set_alarm_specification(alarms)
        .build())
}

fn seconds(bake: SignedDuration) -> CallResult<i32> {
    i32::try_from(bake.as_secs()).map_err(|_too_long| refused(START, format!("{bake:#} is no bake time")))
}

/// Maps an instance refresh. AWS reports no start time while a refresh is pending; then `now` is used.
fn refresh(raw: &InstanceRefresh, now: Timestamp) -> CallResult<Refresh> {
    let status = required(DESCRIBE_REFRESHES, "Status", raw.status())?;
    let started_at = match (status, raw.start_time()) {
        (InstanceRefreshStatus::Pending, None) => now,
        (_, time) => timestamp(DESCRIBE_REFRESHES, "StartTime", time)?,
    };
    // Absent until AWS has counted; nothing is replaced before that.
    let percentage = raw.percentage_complete().unwrap_or_default();
    let desired = raw.desired_configuration();
    let mixed =
        desired.and_then(|desired| desired.mixed_instances_policy()).and_then(|policy| policy.launch_template());
    let template = desired
        .and_then(|desired| desired.launch_template())
        .or(mixed.and_then(|template| template.launch_template_specification()));
    Ok(Refresh {
        id: parsed(DESCRIBE_REFRESHES, "InstanceRefreshId", raw.instance_refresh_id())?,
        status: in_words(status),
        template: template.and_then(version),
        percentage: u8::try_from(percentage)
            .map_err(|_error| unreadable(DESCRIBE_REFRESHES, format!("PercentageComplete is {percentage}")))?,
        started_at,
        reason: raw.status_reason().map(Into::into),
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enums are open; a state that is new has not ended")]
const fn in_words(status: &InstanceRefreshStatus) -> RefreshStatus {
    match status {
        InstanceRefreshStatus::Baking => RefreshStatus::Baking,
        InstanceRefreshStatus::Successful => RefreshStatus::Successful,
        InstanceRefreshStatus::Failed | InstanceRefreshStatus::Cancelled => RefreshStatus::Stopped,
        InstanceRefreshStatus::Cancelling | InstanceRefreshStatus::RollbackInProgress => RefreshStatus::GoingBack,
        InstanceRefreshStatus::RollbackSuccessful => RefreshStatus::WentBack,
        InstanceRefreshStatus::RollbackFailed => RefreshStatus::CouldNotGoBack,
        _ => RefreshStatus::Running,
    }
}
