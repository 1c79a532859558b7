//! Every scenario of `tests/scenarios` runs and passes. A scenario that a page of the documentation names has its timeline
//! in a golden file beside it, so that the page shows what the simulator does. The test prints the timeline of every scenario
//! that fails.
//!
//! `BLESS=1 cargo test -p driftless-simulator --test scenarios` writes the golden files: read the difference before you
//! commit it. `ONLY=28-` runs the scenarios whose names begin with `28-`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use driftless_simulator::scenario::Scenario;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios")
}

fn files(ending: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|known| known == ending)).collect();
    found.sort();
    found
}

fn read(path: &Path) -> Scenario {
    match Scenario::parse(&fs::read_to_string(path).unwrap()) {
        Ok(scenario) => scenario,
        Err(error) => panic!("{}, {error}", path.display()),
    }
}

/// Why a scenario failed, or how its timeline differs from the golden file. None: neither.
fn told(path: &Path) -> Option<String> {
    let report = read(path).run(None);
    let golden = path.with_extension("golden");
    let name = path.file_name().unwrap().display();
    if !report.failures.is_empty() {
        let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
        return Some(format!("{name}: {}\n{}", failures.join("\n"), report.golden()));
    }
    if !golden.exists() {
        return None;
    }
    if env::var_os("BLESS").is_some() {
        fs::write(&golden, report.golden()).unwrap();
        return None;
    }
    let known = fs::read_to_string(&golden).unwrap();
    let new = report.golden();
    let (line, (was, is)) =
        (1..).zip(known.lines().zip(new.lines())).find(|(_, (was, is))| was != is).unwrap_or_default();
    (known != new)
        .then(|| format!("{name}: the timeline has changed. Line {line} was\n  {was}\nand is now\n  {is}\n\n{new}"))
}

#[test]
fn every_scenario_passes_with_the_timeline_of_its_golden_file() {
    let mut files = files("scenario");
    if let Ok(only) = env::var("ONLY") {
        files.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with(&only));
    }
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let teller = || {
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            wrong.lock().unwrap().extend(told(path));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(teller);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} scenarios:\n{}", wrong.len(), files.len(), wrong.join("\n\n"));
}

/// The pages of the documentation.
fn pages() -> Vec<String> {
    let root = folder().join("../..");
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.chain([root.join("README.md")]).map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn a_scenario_has_a_golden_file_exactly_if_a_page_names_it() {
    let pages = pages();
    for scenario in files("scenario") {
        let name = scenario.file_name().unwrap().to_string_lossy().into_owned();
        let is_told = pages.iter().any(|page| page.contains(&name));
        assert_eq!(scenario.with_extension("golden").exists(), is_told, "{name}");
    }
    for golden in files("golden") {
        assert!(golden.with_extension("scenario").exists(), "{}", golden.display());
    }
}

#[test]
fn the_acceptance_tests_are_among_them() {
    let names: Vec<String> =
        files("scenario").iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    for number in 1..=15 {
        let prefix = format!("{number:02}-");
        assert!(names.iter().any(|name| name.starts_with(&prefix)), "none begins with {prefix}");
    }
}

#[test]
fn a_scenario_without_a_seed_has_the_same_report_twice_and_passes_with_ten_seeds() {
    let path = folder().join("28-terminate-first.scenario");
    let scenario = read(&path);
    assert_eq!(scenario.run(None), scenario.run(None));
    for seed in 0..10 {
        let report = scenario.run(Some(seed));
        assert!(report.failures.is_empty(), "seed {seed}: {:?}", report.failures);
    }
}

#[test]
fn a_failed_expectation_names_its_line_and_what_was_found() {
    let text = "fleet web: weighted, blue live, 4 instances, policy mode=act rules=approved alarms=web-5xx\n\
                at 5m drift blue/1 under approved\n\
                by 6m expect replaced=1\n\
                never blocked blue/1=debounce\n\
                end at 7m\n";
    let failures: Vec<String> =
        Scenario::parse(text).unwrap().run(None).failures.iter().map(ToString::to_string).collect();
    assert_eq!(
        failures,
        [
            "line 4, at 5m: never blocked blue/1=debounce\n    found: the condition was true",
            "line 3, at 6m: by 6m expect replaced=1\n    found: replaced of web is 0"
        ]
    );
}
