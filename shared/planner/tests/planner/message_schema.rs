//! The body for machines is what its schema and its page say.

use std::collections::BTreeSet;

use driftless_planner::notification::{Condition, News, SCHEMA_VERSION, Severity};
use driftless_planner::record::{CandidateReason, CutoverOutcome, DriftReason, StopReason, WithdrawReason};
use serde_json::{Map, Value, json};

use crate::support::letters::{conditions, news, notification, variants};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/schemas/message.v1.json")).unwrap()
}

const PAGE: &str = include_str!("../../../../docs/messages.md");

/// What is wrong with a value, in the eyes of a schema. Stricter than JSON Schema: a field that the schema does not name
/// is wrong too. It knows the keywords that the schema uses, and refuses any other.
struct Checker {
    root: Value,
}

impl Checker {
    fn problem(&self, schema: &Value, value: &Value) -> Option<String> {
        let schema = schema.as_object().unwrap();
        schema.iter().find_map(|(keyword, rule)| self.keyword(schema, keyword, rule, value))
    }

    fn keyword(&self, schema: &Map<String, Value>, keyword: &str, rule: &Value, value: &Value) -> Option<String> {
        let wrong = |is_wrong: bool| is_wrong.then(|| format!("{value} against {keyword} {rule}"));
        match keyword {
            "$schema" | "$defs" | "title" | "description" => None,
            "$ref" => {
                self.problem(self.root.pointer(rule.as_str().unwrap().strip_prefix('#').unwrap()).unwrap(), value)
            }
            "type" => wrong(!is_of_type(rule.as_str().unwrap(), value)),
            "const" => wrong(rule != value),
            "enum" => wrong(!rule.as_array().unwrap().contains(value)),
            "minimum" => wrong(value.as_i64() < rule.as_i64()),
            "maxLength" => wrong(value.as_str().map(|text| text.chars().count() as u64) > rule.as_u64()),
            "format" => wrong(value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_err())),
            "pattern" => wrong(value.as_str().is_some_and(|text| !is_like(rule.as_str().unwrap(), text))),
            "required" => {
                let names = rule.as_array().unwrap().iter();
                names
                    .filter_map(Value::as_str)
                    .find(|name| value.get(name).is_none())
                    .map(|name| format!("{name} is missing"))
            }
            "properties" => value.as_object()?.iter().find_map(|(name, field)| match rule.get(name) {
                Some(rule) => self.problem(rule, field).map(|problem| format!("{name}: {problem}")),
                None => Some(format!("{name} is not in the schema")),
            }),
            "items" => value.as_array()?.iter().find_map(|item| self.problem(rule, item)),
            "anyOf" | "oneOf" => {
                let problems = rule.as_array().unwrap().iter().filter_map(|rule| self.problem(rule, value));
                let fitting = rule.as_array().unwrap().len() - problems.clone().count();
                let is_well = if keyword == "oneOf" { fitting == 1 } else { fitting > 0 };
                (!is_well).then(|| format!("{fitting} alternatives fit: {}", problems.collect::<Vec<_>>().join(" / ")))
            }
            other => panic!("{other} of {schema:?} is not checked"),
        }
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    }
}

/// Whether a text is like a pattern, of those that the schema uses.
fn is_like(pattern: &str, text: &str) -> bool {
    let is_hex_after =
        |prefix| text.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match pattern {
        "^i-[0-9a-f]+$" => is_hex_after("i-"),
        "^ami-[0-9a-f]+$" => is_hex_after("ami-"),
        "^P" => text.starts_with('P'),
        "^driftless " => text.starts_with("driftless "),
        "^[a-z0-9-]{1,40}$" => text.parse::<driftless_planner::ids::FleetName>().is_ok(),
        "^[A-Za-z0-9._:-]+$" => {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
        }
        other => panic!("{other}"),
    }
}

fn body(news: News) -> Value {
    serde_json::from_str(&notification(news, &["app-blue", "app-green"]).message().unwrap().json).unwrap()
}

#[test]
fn each_golden_body_keeps_to_the_schema() {
    let checker = Checker { root: schema() };
    for (name, news) in news() {
        assert_eq!(checker.problem(&checker.root, &body(news)), None, "{name}");
    }
}

#[test]
fn the_schema_finds_what_is_missing_wrong_or_unknown() {
    let checker = Checker { root: schema() };
    let (_, started) = news().into_iter().find(|(name, _)| name == "replacement-started").unwrap();
    let whole = body(started);
    for field in whole.as_object().unwrap().keys() {
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove(field);
        assert_eq!(checker.problem(&checker.root, &without), Some(format!("{field} is missing")));
        let mut wrong = whole.clone();
        wrong[field] = json!({ "?": 1 });
        assert!(checker.problem(&checker.root, &wrong).is_some(), "{field}");
    }
    let mut more = whole.clone();
    more["news"]["unheard"] = json!(1);
    assert!(checker.problem(&checker.root, &more).is_some());
    let mut other = whole;
    other["news"]["instance"] = json!("i-1; rm -rf /");
    assert!(checker.problem(&checker.root, &other).is_some());
}

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
fn the_schema_knows_each_kind_each_state_and_each_reason() {
    assert_eq!(alternatives("/$defs/news", "kind"), variants::<News>("kind"));
    assert_eq!(alternatives("/$defs/condition", "condition"), variants::<Condition>("condition"));
    assert_eq!(alternatives("/$defs/drift", ""), variants::<DriftReason>(""));
    assert_eq!(alternatives("/$defs/withdrawal", ""), variants::<WithdrawReason>(""));
    assert_eq!(alternatives("/$defs/stop", ""), variants::<StopReason>(""));
    assert_eq!(alternatives("/$defs/candidate/properties/why", ""), variants::<CandidateReason>(""));
    let schema = schema();
    let listed = |pointer: &str| {
        let names = schema.pointer(pointer).unwrap().as_array().unwrap().iter();
        names.map(|name| name.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(listed("/properties/severity/enum"), variants::<Severity>(""));
    let ended = "/$defs/news/oneOf/8/properties/outcome/enum";
    assert_eq!(listed(ended), variants::<CutoverOutcome>(""));
    let mut kinds = listed("/properties/kind/enum");
    assert!(kinds.insert("many".to_owned()), "many is the kind of the news, and never of the message");
    assert_eq!(kinds, variants::<News>("kind"));
    assert_eq!(schema["properties"]["schema_version"]["const"], SCHEMA_VERSION);
}

/// The rows of the tables below a heading of the page.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let from = PAGE.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{heading}"));
    let lines = PAGE[from..].lines().skip(2).take_while(|line| !line.starts_with('#'));
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
    assert_eq!(sorted(rows("## The body for machines")), fields(&schema));
    for news in schema["$defs"]["news"]["oneOf"].as_array().unwrap() {
        let kind = news["properties"]["kind"]["const"].as_str().unwrap();
        assert_eq!(sorted(rows(&format!("### `{kind}`"))), fields(news), "{kind}");
    }
    for part in ["release", "candidate", "template", "failure", "command"] {
        assert_eq!(sorted(rows(&format!("### `{part}`"))), fields(&schema["$defs"][part]), "{part}");
    }
    for (part, pointer) in [
        ("drift", "/$defs/drift"),
        ("withdrawal", "/$defs/withdrawal"),
        ("stop", "/$defs/stop"),
        ("candidate.why", "/$defs/candidate/properties/why"),
    ] {
        let listed: BTreeSet<String> =
            rows(&format!("### `{part}`")).into_iter().map(|row| row[0].replace('`', "")).collect();
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
        let loud = condition.severity();
        let attributes = |news: &News| {
            let mut attributes = Map::new();
            attributes.insert("fleet".to_owned(), json!("app"));
            attributes.insert("kind".to_owned(), json!(news.kind()));
            attributes.insert("severity".to_owned(), json!(news.severity().word()));
            attributes.insert("condition".to_owned(), json!(news.condition().unwrap()));
            attributes
        };
        let entered = News::Entered { condition, detail: "x".into() };
        let ended = News::Ended { condition: key.clone(), since: jiff::Timestamp::UNIX_EPOCH };
        for (filter, least) in [(pager, Severity::Page), (channel, Severity::Notify)] {
            assert_eq!(lets_through(filter, &attributes(&entered)), loud >= least, "{key}");
        }
        assert_eq!(lets_through(pager, &attributes(&ended)), loud == Severity::Page, "the end of {key}");
        assert!(lets_through(channel, &attributes(&ended)), "the end of {key}");
    }
}

#[test]
fn the_page_lists_each_kind_and_each_state_with_its_severity() {
    let kinds = rows("## Kinds");
    assert_eq!(kinds.iter().map(|row| row[0].replace('`', "")).collect::<BTreeSet<_>>(), variants::<News>("kind"));
    for (name, news) in news() {
        let said = kinds.iter().find(|row| row[0] == format!("`{}`", news.kind())).unwrap();
        let is_right =
            said[1] == "the state's" || said[1].split("; ").any(|word| word.starts_with(news.severity().word()));
        assert!(is_right, "{name}: {said:?}");
    }
    let states: BTreeSet<(String, String)> =
        rows("## States").into_iter().map(|row| (row[0].replace('`', ""), row[1].clone())).collect();
    let known = conditions().into_iter().map(|condition| {
        let news = News::Entered { detail: "x".into(), condition };
        (news.topic().to_owned(), news.severity().word().to_owned())
    });
    assert_eq!(states, known.collect());
}
