//! The published schemas match the types, every golden document is valid, and `docs/status.md` describes each field
//! with the schema's own text.
//!
//! `BLESS=1 cargo test -p driftless-status schemas` writes the schemas and the tables of the page: read the difference.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use driftless_status::schema;
use driftless_testkit::schemas::Published;
use serde_json::{Map, Value};

/// The page below this line is generated from the schemas.
const MARK: &str =
    "<!-- Below this line the page is made from docs/schemas: BLESS=1 cargo test -p driftless-status schemas -->\n";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn is_blessed() -> bool {
    std::env::var_os("BLESS").is_some()
}

/// Compares a file with the generated text.
fn hold(file: &Path, text: &str) {
    if is_blessed() {
        fs::write(file, text).unwrap();
    } else {
        let known = fs::read_to_string(file).unwrap();
        assert!(known == text, "{} is not what the types say: {text}", file.display());
    }
}

/// The errors of a document against a published schema.
pub(crate) fn problems(name: &str, document: &Value) -> Vec<String> {
    let (_, schema) = schema::all().into_iter().find(|(known, _)| *known == name).unwrap();
    Published::of(&schema.to_value().to_string()).problems(document)
}

#[test]
fn every_published_schema_is_that_of_the_types() {
    for (name, schema) in schema::all() {
        hold(&docs().join("schemas").join(name), &format!("{:#}\n", schema.to_value()));
    }
}

/// Every object of a schema.
fn objects<'v>(value: &'v Value, found: &mut Vec<&'v Map<String, Value>>) {
    match value {
        Value::Object(fields) => {
            if fields.get("properties").is_some_and(Value::is_object) {
                found.push(fields);
            }
            fields.values().for_each(|value| objects(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| objects(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_object_of_a_schema_is_closed_and_every_key_is_in_snake_case_and_described() {
    for (name, schema) in schema::all() {
        let schema = schema.to_value();
        let mut found = Vec::new();
        objects(&schema, &mut found);
        assert!(!found.is_empty(), "{name}");
        for object in found {
            assert_eq!(object.get("additionalProperties"), Some(&Value::Bool(false)), "{name}: {object:#?}");
            for (key, field) in object["properties"].as_object().unwrap() {
                let is_snake = key.chars().all(|character| character.is_ascii_lowercase() || character == '_');
                assert!(is_snake, "{name}: {key}");
                let is_tag = field.get("const").is_some();
                // The description of a variant with one field also describes the field.
                let is_named = object["properties"].as_object().unwrap().len() == 1 || key == "id";
                assert!(is_tag || is_named || field.get("description").is_some(), "{name}: {key} has no description");
            }
        }
    }
}

/// The golden documents, each with its schema.
fn golden() -> Vec<(String, &'static str, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/status/snapshots");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let document = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().trim_start_matches("status__golden__").to_owned();
        let json = fs::read_to_string(&path).unwrap().splitn(3, "---\n").nth(2).unwrap().to_owned();
        let schema = match name.as_str() {
            "summary" => "status-summary.v1.json",
            "why" => "status-why.v1.json",
            name if name.starts_with("history-") => "status-history.v1.json",
            _ => "status-fleet.v1.json",
        };
        (name, schema, serde_json::from_str(&json).unwrap())
    };
    files.map(document).collect()
}

#[test]
fn every_golden_document_is_valid_by_its_schema() {
    let documents = golden();
    assert!(documents.len() > 30, "{}", documents.len());
    for (name, schema, document) in documents {
        assert_eq!(problems(schema, &document), [""; 0], "{name} by {schema}");
    }
}

#[test]
fn a_document_with_an_unknown_a_missing_or_a_wrong_field_is_not_valid() {
    let documents = golden();
    let (_, schema, document) = documents.iter().find(|(name, ..)| name == "half-way").unwrap();
    let changes: [fn(&mut Value); 5] = [
        |document| document["is-open"] = Value::Bool(true),
        |document| document["rollback"]["is-open"] = Value::Bool(true),
        |document| drop(document["rollback"].as_object_mut().unwrap().remove("is_open")),
        |document| document["at"] = Value::from("soon"),
        |document| document["state"] = Value::from("cutting_over"),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut spoiled = document.clone();
        change(&mut spoiled);
        assert_ne!(problems(schema, &spoiled), [""; 0], "change {number}");
    }
}

fn text<'v>(schema: &'v Value, key: &str) -> Option<&'v str> {
    schema.get(key).and_then(Value::as_str)
}

/// The name of a type on the page.
fn type_of(schema: &Value) -> String {
    if let Some(name) = text(schema, "$ref").map(|target| target.rsplit('/').next().unwrap()) {
        return match name {
            // Names and untrusted texts: the schema has their patterns.
            "foreign" | "fleet" | "group" | "image" | "instance" | "rule" | "zone" | "launch-template" => {
                "text".to_owned()
            }
            name => format!("[{name}](#{name})"),
        };
    }
    if let Some(parts) = schema.get("anyOf").and_then(Value::as_array) {
        let parts: Vec<String> = parts.iter().map(type_of).collect();
        return parts.join(", or ");
    }
    if let Some(parts) = schema.get("type").and_then(Value::as_array) {
        let mut parts: Vec<String> = parts
            .iter()
            .map(|part| {
                let mut one = schema.clone();
                one["type"] = part.clone();
                type_of(&one)
            })
            .collect();
        parts.dedup();
        return parts.join(", or ");
    }
    if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
        let words: Vec<String> = variants.iter().map(type_of).collect();
        return words.join(" or ");
    }
    if let Some(word) = schema.get("const") {
        return format!("`{}`", word.as_str().unwrap());
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = words
            .iter()
            .map(|word| word.as_str().map_or_else(|| "null".to_owned(), |word| format!("`{word}`")))
            .collect();
        return words.join(" or ");
    }
    match text(schema, "type") {
        Some("string") if text(schema, "format") == Some("date-time") => "time".to_owned(),
        Some("string") => "text".to_owned(),
        Some("integer") => "number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("null") => "null".to_owned(),
        Some("array") => format!("list of {}", type_of(&schema["items"])),
        _ => panic!("{schema:#}"),
    }
}

fn described(schema: &Value) -> &str {
    text(schema, "description").unwrap_or_default()
}

/// The table of an object's fields, or of a type's values.
fn table(page: &mut String, schema: &Value) {
    if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
        page.push_str("| field | type | meaning |\n| --- | --- | --- |\n");
        for (name, field) in fields {
            writeln!(page, "| `{name}` | {} | {} |", type_of(field), described(field)).unwrap();
        }
        return;
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = words.iter().map(|word| format!("`{}`", word.as_str().unwrap())).collect();
        writeln!(page, "One of {}.", words.join(", ")).unwrap();
        return;
    }
    let variants = schema["oneOf"].as_array().unwrap();
    let is_tagged = variants.iter().any(|variant| variant.get("properties").is_some());
    page.push_str(if is_tagged {
        "| value | other fields | meaning |\n| --- | --- | --- |\n"
    } else {
        "| value | meaning |\n| --- | --- |\n"
    });
    for variant in variants {
        let Some(fields) = variant.get("properties").and_then(Value::as_object) else {
            writeln!(page, "| {} | {} |", type_of(variant), described(variant)).unwrap();
            continue;
        };
        let (tag, word) = fields.iter().find(|(_, field)| field.get("const").is_some()).unwrap();
        let others: Vec<String> = fields
            .iter()
            .filter(|(name, _)| *name != tag)
            .map(|(name, field)| format!("`{name}` ({}) {}", type_of(field), described(field)).trim_end().to_owned())
            .collect();
        let word = word["const"].as_str().unwrap();
        writeln!(page, "| `{tag}`: `{word}` | {} | {} |", others.join(" "), described(variant)).unwrap();
    }
}

/// The tables of the page.
fn tables() -> String {
    let mut page = String::new();
    let mut parts = BTreeMap::new();
    let named: BTreeMap<&str, Value> =
        schema::all().into_iter().map(|(name, schema)| (name, schema.to_value())).collect();
    for (title, file) in [
        ("fleet-status", "status-fleet.v1.json"),
        ("fleet-summaries", "status-summary.v1.json"),
        ("why", "status-why.v1.json"),
        ("history", "status-history.v1.json"),
    ] {
        let schema = &named[file];
        writeln!(page, "\n## {title}\n\n{} Schema: [`{file}`](schemas/{file}).\n", described(schema)).unwrap();
        table(&mut page, schema);
        parts.extend(schema["$defs"].as_object().unwrap().clone());
    }
    for (name, schema) in parts {
        if text(&schema, "type") == Some("string") && schema.get("enum").is_none() {
            continue;
        }
        writeln!(page, "\n## {name}\n\n{}\n", described(&schema)).unwrap();
        table(&mut page, &schema);
    }
    page
}

#[test]
fn the_page_describes_every_field_and_value_in_the_words_of_the_schemas() {
    let file = docs().join("status.md");
    let known = fs::read_to_string(&file).unwrap();
    let (head, _) = known.split_once(MARK).unwrap_or_else(|| panic!("docs/status.md has no line {MARK}"));
    hold(&file, &format!("{head}{MARK}{}", tables()));
}
