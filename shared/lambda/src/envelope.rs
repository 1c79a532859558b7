//! EventBridge's envelope, read from the body of an SQS message, and the error that names what is wrong with it.
//!
//! An event is opened in two steps: first the header, which says what the event is and whose; then, if it is one that
//! we read, the detail. So an event of another kind is refused as that, and not for a field that its kind does not
//! have. Unknown fields are no error: AWS adds some every year.

use std::error::Error;

use driftless_planner::ids::{AccountId, IdError};
use driftless_planner::text::ForeignText;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// What an error names where a message has no fields.
const BODY: &str = "body";
/// How serde begins to tell that a field is absent.
const MISSING: &str = "missing field `";

/// An event, as EventBridge wraps it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Envelope<D> {
    /// `0`, or absent in some samples of AWS.
    pub version: Option<String>,
    /// The same for every delivery of the event.
    pub id: String,
    /// What kind of event it is.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// Who sent it: `aws.config`, or a name with our prefix on our own bus.
    pub source: String,
    /// The account that it comes from.
    pub account: AccountId,
    /// When it was sent, in seconds.
    pub time: Timestamp,
    /// The region that it comes from.
    pub region: String,
    /// ARNs, or nothing: Config names none.
    #[serde(default)]
    pub resources: Vec<String>,
    /// What happened, in the words of the source.
    pub detail: D,
}

/// What an event is and whose, without what happened.
pub type Header = Envelope<IgnoredAny>;

/// Why an event is refused. It goes back to its queue, and after some deliveries to the dead letters.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidEvent {
    /// The field, as a path: `detail.newEvaluationResult.complianceType`. `body` where the message has no fields.
    pub field: String,
    /// What is wrong with it. It may quote the field, shortened, and never the message.
    pub reason: ForeignText,
    /// The error of the parser, where it was one.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl InvalidEvent {
    /// A field whose value cannot be used.
    pub fn new(field: impl Into<String>, reason: impl AsRef<str>) -> Self {
        Self { field: field.into(), reason: ForeignText::from(reason.as_ref()), source: None }
    }

    /// A field whose value is not the id that it should be.
    pub fn bad_id(field: impl Into<String>, error: IdError) -> Self {
        Self { field: field.into(), reason: ForeignText::from(error.to_string()), source: Some(error.into()) }
    }

    /// A field that names another account than ours.
    pub fn foreign_account(field: impl Into<String>, found: &AccountId, ours: &AccountId) -> Self {
        Self::new(field, format!("Foreign account {found}: only events of {ours} are read"))
    }

    fn unreadable(error: serde_path_to_error::Error<serde_json::Error>, body: &str) -> Self {
        let path = error.path().to_string();
        let error = error.into_inner();
        let message = error.to_string();
        // No field is to blame where the body is not JSON at all. The category of the error does not tell: serde_json
        // calls a number in place of a name a matter of syntax.
        let is_json = serde_json::from_str::<IgnoredAny>(body).is_ok();
        let field = if is_json { field(&path, &message) } else { BODY.to_owned() };
        // The path may hold keys that a stranger chose.
        Self {
            field: ForeignText::from(field).to_string(),
            reason: ForeignText::from(message),
            source: Some(error.into()),
        }
    }
}

/// The path of the field that an error is about. Serde reports an absent field at the object that should hold it.
fn field(path: &str, message: &str) -> String {
    let inner = named_field(message).unwrap_or_default();
    let is_at_inner = path.rsplit('.').next() == Some(inner) && !message.starts_with(MISSING);
    match (path, inner) {
        (".", "") => BODY.to_owned(),
        (".", inner) => inner.to_owned(),
        (path, inner) if inner.is_empty() || is_at_inner => path.to_owned(),
        (path, inner) => format!("{path}.{inner}"),
    }
}

/// The field that serde's message names, if it is about one that is absent, unknown or there twice. The words are
/// serde's; tests below hold them.
fn named_field(message: &str) -> Option<&str> {
    [MISSING, "unknown field `", "duplicate field `"]
        .into_iter()
        .find_map(|prefix| message.strip_prefix(prefix))
        .and_then(|rest| rest.split('`').next())
}

impl<D: DeserializeOwned> Envelope<D> {
    /// Reads an event with its detail. Whose it is, is checked by [`open`].
    pub fn parse(body: &str) -> Result<Self, InvalidEvent> {
        let mut json = serde_json::Deserializer::from_str(body);
        let envelope =
            serde_path_to_error::deserialize(&mut json).map_err(|error| InvalidEvent::unreadable(error, body))?;
        json.end().map_err(|error| InvalidEvent {
            field: BODY.to_owned(),
            reason: ForeignText::from(error.to_string()),
            source: Some(error.into()),
        })?;
        Ok(envelope)
    }
}

/// Reads what an event is, and refuses it if it is not ours.
pub fn open(body: &str, ours: &AccountId) -> Result<Header, InvalidEvent> {
    let header = Header::parse(body)?;
    if header.account == *ours {
        Ok(header)
    } else {
        Err(InvalidEvent::foreign_account("account", &header.account, ours))
    }
}

impl Header {
    /// The error for an event that is none of those that a function reads, given as (source, detail type). It names
    /// `source` where only that is wrong.
    pub fn unexpected(&self, expected: &[(&str, &str)]) -> InvalidEvent {
        let sources: Vec<&str> = expected
            .iter()
            .filter(|(_, detail_type)| *detail_type == self.detail_type)
            .map(|(source, _)| *source)
            .collect();
        if sources.is_empty() {
            let kinds: Vec<&str> = expected.iter().map(|(_, detail_type)| *detail_type).collect();
            InvalidEvent::new(
                "detail-type",
                format!("unexpected {:?}, expected {}", shortened(&self.detail_type), kinds.join(" or ")),
            )
        } else {
            InvalidEvent::new(
                "source",
                format!("unexpected {:?}, expected {}", shortened(&self.source), sources.join(" or ")),
            )
        }
    }
}

/// As much of a foreign text as an error quotes.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Detail {
        #[expect(dead_code, reason = "only its shape matters here")]
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

    /// The event with a field, named by a JSON pointer to its parent and its key, replaced or taken away.
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
        let envelope: Envelope<Detail> = Envelope::parse(&event().to_string()).unwrap();
        assert_eq!(envelope.detail_type, "Something Changed");
        assert_eq!(envelope.time, "2026-11-20T19:04:05Z".parse().unwrap());
        assert_eq!(open(&event().to_string(), &ours()).unwrap().source, "aws.something");
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
            let error = Envelope::<Detail>::parse(&with(parent, key, value)).unwrap_err();
            assert_eq!(error.field, field, "{error}");
        }
        let twice = event().to_string().replace("\"resourceId\"", "\"resourceId\":\"a\",\"resourceId\"");
        assert_eq!(Envelope::<Detail>::parse(&twice).unwrap_err().field, "detail.resourceId");
    }

    #[test]
    fn an_event_of_another_account_is_foreign() {
        let error = open(&with("", "account", Some(json!("999999999999"))), &ours()).unwrap_err();
        assert_eq!(error.to_string(), "account: Foreign account 999999999999: only events of 123456789012 are read");
    }

    #[test]
    fn an_event_of_another_kind_names_the_detail_type_and_one_of_another_sender_the_source() {
        let header = open(&event().to_string(), &ours()).unwrap();
        let error = header.unexpected(&[("aws.config", "Config Rules Compliance Change")]);
        assert_eq!(
            error.to_string(),
            "detail-type: unexpected \"Something Changed\", expected Config Rules Compliance Change"
        );
        let error = header.unexpected(&[("aws.config", "Something Changed")]);
        assert_eq!(error.to_string(), "source: unexpected \"aws.something\", expected aws.config");
    }

    #[test]
    fn an_error_quotes_a_field_shortened_and_without_control_characters() {
        let error =
            open(&with("", "time", Some(json!(format!("\u{1b}[31m{}", "x".repeat(2000))))), &ours()).unwrap_err();
        assert!(error.to_string().chars().count() < 600 && !error.to_string().contains('\u{1b}'), "{error}");
        let key = format!("a\nb\u{202e}{}", "x".repeat(2000));
        let error = Envelope::<Detail>::parse(&with("/detail", "states", Some(json!([{key: "two"}])))).unwrap_err();
        assert!(error.field.chars().count() < 600 && !error.field.contains(['\n', '\u{202e}']), "{error}");
    }
}
