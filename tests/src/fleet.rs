//! Fleets of a test, created like the Terraform module does or by the module itself, and their state in AWS.

mod create;
mod routes;
mod rules;
mod terraform;
mod view;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_ec2::types::{ArchitectureValues, Filter, ResourceType, Tag, TagSpecification};
use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, ForwardActionConfig, TargetGroupTuple};

pub use create::FleetSpec;
pub use routes::{Routes, Target, TargetGroup};
pub use terraform::{Changes, Example};
pub use view::{FleetView, GroupView, InstanceView};
pub use watch::{Seen, Watch};

use crate::clients::Clients;
use crate::patience::{Poll, wait_until};
use crate::stack::LocalStack;

/// The tag with the fleet of a resource.
pub(crate) const FLEET_TAG: &str = "driftless:fleet";
/// The tag that Auto Scaling puts on its instances.
const GROUP_TAG: &str = "aws:autoscaling:groupName";

/// A fleet of a test.
#[derive(Debug, Clone)]
pub struct Fleet {
    name: String,
    image: String,
    groups: Vec<GroupName>,
    listener: Option<String>,
    /// The listener rule that forwards the traffic. None: the default action does.
    rule: Option<String>,
    /// The image of each instance, by its id. It is cached: an image never changes, and the call is slow.
    images: Arc<Mutex<BTreeMap<String, String>>>,
    clients: Clients,
}

/// A group and its resources.
#[derive(Debug, Clone)]
struct GroupName {
    name: String,
    template: String,
    target_group: Option<String>,
}

impl Fleet {
    /// The value of the tag `driftless:fleet`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The initial image.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// Its listener. None: no load balancer.
    pub fn listener(&self) -> Option<&str> {
        self.listener.as_deref()
    }

    /// The names of its groups, the live one first.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| group.name.as_str())
    }

    /// The launch template of a group, by the group's name.
    pub fn template_of(&self, group: &str) -> Option<&str> {
        self.groups.iter().find(|known| known.name == group).map(|known| known.template.as_str())
    }

    /// The target group of a group, by the group's name.
    pub fn target_group_of(&self, group: &str) -> Option<&str> {
        self.groups.iter().find(|known| known.name == group)?.target_group.as_deref()
    }

    /// Waits until the fleet meets a condition. The error of a timeout has the expectation and the last state.
    pub async fn wait_for<T>(
        &self,
        awaited: &str,
        timeout: Duration,
        condition: impl Fn(&FleetView) -> Option<T>,
    ) -> anyhow::Result<T> {
        wait_until(&format!("fleet {}: {awaited}", self.name), timeout, async || {
            let view = self.view().await?;
            Ok(condition(&view).map_or_else(|| Poll::NotYet(format!("\n{view}")), Poll::Is))
        })
        .await
    }

    /// Waits until every group has its desired capacity and all its instances are healthy.
    pub async fn wait_until_idle(&self, timeout: Duration) -> anyhow::Result<FleetView> {
        self.wait_for("every instance works", timeout, |view| view.is_idle().then(|| view.clone())).await
    }
}

/// Changes of operators and their tools outside Driftless.
impl Fleet {
    /// An operator writes the weights of the listener, by group name.
    pub async fn write_weights(&self, weights: &[(&str, i32)]) -> anyhow::Result<()> {
        let listener = self.listener.as_deref().context("the fleet has no listener")?;
        let tuple = |(group, weight): &(&str, i32)| {
            let arn = self.target_group_of(group).map(str::to_owned);
            TargetGroupTuple::builder().set_target_group_arn(arn).weight(*weight).build()
        };
        let forward = ForwardActionConfig::builder().set_target_groups(Some(weights.iter().map(tuple).collect()));
        let action = Action::builder().r#type(ActionTypeEnum::Forward).forward_config(forward.build()).build();
        let request = self.clients.load_balancing.modify_listener().listener_arn(listener).default_actions(action);
        request.send().await?;
        Ok(())
    }
}

impl LocalStack {
    /// Registers an image of this account, with tags.
    pub async fn register_image(&self, name: &str, tags: &[(&str, &str)]) -> anyhow::Result<String> {
        register_image(self.clients(), name, tags).await
    }

    /// Registers the image of a build for a fleet, as its pipeline does, without an event.
    pub async fn register_build(&self, fleet: &str, build: &str) -> anyhow::Result<String> {
        register_build(self.clients(), fleet, build).await
    }

    /// The group of each instance, terminated ones included.
    pub async fn groups_of_instances(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let instances = managed_instances(self.clients()).await?;
        let with_group = |instance: aws_sdk_ec2::types::Instance| {
            let group = group_of(&instance)?;
            Some((instance.instance_id?, group))
        };
        Ok(instances.into_iter().filter_map(with_group).collect())
    }
}

/// The group that has launched an instance.
pub(crate) fn group_of(instance: &aws_sdk_ec2::types::Instance) -> Option<String> {
    instance.tags().iter().find(|tag| tag.key() == Some(GROUP_TAG))?.value().map(str::to_owned)
}

async fn register_build(clients: &Clients, fleet: &str, build: &str) -> anyhow::Result<String> {
    let tags = [("driftless:image-for", fleet), ("driftless:build", build)];
    register_image(clients, &format!("{fleet}-{build}"), &tags).await
}

async fn register_image(clients: &Clients, name: &str, tags: &[(&str, &str)]) -> anyhow::Result<String> {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build());
    let tags = TagSpecification::builder().resource_type(ResourceType::Image).set_tags(Some(tags.collect())).build();
    // EC2 refuses a specification without tags.
    let tags = (!tags.tags().is_empty()).then(|| vec![tags]);
    let request = clients.ec2.register_image().name(name).architecture(ArchitectureValues::Arm64);
    let request = request.root_device_name("/dev/xvda").set_tag_specifications(tags);
    request.send().await?.image_id.context("the image has no id")
}

/// Every instance that a group has launched, terminated ones included.
pub(crate) async fn managed_instances(clients: &Clients) -> anyhow::Result<Vec<aws_sdk_ec2::types::Instance>> {
    let filter = Filter::builder().name("tag-key").values(GROUP_TAG).build();
    let pages = clients.ec2.describe_instances().filters(filter).into_paginator().items().send();
    let reservations = pages.collect::<Result<Vec<_>, _>>().await?;
    Ok(reservations.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default()).collect())
}
