//! The documents as programs read them. The drawings of the command line are made from these files.

use driftless_testkit::{Stage, fleet, secs};

use driftless_status::history::history;
use driftless_status::summary::{Unread, summarize};
use driftless_status::why::why;

use crate::worlds::{self};

#[test]
fn every_world_matches_its_golden_file() {
    for (name, stage) in worlds::all() {
        let said = worlds::said(&stage);
        insta::assert_json_snapshot!(name, said);
        let json = serde_json::to_string(&said).unwrap();
        assert_eq!(serde_json::from_str::<driftless_status::FleetStatus>(&json).unwrap(), said, "{name}");
    }
}

#[test]
fn a_history_matches_its_golden_file() {
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
fn other_responses_match_their_golden_files() {
    let world = |wanted: &str| worlds::all().into_iter().find(|(name, _)| *name == wanted).unwrap().1;
    let unread = vec![Unread { fleet: "dark".parse().unwrap(), why: "throttled: Rate exceeded".into() }];
    let misnamed = vec!["web-asg: \"Web\" is not a fleet name".into()];
    let busy = worlds::said(&world("awaiting-approval"));
    let at = busy.at;
    insta::assert_json_snapshot!("summary", summarize([busy], unread, misnamed, at));
    let frozen = worlds::said(&world("frozen"));
    insta::assert_json_snapshot!("why", why(&frozen, &"i-00000000000000001".parse().unwrap()).unwrap());
}
