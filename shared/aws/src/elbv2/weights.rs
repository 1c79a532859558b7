//! Forward actions: reads them, and writes their weights without changing anything else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::config::Builder as ConfigOverride;
use aws_sdk_elasticloadbalancingv2::config::retry::RetryConfig;
use aws_sdk_elasticloadbalancingv2::config::timeout::TimeoutConfig;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, Rule, TargetGroupStickinessConfig, TargetGroupTuple,
};
use driftless_planner::action::WeightChange;
use driftless_planner::balancer::{BalancerKind, Forward, ForwardPlace};
use driftless_planner::ids::TargetGroupArn;
use driftless_reconciler::ports::{CallError, CallErrorKind, CallResult, Clock as _};
use jiff::{SignedDuration, Timestamp};

use crate::aws::Aws;
use crate::error::{call_error, parsed, refused, required, unreadable};

const DESCRIBE_LISTENERS: &str = "elasticloadbalancing:DescribeListeners";
const DESCRIBE_RULES: &str = "elasticloadbalancing:DescribeRules";
pub(super) const MODIFY_LISTENER: &str = "elasticloadbalancing:ModifyListener";
pub(super) const MODIFY_RULE: &str = "elasticloadbalancing:ModifyRule";

/// The most attempts to write weights, which equal those that the SDK makes of other calls. The constant below is the
/// wait between them.
const WRITE_ATTEMPTS: u32 = 3;
const WAIT: Duration = Duration::from_millis(100);

/// The forward actions of a listener's rules. A forward action of the default rule belongs to the listener itself.
pub(super) fn forwards(listener: &str, rules: &[Rule]) -> CallResult<Vec<Forward>> {
    let mut found = Vec::new();
    for rule in rules {
        let place = if rule.is_default().unwrap_or_default() {
            ForwardPlace::Listener(parsed(DESCRIBE_LISTENERS, "ListenerArn", Some(listener))?)
        } else {
            ForwardPlace::Rule(parsed(DESCRIBE_RULES, "RuleArn", rule.rule_arn())?)
        };
        for action in rule.actions() {
            found.extend(forward(&place, listener, action)?);
        }
    }
    Ok(found)
}

/// Maps one forward action. None: the action does not forward to target groups.
fn forward(place: &ForwardPlace, listener: &str, action: &Action) -> CallResult<Option<Forward>> {
    let weights = weights(action)?;
    if weights.is_empty() {
        return Ok(None);
    }
    Ok(Some(Forward {
        place: place.clone(),
        weights,
        stickiness: stickiness(action)?,
        balancer: balancer_of(listener),
    }))
}

/// The kind of a load balancer. The listener ARN of an Application Load Balancer contains `listener/app/`.
fn balancer_of(listener: &str) -> BalancerKind {
    if listener.contains(":listener/app/") { BalancerKind::Application } else { BalancerKind::Other }
}

/// The target groups and weights of an action. AWS names a single target group in two places and ignores its weight,
/// because it gets all traffic; its weight counts as 1.
fn weights(action: &Action) -> CallResult<BTreeMap<TargetGroupArn, u32>> {
    let arn = |text: Option<&str>| parsed(DESCRIBE_RULES, "TargetGroupArn", text);
    match action.forward_config().map(ForwardActionConfig::target_groups).unwrap_or_default() {
        [] => action.target_group_arn().map(|text| Ok((arn(Some(text))?, 1))).into_iter().collect(),
        [one] => Ok(BTreeMap::from([(arn(one.target_group_arn())?, 1)])),
        several => several
            .iter()
            .map(|one| {
                let weight = required(DESCRIBE_RULES, "Weight", one.weight())?;
                let weight = u32::try_from(weight)
                    .map_err(|_negative| unreadable(DESCRIBE_RULES, format!("Weight is {weight}")))?;
                Ok((arn(one.target_group_arn())?, weight))
            })
            .collect(),
    }
}

fn stickiness(action: &Action) -> CallResult<Option<SignedDuration>> {
    let config = action.forward_config().and_then(ForwardActionConfig::target_group_stickiness_config);
    let Some(config) = config.filter(|config| config.enabled().unwrap_or_default()) else { return Ok(None) };
    let seconds = required(DESCRIBE_RULES, "DurationSeconds", config.duration_seconds())?;
    Ok(Some(SignedDuration::from_secs(seconds.into())))
}

/// Writes the weights of one forward action. AWS replaces all actions of a rule at once and has no versions. So the
/// actions are read right before the write, compared with the expected ones, and written back with new weights.
///
/// Each attempt reads again, and all attempts together stay within the time limit of one call. The SDK's own retries
/// would write without a new read: if the response to the first attempt was lost, a retry would overwrite what an
/// operator wrote in the meantime.
pub(super) async fn write(aws: &Aws, change: &WeightChange) -> CallResult<()> {
    let budget = Budget::of(aws);
    for attempt in 1..WRITE_ATTEMPTS {
        match try_write(aws, change, &budget).await {
            Err(error) if may_pass(&error) && budget.allows_another(aws.now()) => aws.pause(WAIT * attempt).await,
            answer => return answer,
        }
    }
    try_write(aws, change, &budget).await
}

/// Whether another attempt may succeed. Only the errors of the write count, because the SDK has already retried the
/// read.
fn may_pass(error: &CallError) -> bool {
    matches!(error.kind, CallErrorKind::Unavailable | CallErrorKind::Throttled)
        && [MODIFY_LISTENER, MODIFY_RULE].contains(&error.operation)
}

/// The time for all attempts to read and write together. None: no limit.
pub(super) struct Budget {
    pub(super) begun_at: Timestamp,
    pub(super) whole: Option<SignedDuration>,
}

impl Budget {
    fn of(aws: &Aws) -> Self {
        let whole = aws.config.timeout_config().and_then(TimeoutConfig::operation_timeout);
        Self { begun_at: aws.now(), whole: whole.and_then(|whole| SignedDuration::try_from(whole).ok()) }
    }

    /// Whether at least half of the time is left: more than enough for requests that take milliseconds.
    pub(super) fn allows_another(&self, now: Timestamp) -> bool {
        self.whole.is_none_or(|whole| now.duration_since(self.begun_at) <= whole / 2)
    }

    /// The time limit of one request with all its attempts: the remaining time divided by `part`.
    fn part(&self, now: Timestamp, part: i32) -> ConfigOverride {
        let left = self.whole.map(|whole| (whole - now.duration_since(self.begun_at)).max(SignedDuration::ZERO) / part);
        let mut timeouts = TimeoutConfig::builder();
        timeouts.set_operation_timeout(left.map(SignedDuration::unsigned_abs));
        ConfigOverride::new().timeout_config(timeouts.build())
    }
}

async fn try_write(aws: &Aws, change: &WeightChange, budget: &Budget) -> CallResult<()> {
    let to_read = budget.part(aws.now(), 2);
    let to_write = || budget.part(aws.now(), 1).retry_config(RetryConfig::disabled());
    match &change.place {
        ForwardPlace::Listener(listener) => {
            let request = aws.elbv2().describe_listeners().listener_arns(listener.as_str());
            let answer = request.customize().config_override(to_read).send().await;
            let answer = answer.map_err(|error| call_error(DESCRIBE_LISTENERS, error))?;
            let found = required(DESCRIBE_LISTENERS, "Listeners", answer.listeners().first())?;
            let Some(actions) = changed(MODIFY_LISTENER, found.default_actions(), change)? else { return Ok(()) };
            let request = aws.elbv2().modify_listener().listener_arn(listener.as_str());
            let request = request.set_default_actions(Some(actions)).customize().config_override(to_write());
            request.send().await.map(|_| ()).map_err(|error| call_error(MODIFY_LISTENER, error))
        }
        ForwardPlace::Rule(rule) => {
            let request = aws.elbv2().describe_rules().rule_arns(rule.as_str());
            let answer = request.customize().config_override(to_read).send().await;
            let answer = answer.map_err(|error| call_error(DESCRIBE_RULES, error))?;
            let found = required(DESCRIBE_RULES, "Rules", answer.rules().first())?;
            let Some(actions) = changed(MODIFY_RULE, found.actions(), change)? else { return Ok(()) };
            let request = aws.elbv2().modify_rule().rule_arn(rule.as_str()).set_actions(Some(actions));
            let answer = request.customize().config_override(to_write()).send().await;
            answer.map(|_| ()).map_err(|error| call_error(MODIFY_RULE, error))
        }
    }
}

/// The actions of a rule, with the new weights in the forward action. None: the new weights are already in place. Fails
/// with `Refused` when the live weights or stickiness differ from the expected ones.
fn changed(operation: &'static str, actions: &[Action], change: &WeightChange) -> CallResult<Option<Vec<Action>>> {
    let mut is_found = false;
    let mut written = Vec::new();
    for action in actions {
        let live = weights(action)?;
        if live.is_empty() {
            written.push(kept(operation, action)?);
            continue;
        }
        let named: BTreeSet<&TargetGroupArn> = live.keys().collect();
        let stickiness = stickiness(action)?;
        if live == change.weights && stickiness == change.stickiness {
            return Ok(None);
        }
        if live != change.expected || stickiness != change.expected_stickiness {
            return Err(refused(operation, "the weights are not those that were decided on"));
        }
        if named != change.weights.keys().collect() {
            return Err(refused(operation, "the weights to write name other target groups than the action does"));
        }
        is_found = true;
        written.push(weighted(operation, action, change)?);
    }
    if is_found { Ok(Some(written)) } else { Err(refused(operation, "there is no forward action any more")) }
}

/// An action of a rule as it was read, in a form that can be written. AWS never returns a client secret; the written
/// form tells AWS to keep the stored one. Fails with `Refused` when this code does not know the type of the action,
/// because its content would be lost.
fn kept(operation: &'static str, action: &Action) -> CallResult<Action> {
    let kind = required(operation, "Type", action.r#type())?;
    if !ActionTypeEnum::values().contains(&kind.as_str()) {
        return Err(refused(
            operation,
            format!("an action of the type {kind:?} stands beside, which cannot be written back"),
        ));
    }
    let mut action = action.clone();
    if let Some(config) = &mut action.authenticate_oidc_config {
        config.use_existing_client_secret = Some(true);
    }
    Ok(action)
}

fn weighted(operation: &'static str, action: &Action, change: &WeightChange) -> CallResult<Action> {
    let tuple = |(arn, weight): (&TargetGroupArn, &u32)| {
        let weight = i32::try_from(*weight).map_err(|_large| refused(operation, format!("{weight} is no weight")))?;
        Ok(TargetGroupTuple::builder().target_group_arn(arn.as_str()).weight(weight).build())
    };
    let target_groups = change.weights.iter().map(tuple).collect::<CallResult<Vec<_>>>()?;
    let stickiness = match change.stickiness {
        Some(duration) => {
            let seconds = i32::try_from(duration.as_secs());
            let seconds = seconds.map_err(|_long| refused(operation, format!("{duration:#} is no stickiness")))?;
            TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(seconds)
        }
        None => TargetGroupStickinessConfig::builder().enabled(false),
    };
    let config = ForwardActionConfig::builder()
        .set_target_groups(Some(target_groups))
        .target_group_stickiness_config(stickiness.build());
    Ok(Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .set_order(action.order())
        .forward_config(config.build())
        .build())
}
