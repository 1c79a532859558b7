//! The golden files of the status crate, for all crates that show the status of a fleet.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../status/tests/status/snapshots")
}

/// Reads the document from a golden file.
pub fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = folder().join(format!("status__golden__{name}.snap"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // The head of a golden file ends with the second line `---`.
    let json = text.splitn(3, "---\n").nth(2).expect("a golden file has a head");
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the golden files with the status of a fleet, one for each state that a fleet can be in.
pub fn worlds() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let name = |file: String| Some(file.strip_prefix("status__golden__")?.strip_suffix(".snap")?.to_owned());
    let is_status = |name: &String| !["summary", "why"].contains(&name.as_str()) && !name.starts_with("history-");
    let mut worlds: Vec<String> = files.filter_map(name).filter(is_status).collect();
    assert!(worlds.len() > 30, "{worlds:?}");
    worlds.sort();
    worlds
}
