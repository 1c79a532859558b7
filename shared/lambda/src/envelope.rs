//! Reads the envelope of EventBridge from the body of an SQS message. An error names the field that is wrong.
//!
//! The body is parsed once and read in two steps: first the header, with the event's type and account; then, if the
//! type is known, the detail. So an event of another type is refused because of its type, and not because of a field
//! that this type does not have. Unknown fields are allowed, because AWS adds some every year.

use std::error::Error;
use std::fmt;

use driftless_planner::ids::{AccountId, IdError};
use driftless_planner::text::UntrustedText;
use jiff::Timestamp;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The field name that is used in an error about a message whose fields cannot be read.
const BODY: &str = "body";

/// The header of an event: its type and its origin.
#[derive(Debug, Clone, Deserialize)]
pub struct Header {
    /// The version of the envelope, `0`. It is absent in some samples of AWS.
    pub version: Option<String>,
    /// The id of the event, which is the same for every delivery.
    pub id: String,
    /// The type of the event.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// The sender of the event: `aws.config`, or a name with our prefix on our own bus.
    pub source: String,
    /// The account that the event comes from.
    pub account: AccountId,
    /// The time at which the event was sent, in whole seconds.
    pub time: Timestamp,
    /// The region that the event comes from.
    pub region: String,
    /// The ARNs of the resources that the event is about. Empty for AWS Config, which names none.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Proves that the detail exists. [`Envelope::detail`] reads it.
    pub detail: IgnoredAny,
}

/// An event of our account in EventBridge's envelope.
#[derive(Debug, Clone)]
pub struct Envelope {
    pub header: Header,
    /// The whole event with its header, so that the path of a field in an error starts at the event.
    body: Value,
}

/// The detail of an event, in the format of the event's source.
#[derive(Deserialize)]
struct Happened<D> {
    detail: D,
}

/// The reason why an event is refused. SQS redelivers its message and finally moves it to the dead-letter queue.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidEvent {
    /// The path of the field, such as `detail.newEvaluationResult.complianceType`, or `body` if the message has no
    /// readable fields.
    pub field: String,
    /// What is wrong with the field. The reason may quote the value of the field, shortened, but never the whole
    /// message.
    pub reason: UntrustedText,
    /// The error of the parser, if there is one.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl InvalidEvent {
    /// The error for a field whose value is invalid.
    pub fn new(field: impl Into<String>, reason: impl AsRef<str>) -> Self {
        Self { field: field.into(), reason: UntrustedText::from(reason.as_ref()), source: None }
    }

    /// The error for a field whose value is not a valid id.
    pub fn bad_id(field: impl Into<String>, error: IdError) -> Self {
        Self { field: field.into(), reason: UntrustedText::from(error.to_string()), source: Some(error.into()) }
    }

    /// The error for a field that names another account.
    pub fn foreign_account(field: impl Into<String>, found: &AccountId, ours: &AccountId) -> Self {
        Self::new(field, format!("Foreign account {found}: only events of {ours} are read"))
    }

    /// The error for an unreadable field. The path of the field may contain keys that the sender chose, so it is
    /// shortened.
    fn unreadable(field: &str, error: serde_json::Error) -> Self {
        Self {
            field: UntrustedText::from(field).to_string(),
            reason: UntrustedText::from(error.to_string()),
            source: Some(error.into()),
        }
    }
}

/// Reads the header of an event. Refuses an event of another account.
pub fn open(body: &str, ours: &AccountId) -> Result<Envelope, InvalidEvent> {
    let body = parse(body)?;
    let header: Header = read(&body)?;
    if header.account == *ours {
        Ok(Envelope { header, body })
    } else {
        Err(InvalidEvent::foreign_account("account", &header.account, ours))
    }
}

/// Parses the body of a message. The fields are sorted, so that every build names the same one of two invalid fields.
fn parse(body: &str) -> Result<Value, InvalidEvent> {
    let mut json = serde_json::Deserializer::from_str(body);
    let read: Result<Unrepeated, _> = serde_path_to_error::deserialize(&mut json);
    let Unrepeated(mut value) = read.map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        // Invalid or incomplete JSON has no field to name.
        InvalidEvent::unreadable(if error.is_data() { &path } else { BODY }, error)
    })?;
    json.end().map_err(|error| InvalidEvent::unreadable(BODY, error))?;
    value.sort_all_objects();
    Ok(value)
}

/// Reads those fields of a body that `T` has.
fn read<T: DeserializeOwned>(body: &Value) -> Result<T, InvalidEvent> {
    serde_path_to_error::deserialize(body).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        InvalidEvent::unreadable(&field(&path, &error.to_string()), error)
    })
}

/// The path of the field that an error is about. Serde reports an absent field at the object that should contain it,
/// and names the field only in its message. The tests below check that serde still words the message in this way.
fn field(path: &str, message: &str) -> String {
    let absent = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    match (path, absent) {
        (".", None) => BODY.to_owned(),
        (".", Some(absent)) => absent.to_owned(),
        (path, None) => path.to_owned(),
        (path, Some(absent)) => format!("{path}.{absent}"),
    }
}

/// A JSON value without repeated fields. A plain [`Value`] would silently keep the last one of them.
struct Unrepeated(Value);

impl<'de> Deserialize<'de> for Unrepeated {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(UnrepeatedVisitor).map(Self)
    }
}

struct UnrepeatedVisitor;

impl<'de> Visitor<'de> for UnrepeatedVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unrepeated(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let is_repeated = object.contains_key(&name);
            object.insert(name, fields.next_value_seed(Once { is_repeated })?);
        }
        Ok(Value::Object(object))
    }
}

/// Reads the value of a field, but refuses a repeated field. The refusal comes at this point because the path of the
/// error then names the field.
struct Once {
    is_repeated: bool,
}

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        if self.is_repeated {
            return Err(D::Error::custom("the field is there twice"));
        }
        json.deserialize_any(UnrepeatedVisitor)
    }
}

impl Envelope {
    /// Reads the detail of the event in the format `D`.
    pub fn detail<D: DeserializeOwned>(&self) -> Result<D, InvalidEvent> {
        read(&self.body).map(|Happened { detail }| detail)
    }

    /// The error for an event that has none of the expected pairs of source and detail type. The error is about the
    /// field `source` if only the source is wrong, else about the detail type.
    pub fn unexpected(&self, expected: &[(&str, &str)]) -> InvalidEvent {
        let Header { detail_type, source, .. } = &self.header;
        let sources: Vec<&str> =
            expected.iter().filter(|(_, known)| known == detail_type).map(|(source, _)| *source).collect();
        if sources.is_empty() {
            let kinds: Vec<&str> = expected.iter().map(|(_, detail_type)| *detail_type).collect();
            InvalidEvent::new(
                "detail-type",
                format!("unexpected {:?}, expected {}", shortened(detail_type), kinds.join(" or ")),
            )
        } else {
            InvalidEvent::new(
                "source",
                format!("unexpected {:?}, expected {}", shortened(source), sources.join(" or ")),
            )
        }
    }
}

/// The beginning of an untrusted text, as an error may quote it.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Detail {
        resource_id: String,
        #[expect(dead_code, reason = "only its shape matters here")]
        #[serde(default)]
        states: Vec<BTreeMap<String, u32>>,
    }

    fn ours() -> AccountId {
        "123456789012".parse().unwrap()
    }

    fn event() -> Value {
        json!({
            "version": "0",
            "id": "6b1f0c7e-1111-4c1a-9d2e-0a1b2c3d4e5f",
            "detail-type": "Something Changed",
            "source": "aws.something",
            "account": "123456789012",
            "time": "2026-11-20T19:04:05Z",
            "region": "us-east-1",
            "resources": [],
            "detail": {"resourceId": "i-0aa11bb22cc33dd44"},
        })
    }

    fn detail(body: &str) -> Result<Detail, InvalidEvent> {
        open(body, &ours())?.detail()
    }

    /// The event with one field replaced or removed. A JSON pointer names the parent of the field.
    fn with(parent: &str, key: &str, value: Option<Value>) -> String {
        let mut event = event();
        let fields = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => fields.insert(key.to_owned(), value),
            None => fields.remove(key),
        };
        event.to_string()
    }

    #[test]
    fn an_event_is_read_with_its_detail() {
        let envelope = open(&event().to_string(), &ours()).unwrap();
        assert_eq!(envelope.detail::<Detail>().unwrap().resource_id, "i-0aa11bb22cc33dd44");
        assert_eq!(envelope.header.detail_type, "Something Changed");
        assert_eq!(envelope.header.time, "2026-11-20T19:04:05Z".parse().unwrap());
        assert_eq!(envelope.header.source, "aws.something");
    }

    #[test]
    fn version_and_resources_may_be_absent_and_unknown_fields_are_no_error() {
        for body in
            [with("", "version", None), with("", "resources", None), with("", "replay-name", Some(json!("friday")))]
        {
            assert!(open(&body, &ours()).is_ok(), "{body}");
        }
    }

    #[test]
    fn a_message_that_is_no_event_names_the_body() {
        for body in ["", "not JSON", "{\"id\": ", "[]", "null", "\"text\""] {
            assert_eq!(open(body, &ours()).unwrap_err().field, "body", "{body}");
        }
        let cut = event().to_string().replace("\"us-east-1\"", "\"us-ea");
        assert_eq!(open(&cut, &ours()).unwrap_err().field, "body");
        let twice = format!("{0}{0}", event());
        assert_eq!(open(&twice, &ours()).unwrap_err().field, "body");
    }

    #[test]
    fn an_absent_field_of_the_header_is_named() {
        for field in ["id", "detail-type", "source", "account", "time", "region", "detail"] {
            let error = open(&with("", field, None), &ours()).unwrap_err();
            assert_eq!(error.field, field);
            assert!(error.to_string().starts_with(&format!("{field}: missing field")), "{error}");
        }
    }

    #[test]
    fn a_field_of_the_header_with_a_wrong_type_is_named() {
        for (field, value) in [
            ("id", json!(7)),
            ("detail-type", json!(null)),
            ("source", json!({})),
            ("account", json!("12345678901")),
            ("account", json!(123_456_789_012_i64)),
            ("time", json!("yesterday")),
            ("time", json!(1_795_000_000)),
            ("region", json!([])),
            ("resources", json!("arn:aws:ec2")),
        ] {
            let error = open(&with("", field, Some(value)), &ours()).unwrap_err();
            assert_eq!(error.field, field, "{error}");
            assert!(error.source.is_some());
        }
    }

    #[test]
    fn a_field_of_the_detail_is_named_with_its_path() {
        for (parent, key, value, field) in [
            ("/detail", "resourceId", None, "detail.resourceId"),
            ("/detail", "resourceId", Some(json!(7)), "detail.resourceId"),
            ("/detail", "force", Some(json!(true)), "detail.force"),
            ("/detail", "states", Some(json!([{"ok": 1}, {"ok": "two"}])), "detail.states[1].ok"),
            ("", "detail", Some(json!("text")), "detail"),
        ] {
            let error = detail(&with(parent, key, value)).unwrap_err();
            assert_eq!(error.field, field, "{error}");
        }
    }

    #[test]
    fn a_field_that_is_there_twice_is_named_wherever_it_is() {
        for (before, field) in [("resourceId", "detail.resourceId"), ("source", "source"), ("detail", "detail")] {
            let twice =
                event().to_string().replace(&format!("\"{before}\":"), &format!("\"{before}\":7,\"{before}\":"));
            assert_eq!(
                detail(&twice).unwrap_err().to_string().split(" at line").next().unwrap(),
                format!("{field}: the field is there twice")
            );
        }
        let deep = with("/detail", "states", Some(json!([{"ok": 1}]))).replace("\"ok\":", "\"ok\":1,\"ok\":");
        assert_eq!(detail(&deep).unwrap_err().field, "detail.states[0].ok");
    }

    #[test]
    fn of_two_fields_that_are_wrong_the_same_one_is_named_whatever_their_order() {
        for detail_text in [r#"{"resourceId":7,"force":1}"#, r#"{"force":1,"resourceId":7}"#] {
            let body = event().to_string().replace(r#"{"resourceId":"i-0aa11bb22cc33dd44"}"#, detail_text);
            assert_eq!(detail(&body).unwrap_err().field, "detail.force");
        }
    }

    #[test]
    fn an_event_of_another_account_is_foreign() {
        let error = open(&with("", "account", Some(json!("999999999999"))), &ours()).unwrap_err();
        assert_eq!(error.to_string(), "account: Foreign account 999999999999: only events of 123456789012 are read");
    }

    #[test]
    fn an_event_of_another_kind_names_the_detail_type_and_one_of_another_sender_the_source() {
        let envelope = open(&event().to_string(), &ours()).unwrap();
        let error = envelope.unexpected(&[("aws.config", "Config Rules Compliance Change")]);
        assert_eq!(
            error.to_string(),
            "detail-type: unexpected \"Something Changed\", expected Config Rules Compliance Change"
        );
        let error = envelope.unexpected(&[("aws.config", "Something Changed")]);
        assert_eq!(error.to_string(), "source: unexpected \"aws.something\", expected aws.config");
    }

    #[test]
    fn an_error_quotes_a_field_shortened_and_without_control_characters() {
        let error =
            open(&with("", "time", Some(json!(format!("\u{1b}[31m{}", "x".repeat(2000))))), &ours()).unwrap_err();
        assert!(error.to_string().chars().count() < 600 && !error.to_string().contains('\u{1b}'), "{error}");
        let key = format!("a\nb\u{202e}{}", "x".repeat(2000));
        let error = detail(&with("/detail", "states", Some(json!([{key: "two"}])))).unwrap_err();
        assert!(error.field.chars().count() < 600 && !error.field.contains(['\n', '\u{202e}']), "{error}");
    }
}
