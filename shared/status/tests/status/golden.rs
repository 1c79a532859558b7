//! The fields as machines get them. The drawings of the command line are made from these files.

use driftless_status::history::history;

use crate::support::{Stage, fleet, secs};
use crate::worlds::{self, step};

#[test]
fn every_world_is_said_as_its_golden_file() {
    for (name, stage) in worlds::all() {
        let said = worlds::said(&stage);
        insta::assert_json_snapshot!(name, said);
        let json = serde_json::to_string(&said).unwrap();
        assert_eq!(serde_json::from_str::<driftless_status::FleetStatus>(&json).unwrap(), said, "{name}");
    }
}

#[test]
fn a_history_is_said_as_its_golden_file() {
    let stages = worlds::all().into_iter().filter(|(name, _)| *name == "rolled-back");
    let mut replaced = Stage::drifted(4, &[1]);
    for _ in 0..20 {
        step(&mut replaced, secs(30));
    }
    for (name, stage) in stages.chain([("replaced", replaced)]) {
        let said = history(fleet(), stage.journal.clone(), 30);
        insta::assert_json_snapshot!(format!("history-{name}"), said);
        let json = serde_json::to_string(&said).unwrap();
        assert_eq!(serde_json::from_str::<driftless_status::history::History>(&json).unwrap(), said, "{name}");
    }
}
