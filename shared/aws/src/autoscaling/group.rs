//! Maps an Auto Scaling group to the planner's types.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::{
    AutoScalingGroup, Instance, LaunchTemplate, LaunchTemplateSpecification, MixedInstancesPolicy,
};
use driftless_planner::balancer::AttachmentApi;
use driftless_planner::ids::TargetGroupArn;
use driftless_planner::observation::{Group, Lifecycle, Member};
use driftless_planner::template::{TemplateReference, TemplateVersion};
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::CallResult;
use jiff::SignedDuration;

use crate::error::{parsed, required, unreadable};

/// Maps a group. It is an error if a field is missing that AWS always sends: with a guessed value, Driftless could
/// terminate the wrong instances.
pub(crate) fn group(operation: &'static str, raw: &AutoScalingGroup) -> CallResult<Group> {
    let mut unsupported = unsupported(raw);
    let template = template(operation, raw, &mut unsupported)?;
    let target_groups = target_groups(operation, raw, &mut unsupported)?;
    let attachment_api = attachment_api(raw, &target_groups, &mut unsupported);
    let tags =
        raw.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())));
    Ok(Group {
        name: parsed(operation, "AutoScalingGroupName", raw.auto_scaling_group_name())?,
        tags: tags.collect::<BTreeMap<_, _>>(),
        min: size(operation, "MinSize", raw.min_size())?,
        max: size(operation, "MaxSize", raw.max_size())?,
        desired: size(operation, "DesiredCapacity", raw.desired_capacity())?,
        template,
        members: raw.instances().iter().map(|instance| member(operation, instance)).collect::<CallResult<_>>()?,
        target_groups,
        attachment_api,
        suspended: raw
            .suspended_processes()
            .iter()
            .filter_map(|process| process.process_name())
            .map(str::to_owned)
            .collect(),
        warm_up: warm_up(raw),
        protects_new_instances: raw.new_instances_protected_from_scale_in().unwrap_or_default(),
        unsupported,
        // Auto Scaling sets a status only while it deletes the group.
        deleting: raw.status().is_some_and(|status| !status.is_empty()),
    })
}

fn size(operation: &'static str, field: &'static str, value: Option<i32>) -> CallResult<u32> {
    let value = required(operation, field, value)?;
    u32::try_from(value).map_err(|_negative| unreadable(operation, format!("{field} is {value}")))
}

/// The default instance warm-up of the group. AWS reports -1 after it was unset; then the health check grace period
/// applies, as in Auto Scaling itself.
fn warm_up(raw: &AutoScalingGroup) -> SignedDuration {
    let warm_up = raw.default_instance_warmup().filter(|seconds| *seconds >= 0);
    SignedDuration::from_secs(warm_up.or(raw.health_check_grace_period()).unwrap_or_default().into())
}

/// Features of the group that Driftless does not support. Those of its launch template and its target groups are found
/// elsewhere.
fn unsupported(raw: &AutoScalingGroup) -> Vec<String> {
    let mut traits = Vec::new();
    if raw.warm_pool_configuration().is_some() {
        traits.push("a warm pool".to_owned());
    }
    if let Some(unit) = raw.desired_capacity_type().filter(|unit| !unit.is_empty() && *unit != "units") {
        traits.push(format!("capacity counted in {}", UntrustedText::from(unit)));
    }
    let overrides = raw.mixed_instances_policy().and_then(MixedInstancesPolicy::launch_template);
    let overrides = overrides.map(LaunchTemplate::overrides).unwrap_or_default();
    if overrides.iter().any(|own| own.launch_template_specification().is_some()) {
        traits.push("overrides with a launch template of their own".to_owned());
    }
    if overrides.iter().any(|own| own.image_id().is_some()) {
        traits.push("overrides with an image of their own".to_owned());
    }
    if overrides.iter().any(|own| own.weighted_capacity().is_some()) {
        traits.push("overrides with weights".to_owned());
    }
    traits
}

/// The launch template of the group, which may be stored in a mixed instances policy.
fn template(
    operation: &'static str,
    raw: &AutoScalingGroup,
    unsupported: &mut Vec<String>,
) -> CallResult<TemplateReference> {
    let mixed = raw.mixed_instances_policy().and_then(MixedInstancesPolicy::launch_template);
    let specification = raw.launch_template().or(mixed.and_then(|template| template.launch_template_specification()));
    let Some(specification) = specification else { return Ok(TemplateReference::None) };
    if specification.launch_template_id().is_none() {
        unsupported.push("a launch template that is named, not identified".to_owned());
        return Ok(TemplateReference::None);
    }
    let template = parsed(operation, "LaunchTemplateId", specification.launch_template_id())?;
    // Auto Scaling uses the default version when none is named.
    let alias = specification.version().filter(|version| !version.is_empty()).unwrap_or("$Default");
    Ok(match alias.parse() {
        Ok(version) => TemplateReference::Numbered(TemplateVersion { template, version }),
        Err(_) => TemplateReference::Floating { template, alias: UntrustedText::from(alias).to_string() },
    })
}

/// The target groups that are attached through either of the two attachment APIs of Auto Scaling. All other traffic
/// sources are added to `unsupported`.
fn target_groups(
    operation: &'static str,
    raw: &AutoScalingGroup,
    unsupported: &mut Vec<String>,
) -> CallResult<Vec<TargetGroupArn>> {
    let mut arns: Vec<&str> = raw.target_group_arns().iter().map(String::as_str).collect();
    let mut has_classic = !raw.load_balancer_names().is_empty();
    for source in raw.traffic_sources() {
        match (source.r#type(), source.identifier()) {
            (Some("elb"), _) => has_classic = true,
            (None | Some("elbv2"), Some(arn)) if arn.contains(":targetgroup/") => {
                if !arns.contains(&arn) {
                    arns.push(arn);
                }
            }
            (other, _) => {
                let source = UntrustedText::from(other.unwrap_or("an unknown source"));
                unsupported.push(format!("traffic from {source}"));
            }
        }
    }
    if has_classic {
        unsupported.push("a classic load balancer".to_owned());
    }
    arns.into_iter().map(|arn| parsed(operation, "TargetGroupARNs", Some(arn))).collect()
}

/// The attachment API through which the target groups were attached; only this API can detach them. `TargetGroupARNs`
/// lists only those attached by `AttachLoadBalancerTargetGroups`; the traffic sources list those of both APIs. A group
/// without target groups accepts both APIs and gets the older one, which every tool knows. A mix of both is added to
/// `unsupported`.
fn attachment_api(
    raw: &AutoScalingGroup,
    target_groups: &[TargetGroupArn],
    unsupported: &mut Vec<String>,
) -> AttachmentApi {
    let by_older = target_groups.iter().filter(|arn| raw.target_group_arns().iter().any(|own| own == arn.as_str()));
    match (target_groups.len(), by_older.count()) {
        (all, older) if all == older => AttachmentApi::TargetGroups,
        (_, 0) => AttachmentApi::TrafficSources,
        _ => {
            unsupported.push("target groups attached in two ways".to_owned());
            AttachmentApi::TargetGroups
        }
    }
}

fn member(operation: &'static str, raw: &Instance) -> CallResult<Member> {
    let state = required(operation, "LifecycleState", raw.lifecycle_state())?;
    let image_override = raw.image_id().filter(|image| !image.is_empty());
    Ok(Member {
        id: parsed(operation, "InstanceId", raw.instance_id())?,
        zone: parsed(operation, "AvailabilityZone", raw.availability_zone())?,
        lifecycle: lifecycle(state.as_str()),
        // `Healthy` in one call, `HEALTHY` in another.
        healthy: raw.health_status().is_some_and(|status| status.eq_ignore_ascii_case("healthy")),
        template: raw.launch_template().and_then(version),
        image_override: image_override.map(|image| parsed(operation, "ImageId", Some(image))).transpose()?,
        protected: raw.protected_from_scale_in().unwrap_or_default(),
    })
}

/// The template version that an instance was launched with. None: the version is not given as a number, which alone
/// identifies it.
pub(crate) fn version(specification: &LaunchTemplateSpecification) -> Option<TemplateVersion> {
    let template = specification.launch_template_id()?.parse().ok()?;
    Some(TemplateVersion { template, version: specification.version()?.parse().ok()? })
}

/// Maps a lifecycle state. The text is compared, not the SDK's enum, so that a state of a newer API becomes `Unknown`.
pub(crate) fn lifecycle(state: &str) -> Lifecycle {
    match state {
        "Pending" | "Pending:Wait" | "Pending:Proceed" => Lifecycle::Pending,
        "InService" => Lifecycle::InService,
        // A retained instance no longer counts in the desired capacity and waits until it is terminated.
        "Terminating" | "Terminating:Wait" | "Terminating:Proceed" | "Terminating:Retained" | "Terminated" => {
            Lifecycle::Terminating
        }
        "EnteringStandby" | "Standby" => Lifecycle::Standby,
        "Detaching" | "Detached" => Lifecycle::Detaching,
        other => Lifecycle::Unknown(other.into()),
    }
}
