//! The routes of a fleet's load balancer: weights, targets, and their health.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{ForwardActionConfig, Rule};

use super::Fleet;

/// The forward action of a fleet's listener with its targets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes(pub Vec<TargetGroup>);

/// A target group of a forward action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetGroup {
    pub arn: String,
    /// Its share of the requests, relative to those of the others.
    pub weight: i32,
    /// Its targets, draining ones included.
    pub targets: Vec<Target>,
}

/// A target of a target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The id of the instance.
    pub instance: String,
    /// The health in the load balancer, such as `healthy`.
    pub health: String,
}

impl Fleet {
    /// The current forward action of its listener with its targets.
    pub async fn routes(&self) -> anyhow::Result<Routes> {
        let mut groups = Vec::new();
        for (arn, weight) in self.forwards().await? {
            let health = self.health_of_targets(&arn).await?.into_iter();
            let targets = health.map(|(instance, health)| Target { instance, health }).collect();
            groups.push(TargetGroup { arn, weight, targets });
        }
        Ok(Routes(groups))
    }

    /// The weight that its listener gives to each target group, by the ARN of the target group.
    pub(crate) async fn forwards(&self) -> anyhow::Result<BTreeMap<String, i32>> {
        let rules = self.rules().await?;
        let is_meant = |rule: &&Rule| match self.rule() {
            Some(arn) => rule.rule_arn() == Some(arn),
            None => rule.is_default() == Some(true),
        };
        let actions = rules.iter().filter(is_meant).flat_map(Rule::actions);
        let forwards = actions.filter_map(|action| action.forward_config.as_ref());
        let tuples = forwards.flat_map(ForwardActionConfig::target_groups);
        // A single target group without a weight gets all traffic.
        Ok(tuples.filter_map(|tuple| Some((tuple.target_group_arn.clone()?, tuple.weight.unwrap_or(1)))).collect())
    }

    /// The health of each target of a target group, by instance.
    pub(crate) async fn health_of_targets(&self, target_group: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let request = self.clients.load_balancing.describe_target_health().target_group_arn(target_group);
        let described = request.send().await?.target_health_descriptions.unwrap_or_default();
        let health = described.into_iter().filter_map(|description| {
            let state = description.target_health?.state?.as_str().to_owned();
            Some((description.target?.id?, state))
        });
        Ok(health.collect())
    }
}
