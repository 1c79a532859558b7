//! The moves from one state to the next, and their texts.

use std::fmt::{self, Display, Write as _};
use std::sync::Arc;

use driftless_planner::fact::Command;

use crate::run::Decided;
use crate::world::TICK;

/// A move from one state to the next.
#[derive(Debug, Clone)]
pub enum Move {
    /// Time passes by one tick. A decision that a function has not executed is lost, since no function lives that long.
    Tick,
    /// An instance comes into service.
    Arrive(u32),
    /// An instance is terminated.
    Leave(u32),
    /// An instance fails its health checks.
    Sicken(u32),
    /// An instance passes its health checks again.
    Recover(u32),
    /// Auto Scaling terminates an instance, and launches another one.
    Lose(u32),
    /// Config finds an instance non-compliant.
    Drift(u32),
    /// Config finds an instance compliant again.
    Comply(u32),
    /// An operator freezes everything.
    Freeze,
    /// An operator ends the freeze.
    Thaw,
    /// An operator gives a command.
    Say(Command),
    /// Terraform writes to a group the maximum that operators want.
    WriteMaximum(usize),
    /// The pipeline publishes an image.
    Publish,
    /// The alarm of the color with this index goes into ALARM.
    AlarmGoesOff(usize),
    /// The alarm returns to OK.
    Quiet,
    /// An operator lowers a desired capacity that Driftless has left too high.
    TakeBack(usize),
    /// A reconcile pass reads, decides and commits.
    Pass(Told),
    /// A reconcile pass commits, and its function dies.
    PassAndDie,
    /// A reconcile pass reads and decides, and its function sleeps before the commit.
    PassAndSleep,
    /// A function executes the next action of its decision.
    Act(Actee, &'static str, Ending),
    /// A function sleeps before it executes the remaining actions of its decision.
    Sleep,
    /// The sleeping function continues and commits, since no other pass has taken the lease in between.
    CommitLate,
    Die,
}

/// The decision of a pass, as text.
#[derive(Debug, Clone)]
pub struct Told(pub Arc<Decided>);

/// The function that executes an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actee {
    /// The holder of the lease.
    Holder,
    /// The function that slept.
    Sleeper,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Well,
    /// The call takes effect, and its response is lost.
    LostReply,
    /// AWS returns a scaling-activity error, and the call has no effect.
    Busy,
    /// The launch fails, since AWS has no capacity.
    Shortage,
    /// The launch fails, since AWS cannot launch the template.
    BadLaunch,
}

impl Display for Move {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tick => write!(formatter, "{TICK:#} pass"),
            Self::Arrive(id) => write!(formatter, "i-{id:x} comes into service"),
            Self::Leave(id) => write!(formatter, "i-{id:x} is gone"),
            Self::Sicken(id) => write!(formatter, "i-{id:x} fails its health checks"),
            Self::Recover(id) => write!(formatter, "i-{id:x} passes its health checks again"),
            Self::Lose(id) => write!(formatter, "Auto Scaling takes i-{id:x} and launches another one"),
            Self::Drift(id) => write!(formatter, "i-{id:x} drifts"),
            Self::Comply(id) => write!(formatter, "i-{id:x} is compliant again"),
            Self::Freeze => formatter.write_str("an operator freezes everything"),
            Self::Thaw => formatter.write_str("the freeze ends"),
            Self::Say(command) => write!(formatter, "an operator gives the command {command:?}"),
            Self::WriteMaximum(_) => formatter.write_str("an operator writes MaxSize outside Driftless"),
            Self::Publish => formatter.write_str("the pipeline publishes an image"),
            Self::AlarmGoesOff(color) => write!(formatter, "the alarm of color {color} goes into ALARM"),
            Self::Quiet => formatter.write_str("the alarm goes back to OK"),
            Self::TakeBack(_) => formatter.write_str("an operator, who got the message, terminates the extra instance"),
            Self::Pass(told) => write!(formatter, "reconcile: {}", told.words()),
            Self::PassAndDie => formatter.write_str("reconcile and commit, and the function crashes"),
            Self::PassAndSleep => formatter.write_str("reconcile, and the function sleeps before its commit"),
            Self::Act(who, what, ending) => write!(formatter, "{who:?}: {what} ends {ending:?}"),
            Self::Sleep => formatter.write_str("the next call takes long; another function takes over"),
            Self::CommitLate => formatter.write_str("the function wakes up and commits"),
            Self::Die => formatter.write_str("the function crashes"),
        }
    }
}

impl Told {
    /// Describes the decision in words.
    pub fn words(&self) -> String {
        let decision = &self.0.decision;
        let mut words = String::new();
        for entry in &decision.history {
            let _ = write!(words, "{}→{}, ", entry.from(), entry.to());
        }
        for action in &decision.actions {
            let _ = write!(words, "{}, ", action.name());
        }
        for (id, waiting) in &decision.waiting {
            let _ = write!(words, "{id} waits: {waiting}, ");
        }
        words
    }
}
