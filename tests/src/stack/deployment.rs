//! The real template with the real functions, deployed to the emulator.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::launcher::python;
use crate::permissions::Statement;

const TIMEOUT: Duration = Duration::from_mins(2);

/// What was deployed.
#[derive(Debug, Clone, Deserialize)]
pub struct Deployment {
    pub outputs: BTreeMap<String, String>,
    /// Its resources, by logical id.
    pub resources: BTreeMap<String, Resource>,
    /// The policy of each function, by its name.
    pub policies: BTreeMap<String, Vec<Statement>>,
}

/// A resource of the stack.
#[derive(Debug, Clone, Deserialize)]
pub struct Resource {
    #[serde(rename = "type")]
    pub kind: String,
    /// The name, URL or ARN that AWS gave it.
    #[serde(rename = "physicalId")]
    pub physical_id: String,
}

impl Deployment {
    /// An output of the stack.
    pub fn output(&self, name: &str) -> anyhow::Result<&str> {
        self.outputs.get(name).map(String::as_str).with_context(|| format!("the template has no output {name}"))
    }

    /// What AWS calls the resources of a type.
    pub fn named(&self, kind: &str) -> Vec<&str> {
        let meant = self.resources.values().filter(|resource| resource.kind == kind);
        meant.map(|resource| resource.physical_id.as_str()).collect()
    }

    /// The URLs of all queues of the stack.
    pub fn queues(&self) -> Vec<&str> {
        self.named("AWS::SQS::Queue")
    }
}

/// Deploys.
pub(crate) async fn deploy(
    project: &Path,
    artifacts: &Path,
    endpoint: &str,
    stack: &str,
    parameters: &[(&str, &str)],
) -> anyhow::Result<Deployment> {
    let mut command = tokio::process::Command::new(python(project)?);
    command.arg(project.join("tests/local/deploy.py"));
    command.args(["--endpoint", endpoint, "--stack", stack, "--region", super::REGION]);
    command.arg("--template").arg(project.join("template.yaml"));
    command.arg("--artifacts").arg(artifacts);
    for (name, value) in parameters {
        command.arg("--parameter").arg(format!("{name}={value}"));
    }
    let run = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(TIMEOUT, run)
        .await
        .with_context(|| format!("the deployment took more than {TIMEOUT:?}"))?
        .context("cannot start deploy.py")?;
    if !output.status.success() {
        bail!("the deployment failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("deploy.py printed no description of the stack")
}
