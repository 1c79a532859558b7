//! The fields as machines get them. The drawings of the command line are made from these files.

use crate::worlds;

#[test]
fn every_world_is_said_as_its_golden_file() {
    for (name, stage) in worlds::all() {
        let said = worlds::said(&stage);
        insta::assert_json_snapshot!(name, said);
        let json = serde_json::to_string(&said).unwrap();
        assert_eq!(serde_json::from_str::<driftless_status::FleetStatus>(&json).unwrap(), said, "{name}");
    }
}
