//! The local AWS: both emulators, the proxy in front of them, and the real template with the real functions.

mod artifacts;
mod deployment;
mod launcher;
mod logs;
mod ports;
mod reset;
mod running;
mod standing;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use driftless_planner::fact::{Command, CommandFact, Fact};
use driftless_planner::request::{FleetRequest, ReconcileRequest};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

pub(crate) use artifacts::{built_at, executables, project};
pub use deployment::{Deployment, Resource};
pub use standing::RUNBOOKS;

use crate::clients::Clients;
use crate::control::Control;
use crate::http;
use crate::patience::{Poll, wait_until};
use crate::proxy::{Fault, Recording};
pub(crate) use launcher::python;
use running::Running;
use standing::Turn;

/// The region of everything local.
pub const REGION: &str = "us-east-1";
/// The account of everything local.
pub const ACCOUNT: &str = "123456789012";
/// The stack's name, and the prefix of its functions and queues.
pub const STACK: &str = "driftless";

/// A local AWS. It ends when its last holder is dropped, also by a panic, and when this process dies.
#[derive(Debug)]
pub struct LocalStack {
    running: Arc<Running>,
    /// The clients of this holder: their connections end with the runtime on which they were opened.
    clients: Clients,
    control: Control,
    since: Timestamp,
    /// None: the stack belongs to this holder alone.
    turn: Option<Turn>,
}

impl LocalStack {
    /// Starts a local AWS, independent of all others. It takes a few seconds.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a local AWS with parameters of the template, which override the defaults of every local stack.
    pub async fn start_with(parameters: &[(&str, &str)]) -> anyhow::Result<Self> {
        Ok(Self::on(Arc::new(Running::start(parameters).await?), None))
    }

    fn on(running: Arc<Running>, turn: Option<Turn>) -> Self {
        let clients = Clients::new(&running.moto_url, &running.endpoint, REGION);
        let control = Control::new(running.moto_url.clone());
        Self { running, clients, control, since: Timestamp::now(), turn }
    }

    /// Ends a successful scene: a shared stack is free for the next one.
    pub(crate) fn end_scene(&self) {
        if let Some(turn) = &self.turn {
            turn.end();
        }
    }

    /// What the functions called.
    pub fn recording(&self) -> &Recording {
        self.running.proxy.recording()
    }

    /// Adds a fault, which waits for its call.
    pub fn inject(&self, fault: Fault) {
        self.running.proxy.inject(fault);
    }

    /// Removes all faults.
    pub fn lift_faults(&self) {
        self.running.proxy.clear_faults();
    }

    /// Faults that no call has met.
    pub fn unmet_faults(&self) -> Vec<String> {
        self.running.proxy.unmet_faults()
    }

    /// The deployment.
    pub fn deployment(&self) -> &Deployment {
        &self.running.deployment
    }

    /// SDK clients that bypass the recording.
    pub const fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The control endpoint of the emulated fleets.
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// The URL of the emulator of functions, table, queues and topics.
    pub fn endpoint(&self) -> &str {
        &self.running.endpoint
    }

    /// The URL of the emulator of EC2, Auto Scaling, load balancing and Config.
    pub fn fleet_endpoint(&self) -> &str {
        self.control.endpoint()
    }

    /// The folder of the logs: of the emulators, of every call, and of the functions once the stack has ended.
    pub fn logs(&self) -> &Path {
        &self.running.logs
    }

    /// The log of a function since this holder has the stack, by its name without the stack's: `reconcile`.
    pub async fn log_of(&self, function: &str) -> anyhow::Result<String> {
        logs::read(&self.running.endpoint, &format!("{STACK}-{function}"), self.since).await
    }

    /// Runs a resync as the schedule does, and waits for its end. The functions handle its requests afterwards: see
    /// [`Self::wait_until_idle`].
    pub async fn resync(&self) -> anyhow::Result<Value> {
        self.invoke("reconcile", &json!({"resync": {}})).await
    }

    /// Lets the schedule run a resync now: once, at the deployed target, without waiting for its minute.
    pub async fn resync_by_schedule(&self) -> anyhow::Result<()> {
        let signed = http::authorization("scheduler", REGION);
        let headers = [("authorization", signed.as_str())];
        let deployed = http::get(&format!("{}/schedules/{STACK}-resync", self.endpoint()), &headers).await?;
        let target = deployed.get("Target").context("the schedule has no target")?;
        let once = json!({
            "ScheduleExpression": format!("at({})", Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S")),
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": target,
        });
        let url = format!("{}/schedules/{STACK}-resync-now", self.endpoint());
        http::post(&url, &headers, &once).await?;
        Ok(())
    }

    /// Calls a function and returns its response. An error that the function reports is an error here.
    pub async fn invoke(&self, function: &str, event: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/2015-03-31/functions/{STACK}-{function}/invocations", self.running.endpoint);
        let answer = http::post(&url, &[("authorization", &http::authorization("lambda", REGION))], event).await?;
        let text = String::from_utf8_lossy(answer.body());
        if answer.headers().contains_key("x-amz-function-error") {
            bail!("{function} failed: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{function} returned no JSON: {text}"))
    }

    /// The URL of a function in the emulator, which serves it under a path that needs no name resolution.
    pub fn url_of(&self, url_output: &str) -> anyhow::Result<String> {
        let url = self.running.deployment.output(url_output)?;
        let id = url.trim_start_matches("https://").split('.').next().context("the URL has no host")?;
        Ok(format!("{}/_aws/lambda-url/{id}/", self.running.endpoint))
    }

    /// Sends a request to a function's URL, signed with this access key. Returns the HTTP status and the body.
    pub async fn ask(&self, url_output: &str, key: &str, asked: &impl Serialize) -> anyhow::Result<(u16, Value)> {
        let url = self.url_of(url_output)?;
        let signed = http::signed_by(key, "lambda", REGION);
        let headers = [("authorization", signed.as_str()), ("content-type", "application/json")];
        let answer = http::post_whatever(&url, &headers, &serde_json::to_value(asked)?).await?;
        let text = String::from_utf8_lossy(answer.body());
        let body = serde_json::from_str(&text).with_context(|| format!("{url_output} answered no JSON: {text}"))?;
        Ok((answer.status().as_u16(), body))
    }

    /// Sends a reconcile request for a fleet.
    pub async fn request(&self, fleet: &str) -> anyhow::Result<()> {
        let message = ReconcileRequest::Reconcile(FleetRequest { fleet: fleet.parse()?, due: None });
        let queue = self.running.deployment.output("ReconcileQueueUrl")?;
        let sending = self.clients.sqs.send_message().queue_url(queue).message_body(serde_json::to_string(&message)?);
        sending.send().await?;
        Ok(())
    }

    /// An operator, or a pipeline, gives a command.
    pub async fn say(&self, fleet: &str, actor: &str, command: Command) -> anyhow::Result<()> {
        let at = Timestamp::now();
        let fact = CommandFact {
            request: format!("{actor}-{}", at.as_nanosecond()),
            fleet: fleet.parse()?,
            actor: actor.into(),
            at,
            reason: None,
            cutover: None,
            command,
        };
        let message = ReconcileRequest::Fact(Box::new(Fact::Command(fact)));
        let queue = self.running.deployment.output("ReconcileQueueUrl")?;
        let sending = self.clients.sqs.send_message().queue_url(queue).message_body(serde_json::to_string(&message)?);
        sending.send().await?;
        Ok(())
    }

    /// Waits until no function runs and no queue has a visible message. Delayed requests may be pending.
    pub async fn wait_until_idle(&self, timeout: Duration) -> anyhow::Result<()> {
        wait_until("no function runs and no message waits", timeout, async || {
            // In the order in which work flows: a message that a function has sent is in the queue that is checked
            // next.
            if let Some(busy) = self.busy_function().await? {
                return Ok(Poll::NotYet(format!("{busy} runs")));
            }
            for queue in
                ["ConfigComplianceQueueUrl", "CloudwatchAlarmQueueUrl", "ImagePublishedQueueUrl", "ReconcileQueueUrl"]
            {
                let url = self.running.deployment.output(queue)?;
                if let Some(waiting) = self.waiting_messages(url).await? {
                    return Ok(Poll::NotYet(format!("{url}: {waiting}")));
                }
            }
            Ok(Poll::Is(()))
        })
        .await
    }

    async fn busy_function(&self) -> anyhow::Result<Option<String>> {
        let processes = http::get(&format!("{}/driftless/functions", self.running.endpoint), &[]).await?;
        let mut processes = processes.as_array().into_iter().flatten();
        let busy = processes.find(|process| process.get("busy").and_then(Value::as_bool) == Some(true));
        Ok(busy.and_then(|process| process.get("functionName")?.as_str()).map(str::to_owned))
    }

    async fn waiting_messages(&self, queue: &str) -> anyhow::Result<Option<String>> {
        use aws_sdk_sqs::types::QueueAttributeName::{
            ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible,
        };
        let request = self.clients.sqs.get_queue_attributes().queue_url(queue);
        let request = request.attribute_names(ApproximateNumberOfMessages);
        let answer = request.attribute_names(ApproximateNumberOfMessagesNotVisible).send().await?;
        let counts = answer.attributes.unwrap_or_default();
        let waiting = counts.iter().find(|(_, count)| *count != "0");
        Ok(waiting.map(|(name, count)| format!("{name} {count}")))
    }
}
