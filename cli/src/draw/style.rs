//! The style of a drawing: its width, and whether it is colored.

/// The greatest width of a drawing, in characters. On a wider terminal the rest of the width stays empty.
pub const WIDTH_MAX: usize = 100;
/// The least width of a drawing, in characters. A narrower terminal wraps the lines.
pub const WIDTH_MIN: usize = 60;

/// The style of a drawing. The caller reads the properties of the terminal and the environment; a drawing does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    width: usize,
    is_colored: bool,
}

/// The meaning of a piece of text, which determines its color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// A heading, or the most important text.
    Strong,
    Good,
    Warning,
    /// A state in which an operator should act.
    Bad,
    Faint,
}

impl Style {
    /// Creates a style without colors.
    pub fn plain(columns: usize) -> Self {
        Self { width: columns.clamp(WIDTH_MIN, WIDTH_MAX), is_colored: false }
    }

    /// Creates a style with colors.
    pub fn colored(columns: usize) -> Self {
        Self { is_colored: true, ..Self::plain(columns) }
    }

    /// Creates the style for an output. `no_color` is the variable `NO_COLOR`, which forbids colors unless it is absent
    /// or empty. `is_terminal` matters because only a terminal shows colors. `columns` is None if the width is unknown.
    pub fn suited(no_color: Option<&str>, is_terminal: bool, columns: Option<usize>) -> Self {
        let is_forbidden = no_color.is_some_and(|value| !value.is_empty());
        let columns = columns.unwrap_or(WIDTH_MAX);
        if is_terminal && !is_forbidden { Self::colored(columns) } else { Self::plain(columns) }
    }

    /// The most characters of a line.
    pub const fn width(self) -> usize {
        self.width
    }

    /// The text in the color of its tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "1;31",
            Tone::Faint => "2",
        };
        if self.is_colored && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_stays_between_its_bounds() {
        let around = |columns: usize| [columns - 1, columns, columns + 1];
        assert_eq!(around(WIDTH_MIN).map(|columns| Style::plain(columns).width()), [60, 60, 61]);
        assert_eq!(around(WIDTH_MAX).map(|columns| Style::plain(columns).width()), [99, 100, 100]);
    }

    #[test]
    fn colors_are_for_terminals_and_no_color_forbids_them() {
        for (no_color, is_terminal, is_colored) in [
            (None, true, true),
            (Some(""), true, true),
            (Some("1"), true, false),
            (Some("0"), true, false),
            (None, false, false),
        ] {
            assert_eq!(Style::suited(no_color, is_terminal, None).is_colored, is_colored, "{no_color:?} {is_terminal}");
        }
    }
}
