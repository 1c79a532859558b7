//! The schema of the body for machines is that of the types, and its page says the same. That the golden bodies keep to it holds
//! `tests/template/test_schemas.py`, with a validator that is not ours.
//!
//! `BLESS=1 cargo test --workspace --exclude driftless-bench --test planner message_schema` writes it anew: read the difference.

use std::collections::BTreeSet;
use std::fs;

use driftless_planner::notification::{self, Details, Severity};
use driftless_planner::record::{CancelReason, CandidateReason, CutoverOutcome, DriftReason, StopReason};
use serde_json::{Map, Value, json};

use crate::support::letters::{conditions, details, variants};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/schemas/message.v1.json")).unwrap()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a golden is written anew by whoever says so")]
fn the_published_schema_is_that_of_the_types_that_are_sent() {
    let of_types = notification::schema().to_value();
    if std::env::var_os("BLESS").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schemas/message.v1.json");
        fs::write(file, format!("{of_types:#}\n")).unwrap();
    } else {
        assert!(schema() == of_types, "docs/schemas/message.v1.json is not what the types say: {of_types:#}");
    }
}

const PAGE: &str = include_str!("../../../../docs/messages.md");

/// What the alternatives of a part of the schema are called.
fn alternatives(pointer: &str, tag: &str) -> BTreeSet<String> {
    let schema = schema();
    let part = schema.pointer(pointer).unwrap();
    let alternatives = part["oneOf"].as_array().unwrap().iter().flat_map(|alternative| {
        let tagged = alternative["properties"].get(tag).and_then(|field| field.get("const")).into_iter();
        let plain = alternative["enum"].as_array().into_iter().flatten().chain(alternative.get("const"));
        let named: Vec<String> = tagged.chain(plain).map(|name| name.as_str().unwrap().to_owned()).collect();
        if named.is_empty() {
            alternative["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        } else {
            named
        }
    });
    alternatives.collect()
}

#[test]
fn the_forms_in_which_reasons_are_published_have_the_words_in_which_they_are_sent() {
    assert_eq!(alternatives("/$defs/drift", ""), variants::<DriftReason>(""));
    assert_eq!(alternatives("/$defs/cancellation", ""), variants::<CancelReason>(""));
    assert_eq!(alternatives("/$defs/stop", ""), variants::<StopReason>(""));
    assert_eq!(alternatives("/$defs/candidate/properties/why", ""), variants::<CandidateReason>(""));
    assert_eq!(alternatives("/$defs/details/oneOf/8/properties/outcome", ""), variants::<CutoverOutcome>(""));
}

#[test]
fn a_message_is_of_any_kind_of_news_but_many() {
    let kinds = schema()["properties"]["kind"]["enum"].clone();
    let mut kinds: BTreeSet<String> = serde_json::from_value(kinds).unwrap();
    assert!(kinds.insert("many".to_owned()), "many is the kind of the details, and never of the message");
    assert_eq!(kinds, variants::<Details>("kind"));
}

/// The rows of the tables below a heading of a page.
pub(crate) fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let from = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{heading}"));
    let lines = page[from..].lines().skip(2).take_while(|line| !line.starts_with('#'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.filter(|line| line.starts_with("| `")).map(cells).collect()
}

/// Each field of a part of the schema with its description, as the page must have them.
fn fields(part: &Value) -> Vec<Vec<String>> {
    let fields = part["properties"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| *name != "kind" || part.get("title").is_some());
    let row =
        |(name, field): (&String, &Value)| vec![format!("`{name}`"), field["description"].as_str().unwrap().to_owned()];
    let mut rows: Vec<Vec<String>> = fields.map(row).collect();
    rows.sort();
    rows
}

fn sorted(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    rows.sort();
    rows
}

#[test]
fn the_page_describes_each_field_in_the_words_of_the_schema() {
    let schema = schema();
    assert_eq!(sorted(rows(PAGE, "## The body for machines")), fields(&schema));
    for details in schema["$defs"]["details"]["oneOf"].as_array().unwrap() {
        let kind = details["properties"]["kind"]["const"].as_str().unwrap();
        assert_eq!(sorted(rows(PAGE, &format!("### `{kind}`"))), fields(details), "{kind}");
    }
    for part in ["release", "candidate", "template", "failure", "command"] {
        assert_eq!(sorted(rows(PAGE, &format!("### `{part}`"))), fields(&schema["$defs"][part]), "{part}");
    }
    for (part, pointer) in [
        ("drift", "/$defs/drift"),
        ("cancellation", "/$defs/cancellation"),
        ("stop", "/$defs/stop"),
        ("candidate.why", "/$defs/candidate/properties/why"),
    ] {
        let listed: BTreeSet<String> =
            rows(PAGE, &format!("### `{part}`")).into_iter().map(|row| row[0].replace('`', "")).collect();
        assert_eq!(listed, alternatives(pointer, ""), "{part}");
    }
}

/// The filter policies of the page.
fn filters() -> Vec<Value> {
    let section = &PAGE[PAGE.find("\n## Filtering\n").unwrap()..];
    let section = &section[..section[1..].find("\n## ").unwrap()];
    section
        .split("```json\n")
        .skip(1)
        .map(|rest| serde_json::from_str(rest.split("```").next().unwrap()).unwrap())
        .collect()
}

/// Whether a filter policy lets attributes through, as SNS does it: every key, and of `$or` one alternative.
fn lets_through(filter: &Value, attributes: &Map<String, Value>) -> bool {
    filter.as_object().unwrap().iter().all(|(key, wanted)| {
        let wanted = wanted.as_array().unwrap();
        if key == "$or" {
            wanted.iter().any(|alternative| lets_through(alternative, attributes))
        } else {
            attributes.get(key).is_some_and(|found| wanted.contains(found))
        }
    })
}

#[test]
fn the_filters_of_the_page_let_the_end_through_of_what_they_let_through() {
    let filters = filters();
    let [pager, channel] = &filters[..] else { panic!("{filters:?}") };
    for condition in conditions() {
        let key = condition.key();
        let attributes = |details: &Details| {
            let mut attributes = Map::new();
            attributes.insert("fleet".to_owned(), json!("app"));
            attributes.insert("kind".to_owned(), json!(details.kind()));
            attributes.insert("severity".to_owned(), json!(details.severity().word()));
            attributes.insert("condition".to_owned(), json!(details.condition().unwrap()));
            attributes
        };
        let entered = Details::Entered { condition, detail: "x".into() };
        let loud = entered.severity();
        let ended = Details::Ended { condition: key.clone(), since: jiff::Timestamp::UNIX_EPOCH };
        for (filter, least) in [(pager, Severity::Page), (channel, Severity::Notify)] {
            assert_eq!(lets_through(filter, &attributes(&entered)), loud >= least, "{key}");
        }
        assert_eq!(lets_through(pager, &attributes(&ended)), loud == Severity::Page, "the end of {key}");
        assert!(lets_through(channel, &attributes(&ended)), "the end of {key}");
    }
}

#[test]
fn the_page_lists_each_kind_and_each_state_with_its_severity() {
    let kinds = rows(PAGE, "## Kinds");
    assert_eq!(kinds.iter().map(|row| row[0].replace('`', "")).collect::<BTreeSet<_>>(), variants::<Details>("kind"));
    for (name, details) in details() {
        let said = kinds.iter().find(|row| row[0] == format!("`{}`", details.kind())).unwrap();
        let is_right =
            said[1] == "the state's" || said[1].split("; ").any(|word| word.starts_with(details.severity().word()));
        assert!(is_right, "{name}: {said:?}");
    }
    let states: BTreeSet<(String, String)> =
        rows(PAGE, "## States").into_iter().map(|row| (row[0].replace('`', ""), row[1].clone())).collect();
    let known = conditions().into_iter().map(|condition| {
        let details = Details::Entered { detail: "x".into(), condition };
        (details.topic().to_owned(), details.severity().word().to_owned())
    });
    assert_eq!(states, known.collect());
}
