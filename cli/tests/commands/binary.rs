//! The binary itself: what it does without a connection.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn driftless(arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
    command.current_dir(root).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn completions_of_every_shell_name_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = driftless(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        assert_eq!(driftless(&["--completions", shell]).stdout, output.stdout, "the old form gives the same");
        let script = text(&output.stdout);
        for command in ["status", "rollback", "accept-live", "wait"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn the_man_page_names_every_command_and_there_is_one_for_each() {
    let output = driftless(&["man"]);
    let page = text(&output.stdout);
    assert!(output.status.success() && page.contains(".TH driftless 1") && page.contains("accept\\-live"), "{page}");
    let folder = std::env::temp_dir().join(format!("driftless-man-{}", std::process::id()));
    let output = driftless(&["man", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for page in ["driftless.1", "driftless-rollback.1", "driftless-wait.1"] {
        assert!(folder.join(page).exists(), "{page}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_typed_wrong_ends_with_two_and_says_how_it_is_typed() {
    for arguments in [&[][..], &["--yes"], &["rollback"], &["roll-back", "app"], &["status", "Web Shop"]] {
        let output = driftless(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_mistyped_command_gets_the_one_that_is_near() {
    for (typed, meant) in [("freez", "freeze"), ("rolback", "rollback"), ("unfreez", "unfreeze"), ("staus", "status")] {
        let output = driftless(&[typed, "app"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{typed}");
        assert!(said.contains("similar subcommand") && said.contains(&format!("'{meant}'")), "{typed}: {said}");
    }
}

#[test]
fn simulate_prints_json_and_a_file_that_cannot_be_read_exits_with_two() {
    let story = "tests/scenarios/08-both-colors-ring.scenario";
    let output = driftless(&["simulate", story, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), told["passed"].as_bool()), (Some(0), Some(true)));
    assert_eq!(driftless(&["simulate", "nowhere.scenario"]).status.code(), Some(2));
}
