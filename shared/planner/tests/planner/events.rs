//! `BLESS=1 cargo test --workspace --exclude driftless-bench --test planner events` writes the schema anew: read the difference.
//!
//! Each line of the history is an event, and it is what its page says. That the golden ones keep to their schema holds
//! `tests/template/test_schemas.py`, with a validator that is not ours.

use driftless_testkit::{Stage, fleet, id, image_id, mins, secs, t0};
use std::collections::BTreeSet;

use driftless_planner::decision::Decision;
use driftless_planner::event::{self, ENTRIES_MAX, Event, EventBatch, Part, SCHEMA_VERSION, SOURCE};
use driftless_planner::fact::Command;
use driftless_planner::history::{Change, HistoryEntry};
use driftless_planner::observation::FreezeScope;
use driftless_planner::policy::Approval;
use driftless_planner::record::{PhaseKind, Record};
use driftless_planner::transitions::Step;
use serde_json::{Value, json};
use strum::VariantArray as _;

use crate::message_schema::rows;
use crate::support::letters::variants;

const PAGE: &str = include_str!("../../../../docs/events.md");

pub(crate) fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/schemas/event.v1.json")).unwrap()
}

/// The details of all events of a stage.
pub(crate) fn details(batches: &[EventBatch]) -> Vec<Value> {
    let detail = |event: &Event| {
        let mut detail: Value = serde_json::from_str(&event.detail).unwrap();
        detail.sort_all_objects();
        assert_eq!(detail.to_string(), event.detail, "sorted");
        assert_eq!((&detail["id"], &detail["at"]), (&json!(event.id), &json!(event.at)));
        assert_eq!(detail["machine"], json!(event.machine));
        detail
    };
    batches.iter().flat_map(|batch| &batch.events).map(detail).collect()
}

/// Holds events, a line each, against the golden ones.
pub(crate) fn hold(name: &str, details: &[Value]) {
    let lines: Vec<String> = details.iter().map(Value::to_string).collect();
    insta::assert_snapshot!(name, lines.join("\n"));
}

fn replaced() -> Stage {
    let mut stage = Stage::drifted(3, &[1]);
    stage.events.clear();
    stage.history.clear();
    stage.steps(60, secs(30));
    assert!(!stage.has(&id(1)), "replaced");
    stage
}

#[test]
fn each_line_of_the_history_is_an_event_with_an_id_of_its_own() {
    let mut stage = replaced();
    stage.say(Command::Retry);
    stage.reconcile();
    let details = details(&stage.events);
    hold("of-a-replacement", &details);
    assert_eq!(details.len(), stage.history.len());
    for (detail, line) in details.iter().zip(&stage.history) {
        let said = (&detail["from"], &detail["to"], &detail["reason"], &detail["actor"], &detail["instance"]);
        let lines =
            (&json!(line.from()), &json!(line.to()), &json!(line.why), &json!(line.actor), &json!(line.instance()));
        assert_eq!(said, lines);
        assert_eq!(detail["fleet"], "app");
    }
    let ids: BTreeSet<&str> = details.iter().map(|detail| detail["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), details.len(), "{ids:?}");
    let of = |machine: &str| -> Vec<&Value> {
        details.iter().filter(|detail| detail["machine"] == machine).map(|detail| &detail["to"]).collect()
    };
    assert_eq!(of("replacement").last(), Some(&&json!("replaced")));
    assert_eq!(of("command"), ["not-done"]);
}

#[test]
fn a_replacement_names_the_instance_and_the_image_of_its_successor() {
    let stage = replaced();
    let details = details(&stage.events);
    let last = details.iter().find(|detail| detail["to"] == "replaced").unwrap();
    assert_eq!((&last["machine"], &last["subject"]), (&json!("replacement"), &json!(id(1))));
    assert_eq!((&last["image"], &last["cutover"]), (&json!(image_id(1)), &Value::Null));
}

#[test]
fn the_same_decision_has_the_same_events() {
    let mut stage = Stage::new(3);
    stage.reconcile();
    stage.drift(1);
    let (one, other) = (stage.decide(), stage.decide());
    assert_eq!(one.events(), other.events());
    assert!(!one.events().is_empty());
    assert_eq!(one.events()[0].events[0].id, format!("app-{}-e0", one.next.version));
}

fn saying(lines: usize) -> Decision {
    let line = HistoryEntry {
        at: t0(),
        actor: "driftless".to_owned(),
        change: Change::Replacement {
            instance: id(1),
            from: Some(PhaseKind::Blocked),
            to: Step::Enters(PhaseKind::Blocked),
        },
        why: "\u{1f4a5}".repeat(512).as_str().into(),
    };
    Decision { history: vec![line; lines], ..Decision::keeping(Record::new(fleet())) }
}

#[test]
fn batches_are_as_large_as_one_call_and_larger_only_where_there_would_be_too_many() {
    for (lines, batches, largest) in
        [(0, 0, 0), (1, 1, 1), (10, 1, 10), (11, 2, 10), (80, 8, 10), (81, 8, 11), (1_000, 8, 125)]
    {
        let found = saying(lines).events();
        assert_eq!(found.len(), batches, "{lines}");
        assert_eq!(found.iter().map(|batch| batch.events.len()).max().unwrap_or_default(), largest, "{lines}");
        assert_eq!(found.iter().map(|batch| batch.events.len()).sum::<usize>(), lines);
        assert!(found.iter().all(|batch| batch.events.last().unwrap().id == batch.id));
    }
    assert_eq!(ENTRIES_MAX, 10);
}

#[test]
fn a_batch_of_a_thousand_long_lines_fits_a_row_and_a_call_takes_ten_of_them() {
    let batches = saying(1_000).events();
    let size = |batch: &EventBatch| serde_json::to_string(batch).unwrap().len();
    assert!(batches.iter().map(size).max().unwrap() < 400_000, "an item of DynamoDB");
    let ten: usize = batches[0].events.iter().take(ENTRIES_MAX).map(|event| event.detail.len()).sum();
    assert!(ten < 256_000, "a call of PutEvents");
}

#[test]
fn a_freeze_is_an_event_of_its_fleet_or_of_the_account() {
    let line = HistoryEntry {
        at: t0() + secs(1),
        actor: "arn:aws:iam::123456789012:user/ana".to_owned(),
        change: Change::Command { command: "freeze".to_owned(), is_done: true },
        why: "incident 7".into(),
    };
    let one = details(&[EventBatch::alone(&FreezeScope::Fleet(fleet()), &line)]);
    assert_eq!(
        (&one[0]["fleet"], &one[0]["machine"], &one[0]["subject"]),
        (&json!("app"), &json!("command"), &json!("freeze"))
    );
    let all = details(&[EventBatch::alone(&FreezeScope::Account, &line)]);
    assert_eq!(all[0]["fleet"], Value::Null);
    assert_ne!(one[0]["id"], all[0]["id"]);
    hold("of-freezes", &[&one[..], &all[..]].concat());
    let later = HistoryEntry { at: t0() + mins(1), ..line };
    assert_ne!(details(&[EventBatch::alone(&FreezeScope::Account, &later)])[0]["id"], all[0]["id"]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a golden is written anew by whoever says so")]
fn the_published_schema_is_that_of_the_types_that_are_sent() {
    let of_types = event::schema().to_value();
    if std::env::var_os("BLESS").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schemas/event.v1.json");
        std::fs::write(file, format!("{of_types:#}\n")).unwrap();
    } else {
        assert!(schema() == of_types, "docs/schemas/event.v1.json is not what the types say: {of_types:#}");
    }
}

#[test]
fn the_page_describes_each_field_in_the_words_of_the_schema() {
    let schema = schema();
    let fields = |part: &Value| -> BTreeSet<Vec<String>> {
        let fields = part["properties"].as_object().unwrap().iter();
        fields
            .map(|(name, field)| vec![format!("`{name}`"), field["description"].as_str().unwrap().to_owned()])
            .collect()
    };
    let rows = |heading: &str| BTreeSet::from_iter(rows(PAGE, heading));
    assert_eq!(rows("## The detail"), fields(&schema));
    assert_eq!(rows("### `cutover`"), fields(&schema["$defs"]["cutover"]));
    assert_eq!(schema["properties"]["schema_version"]["const"], SCHEMA_VERSION);
    let listed = |pointer: &str| -> BTreeSet<String> {
        let names = schema.pointer(pointer).unwrap().as_array().unwrap().iter();
        names.map(|name| name["const"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed("/properties/machine/oneOf"), variants::<Part>(""));
    assert_eq!(listed("/$defs/cutover/properties/approval/oneOf"), variants::<Approval>(""));
}

#[test]
fn the_page_and_the_permission_of_reconcile_name_the_detail_type_of_each_kind_of_event() {
    let known: BTreeSet<Vec<String>> = Part::VARIANTS
        .iter()
        .map(|part| vec![json!(part).as_str().map(|name| format!("`{name}`")).unwrap(), part.detail_type().to_owned()])
        .collect();
    let listed = rows(PAGE, "## Detail-types").into_iter().filter(|row| row[1] != "detail-type");
    assert_eq!(listed.collect::<BTreeSet<_>>(), known);
    let template = include_str!("../../../../template.yaml");
    let (_, allowed) = template.split_once("events:source: driftless\n").unwrap();
    let listed = allowed.lines().skip(1).map_while(|line| line.trim().strip_prefix("- Driftless "));
    let listed = listed.map(|rest| format!("Driftless {rest}"));
    let sent = Part::VARIANTS.iter().map(|part| part.detail_type().to_owned());
    assert_eq!(listed.collect::<BTreeSet<_>>(), sent.collect());
}

/// The patterns of rules that the page shows.
pub(crate) fn patterns() -> Vec<Value> {
    let blocks = PAGE.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let blocks = blocks.map(|text| serde_json::from_str::<Value>(text).unwrap());
    blocks.filter(|block| block.get("source").is_some_and(Value::is_array)).collect()
}

/// Whether a pattern of the page means an event: the part of EventBridge's language that the page uses.
pub(crate) fn is_meant(pattern: &Value, event: &Value) -> bool {
    pattern.as_object().unwrap().iter().all(|(name, wanted)| match wanted {
        Value::Array(values) => values.contains(&event[name]),
        Value::Object(_) => event[name].is_object() && is_meant(wanted, &event[name]),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => panic!("{name}: {wanted}"),
    })
}

/// An event as a rule sees it.
pub(crate) fn envelope(detail: &Value) -> Value {
    let machine: Part = serde_json::from_value(detail["machine"].clone()).unwrap();
    json!({"source": SOURCE, "detail-type": machine.detail_type(), "detail": detail})
}

#[test]
fn the_pages_first_pattern_means_the_end_of_a_replacement() {
    let details = details(&replaced().events);
    let meant: Vec<&Value> = details
        .iter()
        .filter(|detail| is_meant(&patterns()[0], &envelope(detail)))
        .map(|detail| &detail["to"])
        .collect();
    assert_eq!(meant, ["replaced"]);
}
