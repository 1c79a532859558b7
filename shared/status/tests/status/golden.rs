//! The fields as machines get them. The drawings of the command line are made from these files.

use driftless_testkit::{Stage, fleet, secs};
use std::collections::BTreeSet;

use driftless_status::glance::{Unread, at_a_glance};
use driftless_status::history::history;
use driftless_status::why::why;
use serde_json::Value;

use crate::worlds::{self};

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
    replaced.steps(20, secs(30));
    for (name, stage) in stages.chain([("replaced", replaced)]) {
        let said = history(fleet(), stage.history.clone(), 30);
        insta::assert_json_snapshot!(format!("history-{name}"), said);
        let json = serde_json::to_string(&said).unwrap();
        assert_eq!(serde_json::from_str::<driftless_status::history::History>(&json).unwrap(), said, "{name}");
    }
}

#[test]
fn other_answers_are_said_as_their_golden_files() {
    let world = |wanted: &str| worlds::all().into_iter().find(|(name, _)| *name == wanted).unwrap().1;
    let unread = vec![Unread { fleet: "dark".parse().unwrap(), why: "throttled: Rate exceeded".into() }];
    let misnamed = vec!["web-asg: \"Web\" is not a fleet name".into()];
    let busy = worlds::said(&world("awaiting-approval"));
    let at = busy.at;
    insta::assert_json_snapshot!("glance", at_a_glance([busy], unread, misnamed, at));
    let frozen = worlds::said(&world("frozen"));
    insta::assert_json_snapshot!("why", why(&frozen, &"i-00000000000000001".parse().unwrap()).unwrap());
}

/// Every name of a field, and every word that says which of several something is.
fn names(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                names.insert(name.clone());
                let is_word = ["kind", "state", "role", "verdict", "progress", "route"].contains(&name.as_str());
                names.extend(value.as_str().filter(|_| is_word).map(str::to_owned));
                self::names(value, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| self::names(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_name_in_an_answer_is_documented() {
    let page = include_str!("../../../../docs/status.md");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/status/snapshots");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let json = text.splitn(3, "---\n").nth(2).unwrap();
        names(&serde_json::from_str(json).unwrap(), &mut found);
    }
    let unknown: Vec<&String> = found.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(unknown.is_empty(), "not in docs/status.md: {unknown:?}");
}
