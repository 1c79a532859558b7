//! The rules of a fleet's listener.

use anyhow::Context as _;
use aws_sdk_elasticloadbalancingv2::types::Rule;

use super::Fleet;

impl Fleet {
    /// The listener rule that forwards the traffic. None: the default action does.
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// Every rule of its listener without the weights: no cutover may change these.
    pub async fn rules_but_weights(&self) -> anyhow::Result<String> {
        let mut rules = self.rules().await?;
        let actions = rules.iter_mut().filter_map(|rule| rule.actions.as_mut()).flatten();
        let forwards = actions.filter_map(|action| action.forward_config.as_mut()?.target_groups.as_mut());
        for tuple in forwards.flatten() {
            tuple.weight = None;
        }
        Ok(format!("{rules:#?}"))
    }

    /// All rules. The listener's default action is among them, as one.
    pub(super) async fn rules(&self) -> anyhow::Result<Vec<Rule>> {
        let listener = self.listener.as_deref().context("the fleet has no listener")?;
        let request = self.clients.load_balancing.describe_rules().listener_arn(listener);
        Ok(request.send().await?.rules.unwrap_or_default())
    }
}
