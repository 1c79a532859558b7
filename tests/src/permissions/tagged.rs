//! The resources with the fleet tag, on which the policies of the functions depend.

use std::collections::BTreeSet;

use super::needs::{arn_of_group, arn_of_template};
use crate::fleet::FLEET_TAG;
use crate::proxy::Call;
use crate::stack::LocalStack;

/// `DescribeTags` of Elastic Load Balancing accepts this many ARNs.
const ARNS_MAX: usize = 20;

impl LocalStack {
    /// The ARNs of the groups and launch templates, and of the listeners and rules in calls, that have the fleet tag.
    pub async fn tagged_resources(&self, calls: &[Call]) -> anyhow::Result<BTreeSet<String>> {
        let mut tagged = self.tagged_groups().await?;
        let templates = self.clients().ec2.describe_launch_templates().into_paginator().items().send();
        for template in templates.collect::<Result<Vec<_>, _>>().await? {
            let has_tag = template.tags().iter().any(|tag| tag.key() == Some(FLEET_TAG));
            tagged.extend(template.launch_template_id().filter(|_| has_tag).map(arn_of_template));
        }
        let named = |call: &Call| ["ListenerArn", "RuleArn"].iter().find_map(|name| call.text(name)).map(str::to_owned);
        let changes = calls.iter().filter(|call| call.service == "elasticloadbalancing" && call.changes_fleets());
        let named: Vec<String> = changes.filter_map(named).collect::<BTreeSet<_>>().into_iter().collect();
        for arns in named.chunks(ARNS_MAX) {
            let request = self.clients().load_balancing.describe_tags().set_resource_arns(Some(arns.to_vec()));
            for described in request.send().await?.tag_descriptions.unwrap_or_default() {
                let has_tag = described.tags().iter().any(|tag| tag.key() == Some(FLEET_TAG));
                tagged.extend(described.resource_arn.filter(|_| has_tag));
            }
        }
        Ok(tagged)
    }

    async fn tagged_groups(&self) -> anyhow::Result<BTreeSet<String>> {
        let groups = self.clients().autoscaling.describe_auto_scaling_groups().into_paginator().items().send();
        let groups = groups.collect::<Result<Vec<_>, _>>().await?;
        let has_tag = |group: &&aws_sdk_autoscaling::types::AutoScalingGroup| {
            group.tags().iter().any(|tag| tag.key() == Some(FLEET_TAG))
        };
        Ok(groups
            .iter()
            .filter(has_tag)
            .filter_map(|group| group.auto_scaling_group_name())
            .map(arn_of_group)
            .collect())
    }
}
