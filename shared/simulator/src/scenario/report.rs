//! What came of a scenario: a timeline for people, and what was expected and did not come.

use std::fmt::Write as _;

use jiff::SignedDuration;
use serde::Serialize;

use super::words::spoken;

/// What came of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What it is about.
    pub story: Vec<String>,
    /// What happened, in the order of time.
    pub timeline: Vec<Moment>,
    /// What was expected and did not come. Empty: all expectations hold, and no judge complains.
    pub failures: Vec<Failure>,
    /// Every call and every decision, for `--trace`.
    pub trace: Vec<String>,
    /// How often the story was told: more than once where it crashes around every write.
    pub runs: usize,
}

/// Something that on-call would want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// So long after the beginning, in whole seconds.
    #[serde(serialize_with = "seconds")]
    pub at: SignedDuration,
    /// Who did it, or to whom it happened.
    pub who: &'static str,
    pub what: String,
}

/// Something that was expected and did not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The line of the file, from 1. None: a judge complains, whatever the file expects.
    pub line: Option<usize>,
    /// The line as it stands, or the judge.
    pub expected: String,
    /// When, so long after the beginning, in whole seconds.
    #[serde(serialize_with = "seconds")]
    pub at: SignedDuration,
    /// What was found instead.
    pub found: String,
}

fn seconds<S: serde::Serializer>(duration: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(duration.as_secs())
}

impl Report {
    /// Nothing could be played.
    pub(super) fn unplayable(story: Vec<String>, problem: String) -> Self {
        let failure = Failure { line: None, expected: "a world".to_owned(), at: SignedDuration::ZERO, found: problem };
        Self { story, timeline: Vec::new(), failures: vec![failure], trace: Vec::new(), runs: 0 }
    }

    /// The story and its timeline: what a golden file keeps.
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
            Some(line) => write!(formatter, "line {line}, at {}: {expected}\n    but {found}", spoken(*at)),
            None => write!(formatter, "at {}: {expected}: {found}", spoken(*at)),
        }
    }
}
