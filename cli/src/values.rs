//! Parses the values of arguments.

use driftless_planner::fleet::Color;
use driftless_planner::text::{LENGTH_MAX, UntrustedText};
use jiff::{SignedDuration, Span, SpanRelativeTo};

/// The most characters of the id of a request.
const REQUEST_MAX: usize = 64;

/// Parses a duration such as `90s`, `2h` or `1d`, which must be longer than zero. A day has 24 hours.
pub(crate) fn duration(text: &str) -> Result<SignedDuration, String> {
    let span: Span =
        text.parse().map_err(|_: jiff::Error| "a duration is written like 90s, 30m, 2h or 1d".to_owned())?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_: jiff::Error| "a duration has days, hours, minutes and seconds only".to_owned())?;
    if duration > SignedDuration::ZERO { Ok(duration) } else { Err("a duration must be longer than 0s".to_owned()) }
}

/// Parses a reason. A reason is stored whole or refused: the history must not record another text than the operator
/// typed.
pub(crate) fn reason(text: &str) -> Result<UntrustedText, String> {
    let length = text.trim().chars().count();
    if length > LENGTH_MAX {
        return Err(format!("a reason has at most {LENGTH_MAX} characters, and this one has {length}"));
    }
    let reason = UntrustedText::from(text);
    if reason.as_str().is_empty() { Err("a reason must not be empty".to_owned()) } else { Ok(reason) }
}

/// Parses the id of a request.
pub(crate) fn request(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_valid = (1..=REQUEST_MAX).contains(&text.len()) && text.bytes().all(is_plain);
    is_valid
        .then(|| text.to_owned())
        .ok_or_else(|| format!("an id has 1 to {REQUEST_MAX} characters: letters, digits, -, _ and ."))
}

/// Parses a color.
pub(crate) fn color(text: &str) -> Result<Color, String> {
    match text {
        "blue" => Ok(Color::Blue),
        "green" => Ok(Color::Green),
        _ => Err("a color is blue or green".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_kept_whole_or_refused() {
        let [under, equal, over] =
            [LENGTH_MAX - 1, LENGTH_MAX, LENGTH_MAX + 1].map(|length| reason(&"x".repeat(length)));
        assert_eq!((under.is_ok(), equal.is_ok(), over.is_ok()), (true, true, false));
        assert!(reason("\u{1b}\u{202e} ").is_err());
    }

    #[test]
    fn a_duration_has_a_unit_and_is_longer_than_nothing() {
        assert_eq!(duration("2h"), Ok(SignedDuration::from_hours(2)));
        assert_eq!(duration("1d"), Ok(SignedDuration::from_hours(24)));
        for wrong in ["2", "0s", "-1h", "1 month", "soon", ""] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_is_one_plain_word_of_at_most_64() {
        let [under, equal, over] = [63, 64, 65].map(|length| request(&"x".repeat(length)).is_ok());
        assert_eq!((under, equal, over), (true, true, false));
        assert!(request("").is_err() && request("a b").is_err() && request("é").is_err());
    }
}
