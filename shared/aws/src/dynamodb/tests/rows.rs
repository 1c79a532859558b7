use driftless_planner::record::{self, Phase};

use super::*;
use crate::dynamodb::rows::{FactRow, Item, StateRow, from_item, record as read_record, to_item};

fn state_item() -> Item {
    to_item("put", &StateRow::of(&full_record())).unwrap()
}

fn number(value: &str) -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::N(value.to_owned())
}

#[test]
fn a_full_record_survives_the_table() {
    assert_eq!(full_record().replacements.len(), 9, "a replacement in each phase");
    assert_eq!(read_record("get", state_item()).unwrap(), full_record());
}

#[test]
fn open_work_is_indexed_since_the_oldest_and_idle_work_is_not() {
    let item = state_item();
    assert_eq!(item["open_work"].as_s().unwrap(), "open");
    assert_eq!(item["open_since"].as_s().unwrap(), "2026-11-20T10:30:00.000Z");
    assert_eq!((item["pk"].as_s().unwrap().as_str(), item["sk"].as_s().unwrap().as_str()), ("FLEET#app", "STATE"));
    assert_eq!(item["version"], number("7"));
    let mut waiting = Record::new(app());
    let blocked = full_record().replacements.into_iter().find(|(_, work)| matches!(work.phase(), Phase::Blocked(_)));
    waiting.replacements.extend(blocked);
    assert_eq!(waiting.replacements.len(), 1);
    let waiting = to_item("put", &StateRow::of(&waiting)).unwrap();
    let since = (waiting["open_work"].as_s().unwrap().as_str(), waiting["open_since"].as_s().unwrap().as_str());
    assert_eq!(since, ("open", "waiting"), "what only waits for a guard has no age");
    let idle = to_item("put", &StateRow::of(&Record::new(app()))).unwrap();
    // Absent, not null: an index refuses null in its key.
    assert!(!idle.contains_key("open_work") && !idle.contains_key("open_since"), "{idle:?}");
}

#[test]
fn a_row_of_another_version_is_refused() {
    let mut item = state_item();
    item.insert("schema_version".to_owned(), number("2"));
    let error = read_record("get", item).unwrap_err();
    assert_eq!(
        told(&error),
        (CallErrorKind::Unreadable, "item FLEET#app/STATE: schema_version is 2, this code reads 1")
    );
    let mut item = state_item();
    item.remove("schema_version");
    let error = read_record("get", item).unwrap_err();
    assert!(error.message.as_str().contains("schema_version is missing"), "{error}");
    assert_eq!(record::SCHEMA_VERSION, 1, "a new version needs a test that reads the old one's rows");
}

#[test]
fn an_unknown_phase_or_field_is_refused_with_its_name() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut row = serde_json::to_value(StateRow::of(&full_record())).unwrap();
        change(&mut row);
        let item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(row).unwrap();
        read_record("get", item).unwrap_err()
    };
    for (error, needle) in [
        (
            with(&|row| row["record"]["replacements"]["i-00000000000000000"]["phase"] = json!("teleporting")),
            "unknown variant `teleporting`",
        ),
        (with(&|row| row["record"]["mood"] = json!("good")), "unknown field `mood`"),
        (with(&|row| row["record"]["fleet"] = json!("Not A Fleet")), "is not a fleet name"),
        (with(&|row| row["version"] = json!(6)), "version is 6, the record's 7"),
        (
            with(&|row| {
                row["record"].as_object_mut().unwrap().remove("borrowed_settings");
            }),
            "missing field `borrowed_settings`",
        ),
    ] {
        assert_eq!(error.kind, CallErrorKind::Unreadable);
        assert!(error.message.as_str().starts_with("item FLEET#app/STATE: "), "{error}");
        assert!(error.message.as_str().contains(needle), "{needle} in {error}");
    }
}

#[test]
fn facts_survive_the_table_and_expire() {
    let fact = report(at(1_500));
    let item = to_item("put", &FactRow::of(&app(), &fact, at(2_000))).unwrap();
    assert_eq!(item["sk"].as_s().unwrap(), "FACT#compliance#i-0aa11bb22cc33dd44#approved-amis");
    assert_eq!(item["expires_at"], number(&(2 + 14 * 24 * 3600).to_string()));
    assert_eq!(item["open_since"].as_s().unwrap(), "1970-01-01T00:00:02.000Z");
    let row: FactRow = from_item("get", item, 1).unwrap();
    assert_eq!(row.fact, fact);
}
