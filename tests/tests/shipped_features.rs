//! Tests and shipped functions are compiled with other features of `serde_json`: what is built for tests keeps the fields of
//! an object in the order in which they came (the SDK's test tools ask for it), what ships sorts them. Nothing may rest on it.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Places where shipped code keeps untyped JSON, and whether it sorts the fields. Where it does not, it reads fields by
/// name or has only one.
const UNTYPED: [(&str, bool); 9] = [
    ("functions/operator/src/main.rs", false),
    ("functions/reconcile/src/handler.rs", true),
    ("functions/reconcile/src/main.rs", false),
    ("functions/status/src/main.rs", false),
    ("shared/lambda/src/envelope.rs", true),
    ("shared/lambda/src/metrics.rs", true),
    ("shared/lambda/src/request.rs", true),
    ("shared/planner/src/event.rs", true),
    ("shared/widget/src/frame.rs", false),
];

/// The crates that ship as functions.
const SHIPPED: [&str; 8] = [
    "functions",
    "shared/aws/src",
    "shared/api/src",
    "shared/lambda/src",
    "shared/planner/src",
    "shared/reconciler/src",
    "shared/status/src",
    "shared/widget/src",
];

/// Names of untyped JSON.
const NAMES: [&str; 7] = [
    "serde_json::Map",
    "serde_json::Value",
    "serde_json::from_value",
    "serde_json::json",
    "serde_json::to_value",
    "serde_json::value",
    "serde_json::{",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is the folder above tests")
}

/// The sources below a folder, without files that hold tests only.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let of_entry = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match (path.is_dir(), name.as_str()) {
            (true, "tests") | (false, "tests.rs" | "stub.rs" | "wire.rs") => Vec::new(),
            (true, _) => sources(&path),
            (false, _) if path.extension().is_some_and(|ending| ending == "rs") => vec![path],
            (false, _) => Vec::new(),
        }
    };
    entries.flat_map(|entry| of_entry(entry.expect("an entry can be read").path())).collect()
}

/// The code of a file before its tests, without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    shipped.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn shipped_code_holds_json_without_a_type_only_where_the_order_of_fields_makes_no_difference() {
    let root = root();
    let all: Vec<PathBuf> = SHIPPED.iter().flat_map(|folder| sources(&root.join(folder))).collect();
    let untyped = all.iter().filter(|path| NAMES.iter().any(|name| code(path).contains(name)));
    let found: BTreeSet<String> =
        untyped.map(|path| path.strip_prefix(&root).expect("below").to_string_lossy().into_owned()).collect();
    assert_eq!(found, UNTYPED.iter().map(|(path, _)| (*path).to_owned()).collect());
    for (path, sorts) in UNTYPED {
        assert_eq!(code(&root.join(path)).contains("sort_all_objects"), sorts, "{path}");
    }
}

/// Without this the tests of sorted output could not fail.
#[test]
fn tests_are_built_so_that_an_order_which_is_not_sorted_shows() {
    assert_eq!(serde_json::json!({"later": 1, "earlier": 2}).to_string(), r#"{"later":1,"earlier":2}"#);
}
