//! Auto Scaling with mocked clients: the requests that are sent, and how responses are read.

mod codes;

use std::str::FromStr;

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::DescribeAutoScalingGroupsOutput;
use aws_sdk_autoscaling::operation::describe_auto_scaling_instances::DescribeAutoScalingInstancesOutput;
use aws_sdk_autoscaling::operation::describe_instance_refreshes::DescribeInstanceRefreshesOutput;
use aws_sdk_autoscaling::operation::describe_scaling_activities::DescribeScalingActivitiesOutput;
use aws_sdk_autoscaling::types::builders::AutoScalingGroupBuilder;
use aws_sdk_autoscaling::types::{
    AutoScalingInstanceDetails, DesiredConfiguration, Instance, InstanceRefresh, InstanceRefreshStatus, LaunchTemplate,
    LaunchTemplateOverrides, LaunchTemplateSpecification, LifecycleState, MixedInstancesPolicy, SuspendedProcess,
    TagDescription, TrafficSourceIdentifier, WarmPoolConfiguration,
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_types::DateTime;
use driftless_planner::observation::Lifecycle;
use driftless_planner::refresh::RefreshStatus;
use driftless_planner::template::{TemplateReference, TemplateVersion};
use driftless_reconciler::ports::{CallErrorKind, Members};
use jiff::SignedDuration;

use super::*;
use crate::aws::testing::{on, with_autoscaling};
use crate::stub::StubAws;

const INSTANCE: &str = "i-0aa11bb22cc33dd44";
const TARGET_GROUP: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/app/73e2d6bc24d8a067";

fn id<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn specification(version: Option<&str>) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification::builder()
        .launch_template_id("lt-0123456789abcdef0")
        .set_version(version.map(str::to_owned))
        .build()
}

fn numbered(version: u64) -> TemplateVersion {
    TemplateVersion { template: id("lt-0123456789abcdef0"), version }
}

fn tag(key: &str, value: &str) -> TagDescription {
    TagDescription::builder().key(key).value(value).build()
}

fn raw() -> AutoScalingGroupBuilder {
    AutoScalingGroup::builder()
        .auto_scaling_group_name("app-blue")
        .min_size(1)
        .max_size(4)
        .desired_capacity(2)
        .health_check_grace_period(120)
        .launch_template(specification(Some("7")))
        .target_group_arns(TARGET_GROUP)
        .tags(tag("driftless:fleet", "app"))
}

fn member(state: LifecycleState, health: &str, version: &str) -> Instance {
    Instance::builder()
        .instance_id(INSTANCE)
        .availability_zone("us-east-1a")
        .lifecycle_state(state)
        .health_status(health)
        .protected_from_scale_in(true)
        .launch_template(specification(Some(version)))
        .build()
}

fn mapped(raw: AutoScalingGroupBuilder) -> CallResult<Group> {
    group::group(DESCRIBE_GROUPS, &raw.build())
}

fn client(rules: &[&Rule]) -> Aws {
    with_autoscaling(mock_client!(aws_sdk_autoscaling, RuleMode::MatchAny, rules))
}

#[tokio::test]
async fn the_groups_of_a_fleet_are_found_by_its_tag_in_all_pages() {
    let page = |token: Option<&str>| {
        let answer = DescribeAutoScalingGroupsOutput::builder().auto_scaling_groups(raw().build());
        answer.set_next_token(token.map(str::to_owned)).build()
    };
    let is_filter = |filter: &Filter| filter.name() == Some("tag:driftless:fleet") && filter.values() == ["app"];
    let first = mock!(Client::describe_auto_scaling_groups)
        .match_requests(move |request| {
            request.next_token().is_none()
                && request.max_records() == Some(100)
                && request.filters().iter().all(is_filter)
        })
        .then_output(move || page(Some("more")));
    let second = mock!(Client::describe_auto_scaling_groups)
        .match_requests(|request| request.next_token() == Some("more"))
        .then_output(move || page(None));
    let groups = client(&[&first, &second]).groups_of(&id("app")).await.unwrap();
    assert_eq!(groups.len(), 2);
    assert_eq!((first.num_calls(), second.num_calls()), (1, 1));
}

#[tokio::test]
async fn the_resync_asks_for_every_group_with_the_tag() {
    let rule = mock!(Client::describe_auto_scaling_groups)
        .match_requests(|request| {
            let filters = request.filters();
            filters.len() == 1 && filters[0].name() == Some("tag-key") && filters[0].values() == ["driftless:fleet"]
        })
        .then_output(|| DescribeAutoScalingGroupsOutput::builder().auto_scaling_groups(raw().build()).build());
    assert_eq!(client(&[&rule]).all_groups().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_missing_group_is_none() {
    let rule = mock!(Client::describe_auto_scaling_groups)
        .match_requests(|request| request.auto_scaling_group_names() == ["app-blue"])
        .then_output(|| DescribeAutoScalingGroupsOutput::builder().build());
    assert_eq!(client(&[&rule]).group(&id("app-blue")).await.unwrap(), None);
}

#[test]
fn a_group_is_read_whole() {
    let group = mapped(
        raw()
            .instances(member(LifecycleState::InService, "HEALTHY", "6"))
            .suspended_processes(SuspendedProcess::builder().process_name("AZRebalance").build())
            .new_instances_protected_from_scale_in(true)
            .traffic_sources(TrafficSourceIdentifier::builder().r#type("elbv2").identifier(TARGET_GROUP).build()),
    )
    .unwrap();
    assert_eq!((group.min, group.max, group.desired), (1, 4, 2));
    assert_eq!(group.template, TemplateReference::Numbered(numbered(7)));
    assert_eq!(group.tags["driftless:fleet"], "app");
    assert_eq!(group.target_groups, [id(TARGET_GROUP)]);
    assert!(group.suspended.contains("AZRebalance"));
    assert!(group.protects_new_instances && !group.deleting && group.unsupported.is_empty(), "{group:?}");
    let member = &group.members[0];
    assert_eq!((member.id.as_str(), member.zone.as_str()), (INSTANCE, "us-east-1a"));
    assert_eq!((member.lifecycle.clone(), member.healthy, member.protected), (Lifecycle::InService, true, true));
    assert_eq!(member.template, Some(numbered(6)));
}

#[test]
fn the_warm_up_is_the_groups_own_else_its_grace_period() {
    for (warm_up, seconds) in [(None, 120), (Some(-1), 120), (Some(0), 0), (Some(45), 45)] {
        let group = mapped(raw().set_default_instance_warmup(warm_up)).unwrap();
        assert_eq!(group.warm_up, SignedDuration::from_secs(seconds), "{warm_up:?}");
    }
}

#[test]
fn a_template_without_a_number_is_floating() {
    for (version, alias) in [(Some("$Latest"), "$Latest"), (Some("$Default"), "$Default"), (None, "$Default")] {
        let group = mapped(raw().launch_template(specification(version))).unwrap();
        let expected = TemplateReference::Floating { template: id("lt-0123456789abcdef0"), alias: alias.to_owned() };
        assert_eq!(group.template, expected);
    }
    let configured = mapped(raw().set_launch_template(None).launch_configuration_name("old")).unwrap();
    assert_eq!((configured.template, configured.unsupported.len()), (TemplateReference::None, 0));
    // An instance of an aliased version does not report a version number.
    let group = mapped(raw().instances(member(LifecycleState::InService, "Healthy", "$Latest"))).unwrap();
    assert_eq!(group.members[0].template, None);
}

#[test]
fn a_mixed_instances_policy_brings_its_template_and_its_types() {
    let mixed = |own: LaunchTemplateOverrides| {
        let template =
            LaunchTemplate::builder().launch_template_specification(specification(Some("9"))).overrides(own).build();
        raw()
            .set_launch_template(None)
            .mixed_instances_policy(MixedInstancesPolicy::builder().launch_template(template).build())
    };
    let types = LaunchTemplateOverrides::builder().instance_type("c7g.large");
    let group = mapped(mixed(types.clone().build())).unwrap();
    assert_eq!(group.template, TemplateReference::Numbered(numbered(9)));
    assert!(group.unsupported.is_empty(), "{:?}", group.unsupported);
    for (own, expected) in [
        (
            types.clone().launch_template_specification(specification(Some("1"))),
            "overrides with a launch template of their own",
        ),
        (types.clone().image_id("ami-0123456789abcdef0"), "overrides with an image of their own"),
        (types.clone().weighted_capacity("2"), "overrides with weights"),
    ] {
        assert_eq!(mapped(mixed(own.build())).unwrap().unsupported, [expected]);
    }
}

#[test]
fn unsupported_features_of_a_group_are_named() {
    let source = |kind: Option<&str>, identifier: &str| {
        TrafficSourceIdentifier::builder().set_type(kind.map(str::to_owned)).identifier(identifier).build()
    };
    let named = LaunchTemplateSpecification::builder().launch_template_name("app").version("1").build();
    for (raw, expected) in [
        (raw().warm_pool_configuration(WarmPoolConfiguration::builder().build()), "a warm pool"),
        (raw().desired_capacity_type("vcpu"), "capacity counted in vcpu"),
        (raw().load_balancer_names("old"), "a classic load balancer"),
        (raw().traffic_sources(source(Some("elb"), "old")), "a classic load balancer"),
        (raw().traffic_sources(source(Some("vpc-lattice"), "arn:aws:vpc-lattice:x")), "traffic from vpc-lattice"),
        (raw().launch_template(named), "a launch template that is named, not identified"),
    ] {
        assert_eq!(mapped(raw).unwrap().unsupported, [expected]);
    }
    assert!(mapped(raw().desired_capacity_type("units")).unwrap().unsupported.is_empty());
}

#[test]
fn a_missing_field_is_named() {
    for (raw, field) in [
        (raw().set_max_size(None), "the answer lacks MaxSize"),
        (raw().min_size(-1), "MinSize is -1"),
        (raw().set_auto_scaling_group_name(None), "the answer lacks AutoScalingGroupName"),
        (raw().instances(Instance::builder().instance_id(INSTANCE).build()), "the answer lacks LifecycleState"),
    ] {
        let error = mapped(raw).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (CallErrorKind::Unreadable, field));
    }
}

#[test]
fn every_lifecycle_state_is_mapped() {
    for (states, expected) in [
        (&["Pending", "Pending:Wait", "Pending:Proceed"][..], Lifecycle::Pending),
        (&["InService"], Lifecycle::InService),
        (
            &["Terminating", "Terminating:Wait", "Terminating:Proceed", "Terminating:Retained", "Terminated"],
            Lifecycle::Terminating,
        ),
        (&["EnteringStandby", "Standby"], Lifecycle::Standby),
        (&["Detaching", "Detached"], Lifecycle::Detaching),
    ] {
        for state in states {
            assert_eq!(group::lifecycle(state), expected, "{state}");
        }
    }
    for state in ["Warmed:Running", "Quarantined", "ReplacingRootVolume", "Levitating"] {
        assert_eq!(group::lifecycle(state), Lifecycle::Unknown(state.into()));
    }
}

#[tokio::test]
async fn groups_of_instances_are_asked_for_by_fifty() {
    let ids: BTreeSet<InstanceId> = (0..51).map(|number| id(&format!("i-{number:017x}"))).collect();
    let rule = mock!(Client::describe_auto_scaling_instances).then_compute_output(|request| {
        assert!(request.instance_ids().len() <= 50);
        let details = request.instance_ids().iter().map(|id| {
            AutoScalingInstanceDetails::builder().instance_id(id).auto_scaling_group_name("app-blue").build()
        });
        DescribeAutoScalingInstancesOutput::builder().set_auto_scaling_instances(Some(details.collect())).build()
    });
    let groups = client(&[&rule]).groups_of_instances(&ids).await.unwrap();
    assert_eq!((groups.len(), rule.num_calls()), (51, 2));
    assert!(groups.values().all(|group| group.as_str() == "app-blue"));
}

#[tokio::test]
async fn groups_without_a_fleets_name_belong_to_none() {
    let rule = mock!(Client::describe_auto_scaling_groups).then_output(|| {
        let other = |name: &str| raw().auto_scaling_group_name(name);
        DescribeAutoScalingGroupsOutput::builder()
            .auto_scaling_groups(raw().build())
            .auto_scaling_groups(other("free").set_tags(None).build())
            .auto_scaling_groups(other("odd").set_tags(Some(vec![tag("driftless:fleet", "Not A Name")])).build())
            .build()
    });
    let names = ["app-blue", "free", "odd"].into_iter().map(id).collect();
    let fleets = client(&[&rule]).fleets_of_groups(&names).await.unwrap();
    let instances = raw().build().instances().iter().filter_map(|one| one.instance_id().map(id)).collect();
    assert_eq!(fleets, BTreeMap::from([(id("app-blue"), Members { fleet: id("app"), instances })]));
}

#[tokio::test]
async fn the_newest_refresh_is_read_with_its_status_and_its_template() {
    for (status, expected) in [
        ("Pending", RefreshStatus::Running),
        ("InProgress", RefreshStatus::Running),
        ("Cancelling", RefreshStatus::GoingBack),
        ("RollbackInProgress", RefreshStatus::GoingBack),
        ("Baking", RefreshStatus::Baking),
        ("Successful", RefreshStatus::Successful),
        ("Failed", RefreshStatus::Stopped),
        ("Cancelled", RefreshStatus::Stopped),
        ("RollbackFailed", RefreshStatus::CouldNotGoBack),
        ("RollbackSuccessful", RefreshStatus::WentBack),
        ("Pondering", RefreshStatus::Running),
    ] {
        let rule = mock!(Client::describe_instance_refreshes).then_output(move || {
            let desired = DesiredConfiguration::builder().launch_template(specification(Some("7"))).build();
            let refresh = InstanceRefresh::builder()
                .instance_refresh_id("08b91cf7-8fa6-48af-b6a6-d227f40f1b9b")
                .status(InstanceRefreshStatus::from(status))
                .start_time(DateTime::from_secs(60))
                .desired_configuration(desired)
                .build();
            DescribeInstanceRefreshesOutput::builder().instance_refreshes(refresh).build()
        });
        let refresh = client(&[&rule]).refresh(&id("app-blue")).await.unwrap().unwrap();
        assert_eq!((refresh.status, refresh.started_at.as_second()), (expected, 60), "{status}");
        assert_eq!(refresh.template.unwrap().version, 7);
    }
}

fn activity(seconds: i64, status: ScalingActivityStatusCode, description: &str, message: &str) -> Activity {
    Activity::builder()
        .start_time(DateTime::from_secs(seconds))
        .status_code(status)
        .description(description)
        .status_message(message)
        .activity_id("a")
        .auto_scaling_group_name("app-blue")
        .cause("c")
        .build()
}

#[tokio::test]
async fn the_newest_failed_launch_is_read() {
    let rule = mock!(Client::describe_scaling_activities).then_output(|| {
        let launching = "Launching a new EC2 instance.  Status Reason: no room";
        DescribeScalingActivitiesOutput::builder()
            .activities(activity(50, ScalingActivityStatusCode::Successful, launching, ""))
            .activities(activity(40, ScalingActivityStatusCode::Failed, "Terminating EC2 instance: i-1", "stuck"))
            .activities(activity(30, ScalingActivityStatusCode::Failed, launching, "We currently do not have capacity"))
            .activities(activity(20, ScalingActivityStatusCode::Failed, launching, "older"))
            .build()
    });
    let failure = client(&[&rule]).launch_failure(&id("app-blue")).await.unwrap().unwrap();
    assert_eq!(failure.at.as_second(), 30);
    assert_eq!(failure.message.as_str(), "We currently do not have capacity");
}

fn launch_answer(inner: &str) -> String {
    format!(
        r#"<LaunchInstancesResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><LaunchInstancesResult>
        <AutoScalingGroupName>app-blue</AutoScalingGroupName><ClientToken>t-1</ClientToken>{inner}
        </LaunchInstancesResult></LaunchInstancesResponse>"#
    )
}

fn instances(ids: &[&str]) -> String {
    let members = ids.join("</member><member>");
    format!(
        "<Instances><member><InstanceType>t3.micro</InstanceType><AvailabilityZone>us-east-1a</AvailabilityZone>\
         <InstanceIds><member>{members}</member></InstanceIds></member></Instances>"
    )
}

async fn launch(answer: String) -> (CallResult<Launched>, StubAws) {
    let stub = StubAws::default().on("Action=LaunchInstances", 200, launch_answer(&answer));
    (on(&stub).launch(&id("app-blue"), &id("us-east-1a"), "t-1").await, stub)
}

#[tokio::test]
async fn a_launch_asks_for_one_instance_in_the_zone_under_the_token() {
    let (launched, stub) = launch(instances(&[INSTANCE])).await;
    assert_eq!(launched.unwrap(), Launched::Instance(id(INSTANCE)));
    let sent = stub.only();
    for field in [
        "Action=LaunchInstances",
        "Version=2011-01-01",
        "AutoScalingGroupName=app-blue",
        "RequestedCapacity=1",
        "ClientToken=t-1",
        "AvailabilityZones.member.1=us-east-1a",
        "RetryStrategy=none",
    ] {
        assert!(sent.has(field), "{field} in {}", sent.body);
    }
    assert_eq!(sent.fields().len(), 7, "{}", sent.body);
    assert!(sent.url.starts_with("https://autoscaling.us-east-1.amazonaws.com"), "{}", sent.url);
    assert!(sent.user_agent.contains("app/driftless-tests"), "{}", sent.user_agent);
}

#[tokio::test]
async fn a_launch_that_aws_could_not_do_tells_why() {
    let errors = "<Errors><member><AvailabilityZone>us-east-1a</AvailabilityZone>\
                  <ErrorCode>InsufficientInstanceCapacity</ErrorCode><ErrorMessage>no room</ErrorMessage>\
                  </member></Errors>";
    let (launched, _) = launch(errors.to_owned()).await;
    assert_eq!(launched.unwrap(), Launched::Failed("InsufficientInstanceCapacity: no room".into()));
    // An instance counts even when the response also lists errors for other instance types.
    let (launched, _) = launch(format!("{}{errors}", instances(&[INSTANCE]))).await;
    assert_eq!(launched.unwrap(), Launched::Instance(id(INSTANCE)));
}

#[tokio::test]
async fn a_launch_without_exactly_one_answer_is_unreadable() {
    for (answer, message) in [
        (String::new(), "the answer has neither instances nor errors"),
        (instances(&[INSTANCE, "i-0aa11bb22cc33dd45"]), "the answer has 2 instances, one was asked for"),
    ] {
        let error = launch(answer).await.0.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (CallErrorKind::Unreadable, message));
    }
}

#[tokio::test]
async fn a_launch_is_repeated_under_its_token_when_its_answer_is_lost() {
    let stub = StubAws::default().on("Action=LaunchInstances", 503, "").on(
        "Action=LaunchInstances",
        200,
        launch_answer(&instances(&[INSTANCE])),
    );
    let launched = on(&stub).launch(&id("app-blue"), &id("us-east-1a"), "t-1").await.unwrap();
    assert_eq!(launched, Launched::Instance(id(INSTANCE)));
    assert!(stub.sent().iter().all(|sent| sent.has("ClientToken=t-1")));
}

#[tokio::test]
async fn a_write_says_only_what_it_changes_and_once() {
    let name = "AutoScalingGroupName=app-blue";
    for (method, action, fields) in [
        ("set_minimum", "UpdateAutoScalingGroup", &[name, "MinSize=3"][..]),
        ("set_maximum", "UpdateAutoScalingGroup", &[name, "MaxSize=5"]),
        ("empty", "UpdateAutoScalingGroup", &[name, "MinSize=0", "MaxSize=5", "DesiredCapacity=0"]),
        ("set_desired", "SetDesiredCapacity", &[name, "DesiredCapacity=3", "HonorCooldown=false"]),
        (
            "protect",
            "SetInstanceProtection",
            &[name, "InstanceIds.member.1=i-0aa11bb22cc33dd44", "ProtectedFromScaleIn=true"],
        ),
        (
            "terminate",
            "TerminateInstanceInAutoScalingGroup",
            &["InstanceId=i-0aa11bb22cc33dd44", "ShouldDecrementDesiredCapacity=true"],
        ),
    ] {
        let answer = format!("<{action}Response><{action}Result/></{action}Response>");
        let stub = StubAws::default().on(action, 200, answer);
        codes::ask(&on(&stub), method).await.unwrap();
        let sent = stub.only();
        for field in fields {
            assert!(sent.has(field), "{method}: {field} in {}", sent.body);
        }
        // Two more fields: Action and Version.
        assert_eq!(sent.fields().len(), fields.len() + 2, "{method}: {}", sent.body);
    }
}

#[tokio::test]
async fn protection_and_capacity_can_be_the_other_way_round() {
    let stub = StubAws::default().on("SetInstanceProtection", 200, "<SetInstanceProtectionResponse/>").on(
        "TerminateInstance",
        200,
        "<TerminateInstanceInAutoScalingGroupResponse/>",
    );
    let aws = on(&stub);
    aws.protect(&id("app-blue"), &id(INSTANCE), Protection::Off).await.unwrap();
    let _ = aws.terminate(&id(INSTANCE), CapacityChange::Keep).await;
    let sent = stub.sent();
    assert!(sent[0].has("ProtectedFromScaleIn=false"));
    assert!(sent[1].has("ShouldDecrementDesiredCapacity=false"));
}
