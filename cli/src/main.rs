//! `driftless`: the terminal, the clock and the start of a command. Everything else is in the library.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use driftless_cli::console::{Console, World};
use driftless_cli::draw::Style;
use driftless_cli::line::{Command, Line};
use driftless_cli::network::Network;
use driftless_cli::run;
use jiff::{SignedDuration, Timestamp};

/// The assumed number of lines of a terminal whose size cannot be read.
const ROWS_OLD: usize = 24;

/// The terminal that the command was typed at.
struct Terminal;

impl World for Terminal {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&mut self, duration: SignedDuration) {
        std::thread::sleep(duration.unsigned_abs());
    }

    fn confirm(&mut self, question: &str) -> Option<bool> {
        let mut shown = io::stderr().lock();
        if !io::stdin().is_terminal() || !shown.is_terminal() {
            return None;
        }
        write!(shown, "{question} [y/N] ").and_then(|()| shown.flush()).ok()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    fn new_request(&mut self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

fn main() -> ExitCode {
    let line = Line::parse();
    if let Some(shell) = line.completions {
        clap_complete::generate(shell, &mut Line::command(), "driftless", &mut io::stdout().lock());
        return ExitCode::SUCCESS;
    }
    let Some(command) = &line.command else {
        let what = "a command is missing: `driftless --help` lists them";
        Line::command().error(clap::error::ErrorKind::MissingSubcommand, what).exit();
    };
    follow(&line, command)
}

fn follow(line: &Line, command: &Command) -> ExitCode {
    let network = Network::new(line.common.place());
    let is_live = io::stdout().is_terminal();
    let (columns, rows) = match terminal_size::terminal_size() {
        Some((width, height)) => (Some(usize::from(width.0)), usize::from(height.0)),
        None => (None, ROWS_OLD),
    };
    let mut console = Console {
        api: &network,
        world: &mut Terminal,
        out: &mut io::stdout().lock(),
        aside: &mut io::stderr(),
        style: Style::suited(anstyle_query::no_color().then_some("1"), is_live, columns),
        rows: is_live.then_some(rows),
        is_json: line.common.json,
        is_confirmed: line.common.yes,
    };
    run(command, &mut console).into()
}
