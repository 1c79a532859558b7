//! The ports to AWS. Each method is one call, which the simulated AWS answers in its state when the call arrives.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::action::{CapacityChange, Protection, WeightChange};
use driftless_planner::alarm::{Alarm, AlarmPattern};
use driftless_planner::balancer::{AttachmentApi, Forward, TargetGroupSettings};
use driftless_planner::ids::{
    AlarmName, FleetName, GroupName, ImageId, InstanceId, RefreshId, RuleName, TargetGroupArn, TemplateId, Zone,
};
use driftless_planner::image::Image;
use driftless_planner::observation::{Ec2Instance, Group, LaunchFailure, RuleReading, TargetHealth};
use driftless_planner::refresh::{Refresh, RefreshPlan};
use driftless_planner::template::{TemplateContent, TemplateVersion};
use driftless_reconciler::ports::{
    Alarms, CallResult, Compliance, Ec2Instances, Groups, Launched, LoadBalancers, Members,
};
use jiff::SignedDuration;

use super::{Api, Function};
use crate::aws_writes::AwsWrite;
use crate::cloud::Cloud;

impl Groups for Function {
    async fn groups_of(&self, fleet: &FleetName) -> CallResult<Vec<Group>> {
        let (fleet, id) = (fleet.clone(), self.id);
        self.read("autoscaling:DescribeAutoScalingGroups", Api::Bucketed, &fleet.clone(), move |world| {
            let lag = world.trail();
            world.history.looks_at_groups(id, &fleet, world.now - lag);
            world.cloud.trailing(lag, |cloud| cloud.groups_of(&fleet))
        })
        .await
    }

    async fn all_groups(&self) -> CallResult<Vec<Group>> {
        self.call("autoscaling:DescribeAutoScalingGroups", Api::Bucketed, move |world| {
            let lag = world.trail();
            world.cloud.trailing(lag, Cloud::all_groups)
        })
        .await
    }

    async fn group(&self, name: &GroupName) -> CallResult<Option<Group>> {
        let name = name.clone();
        self.call("autoscaling:DescribeAutoScalingGroups (group)", Api::Bucketed, move |world| world.cloud.group(&name))
            .await
    }

    async fn fleets_of_groups(&self, names: &BTreeSet<GroupName>) -> CallResult<BTreeMap<GroupName, Members>> {
        let names = names.clone();
        self.call("autoscaling:DescribeAutoScalingGroups", Api::Bucketed, move |world| {
            world.cloud.fleets_of_groups(&names)
        })
        .await
    }

    async fn groups_of_instances(&self, ids: &BTreeSet<InstanceId>) -> CallResult<BTreeMap<InstanceId, GroupName>> {
        let ids = ids.clone();
        self.call("autoscaling:DescribeAutoScalingInstances", Api::Bucketed, move |world| {
            world.cloud.groups_of_instances(&ids)
        })
        .await
    }

    async fn refresh(&self, group: &GroupName) -> CallResult<Option<Refresh>> {
        let group = group.clone();
        self.read("autoscaling:DescribeInstanceRefreshes", Api::Bucketed, &group.clone(), move |world| {
            world.cloud.refresh(&group)
        })
        .await
    }

    async fn hook_timeout(&self, group: &GroupName) -> CallResult<SignedDuration> {
        let group = group.clone();
        self.read("autoscaling:DescribeLifecycleHooks", Api::Bucketed, &group.clone(), move |world| {
            world.cloud.hook_timeout(&group)
        })
        .await
    }

    async fn launch_failure(&self, group: &GroupName) -> CallResult<Option<LaunchFailure>> {
        let group = group.clone();
        self.read("autoscaling:DescribeScalingActivities", Api::Bucketed, &group.clone(), move |world| {
            world.cloud.launch_failure(&group)
        })
        .await
    }

    async fn set_minimum(&self, group: &GroupName, minimum: u32) -> CallResult<()> {
        let group = group.clone();
        self.write(
            "autoscaling:UpdateAutoScalingGroup (minimum)",
            Api::Bucketed,
            AwsWrite::Minimum { group: group.clone(), minimum },
            move |world| world.cloud.set_minimum(&group, minimum),
        )
        .await
    }

    async fn set_maximum(&self, group: &GroupName, maximum: u32) -> CallResult<()> {
        let group = group.clone();
        self.write(
            "autoscaling:UpdateAutoScalingGroup (maximum)",
            Api::Bucketed,
            AwsWrite::Maximum { group: group.clone(), maximum },
            move |world| world.cloud.set_maximum(&group, maximum),
        )
        .await
    }

    async fn set_desired(&self, group: &GroupName, desired: u32) -> CallResult<()> {
        let group = group.clone();
        self.write(
            "autoscaling:SetDesiredCapacity",
            Api::Bucketed,
            AwsWrite::Desired { group: group.clone(), desired },
            move |world| world.cloud.set_desired(&group, desired),
        )
        .await
    }

    async fn launch(&self, group: &GroupName, zone: &Zone, token: &str) -> CallResult<Launched> {
        let (group, zone, token) = (group.clone(), zone.clone(), token.to_owned());
        self.write(
            "autoscaling:LaunchInstances",
            Api::Bucketed,
            AwsWrite::Launch { group: group.clone(), zone: zone.clone() },
            move |world| {
                let launched = world.cloud.launch(&group, &zone, &token)?;
                if let Launched::Instance(instance) = &launched {
                    world.aws_writes.launched.insert(instance.clone(), world.now);
                }
                Ok(launched)
            },
        )
        .await
    }

    async fn protect(&self, group: &GroupName, instance: &InstanceId, protection: Protection) -> CallResult<()> {
        let (group, instance) = (group.clone(), instance.clone());
        self.write(
            "autoscaling:SetInstanceProtection",
            Api::Bucketed,
            AwsWrite::Protect { group: group.clone(), instance: instance.clone(), on: protection == Protection::On },
            move |world| world.cloud.protect(&group, &instance, protection),
        )
        .await
    }

    async fn terminate(&self, instance: &InstanceId, capacity: CapacityChange) -> CallResult<()> {
        let instance = instance.clone();
        self.write(
            "autoscaling:TerminateInstanceInAutoScalingGroup",
            Api::Bucketed,
            AwsWrite::Terminate { instance: instance.clone(), capacity },
            move |world| world.cloud.terminate(&instance, capacity),
        )
        .await
    }

    async fn empty(&self, group: &GroupName, maximum: u32) -> CallResult<()> {
        let group = group.clone();
        self.write(
            "autoscaling:UpdateAutoScalingGroup (scale-to-zero)",
            Api::Bucketed,
            AwsWrite::ScaleToZero { group: group.clone() },
            move |world| world.cloud.empty(&group, maximum),
        )
        .await
    }

    async fn enter_standby(
        &self,
        group: &GroupName,
        instance: &InstanceId,
        capacity: CapacityChange,
    ) -> CallResult<()> {
        let (group, instance) = (group.clone(), instance.clone());
        self.write(
            "autoscaling:EnterStandby",
            Api::Bucketed,
            AwsWrite::EnterStandby { group: group.clone(), instance: instance.clone(), capacity },
            move |world| world.cloud.enter_standby(&group, &instance, capacity),
        )
        .await
    }

    async fn set_template(&self, group: &GroupName, template: &TemplateVersion) -> CallResult<()> {
        let (group, template) = (group.clone(), template.clone());
        self.write(
            "autoscaling:UpdateAutoScalingGroup (template)",
            Api::Bucketed,
            AwsWrite::Template { group: group.clone() },
            move |world| world.cloud.set_template(&group, &template),
        )
        .await
    }

    async fn attach(&self, group: &GroupName, target_group: &TargetGroupArn, api: AttachmentApi) -> CallResult<()> {
        let (group, target_group) = (group.clone(), target_group.clone());
        self.write(
            "autoscaling:AttachTrafficSources",
            Api::Bucketed,
            AwsWrite::Attach { group: group.clone(), target_group: target_group.clone(), api },
            move |world| world.cloud.attach(&group, &target_group, api),
        )
        .await
    }

    async fn detach(&self, group: &GroupName, target_group: &TargetGroupArn, api: AttachmentApi) -> CallResult<()> {
        let (group, target_group) = (group.clone(), target_group.clone());
        self.write(
            "autoscaling:DetachTrafficSources",
            Api::Bucketed,
            AwsWrite::Detach { group: group.clone(), target_group: target_group.clone() },
            move |world| world.cloud.detach(&group, &target_group, api),
        )
        .await
    }

    async fn start_refresh(&self, group: &GroupName, plan: &RefreshPlan) -> CallResult<RefreshId> {
        let (group, plan) = (group.clone(), plan.clone());
        self.write(
            "autoscaling:StartInstanceRefresh",
            Api::Bucketed,
            AwsWrite::StartRefresh { group: group.clone(), template: plan.template.clone() },
            move |world| world.cloud.start_refresh(&group, &plan),
        )
        .await
    }

    async fn roll_back_refresh(&self, group: &GroupName) -> CallResult<()> {
        let group = group.clone();
        self.write(
            "autoscaling:RollbackInstanceRefresh",
            Api::Bucketed,
            AwsWrite::RollBackRefresh { group: group.clone() },
            move |world| world.cloud.roll_back_refresh(&group),
        )
        .await
    }
}

impl LoadBalancers for Function {
    async fn forwards(&self, target_groups: &BTreeSet<TargetGroupArn>) -> CallResult<Vec<Forward>> {
        let target_groups = target_groups.clone();
        self.read("elasticloadbalancing:DescribeRules", Api::Roomy, &target_groups.clone(), move |world| {
            world.cloud.forwards(&target_groups)
        })
        .await
    }

    async fn target_health(&self, target_group: &TargetGroupArn) -> CallResult<BTreeMap<InstanceId, TargetHealth>> {
        let target_group = target_group.clone();
        self.read("elasticloadbalancing:DescribeTargetHealth", Api::Roomy, &target_group.clone(), move |world| {
            world.cloud.target_health(&target_group)
        })
        .await
    }

    async fn target_group_settings(
        &self,
        target_groups: &BTreeSet<TargetGroupArn>,
    ) -> CallResult<BTreeMap<TargetGroupArn, TargetGroupSettings>> {
        let target_groups = target_groups.clone();
        self.read(
            "elasticloadbalancing:DescribeTargetGroupAttributes",
            Api::Roomy,
            &target_groups.clone(),
            move |world| world.cloud.target_group_settings(&target_groups),
        )
        .await
    }

    async fn set_weights(&self, change: &WeightChange) -> CallResult<()> {
        let change = change.clone();
        self.write("elasticloadbalancing:ModifyRule", Api::Roomy, AwsWrite::Weights(change.clone()), move |world| {
            if world.fault_plan.ignores_weights(world.now) { Ok(()) } else { world.cloud.set_weights(&change) }
        })
        .await
    }
}

impl Compliance for Function {
    async fn non_compliant(&self, rule: &RuleName) -> CallResult<RuleReading> {
        let rule = rule.clone();
        self.read("config:GetComplianceDetailsByConfigRule", Api::Roomy, &rule.clone(), move |world| {
            world.non_compliant(&rule)
        })
        .await
    }
}

impl Ec2Instances for Function {
    async fn machines(&self, ids: &BTreeSet<InstanceId>) -> CallResult<BTreeMap<InstanceId, Ec2Instance>> {
        let ids = ids.clone();
        self.read("ec2:DescribeInstances", Api::Bucketed, &ids.clone(), move |world| world.cloud.machines(&ids)).await
    }

    async fn template(&self, version: &TemplateVersion) -> CallResult<Option<TemplateContent>> {
        let version = version.clone();
        self.read("ec2:DescribeLaunchTemplateVersions", Api::Bucketed, &version.clone(), move |world| {
            world.cloud.template(&version)
        })
        .await
    }

    async fn newest_template(&self, template: &TemplateId) -> CallResult<Option<u64>> {
        let template = template.clone();
        self.read("ec2:DescribeLaunchTemplates", Api::Bucketed, &template.clone(), move |world| {
            world.cloud.newest_template(&template)
        })
        .await
    }

    async fn write_template(
        &self,
        template: &TemplateId,
        base: &TemplateVersion,
        image: &ImageId,
        token: &str,
    ) -> CallResult<TemplateVersion> {
        let (template, base, image, token) = (template.clone(), base.clone(), image.clone(), token.to_owned());
        self.write(
            "ec2:CreateLaunchTemplateVersion",
            Api::Bucketed,
            AwsWrite::WriteTemplate { image: image.clone() },
            move |world| world.cloud.write_template(&template, &base, &image, &token),
        )
        .await
    }

    async fn images_for(&self, fleet: &FleetName) -> CallResult<Vec<Image>> {
        let fleet = fleet.clone();
        self.read("ec2:DescribeImages", Api::Bucketed, &fleet.clone(), move |world| world.cloud.images_for(&fleet))
            .await
    }

    async fn all_images(&self) -> CallResult<Vec<Image>> {
        self.call("ec2:DescribeImages", Api::Bucketed, move |world| world.cloud.all_images()).await
    }

    async fn images(&self, ids: &BTreeSet<ImageId>) -> CallResult<BTreeMap<ImageId, Image>> {
        let ids = ids.clone();
        self.read("ec2:DescribeImages (by id)", Api::Bucketed, &ids.clone(), move |world| world.cloud.images(&ids))
            .await
    }

    async fn images_built_as(&self, arn: &str) -> CallResult<Vec<Image>> {
        let arn = arn.to_owned();
        self.call("imagebuilder:GetImage", Api::Bucketed, move |world| world.cloud.images_built_as(&arn)).await
    }
}

impl Alarms for Function {
    async fn alarms(&self, patterns: &BTreeSet<AlarmPattern>) -> CallResult<BTreeMap<AlarmName, Alarm>> {
        let patterns = patterns.clone();
        self.read("cloudwatch:DescribeAlarms", Api::Roomy, &patterns.clone(), move |world| {
            world.cloud.alarms(&patterns)
        })
        .await
    }

    async fn in_alarm(&self) -> CallResult<BTreeMap<AlarmName, Alarm>> {
        self.call("cloudwatch:DescribeAlarms (ringing)", Api::Roomy, move |world| world.cloud.in_alarm()).await
    }
}
