//! The load balancers: who gets the traffic, and who is healthy.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ForwardActionConfig, Listener, Rule, TargetGroup, TargetHealth as RawHealth, TargetHealthDescription,
    TargetHealthReasonEnum, TargetHealthStateEnum,
};
use driftless_planner::ids::{InstanceId, TargetGroupArn};
use driftless_planner::observation::TargetHealth;
use driftless_reconciler::ports::{Called, LoadBalancers};
use futures_util::future::try_join_all;

use crate::aws::Aws;
use crate::error::{call_error, parsed, required, unreadable};

const DESCRIBE_TARGET_GROUPS: &str = "elasticloadbalancing:DescribeTargetGroups";
const DESCRIBE_LISTENERS: &str = "elasticloadbalancing:DescribeListeners";
const DESCRIBE_RULES: &str = "elasticloadbalancing:DescribeRules";
const DESCRIBE_HEALTH: &str = "elasticloadbalancing:DescribeTargetHealth";

/// The largest page.
const PAGE: i32 = 400;
/// Target groups asked for in one call. A fleet has two; the limit keeps a misuse from one endless request.
const ARNS_MAX: usize = 20;

impl LoadBalancers for Aws {
    async fn weights(&self, target_groups: &BTreeSet<TargetGroupArn>) -> Called<BTreeMap<TargetGroupArn, Vec<u32>>> {
        let arns: Vec<&TargetGroupArn> = target_groups.iter().collect();
        let balancers = try_join_all(arns.chunks(ARNS_MAX).map(|chunk| balancers(self, chunk))).await?;
        let balancers: BTreeSet<String> = balancers.into_iter().flatten().collect();
        let listeners = try_join_all(balancers.iter().map(|arn| listeners(self, arn))).await?;
        let listeners: BTreeSet<String> = listeners.into_iter().flatten().collect();
        // A listener's default action is among its rules, as the rule `default`.
        let rules = try_join_all(listeners.iter().map(|arn| rules(self, arn))).await?;
        let mut weights: BTreeMap<TargetGroupArn, Vec<u32>> = BTreeMap::new();
        for action in rules.iter().flatten().flat_map(Rule::actions) {
            for (arn, weight) in forwards(action)? {
                if let Some(asked) = target_groups.iter().find(|asked| asked.as_str() == arn) {
                    weights.entry(asked.clone()).or_default().push(weight);
                }
            }
        }
        Ok(weights)
    }

    async fn target_health(&self, target_group: &TargetGroupArn) -> Called<BTreeMap<InstanceId, TargetHealth>> {
        let request = self.elbv2().describe_target_health().target_group_arn(target_group.as_str());
        let answer = request.send().await.map_err(|error| call_error(DESCRIBE_HEALTH, error))?;
        let mut health: BTreeMap<InstanceId, TargetHealth> = BTreeMap::new();
        for description in answer.target_health_descriptions() {
            let Some((id, found)) = instance_health(description)? else { continue };
            // Registered on several ports: an instance is as well as its worst port.
            match health.get(&id) {
                Some(known) if rank(known) >= rank(&found) => {}
                Some(_) | None => {
                    health.insert(id, found);
                }
            }
        }
        Ok(health)
    }
}

async fn balancers(aws: &Aws, arns: &[&TargetGroupArn]) -> Called<Vec<String>> {
    let arns = arns.iter().map(|arn| arn.as_str().to_owned()).collect();
    let request = aws.elbv2().describe_target_groups().set_target_group_arns(Some(arns));
    let answer = request.send().await.map_err(|error| call_error(DESCRIBE_TARGET_GROUPS, error))?;
    Ok(answer.target_groups().iter().flat_map(TargetGroup::load_balancer_arns).cloned().collect())
}

async fn listeners(aws: &Aws, balancer: &str) -> Called<Vec<String>> {
    let request = aws.elbv2().describe_listeners().load_balancer_arn(balancer).page_size(PAGE);
    let pages = request.into_paginator().items().send();
    let found = pages.collect::<Result<Vec<Listener>, _>>().await;
    let found = found.map_err(|error| call_error(DESCRIBE_LISTENERS, error))?;
    found.into_iter().map(|listener| required(DESCRIBE_LISTENERS, "ListenerArn", listener.listener_arn)).collect()
}

async fn rules(aws: &Aws, listener: &str) -> Called<Vec<Rule>> {
    let request = aws.elbv2().describe_rules().listener_arn(listener).page_size(PAGE);
    let pages = request.into_paginator().items().send();
    pages.collect::<Result<Vec<_>, _>>().await.map_err(|error| call_error(DESCRIBE_RULES, error))
}

/// What an action forwards, and with which weights. AWS writes a single target group in two places at once, and its
/// weight means nothing: it gets everything.
fn forwards(action: &Action) -> Called<Vec<(&str, u32)>> {
    let several = action.forward_config().map(ForwardActionConfig::target_groups).unwrap_or_default();
    match several {
        [] => Ok(action.target_group_arn().map(|arn| (arn, 1)).into_iter().collect()),
        [one] => Ok(one.target_group_arn().map(|arn| (arn, 1)).into_iter().collect()),
        several => several
            .iter()
            .map(|one| {
                let arn = required(DESCRIBE_RULES, "TargetGroupArn", one.target_group_arn())?;
                let weight = required(DESCRIBE_RULES, "Weight", one.weight())?;
                let weight = u32::try_from(weight)
                    .map_err(|_negative| unreadable(DESCRIBE_RULES, format!("Weight is {weight}")))?;
                Ok((arn, weight))
            })
            .collect(),
    }
}

/// None for targets that are no instances: addresses, functions.
fn instance_health(description: &TargetHealthDescription) -> Called<Option<(InstanceId, TargetHealth)>> {
    let target = required(DESCRIBE_HEALTH, "Target", description.target())?;
    let Some(id) = target.id().filter(|id| id.starts_with("i-")) else { return Ok(None) };
    let id = parsed(DESCRIBE_HEALTH, "Id", Some(id))?;
    let health = required(DESCRIBE_HEALTH, "TargetHealth", description.target_health())?;
    Ok(Some((id, in_words(health, required(DESCRIBE_HEALTH, "State", health.state())?))))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enums are open; a new state says nothing we know")]
fn in_words(health: &RawHealth, state: &TargetHealthStateEnum) -> TargetHealth {
    match state {
        TargetHealthStateEnum::Healthy => TargetHealth::Healthy,
        TargetHealthStateEnum::Initial => TargetHealth::Initial,
        TargetHealthStateEnum::Draining => TargetHealth::Draining,
        TargetHealthStateEnum::Unused => TargetHealth::Unused,
        TargetHealthStateEnum::Unhealthy | TargetHealthStateEnum::UnhealthyDraining => {
            let reason = health.reason().map(TargetHealthReasonEnum::as_str).unwrap_or_default();
            let description = health.description().unwrap_or_default();
            TargetHealth::Unhealthy(format!("{reason} {description}").into())
        }
        _ => TargetHealth::Unavailable,
    }
}

/// How bad a state is.
const fn rank(health: &TargetHealth) -> u8 {
    match health {
        TargetHealth::Healthy => 0,
        TargetHealth::Initial => 1,
        TargetHealth::Unused => 2,
        TargetHealth::Draining => 3,
        TargetHealth::Unavailable => 4,
        TargetHealth::Unhealthy(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::Client;
    use aws_sdk_elasticloadbalancingv2::operation::describe_listeners::DescribeListenersOutput;
    use aws_sdk_elasticloadbalancingv2::operation::describe_rules::DescribeRulesOutput;
    use aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::DescribeTargetGroupsOutput;
    use aws_sdk_elasticloadbalancingv2::operation::describe_target_health::DescribeTargetHealthOutput;
    use aws_sdk_elasticloadbalancingv2::types::{ActionTypeEnum, TargetDescription, TargetGroupTuple};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use driftless_reconciler::ports::CallErrorKind;

    use super::*;
    use crate::aws::testing::{on, with_elbv2};
    use crate::canned::{Canned, query_error};

    fn arn(name: &str) -> TargetGroupArn {
        format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{name}/73e2d6bc24d8a067")
            .parse()
            .unwrap()
    }

    fn forward(weights: &[(&str, i32)]) -> Action {
        let tuple = |(name, weight): &(&str, i32)| {
            TargetGroupTuple::builder().target_group_arn(arn(name).as_str()).weight(*weight).build()
        };
        let config =
            ForwardActionConfig::builder().set_target_groups(Some(weights.iter().map(tuple).collect())).build();
        Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
    }

    fn single(name: &str) -> Action {
        // As AWS answers it: in both places.
        let both = forward(&[(name, 0)]);
        Action::builder()
            .r#type(ActionTypeEnum::Forward)
            .target_group_arn(arn(name).as_str())
            .set_forward_config(both.forward_config)
            .build()
    }

    #[tokio::test]
    async fn weights_are_collected_over_all_listeners_and_pages_of_rules() {
        let target_groups = mock!(Client::describe_target_groups)
            .match_requests(|request| request.target_group_arns().len() == 2)
            .then_output(|| {
                let group = || TargetGroup::builder().load_balancer_arns("lb");
                DescribeTargetGroupsOutput::builder()
                    .target_groups(group().build())
                    .target_groups(group().build())
                    .build()
            });
        let listeners = mock!(Client::describe_listeners)
            .match_requests(|request| request.load_balancer_arn() == Some("lb"))
            .then_output(|| {
                let listener = |arn: &str| Listener::builder().listener_arn(arn).build();
                DescribeListenersOutput::builder().listeners(listener("http")).listeners(listener("https")).build()
            });
        let rules = mock!(Client::describe_rules).then_compute_output(|request| {
            let rule = |actions: Vec<Action>| Rule::builder().set_actions(Some(actions)).build();
            let answer = DescribeRulesOutput::builder();
            match (request.listener_arn(), request.marker()) {
                (Some("https"), None) => {
                    answer.rules(rule(vec![forward(&[("blue", 90), ("green", 10)])])).next_marker("more").build()
                }
                (Some("https"), Some("more")) => {
                    answer.rules(rule(vec![single("blue")])).rules(rule(vec![single("other")])).build()
                }
                (Some("http"), None) => {
                    answer.rules(rule(vec![Action::builder().r#type(ActionTypeEnum::Redirect).build()])).build()
                }
                other => panic!("{other:?}"),
            }
        });
        let client =
            mock_client!(aws_sdk_elasticloadbalancingv2, RuleMode::MatchAny, [&target_groups, &listeners, &rules]);
        let weights = with_elbv2(client).weights(&[arn("blue"), arn("green")].into()).await.unwrap();
        assert_eq!(weights, BTreeMap::from([(arn("blue"), vec![90, 1]), (arn("green"), vec![10])]));
        assert_eq!((listeners.num_calls(), rules.num_calls()), (1, 3));
    }

    #[tokio::test]
    async fn a_target_group_that_no_load_balancer_has_is_absent() {
        let rule = mock!(Client::describe_target_groups).then_output(|| {
            DescribeTargetGroupsOutput::builder().target_groups(TargetGroup::builder().build()).build()
        });
        let client = mock_client!(aws_sdk_elasticloadbalancingv2, RuleMode::MatchAny, [&rule]);
        let aws = with_elbv2(client);
        assert_eq!(aws.weights(&[arn("idle")].into()).await.unwrap(), BTreeMap::new());
        assert_eq!(aws.weights(&BTreeSet::new()).await.unwrap(), BTreeMap::new());
        assert_eq!(rule.num_calls(), 1);
    }

    #[tokio::test]
    async fn an_instance_is_as_well_as_its_worst_port() {
        let rule = mock!(Client::describe_target_health).then_output(|| {
            let target = |id: &str, state| {
                let health =
                    RawHealth::builder().state(state).reason(TargetHealthReasonEnum::FailedHealthChecks).build();
                let target = TargetDescription::builder().id(id).build();
                TargetHealthDescription::builder().target(target).target_health(health).build()
            };
            DescribeTargetHealthOutput::builder()
                .target_health_descriptions(target("i-0aa11bb22cc33dd44", TargetHealthStateEnum::Healthy))
                .target_health_descriptions(target("i-0aa11bb22cc33dd44", TargetHealthStateEnum::Unhealthy))
                .target_health_descriptions(target("i-0aa11bb22cc33dd44", TargetHealthStateEnum::Initial))
                .target_health_descriptions(target("i-0aa11bb22cc33dd45", TargetHealthStateEnum::Healthy))
                .target_health_descriptions(target("i-0aa11bb22cc33dd46", TargetHealthStateEnum::from("dreaming")))
                .target_health_descriptions(target("10.0.0.1", TargetHealthStateEnum::Healthy))
                .build()
        });
        let client = mock_client!(aws_sdk_elasticloadbalancingv2, RuleMode::MatchAny, [&rule]);
        let health = with_elbv2(client).target_health(&arn("blue")).await.unwrap();
        let words: Vec<&TargetHealth> = health.values().collect();
        assert_eq!(
            words,
            [
                &TargetHealth::Unhealthy("Target.FailedHealthChecks".into()),
                &TargetHealth::Healthy,
                &TargetHealth::Unavailable
            ]
        );
    }

    #[tokio::test]
    async fn errors_are_told_in_the_planners_words() {
        for (code, status, expected) in [
            ("TargetGroupNotFound", 400, CallErrorKind::Gone),
            ("HealthUnavailable", 400, CallErrorKind::Unavailable),
            ("Throttling", 400, CallErrorKind::Throttled),
            ("AccessDenied", 403, CallErrorKind::Denied),
        ] {
            let answer = || query_error(code, "because");
            let canned =
                (0..3).fold(Canned::default(), |canned, _| canned.on("DescribeTargetHealth", status, answer()));
            let error = on(&canned).target_health(&arn("blue")).await.unwrap_err();
            assert_eq!(error.kind, expected, "{error}");
        }
    }
}
