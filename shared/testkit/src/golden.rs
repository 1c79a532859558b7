//! The golden files of the status crate, for all crates that draw what it says.

use std::path::Path;

use serde::de::DeserializeOwned;

/// Reads one.
pub fn read<T: DeserializeOwned>(name: &str) -> T {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = crates.join(format!("status/tests/status/snapshots/status__golden__{name}.snap"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // Above the second rule stands what made it.
    let json = text.splitn(3, "---\n").nth(2).expect("a golden file has a head");
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
