//! The events that the detectors read, as AWS and pipelines send them. Tests use them as they are, or with one field
//! changed.

#![expect(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc, reason = "a helper of a test fails the test")]

use serde_json::Value;

/// The AWS account of every event.
pub const ACCOUNT: &str = "123456789012";

/// Every event, by the name of its file.
const EVENTS: [(&str, &str); 9] = [
    ("alarm-instance", include_str!("../../../tests/events/alarm-instance.json")),
    ("alarm-target-group", include_str!("../../../tests/events/alarm-target-group.json")),
    ("ami-available", include_str!("../../../tests/events/ami-available.json")),
    ("asg-launch-successful", include_str!("../../../tests/events/asg-launch-successful.json")),
    ("config-compliant", include_str!("../../../tests/events/config-compliant.json")),
    ("config-noncompliant", include_str!("../../../tests/events/config-noncompliant.json")),
    ("config-noncompliant-inventory", include_str!("../../../tests/events/config-noncompliant-inventory.json")),
    ("image-published", include_str!("../../../tests/events/image-published.json")),
    ("imagebuilder-available", include_str!("../../../tests/events/imagebuilder-available.json")),
];

/// The event from the file with this name. The name has no file extension.
pub fn event(name: &str) -> &'static str {
    let known = EVENTS.iter().find(|(known, _)| *known == name);
    known.unwrap_or_else(|| panic!("no event is called {name}")).1
}

/// The events from all files except these.
pub fn events_but(own: &[&str]) -> Vec<&'static str> {
    let own: Vec<&str> = own.iter().map(|name| event(name)).collect();
    EVENTS.iter().map(|(_, event)| *event).filter(|event| !own.contains(event)).collect()
}

/// An event in which one field has another value. None: the field is removed. `parent` is the JSON pointer to the
/// object that has the field.
pub fn with(event: &str, parent: &str, key: &str, value: Option<Value>) -> String {
    let mut event: Value = serde_json::from_str(event).unwrap();
    let fields = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => fields.insert(key.to_owned(), value),
        None => fields.remove(key),
    };
    event.to_string()
}

/// Defines helpers for the tests of a detector: `read`, `fact`, `refused` and `assert_ignored`.
#[macro_export]
macro_rules! reads_events {
    ($kind:ident, $fact:ty) => {
        fn read(body: &str) -> Result<Parsed, InvalidEvent> {
            parse(body, &$crate::events::ACCOUNT.parse().unwrap())
        }

        fn fact(body: &str) -> $fact {
            match read(body) {
                Ok(Parsed::Fact(Fact::$kind(fact))) => fact,
                other => panic!("{other:?}"),
            }
        }

        fn refused(body: &str) -> InvalidEvent {
            read(body).unwrap_err()
        }

        #[track_caller]
        fn assert_ignored(body: &str) {
            assert!(matches!(read(body), Ok(Parsed::Ignored(_))), "{body}");
        }
    };
}
