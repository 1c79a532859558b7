//! Creates a fleet as the Terraform module does.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use aws_sdk_autoscaling::types::{LaunchTemplateSpecification, Tag};
use aws_sdk_ec2::types::{InstanceType, RequestLaunchTemplateData, ResourceType, TagSpecification};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateCognitoActionConfig, FixedResponseActionConfig, ForwardActionConfig,
    ProtocolEnum, RuleCondition, TargetGroupStickinessConfig, TargetGroupTuple, TargetTypeEnum,
};

use super::{FLEET_TAG, Fleet, GroupName};
use crate::clients::Clients;
use crate::stack::LocalStack;

/// A fleet to create.
#[derive(Debug, Clone)]
pub struct FleetSpec {
    name: String,
    colors: Vec<&'static str>,
    instances: i32,
    max: i32,
    is_balanced: bool,
    shares_target_group: bool,
    is_behind_a_rule: bool,
    grace_seconds: i32,
    warmup_seconds: i32,
    template_version: &'static str,
    policy: Vec<(String, String)>,
}

impl FleetSpec {
    /// A blue/green pair behind a load balancer with all traffic on blue. Green is empty.
    pub fn pair(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            colors: vec!["blue", "green"],
            instances: 1,
            max: 10,
            is_balanced: true,
            shares_target_group: false,
            is_behind_a_rule: false,
            grace_seconds: 0,
            warmup_seconds: 0,
            template_version: "1",
            policy: Vec::new(),
        }
    }

    /// A single group behind a load balancer.
    pub fn single(name: &str) -> Self {
        Self { colors: vec![""], ..Self::pair(name) }
    }

    /// Without a load balancer.
    #[must_use]
    pub const fn no_load_balancer(mut self) -> Self {
        self.is_balanced = false;
        self
    }

    /// One target group for both colors; the idle color is detached from it.
    #[must_use]
    pub const fn sharing_a_target_group(mut self) -> Self {
        self.shares_target_group = true;
        self
    }

    /// Traffic comes through one of several rules of a listener, which authenticates users first and has stickiness.
    #[must_use]
    pub const fn behind_a_rule(mut self) -> Self {
        self.is_behind_a_rule = true;
        self
    }

    /// The instances of the live group, and its minimum.
    #[must_use]
    pub const fn instances(mut self, count: i32) -> Self {
        self.instances = count;
        self
    }

    /// The maximum of each group.
    #[must_use]
    pub const fn max(mut self, count: i32) -> Self {
        self.max = count;
        self
    }

    /// `HealthCheckGracePeriod`.
    #[must_use]
    pub const fn grace_seconds(mut self, seconds: i32) -> Self {
        self.grace_seconds = seconds;
        self
    }

    /// `DefaultInstanceWarmup`.
    #[must_use]
    pub const fn warmup_seconds(mut self, seconds: i32) -> Self {
        self.warmup_seconds = seconds;
        self
    }

    /// The version of the launch template in the groups, such as `$Latest`.
    #[must_use]
    pub const fn template_version(mut self, version: &'static str) -> Self {
        self.template_version = version;
        self
    }

    /// Policy tags, without their prefix: `("mode", "act")`.
    #[must_use]
    pub fn policy(mut self, pairs: &[(&str, &str)]) -> Self {
        self.policy.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        self
    }

    /// Creates the fleet. Its instances are still launching when this returns: see [`Fleet::wait_until_idle`].
    pub async fn create(&self, stack: &LocalStack) -> anyhow::Result<Fleet> {
        self.create_with(stack.clients()).await.with_context(|| format!("fleet {} was not created", self.name))
    }

    async fn create_with(&self, clients: &Clients) -> anyhow::Result<Fleet> {
        let subnets = two_subnets(clients).await?;
        let image = super::register_build(clients, &self.name, "1").await?;
        let mut groups = Vec::new();
        for color in &self.colors {
            let name = if color.is_empty() { self.name.clone() } else { format!("{}-{color}", self.name) };
            let is_attached = self.is_balanced && (groups.is_empty() || !self.shares_target_group);
            let target_group = if is_attached { Some(create_target_group(clients, &name).await?) } else { None };
            let template = create_template(clients, &name, &self.name, &image).await?;
            groups.push(GroupName { name, template, target_group });
        }
        let balanced =
            if self.is_balanced { Some(self.create_balancer(clients, &subnets, &groups).await?) } else { None };
        let (listener, rule) = balanced.unzip();
        for (position, (group, color)) in groups.iter().zip(&self.colors).enumerate() {
            let size = if position == 0 { self.instances } else { 0 };
            self.create_group(clients, group, color, &subnets, size).await?;
        }
        let (name, rule, clients) = (self.name.clone(), rule.flatten(), clients.clone());
        Ok(Fleet { name, image, groups, listener, rule, images: Arc::default(), clients })
    }

    async fn create_group(
        &self,
        clients: &Clients,
        group: &GroupName,
        color: &str,
        subnets: &[String],
        size: i32,
    ) -> anyhow::Result<()> {
        let template = LaunchTemplateSpecification::builder().launch_template_id(&group.template);
        let template = template.version(self.template_version).build();
        let mut request = clients
            .autoscaling
            .create_auto_scaling_group()
            .auto_scaling_group_name(&group.name)
            .launch_template(template)
            .min_size(size)
            .desired_capacity(size)
            .max_size(self.max)
            .vpc_zone_identifier(subnets.join(","))
            .health_check_grace_period(self.grace_seconds)
            .default_instance_warmup(self.warmup_seconds)
            .set_tags(Some(self.tags(group, color)));
        if let Some(target_group) = &group.target_group {
            request = request.target_group_arns(target_group).health_check_type("ELB");
        }
        request.send().await?;
        Ok(())
    }

    /// A load balancer whose listener, or one of its rules, sends all traffic to the first group. Returns both.
    async fn create_balancer(
        &self,
        clients: &Clients,
        subnets: &[String],
        groups: &[GroupName],
    ) -> anyhow::Result<(String, Option<String>)> {
        let request = clients.load_balancing.create_load_balancer().name(&self.name);
        let mut made = request.set_subnets(Some(subnets.to_vec())).send().await?.load_balancers.unwrap_or_default();
        let balancer = made.pop().and_then(|balancer| balancer.load_balancer_arn);
        let action = if self.is_behind_a_rule {
            Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(not_here("404"))
        } else {
            Action::builder().r#type(ActionTypeEnum::Forward).forward_config(forward(groups))
        };
        let request =
            clients.load_balancing.create_listener().default_actions(action.build()).tags(fleet_tag(&self.name));
        let request = request.load_balancer_arn(balancer.context("the load balancer has no ARN")?);
        let mut made = request.protocol(ProtocolEnum::Http).port(80).send().await?.listeners.unwrap_or_default();
        let listener = made.pop().and_then(|listener| listener.listener_arn).context("the listener has no ARN")?;
        let rule = if self.is_behind_a_rule {
            Some(create_rules(clients, &listener, &self.name, forward(groups)).await?)
        } else {
            None
        };
        Ok((listener, rule))
    }

    fn tags(&self, group: &GroupName, color: &str) -> Vec<Tag> {
        let identity =
            [("fleet", self.name.as_str()), ("color", color)].into_iter().filter(|(_, value)| !value.is_empty());
        let policy = self.policy.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let tag = |(key, value): (&str, &str)| {
            let tag = Tag::builder().key(format!("driftless:{key}")).value(value).propagate_at_launch(false);
            tag.resource_id(&group.name).resource_type("auto-scaling-group").build()
        };
        identity.chain(policy).map(tag).collect()
    }
}

/// Two subnets of the default network, in two zones.
async fn two_subnets(clients: &Clients) -> anyhow::Result<Vec<String>> {
    let mut subnets = clients.ec2.describe_subnets().send().await?.subnets.unwrap_or_default();
    subnets.sort_by(|one, other| one.availability_zone.cmp(&other.availability_zone));
    subnets.dedup_by(|one, other| one.availability_zone == other.availability_zone);
    let ids: Vec<String> = subnets.into_iter().filter_map(|subnet| subnet.subnet_id).take(2).collect();
    ensure!(ids.len() == 2, "the default network has no two zones");
    Ok(ids)
}

async fn create_template(clients: &Clients, name: &str, fleet: &str, image: &str) -> anyhow::Result<String> {
    let data = RequestLaunchTemplateData::builder().image_id(image).instance_type(InstanceType::T4gSmall).build();
    let tag = aws_sdk_ec2::types::Tag::builder().key(FLEET_TAG).value(fleet).build();
    let tags = TagSpecification::builder().resource_type(ResourceType::LaunchTemplate).tags(tag).build();
    let request = clients.ec2.create_launch_template().launch_template_name(name).launch_template_data(data);
    let template = request.tag_specifications(tags).send().await?.launch_template;
    template.and_then(|template| template.launch_template_id).context("the launch template has no id")
}

async fn create_target_group(clients: &Clients, name: &str) -> anyhow::Result<String> {
    let vpcs = clients.ec2.describe_vpcs().send().await?.vpcs.unwrap_or_default();
    let vpc = vpcs.into_iter().find(|vpc| vpc.is_default == Some(true)).context("there is no default network")?;
    let request = clients.load_balancing.create_target_group().name(name).set_vpc_id(vpc.vpc_id);
    let request = request.protocol(ProtocolEnum::Http).port(80).target_type(TargetTypeEnum::Instance);
    let mut made = request.send().await?.target_groups.unwrap_or_default();
    made.pop().and_then(|group| group.target_group_arn).context("the target group has no ARN")
}

fn fleet_tag(fleet: &str) -> aws_sdk_elasticloadbalancingv2::types::Tag {
    aws_sdk_elasticloadbalancingv2::types::Tag::builder().key(FLEET_TAG).value(fleet).build()
}

/// Forwards all traffic to the first group.
fn forward(groups: &[GroupName]) -> ForwardActionConfig {
    let attached = groups.iter().filter(|group| group.target_group.is_some());
    let weighted = attached.enumerate().map(|(position, group)| {
        let weight = if position == 0 { 100 } else { 0 };
        TargetGroupTuple::builder().set_target_group_arn(group.target_group.clone()).weight(weight).build()
    });
    ForwardActionConfig::builder().set_target_groups(Some(weighted.collect())).build()
}

/// A rule that authenticates users before it forwards, beside another rule.
async fn create_rules(
    clients: &Clients,
    listener: &str,
    fleet: &str,
    mut forward: ForwardActionConfig,
) -> anyhow::Result<String> {
    let maintenance = Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(not_here("503"));
    let paths = |path: &str| RuleCondition::builder().field("path-pattern").values(path).build();
    let other = clients.load_balancing.create_rule().listener_arn(listener).priority(1).conditions(paths("/old/*"));
    other.actions(maintenance.build()).send().await?;

    let pool = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_people";
    let sign_in = AuthenticateCognitoActionConfig::builder().user_pool_arn(pool).user_pool_client_id("app");
    let sign_in = sign_in.user_pool_domain("people").session_timeout(3600).build();
    let sign_in = Action::builder().r#type(ActionTypeEnum::AuthenticateCognito).authenticate_cognito_config(sign_in);
    let sticky = TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(2).build();
    forward.target_group_stickiness_config = Some(sticky);
    let forward = Action::builder().r#type(ActionTypeEnum::Forward).forward_config(forward).order(2).build();
    let hosts = RuleCondition::builder().field("host-header").values("app.example.com").build();
    let request = clients.load_balancing.create_rule().listener_arn(listener).priority(10).tags(fleet_tag(fleet));
    let request = request.conditions(hosts).conditions(paths("/app/*"));
    let made = request.actions(sign_in.order(1).build()).actions(forward).send().await?;
    let mut rules = made.rules.unwrap_or_default();
    rules.pop().and_then(|rule| rule.rule_arn).context("the rule has no ARN")
}

fn not_here(status: &str) -> FixedResponseActionConfig {
    FixedResponseActionConfig::builder().status_code(status).content_type("text/plain").message_body("not here").build()
}
