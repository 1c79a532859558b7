//! Text from outside Driftless: annotations, alarm reasons, tags, AWS error messages. It is data, never markup.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest external text that is stored, in characters. Config's annotations have at most 256 and CloudWatch's
/// reasons at most 1,023; a page must stay readable and a record far below DynamoDB's 400 KB.
pub const LENGTH_MAX: usize = 512;

/// External text, without control characters and at most [`LENGTH_MAX`] long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct UntrustedText(String);

impl UntrustedText {
    /// The text, without control characters and shortened.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for UntrustedText {
    fn from(raw: String) -> Self {
        Self::from(raw.as_str())
    }
}

impl From<&str> for UntrustedText {
    fn from(raw: &str) -> Self {
        let stripped: String = stripped(raw).take(LENGTH_MAX).collect();
        Self(stripped.trim().to_owned())
    }
}

impl From<UntrustedText> for String {
    fn from(text: UntrustedText) -> Self {
        text.0
    }
}

impl fmt::Display for UntrustedText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The characters of a text without control characters. Line breaks become spaces so that words stay apart; other
/// control characters (terminal escape sequences, bidirectional overrides that reorder what an operator reads) are
/// removed.
fn stripped(raw: &str) -> impl Iterator<Item = char> {
    raw.chars()
        .map(|character| if character.is_whitespace() { ' ' } else { character })
        .filter(|character| !character.is_control() && !is_reordering(*character))
}

/// `text` of any length as one line, without control characters.
pub(crate) fn printable(text: &str) -> String {
    stripped(text).collect()
}

/// `text` as one word of a POSIX shell, for the commands that messages suggest.
pub fn shell_quoted(text: &str) -> String {
    let is_plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

const fn is_reordering(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_reordering_marks_are_stripped() {
        assert_eq!(UntrustedText::from("a\u{1b}[31mred\r\nb\u{202e}c").as_str(), "a[31mred  bc");
    }

    #[test]
    fn a_long_text_is_cut_at_the_limit() {
        for (length, kept) in [(LENGTH_MAX - 1, LENGTH_MAX - 1), (LENGTH_MAX, LENGTH_MAX), (LENGTH_MAX + 1, LENGTH_MAX)]
        {
            assert_eq!(UntrustedText::from("é".repeat(length)).as_str().chars().count(), kept);
        }
    }

    #[test]
    fn a_suggested_command_quotes_what_a_shell_would_read() {
        assert_eq!(shell_quoted("app-blue"), "app-blue");
        assert_eq!(shell_quoted("x; rm -rf /"), "'x; rm -rf /'");
        assert_eq!(shell_quoted("it's"), r"'it'\''s'");
        assert_eq!(shell_quoted(""), "''");
    }
}
