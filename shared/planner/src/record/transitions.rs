//! The state machines of replacements and cutovers, as tables of all valid transitions. A phase changes only by `enter`
//! ([`crate::record::Replacement`], [`crate::record::Cutover`]); a debug build panics on any other transition.
//! ARCHITECTURE.md contains both tables.

use std::fmt;
use std::str::FromStr;

use strum::ParseError;

use crate::record::{CutoverOutcome, CutoverPhaseKind, PhaseKind};

/// The target of a transition: a phase, or an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step<P, E> {
    Enters(P),
    Ends(E),
}

/// How a replacement leaves the record.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display, strum::EnumString, strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum ReplacementEnd {
    /// The replacement instance has taken the place of the drifted one.
    Replaced,
    /// The replacement was removed without success: there is nothing to replace any more, or an operator ran `retry` on
    /// a stopped replacement, which then begins again.
    Cleared,
}

/// A transition of a replacement.
pub type ReplacementStep = Step<PhaseKind, ReplacementEnd>;
/// A transition of a cutover.
pub type CutoverStep = Step<CutoverPhaseKind, CutoverOutcome>;

/// A state machine: each phase with the transitions that may follow it. The phase None stands for the time before the
/// first phase.
pub type Table<P, E> = [(Option<P>, &'static [Step<P, E>])];

/// The state machine of replacements. A replacement leaves `stopped` if an operator runs `retry`, the drift is over, or
/// the instance is gone or no longer in the live group.
pub const REPLACEMENT: &Table<PhaseKind, ReplacementEnd> = {
    use PhaseKind::{
        Blocked, Cancelling, Debouncing, Launching, LaunchingAfter, Retiring, Stopped, Terminating, Verifying,
    };
    use ReplacementEnd::{Cleared, Replaced};
    use Step::{Ends, Enters};
    &[
        (None, &[Enters(Debouncing)]),
        (Some(Debouncing), &[Enters(Blocked), Enters(Launching), Enters(Terminating), Enters(Stopped), Ends(Cleared)]),
        (
            Some(Blocked),
            &[
                Enters(Blocked),
                Enters(Debouncing),
                Enters(Launching),
                Enters(Terminating),
                Enters(Stopped),
                Ends(Cleared),
            ],
        ),
        (Some(Launching), &[Enters(Verifying), Enters(Cancelling), Enters(Debouncing), Enters(Stopped), Ends(Cleared)]),
        (Some(Verifying), &[Enters(Retiring), Enters(Cancelling), Ends(Cleared)]),
        (Some(Retiring), &[Ends(Replaced), Enters(Verifying), Enters(Cancelling), Ends(Cleared)]),
        (
            Some(Terminating),
            &[Enters(LaunchingAfter), Enters(Debouncing), Enters(Blocked), Enters(Stopped), Ends(Cleared)],
        ),
        (Some(LaunchingAfter), &[Ends(Replaced), Enters(Stopped), Ends(Cleared)]),
        (Some(Cancelling), &[Enters(Debouncing), Enters(Blocked), Enters(Stopped), Ends(Cleared)]),
        (Some(Stopped), &[Ends(Cleared)]),
    ]
};

/// The state machine of cutovers.
pub const CUTOVER: &Table<CutoverPhaseKind, CutoverOutcome> = {
    use CutoverOutcome::{Aborted, Done, RolledBack, Superseded};
    use CutoverPhaseKind::{
        Aborting, AwaitingApproval, Baking, NeedsOperator, Preflight, Preparing, Queued, Retiring, RollingBack,
        Scaling, Shifting, Verifying, Warm,
    };
    use Step::{Ends, Enters};
    &[
        (None, &[Enters(Queued)]),
        (Some(Queued), &[Enters(Queued), Enters(Preflight), Enters(Aborting), Ends(Aborted)]),
        (Some(Preflight), &[Enters(Queued), Enters(Preparing), Enters(Aborting), Ends(Aborted)]),
        (
            Some(Preparing),
            &[Enters(Scaling), Enters(AwaitingApproval), Enters(Shifting), Enters(Aborting), Ends(Aborted)],
        ),
        (Some(Scaling), &[Enters(Verifying), Enters(Aborting), Ends(Aborted)]),
        (Some(Verifying), &[Enters(AwaitingApproval), Enters(Shifting), Enters(Aborting), Ends(Aborted)]),
        (Some(AwaitingApproval), &[Enters(Shifting), Enters(Aborting), Ends(Aborted)]),
        (
            Some(Shifting),
            &[
                Enters(Shifting),
                Enters(Baking),
                Enters(Aborting),
                Enters(RollingBack),
                Enters(NeedsOperator),
                Ends(RolledBack),
            ],
        ),
        (Some(Baking), &[Enters(Warm), Enters(RollingBack), Ends(RolledBack)]),
        (Some(Warm), &[Enters(Retiring), Enters(RollingBack), Ends(RolledBack)]),
        (Some(Retiring), &[Ends(Done), Enters(RollingBack), Ends(RolledBack)]),
        (Some(Aborting), &[Ends(Aborted), Ends(Superseded)]),
        (Some(RollingBack), &[Ends(RolledBack), Enters(NeedsOperator)]),
        (Some(NeedsOperator), &[Enters(Shifting), Enters(RollingBack), Ends(RolledBack)]),
    ]
};

/// Whether a state machine allows the transition `to` from the phase `from`.
pub fn allows<P: Copy + PartialEq, E: Copy + PartialEq>(table: &Table<P, E>, from: Option<P>, to: Step<P, E>) -> bool {
    table.iter().any(|(phase, steps)| *phase == from && steps.contains(&to))
}

/// Writes a state machine as a table in Markdown.
pub fn markdown<P: fmt::Display, E: fmt::Display>(table: &Table<P, E>) -> String {
    let rows = table.iter().map(|(from, steps)| {
        let from = from.as_ref().map_or_else(|| "(new)".to_owned(), ToString::to_string);
        let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
        format!("| {from} | {} |\n", steps.join(", "))
    });
    format!("| from | to |\n| --- | --- |\n{}", rows.collect::<String>())
}

impl<P, E> Step<P, E> {
    /// The phase that the transition enters. None: the transition is an end.
    pub fn phase(self) -> Option<P> {
        match self {
            Self::Enters(phase) => Some(phase),
            Self::Ends(_) => None,
        }
    }
}

impl<P: fmt::Display, E: fmt::Display> fmt::Display for Step<P, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enters(phase) => phase.fmt(formatter),
            Self::Ends(end) => end.fmt(formatter),
        }
    }
}

impl<P: FromStr<Err = ParseError>, E: FromStr<Err = ParseError>> FromStr for Step<P, E> {
    type Err = ParseError;

    fn from_str(word: &str) -> Result<Self, ParseError> {
        word.parse().map(Self::Enters).or_else(|_| word.parse().map(Self::Ends))
    }
}
