//! Parsing of the single settings of a policy, each from its text.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo};

use super::{Budget, Percent, PolicyError};
use crate::alarm::AlarmPattern;
use crate::window::{Window, WindowError};

/// Pairs of an earlier name of a policy key and the key itself. Both names are accepted.
const EARLIER_NAMES: [(&str, &str); 3] = [
    ("replace", "strategy"),
    ("traffic", "weights"),
    ("metrics-trail", "metrics-delay"), // An old name.
];

/// The policy key for the name of a tag (without the prefix): the key whose earlier name this is, or else the name
/// itself.
pub(super) fn key_of(name: &str) -> &str {
    EARLIER_NAMES.iter().find(|(earlier, _)| *earlier == name).map_or(name, |(_, key)| key)
}

/// The earlier name of a key that has one.
pub(super) fn earlier_name(key: &str) -> Option<&'static str> {
    EARLIER_NAMES.iter().find(|(_, of)| *of == key).map(|(earlier, _)| *earlier)
}

/// The texts of a policy's settings, by the names of their tags. They record which keys the parser has read, because
/// those are the valid keys.
#[derive(Default)]
pub(super) struct Settings<'a> {
    texts: BTreeMap<&'a str, &'a str>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Settings<'a> {
    pub(super) fn new(texts: BTreeMap<&'a str, &'a str>) -> Self {
        Self { texts, ..Self::default() }
    }

    /// The keys that the parser read.
    pub(super) fn into_asked(self) -> BTreeSet<&'static str> {
        self.asked.into_inner()
    }

    fn text(&self, key: &'static str) -> Option<&'a str> {
        self.asked.borrow_mut().insert(key);
        self.texts.get(key).copied()
    }

    /// The parsed value of a setting, or of `default` if no tag sets it. A tag may use the key or its earlier name; if
    /// both are set, their values must be equal.
    pub(super) fn read<T: PartialEq>(
        &self,
        key: &'static str,
        default: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, PolicyError> {
        let text = self.text(key);
        let earlier = earlier_name(key).and_then(|name| Some((name, self.texts.get(name).copied()?)));
        let (name, text) = match (text, earlier) {
            (None, None) => (key, default),
            (Some(text), None) => (key, text),
            (None, Some(earlier)) => earlier,
            (Some(text), Some((earlier, earlier_text))) => {
                let is_same = text == earlier_text
                    || parse(text)
                        .zip(parse(earlier_text))
                        .is_some_and(|(value, earlier_value)| value == earlier_value);
                if !is_same {
                    return Err(two_values(key, text, earlier, earlier_text));
                }
                (key, text)
            }
        };
        parse(text).ok_or_else(|| bad(name, text, expected))
    }

    /// The parsed value of an optional setting. None: the setting is absent or `none`.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, PolicyError> {
        match self.text(key) {
            None | Some("none") => Ok(None),
            Some(text) => parse(text).map(Some).ok_or_else(|| bad(key, text, expected)),
        }
    }

    pub(super) fn percent(&self, key: &'static str, default: &str) -> Result<Percent, PolicyError> {
        self.read(key, default, "a percentage from 0% to 100%", percent)
    }

    pub(super) fn duration(&self, key: &'static str, default: &str) -> Result<SignedDuration, PolicyError> {
        self.read(key, default, "a duration such as 90s, 5m or 1h", |text| {
            duration(text).filter(|duration| !duration.is_negative())
        })
    }

    pub(super) fn positive_duration(&self, key: &'static str, default: &str) -> Result<SignedDuration, PolicyError> {
        self.read(key, default, "a duration above zero, such as 90s, 5m or 1h", |text| {
            duration(text).filter(SignedDuration::is_positive)
        })
    }

    pub(super) fn window(&self) -> Result<Window, PolicyError> {
        let Some(text) = self.text("window") else { return Ok(Window::always()) };
        text.parse().map_err(|error: WindowError| {
            // Of several entries only one is invalid.
            bad("window", &error.entry, error.problem)
        })
    }

    pub(super) fn alarms(&self) -> Result<Option<BTreeSet<AlarmPattern>>, PolicyError> {
        let Some(text) = self.text("alarms") else { return Ok(None) };
        if text == "none" {
            return Ok(Some(BTreeSet::new()));
        }
        let patterns = names(text).filter(|patterns| !patterns.is_empty());
        patterns.map(Some).ok_or_else(|| bad("alarms", text, "alarm names, separated by ;, or none"))
    }

    /// Refuses keys that belong on another resource.
    pub(super) fn refuse_misplaced(&self) -> Result<(), PolicyError> {
        match self.text("protect") {
            None => Ok(()),
            Some(value) => Err(PolicyError::Misplaced {
                key: "protect".to_owned(),
                value: value.to_owned(),
                instead: "set driftless:protect on an instance, not on a group",
            }),
        }
    }
}

pub(super) fn two_values(key: &str, value: &str, earlier: &str, earlier_value: &str) -> PolicyError {
    PolicyError::TwoValues {
        key: key.to_owned(),
        value: value.to_owned(),
        earlier: earlier.to_owned(),
        earlier_value: earlier_value.to_owned(),
    }
}

fn bad(key: &str, value: &str, expected: &str) -> PolicyError {
    PolicyError::BadValue { key: key.to_owned(), value: value.to_owned(), expected: expected.to_owned() }
}

pub(super) fn names<Name: FromStr + Ord>(text: &str) -> Option<BTreeSet<Name>> {
    text.split(';').map(str::trim).filter(|name| !name.is_empty()).map(|name| name.parse().ok()).collect()
}

pub(super) fn budget(text: &str) -> Option<Budget> {
    match percent(text) {
        Some(share) if share.get() > 0 => Some(Budget::Share(share)),
        Some(_) => None,
        None => text.parse().ok().filter(|count| *count > 0).map(Budget::Count),
    }
}

fn percent(text: &str) -> Option<Percent> {
    text.strip_suffix('%').and_then(|number| number.parse::<u8>().ok()).and_then(|number| number.try_into().ok())
}

/// Parses a duration. A day is 24 hours; months and years are refused, because they have no fixed length.
pub(super) fn duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

pub(super) fn weights(text: &str) -> Option<Vec<Percent>> {
    let steps: Vec<Percent> = text
        .split(',')
        .map(|step| step.trim().parse::<u8>().ok().and_then(|number| number.try_into().ok()))
        .collect::<Option<_>>()?;
    let is_rising = steps.is_sorted_by(|earlier, later| earlier < later);
    let starts_above_zero = steps.first().is_some_and(|first| first.get() > 0);
    (is_rising && starts_above_zero && steps.last().is_some_and(|last| last.get() == 100)).then_some(steps)
}
