//! The exit codes, for pipelines: docs/cli.md shows this table.

use std::process::ExitCode;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    Done,
    /// Not done, or not what was hoped for.
    NotDone,
    /// Typed wrong, or not confirmed.
    Usage,
    Refused,
    /// AWS or a function did not answer.
    Unavailable,
    /// The time for waiting is over.
    TimedOut,
    /// An order is kept, and nobody has followed it yet.
    Pending,
}

impl Exit {
    /// All of them, by their codes.
    pub const ALL: [Self; 7] =
        [Self::Done, Self::NotDone, Self::Usage, Self::Refused, Self::Unavailable, Self::TimedOut, Self::Pending];

    /// What a shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotDone => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Unavailable => 4,
            Self::TimedOut => 5,
            Self::Pending => 6,
        }
    }

    /// What it means, in a line of the table.
    pub const fn means(self) -> &'static str {
        match self {
            Self::Done => "done; what was waited for is so; nothing was found",
            Self::NotDone => {
                "not done, and the answer says why; what was waited for will not come; something was found"
            }
            Self::Usage => {
                "typed wrong, a file that cannot be read, or not confirmed where there is no terminal to ask on"
            }
            Self::Refused => "refused: no such fleet, no such stack, no credentials, no permission",
            Self::Unavailable => {
                "AWS or a function did not answer, or not in a way that can be read: asking again may help"
            }
            Self::TimedOut => "the time for waiting is over",
            Self::Pending => "the order is kept, and no look has followed it yet: `driftless history FLEET` tells",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
