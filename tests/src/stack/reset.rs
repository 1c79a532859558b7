//! Empties the account of a used stack.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::LocalStack;
use crate::listener::RULE_PREFIX;

/// The timeout for the last function.
const IDLE: Duration = Duration::from_secs(15);

/// A queue's attribute as it was before a scene changed it.
#[derive(Debug)]
pub(crate) struct Changed {
    queue: String,
    name: QueueAttributeName,
    was: String,
}

impl LocalStack {
    /// Empties the account for the next scene: no fleets, messages, stored items, recorded calls, inboxes or faults;
    /// default settings; queues as deployed.
    pub async fn reset(&self) -> anyhow::Result<()> {
        self.lift_faults();
        // Fleets first: a function that still runs finds none.
        self.control().reset().await?;
        self.restore_queues().await?;
        self.delete_what_listens().await?;
        self.delete_alarms().await?;
        self.purge_queues().await?;
        self.wait_until_idle(IDLE).await.context("the scene before does not end")?;
        // Messages that the last function sent before it ended.
        self.purge_queues().await?;
        self.table().empty().await?;
        self.recording().forget();
        Ok(())
    }

    /// Changes an attribute of a queue until the next reset. An output of the stack names the queue.
    pub async fn set_queue_attribute(
        &self,
        output: &str,
        name: QueueAttributeName,
        change: impl FnOnce(&str) -> anyhow::Result<String>,
    ) -> anyhow::Result<()> {
        let queue = self.deployment().output(output)?.to_owned();
        let asked = self.clients().sqs.get_queue_attributes().queue_url(&queue).attribute_names(name.clone());
        let was = asked.send().await?.attributes.and_then(|mut all| all.remove(&name));
        let was = was.with_context(|| format!("{output} has no {name}"))?;
        let is = change(&was)?;
        self.changes().push(Changed { queue: queue.clone(), name: name.clone(), was });
        self.clients().sqs.set_queue_attributes().queue_url(queue).attributes(name, is).send().await?;
        Ok(())
    }

    fn changes(&self) -> MutexGuard<'_, Vec<Changed>> {
        self.running.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn restore_queues(&self) -> anyhow::Result<()> {
        // The last change first: of two of one attribute, the first knows what was deployed.
        let changes: Vec<Changed> = self.changes().drain(..).rev().collect();
        for Changed { queue, name, was } in changes {
            self.clients().sqs.set_queue_attributes().queue_url(queue).attributes(name, was).send().await?;
        }
        Ok(())
    }

    /// Deletes the queues of inboxes and listeners, with their subscriptions and rules.
    async fn delete_what_listens(&self) -> anyhow::Result<()> {
        let subscriptions = self.clients().sns.list_subscriptions().send().await?.subscriptions.unwrap_or_default();
        for arn in subscriptions.into_iter().filter_map(|subscription| subscription.subscription_arn) {
            self.clients().sns.unsubscribe().subscription_arn(arn).send().await?;
        }
        let rules = self.event_bridge("ListRules", &json!({"NamePrefix": RULE_PREFIX})).await?;
        for rule in rules.get("Rules").and_then(Value::as_array).into_iter().flatten() {
            let name = rule.get("Name").context("a rule has no name")?;
            self.event_bridge("DeleteRule", &json!({"Name": name, "Force": true})).await?;
        }
        // By their names: the same queue has more than one URL.
        let name = |url: &str| url.rsplit('/').next().map(str::to_owned);
        let deployed: Vec<_> = self.deployment().queues().into_iter().map(name).collect();
        let queues = self.clients().sqs.list_queues().send().await?.queue_urls.unwrap_or_default();
        for queue in queues.iter().filter(|queue| !deployed.contains(&name(queue))) {
            self.clients().sqs.delete_queue().queue_url(queue).send().await?;
        }
        Ok(())
    }

    async fn delete_alarms(&self) -> anyhow::Result<()> {
        let alarms = self.clients().cloudwatch.describe_alarms().send().await?.metric_alarms.unwrap_or_default();
        let deployed = self.deployment().named("AWS::CloudWatch::Alarm");
        let names: Vec<String> = alarms.into_iter().filter_map(|alarm| alarm.alarm_name).collect();
        let names: Vec<String> = names.into_iter().filter(|name| !deployed.contains(&name.as_str())).collect();
        if !names.is_empty() {
            self.clients().cloudwatch.delete_alarms().set_alarm_names(Some(names)).send().await?;
        }
        Ok(())
    }

    async fn purge_queues(&self) -> anyhow::Result<()> {
        for queue in self.deployment().queues() {
            self.clients().sqs.purge_queue().queue_url(queue).send().await?;
        }
        Ok(())
    }
}
