//! A fleet as AWS shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use anyhow::Context as _;
use aws_sdk_autoscaling::types::{AutoScalingGroup, Instance};
use serde::Serialize;

use super::Fleet;

/// A fleet at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetView {
    /// Its groups, by name.
    pub groups: Vec<GroupView>,
}

/// A group at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupView {
    pub name: String,
    pub min: i32,
    pub max: i32,
    pub desired: i32,
    /// Its instances, by id.
    pub instances: Vec<InstanceView>,
}

/// An instance of a group at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceView {
    pub id: String,
    pub zone: String,
    pub lifecycle: String,
    pub health: String,
    /// The target health, such as `healthy`. None: the instance is not a target.
    pub target: Option<String>,
    /// The launch template version that it was launched with.
    pub template_version: Option<String>,
    pub image: Option<String>,
    /// Whether it is protected from scale-in.
    pub is_protected: bool,
}

impl InstanceView {
    /// Whether the instance is healthy: in service and, behind a load balancer, a healthy target.
    pub fn serves(&self) -> bool {
        let target_is_fine = self.target.as_deref().is_none_or(|health| health == "healthy");
        self.lifecycle == "InService" && self.health == "Healthy" && target_is_fine
    }
}

impl GroupView {
    /// Number of its healthy instances.
    pub fn serving(&self) -> usize {
        self.instances.iter().filter(|instance| instance.serves()).count()
    }

    /// Whether the group has its desired capacity and all its instances are healthy.
    pub fn is_idle(&self) -> bool {
        let desired = usize::try_from(self.desired).unwrap_or_default();
        self.instances.len() == desired && self.serving() == desired
    }
}

impl FleetView {
    /// A group, by its color; the group of a single one by any.
    pub fn group(&self, color: &str) -> anyhow::Result<&GroupView> {
        let mut groups = self.groups.iter();
        let is_wanted = |group: &&GroupView| self.groups.len() == 1 || group.name.ends_with(&format!("-{color}"));
        groups.find(is_wanted).with_context(|| format!("there is no {color} group:\n{self}"))
    }

    /// An instance, by its id.
    pub fn instance(&self, id: &str) -> Option<&InstanceView> {
        self.groups.iter().flat_map(|group| &group.instances).find(|instance| instance.id == id)
    }

    /// Number of healthy instances.
    pub fn serving(&self) -> usize {
        self.groups.iter().map(GroupView::serving).sum()
    }

    /// Whether every group is idle.
    pub fn is_idle(&self) -> bool {
        self.groups.iter().all(GroupView::is_idle)
    }
}

impl std::fmt::Display for FleetView {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for group in &self.groups {
            writeln!(formatter, "{} wants {} ({} to {})", group.name, group.desired, group.min, group.max)?;
            for instance in &group.instances {
                let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
                writeln!(
                    formatter,
                    "  {} {} {} {} target {} version {}{}",
                    instance.id,
                    instance.zone,
                    instance.lifecycle,
                    instance.health,
                    or_none(&instance.target),
                    or_none(&instance.template_version),
                    if instance.is_protected { " protected" } else { "" }
                )?;
            }
        }
        Ok(())
    }
}

impl Fleet {
    /// The current state in AWS.
    pub async fn view(&self) -> anyhow::Result<FleetView> {
        let names: Vec<String> = self.groups.iter().map(|group| group.name.clone()).collect();
        let request = self.clients.autoscaling.describe_auto_scaling_groups().set_auto_scaling_group_names(Some(names));
        let described = request.send().await?.auto_scaling_groups.unwrap_or_default();
        let instances = described.iter().flat_map(AutoScalingGroup::instances).filter_map(Instance::instance_id);
        let images = self.images_of(instances).await?;
        let mut groups = Vec::new();
        for group in described {
            let targets = self.targets(group.target_group_arns()).await?;
            let mut instances: Vec<_> =
                group.instances().iter().map(|instance| shown(instance, targets.as_ref(), &images)).collect();
            instances.sort_by(|one, other| one.id.cmp(&other.id));
            groups.push(GroupView {
                name: group.auto_scaling_group_name.unwrap_or_default(),
                min: group.min_size.unwrap_or_default(),
                max: group.max_size.unwrap_or_default(),
                desired: group.desired_capacity.unwrap_or_default(),
                instances,
            });
        }
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(FleetView { groups })
    }

    /// The weight that the listener gives to each group, by the group's name.
    pub async fn weights(&self) -> anyhow::Result<BTreeMap<String, i32>> {
        if self.listener.is_none() {
            return Ok(BTreeMap::new());
        }
        let name = |arn: &str| self.groups.iter().find(|group| group.target_group.as_deref() == Some(arn));
        let forwards = self.forwards().await?.into_iter();
        Ok(forwards.filter_map(|(arn, weight)| Some((name(&arn)?.name.clone(), weight))).collect())
    }

    /// The user data that the instances of a group were launched with, in Base64, as their templates have it.
    pub async fn user_data_of(&self, group: &GroupView) -> anyhow::Result<BTreeSet<Option<String>>> {
        let template = self.template_of(&group.name).context("the group has no launch template")?;
        let versions = group.instances.iter().filter_map(|instance| instance.template_version.clone()).collect();
        let request = self.clients.ec2.describe_launch_template_versions().launch_template_id(template);
        let answer = request.set_versions(Some(versions)).send().await?;
        let versions = answer.launch_template_versions.unwrap_or_default().into_iter();
        Ok(versions.filter_map(|version| version.launch_template_data).map(|data| data.user_data).collect())
    }

    /// The images of instances, by their ids.
    async fn images_of(&self, mut ids: impl Iterator<Item = &str>) -> anyhow::Result<BTreeMap<String, String>> {
        let known = || self.images.lock().unwrap_or_else(PoisonError::into_inner);
        let is_complete = {
            let known = known();
            ids.all(|id| known.contains_key(id))
        };
        if !is_complete {
            let instances = super::managed_instances(&self.clients).await?.into_iter();
            known().extend(instances.filter_map(|instance| Some((instance.instance_id?, instance.image_id?))));
        }
        Ok(known().clone())
    }

    /// The health of the targets of a group, by instance. None: the group has no load balancer.
    async fn targets(&self, target_groups: &[String]) -> anyhow::Result<Option<BTreeMap<String, String>>> {
        match target_groups.first() {
            Some(arn) => self.health_of_targets(arn).await.map(Some),
            None => Ok(None),
        }
    }
}

fn shown(
    instance: &Instance,
    targets: Option<&BTreeMap<String, String>>,
    images: &BTreeMap<String, String>,
) -> InstanceView {
    let id = instance.instance_id().unwrap_or_default().to_owned();
    let registered =
        |targets: &BTreeMap<String, String>| targets.get(&id).cloned().unwrap_or_else(|| "absent".to_owned());
    InstanceView {
        zone: instance.availability_zone().unwrap_or_default().to_owned(),
        lifecycle: instance.lifecycle_state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
        health: instance.health_status().unwrap_or_default().to_owned(),
        target: targets.map(registered),
        template_version: instance.launch_template().and_then(|template| template.version()).map(str::to_owned),
        image: images.get(&id).cloned(),
        is_protected: instance.protected_from_scale_in().unwrap_or_default(),
        id,
    }
}
