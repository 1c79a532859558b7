//! Fleets that Terraform creates: the examples of `infra/fleet`, applied in the account of a local stack.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use super::{Fleet, GroupName};
use crate::stack::{LocalStack, REGION, project, python};

/// The exit code of `tests/terraform/example.py` without Terraform.
const WITHOUT_TERRAFORM: i32 = 3;

/// The part that distinguishes the ARN of a rule from that of a listener.
const RULE: &str = ":listener-rule/";

/// An example that was applied, and can be planned and applied again.
#[derive(Debug)]
pub struct Example {
    name: &'static str,
    folder: PathBuf,
    endpoint: String,
}

/// Changes to an example: its variables, and arguments of its module that replace those of the example. Values are
/// JSON.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    variables: BTreeMap<String, Value>,
    arguments: BTreeMap<String, Value>,
}

/// The output of `apply`.
#[derive(Debug, Deserialize)]
struct Applied {
    image: String,
    fleet: Outputs,
}

/// The outputs of the module.
#[derive(Debug, Deserialize)]
struct Outputs {
    name: String,
    group_names: BTreeMap<String, String>,
    launch_template_ids: BTreeMap<String, String>,
    target_group_arns: BTreeMap<String, String>,
    forward_arn: Option<String>,
}

impl Changes {
    /// A variable of the example.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// An argument of the module.
    #[must_use]
    pub fn argument(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.arguments.insert(name.to_owned(), value.into());
        self
    }

    fn options(&self) -> impl Iterator<Item = String> {
        let of = |option: &'static str, values: &BTreeMap<String, Value>| -> Vec<String> {
            values.iter().flat_map(|(name, value)| [option.to_owned(), format!("{name}={value}")]).collect()
        };
        [of("--set", &self.variables), of("--fleet", &self.arguments)].concat().into_iter()
    }
}

impl Example {
    /// Applies an example in the account of a local stack. None: Terraform is not installed, and a line says so; with
    /// `CI=true` that is an error.
    pub async fn apply(
        stack: &LocalStack,
        name: &'static str,
        changes: &Changes,
    ) -> anyhow::Result<Option<(Self, Fleet)>> {
        // A folder of its own, beside those of other scenes on this stack.
        let scene = std::thread::current().name().unwrap_or_default().replace("::", "-");
        let folder = stack.logs().join(format!("terraform-{scene}"));
        let example = Self { name, folder, endpoint: stack.fleet_endpoint().to_owned() };
        let Some(applied) = example.run_apply(changes).await? else { return Ok(None) };
        Ok(Some((example, fleet_of(applied, stack)?)))
    }

    /// Applies the example again with other values. Earlier changes remain.
    pub async fn apply_again(&self, changes: &Changes) -> anyhow::Result<()> {
        self.run_apply(changes).await?.map(|_| ()).context("Terraform is gone")
    }

    /// The changes that Terraform plans. None: there are none.
    pub async fn plan(&self) -> anyhow::Result<Option<String>> {
        let (code, output) = self.run("plan", &Changes::default()).await?;
        match code {
            Some(0) => Ok(None),
            Some(2) => Ok(Some(output)),
            _ => bail!("terraform plan of the example {} ended with {code:?}:\n{output}", self.name),
        }
    }

    async fn run_apply(&self, changes: &Changes) -> anyhow::Result<Option<Applied>> {
        let (code, output) = self.run("apply", changes).await?;
        match code {
            Some(0) => {}
            Some(WITHOUT_TERRAFORM) => {
                // Written around libtest, which prints "ok" for the skipped test.
                writeln!(std::io::stderr(), "left out: the example {}: {}", self.name, output.trim())?;
                return Ok(None);
            }
            _ => bail!("terraform apply of the example {} ended with {code:?}:\n{output}", self.name),
        }
        let answer = output.lines().last().context("apply has printed nothing")?;
        serde_json::from_str(answer).map(Some).with_context(|| format!("apply has printed: {answer}"))
    }

    async fn run(&self, command: &str, changes: &Changes) -> anyhow::Result<(Option<i32>, String)> {
        let project = project();
        let mut process = Command::new(python(&project)?);
        process.arg(project.join("tests/terraform/example.py")).arg(command);
        process.arg("--folder").arg(&self.folder);
        process.args(["--example", self.name, "--endpoint", &self.endpoint, "--region", REGION]);
        process.args(changes.options()).kill_on_drop(true);
        let done = process.output().await.context("example.py does not start")?;
        let output = [done.stderr, done.stdout].concat();
        Ok((done.status.code(), String::from_utf8_lossy(&output).into_owned()))
    }
}

/// The fleet of an applied example.
fn fleet_of(applied: Applied, stack: &LocalStack) -> anyhow::Result<Fleet> {
    let Applied { image, fleet } = applied;
    let mut groups = Vec::new();
    // Blue before green: the live one first.
    for (key, name) in &fleet.group_names {
        let template = fleet.launch_template_ids.get(key).with_context(|| format!("{key} has no template"))?.clone();
        let shared = fleet.target_group_arns.get("shared").filter(|_| groups.is_empty());
        let target_group = fleet.target_group_arns.get(key).or(shared).cloned();
        groups.push(GroupName { name: name.clone(), template, target_group });
    }
    let rule = fleet.forward_arn.clone().filter(|arn| arn.contains(RULE));
    // A rule's ARN is its listener's with one more part.
    let of_rule =
        |arn: &String| arn.replace(RULE, ":listener/").rsplit_once('/').map(|(listener, _)| listener.to_owned());
    let listener = rule.as_ref().map_or(fleet.forward_arn, of_rule);
    let clients = stack.clients().clone();
    Ok(Fleet { name: fleet.name, image, groups, listener, rule, images: Arc::default(), clients })
}
