//! The setup of a scene (a local AWS, a fleet of three, the inbox of on-call), and the checks at its end.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use driftless_planner::fact::ComplianceType;
use driftless_tests::control::Settings;
use driftless_tests::fleet::{Fleet, FleetSpec, FleetView, InstanceView};
use driftless_tests::inbox::{Inbox, Letter};
use driftless_tests::patience::{Poll, wait_until};
use driftless_tests::proxy::{Call, listed};
use driftless_tests::stack::LocalStack;
use serde_json::Value;

/// The rule on the fleet's list.
pub(crate) const RULE: &str = "approved-amis";
/// The timeout of a short operation, with a margin for a busy machine: the message of a function that timed out is
/// received again after 36 s.
pub(crate) const A_WHILE: Duration = Duration::from_secs(45);
/// The timeout of a replacement, with a margin for a busy machine.
pub(crate) const REPLACEMENT: Duration = Duration::from_mins(1);

/// Calls that scenes check.
pub(crate) const LAUNCH: &str = "autoscaling:LaunchInstances";
pub(crate) const TERMINATE: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";

/// The duration of emulated changes: long enough to be observed, short enough to wait for.
const PACE: Duration = Duration::from_millis(300);

/// A policy that acts on drift under [`RULE`] at once.
const ACTING: [(&str, &str); 7] = [
    ("mode", "act"),
    ("rules", RULE),
    ("alarms", "none"),
    ("approval", "manual"),
    ("debounce", "0s"),
    ("launch-deadline", "20m"),
    ("drain-deadline", "20m"),
];

/// [`ACTING`], with other values for some keys, and more keys.
pub(crate) fn acting<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let is_changed = |key: &str| changes.iter().any(|(changed, _)| *changed == key);
    ACTING.into_iter().filter(|(key, _)| !is_changed(key)).chain(changes.iter().copied()).collect()
}

/// The fleet of three: a pair that is acted on, behind a load balancer.
pub(crate) fn fleet_of_three(changes: &[(&str, &str)]) -> FleetSpec {
    FleetSpec::pair("app").instances(3).policy(&acting(changes))
}

/// The resources of a scene.
pub(crate) struct Stage {
    pub(crate) stack: LocalStack,
    pub(crate) fleet: Fleet,
    pub(crate) inbox: Inbox,
    /// The fleet at the start.
    pub(crate) before: FleetView,
}

/// What a scene leaves behind on purpose. The default is nothing.
#[derive(Debug, Default)]
pub(crate) struct Left<'a> {
    /// Drifted instances in the record, with their phase.
    pub(crate) drifted: &'a [(&'a str, &'a str)],
    /// Instances that are kept for forensics.
    pub(crate) quarantined: &'a [&'a str],
    /// Open conditions that were announced, by their keys.
    pub(crate) conditions: &'a [&'a str],
    /// The outputs that name the dead-letter queues which are not empty.
    pub(crate) dead_letters_in: &'a [&'a str],
}

impl Stage {
    /// The fleet of three, on a running local AWS.
    pub(crate) async fn set() -> anyhow::Result<Self> {
        Self::with(&fleet_of_three(&[])).await
    }

    /// Another fleet.
    pub(crate) async fn with(spec: &FleetSpec) -> anyhow::Result<Self> {
        Self::on(LocalStack::lent().await?, spec).await
    }

    async fn on(stack: LocalStack, spec: &FleetSpec) -> anyhow::Result<Self> {
        Self::hurry(&stack).await?;
        let fleet = spec.create(&stack).await?;
        Self::of(stack, fleet).await
    }

    /// Instances launch without delay while a fleet is created.
    pub(crate) async fn hurry(stack: &LocalStack) -> anyhow::Result<()> {
        let at_once = Some(Duration::ZERO);
        stack.control().set(&Settings { launch: at_once, healthy: at_once, ..Settings::default() }).await
    }

    /// A fleet that was made on a local AWS.
    pub(crate) async fn of(stack: LocalStack, fleet: Fleet) -> anyhow::Result<Self> {
        let inbox = stack.inbox("on-call").await?;
        let before = fleet.wait_until_idle(A_WHILE).await?;
        let pace = Some(PACE);
        stack.control().set(&Settings { launch: pace, healthy: pace, drain: pace, ..Settings::default() }).await?;
        let stage = Self { stack, fleet, inbox, before };
        // Config knows the rule: every instance is compliant.
        stage.stack.control().set_compliance(stage.instance(0)?, RULE, ComplianceType::Compliant, None).await?;
        Ok(stage)
    }

    /// The id of one of the live instances.
    pub(crate) fn instance(&self, position: usize) -> anyhow::Result<&str> {
        let instance = self.before.group("blue")?.instances.get(position).context("the fleet has fewer instances")?;
        Ok(&instance.id)
    }

    /// The first live instance drifts, and Config reports it.
    pub(crate) async fn drift(&self) -> anyhow::Result<String> {
        let id = self.instance(0)?.to_owned();
        self.stack.find_non_compliant(&id, RULE, "image ami-0 is not approved").await?;
        Ok(id)
    }

    /// Waits for a letter of a kind.
    pub(crate) async fn letter(&mut self, kind: &str) -> anyhow::Result<Letter> {
        self.inbox.wait_for_kind(self.fleet.name(), kind, REPLACEMENT).await
    }

    /// The kinds of all letters about the fleet until now.
    pub(crate) async fn kinds(&mut self) -> anyhow::Result<Vec<String>> {
        let name = self.fleet.name();
        let letters = self.inbox.read().await?.iter().filter(|letter| letter.fleet() == Some(name));
        Ok(letters.filter_map(Letter::kind).map(str::to_owned).collect())
    }

    /// The calls of `reconcile` with this name.
    pub(crate) fn calls(&self, name: &str) -> Vec<Call> {
        let calls = self.stack.recording().all().into_iter();
        calls.filter(|call| call.is_by("reconcile") && call.name() == name).collect()
    }

    /// The record, as it is stored.
    pub(crate) async fn record(&self) -> anyhow::Result<Value> {
        let state = self.stack.table().fleet(self.fleet.name()).await?.state;
        state.and_then(|mut item| item.get_mut("record").map(Value::take)).context("there is no record yet")
    }

    /// Waits until a drifted instance is in a phase.
    pub(crate) async fn wait_for_phase(&self, instance: &str, phase: &str) -> anyhow::Result<()> {
        wait_until(&format!("{instance} is {phase}"), A_WHILE, async || {
            let found = self.record().await.map(|record| phases(&record)).unwrap_or_default();
            let is_there = found.contains(&(instance.to_owned(), phase.to_owned()));
            Ok(if is_there { Poll::Is(()) } else { Poll::NotYet(format!("{found:?}")) })
        })
        .await
    }

    /// Sets the visibility timeout of a queue.
    pub(crate) async fn set_visibility(&self, output: &str, seconds: u32) -> anyhow::Result<()> {
        self.stack.set_queue_attribute(output, QueueAttributeName::VisibilityTimeout, |_| Ok(seconds.to_string())).await
    }

    /// Sets the number of receives after which a message goes to the dead-letter queue.
    pub(crate) async fn set_receives_max(&self, output: &str, receives: u32) -> anyhow::Result<()> {
        let with_maximum = |policy: &str| {
            let mut policy: Value = serde_json::from_str(policy)?;
            *policy.get_mut("maxReceiveCount").context("the queue gives nothing up")? = receives.into();
            Ok(policy.to_string())
        };
        self.stack.set_queue_attribute(output, QueueAttributeName::RedrivePolicy, with_maximum).await
    }

    /// The bodies of the messages in a queue, without deleting them.
    pub(crate) async fn messages(&self, output: &str) -> anyhow::Result<Vec<String>> {
        let queue = self.stack.deployment().output(output)?;
        let request = self.stack.clients().sqs.receive_message().queue_url(queue);
        let request = request.max_number_of_messages(10).visibility_timeout(0);
        let messages = request.send().await?.messages.unwrap_or_default();
        Ok(messages.into_iter().filter_map(|message| message.body).collect())
    }

    // ---- how a scene ends --------------------------------------------------------------------------------------------

    /// Asserts that a drifted instance was replaced by one in its zone, and that nothing else changed. Returns the
    /// replacement instance.
    pub(crate) async fn assert_replaced(&self, drifted: &str) -> anyhow::Result<InstanceView> {
        let after = self.fleet.wait_until_idle(A_WHILE).await?;
        let (was, is) = (self.before.group("blue")?, after.group("blue")?);
        assert_eq!(
            (is.min, is.max, is.desired, is.serving()),
            (was.min, was.max, was.desired, was.serving()),
            "{after}"
        );
        assert!(after.instance(drifted).is_none(), "{after}");
        let stayed = was.instances.iter().filter(|instance| instance.id != drifted);
        for instance in stayed {
            assert_eq!(after.instance(&instance.id), Some(instance), "{after}");
        }
        let came: Vec<_> =
            is.instances.iter().filter(|instance| self.before.instance(&instance.id).is_none()).collect();
        let [successor] = came.as_slice() else { anyhow::bail!("not one came: {after}") };
        assert!(!successor.is_protected, "{after}");
        assert_eq!(successor.template_version, Some("1".to_owned()), "{after}");
        let others =
            |view: &FleetView| view.groups.iter().filter(|group| group.name != is.name).cloned().collect::<Vec<_>>();
        assert_eq!(others(&after), others(&self.before));
        self.assert_only_touched(&[drifted, &successor.id])?;
        assert_eq!(self.terminated(), BTreeSet::from([drifted.to_owned()]));
        Ok((*successor).clone())
    }

    /// Asserts that the fleet is unchanged, and that no function tried to change it.
    pub(crate) async fn assert_untouched(&self) -> anyhow::Result<()> {
        assert_eq!(self.fleet.view().await?, self.before);
        let changes: Vec<Call> = self.stack.recording().all().into_iter().filter(Call::changes_fleets).collect();
        ensure!(changes.is_empty(), "a function tried to change the fleet:{}", listed(&changes));
        Ok(())
    }

    /// The instances that functions asked to terminate.
    pub(crate) fn terminated(&self) -> BTreeSet<String> {
        self.calls(TERMINATE).iter().filter_map(|call| call.text("InstanceId")).map(str::to_owned).collect()
    }

    /// The tokens of all launch calls.
    pub(crate) fn launch_tokens(&self) -> BTreeSet<String> {
        self.calls(LAUNCH).iter().filter_map(|call| call.text("ClientToken")).map(str::to_owned).collect()
    }

    /// Asserts that every change was to the live group, or to one of these instances.
    fn assert_only_touched(&self, instances: &[&str]) -> anyhow::Result<()> {
        let live = &self.before.group("blue")?.name;
        let changes = self.stack.recording().all().into_iter().filter(Call::changes_fleets);
        let is_meant = |call: &Call| {
            let group = call.text("AutoScalingGroupName").is_none_or(|group| group == live);
            let named = ["InstanceId", "InstanceIds.member.1"].iter().filter_map(|name| call.text(name));
            group && call.service == "autoscaling" && named.into_iter().all(|instance| instances.contains(&instance))
        };
        let strays: Vec<Call> = changes.filter(|call| !is_meant(call)).collect();
        ensure!(strays.is_empty(), "others were touched:{}", listed(&strays));
        Ok(())
    }

    /// The checks at the end of every scene: a resync and a request change nothing and send no message; the table has
    /// nothing but what is left on purpose; no function exceeded its policy; every fault occurred. [`crate::proof`]
    /// finds a scene without this call.
    pub(crate) async fn assert_at_rest(&self, left: &Left<'_>) -> anyhow::Result<()> {
        self.stack.wait_until_idle(A_WHILE).await?;
        self.use_facts().await?;
        self.assert_fixed_point().await?;
        self.assert_nothing_open(left).await?;
        for (name, _) in self.stack.deployment().outputs.iter().filter(|(name, _)| name.ends_with("DeadLetterQueueUrl"))
        {
            if !left.dead_letters_in.contains(&name.as_str()) {
                assert_eq!(self.messages(name).await?, Vec::<String>::new(), "{name}");
            }
        }
        self.stack.check_permissions().await?;
        assert_eq!(self.stack.unmet_faults(), Vec::<String>::new());
        self.stack.leave_evidence().await
    }

    /// Facts that can wait are read within a minute, or with the next request.
    async fn use_facts(&self) -> anyhow::Result<()> {
        if !self.stack.table().fleet(self.fleet.name()).await?.facts.is_empty() {
            self.stack.request(self.fleet.name()).await?;
            self.stack.wait_until_idle(A_WHILE).await?;
        }
        Ok(())
    }

    async fn assert_fixed_point(&self) -> anyhow::Result<()> {
        self.stack.wait_until_idle(A_WHILE).await?;
        let before = self.record().await?;
        let mark = self.stack.recording().mark();
        self.stack.resync().await?;
        self.stack.wait_until_idle(A_WHILE).await?;
        let requested = self.stack.recording().mark();
        self.stack.request(self.fleet.name()).await?;
        // Only a reconcile pass reads the fleet's partition.
        let partition = format!("FLEET#{}\"", self.fleet.name());
        let looks = |call: &Call| call.name() == "dynamodb:Query" && call.contains(&partition);
        let looked = |calls: &[Call]| calls.iter().any(looks).then_some(());
        self.stack.recording().wait_for(requested, "reconcile looks at the fleet", A_WHILE, looked).await?;
        self.stack.wait_until_idle(A_WHILE).await?;
        let is_effect =
            |call: &Call| call.changes_fleets() || ["sns:Publish", "events:PutEvents"].contains(&&*call.name());
        let effects: Vec<Call> = self.stack.recording().since(mark).into_iter().filter(is_effect).collect();
        ensure!(effects.is_empty(), "looking again has effects:{}", listed(&effects));
        assert_eq!(self.record().await?, before, "looking again changes the record");
        Ok(())
    }

    async fn assert_nothing_open(&self, left: &Left<'_>) -> anyhow::Result<()> {
        let stored = self.stack.table().fleet(self.fleet.name()).await?;
        assert_eq!(stored.outbox, Vec::<Value>::new());
        let is_in_progress = |item: &&Value| {
            let sort_key = item.get("sk").and_then(Value::as_str).unwrap_or_default();
            sort_key.starts_with("EVENTS#") || sort_key.starts_with("PARTIALLY-DELIVERED#")
        };
        let in_progress: Vec<&Value> = stored.other.iter().filter(is_in_progress).collect();
        ensure!(in_progress.is_empty(), "not told yet: {in_progress:#?}");
        assert_eq!(stored.facts, Vec::<Value>::new());
        let state = stored.state.context("there is no record")?;
        let record = state.get("record").context("the state has no record")?;
        let drifted: BTreeSet<_> =
            left.drifted.iter().map(|(id, phase)| ((*id).to_owned(), (*phase).to_owned())).collect();
        assert_eq!(phases(record), drifted, "{record:#}");
        let quarantined: Vec<&str> = fields(record, "quarantined").map(|(id, _)| id.as_str()).collect();
        assert_eq!(quarantined, left.quarantined, "{record:#}");
        let conditions: BTreeSet<&str> = fields(record, "conditions").map(|(key, _)| key.as_str()).collect();
        assert_eq!(conditions, left.conditions.iter().copied().collect(), "{record:#}");
        assert_eq!(record.get("borrowed_settings"), Some(&Value::Array(Vec::new())), "{record:#}");
        let is_open = drifted.iter().any(|(_, phase)| phase != "stopped");
        assert_eq!(state.get("open_work").is_some(), is_open, "{state:#}");
        let lock = stored.lock.context("there is no lease item")?;
        assert_eq!(lock.get("holder"), None, "{lock:#}");
        Ok(())
    }
}

/// The phase of each drifted instance.
fn phases(record: &Value) -> BTreeSet<(String, String)> {
    let name = |phase: &Value| match phase {
        Value::String(name) => name.clone(),
        Value::Object(variant) => variant.keys().next().cloned().unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => String::new(),
    };
    let phase = |replacement: &Value| replacement.get("phase").map(name).unwrap_or_default();
    fields(record, "replacements").map(|(id, replacement)| (id.clone(), phase(replacement))).collect()
}

fn fields<'a>(record: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    record.get(name).and_then(Value::as_object).into_iter().flatten()
}
