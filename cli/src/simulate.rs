//! `driftless simulate`: a story on a simulated AWS.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use driftless_simulator::scenario::{Report, Scenario, ScenarioError};
use serde::Serialize;

/// All expectations hold.
const HOLDS: u8 = 0;
/// An expectation or a judge failed.
const FAILED: u8 = 1;
/// A file cannot be read. Clap exits with the same code for arguments that cannot.
const UNREADABLE: u8 = 2;

const FORMAT: &str = "\
A scenario is text: first the world, then what happens at which time, and what must be so. docs/scenarios.md has all words.

    # An image that hurts at half the traffic is rolled back, and vetoed.
    fleet web: weighted, blue live, 4 instances, policy mode=act alarms=web-5xx
    image ami-2 build 2: turns bad at 50%
    at 5m      publish ami-2 for web
    by 30m     expect cutover=shifting weight green=50
    then       alarm web-5xx rings
    within 2m  expect weight blue=100 green=0
    by 2h      expect cutover=none vetoed=ami-2 ledger=empty settled
    expect     page \"rolling back\"

Exit code: 0 all expectations hold, 1 an expectation or a judge failed, 2 a file cannot be read.";

/// What `driftless simulate` takes.
#[derive(Debug, Args)]
#[command(after_help = "See --help for the format of scenarios.", after_long_help = FORMAT)]
pub(crate) struct Arguments {
    /// Scenario files, as in tests/scenarios
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Draw what the stories leave to chance, such as how long AWS takes, from this seed. Without one all of it takes its
    /// usual time
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Show every call and decision, not only what on-call would want to know
    #[arg(long)]
    trace: bool,
    /// One JSON document per line and file, for machines
    #[arg(long)]
    json: bool,
}

/// What came of one file.
#[derive(Debug, Serialize)]
struct Played<'a> {
    name: String,
    holds: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// Why nothing could be played.
#[derive(Debug)]
enum Trouble {
    File { path: PathBuf, error: io::Error },
    Scenario { path: PathBuf, error: Box<ScenarioError> },
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, error } => write!(formatter, "{}: {error}", path.display()),
            Self::Scenario { path, error } => write!(formatter, "{}, {error}", path.display()),
        }
    }
}

/// Plays what was asked for, and tells what came of it.
pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> ExitCode {
    let mut worst = HOLDS;
    let scenarios: Vec<_> = arguments.files.iter().map(|path| (path, read(path))).collect();
    for (path, scenario) in scenarios {
        let code = match scenario {
            Err(trouble) => say_trouble(out, arguments, &trouble),
            Ok(scenario) => {
                let report = scenario.run(arguments.seed);
                say(out, arguments, &path.display().to_string(), &report)
            }
        };
        // A closed pipe (`| head`) is no failure of the story.
        worst = worst.max(code.unwrap_or(worst));
    }
    ExitCode::from(worst)
}

fn read(path: &Path) -> Result<Scenario, Trouble> {
    let text = fs::read_to_string(path).map_err(|error| Trouble::File { path: path.to_owned(), error })?;
    Scenario::parse(&text).map_err(|error| Trouble::Scenario { path: path.to_owned(), error: Box::new(error) })
}

fn say_trouble(out: &mut impl Write, arguments: &Arguments, trouble: &Trouble) -> io::Result<u8> {
    if arguments.json {
        let document = serde_json::json!({ "error": trouble.to_string() });
        writeln!(out, "{document}")?;
    } else {
        writeln!(io::stderr().lock(), "{trouble}")?;
    }
    Ok(UNREADABLE)
}

fn say(out: &mut impl Write, arguments: &Arguments, name: &str, report: &Report) -> io::Result<u8> {
    let holds = report.failures.is_empty();
    let code = if holds { HOLDS } else { FAILED };
    if arguments.json {
        let played = Played { name: name.to_owned(), holds, report };
        writeln!(out, "{}", serde_json::to_string(&played)?)?;
        return Ok(code);
    }
    writeln!(out, "{name}")?;
    if arguments.trace {
        for line in &report.trace {
            writeln!(out, "  {line}")?;
        }
    } else {
        for line in report.golden().lines() {
            writeln!(out, "  {line}")?;
        }
    }
    for failure in &report.failures {
        writeln!(out, "  FAILED {failure}")?;
    }
    let times = if report.runs == 1 { String::new() } else { format!(", told {} times", report.runs) };
    writeln!(out, "  {}{times}", if holds { "holds" } else { "does not hold" })?;
    Ok(code)
}
