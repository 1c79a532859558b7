//! Splits a line of a scenario into words. A line has only a few words, and good error messages matter most, so that a
//! parser crate would not help.

use std::fmt;

use jiff::SignedDuration;

/// Why a scenario cannot be read: the line, what was expected in it, and an example of a correct line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioError {
    /// The number of the line, from 1.
    pub line: usize,
    pub text: String,
    /// The position of the problem in the line, in characters from 0.
    pub column: usize,
    /// Number of characters that are wrong.
    pub length: usize,
    pub problem: String,
    pub expected: String,
    /// A correct line, or the correct part of a line.
    pub example: &'static str,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, text, column, length, problem, expected, example } = self;
        writeln!(formatter, "line {line}: {problem}")?;
        writeln!(formatter, "    {text}")?;
        writeln!(formatter, "    {}{}", " ".repeat(*column), "^".repeat((*length).max(1)))?;
        writeln!(formatter, "  expected: {expected}")?;
        write!(formatter, "  example:  {example}")
    }
}

/// What the parser expects at a place, and an example of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub(crate) what: &'static str,
    pub(crate) example: &'static str,
}

/// A word, or several words between quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// The position at which the word begins, in characters.
    pub(crate) column: usize,
    /// Whether the word began with a quote.
    pub(crate) is_quoted: bool,
    /// Whether a comma or colon followed the word, which ends the clause.
    pub(crate) ends_clause: bool,
}

/// A line that the parser reads from left to right.
#[derive(Debug, Clone)]
pub(crate) struct Line<'a> {
    number: usize,
    text: &'a str,
    words: Vec<Word>,
    next: usize,
}

impl<'a> Line<'a> {
    /// Splits a line into words. Everything after a `#` is a comment.
    pub(crate) fn new(number: usize, text: &'a str) -> Result<Self, ScenarioError> {
        let mut line = Self { number, text, words: Vec::new(), next: 0 };
        let mut word: Option<Word> = None;
        let mut quote = None;
        for (column, character) in text.chars().enumerate() {
            if quote.is_some() || (character == '"') {
                let open = word.get_or_insert_with(|| Word {
                    text: String::new(),
                    column,
                    is_quoted: true,
                    ends_clause: false,
                });
                if character == '"' {
                    quote = if quote.is_some() { None } else { Some(column) };
                } else {
                    open.text.push(character);
                }
            } else if character.is_whitespace() {
                line.words.extend(word.take().map(without_separator));
            } else if character == '#' && word.is_none() {
                break;
            } else {
                let open = word.get_or_insert_with(|| Word {
                    text: String::new(),
                    column,
                    is_quoted: false,
                    ends_clause: false,
                });
                open.text.push(character);
            }
        }
        if let Some(column) = quote {
            let need = Need { what: "a closing \"", example: "expect page \"rolled back\"" };
            return Err(line.error(
                column,
                text.chars().count() - column,
                "the text has no closing quote".to_owned(),
                need,
            ));
        }
        line.words.extend(word.take().map(without_separator));
        Ok(line)
    }

    /// Whether no word is left.
    pub(crate) fn is_over(&self) -> bool {
        self.next >= self.words.len()
    }

    /// The next word, which stays in the line.
    pub(crate) fn peek(&self) -> Option<&Word> {
        self.words.get(self.next)
    }

    /// Takes the next word.
    pub(crate) fn take(&mut self) -> Option<Word> {
        let word = self.words.get(self.next).cloned();
        self.next += usize::from(word.is_some());
        word
    }

    /// Goes back by one word.
    pub(crate) fn back(&mut self) {
        self.next = self.next.saturating_sub(1);
    }

    /// Takes the next word if it is `text`.
    pub(crate) fn takes(&mut self, text: &str) -> bool {
        let is_next = self.peek().is_some_and(|word| !word.is_quoted && word.text == text);
        self.next += usize::from(is_next);
        is_next
    }

    /// Takes the next words if they are `texts`.
    pub(crate) fn takes_all(&mut self, texts: &[&str]) -> bool {
        let start = self.next;
        let is_next = texts.iter().all(|text| self.takes(text));
        if !is_next {
            self.next = start;
        }
        is_next
    }

    /// Takes the next word. It is an error if there is none.
    pub(crate) fn need(&mut self, need: Need) -> Result<Word, ScenarioError> {
        self.take().ok_or_else(|| self.missing(need))
    }

    /// Takes the next word, which must be `text`.
    pub(crate) fn need_word(&mut self, text: &str, need: Need) -> Result<(), ScenarioError> {
        let word = self.need(need)?;
        if word.text == text { Ok(()) } else { Err(self.wrong(&word, need)) }
    }

    /// Takes the next word and reads it with `read`. It is an error if `read` returns None.
    pub(crate) fn need_as<T>(&mut self, need: Need, read: impl FnOnce(&str) -> Option<T>) -> Result<T, ScenarioError> {
        let word = self.need(need)?;
        read(&word.text).ok_or_else(|| self.wrong(&word, need))
    }

    /// Checks that no word is left.
    pub(crate) fn end(&mut self, need: Need) -> Result<(), ScenarioError> {
        match self.take() {
            None => Ok(()),
            Some(word) => {
                let problem = format!("{:?} is unexpected here", word.text);
                Err(self.error(word.column, word.text.chars().count(), problem, need))
            }
        }
    }

    /// The error for a line that ends too early.
    pub(crate) fn missing(&self, need: Need) -> ScenarioError {
        let column = self.text.trim_end().chars().count() + 1;
        self.error(column, 1, "the line ends too early".to_owned(), need)
    }

    /// The error for a word that is not what the parser expects.
    pub(crate) fn wrong(&self, word: &Word, need: Need) -> ScenarioError {
        self.about(word, format!("{:?} is not understood", word.text), need)
    }

    /// The error for another problem of a word.
    pub(crate) fn about(&self, word: &Word, problem: String, need: Need) -> ScenarioError {
        self.error(word.column, word.text.chars().count(), problem, need)
    }

    /// The error for a problem of the line as a whole.
    pub(crate) fn whole(&self, problem: String, need: Need) -> ScenarioError {
        let column = self.text.chars().take_while(|character| character.is_whitespace()).count();
        self.error(column, self.text.trim().chars().count(), problem, need)
    }

    fn error(&self, column: usize, length: usize, problem: String, need: Need) -> ScenarioError {
        ScenarioError {
            line: self.number,
            text: self.text.trim_end().to_owned(),
            column,
            length,
            problem,
            expected: need.what.to_owned(),
            example: need.example,
        }
    }
}

/// Removes a comma or colon from the end of a word, and marks the word as the end of a clause.
fn without_separator(mut word: Word) -> Word {
    if word.text.ends_with([',', ':']) {
        word.text.pop();
        word.ends_clause = true;
    }
    word
}

/// Reads a duration in its usual form, such as `90s`, `5m`, `1h30m` or `2d`.
pub(crate) fn duration(text: &str) -> Option<SignedDuration> {
    let mut seconds: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let (unit, after) = after.split_at_checked(1)?;
        let factor = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        seconds = number.parse::<i64>().ok()?.checked_mul(factor)?.checked_add(seconds)?;
        rest = after;
    }
    (!text.is_empty()).then(|| SignedDuration::from_secs(seconds))
}

/// Writes a duration for readers, such as `1h30m`.
pub(crate) fn spoken(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds % 3600 / 60, "m"), (seconds % 60, "s")];
    let said: Vec<String> = parts.iter().filter(|(n, _)| *n != 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if said.is_empty() { "0s".to_owned() } else { said.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        Line::new(1, line).unwrap().words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_end_at_spaces_and_keep_what_stands_between_quotes() {
        assert_eq!(texts(r#"expect  page "rolled back""#), ["expect", "page", "rolled back"]);
        assert_eq!(
            texts(r#"window="Mon-Fri 09:00-16:00 Europe/Berlin""#),
            ["window=Mon-Fri 09:00-16:00 Europe/Berlin"]
        );
        assert_eq!(texts("fleet web: weighted, 4"), ["fleet", "web", "weighted", "4"]);
        assert_eq!(texts("traffic=10,50,100"), ["traffic=10,50,100"]);
    }

    #[test]
    fn a_comment_ends_the_line_and_a_hash_within_a_text_is_none() {
        assert_eq!(texts("at 5m  # a comment"), ["at", "5m"]);
        assert_eq!(texts(r#"page "incident #7""#), ["page", "incident #7"]);
        assert!(texts("# only this").is_empty());
    }

    #[test]
    fn a_text_without_an_end_is_refused_where_it_begins() {
        let error = Line::new(3, r#"expect page "rolled"#).unwrap_err();
        assert_eq!((error.line, error.column), (3, 12));
        assert_eq!(
            error.to_string(),
            "line 3: the text has no closing quote\n    expect page \"rolled\n                ^^^^^^^\n  expected: a closing \"\n  example:  expect page \"rolled back\""
        );
    }

    #[test]
    fn a_duration_is_numbers_with_units() {
        for (text, seconds) in [
            ("0s", Some(0)),
            ("90s", Some(90)),
            ("1h30m", Some(5400)),
            ("2d", Some(172_800)),
            ("", None),
            ("5", None),
            ("m", None),
            ("5x", None),
            ("-5m", None),
            ("99999999999999999d", None),
        ] {
            assert_eq!(duration(text).map(|duration| duration.as_secs()), seconds, "{text}");
        }
    }

    #[test]
    fn a_duration_is_printed_as_it_is_written() {
        for text in ["0s", "30s", "5m", "1h", "1h30m", "26h1m1s"] {
            assert_eq!(spoken(duration(text).unwrap()), text);
        }
    }
}
