//! Every scenario of `tests/scenarios` is told, and holds. The timeline of one that a page tells of is the one that stands
//! beside it: a page must not show what is not so. Those of all others are printed where they do not hold.
//!
//! `BLESS=1 cargo test -p driftless-simulator --test scenarios` writes the timelines anew: read the difference before you
//! commit it. `ONLY=28-` tells those whose names begin so.

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

/// What is not as it should be. None: all is.
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
    (known != new).then(|| format!("{name}: another timeline. Line {line} was\n  {was}\nand is\n  {is}\n\n{new}"))
}

#[test]
fn every_scenario_holds_and_is_told_as_it_was() {
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

/// The pages that people read.
fn pages() -> Vec<String> {
    let root = folder().join("../..");
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.chain([root.join("README.md")]).map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn a_scenario_has_its_timeline_beside_it_if_a_page_tells_of_it() {
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
fn a_scenario_without_a_seed_is_told_the_same_twice_and_one_with_a_seed_holds_too() {
    let path = folder().join("28-terminate-first.scenario");
    let scenario = read(&path);
    assert_eq!(scenario.run(None), scenario.run(None));
    for seed in 0..10 {
        let report = scenario.run(Some(seed));
        assert!(report.failures.is_empty(), "seed {seed}: {:?}", report.failures);
    }
}

#[test]
fn an_expectation_that_does_not_hold_names_its_line_and_what_was_found() {
    let text = "fleet web: weighted, blue live, 4 instances, policy mode=act rules=approved alarms=web-5xx\n\
                at 5m drift blue/1 under approved\n\
                by 6m expect replaced=1\n\
                never waiting blue/1=debounce\n\
                end at 7m\n";
    let failures: Vec<String> =
        Scenario::parse(text).unwrap().run(None).failures.iter().map(ToString::to_string).collect();
    assert_eq!(
        failures,
        [
            "line 4, at 5m: never waiting blue/1=debounce\n    but it was so",
            "line 3, at 6m: by 6m expect replaced=1\n    but replaced of web is 0"
        ]
    );
}
