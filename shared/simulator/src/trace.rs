//! What a day looked like, for whoever replays it.

use jiff::Timestamp;

/// The story of a day. It is told only where it was asked for: a batch of thousands has no readers.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    is_on: bool,
    lines: Vec<(Timestamp, String)>,
}

impl Trace {
    /// A trace that keeps what it is told.
    pub const fn on() -> Self {
        Self { is_on: true, lines: Vec::new() }
    }

    /// Whether anyone listens.
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    /// Notes something, if anyone listens.
    pub fn note(&mut self, at: Timestamp, what: impl FnOnce() -> String) {
        if self.is_on {
            self.lines.push((at, what()));
        }
    }

    /// One line for each note, by the time since the day began.
    pub fn lines(&self, since: Timestamp) -> impl Iterator<Item = String> {
        self.lines.iter().map(move |(at, what)| {
            let milliseconds = at.duration_since(since).as_millis();
            let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000);
            format!("{:>2}:{:02}:{:02}.{rest:03}  {what}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
        })
    }
}
