//! Which features crates are compiled with: the same for tests and for the demo, and one TLS stack in what ships.

#![expect(clippy::expect_used, reason = "a helper of a test fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// The packages of every build; `make bench` builds the rest separately.
const SELECTION: [&str; 3] = ["--workspace", "--exclude", "driftless-bench"];
/// Packages that are deployed or that operators install.
const SHIPPED: [&str; 7] =
    ["cloudwatch-alarm", "config-compliance", "image-published", "operator", "reconcile", "status", "driftless-cli"];

/// The packages of a build, each with its features, as cargo resolves them for this machine.
fn resolved(selection: &[&str], edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", edges, "--prefix", "none", "--format", "{p}|{f}"])
        .args(selection)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // An empty line stands between the trees of two packages.
    for line in String::from_utf8_lossy(&tree.stdout).lines().filter(|line| !line.is_empty()) {
        let (package, features) = line.trim_end_matches(" (*)").split_once('|').expect("a package and its features");
        packages.entry(package.to_owned()).or_default().insert(features.to_owned());
    }
    packages
}

#[test]
fn tests_and_demo_compile_each_crate_with_the_same_features() {
    let with_tests = resolved(&SELECTION, "normal,build,dev");
    let without = resolved(&SELECTION, "normal,build");
    assert!(without.keys().any(|package| package.starts_with("aws-sdk-ec2 ")), "{:?}", without.keys());
    let differing: Vec<_> = without
        .iter()
        .filter(|(package, features)| with_tests.get(*package) != Some(*features))
        .map(|(package, features)| format!("{package}: {features:?}, with tests {:?}", with_tests.get(package)))
        .collect();
    assert_eq!(differing, [] as [String; 0], "each of these is compiled twice, with everything that depends on it");
}

/// The crates that are linked into these packages.
fn linked() -> BTreeMap<String, BTreeSet<String>> {
    let packages: Vec<&str> = SHIPPED.iter().flat_map(|name| ["--package", *name]).collect();
    resolved(&packages, "normal")
}

#[test]
fn nothing_that_ships_has_the_schemas_of_the_planner() {
    let linked = linked();
    let planner: Vec<_> = linked.iter().filter(|(package, _)| package.starts_with("driftless-planner ")).collect();
    assert_eq!(planner.len(), 1);
    assert!(planner.iter().all(|(_, features)| features.iter().all(String::is_empty)), "{planner:?}");
    assert!(!linked.keys().any(|package| package.starts_with("schemars")), "{:?}", linked.keys());
}

#[test]
fn what_ships_links_one_tls_stack_and_one_hyper() {
    let linked = linked();
    let is_second = |package: &&String| package.starts_with("aws-lc-sys ") || package.starts_with("hyper v0.14");
    assert_eq!(linked.keys().filter(is_second).collect::<Vec<_>>(), [] as [&String; 0]);
    assert!(
        linked.keys().any(|package| package.starts_with("ring ")) && linked.keys().any(|p| p.starts_with("hyper v1"))
    );
}
