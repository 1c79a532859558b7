//! The part of a local AWS that runs on between its users: both emulators, the proxy, and the deployment.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;

use super::launcher::Launcher;
use super::reset::Changed;
use super::{ACCOUNT, Deployment, STACK, artifacts, deployment, executables, logs, ports, project};
use crate::proxy::{Proxy, Upstreams};

/// The shortest times that the template allows, so that a message which failed comes back within a test's patience.
const PARAMETERS: [(&str, &str); 3] =
    [("FunctionTimeoutSeconds", "6"), ("ProtectTable", "false"), ("LogLevel", "DEBUG")];

/// A running local AWS. Everything ends when it is dropped, also by a panic, and when this process dies.
#[derive(Debug)]
pub(crate) struct Running {
    ministack: Launcher,
    moto: Launcher,
    pub(crate) proxy: Proxy,
    pub(crate) deployment: Deployment,
    pub(crate) moto_url: String,
    pub(crate) endpoint: String,
    pub(crate) logs: PathBuf,
    /// What the scenes since the last reset have changed about queues, oldest first.
    pub(crate) changes: Mutex<Vec<Changed>>,
}

impl Running {
    /// Starts one, independent of all others, with parameters of the template, which win over [`PARAMETERS`].
    pub(crate) async fn start(parameters: &[(&str, &str)]) -> anyhow::Result<Self> {
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
        Ok(Self { ministack, moto, proxy, deployment, moto_url, endpoint, logs, changes: Mutex::default() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        logs::save(&self.endpoint, self.deployment.policies.keys().cloned().collect(), &self.logs);
        // The functions end first and the proxy, by its drop, last: no function calls a closed port.
        self.ministack.end();
        self.moto.end();
    }
}

/// A name that is unique among the stacks of this machine: the test, if known, and the process.
fn new_id() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let thread = std::thread::current().name().unwrap_or("stack").replace("::", "-");
    format!("{thread}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
