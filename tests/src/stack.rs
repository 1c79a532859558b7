//! The local AWS: both emulators, the proxy in front of them, and the real template with the real functions.

mod artifacts;
mod deployment;
mod launcher;
mod logs;
mod ports;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use driftless_planner::fact::{Command, CommandFact, Fact};
use driftless_planner::wake::{Wake, WakeMessage};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

pub(crate) use artifacts::{built_at, executables, project};
pub use deployment::{Deployment, Resource};

use crate::clients::Clients;
use crate::control::Control;
use crate::http;
use crate::patience::{Look, wait_until};
use crate::proxy::{Fault, Proxy, Recording, Upstreams};
use launcher::Launcher;
pub(crate) use launcher::python;

/// The region of everything local.
pub const REGION: &str = "us-east-1";
/// The account of everything local.
pub const ACCOUNT: &str = "123456789012";
/// The stack's name, and the prefix of its functions and queues.
pub const STACK: &str = "driftless";

/// The shortest times that the template allows, so that a message which failed comes back within a test's patience.
const PARAMETERS: [(&str, &str); 3] =
    [("FunctionTimeoutSeconds", "6"), ("ProtectTable", "false"), ("LogLevel", "DEBUG")];

/// A running local AWS. Everything ends when it is dropped, also by a panic, and when this process dies.
#[derive(Debug)]
pub struct LocalStack {
    ministack: Launcher,
    moto: Launcher,
    proxy: Proxy,
    deployment: Deployment,
    clients: Clients,
    control: Control,
    endpoint: String,
    logs: PathBuf,
}

impl LocalStack {
    /// Starts one, independent of all others. It takes a few seconds.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts one with parameters of the template, which win over those of every local stack.
    pub async fn start_with(parameters: &[(&str, &str)]) -> anyhow::Result<Self> {
        let project = project();
        let executables = executables()?;
        let template = std::fs::read_to_string(project.join("template.yaml")).context("cannot read template.yaml")?;
        artifacts::check_built(&artifacts::functions_of(&template), &executables)?;
        let id = new_id();
        let logs = artifacts::create_log_folder(&executables, &id)?;
        Self::start_in(&project, &executables, &id, logs.clone(), parameters)
            .await
            .with_context(|| format!("the local stack did not start; its logs are in {}", logs.display()))
    }

    async fn start_in(
        project: &Path,
        executables: &Path,
        id: &str,
        logs: PathBuf,
        parameters: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let (moto_port, ministack_port) = (ports::free_port()?, ports::free_port()?);
        let upstreams =
            Upstreams { fleet: format!("127.0.0.1:{moto_port}"), other: format!("127.0.0.1:{ministack_port}") };
        let (moto_url, endpoint) = (format!("http://{}", upstreams.fleet), format!("http://{}", upstreams.other));
        let proxy = Proxy::start(upstreams, id, &logs.join("calls.jsonl"))?;
        let options = |port: u16, more: &[&str]| {
            let port = ["--port".to_owned(), port.to_string(), "--account".to_owned(), ACCOUNT.to_owned()];
            port.into_iter().chain(more.iter().map(|option| (*option).to_owned())).collect()
        };
        let to_proxy = proxy.url();
        let (moto, ministack) = tokio::join!(
            Launcher::start(project, "moto", options(moto_port, &[]), &logs),
            Launcher::start(
                project,
                "ministack",
                options(ministack_port, &["--aws-endpoint", &to_proxy, "--stack-id", id]),
                &logs
            )
        );
        let (moto, ministack) = (moto?, ministack?);
        let wins = |name: &str| parameters.iter().any(|(given, _)| *given == name);
        let all: Vec<_> =
            PARAMETERS.into_iter().filter(|(name, _)| !wins(name)).chain(parameters.iter().copied()).collect();
        let deployment = deployment::deploy(project, executables, &endpoint, STACK, &all).await?;
        let clients = Clients::new(&moto_url, &endpoint, REGION);
        let control = Control::new(moto_url);
        Ok(Self { ministack, moto, proxy, deployment, clients, control, endpoint, logs })
    }

    /// What the functions called.
    pub const fn recording(&self) -> &Recording {
        self.proxy.recording()
    }

    /// Lets a fault wait for its call.
    pub fn inject(&self, fault: Fault) {
        self.proxy.inject(fault);
    }

    /// Lets no fault strike any more.
    pub fn lift_faults(&self) {
        self.proxy.clear_faults();
    }

    /// Faults that have not struck yet.
    pub fn unmet_faults(&self) -> Vec<String> {
        self.proxy.unmet_faults()
    }

    /// What was deployed.
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// SDK clients, past the recording.
    pub const fn clients(&self) -> &Clients {
        &self.clients
    }

    /// What can be changed about the emulated fleets.
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// The URL of the serverless half: functions, table, queues, topic.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The URL of the half that fleets live in: EC2, Auto Scaling, load balancing, Config.
    pub fn fleet_endpoint(&self) -> &str {
        self.control.endpoint()
    }

    /// The folder of the logs: of the emulators, of every call, and of the functions once the stack has ended.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// Everything that a function has logged until now, by its name without the stack's: `reconcile`.
    pub async fn log_of(&self, function: &str) -> anyhow::Result<String> {
        logs::read(&self.endpoint, &format!("{STACK}-{function}")).await
    }

    /// Runs a sweep, as the schedule does, and waits for its end. The wakes that it sends are worked off afterwards: see
    /// [`Self::wait_until_idle`].
    pub async fn sweep(&self) -> anyhow::Result<Value> {
        self.invoke("reconcile", &json!({"sweep": {}})).await
    }

    /// Calls a function and answers what it returns. What it reports as an error is one.
    pub async fn invoke(&self, function: &str, event: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/2015-03-31/functions/{STACK}-{function}/invocations", self.endpoint);
        let answer = http::post(&url, &[("authorization", &http::authorization("lambda", REGION))], event).await?;
        let text = String::from_utf8_lossy(answer.body());
        if answer.headers().contains_key("x-amz-function-error") {
            bail!("{function} failed: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{function} returned no JSON: {text}"))
    }

    /// Where a function is reached here: the emulator serves its URL under a path too, for which no name has to be
    /// resolved.
    pub fn url_of(&self, url_output: &str) -> anyhow::Result<String> {
        let url = self.deployment.output(url_output)?;
        let id = url.trim_start_matches("https://").split('.').next().context("the URL has no host")?;
        Ok(format!("{}/_aws/lambda-url/{id}/", self.endpoint))
    }

    /// Asks a function behind its URL, as a user with this access key. Answers the status of HTTP, and the body.
    pub async fn ask(&self, url_output: &str, key: &str, asked: &impl Serialize) -> anyhow::Result<(u16, Value)> {
        let url = self.url_of(url_output)?;
        let signed = http::signed_by(key, "lambda", REGION);
        let headers = [("authorization", signed.as_str()), ("content-type", "application/json")];
        let answer = http::post_whatever(&url, &headers, &serde_json::to_value(asked)?).await?;
        let text = String::from_utf8_lossy(answer.body());
        let body = serde_json::from_str(&text).with_context(|| format!("{url_output} answered no JSON: {text}"))?;
        Ok((answer.status().as_u16(), body))
    }

    /// Lets reconcile look at a fleet.
    pub async fn wake(&self, fleet: &str) -> anyhow::Result<()> {
        let message = WakeMessage::Wake(Wake { fleet: fleet.parse()?, due: None });
        let queue = self.deployment.output("WakeQueueUrl")?;
        let sending = self.clients.sqs.send_message().queue_url(queue).message_body(serde_json::to_string(&message)?);
        sending.send().await?;
        Ok(())
    }

    /// A person, or a pipeline, gives a command.
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
        let message = WakeMessage::Fact(Box::new(Fact::Command(fact)));
        let queue = self.deployment.output("WakeQueueUrl")?;
        let sending = self.clients.sqs.send_message().queue_url(queue).message_body(serde_json::to_string(&message)?);
        sending.send().await?;
        Ok(())
    }

    /// Waits until nothing is under way: no function runs, and no queue holds a message that could be taken now. Wakes
    /// that are due later may be on their way.
    pub async fn wait_until_idle(&self, timeout: Duration) -> anyhow::Result<()> {
        wait_until("no function runs and no message waits", timeout, async || {
            // In the direction in which work flows: what a function has passed on is seen in the queue that is read next.
            if let Some(busy) = self.busy_function().await? {
                return Ok(Look::NotYet(format!("{busy} runs")));
            }
            for queue in
                ["ConfigComplianceQueueUrl", "CloudwatchAlarmQueueUrl", "ImagePublishedQueueUrl", "WakeQueueUrl"]
            {
                let url = self.deployment.output(queue)?;
                if let Some(waiting) = self.waiting_messages(url).await? {
                    return Ok(Look::NotYet(format!("{url}: {waiting}")));
                }
            }
            Ok(Look::Is(()))
        })
        .await
    }

    /// An empty account for the next scene: no fleets, no messages, no memory, no faults, default settings. The recording
    /// goes on, as do inboxes.
    pub async fn reset(&self) -> anyhow::Result<()> {
        self.lift_faults();
        self.purge_queues().await?;
        self.wait_until_idle(Duration::from_secs(15)).await.context("the scene before does not end")?;
        // What the last function sent before it ended.
        self.purge_queues().await?;
        self.table().empty().await?;
        self.control.reset().await
    }

    async fn purge_queues(&self) -> anyhow::Result<()> {
        let queues = self.clients.sqs.list_queues().send().await?.queue_urls.unwrap_or_default();
        for queue in queues {
            self.clients.sqs.purge_queue().queue_url(queue).send().await?;
        }
        Ok(())
    }

    async fn busy_function(&self) -> anyhow::Result<Option<String>> {
        let processes = http::get(&format!("{}/driftless/functions", self.endpoint)).await?;
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

impl Drop for LocalStack {
    fn drop(&mut self) {
        logs::save(&self.endpoint, self.deployment.policies.keys().cloned().collect(), &self.logs);
        // The functions first, and the proxy, which drops itself, last: nobody calls what is gone.
        self.ministack.end();
        self.moto.end();
    }
}

/// A name that tells stacks of this machine apart: the test's, as far as it is known, and the process.
fn new_id() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let thread = std::thread::current().name().unwrap_or("stack").replace("::", "-");
    format!("{thread}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
