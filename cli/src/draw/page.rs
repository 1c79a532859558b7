//! A page of text with a limited width. It contains no control characters except those for colors.

use std::fmt::Display;

use driftless_planner::text::UntrustedText;
use driftless_status::model::WaitStatus;
use jiff::{SignedDuration, Timestamp};

use super::style::{Style, Tone};

/// A page that is being written.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) style: Style,
    /// The time that distances such as "5m ago" are computed from.
    pub(crate) now: Timestamp,
    text: String,
}

/// Removes the control characters from a text, whatever its source. An ARN is shortened to the part after the account
/// id, because a fleet belongs to one account and region; `--json` shows the whole ARN.
pub(crate) fn clean(text: impl Display) -> String {
    let text = UntrustedText::from(text.to_string()).to_string();
    let resource = |word| if str::starts_with(word, "arn:") { word.splitn(6, ':').nth(5) } else { None };
    let words = text.split(' ').map(|word| resource(word).unwrap_or(word));
    words.collect::<Vec<_>>().join(" ")
}

/// The name of the guard that blocks, and what it found.
pub(crate) fn blocked(by: &WaitStatus) -> String {
    format!("blocked by {}: {}", clean(&by.guard), clean(&by.why))
}

/// Cuts a text to at most `width` characters. A cut text ends with `~`.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    if width == 0 { kept } else { format!("{kept}~") }
}

/// Fills a text with blanks up to the width of its column.
pub(crate) fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

/// Splits a text into lines of at most `width` characters. A word that is longer than a line is broken.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut rest: Vec<char> = word.chars().collect();
        let is_fitting = line.chars().count() + 1 + rest.len() <= width;
        if !line.is_empty() && !is_fitting {
            lines.push(std::mem::take(&mut line));
        }
        while rest.len() > width {
            lines.push(rest.drain(..width).collect());
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(rest);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// A duration as text: in whole seconds, or in days and hours if it is a day or longer.
pub(crate) fn lasting(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (days, hours) = (seconds / 86_400, seconds % 86_400 / 3_600);
    if days > 0 { format!("{days}d {hours}h") } else { format!("{:#}", SignedDuration::from_secs(seconds)) }
}

impl Page {
    pub(crate) fn new(style: Style, now: Timestamp) -> Self {
        Self { style, now, text: String::new() }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// Adds an empty line, but never two in a row.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Adds a line of pieces, each in the color of its tone. The line is cut where it exceeds the width of the page.
    pub(crate) fn line(&mut self, pieces: &[(Tone, &str)]) {
        let mut left = self.style.width();
        let fitting = pieces.iter().map(|(tone, piece)| {
            let shown: String = piece.chars().filter(|character| !character.is_control()).collect();
            let shown = cut(&shown, left);
            left -= shown.chars().count();
            (*tone, shown)
        });
        let mut fitting: Vec<(Tone, String)> = fitting.collect();
        // No trailing blanks.
        while fitting.last().is_some_and(|(_, shown)| shown.trim().is_empty()) {
            fitting.pop();
        }
        if let Some((_, shown)) = fitting.last_mut() {
            shown.truncate(shown.trim_end().len());
        }
        for (tone, shown) in &fitting {
            self.text.push_str(&self.style.paint(*tone, shown));
        }
        self.text.push('\n');
    }

    /// Adds a heading after an empty line.
    pub(crate) fn heading(&mut self, text: &str) {
        self.gap();
        self.line(&[(Tone::Strong, text)]);
    }

    /// Adds a label with a text. A long text continues on the next lines in the same column.
    pub(crate) fn labeled(&mut self, label: &str, column: usize, tone: Tone, text: &str) {
        let width = self.style.width().saturating_sub(column);
        for (number, line) in wrapped(text, width).iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            let label = padded(&cut(label, column.saturating_sub(1)), column);
            self.line(&[(Tone::Faint, &label), (tone, line)]);
        }
    }

    /// The remaining time until the guard may pass by itself. The text of the guard already contains the time of day.
    pub(crate) fn may_change(&self, waits: &WaitStatus) -> String {
        let at = waits.may_change_at.filter(|at| *at > self.now);
        at.map(|at| format!(", may change in {}", lasting(at.duration_since(self.now)))).unwrap_or_default()
    }

    /// A time with its distance from now, such as `12:08:00Z (in 1m 15s)`, with the date if it is on another day.
    pub(crate) fn when(&self, at: Timestamp) -> String {
        let (day, time) = (at.strftime("%Y-%m-%d").to_string(), at.strftime("%H:%M:%SZ").to_string());
        let is_today = self.now.strftime("%Y-%m-%d").to_string() == day;
        let shown = if is_today { time } else { format!("{day} {time}") };
        let distance = at.duration_since(self.now);
        if distance.is_zero() {
            format!("{shown} (now)")
        } else if distance.is_positive() {
            format!("{shown} (in {})", lasting(distance))
        } else {
            format!("{shown} ({} ago)", lasting(-distance))
        }
    }
}

/// A bar in brackets. Its inside has `width` characters and is filled to `percent`.
pub(crate) fn bar(percent: u32, width: usize) -> String {
    let percent = usize::try_from(percent.min(100)).unwrap_or(100);
    let filled = width * percent / 100;
    format!("[{}{}]", "#".repeat(filled), ".".repeat(width - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_only_above_its_width() {
        for (width, shown) in [(0, ""), (1, "~"), (3, "ab~"), (4, "abcd"), (5, "abcd")] {
            assert_eq!(cut("abcd", width), shown);
        }
    }

    #[test]
    fn words_go_on_below_and_only_a_word_longer_than_a_line_is_broken() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("12345678", 8), ["12345678"]);
        assert_eq!(wrapped("a 123456789 b", 8), ["a", "12345678", "9 b"]);
        assert_eq!(wrapped("", 8), [""]);
    }

    #[test]
    fn a_bar_is_full_only_at_a_hundred() {
        for (percent, shown) in
            [(0, "[....]"), (24, "[....]"), (25, "[#...]"), (99, "[###.]"), (100, "[####]"), (101, "[####]")]
        {
            assert_eq!(bar(percent, 4), shown, "{percent}");
        }
    }

    #[test]
    fn a_duration_of_a_day_or_more_is_printed_in_days() {
        let day = SignedDuration::from_hours(24);
        let second = SignedDuration::from_secs(1);
        assert_eq!([day - second, day, day + second].map(lasting), ["23h 59m 59s", "1d 0h", "1d 0h"]);
    }

    #[test]
    fn no_terminal_is_told_what_to_do() {
        let mut page = Page::new(Style::plain(100), Timestamp::UNIX_EPOCH);
        page.line(&[(Tone::Plain, "a\u{1b}[2Jb\r\nc")]);
        assert_eq!(page.finish(), "a[2Jbc\n");
        assert_eq!(clean("x\u{202e}y\u{7}"), "xy");
    }

    #[test]
    fn of_an_arn_the_resource_is_shown() {
        let arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web/1/2";
        assert_eq!(clean(format!("weights of {arn}: gone")), "weights of listener/app/web/1/2: gone");
        assert_eq!(clean("arn:aws:x"), "arn:aws:x");
    }
}
