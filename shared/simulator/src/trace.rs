//! The trace of a run: every call, decision and change, with its time.

use jiff::Timestamp;

/// The trace of a run. It is off by default: a batch of thousands of runs would fill the memory.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    is_on: bool,
    lines: Vec<(Timestamp, String)>,
}

impl Trace {
    /// A trace that is on.
    pub const fn on() -> Self {
        Self { is_on: true, lines: Vec::new() }
    }

    /// Whether the trace is on.
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    /// Adds a line, if the trace is on.
    pub fn note(&mut self, at: Timestamp, what: impl FnOnce() -> String) {
        if self.is_on {
            self.lines.push((at, what()));
        }
    }

    /// The lines, each with the time since the beginning of the run.
    pub fn lines(&self, since: Timestamp) -> impl Iterator<Item = String> {
        self.lines.iter().map(move |(at, what)| {
            let milliseconds = at.duration_since(since).as_millis();
            let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000);
            format!("{:>2}:{:02}:{:02}.{rest:03}  {what}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
        })
    }
}
