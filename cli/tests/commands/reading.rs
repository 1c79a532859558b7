//! The commands that only read.

use driftless_status::model::{LeaseStatus, NextRequest};
use driftless_status::request::OrderResult;
use driftless_status::rollback_path::Target;
use driftless_testkit::schemas::Published;
use jiff::SignedDuration;

use crate::play::{Stage, command_result};
use crate::said;

#[test]
fn what_is_read_is_shown_as_its_golden_file() {
    for (name, world, typed) in [
        ("status", "half-way", "driftless status"),
        ("status-fleet", "awaiting-approval", "driftless status app"),
        ("status-unknown", "steady", "driftless status nowhere"),
        ("why-fleet", "frozen", "driftless why app"),
        ("why-instance", "blocked", "driftless why i-00000000000000001"),
        ("why-image", "rolled-back", "driftless why ami-00000000000000002 --fleet app"),
        ("why-json", "frozen", "driftless why app --json"),
        ("status-json", "steady", "driftless --json status"),
        ("status-unknown-json", "steady", "driftless status nowhere --json"),
        ("adopt-ready", "steady", "driftless adopt app --check"),
        ("adopt-misconfigured", "misconfigured", "driftless adopt app --check"),
        ("adopt-policy", "policy-invalid", "driftless adopt app --check"),
        ("adopt-new", "unadopted", "driftless adopt app --check"),
        ("adopt-json", "policy-invalid", "driftless adopt app --check --json"),
        ("adopt-pin", "steady", "driftless adopt app --pin"),
        ("doctor", "half-way", "driftless doctor"),
        ("doctor-found", "breaker-open", "driftless doctor app"),
        ("doctor-json", "breaker-open", "driftless doctor app --json"),
    ] {
        insta::assert_snapshot!(name, Stage::of(world).play(typed).text());
    }
}

#[test]
fn a_fleet_as_json_is_the_documented_answer_and_nothing_else() {
    let played = Stage::of("half-way").play("driftless status app --json");
    let read: driftless_status::FleetStatus = serde_json::from_str(&played.out).unwrap();
    assert_eq!(read, said::status("half-way"));
    assert_eq!((played.code, played.aside.as_str()), (0, ""));
}

#[test]
fn what_has_been_is_asked_for_as_narrowly_as_it_was_typed() {
    let mut stage = Stage::of("steady");
    stage.history = Some(said::history("replaced"));
    let played =
        stage.play("driftless history app --instance i-00000000000000001 --before 2026-11-20T13:00:00Z --limit 5");
    insta::assert_snapshot!("history", played.text());
    let asked = serde_json::to_value(&played.questions).unwrap();
    let expected = serde_json::json!([{
        "query": "history", "fleet": "app", "instance": "i-00000000000000001", "before": "2026-11-20T13:00:00Z", "limit": 5
    }]);
    assert_eq!(asked, expected);
}

#[test]
fn an_image_needs_no_fleet_where_there_is_only_one() {
    let played = Stage::of("half-way").play("driftless why ami-00000000000000002");
    assert_eq!((played.code, played.questions.len()), (0, 2), "{}", played.text());
    assert!(played.out.contains("is the image of the cutover in progress"), "{}", played.text());
}

#[test]
fn pinning_is_ordered_and_where_it_is_not_done_what_to_type_is_printed_with_the_name_quoted() {
    let played = Stage::of("unadopted").play("driftless adopt app --pin --reason ready");
    let action = serde_json::to_value(&played.orders[0].action).unwrap();
    assert_eq!(action, serde_json::json!({"command": {"fleet": "app", "command": {"command": "pin"}}}));
    assert_eq!((played.code, played.orders.len()), (0, 1), "{}", played.text());
    let mut status = said::status("unadopted");
    status.colors[0].template = None;
    status.colors[0].group = "web; rm -rf $HOME".parse().unwrap();
    let why = "the instances of web run several versions";
    let stage = Stage::with(vec![status]).replying(vec![Ok(command_result(OrderResult::NotDone, why))]);
    insta::assert_snapshot!("adopt-pin-open", stage.play("driftless adopt app --pin").text());
}

#[test]
fn the_doctor_finds_an_unreleased_lease_only_when_the_last_pass_is_long_ago() {
    for (seconds, code) in [(-30, 0), (659, 0), (660, 0), (661, 1)] {
        let mut status = said::status("steady");
        let until = status.at - SignedDuration::from_secs(seconds);
        status.lease = LeaseStatus::Held { holder: "run-1".into(), until };
        let played = Stage::with(vec![status]).play("driftless doctor app");
        assert_eq!(played.code, code, "{seconds}: {}", played.text());
        assert!(played.out.contains("run-1"), "{}", played.text());
    }
}

#[test]
fn the_doctor_finds_a_rollback_whose_target_cannot_be_launched_any_more() {
    for (target, code) in [
        (Target::Launchable, 0),
        (Target::Unknown, 0),
        (Target::Unlaunchable { why: "ami-1 does not exist any more".into() }, 1),
    ] {
        let mut status = said::status("warm");
        status.conditions.clear();
        status.rollback_path.target = target;
        let played = Stage::with(vec![status]).play("driftless doctor app");
        assert_eq!(played.code, code, "{}", played.text());
    }
}

#[test]
fn the_doctor_finds_a_setting_that_no_work_needs_and_a_deadline_only_when_it_is_missed_for_long() {
    let mut orphaned = said::status("half-way");
    orphaned.cutover = None;
    let played = Stage::with(vec![orphaned]).play("driftless doctor app");
    assert_eq!(played.code, 1);
    assert!(played.out.contains("should have been restored"), "{}", played.text());
    let mut abandoned = said::status("stopped");
    abandoned.conditions.clear();
    abandoned.borrowed_settings = said::status("half-way").borrowed_settings;
    assert_eq!(
        Stage::with(vec![abandoned]).play("driftless doctor app").code,
        1,
        "a stopped replacement does not restore its borrowed settings"
    );
    for (seconds, code) in [(659, 0), (660, 0), (661, 1)] {
        let mut status = said::status("single-group");
        status.next_request = NextRequest::At { at: status.at - SignedDuration::from_secs(seconds) };
        let played = Stage::with(vec![status]).play("driftless doctor app");
        assert_eq!(played.code, code, "{seconds}: {}", played.text());
        let mut status = said::status("scaling");
        status.conditions.clear();
        status.cutover.as_mut().unwrap().deadline = Some(status.at - SignedDuration::from_secs(seconds));
        let played = Stage::with(vec![status]).play("driftless doctor app");
        assert_eq!(played.code, code, "{seconds}: {}", played.text());
    }
}

#[test]
fn what_json_prints_is_valid_by_the_published_schemas_and_has_the_keys_that_the_documentation_names() {
    let documents = [
        ("driftless status --json", include_str!("../../../docs/schemas/status-summary.v1.json")),
        ("driftless status app --json", include_str!("../../../docs/schemas/status-fleet.v1.json")),
        ("driftless why app --json", include_str!("../../../docs/schemas/status-why.v1.json")),
        ("driftless history app --json", include_str!("../../../docs/schemas/status-history.v1.json")),
        ("driftless rollback app --yes --json", include_str!("../../../docs/schemas/command-result.v1.json")),
        ("driftless freeze app --reason test --json", include_str!("../../../docs/schemas/command-result.v1.json")),
    ];
    for (typed, schema) in documents {
        let mut stage = Stage::of("half-way");
        stage.history = Some(said::history("replaced"));
        let played = stage.play(typed);
        let document: serde_json::Value = serde_json::from_str(&played.out).unwrap();
        assert_eq!(Published::of(schema).problems(&document), [""; 0], "{typed}: {document:#}");
        if typed == "driftless status app --json" {
            assert_eq!(document["rollback"]["is_open"], true);
        }
    }
}
