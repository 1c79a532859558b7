//! The exit codes, for pipelines. docs/cli.md and --help show their table.

use std::process::ExitCode;

/// The way in which a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    Done,
    /// The command was not applied, the awaited state was not reached, or a problem was found.
    NotDone,
    /// The arguments are wrong, or the confirmation is missing.
    Usage,
    Refused,
    /// AWS or a function did not respond.
    Unavailable,
    /// The timeout of `wait` is over.
    TimedOut,
    /// The command is stored, and no reconcile pass has applied it yet.
    Pending,
}

impl Exit {
    /// All ways to end, ordered by their codes.
    pub const ALL: [Self; 7] =
        [Self::Done, Self::NotDone, Self::Usage, Self::Refused, Self::Unavailable, Self::TimedOut, Self::Pending];

    /// The exit code, which the shell gets.
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

    /// The meaning of the exit code, in words.
    pub const fn means(self) -> &'static str {
        match self {
            Self::Done => "done: the command was applied, the awaited state is reached, or no problem was found",
            Self::NotDone => {
                "not done: the output says why; the awaited state will not be reached, a problem was found, or you \
                 answered no"
            }
            Self::Usage => {
                "wrong arguments, a file that cannot be read, no AWS region, or no terminal to confirm on without --yes"
            }
            Self::Refused => "refused: no such fleet, no such stack, no AWS credentials, or no permission",
            Self::Unavailable => {
                "AWS or a function of Driftless did not respond, the response could not be read, or the output could \
                 not be written: trying again may help"
            }
            Self::TimedOut => "the --timeout of `wait` is over",
            Self::Pending => {
                "the command is stored, but no reconcile has applied it yet: `driftless history FLEET` shows the result"
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
