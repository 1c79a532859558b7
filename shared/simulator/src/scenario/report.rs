//! The result of a scenario: a timeline for readers, and the expectations that failed.

use std::fmt::Write as _;

use jiff::SignedDuration;
use serde::Serialize;

use super::words::spoken;

/// The result of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The description at the top of the file.
    #[serde(rename = "description")]
    pub story: Vec<String>,
    /// What happened, in the order of time.
    pub timeline: Vec<Moment>,
    /// Expectations that failed and invariants that were violated. Empty: the scenario passed.
    pub failures: Vec<Failure>,
    /// Every call and every decision, for the option `--trace`.
    pub trace: Vec<String>,
    /// How often the scenario ran. With `crash around every write` it runs more than once.
    pub runs: usize,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// The time since the beginning of the scenario.
    #[serde(rename = "at_seconds", serialize_with = "seconds")]
    pub at: SignedDuration,
    /// Where the line comes from: `scenario`, `AWS`, `decision`, `write`, `message`, `fault` or `passed`.
    #[serde(rename = "kind")]
    pub who: &'static str,
    #[serde(rename = "text")]
    pub what: String,
}

/// An expectation that failed, or an invariant that was violated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The number of the line in the file, from 1. None: an invariant was violated, which fails every scenario.
    pub line: Option<usize>,
    /// The text of the line, or the name of the invariant.
    pub expected: String,
    /// The time since the beginning of the scenario.
    #[serde(rename = "at_seconds", serialize_with = "seconds")]
    pub at: SignedDuration,
    /// The actual value or state that the simulator found.
    pub found: String,
}

fn seconds<S: serde::Serializer>(duration: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(duration.as_secs())
}

impl Report {
    /// The report of a scenario whose account could not be set up.
    pub(super) fn unplayable(story: Vec<String>, problem: String) -> Self {
        let failure = Failure {
            line: None,
            expected: "the account is set up".to_owned(),
            at: SignedDuration::ZERO,
            found: problem,
        };
        Self { story, timeline: Vec::new(), failures: vec![failure], trace: Vec::new(), runs: 0 }
    }

    /// The content of a golden file: the description and the timeline.
    pub fn golden(&self) -> String {
        let mut text = String::new();
        for line in &self.story {
            let _ = writeln!(text, "{line}");
        }
        text.push('\n');
        for Moment { at, who, what } in &self.timeline {
            let _ = writeln!(text, "{:>9}  {who:<10}  {what}", spoken(*at));
        }
        text
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, expected, at, found } = self;
        match line {
            Some(line) => write!(formatter, "line {line}, at {}: {expected}\n    found: {found}", spoken(*at)),
            None => write!(formatter, "at {}: {expected}: {found}", spoken(*at)),
        }
    }
}
