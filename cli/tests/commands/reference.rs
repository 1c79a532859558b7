//! docs/cli.md matches the command line. After a change: `BLESS=1 cargo test -p driftless-cli`, and read the
//! difference.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::{Arg, CommandFactory};
use driftless_cli::exit::Exit;
use driftless_cli::help;
use driftless_cli::line::Line;
use driftless_status::request::{OrderResult, Refusal, RefusalCause, Reply};

use crate::play::{Stage, command_result, shell_words};

/// The test writes the page below this line.
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
    let mut text =
        "\n## Exit codes\n\nOf all commands; each command below has those that it can end with.\n\n".to_owned();
    endings(&mut text, Exit::ALL.map(|exit| (exit, exit.means())));
    let mut line = Line::command();
    line.build();
    text.push_str("\n## For every command\n\n");
    table(&mut text, line.get_arguments().filter(|argument| argument.is_global_set()));
    for command in line.get_subcommands_mut().filter(|command| command.get_name() != "help") {
        section(&mut text, command);
    }
    text
}

fn section(text: &mut String, command: &mut clap::Command) {
    let help = help::of(command.get_name()).unwrap();
    let (name, long) = (help.name, command.get_long_about().unwrap().to_string());
    let (about, paragraph) = long.split_once("\n\n").unwrap();
    let usage = command.render_usage().to_string();
    writeln!(text, "\n## {name}\n\n{about}. {paragraph}\n\n```text\n{}\n```\n", usage.trim_start_matches("Usage: "))
        .unwrap();
    for alias in command.get_visible_aliases() {
        writeln!(text, "Alias: `{alias}`.\n").unwrap();
    }
    let own: Vec<&Arg> = command.get_arguments().filter(|argument| !argument.is_global_set()).collect();
    if own.iter().any(|argument| is_shown(argument)) {
        table(text, own.into_iter());
        text.push('\n');
    }
    text.push_str("```sh\n");
    for example in &help.examples {
        writeln!(text, "# {}\n{}", example.purpose, example.typed).unwrap();
    }
    text.push_str("```\n\n");
    endings(text, help.endings.iter().copied());
}

fn endings(text: &mut String, endings: impl IntoIterator<Item = (Exit, &'static str)>) {
    text.push_str("| exit code | when |\n| --- | --- |\n");
    for (exit, when) in endings {
        writeln!(text, "| {} | {when} |", exit.code()).unwrap();
    }
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
fn every_command_has_a_paragraph_two_examples_that_can_be_typed_and_its_exit_codes() {
    let mut line = Line::command();
    line.build();
    let commands = line.get_subcommands_mut().filter(|command| command.get_name() != "help");
    let mut names = Vec::new();
    for command in commands {
        let (name, long) = (command.get_name().to_owned(), command.get_long_about().unwrap().to_string());
        let about = command.get_about().unwrap().to_string();
        assert!(long.len() > about.len() + 100, "{name}: {long}");
        let help = help::of(&name).unwrap();
        for example in &help.examples {
            let matches = Line::command().try_get_matches_from(shell_words(example.typed)).unwrap_or_else(|error| {
                panic!("{}: {error}", example.typed);
            });
            assert_eq!(matches.subcommand_name(), Some(name.as_str()), "{}", example.typed);
        }
        assert!(help.endings.is_sorted_by(|(one, _), (other, _)| one < other), "{name}");
        let shown = command.render_long_help().to_string();
        assert!(shown.contains("Examples:") && shown.contains("Exit codes:"), "{name}: {shown}");
        // A longer line would be wrapped below its code.
        let long = help.endings.iter().find(|(_, when)| when.chars().count() + "  0  ".len() > 100);
        assert_eq!(long, None, "{name}");
        names.push(name);
    }
    assert_eq!(names, help::COMMANDS.iter().map(|help| help.name).collect::<Vec<_>>());
}

#[test]
fn the_help_of_a_destructive_command_is_as_its_golden_file() {
    let mut line = Line::command();
    line.build();
    insta::assert_snapshot!("help", line.render_long_help());
    let rollback = line.find_subcommand_mut("rollback").unwrap();
    insta::assert_snapshot!("help-rollback", rollback.render_long_help());
}

#[test]
fn a_command_that_changes_something_ends_with_each_code_that_its_help_lists() {
    let refused = |cause| Ok(Reply::Refused(Refusal { cause, says: "there is no fleet app".into() }));
    let replies = [
        Ok(command_result(OrderResult::Done, "it continues in shifting")),
        Ok(command_result(OrderResult::NotDone, "it is not paused")),
        refused(RefusalCause::NotFound),
        refused(RefusalCause::Unavailable),
        Ok(command_result(OrderResult::Pending, "")),
    ];
    for typed in [
        "driftless pause app",
        "driftless resume app",
        "driftless approve app",
        "driftless reject app --yes",
        "driftless promote app --yes",
        "driftless abort app --yes",
        "driftless rollback app --yes",
        "driftless retry app",
        "driftless replace i-00000000000000001 --fleet app --yes",
        "driftless redeploy app --yes",
        "driftless veto app ami-00000000000000002 --yes",
        "driftless unveto app ami-00000000000000002",
        "driftless accept-live app blue --yes",
        "driftless adopt app --pin",
    ] {
        let played = replies.iter().map(|reply| Stage::of("half-way").replying(vec![reply.clone()]).play(typed).code);
        let mut codes: Vec<u8> = played.collect();
        // Wrong arguments: the parser exits with 2.
        codes.push(2);
        codes.sort_unstable();
        let name = typed.split(' ').nth(1).unwrap();
        let listed: Vec<u8> = help::of(name).unwrap().endings.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, listed, "{typed}");
    }
}

#[test]
fn every_code_is_its_own() {
    let codes = Exit::ALL.map(Exit::code);
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6]);
}
