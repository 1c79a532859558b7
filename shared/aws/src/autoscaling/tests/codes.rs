//! Auto Scaling's error codes, call by call.

use driftless_planner::policy::Percent;

use super::*;
use crate::wire::Again::{Call as AtOnce, NextPass};
use crate::wire::Means::{Answers, Fails};
use crate::wire::Says::{Else, Error};
use crate::wire::{Call, EVERYWHERE, Line, Says, Wire, call, meets, words};

/// The calls that the tests cover. Reads and idempotent writes get three attempts; writes that depend on a value that
/// was just read get one.
const CALLS: [Call; 23] = [
    call("groups_of", DESCRIBE_GROUPS, 3),
    call("all_groups", DESCRIBE_GROUPS, 3),
    call("group", DESCRIBE_GROUPS, 3),
    call("fleets_of_groups", DESCRIBE_GROUPS, 3),
    call("groups_of_instances", DESCRIBE_INSTANCES, 3),
    call("refresh", refresh::DESCRIBE_REFRESHES, 3),
    call("hook_timeout", DESCRIBE_HOOKS, 3),
    call("launch_failure", DESCRIBE_ACTIVITIES, 3),
    call("set_minimum", UPDATE_GROUP, 1),
    call("set_maximum", UPDATE_GROUP, 1),
    call("empty", UPDATE_GROUP, 1),
    call("set_template", UPDATE_GROUP, 1),
    call("set_desired", SET_DESIRED, 1),
    call("launch", LAUNCH, 3),
    call("protect", PROTECT, 3),
    call("terminate", TERMINATE, 1),
    call("set_aside", ENTER_STANDBY, 1),
    call("attach", ATTACH_TARGET_GROUPS, 3),
    call("detach", DETACH_TARGET_GROUPS, 3),
    call("attach by traffic sources", ATTACH_SOURCES, 3),
    call("detach by traffic sources", DETACH_SOURCES, 3),
    call("start_refresh", refresh::START, 1),
    call("roll_back_refresh", refresh::ROLL_BACK, 1),
];

/// The description of a group, for the writes that read the group first.
const GROUP: &str = "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups><member>\
    <AutoScalingGroupName>app-blue</AutoScalingGroupName></member></AutoScalingGroups>\
    </DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>";

fn prepared(method: &str) -> StubAws {
    match method {
        "set_template" | "start_refresh" => StubAws::default().on("DescribeAutoScalingGroups", 200, GROUP),
        _ => StubAws::default(),
    }
}

pub(super) async fn ask(aws: &Aws, method: &str) -> CallResult<String> {
    let (group, target_group) = (id("app-blue"), id(TARGET_GROUP));
    let instance: InstanceId = id(INSTANCE);
    match method {
        "groups_of" => aws.groups_of(&id("app")).await.map(words),
        "all_groups" => aws.all_groups().await.map(words),
        "group" => aws.group(&group).await.map(words),
        "fleets_of_groups" => aws.fleets_of_groups(&BTreeSet::from([group])).await.map(words),
        "groups_of_instances" => aws.groups_of_instances(&BTreeSet::from([instance])).await.map(words),
        "refresh" => aws.refresh(&group).await.map(words),
        "hook_timeout" => aws.hook_timeout(&group).await.map(words),
        "launch_failure" => aws.launch_failure(&group).await.map(words),
        "set_minimum" => aws.set_minimum(&group, 3).await.map(words),
        "set_maximum" => aws.set_maximum(&group, 5).await.map(words),
        "empty" => aws.empty(&group, 5).await.map(words),
        "set_template" => aws.set_template(&group, &numbered(8)).await.map(words),
        "set_desired" => aws.set_desired(&group, 3).await.map(words),
        "launch" => aws.launch(&group, &id("us-east-1a"), "t-1").await.map(words),
        "protect" => aws.protect(&group, &instance, Protection::On).await.map(words),
        "terminate" => aws.terminate(&instance, CapacityChange::Decrement).await.map(words),
        "set_aside" => aws.enter_standby(&group, &instance, CapacityChange::Keep).await.map(words),
        "attach" => aws.attach(&group, &target_group, AttachmentApi::TargetGroups).await.map(words),
        "detach" => aws.detach(&group, &target_group, AttachmentApi::TargetGroups).await.map(words),
        "attach by traffic sources" => {
            aws.attach(&group, &target_group, AttachmentApi::TrafficSources).await.map(words)
        }
        "detach by traffic sources" => {
            aws.detach(&group, &target_group, AttachmentApi::TrafficSources).await.map(words)
        }
        "start_refresh" => aws.start_refresh(&group, &plan()).await.map(words),
        "roll_back_refresh" => aws.roll_back_refresh(&group).await.map(words),
        other => panic!("{other}"),
    }
}

fn plan() -> RefreshPlan {
    RefreshPlan {
        template: numbered(8),
        min_healthy: Percent::try_from(90).unwrap(),
        alarms: vec![id("web-5xx")],
        bake: SignedDuration::from_mins(15),
    }
}

/// The calls of the named actions; all calls if no action is named.
fn calls(actions: &[&str]) -> Vec<Call> {
    CALLS.into_iter().filter(|call| actions.is_empty() || actions.contains(&call.action)).collect()
}

async fn met(actions: &[&str], lines: &[Line]) {
    meets(Wire::Query, &calls(actions), lines, prepared, ask).await;
}

const GONE: CallErrorKind = CallErrorKind::Gone;
const BUSY: CallErrorKind = CallErrorKind::Busy;
const DENIED: CallErrorKind = CallErrorKind::Denied;
const REFUSED: CallErrorKind = CallErrorKind::Refused;
const THROTTLED: CallErrorKind = CallErrorKind::Throttled;
const UNSUPPORTED: CallErrorKind = CallErrorKind::Unsupported;

const NO_GROUP: Says =
    Error(400, "ValidationError", "AutoScalingGroup name not found - AutoScalingGroup app-blue not found");

#[tokio::test]
async fn every_call_maps_the_errors_of_any_service() {
    met(&[], &EVERYWHERE).await;
}

#[tokio::test]
async fn every_call_maps_the_errors_of_auto_scaling() {
    let lines = [
        // All calls of an account and region share one rate limit.
        (Error(400, "Throttling", "Rate exceeded"), Fails(THROTTLED), AtOnce),
        (Error(400, "RequestLimitExceeded", "Request limit exceeded."), Fails(THROTTLED), AtOnce),
        // Sent with status 500, so that the SDK retries where a retry is safe.
        (Error(500, "ResourceContention", "pending update"), Fails(BUSY), AtOnce),
        (Error(403, "AccessDenied", "is not authorized to perform: autoscaling:"), Fails(DENIED), NextPass),
        (Error(403, "ExpiredToken", "expired"), Fails(DENIED), NextPass),
        (Error(400, "InvalidAction", "Could not find operation"), Fails(UNSUPPORTED), NextPass),
        (Error(400, "ValidationError", "1 validation error detected"), Fails(REFUSED), NextPass),
    ];
    met(&[], &lines).await;
}

#[tokio::test]
async fn an_answer_that_is_no_answer_is_unreadable() {
    let reads = [DESCRIBE_GROUPS, DESCRIBE_INSTANCES, DESCRIBE_HOOKS, DESCRIBE_ACTIVITIES, refresh::DESCRIBE_REFRESHES];
    let lines = [
        (Else(200, "<html>Welcome</html>"), Fails(CallErrorKind::Unreadable), NextPass),
        (Else(200, "half an ans"), Fails(CallErrorKind::Unreadable), NextPass),
        (Error(400, "InvalidNextToken", "the token is too old"), Fails(REFUSED), NextPass),
    ];
    met(&reads, &lines).await;
}

#[tokio::test]
async fn a_missing_group_reads_as_empty_and_is_not_written_to() {
    met(&[refresh::DESCRIBE_REFRESHES, DESCRIBE_ACTIVITIES], &[(NO_GROUP, Answers("None"), NextPass)]).await;
    met(&[DESCRIBE_HOOKS], &[(NO_GROUP, Answers("0s"), NextPass)]).await;
    let writes = [
        UPDATE_GROUP,
        SET_DESIRED,
        LAUNCH,
        PROTECT,
        ENTER_STANDBY,
        ATTACH_TARGET_GROUPS,
        DETACH_TARGET_GROUPS,
        ATTACH_SOURCES,
        DETACH_SOURCES,
        refresh::START,
        refresh::ROLL_BACK,
    ];
    met(&writes, &[(NO_GROUP, Fails(GONE), NextPass)]).await;
}

#[tokio::test]
async fn bounds_a_template_and_a_capacity_meet_each_of_their_codes() {
    let activity = (Error(400, "ScalingActivityInProgress", "Scaling activity is in progress"), Fails(BUSY), NextPass);
    met(&[UPDATE_GROUP, SET_DESIRED, TERMINATE], &[activity]).await;
    let lines = [
        (Error(500, "ServiceLinkedRoleFailure", "not yet created"), Fails(CallErrorKind::Unavailable), NextPass),
        (
            Error(400, "ValidationError", "Max bound, 1, must be greater than or equal to min bound, 2"),
            Fails(REFUSED),
            NextPass,
        ),
        // The call launches nothing, but Auto Scaling checks with EC2 whether our role may launch.
        (Error(403, "AccessDenied", "You are not authorized to use launch template: lt-1"), Fails(DENIED), NextPass),
        (
            Error(400, "UnauthorizedOperation", "You are not authorized to perform this operation"),
            Fails(DENIED),
            NextPass,
        ),
        // A new template version may not be known everywhere yet: the next pass writes again.
        (Error(400, "ValidationError", "the launch template version does not exist"), Fails(REFUSED), NextPass),
    ];
    met(&[UPDATE_GROUP], &lines).await;
    let above = "New SetDesiredCapacity value 5 is above max value 4 for the AutoScalingGroup.";
    let below = "New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup.";
    met(&[SET_DESIRED], &[above, below].map(|text| (Error(400, "ValidationError", text), Fails(REFUSED), NextPass)))
        .await;
}

#[tokio::test]
async fn one_instance_of_a_group_meets_each_of_its_codes() {
    let unknown = "Instance Id not found - No managed instance found for instance ID: i-0aa11bb22cc33dd44";
    let at_minimum = "Currently, desiredSize equals minSize (2). Terminating instance without replacement will violate \
                      group's min size constraint.";
    let lines = [unknown, at_minimum].map(|text| Error(400, "ValidationError", text));
    met(&[TERMINATE], &[(lines[0], Fails(GONE), NextPass), (lines[1], Fails(REFUSED), NextPass)]).await;

    let foreign = "The instance i-0aa11bb22cc33dd44 is not part of Auto Scaling group app-blue.";
    let foreign = (Error(400, "ValidationError", foreign), Fails(GONE), NextPass);
    let limit = (Error(400, "LimitExceeded", "too many protected"), Fails(REFUSED), NextPass);
    met(&[PROTECT], &[foreign, limit]).await;

    let minimum = "must decrement the minimum capacity";
    let state = "The instance i-0aa11bb22cc33dd44 is not in InService.";
    let lines = [minimum, state].map(|text| (Error(400, "ValidationError", text), Fails(REFUSED), NextPass));
    met(&[ENTER_STANDBY], &[foreign, lines[0], lines[1]]).await;
}

#[tokio::test]
async fn a_launch_meets_each_of_its_codes() {
    let lines = [
        // The first attempt is still running: the next pass gets its result by the same token.
        (Error(400, "IdempotentCallInProgress", "being processed"), Fails(BUSY), NextPass),
        (Error(400, "IdempotentParameterMismatch", "another zone"), Fails(REFUSED), NextPass),
        (Error(400, "ValidationError", "requested capacity is above max size"), Fails(REFUSED), NextPass),
        (Error(403, "AccessDenied", "is not authorized to perform: ec2:CreateFleet"), Fails(DENIED), NextPass),
        (Error(400, "UnsupportedOperation", "the group has a warm pool"), Fails(UNSUPPORTED), NextPass),
    ];
    met(&[LAUNCH], &lines).await;
}

#[tokio::test]
async fn an_attachment_meets_each_of_its_codes() {
    let lines = [
        (Error(400, "InstanceRefreshInProgress", "under way"), Fails(BUSY), NextPass),
        (Error(500, "ServiceLinkedRoleFailure", "not yet created"), Fails(CallErrorKind::Unavailable), AtOnce),
        (Error(400, "ValidationError", "Provided Target Groups may not be valid."), Fails(REFUSED), NextPass),
    ];
    met(&[ATTACH_TARGET_GROUPS, ATTACH_SOURCES], &lines).await;
    // Already detached: a retry gets this error when the response to the first attempt was lost.
    let not_attached = "Trying to remove Target Groups that are not part of the group";
    met(&[DETACH_TARGET_GROUPS], &[(Error(400, "ValidationError", not_attached), Answers("()"), NextPass)]).await;
    let not_attached = "Trying to remove Traffic Sources that are not part of the group";
    met(&[DETACH_SOURCES], &[(Error(400, "ValidationError", not_attached), Answers("()"), NextPass)]).await;
}

#[tokio::test]
async fn a_refresh_meets_each_of_its_codes() {
    let limit = (Error(400, "LimitExceeded", "too many refreshes"), Fails(REFUSED), NextPass);
    let under_way = (Error(400, "InstanceRefreshInProgress", "under way"), Fails(BUSY), NextPass);
    met(&[refresh::START], &[limit, under_way]).await;
    let lines = [
        limit,
        // The refresh ended in the meantime.
        (Error(400, "ActiveInstanceRefreshNotFound", "none in progress"), Fails(GONE), NextPass),
        (Error(400, "IrreversibleInstanceRefresh", "no desired configuration"), Fails(REFUSED), NextPass),
    ];
    met(&[refresh::ROLL_BACK], &lines).await;
}

#[tokio::test]
async fn a_failed_launch_returns_its_message_whatever_its_code() {
    for code in [
        "InsufficientInstanceCapacity",
        "UnfulfillableCapacity",
        "InsufficientFreeAddressesInSubnet",
        "VcpuLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "RequestLimitExceeded",
        "InvalidAMIID.NotFound",
        "UnauthorizedOperation",
        "ACodeOfTomorrow",
    ] {
        let errors = format!("<Errors><member><ErrorCode>{code}</ErrorCode><ErrorMessage/></member></Errors>");
        let (launched, stub) = launch(errors).await;
        assert_eq!(launched.unwrap(), Launched::Failed(code.into()), "without a message, the code alone");
        assert_eq!(stub.sent().len(), 1, "by its token it would answer the same again");
    }
    let (launched, _) =
        launch("<Errors><member><ErrorMessage>no code</ErrorMessage></member></Errors>".to_owned()).await;
    let error = launched.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (CallErrorKind::Unreadable, "the answer lacks ErrorCode"));
}

#[test]
fn an_empty_text_is_no_value() {
    let instance = Instance::builder()
        .instance_id(INSTANCE)
        .availability_zone("us-east-1a")
        .lifecycle_state(LifecycleState::InService)
        .image_id("")
        .build();
    let group =
        mapped(raw().instances(instance).launch_template(specification(Some(""))).desired_capacity_type("")).unwrap();
    assert_eq!(group.members[0].image_override, None);
    let default = TemplateReference::Floating { template: id("lt-0123456789abcdef0"), alias: "$Default".to_owned() };
    assert_eq!(group.template, default);
    assert!(group.unsupported.is_empty(), "{group:?}");

    let launching = "Launching a new EC2 instance.  Status Reason: no room";
    let failed = activity(30, ScalingActivityStatusCode::Failed, launching, "");
    assert_eq!(launch_failure(&failed).unwrap().message.as_str(), launching);
}
