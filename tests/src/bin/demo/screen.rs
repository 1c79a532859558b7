//! What the demo writes on: standard output, with color where a person looks at it.

use std::io::{IsTerminal as _, Write as _};

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
        // Nobody is left to read it when standard output is closed: the story goes on to its exit code.
        let _ = writeln!(std::io::stdout().lock(), "{text}");
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

    /// Held back.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.has_color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
