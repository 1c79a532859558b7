//! What a JSON schema says of a value.

use serde_json::{Map, Value, json};

/// What is wrong with a value, in the eyes of a schema. Stricter than JSON Schema: a field that the schema does not name
/// is wrong too. It knows the keywords that the schema uses, and refuses any other.
pub(crate) struct Checker {
    pub(crate) root: Value,
}

impl Checker {
    pub(crate) fn problem(&self, schema: &Value, value: &Value) -> Option<String> {
        let schema = schema.as_object().unwrap();
        schema.iter().find_map(|(keyword, rule)| self.keyword(schema, keyword, rule, value))
    }

    /// Each field of a value is asked for, and looked at.
    pub(crate) fn holds_each_field(&self, whole: &Value) {
        for field in whole.as_object().unwrap().keys() {
            let mut without = whole.clone();
            without.as_object_mut().unwrap().remove(field);
            assert_eq!(self.problem(&self.root, &without), Some(format!("{field} is missing")));
            let mut wrong = whole.clone();
            wrong[field] = json!({ "?": 1 });
            assert!(self.problem(&self.root, &wrong).is_some(), "{field}");
        }
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
        "^[A-Za-z0-9-]+e[0-9]*$" => {
            let (name, number) = text.rsplit_once('e').unwrap_or_default();
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            !name.is_empty() && is_name && number.bytes().all(|byte| byte.is_ascii_digit())
        }
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
