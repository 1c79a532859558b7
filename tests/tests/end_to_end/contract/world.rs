//! The local stack with the production adapters, set up for the contracts.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, StateValue, Statistic};
use aws_sdk_ec2::types::{InstanceType, LaunchTemplateVersion, RequestLaunchTemplateData, Tag};
use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, ProtocolEnum, RuleCondition, TargetTypeEnum};
use driftless_aws::{Aws, Endpoints, Keys, Names, Roots, sdk_config};
use driftless_contract::{Color, Fleet, FleetSpec, Launches, World};
use driftless_planner::alarm::AlarmState;
use driftless_planner::balancer::ForwardPlace;
use driftless_planner::fact::ComplianceType;
use driftless_planner::ids::{AlarmName, FleetName, GroupName, ImageId, InstanceId, RuleName, TargetGroupArn};
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::template::TemplateVersion;
use driftless_tests::control::{LaunchInstances, Settings, Targets};
use driftless_tests::fleet::FleetSpec as MadeSpec;
use driftless_tests::stack::{LocalStack, REGION};
use jiff::SignedDuration;

const MOMENT: Duration = Duration::from_millis(50);
/// Half a minute in moments: longer than any contract takes.
const PATIENCE: usize = 600;
/// The timeout for the start of a fleet.
const UP: Duration = Duration::from_secs(15);
/// The duration of emulated changes: long enough to be observed, short enough to wait for.
const PACE: Duration = Duration::from_millis(200);

/// Known differences between the emulators and AWS, and why they stay.
const DIFFERENCES: [(&str, &str); 2] = [
    ("a_group_that_is_not_there_is_gone_to_attachments_too", "moto answers 500 where AWS says ValidationError"),
    (
        "nothing_is_set_aside_that_would_leave_less_than_the_minimum",
        "moto's EnterStandby knows no minimum; AWS refuses to go below it",
    ),
];

/// A local stack with the adapters on it.
pub(super) struct Local {
    stack: LocalStack,
    ports: Aws,
    images: AtomicU32,
}

impl Local {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let stack = LocalStack::lent().await?;
        let pace = Some(PACE);
        let settings = Settings { launch: pace, healthy: pace, drain: pace, ..Settings::default() };
        stack.control().set(&settings).await?;
        let ports = adapters(&stack)?;
        Ok(Self { stack, ports, images: AtomicU32::new(0) })
    }

    /// Every contract was checked.
    pub(super) async fn end(&self) -> anyhow::Result<()> {
        self.stack.leave_evidence().await
    }
}

/// The adapters of `reconcile`, with the local endpoints of its environment.
fn adapters(stack: &LocalStack) -> anyhow::Result<Aws> {
    let fleets = ["AUTO_SCALING", "CONFIG_SERVICE", "EC2", "ELASTIC_LOAD_BALANCING_V2"];
    let fleets = fleets.map(|service| (format!("AWS_ENDPOINT_URL_{service}"), stack.fleet_endpoint().to_owned()));
    let all = [("AWS_ENDPOINT_URL".to_owned(), stack.endpoint().to_owned())];
    let settings = driftless_aws::Settings {
        region: REGION.to_owned(),
        keys: Keys { access_key_id: "test".to_owned(), secret_access_key: "secret".to_owned(), session_token: None },
        endpoints: Endpoints::from_variables(all.into_iter().chain(fleets)),
        app_name: "contract".to_owned(),
        attempt_timeout: SignedDuration::from_secs(5),
        operation_timeout: SignedDuration::from_secs(10),
        roots: Roots::Amazon,
    };
    let output = |name: &str| stack.deployment().output(name).map(str::to_owned);
    let names = Names {
        table: output("TableName")?,
        reconcile_queue_url: output("ReconcileQueueUrl")?,
        alert_topic_arn: output("AlertTopicArn")?,
        chat_topic_arn: output("ChatTopicArn")?,
        event_bus: "default".to_owned(),
    };
    Ok(Aws::new(sdk_config(&settings)?, names))
}

impl World for Local {
    type Ports = Aws;

    fn ports(&self) -> &Aws {
        &self.ports
    }

    fn differs(&self, contract: &str) -> Option<&'static str> {
        DIFFERENCES.iter().find(|(name, _)| *name == contract).map(|(_, why)| *why)
    }

    async fn moment(&self) {
        tokio::time::sleep(MOMENT).await;
    }

    fn patience(&self) -> usize {
        PATIENCE
    }

    async fn fleet(&self, spec: &FleetSpec) -> anyhow::Result<Fleet> {
        let name = spec.name.as_str();
        let tags: Vec<(&str, &str)> = spec
            .tags
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("driftless:")?, value.as_str())))
            .collect();
        let made = MadeSpec::pair(name).instances(0).policy(&tags).create(&self.stack).await?;
        let color = |color: &str| -> anyhow::Result<Color> {
            let group = format!("{name}-{color}");
            let template = made.template_of(&group).context("no template")?.parse()?;
            let target_group = made.target_group_of(&group).context("no target group")?.parse()?;
            Ok(Color { group: group.parse()?, template: TemplateVersion { template, version: 1 }, target_group })
        };
        let (blue, green) = (color("blue")?, color("green")?);
        for (color, bounds) in [(&blue, spec.blue), (&green, spec.green)] {
            let request = self.stack.clients().autoscaling.update_auto_scaling_group();
            let request = request.auto_scaling_group_name(color.group.as_str()).min_size(size(bounds.min)?);
            request.max_size(size(bounds.max)?).desired_capacity(size(bounds.desired)?).send().await?;
        }
        made.wait_until_idle(UP).await?;
        let listener = made.listener().context("no listener")?;
        let image = made.image().parse()?;
        Ok(Fleet { name: spec.name.clone(), image, blue, green, place: ForwardPlace::Listener(listener.parse()?) })
    }

    async fn launches(&self, launches: Launches) -> anyhow::Result<()> {
        let launch_instances = Some(match launches {
            Launches::Succeed => LaunchInstances::Available,
            Launches::FindNoRoom => LaunchInstances::NoCapacity,
            Launches::AreNotOffered => LaunchInstances::Absent,
        });
        self.stack.control().set(&Settings { launch_instances, ..Settings::default() }).await
    }

    async fn suspend(&self, group: &GroupName, process: &str, is_suspended: bool) -> anyhow::Result<()> {
        let client = &self.stack.clients().autoscaling;
        if is_suspended {
            let request = client.suspend_processes().auto_scaling_group_name(group.as_str());
            request.scaling_processes(process).send().await?;
        } else {
            let request = client.resume_processes().auto_scaling_group_name(group.as_str());
            request.scaling_processes(process).send().await?;
        }
        Ok(())
    }

    async fn kill(&self, instance: &InstanceId) -> anyhow::Result<()> {
        self.stack.clients().ec2.terminate_instances().instance_ids(instance.as_str()).send().await?;
        Ok(())
    }

    async fn protect(&self, instance: &InstanceId, reason: &str) -> anyhow::Result<()> {
        let tag = Tag::builder().key("driftless:protect").value(reason).build();
        self.stack.clients().ec2.create_tags().resources(instance.as_str()).tags(tag).send().await?;
        Ok(())
    }

    async fn health(&self, instance: &InstanceId, passes: bool) -> anyhow::Result<()> {
        let target = Targets::Instance(instance.as_str());
        if passes {
            self.stack.control().pass_health_checks(target).await
        } else {
            self.stack.control().fail_health_checks(target).await
        }
    }

    async fn report_compliance(
        &self,
        instance: &InstanceId,
        rule: &RuleName,
        verdict: ComplianceType,
    ) -> anyhow::Result<()> {
        self.stack.control().set_compliance(instance.as_str(), rule.as_str(), verdict, None).await
    }

    async fn alarm(&self, name: &AlarmName, target_group: &TargetGroupArn, state: AlarmState) -> anyhow::Result<()> {
        let dimension = Dimension::builder().name("TargetGroup").value(target_group.dimension()).build();
        let request = self.stack.clients().cloudwatch.put_metric_alarm().alarm_name(name.as_str());
        let request = request.namespace("AWS/ApplicationELB").metric_name("HTTPCode_Target_5XX_Count");
        let request = request.dimensions(dimension).statistic(Statistic::Sum).period(60).evaluation_periods(3);
        let request = request.comparison_operator(ComparisonOperator::GreaterThanThreshold).threshold(1.0);
        request.send().await?;
        let value = match state {
            AlarmState::Ok => StateValue::Ok,
            AlarmState::Alarm => StateValue::Alarm,
            AlarmState::InsufficientData => StateValue::InsufficientData,
        };
        let request = self.stack.clients().cloudwatch.set_alarm_state().alarm_name(name.as_str());
        request.state_value(value).state_reason("a test").send().await?;
        Ok(())
    }

    async fn image(&self, fleet: Option<&FleetName>, build: Option<&str>) -> anyhow::Result<ImageId> {
        let name = format!("contract-{}", self.images.fetch_add(1, Ordering::Relaxed));
        let fleet = fleet.map(|fleet| ("driftless:image-for", fleet.as_str()));
        let tags: Vec<_> = fleet.into_iter().chain(build.map(|build| ("driftless:build", build))).collect();
        Ok(self.stack.register_image(&name, &tags).await?.parse()?)
    }

    async fn template(&self, base: &TemplateVersion) -> anyhow::Result<TemplateVersion> {
        let data = RequestLaunchTemplateData::builder().instance_type(InstanceType::T4gMedium).build();
        let request = self.stack.clients().ec2.create_launch_template_version();
        let request = request.launch_template_id(base.template.as_str()).source_version(base.version.to_string());
        let made = request.launch_template_data(data).send().await?;
        let number = made.launch_template_version().and_then(LaunchTemplateVersion::version_number);
        let version = u64::try_from(number.context("it has no number")?)?;
        Ok(TemplateVersion { version, ..base.clone() })
    }

    async fn rule(&self, fleet: &Fleet) -> anyhow::Result<ForwardPlace> {
        let action =
            Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(fleet.blue.target_group.as_str());
        let condition = RuleCondition::builder().field("path-pattern").values("/contract/*").build();
        let request = self.stack.clients().load_balancing.create_rule().listener_arn(fleet.place.to_string());
        let made = request.priority(1).conditions(condition).actions(action.build()).send().await?;
        let arn = made.rules().first().and_then(|rule| rule.rule_arn()).context("the rule has no ARN")?;
        Ok(ForwardPlace::Rule(arn.parse()?))
    }

    async fn target_group(&self, name: &str) -> anyhow::Result<TargetGroupArn> {
        let vpcs = self.stack.clients().ec2.describe_vpcs().send().await?;
        let vpc = vpcs.vpcs().first().and_then(|vpc| vpc.vpc_id()).context("there is no network")?;
        let request = self.stack.clients().load_balancing.create_target_group().name(name).vpc_id(vpc);
        let request = request.protocol(ProtocolEnum::Http).port(80).target_type(TargetTypeEnum::Instance);
        let made = request.send().await?;
        let arn = made.target_groups().first().and_then(|group| group.target_group_arn()).context("it has no ARN")?;
        Ok(arn.parse()?)
    }

    async fn freeze(&self, freeze: &Freeze) -> anyhow::Result<()> {
        Ok(self.ports.set_freeze(freeze).await?)
    }

    async fn thaw(&self, scope: &FreezeScope) -> anyhow::Result<()> {
        Ok(self.ports.lift_freeze(scope).await?)
    }
}

fn size(instances: u32) -> anyhow::Result<i32> {
    i32::try_from(instances).context("a size that AWS does not take")
}
