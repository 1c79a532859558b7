//! The golden files of this crate, for all crates that draw what it says.

use std::path::Path;

use serde::de::DeserializeOwned;

/// Reads one. `crates`: the folder of this crate's siblings, from the manifest of whoever asks.
pub(crate) fn read<T: DeserializeOwned>(crates: &Path, name: &str) -> T {
    let path = crates.join(format!("status/tests/status/snapshots/status__golden__{name}.snap"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // Above the second rule stands what made it.
    let json = text.splitn(3, "---\n").nth(2).expect("a golden file has a head");
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
