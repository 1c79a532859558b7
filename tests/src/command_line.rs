//! The command line tool as operators use it, against the functions of a local stack.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::Context as _;
use regex_lite::{Captures, Regex};
use tokio::process::{Child, Command};

use crate::stack::{LocalStack, REGION, executables};

/// An operator without a terminal: the output goes to a file.
#[derive(Debug)]
pub struct Person {
    access_key: &'static str,
    names: BTreeMap<String, String>,
    session: String,
}

/// The output of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    pub code: i32,
    pub out: String,
    /// Questions, warnings and errors.
    pub err: String,
}

impl Person {
    /// An operator whose requests are signed with this access key.
    pub const fn new(access_key: &'static str) -> Self {
        Self { access_key, names: BTreeMap::new(), session: String::new() }
    }

    /// Runs a command to its end. [`Self::session`] keeps its output.
    pub async fn types(&mut self, stack: &LocalStack, typed: &str) -> anyhow::Result<Printed> {
        let child = self.begins(stack, typed)?;
        self.reads(typed, child).await
    }

    /// Starts a command that runs for a while.
    pub fn begins(&self, stack: &LocalStack, typed: &str) -> anyhow::Result<Child> {
        let url = |output: &str| stack.url_of(output);
        Command::new(executables()?.join("driftless"))
            .args(words(typed))
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", self.access_key)
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_REGION", REGION)
            .env("DRIFTLESS_STATUS_URL", url("StatusUrl")?)
            .env("DRIFTLESS_OPERATOR_URL", url("OperatorUrl")?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the command line did not start")
    }

    /// Waits for the end of a command that was started.
    pub async fn reads(&mut self, typed: &str, child: Child) -> anyhow::Result<Printed> {
        let output = child.wait_with_output().await?;
        let printed = Printed {
            code: output.status.code().context("the command line was killed")?,
            out: String::from_utf8(output.stdout)?,
            err: String::from_utf8(output.stderr)?,
        };
        // The number of polls differs in each run.
        let aside = if printed.code == 0 { "" } else { printed.err.as_str() };
        let shown = format!("$ driftless {typed}\n{}{aside}(exit {})\n\n", printed.out, printed.code);
        let shown = self.same_every_time(&shown)?;
        self.session.push_str(&shown);
        Ok(printed)
    }

    /// All commands and their output, normalized: ids are numbered in order of appearance, times and durations are left
    /// out.
    pub fn session(&self) -> &str {
        &self.session
    }

    fn same_every_time(&mut self, text: &str) -> anyhow::Result<String> {
        let text = Regex::new("(i|ami|lt)-[0-9a-f]{17}")?.replace_all(text, |found: &Captures<'_>| {
            let kind = &found[1];
            let number = 1 + self.names.values().filter(|name| name.starts_with(&format!("{kind}-"))).count();
            self.names.entry(found[0].to_owned()).or_insert_with(|| format!("{kind}-{number}")).clone()
        });
        let text =
            Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")?.replace_all(&text, "REQUEST");
        // Joins wrapped lines: the break depends on the length of a time.
        let text = Regex::new(r"\n {11,}(\S)")?.replace_all(&text, " $1");
        let text = Regex::new(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d:\d\dZ)?|\d\d:\d\d:\d\dZ")?.replace_all(&text, "TIME");
        let text = Regex::new(r"\b(\d+(ms|s|m|h|d))( \d+(ms|s|m|h))*\b")?.replace_all(&text, "SPAN");
        let text = Regex::new(" {2,}")?.replace_all(&text, "  ");
        Ok(Regex::new("(?m) +$")?.replace_all(&text, "").into_owned())
    }
}

/// The words of a line as a shell splits it; single quotes make one word.
fn words(typed: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in typed.chars() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            letter => {
                if let Some(word) = words.last_mut() {
                    word.push(letter);
                }
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn what_is_quoted_is_one_word() {
        assert_eq!(
            words("freeze app --reason 'incident 7' --yes"),
            ["freeze", "app", "--reason", "incident 7", "--yes"]
        );
    }
}
