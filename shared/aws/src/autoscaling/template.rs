//! The launch template version of a group: where the group stores it, and how a write sets it.

use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplate, LaunchTemplateSpecification, MixedInstancesPolicy};
use driftless_planner::ids::GroupName;
use driftless_planner::template::TemplateVersion;
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::{CallError, CallErrorKind, CallResult};

use crate::autoscaling::{UPDATE_GROUP, once, raw_group};
use crate::aws::Aws;
use crate::error::call_error;

/// The place where a group stores its launch template.
pub(crate) enum Holder {
    /// The group's own field for its launch template.
    Group(LaunchTemplateSpecification),
    /// A mixed instances policy. A write replaces the whole policy, so its other fields are written as they were read.
    Policy(Box<MixedInstancesPolicy>),
}

/// Sets the template version in the place where the group stores its launch template.
pub(crate) async fn set(aws: &Aws, group: &GroupName, template: &TemplateVersion) -> CallResult<()> {
    let request = aws.autoscaling().update_auto_scaling_group().auto_scaling_group_name(group.as_str());
    let request = match held(aws, UPDATE_GROUP, group, template).await? {
        Holder::Group(specification) => request.launch_template(specification),
        Holder::Policy(policy) => request.mixed_instances_policy(*policy),
    };
    let answer = request.customize().config_override(once()).send().await;
    answer.map(|_| ()).map_err(|error| call_error(UPDATE_GROUP, error))
}

/// Reads the group and returns what `operation` must write so that the group uses the version. Fails with `Gone` if the
/// group does not exist.
pub(crate) async fn held(
    aws: &Aws,
    operation: &'static str,
    group: &GroupName,
    template: &TemplateVersion,
) -> CallResult<Holder> {
    let Some(raw) = raw_group(aws, group).await? else {
        let message = UntrustedText::from(format!("the group {group} is gone"));
        return Err(CallError { operation, kind: CallErrorKind::Gone, message, source: None });
    };
    Ok(holder(&raw, template))
}

fn holder(raw: &AutoScalingGroup, version: &TemplateVersion) -> Holder {
    let specification = LaunchTemplateSpecification::builder()
        // By id only: AWS takes an id or a name, and a name can be given to another template.
        .launch_template_id(version.template.as_str())
        .version(version.version.to_string())
        .build();
    let Some(policy) = raw.mixed_instances_policy() else { return Holder::Group(specification) };
    let template = policy.launch_template();
    let template = LaunchTemplate::builder()
        .launch_template_specification(specification)
        .set_overrides(template.and_then(|template| template.overrides.clone()))
        .build();
    let policy = MixedInstancesPolicy::builder()
        .launch_template(template)
        .set_instances_distribution(policy.instances_distribution.clone())
        .build();
    Holder::Policy(Box::new(policy))
}
