//! The invariants of ARCHITECTURE.md that the compiler does not check, mostly absences.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

mod docs;
mod imports;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// The longest file, in lines.
const FILE_LINES_MAX: usize = 600;
/// The longest `main.rs` of a function, in lines: it only wires.
const MAIN_LINES_MAX: usize = 90;
/// The dependencies that the planner may have: none has a clock, the network or AWS. Shipped builds have all but
/// `schemars` (see `features`).
const PLANNER_DEPENDENCIES: [&str; 6] = ["jiff", "schemars", "serde", "serde_json", "strum", "thiserror"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is the folder above tests")
}

/// Every file below a folder whose name ends so, outside of what is built or installed, and of the application that
/// fleets run: it is no part of Driftless, and a package of its own.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries.map(|entry| entry.expect("a folder of the workspace can be listed").path()) {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() {
            let is_passed_over = ["target", ".venv", ".git", "snapshots", "__pycache__"].contains(&name.as_str());
            if !is_passed_over && !entry.ends_with("infra/container") {
                found.extend(files(&entry, ending));
            }
        } else if name.ends_with(ending) {
            found.push(entry);
        }
    }
    found.sort();
    found
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files that contain a text, by their paths from the root.
fn naming(what: &str) -> Vec<String> {
    let root = root();
    files(&root, ".rs")
        .into_iter()
        .filter(|path| !path.ends_with("tests/tests/tidy.rs"))
        .filter(|path| text(path).lines().any(|line| !line.trim_start().starts_with("//") && line.contains(what)))
        .map(|path| path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned())
        .collect()
}

#[test]
fn no_file_is_too_long() {
    let mut sources = files(&root(), ".rs");
    sources.extend(files(&root().join("tests"), ".py"));
    let long: Vec<_> = sources
        .iter()
        .map(|path| (path, text(path).lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .collect();
    assert!(long.is_empty(), "longer than {FILE_LINES_MAX} lines: {long:?}");
}

#[test]
fn the_main_of_a_function_is_a_page() {
    for path in files(&root().join("functions"), "main.rs") {
        let lines = text(&path).lines().count();
        assert!(lines <= MAIN_LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_planner_depends_on_nothing_that_knows_the_world() {
    let manifest = text(&root().join("shared/planner/Cargo.toml"));
    let section = manifest.split("[dependencies]").nth(1).expect("the planner has dependencies");
    let section = section.split("\n[").next().unwrap_or_default();
    let named: Vec<&str> =
        section.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty()).collect();
    assert_eq!(named, PLANNER_DEPENDENCIES);
}

#[test]
fn the_planner_is_not_async_and_does_not_log() {
    for path in files(&root().join("shared/planner/src"), ".rs") {
        for (number, line) in text(&path).lines().enumerate() {
            let is_code = !line.trim_start().starts_with("//");
            for word in ["async ", ".await", "tracing::", "println!", "Timestamp::now"] {
                assert!(!(is_code && line.contains(word)), "{}:{}: {word}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn only_shared_aws_names_the_sdk_and_the_tests_play_the_world() {
    for path in naming("aws_sdk_") {
        assert!(path.starts_with("shared/aws/") || path.starts_with("tests/"), "{path} names an SDK crate");
    }
}

#[test]
fn only_shared_lambda_reads_the_environment() {
    for what in ["env::var(", "env::vars(", "env::var_os("] {
        for path in naming(what) {
            // Code that is not shipped may do so: tests write their golden files on request.
            let is_test = path.starts_with("tests/") || path.contains("/tests/");
            assert!(path.starts_with("shared/lambda/") || is_test, "{path} reads the environment");
        }
    }
}

#[test]
fn every_version_stands_once_in_the_root_manifest() {
    let root = root();
    for manifest in files(&root, "Cargo.toml").into_iter().filter(|path| *path != root.join("Cargo.toml")) {
        let package = text(&manifest);
        let dependencies = package.split("dependencies]").skip(1).flat_map(str::lines);
        for line in dependencies.take_while(|line| !line.starts_with("[[")) {
            let is_entry = line.contains('=') && !line.trim_start().starts_with('#');
            assert!(
                !is_entry || line.contains("workspace = true") || line.contains("dep:"),
                "{}: {line}",
                manifest.display()
            );
        }
    }
}

#[test]
fn every_crate_and_binary_says_what_it_promises() {
    let root = root();
    for folder in ["shared", "functions", "tests/src"] {
        for path in files(&root.join(folder), ".rs") {
            let is_entry = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
            assert!(!is_entry || text(&path).starts_with("//!"), "{} begins without a promise", path.display());
        }
    }
}

#[test]
fn every_reason_to_wait_and_every_action_appears_in_a_test() {
    let root = root();
    // A list of all reasons does not show when each is given.
    let is_list = |path: &PathBuf| path.ends_with("planner/reasons.rs");
    let tests = files(&root.join("shared/planner/tests"), ".rs");
    let tests: String = tests.iter().filter(|path| !is_list(path)).map(|path| text(path)).collect();
    let waiting = text(&root.join("shared/planner/src/waiting.rs"));
    let action = text(&root.join("shared/planner/src/action.rs"));
    for variant in variants(&action, "Action") {
        assert!(tests.contains(&format!("Action::{variant}")), "Action::{variant} appears in no test of the planner");
    }
    for variant in variants(&waiting, "Waiting") {
        // Tests may also name a reason by its guard: each has one of its own.
        let guard = waiting.lines().find_map(|line| {
            let (pattern, guard) = line.trim().strip_prefix("Self::")?.split_once(" => ")?;
            (pattern.split([' ', '{']).next() == Some(&variant) && guard.starts_with("GuardId::"))
                .then(|| guard.trim_end_matches(','))
        });
        let guard = guard.unwrap_or_else(|| panic!("Waiting::{variant} has no guard"));
        let appears = tests.contains(&format!("Waiting::{variant}")) || tests.contains(guard);
        assert!(appears, "Waiting::{variant} ({guard}) appears in no test of the planner");
    }
}

fn variants(source: &str, name: &str) -> Vec<String> {
    let body = source.split(&format!("pub enum {name} {{")).nth(1).unwrap_or_else(|| panic!("no enum {name}"));
    let body = body.split("\n}").next().unwrap_or_default();
    body.lines()
        .filter(|line| line.starts_with("    ") && !line.starts_with("     "))
        .filter_map(|line| line.trim().split([' ', '{', '(', ',']).next())
        .map(str::to_owned)
        .filter(|word| word.chars().next().is_some_and(char::is_uppercase))
        .collect()
}
