//! How a drawing looks: its width, and whether it is colored.

/// The widest drawing: a wider terminal is left with a margin.
pub const WIDTH_MAX: usize = 100;
/// The narrowest drawing: a narrower terminal wraps it.
pub const WIDTH_MIN: usize = 60;

/// How a drawing looks. The caller knows the terminal and the environment; a drawing does not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    width: usize,
    is_colored: bool,
}

/// The meaning of a piece of text, which decides its color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// A heading, or what matters most.
    Strong,
    Good,
    Warning,
    /// An operator should act.
    Bad,
    Faint,
}

impl Style {
    /// Without colors.
    pub fn plain(columns: usize) -> Self {
        Self { width: columns.clamp(WIDTH_MIN, WIDTH_MAX), is_colored: false }
    }

    /// With colors.
    pub fn colored(columns: usize) -> Self {
        Self { is_colored: true, ..Self::plain(columns) }
    }

    /// The style for an output. `no_color`: the variable `NO_COLOR`, which forbids colors unless it is
    /// absent or empty. `is_terminal`: only a terminal shows colors. `columns`: None where the width is unknown.
    pub fn suited(no_color: Option<&str>, is_terminal: bool, columns: Option<usize>) -> Self {
        let is_forbidden = no_color.is_some_and(|value| !value.is_empty());
        let columns = columns.unwrap_or(WIDTH_MAX);
        if is_terminal && !is_forbidden { Self::colored(columns) } else { Self::plain(columns) }
    }

    /// How wide a line may be, in characters.
    pub const fn width(self) -> usize {
        self.width
    }

    /// The text in its color.
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
