//! `driftless simulate`: runs a scenario on a simulated AWS.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use driftless_simulator::scenario::{Report, Scenario, ScenarioError};
use serde::Serialize;

use crate::console::{Console, Failure, heard};
use crate::exit::Exit;

/// The description of the scenario format in `--help`.
pub(crate) const FORMAT: &str = "\
Format of a scenario: first the fleets and images, then what happens at which time and what must be true then. All words
are in docs/scenarios.md.

    # An image that fails at 50 % of the traffic is rolled back, and vetoed.
    fleet web: weighted, blue live, 4 instances, policy mode=act alarms=web-5xx
    image ami-2 build 2: turns bad at 50%
    at 5m      publish ami-2 for web
    by 30m     expect cutover=shifting weight green=50
    then       alarm web-5xx in-alarm
    within 2m  expect weight blue=100 green=0
    by 2h      expect cutover=none vetoed=ami-2 borrowed-settings=0 idle
    expect     page \"rolling back\"
";

/// What `driftless simulate` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Scenario files, such as those in tests/scenarios
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Seed of the random numbers, such as how long AWS takes [default: every duration is the usual one]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print every AWS call and every decision, not only what on-call would see
    #[arg(long)]
    trace: bool,
}

/// The result of the scenario in one file.
#[derive(Debug, Serialize)]
struct Played<'a> {
    #[serde(rename = "file")]
    name: String,
    passed: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// Why a scenario file could not be run.
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

/// Runs the scenario in every file, and reports the result of each.
pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let mut worst = Exit::Done;
    let scenarios: Vec<_> = arguments.files.iter().map(|path| (path, read(path))).collect();
    for (path, scenario) in scenarios {
        let exit = match scenario {
            Err(trouble) => say_trouble(console, &trouble)?,
            Ok(scenario) => {
                let report = scenario.run(arguments.seed);
                say(console, arguments, &path.display().to_string(), &report)?
            }
        };
        worst = worst.max(exit);
    }
    Ok(worst)
}

fn read(path: &Path) -> Result<Scenario, Trouble> {
    let text = fs::read_to_string(path).map_err(|error| Trouble::File { path: path.to_owned(), error })?;
    Scenario::parse(&text).map_err(|error| Trouble::Scenario { path: path.to_owned(), error: Box::new(error) })
}

fn say_trouble(console: &mut Console<'_>, trouble: &Trouble) -> io::Result<Exit> {
    if console.is_json {
        heard(console.json_line(&serde_json::json!({ "error": trouble.to_string() })))?;
    } else {
        console.aside(&trouble.to_string())?;
    }
    Ok(Exit::Usage)
}

fn say(console: &mut Console<'_>, arguments: &Arguments, name: &str, report: &Report) -> io::Result<Exit> {
    let passed = report.failures.is_empty();
    let exit = if passed { Exit::Done } else { Exit::NotDone };
    if console.is_json {
        heard(console.json_line(&Played { name: name.to_owned(), passed, report }))?;
        return Ok(exit);
    }
    let mut lines = vec![name.to_owned()];
    if arguments.trace {
        lines.extend(report.trace.iter().map(|line| format!("  {line}")));
    } else {
        lines.extend(report.golden().lines().map(|line| format!("  {line}")));
    }
    lines.extend(report.failures.iter().map(|failure| format!("  FAILED {failure}")));
    let runs = if report.runs == 1 { String::new() } else { format!(" ({} runs)", report.runs) };
    lines.push(format!("  {}{runs}", if passed { "passed" } else { "failed" }));
    heard(lines.iter().try_for_each(|line| console.line(line)))?;
    Ok(exit)
}
