//! docs/cli.md says what can be typed. After a change: `BLESS=1 cargo test -p driftless-cli`, and read the difference.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::{Arg, CommandFactory};
use driftless_cli::exit::Exit;
use driftless_cli::line::Line;

/// Below this line the page is written by this test.
const MARK: &str = "<!-- Written by cli/tests/commands/reference.rs from here on. -->\n";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md")
}

#[test]
fn the_reference_says_what_can_be_typed_and_how_it_ends() {
    let text = fs::read_to_string(page()).unwrap();
    let (by_hand, written) = text.split_once(MARK).expect("the page has the mark");
    let expected = reference();
    if env::var_os("BLESS").is_some() {
        fs::write(page(), format!("{by_hand}{MARK}{expected}")).unwrap();
        return;
    }
    assert_eq!(written, expected, "docs/cli.md is not what can be typed: BLESS=1 writes it anew");
}

fn reference() -> String {
    let mut text = "\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n".to_owned();
    for exit in Exit::ALL {
        writeln!(text, "| {} | {} |", exit.code(), exit.means()).unwrap();
    }
    let mut line = Line::command();
    line.build();
    text.push_str("\n## For every command\n\n");
    table(&mut text, line.get_arguments().filter(|argument| argument.is_global_set()));
    for command in line.get_subcommands_mut().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        let usage = command.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        let about = command.get_about().unwrap();
        writeln!(text, "\n## {}\n\n{about}.\n\n```text\n{usage}\n```", command.get_name()).unwrap();
        let own: Vec<&Arg> = command.get_arguments().filter(|argument| !argument.is_global_set()).collect();
        if own.iter().any(|argument| is_shown(argument)) {
            text.push('\n');
            table(&mut text, own.into_iter());
        }
    }
    text
}

fn is_shown(argument: &Arg) -> bool {
    !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
}

fn table<'a>(text: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    text.push_str("| | |\n| --- | --- |\n");
    for argument in arguments.filter(|argument| is_shown(argument)) {
        let help = argument.get_help().unwrap().to_string();
        let default = argument.get_default_values().first().and_then(|value| value.to_str());
        let default = default.filter(|_| argument.get_action().takes_values());
        let default = default.map(|value| format!(" [default: {value}]")).unwrap_or_default();
        let shown = argument.to_string().replace('|', "\\|");
        writeln!(text, "| `{shown}` | {}{default} |", help.replace('|', "\\|")).unwrap();
    }
}

#[test]
fn every_code_is_its_own() {
    let codes = Exit::ALL.map(Exit::code);
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6]);
}
