//! Every command that a message, a runbook or a response suggests parses.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use driftless_cli::line::Line;

use crate::play::shell_words;
use crate::said;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Parses a command as a shell and the tool do. A word in capitals is a placeholder.
fn assert_parses(typed: &str, place: &str) {
    let words = shell_words(typed).into_iter().map(|word| match word.as_str() {
        "FLEET" => "web".to_owned(),
        "INSTANCE" => "i-00000000000000001".to_owned(),
        "IMAGE" => "ami-00000000000000001".to_owned(),
        _ => {
            let is_placeholder = word.len() > 1 && word.chars().all(|letter| letter.is_ascii_uppercase());
            assert!(!is_placeholder, "{place}: {word} is no placeholder that this test knows");
            word
        }
    });
    if let Err(error) = Line::try_parse_from(words) {
        panic!("{place}: {typed}: {error}");
    }
}

/// The commands of a text: lines of a code block, and text between backticks.
fn commands(text: &str) -> Vec<String> {
    let is_command = |text: &&str| text.starts_with("driftless ");
    let lines = text.lines().map(str::trim).map(|line| line.trim_start_matches("$ ")).filter(is_command);
    let inline = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).filter(is_command);
    lines.chain(inline).map(str::to_owned).collect()
}

#[test]
fn every_command_of_a_message_can_be_typed() {
    let path = root().join("shared/planner/tests/planner/snapshots/planner__notifications__suggested-commands.snap");
    let text = fs::read_to_string(path).unwrap();
    let found = commands(&text);
    assert!(found.len() > 10, "{found:?}");
    for typed in found {
        assert_parses(&typed, "a message");
    }
}

#[test]
fn every_command_of_a_runbook_and_of_the_reference_can_be_typed() {
    let mut pages: Vec<PathBuf> =
        fs::read_dir(root().join("docs/runbooks")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.push(root().join("docs/cli.md"));
    let mut count = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|ending| ending == "md")) {
        for typed in commands(&fs::read_to_string(page).unwrap()) {
            // The reference shows how a command is typed with brackets.
            if !typed.contains(['<', '[']) {
                assert_parses(&typed, &page.display().to_string());
                count += 1;
            }
        }
    }
    assert!(count > 50, "only {count} commands were found");
}

#[test]
fn every_command_of_an_answer_can_be_typed() {
    let worlds: Vec<_> = said::worlds().iter().map(|world| said::status(world)).collect();
    let suggested = worlds.iter().flat_map(|status| status.go_on.iter().chain(&status.rollback_path.command));
    let suggested: BTreeSet<&String> = suggested.collect();
    assert!(suggested.len() > 1, "{suggested:?}");
    for typed in suggested {
        assert_parses(typed, "an answer");
    }
}

#[test]
fn the_definitions_do_not_contradict_each_other() {
    Line::command().debug_assert();
}

#[test]
fn what_is_typed_wrong_is_not_sent() {
    for wrong in [
        "driftless freeze app",
        "driftless freeze --reason x",
        "driftless freeze app --everything --reason x",
        "driftless freeze app --reason x --for 0s",
        "driftless freeze app --reason ''",
        "driftless replace app",
        "driftless veto app",
        "driftless veto app i-00000000000000001",
        "driftless accept-live app red",
        "driftless adopt app",
        "driftless adopt app --check --pin",
        "driftless status 'Web Shop'",
        "driftless history app --limit 0",
        "driftless history app --limit 1001",
        "driftless wait app",
    ] {
        assert!(Line::try_parse_from(shell_words(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn no_fleet_is_named_like_an_option() {
    for typed in ["driftless freeze --reason incident -- --everything", "driftless status -- -web"] {
        assert!(Line::try_parse_from(shell_words(typed)).is_err(), "{typed}");
    }
}

#[test]
fn options_for_every_command_stand_before_or_after_it() {
    for typed in ["driftless --json -y --stack two status app", "driftless status app --json -y --stack two"] {
        let line = Line::try_parse_from(shell_words(typed)).unwrap();
        assert!(line.common.json && line.common.yes && line.common.place().stack == "two");
    }
}
