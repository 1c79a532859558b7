//! Auto Scaling: reads the groups, and makes every write to them.

mod group;
mod refresh;
mod template;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::config::Builder as ConfigOverride;
use aws_sdk_autoscaling::config::retry::RetryConfig;
use aws_sdk_autoscaling::config::timeout::TimeoutConfig;
use aws_sdk_autoscaling::operation::launch_instances::LaunchInstancesOutput;
use aws_sdk_autoscaling::types::{
    Activity, AutoScalingGroup, Filter, InstanceCollection, LifecycleHook, RetryStrategy, ScalingActivityStatusCode,
    TrafficSourceIdentifier,
};
use driftless_planner::action::{CapacityChange, Protection};
use driftless_planner::balancer::AttachmentApi;
use driftless_planner::fleet::FLEET_TAG;
use driftless_planner::ids::{FleetName, GroupName, InstanceId, RefreshId, TargetGroupArn, Zone};
use driftless_planner::observation::{Group, LaunchFailure};
use driftless_planner::refresh::{Refresh, RefreshPlan};
use driftless_planner::template::TemplateVersion;
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::{CallErrorKind, CallResult, Groups, Launched, Members};
use futures_util::future::try_join_all;
use jiff::SignedDuration;

use crate::aws::Aws;
use crate::error::{call_error, parsed, refused, required, unless_gone, unreadable};
use crate::time::timestamp;

const DESCRIBE_GROUPS: &str = "autoscaling:DescribeAutoScalingGroups";
const DESCRIBE_INSTANCES: &str = "autoscaling:DescribeAutoScalingInstances";
const DESCRIBE_HOOKS: &str = "autoscaling:DescribeLifecycleHooks";
const DESCRIBE_ACTIVITIES: &str = "autoscaling:DescribeScalingActivities";
const UPDATE_GROUP: &str = "autoscaling:UpdateAutoScalingGroup";
const SET_DESIRED: &str = "autoscaling:SetDesiredCapacity";
const LAUNCH: &str = "autoscaling:LaunchInstances";
const PROTECT: &str = "autoscaling:SetInstanceProtection";
const TERMINATE: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";
const ENTER_STANDBY: &str = "autoscaling:EnterStandby";
const ATTACH_TARGET_GROUPS: &str = "autoscaling:AttachLoadBalancerTargetGroups";
const DETACH_TARGET_GROUPS: &str = "autoscaling:DetachLoadBalancerTargetGroups";
const ATTACH_SOURCES: &str = "autoscaling:AttachTrafficSources";
const DETACH_SOURCES: &str = "autoscaling:DetachTrafficSources";

/// The number of groups on one page. All calls to Auto Scaling share one rate limit, so few large pages are better.
const GROUPS_PAGE: i32 = 100;
/// The most names or ids that Auto Scaling accepts in one call.
const NAMES_MAX: usize = 50;
/// The text in the message of a `ValidationError` when a detach call names a target group or a traffic source that the
/// group does not have.
const NOT_ATTACHED: &str = "that are not part of the group";
/// The number of scaling activities that are read, newest first. A failed launch that is older than all of these no
/// longer explains the state of the group.
const ACTIVITIES_PAGE: i32 = 50;

impl Groups for Aws {
    async fn groups_of(&self, fleet: &FleetName) -> CallResult<Vec<Group>> {
        let filter = Filter::builder().name(format!("tag:{FLEET_TAG}")).values(fleet.as_str()).build();
        described(self, filter).await
    }

    async fn all_groups(&self) -> CallResult<Vec<Group>> {
        described(self, Filter::builder().name("tag-key").values(FLEET_TAG).build()).await
    }

    async fn group(&self, name: &GroupName) -> CallResult<Option<Group>> {
        raw_group(self, name).await?.map(|raw| group::group(DESCRIBE_GROUPS, &raw)).transpose()
    }

    async fn fleets_of_groups(&self, names: &BTreeSet<GroupName>) -> CallResult<BTreeMap<GroupName, Members>> {
        let names: Vec<&GroupName> = names.iter().collect();
        let chunks = try_join_all(names.chunks(NAMES_MAX).map(|chunk| named(self, chunk))).await?;
        let mut fleets = BTreeMap::new();
        for raw in chunks.iter().flatten() {
            let name: GroupName = parsed(DESCRIBE_GROUPS, "AutoScalingGroupName", raw.auto_scaling_group_name())?;
            let value = raw.tags().iter().find(|tag| tag.key() == Some(FLEET_TAG)).and_then(|tag| tag.value());
            // An invalid fleet name is ignored here; the resync reports the group.
            if let Some(fleet) = value.and_then(|value| value.parse().ok()) {
                let ids = raw.instances().iter().map(|one| parsed(DESCRIBE_GROUPS, "InstanceId", one.instance_id()));
                let instances = ids.collect::<CallResult<_>>()?;
                fleets.insert(name, Members { fleet, instances });
            }
        }
        Ok(fleets)
    }

    async fn groups_of_instances(&self, ids: &BTreeSet<InstanceId>) -> CallResult<BTreeMap<InstanceId, GroupName>> {
        let ids: Vec<&InstanceId> = ids.iter().collect();
        let chunks = try_join_all(ids.chunks(NAMES_MAX).map(|chunk| members(self, chunk))).await?;
        Ok(chunks.into_iter().flatten().collect())
    }

    async fn refresh(&self, group: &GroupName) -> CallResult<Option<Refresh>> {
        unless_gone(refresh::newest(self, group).await)
    }

    async fn hook_timeout(&self, group: &GroupName) -> CallResult<SignedDuration> {
        let timeouts = unless_gone(hook_timeouts(self, group).await)?;
        Ok(timeouts.into_iter().max().unwrap_or_default())
    }

    async fn launch_failure(&self, group: &GroupName) -> CallResult<Option<LaunchFailure>> {
        let failures = unless_gone(launch_failures(self, group).await)?;
        Ok(failures.into_iter().max_by_key(|failure| failure.at))
    }

    async fn set_minimum(&self, group: &GroupName, minimum: u32) -> CallResult<()> {
        let minimum = capacity(UPDATE_GROUP, minimum)?;
        let request = self.autoscaling().update_auto_scaling_group().auto_scaling_group_name(group.as_str());
        let answer = request.min_size(minimum).customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| call_error(UPDATE_GROUP, error))
    }

    async fn set_maximum(&self, group: &GroupName, maximum: u32) -> CallResult<()> {
        let maximum = capacity(UPDATE_GROUP, maximum)?;
        let request = self.autoscaling().update_auto_scaling_group().auto_scaling_group_name(group.as_str());
        let answer = request.max_size(maximum).customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| call_error(UPDATE_GROUP, error))
    }

    async fn set_desired(&self, group: &GroupName, desired: u32) -> CallResult<()> {
        let desired = capacity(SET_DESIRED, desired)?;
        // The launch must not wait for the group's cooldown, which is meant for scaling policies.
        let request = self
            .autoscaling()
            .set_desired_capacity()
            .auto_scaling_group_name(group.as_str())
            .desired_capacity(desired)
            .honor_cooldown(false);
        let answer = request.customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| call_error(SET_DESIRED, error))
    }

    async fn launch(&self, group: &GroupName, zone: &Zone, token: &str) -> CallResult<Launched> {
        let request = self
            .autoscaling()
            .launch_instances()
            .auto_scaling_group_name(group.as_str())
            .requested_capacity(1)
            .client_token(token)
            .availability_zones(zone.as_str())
            // Otherwise Auto Scaling would retry in the background, in any zone.
            .retry_strategy(RetryStrategy::None);
        let answer = request.customize().config_override(self.patient()).send().await;
        launched(&answer.map_err(|error| call_error(LAUNCH, error))?)
    }

    async fn protect(&self, group: &GroupName, instance: &InstanceId, protection: Protection) -> CallResult<()> {
        let request = self
            .autoscaling()
            .set_instance_protection()
            .auto_scaling_group_name(group.as_str())
            .instance_ids(instance.as_str())
            .protected_from_scale_in(protection == Protection::On);
        request.send().await.map(|_| ()).map_err(|error| call_error(PROTECT, error))
    }

    async fn terminate(&self, instance: &InstanceId, capacity: CapacityChange) -> CallResult<()> {
        let request = self
            .autoscaling()
            .terminate_instance_in_auto_scaling_group()
            .instance_id(instance.as_str())
            .should_decrement_desired_capacity(capacity == CapacityChange::Decrement);
        let answer = request.customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| call_error(TERMINATE, error))
    }

    async fn empty(&self, group: &GroupName, maximum: u32) -> CallResult<()> {
        let request = self
            .autoscaling()
            .update_auto_scaling_group()
            .auto_scaling_group_name(group.as_str())
            .min_size(0)
            .desired_capacity(0)
            .max_size(capacity(UPDATE_GROUP, maximum)?);
        let answer = request.customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| call_error(UPDATE_GROUP, error))
    }

    async fn enter_standby(
        &self,
        group: &GroupName,
        instance: &InstanceId,
        capacity: CapacityChange,
    ) -> CallResult<()> {
        let request = self
            .autoscaling()
            .enter_standby()
            .auto_scaling_group_name(group.as_str())
            .instance_ids(instance.as_str())
            .should_decrement_desired_capacity(capacity == CapacityChange::Decrement);
        let answer = request.customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| call_error(ENTER_STANDBY, error))
    }

    async fn set_template(&self, group: &GroupName, template: &TemplateVersion) -> CallResult<()> {
        template::set(self, group, template).await
    }

    async fn attach(&self, group: &GroupName, target_group: &TargetGroupArn, api: AttachmentApi) -> CallResult<()> {
        let (group, arn) = (group.as_str(), target_group.as_str());
        match api {
            AttachmentApi::TargetGroups => {
                let request = self.autoscaling().attach_load_balancer_target_groups().auto_scaling_group_name(group);
                let answer = request.target_group_arns(arn).send().await;
                answer.map(|_| ()).map_err(|error| call_error(ATTACH_TARGET_GROUPS, error))
            }
            AttachmentApi::TrafficSources => {
                let request = self.autoscaling().attach_traffic_sources().auto_scaling_group_name(group);
                let answer = request.traffic_sources(source(arn)).send().await;
                answer.map(|_| ()).map_err(|error| call_error(ATTACH_SOURCES, error))
            }
        }
    }

    async fn detach(&self, group: &GroupName, target_group: &TargetGroupArn, api: AttachmentApi) -> CallResult<()> {
        let (group, arn) = (group.as_str(), target_group.as_str());
        match api {
            AttachmentApi::TargetGroups => {
                let request = self.autoscaling().detach_load_balancer_target_groups().auto_scaling_group_name(group);
                let answer = request.target_group_arns(arn).send().await;
                unless_detached(answer.map(|_| ()).map_err(|error| call_error(DETACH_TARGET_GROUPS, error)))
            }
            AttachmentApi::TrafficSources => {
                let request = self.autoscaling().detach_traffic_sources().auto_scaling_group_name(group);
                let answer = request.traffic_sources(source(arn)).send().await;
                unless_detached(answer.map(|_| ()).map_err(|error| call_error(DETACH_SOURCES, error)))
            }
        }
    }

    async fn start_refresh(&self, group: &GroupName, plan: &RefreshPlan) -> CallResult<RefreshId> {
        refresh::start(self, group, plan).await
    }

    async fn roll_back_refresh(&self, group: &GroupName) -> CallResult<()> {
        refresh::roll_back(self, group).await
    }
}

/// Allows only one attempt, for writes that depend on a value that was just read. If AWS carried out the first attempt
/// and only the response was lost, a second attempt could lower the capacity twice or overwrite an external change. The
/// control loop reads again before it repeats the write. An idle connection that the server has closed cannot fail this
/// attempt: the read has just used the connection.
fn once() -> ConfigOverride {
    ConfigOverride::new().retry_config(RetryConfig::disabled())
}

impl Aws {
    /// Allows one attempt the time limit of the whole call. The synchronous launch needs this, because it responds only
    /// after EC2 has responded. A second attempt with the same token gets the response of the first.
    fn patient(&self) -> ConfigOverride {
        let operation = self.config.timeout_config().and_then(TimeoutConfig::operation_timeout);
        let mut timeouts = TimeoutConfig::builder();
        timeouts.set_operation_attempt_timeout(operation);
        ConfigOverride::new().timeout_config(timeouts.build())
    }
}

async fn described(aws: &Aws, filter: Filter) -> CallResult<Vec<Group>> {
    let request = aws.autoscaling().describe_auto_scaling_groups().filters(filter);
    let pages = request.into_paginator().page_size(GROUPS_PAGE).items().send();
    let raw = pages.collect::<Result<Vec<AutoScalingGroup>, _>>().await;
    let raw = raw.map_err(|error| call_error(DESCRIBE_GROUPS, error))?;
    raw.iter().map(|raw| group::group(DESCRIBE_GROUPS, raw)).collect()
}

/// A group as Auto Scaling describes it. None: it does not exist.
async fn raw_group(aws: &Aws, name: &GroupName) -> CallResult<Option<AutoScalingGroup>> {
    let request = aws.autoscaling().describe_auto_scaling_groups().auto_scaling_group_names(name.as_str());
    let answer = request.send().await.map_err(|error| call_error(DESCRIBE_GROUPS, error))?;
    Ok(answer.auto_scaling_groups.unwrap_or_default().into_iter().next())
}

async fn named(aws: &Aws, names: &[&GroupName]) -> CallResult<Vec<AutoScalingGroup>> {
    let names = names.iter().map(|name| name.as_str().to_owned()).collect();
    let request = aws.autoscaling().describe_auto_scaling_groups().set_auto_scaling_group_names(Some(names));
    let pages = request.into_paginator().page_size(GROUPS_PAGE).items().send();
    pages.collect::<Result<Vec<_>, _>>().await.map_err(|error| call_error(DESCRIBE_GROUPS, error))
}

async fn members(aws: &Aws, ids: &[&InstanceId]) -> CallResult<Vec<(InstanceId, GroupName)>> {
    let ids = ids.iter().map(|id| id.as_str().to_owned()).collect();
    // Auto Scaling leaves unknown ids out of the response without an error.
    let request = aws.autoscaling().describe_auto_scaling_instances().set_instance_ids(Some(ids));
    let pages = request.into_paginator().items().send();
    let raw = pages.collect::<Result<Vec<_>, _>>().await;
    let raw = raw.map_err(|error| call_error(DESCRIBE_INSTANCES, error))?;
    let pair = |details: &aws_sdk_autoscaling::types::AutoScalingInstanceDetails| {
        let id = parsed(DESCRIBE_INSTANCES, "InstanceId", details.instance_id())?;
        Ok((id, parsed(DESCRIBE_INSTANCES, "AutoScalingGroupName", details.auto_scaling_group_name())?))
    };
    raw.iter().map(pair).collect()
}

async fn hook_timeouts(aws: &Aws, group: &GroupName) -> CallResult<Vec<SignedDuration>> {
    let request = aws.autoscaling().describe_lifecycle_hooks().auto_scaling_group_name(group.as_str());
    let answer = request.send().await.map_err(|error| call_error(DESCRIBE_HOOKS, error))?;
    answer.lifecycle_hooks().iter().map(hook_timeout).collect()
}

async fn launch_failures(aws: &Aws, group: &GroupName) -> CallResult<Vec<LaunchFailure>> {
    let request = aws.autoscaling().describe_scaling_activities().auto_scaling_group_name(group.as_str());
    let answer = request.max_records(ACTIVITIES_PAGE).send().await;
    let answer = answer.map_err(|error| call_error(DESCRIBE_ACTIVITIES, error))?;
    answer.activities().iter().filter(|activity| is_failed_launch(activity)).map(launch_failure).collect()
}

/// Counts a refused detach as success when the target group is not attached: a retry gets this error when the response
/// to the first attempt was lost.
fn unless_detached(answer: CallResult<()>) -> CallResult<()> {
    match answer {
        Err(error) if error.kind == CallErrorKind::Refused && error.message.as_str().contains(NOT_ATTACHED) => Ok(()),
        answer => answer,
    }
}

/// The heartbeat timeout of a lifecycle hook. The hook's global timeout, which is up to 100 times as long, only limits
/// how often a heartbeat can extend the wait.
fn hook_timeout(hook: &LifecycleHook) -> CallResult<SignedDuration> {
    let seconds = required(DESCRIBE_HOOKS, "HeartbeatTimeout", hook.heartbeat_timeout())?;
    Ok(SignedDuration::from_secs(seconds.into()))
}

fn source(target_group: &str) -> TrafficSourceIdentifier {
    TrafficSourceIdentifier::builder().identifier(target_group).r#type("elbv2").build()
}

fn is_failed_launch(activity: &Activity) -> bool {
    activity.status_code() == Some(&ScalingActivityStatusCode::Failed)
        && activity.description().is_some_and(|description| description.starts_with("Launching"))
}

fn launch_failure(activity: &Activity) -> CallResult<LaunchFailure> {
    let message = activity.status_message().filter(|text| !text.is_empty());
    let message = message.or(activity.description()).unwrap_or_default();
    Ok(LaunchFailure {
        at: timestamp(DESCRIBE_ACTIVITIES, "StartTime", activity.start_time())?,
        message: message.into(),
    })
}

/// The launched instance, or the reason why there is none. A response with several instances is unreadable: the planner
/// tracks exactly one instance per launch.
fn launched(answer: &LaunchInstancesOutput) -> CallResult<Launched> {
    let ids: Vec<&String> = answer.instances().iter().flat_map(InstanceCollection::instance_ids).collect();
    match (ids.as_slice(), answer.errors().first()) {
        ([id], _) => Ok(Launched::Instance(parsed(LAUNCH, "InstanceIds", Some(id.as_str()))?)),
        ([], Some(error)) => {
            let code = required(LAUNCH, "ErrorCode", error.error_code())?;
            Ok(Launched::Failed(match error.error_message().filter(|text| !text.is_empty()) {
                Some(message) => UntrustedText::from(format!("{code}: {message}")),
                None => code.into(),
            }))
        }
        ([], None) => Err(unreadable(LAUNCH, "the answer has neither instances nor errors")),
        (several, _) => {
            Err(unreadable(LAUNCH, format!("the answer has {} instances, one was asked for", several.len())))
        }
    }
}

fn capacity(operation: &'static str, value: u32) -> CallResult<i32> {
    i32::try_from(value).map_err(|_too_large| refused(operation, format!("{value} is no capacity")))
}
