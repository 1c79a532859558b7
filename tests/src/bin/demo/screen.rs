//! The output of the demo: standard output, with color on a terminal.

use std::io::{IsTerminal as _, Write as _};

/// The width of a line, in characters.
const WIDTH: usize = 128;

/// Standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    has_color: bool,
}

impl Screen {
    /// With color on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn new() -> Self {
        let is_wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { has_color: is_wanted && std::io::stdout().is_terminal() }
    }

    /// Writes a line.
    #[expect(clippy::unused_self, reason = "only whoever has the screen writes on it")]
    pub(crate) fn line(self, text: &str) {
        // If standard output is closed, the demo still runs to its exit code.
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// Writes text after a prefix, wrapped; further lines are indented to the start of the text.
    pub(crate) fn wrapped(self, prefix: &str, indent: usize, words: &str) {
        for (number, line) in lines_of(words, WIDTH.saturating_sub(indent)).iter().enumerate() {
            let before = if number == 0 { prefix.to_owned() } else { " ".repeat(indent) };
            self.line(&format!("{before}{line}"));
        }
    }

    /// Writes a name and columns of numbers behind it.
    pub(crate) fn columns(self, name: &str, numbers: &[String]) {
        let padded = |text: &str, width: usize| " ".repeat(width.saturating_sub(visible(text)));
        let numbers: String = numbers.iter().map(|number| padded(number, 8) + number).collect();
        self.line(&format!("  {name}{}{numbers}", padded(name, 58)));
    }

    /// In bold.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// In red.
    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// In green.
    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// In yellow.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Dimmed.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.has_color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Wraps text at `width` visible characters; a longer word stays whole.
fn lines_of(words: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut().filter(|line| visible(line) + 1 + visible(word) <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Number of visible characters: color codes do not count.
fn visible(text: &str) -> usize {
    let mut is_color = false;
    let seen = text.chars().filter(|character| {
        let is_seen = !is_color && *character != '\u{1b}';
        is_color = if is_color { *character != 'm' } else { *character == '\u{1b}' };
        is_seen
    });
    seen.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_where_the_line_is_full_and_not_before() {
        assert_eq!(lines_of("one two six", 7), ["one two", "six"]);
        assert_eq!(lines_of("one two six", 6), ["one", "two", "six"]);
        assert_eq!(lines_of("one two six", 8), ["one two", "six"]);
        assert_eq!(lines_of("longer-than-the-line no", 5), ["longer-than-the-line", "no"]);
    }

    #[test]
    fn colors_take_no_room() {
        let screen = Screen { has_color: true };
        assert_eq!(lines_of(&screen.red("one two"), 7).len(), 1);
        assert_eq!(visible(&screen.bold("● ◆")), 3);
    }
}
