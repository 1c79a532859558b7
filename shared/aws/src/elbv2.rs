//! Elastic Load Balancing: traffic weights and target health.

#[cfg(test)]
mod codes;
mod settings;
mod weights;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{
    Listener, Rule, TargetGroup, TargetHealth as RawHealth, TargetHealthDescription, TargetHealthReasonEnum,
    TargetHealthStateEnum,
};
use driftless_planner::action::WeightChange;
use driftless_planner::balancer::{Forward, TargetGroupSettings};
use driftless_planner::ids::{InstanceId, TargetGroupArn};
use driftless_planner::observation::TargetHealth;
use driftless_reconciler::ports::{CallErrorKind, CallResult, LoadBalancers};
use futures_util::future::try_join_all;

use crate::aws::Aws;
use crate::error::{call_error, parsed, required, unless_gone};

const DESCRIBE_TARGET_GROUPS: &str = "elasticloadbalancing:DescribeTargetGroups";
const DESCRIBE_LISTENERS: &str = "elasticloadbalancing:DescribeListeners";
const DESCRIBE_RULES: &str = "elasticloadbalancing:DescribeRules";
const DESCRIBE_HEALTH: &str = "elasticloadbalancing:DescribeTargetHealth";

/// The largest number of results on one page.
const PAGE: i32 = 400;
/// The most target groups in one call. A fleet has two, so the limit only guards against errors.
const ARNS_MAX: usize = 20;

/// A target group that does not exist has no forward action, no targets and no settings. An Auto Scaling group can name
/// a target group long after it was deleted, and the fleet must still be reconciled.
impl LoadBalancers for Aws {
    async fn forwards(&self, target_groups: &BTreeSet<TargetGroupArn>) -> CallResult<Vec<Forward>> {
        let arns: Vec<&TargetGroupArn> = target_groups.iter().collect();
        let balancers = try_join_all(arns.chunks(ARNS_MAX).map(|chunk| balancers(self, chunk))).await?;
        let balancers: BTreeSet<String> = balancers.into_iter().flatten().collect();
        let listeners = try_join_all(balancers.iter().map(async |arn| unless_gone(listeners(self, arn).await))).await?;
        let listeners: BTreeSet<String> = listeners.into_iter().flatten().collect();
        let found = try_join_all(listeners.iter().map(async |listener| {
            let rules = unless_gone(rules(self, listener).await)?;
            weights::forwards(listener, &rules)
        }));
        let names = |forward: &Forward| forward.weights.keys().any(|arn| target_groups.contains(arn));
        Ok(found.await?.into_iter().flatten().filter(names).collect())
    }

    async fn target_group_settings(
        &self,
        target_groups: &BTreeSet<TargetGroupArn>,
    ) -> CallResult<BTreeMap<TargetGroupArn, TargetGroupSettings>> {
        let read = target_groups.iter().map(async |arn| {
            let settings = unless_gone(settings::read(self, arn).await.map(Some))?;
            Ok(settings.map(|settings| (arn.clone(), settings)))
        });
        Ok(try_join_all(read).await?.into_iter().flatten().collect())
    }

    async fn set_weights(&self, change: &WeightChange) -> CallResult<()> {
        weights::write(self, change).await
    }

    async fn target_health(&self, target_group: &TargetGroupArn) -> CallResult<BTreeMap<InstanceId, TargetHealth>> {
        let mut health: BTreeMap<InstanceId, TargetHealth> = BTreeMap::new();
        for description in &unless_gone(targets(self, target_group).await)? {
            let Some((id, found)) = instance_health(description)? else { continue };
            // An instance registered on several ports is as healthy as its worst port.
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

async fn targets(aws: &Aws, target_group: &TargetGroupArn) -> CallResult<Vec<TargetHealthDescription>> {
    let request = aws.elbv2().describe_target_health().target_group_arn(target_group.as_str());
    let answer = request.send().await.map_err(|error| call_error(DESCRIBE_HEALTH, error))?;
    Ok(answer.target_health_descriptions.unwrap_or_default())
}

/// The load balancers of target groups. A deleted target group fails the call for all of them; then each one is read
/// alone.
async fn balancers(aws: &Aws, arns: &[&TargetGroupArn]) -> CallResult<Vec<String>> {
    match balancers_of_all(aws, arns).await {
        Err(error) if error.kind == CallErrorKind::Gone => {
            let alone = arns.iter().map(async |arn| match balancers_of_all(aws, &[arn]).await {
                Err(error) if error.kind == CallErrorKind::Gone => {
                    tracing::warn!(event = "target_group_missing", target_group = %arn, "a target group is gone");
                    Ok(Vec::new())
                }
                answer => answer,
            });
            Ok(try_join_all(alone).await?.into_iter().flatten().collect())
        }
        answer => answer,
    }
}

async fn balancers_of_all(aws: &Aws, arns: &[&TargetGroupArn]) -> CallResult<Vec<String>> {
    let arns = arns.iter().map(|arn| arn.as_str().to_owned()).collect();
    let request = aws.elbv2().describe_target_groups().set_target_group_arns(Some(arns));
    let answer = request.send().await.map_err(|error| call_error(DESCRIBE_TARGET_GROUPS, error))?;
    Ok(answer.target_groups().iter().flat_map(TargetGroup::load_balancer_arns).cloned().collect())
}

async fn listeners(aws: &Aws, balancer: &str) -> CallResult<Vec<String>> {
    let request = aws.elbv2().describe_listeners().load_balancer_arn(balancer).page_size(PAGE);
    let pages = request.into_paginator().items().send();
    let found = pages.collect::<Result<Vec<Listener>, _>>().await;
    let found = found.map_err(|error| call_error(DESCRIBE_LISTENERS, error))?;
    found.into_iter().map(|listener| required(DESCRIBE_LISTENERS, "ListenerArn", listener.listener_arn)).collect()
}

async fn rules(aws: &Aws, listener: &str) -> CallResult<Vec<Rule>> {
    let request = aws.elbv2().describe_rules().listener_arn(listener).page_size(PAGE);
    let pages = request.into_paginator().items().send();
    pages.collect::<Result<Vec<_>, _>>().await.map_err(|error| call_error(DESCRIBE_RULES, error))
}

/// The health of one target. None: the target is not an instance, but an IP address or a Lambda function.
fn instance_health(description: &TargetHealthDescription) -> CallResult<Option<(InstanceId, TargetHealth)>> {
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

/// The severity of a target's health, from 0 (healthy): an instance on several ports has the worst health of them.
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
    use aws_sdk_elasticloadbalancingv2::operation::describe_target_group_attributes::DescribeTargetGroupAttributesOutput;
    use aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::DescribeTargetGroupsOutput;
    use aws_sdk_elasticloadbalancingv2::operation::describe_target_health::DescribeTargetHealthOutput;
    use aws_sdk_elasticloadbalancingv2::operation::modify_rule::ModifyRuleOutput;
    use aws_sdk_elasticloadbalancingv2::types::{
        Action, ActionTypeEnum, AuthenticateOidcActionConfig, ForwardActionConfig, TargetDescription,
        TargetGroupAttribute, TargetGroupStickinessConfig, TargetGroupTuple,
    };
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use driftless_planner::balancer::{BalancerKind, ForwardPlace};

    use super::*;
    use crate::aws::testing::with_elbv2;

    pub(super) fn arn(name: &str) -> TargetGroupArn {
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
        // AWS names the target group in both places.
        let both = forward(&[(name, 0)]);
        Action::builder()
            .r#type(ActionTypeEnum::Forward)
            .target_group_arn(arn(name).as_str())
            .set_forward_config(both.forward_config)
            .build()
    }

    const LISTENER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/web/50dc6c495c0c9188/";
    pub(super) const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/web/50dc6c495c0c9188/\
        f2f7dc8efc522ab2/9683b2d02a6cabee";

    fn listener(name: &str) -> String {
        format!("{LISTENER}{name}")
    }

    #[tokio::test]
    async fn forwards_are_collected_over_all_listeners_and_pages_of_rules() {
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
                let listener = |name: &str| Listener::builder().listener_arn(listener(name)).build();
                DescribeListenersOutput::builder()
                    .listeners(listener("f2f7dc8efc522ab1"))
                    .listeners(listener("f2f7dc8efc522ab2"))
                    .build()
            });
        let rules = mock!(Client::describe_rules).then_compute_output(|request| {
            let rule = |actions: Vec<Action>| Rule::builder().set_actions(Some(actions)).rule_arn(RULE);
            let answer = DescribeRulesOutput::builder();
            let is_second = request.listener_arn().is_some_and(|arn| arn.ends_with('2'));
            match (is_second, request.marker()) {
                (true, None) => {
                    let weighted = rule(vec![forward(&[("blue", 90), ("green", 10)])]).build();
                    answer.rules(weighted).next_marker("more").build()
                }
                (true, Some("more")) => answer
                    .rules(rule(vec![single("blue")]).is_default(true).build())
                    .rules(rule(vec![single("other")]).build())
                    .build(),
                (false, None) => {
                    let redirect = Action::builder().r#type(ActionTypeEnum::Redirect).build();
                    answer.rules(rule(vec![redirect]).build()).build()
                }
                other => panic!("{other:?}"),
            }
        });
        let client =
            mock_client!(aws_sdk_elasticloadbalancingv2, RuleMode::MatchAny, [&target_groups, &listeners, &rules]);
        let found = with_elbv2(client).forwards(&[arn("blue"), arn("green")].into()).await.unwrap();
        let expected = |place, weights: &[(&str, u32)]| Forward {
            place,
            weights: weights.iter().map(|(name, weight)| (arn(name), *weight)).collect(),
            stickiness: None,
            balancer: BalancerKind::Application,
        };
        assert_eq!(
            found,
            [
                expected(ForwardPlace::Rule(RULE.parse().unwrap()), &[("blue", 90), ("green", 10)]),
                expected(ForwardPlace::Listener(listener("f2f7dc8efc522ab2").parse().unwrap()), &[("blue", 1)]),
            ]
        );
        assert_eq!((listeners.num_calls(), rules.num_calls()), (1, 3));
    }

    #[tokio::test]
    async fn a_target_group_that_no_load_balancer_has_is_forwarded_to_by_nothing() {
        let rule = mock!(Client::describe_target_groups).then_output(|| {
            DescribeTargetGroupsOutput::builder().target_groups(TargetGroup::builder().build()).build()
        });
        let client = mock_client!(aws_sdk_elasticloadbalancingv2, RuleMode::MatchAny, [&rule]);
        let aws = with_elbv2(client);
        assert_eq!(aws.forwards(&[arn("idle")].into()).await.unwrap(), []);
        assert_eq!(aws.forwards(&BTreeSet::new()).await.unwrap(), []);
        assert_eq!(rule.num_calls(), 1);
    }

    fn change(from: u32, to: u32) -> WeightChange {
        let weights = |green: u32| BTreeMap::from([(arn("blue"), 100 - green), (arn("green"), green)]);
        WeightChange {
            place: ForwardPlace::Rule(RULE.parse().unwrap()),
            expected: weights(from),
            weights: weights(to),
            expected_stickiness: Some(jiff::SignedDuration::from_mins(10)),
            stickiness: None,
        }
    }

    fn sticky(mut action: Action) -> Action {
        let config = action.forward_config.as_mut().unwrap();
        let stickiness = TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(600).build();
        config.target_group_stickiness_config = Some(stickiness);
        action
    }

    fn rule_with(weights: &'static [(&'static str, i32)]) -> aws_smithy_mocks::Rule {
        mock!(Client::describe_rules).match_requests(|request| request.rule_arns() == [RULE]).then_output(|| {
            let oidc = AuthenticateOidcActionConfig::builder()
                .issuer("https://login.example.com")
                .authorization_endpoint("https://login.example.com/a")
                .token_endpoint("https://login.example.com/t")
                .user_info_endpoint("https://login.example.com/u")
                .client_id("web")
                .build();
            let login =
                Action::builder().r#type(ActionTypeEnum::AuthenticateOidc).order(1).authenticate_oidc_config(oidc);
            let mut forward = sticky(forward(weights));
            forward.order = Some(2);
            let rule = Rule::builder().rule_arn(RULE).actions(login.build()).actions(forward).build();
            DescribeRulesOutput::builder().rules(rule).build()
        })
    }

    #[tokio::test]
    async fn weights_are_written_without_touching_the_actions_beside_them() {
        let read = rule_with(&[("blue", 90), ("green", 10)]);
        let write = mock!(Client::modify_rule)
            .match_requests(|request| {
                let [login, forward] = request.actions() else { return false };
                let weights: Vec<_> =
                    forward.forward_config().unwrap().target_groups().iter().map(TargetGroupTuple::weight).collect();
                let stickiness = forward.forward_config().unwrap().target_group_stickiness_config().unwrap();
                login.order() == Some(1)
                    && login.authenticate_oidc_config().unwrap().client_id() == Some("web")
                    && login.authenticate_oidc_config().unwrap().use_existing_client_secret() == Some(true)
                    && forward.order() == Some(2)
                    && forward.target_group_arn().is_none()
                    && weights == [Some(100), Some(0)]
                    && stickiness.enabled() == Some(false)
            })
            .then_output(|| ModifyRuleOutput::builder().build());
        let client = mock_client!(aws_sdk_elasticloadbalancingv2, RuleMode::MatchAny, [&read, &write]);
        with_elbv2(client).set_weights(&change(10, 0)).await.unwrap();
        assert_eq!(write.num_calls(), 1);
    }

    #[tokio::test]
    async fn weights_that_external_change_wrote_are_not_overwritten() {
        let read = rule_with(&[("blue", 50), ("green", 50)]);
        let client = mock_client!(aws_sdk_elasticloadbalancingv2, RuleMode::MatchAny, [&read]);
        let error = with_elbv2(client).set_weights(&change(10, 0)).await.unwrap_err();
        assert_eq!(error.kind, CallErrorKind::Refused, "{error}");
    }

    #[tokio::test]
    async fn settings_of_a_target_group_are_read_from_its_attributes() {
        let rule = mock!(Client::describe_target_group_attributes).then_output(|| {
            let attribute = |key: &str, value: &str| TargetGroupAttribute::builder().key(key).value(value).build();
            DescribeTargetGroupAttributesOutput::builder()
                .attributes(attribute("deregistration_delay.timeout_seconds", "300"))
                .attributes(attribute("stickiness.enabled", "true"))
                .attributes(attribute("stickiness.type", "lb_cookie"))
                .attributes(attribute("stickiness.lb_cookie.duration_seconds", "86400"))
                .attributes(attribute("slow_start.duration_seconds", "30"))
                .build()
        });
        let client = mock_client!(aws_sdk_elasticloadbalancingv2, RuleMode::MatchAny, [&rule]);
        let settings = with_elbv2(client).target_group_settings(&[arn("blue")].into()).await.unwrap();
        let expected = TargetGroupSettings {
            stickiness: Some(jiff::SignedDuration::from_hours(24)),
            deregistration_delay: jiff::SignedDuration::from_mins(5),
            slow_start: jiff::SignedDuration::from_secs(30),
        };
        assert_eq!(settings, BTreeMap::from([(arn("blue"), expected)]));
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
}
