//! Elastic Load Balancing's error codes, call by call.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::action::WeightChange;
use driftless_planner::balancer::ForwardPlace;
use driftless_reconciler::ports::{CallErrorKind, CallResult, LoadBalancers as _};
use jiff::{SignedDuration, Timestamp};

use super::tests::{RULE, arn};
use super::{DESCRIBE_HEALTH, DESCRIBE_LISTENERS, DESCRIBE_RULES, DESCRIBE_TARGET_GROUPS, settings, weights};
use crate::aws::Aws;
use crate::aws::testing::on;
use crate::stub::{Reply, StubAws, query_error};
use crate::wire::Again::{Call as AtOnce, NextPass};
use crate::wire::Means::{Answers, Fails};
use crate::wire::Says::{Else, Error};
use crate::wire::{Call, EVERYWHERE, Line, Wire, call, meets, words};

const LISTENER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2";

/// The calls that the tests cover. Weights are read and compared again before each attempt to write them.
const CALLS: [Call; 9] = [
    call("forwards", DESCRIBE_TARGET_GROUPS, 3),
    call("forwards of a load balancer", DESCRIBE_LISTENERS, 3),
    call("forwards of a listener", DESCRIBE_RULES, 3),
    call("health", DESCRIBE_HEALTH, 3),
    call("settings", settings::DESCRIBE_ATTRIBUTES, 3),
    call("weights of an unread rule", DESCRIBE_RULES, 3),
    call("weights of a rule", weights::MODIFY_RULE, 3),
    call("weights of an unread listener", DESCRIBE_LISTENERS, 3),
    call("weights of a listener", weights::MODIFY_LISTENER, 3),
];

fn answer(action: &str, inner: &str) -> String {
    format!("<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>")
}

fn target_groups() -> String {
    let group = "<member><LoadBalancerArns><member>lb</member></LoadBalancerArns></member>";
    answer("DescribeTargetGroups", &format!("<TargetGroups>{group}</TargetGroups>"))
}

/// The actions of a listener or a rule that gives blue all traffic. Actions of other types (`others`) come first.
fn forwarding(others: &str) -> String {
    let tuple = |name: &str, weight: u32| {
        format!("<member><TargetGroupArn>{}</TargetGroupArn><Weight>{weight}</Weight></member>", arn(name))
    };
    let weights = format!("{}{}", tuple("blue", 100), tuple("green", 0));
    let config = format!("<ForwardConfig><TargetGroups>{weights}</TargetGroups></ForwardConfig>");
    format!("{others}<member><Type>forward</Type>{config}</member>")
}

fn listeners(others: &str) -> String {
    let actions = forwarding(others);
    let listener = format!("<ListenerArn>{LISTENER}</ListenerArn><DefaultActions>{actions}</DefaultActions>");
    answer("DescribeListeners", &format!("<Listeners><member>{listener}</member></Listeners>"))
}

fn rules(others: &str) -> String {
    let rule = format!("<RuleArn>{RULE}</RuleArn><Actions>{}</Actions>", forwarding(others));
    answer("DescribeRules", &format!("<Rules><member>{rule}</member></Rules>"))
}

/// Stubs the reads that a method makes before the tested action.
fn prepared(method: &str) -> StubAws {
    let stub = StubAws::default();
    match method {
        "forwards of a load balancer" => stub.on("DescribeTargetGroups", 200, target_groups()),
        "forwards of a listener" => {
            stub.on("DescribeTargetGroups", 200, target_groups()).on("DescribeListeners", 200, listeners(""))
        }
        "weights of a rule" => stub.always("DescribeRules", Reply::new(200, rules(""))),
        "weights of a listener" => stub.always("DescribeListeners", Reply::new(200, listeners(""))),
        _ => stub,
    }
}

fn change(place: ForwardPlace) -> WeightChange {
    let weights = |green: u32| BTreeMap::from([(arn("blue"), 100 - green), (arn("green"), green)]);
    WeightChange { place, expected: weights(0), weights: weights(10), expected_stickiness: None, stickiness: None }
}

async fn ask(aws: &Aws, method: &str) -> CallResult<String> {
    let blue = BTreeSet::from([arn("blue")]);
    match method {
        "forwards" | "forwards of a load balancer" | "forwards of a listener" => aws.forwards(&blue).await.map(words),
        "health" => aws.target_health(&arn("blue")).await.map(words),
        "settings" => aws.target_group_settings(&blue).await.map(words),
        "weights of an unread rule" | "weights of a rule" => {
            let place = ForwardPlace::Rule(RULE.parse().unwrap());
            aws.set_weights(&change(place)).await.map(words)
        }
        "weights of an unread listener" | "weights of a listener" => {
            let place = ForwardPlace::Listener(LISTENER.parse().unwrap());
            aws.set_weights(&change(place)).await.map(words)
        }
        other => panic!("{other}"),
    }
}

/// Runs the lines against all calls whose method names contain this text.
async fn met(methods: &str, lines: &[Line]) {
    let calls: Vec<Call> = CALLS.into_iter().filter(|call| call.method.contains(methods)).collect();
    assert!(!calls.is_empty(), "{methods}");
    meets(Wire::Query, &calls, lines, prepared, ask).await;
}

const GONE: CallErrorKind = CallErrorKind::Gone;
const REFUSED: CallErrorKind = CallErrorKind::Refused;

#[tokio::test]
async fn every_call_maps_the_errors_of_any_service() {
    met("", &EVERYWHERE).await;
}

#[tokio::test]
async fn every_call_maps_the_errors_of_elastic_load_balancing() {
    let lines = [
        (Error(400, "Throttling", "Rate exceeded"), Fails(CallErrorKind::Throttled), AtOnce),
        (Error(429, "PriorRequestNotComplete", "wait"), Fails(CallErrorKind::Throttled), AtOnce),
        (Error(403, "AccessDenied", "is not authorized to perform"), Fails(CallErrorKind::Denied), NextPass),
        (Error(400, "UnsupportedProtocol", "no"), Fails(REFUSED), NextPass),
        (Error(400, "ValidationError", "1 validation error detected"), Fails(REFUSED), NextPass),
    ];
    met("", &lines).await;
}

#[tokio::test]
async fn an_answer_that_is_no_answer_is_unreadable() {
    let lines = [(Else(200, "<html>Welcome</html>"), Fails(CallErrorKind::Unreadable), NextPass)];
    for methods in ["forwards", "health", "settings", "weights of an unread"] {
        met(methods, &lines).await;
    }
}

#[tokio::test]
async fn a_target_group_that_is_gone_has_nothing() {
    let gone = Error(400, "TargetGroupNotFound", "One or more target groups not found");
    let twice = call("forwards", DESCRIBE_TARGET_GROUPS, 2);
    // Read together with others, and alone.
    meets(Wire::Query, &[twice], &[(gone, Answers("[]"), AtOnce)], prepared, ask).await;
    met("health", &[(gone, Answers("{}"), NextPass)]).await;
    met("settings", &[(gone, Answers("{}"), NextPass)]).await;
    for methods in ["weights of a rule", "weights of a listener"] {
        met(methods, &[(gone, Fails(GONE), NextPass)]).await;
    }
}

#[tokio::test]
async fn a_target_group_that_is_gone_does_not_hide_what_forwards_to_another() {
    let gone = || query_error("TargetGroupNotFound", "One or more target groups not found");
    let stub = StubAws::default()
        .on("Action=DescribeTargetGroups", 400, gone())
        .on("targetgroup%2Fblue", 200, target_groups())
        .on("targetgroup%2Fgreen", 400, gone())
        .on("Action=DescribeListeners", 200, listeners(""))
        .on("Action=DescribeRules", 200, rules(""));
    let found = on(&stub).forwards(&[arn("blue"), arn("green")].into()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].weights, BTreeMap::from([(arn("blue"), 100), (arn("green"), 0)]));
    assert_eq!(stub.sent().len(), 5);
}

#[tokio::test]
async fn a_load_balancer_or_a_listener_that_goes_meanwhile_forwards_nothing() {
    met("forwards of a load balancer", &[(Error(400, "LoadBalancerNotFound", "gone"), Answers("[]"), NextPass)]).await;
    met("forwards of a listener", &[(Error(400, "ListenerNotFound", "gone"), Answers("[]"), NextPass)]).await;
    met("forwards of a listener", &[(Error(400, "RuleNotFound", "gone"), Answers("[]"), NextPass)]).await;
}

#[tokio::test]
async fn health_that_is_not_known_just_now_is_asked_for_again() {
    let lines = [
        (Error(500, "HealthUnavailable", "try later"), Fails(CallErrorKind::Unavailable), AtOnce),
        (Error(400, "InvalidTarget", "not registered"), Fails(REFUSED), NextPass),
    ];
    met("health", &lines).await;
}

#[tokio::test]
async fn weights_meet_each_of_their_codes() {
    for (methods, code) in [("unread rule", "RuleNotFound"), ("weights of a rule", "RuleNotFound")] {
        met(methods, &[(Error(400, code, "gone"), Fails(GONE), NextPass)]).await;
    }
    for (methods, code) in [("unread listener", "ListenerNotFound"), ("weights of a listener", "ListenerNotFound")] {
        met(methods, &[(Error(400, code, "gone"), Fails(GONE), NextPass)]).await;
    }
    let lines = [
        "TargetGroupAssociationLimit",
        "TooManyUniqueTargetGroupsPerLoadBalancer",
        "TooManyActions",
        "TooManyTargets",
        "TooManyRegistrationsForTargetId",
        "InvalidLoadBalancerAction",
        "InvalidConfigurationRequest",
        "IncompatibleProtocols",
        "OperationNotPermitted",
    ]
    .map(|code| (Error(400, code, "because"), Fails(REFUSED), NextPass));
    met("weights of a rule", &lines).await;
    met("weights of a listener", &lines).await;
}

/// The response with a rule that has these weights for blue and green.
fn rule_with(weights: [u32; 2]) -> String {
    rules("")
        .replace("<Weight>100<", &format!("<Weight>{}<", weights[0]))
        .replace("<Weight>0<", &format!("<Weight>{}<", weights[1]))
}

#[tokio::test]
async fn weights_whose_answer_was_lost_are_read_before_they_are_written_again() {
    for (found, expected, writes) in [
        // The first attempt took effect.
        ([90, 10], None, 1),
        ([100, 0], None, 2),
        // An operator wrote in between: the operator's weights stay.
        ([50, 50], Some(REFUSED), 1),
    ] {
        let stub = StubAws::default()
            .on("DescribeRules", 200, rules(""))
            .once("ModifyRule", Reply::Lost)
            .on("DescribeRules", 200, rule_with(found))
            .on("ModifyRule", 200, answer("ModifyRule", ""));
        let written = on(&stub).set_weights(&change(ForwardPlace::Rule(RULE.parse().unwrap()))).await;
        assert_eq!(written.err().map(|error| error.kind), expected, "{found:?}");
        assert_eq!(stub.sent().iter().filter(|sent| sent.contains("ModifyRule")).count(), writes, "{found:?}");
    }
}

#[test]
fn weights_are_written_again_while_half_of_the_time_is_left() {
    let budget = |whole| weights::Budget { begun_at: Timestamp::UNIX_EPOCH, whole };
    for (milliseconds, is_allowed) in [(0, true), (4_999, true), (5_000, true), (5_001, false), (20_000, false)] {
        let now = Timestamp::from_millisecond(milliseconds).unwrap();
        assert_eq!(budget(Some(SignedDuration::from_secs(10))).allows_another(now), is_allowed, "{milliseconds}");
        assert!(budget(None).allows_another(now));
    }
}

#[tokio::test]
async fn an_action_of_a_type_that_is_newer_than_this_code_is_not_written_over() {
    let newer = "<member><Type>weigh-souls</Type><WeighSoulsConfig><Feather>1</Feather></WeighSoulsConfig></member>";
    for (place, stub) in [
        (ForwardPlace::Rule(RULE.parse().unwrap()), StubAws::default().on("DescribeRules", 200, rules(newer))),
        (
            ForwardPlace::Listener(LISTENER.parse().unwrap()),
            StubAws::default().on("DescribeListeners", 200, listeners(newer)),
        ),
    ] {
        let error = on(&stub).set_weights(&change(place)).await.unwrap_err();
        assert_eq!(error.kind, REFUSED, "{error}");
        assert!(error.message.as_str().contains("weigh-souls"), "{error}");
        assert_eq!(stub.sent().len(), 1, "read, and not written");
    }
}

#[tokio::test]
async fn a_listener_that_is_not_in_the_answer_is_not_taken_for_an_empty_one() {
    let stub = StubAws::default().on("DescribeListeners", 200, answer("DescribeListeners", "<Listeners/>"));
    let place = ForwardPlace::Listener(LISTENER.parse().unwrap());
    let error = on(&stub).set_weights(&change(place)).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (CallErrorKind::Unreadable, "the answer lacks Listeners"));
}
