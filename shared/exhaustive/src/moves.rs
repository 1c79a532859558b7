//! What happens between two states, and how it is told.

use std::fmt::{self, Display, Write as _};
use std::sync::Arc;

use driftless_planner::fact::Command;

use crate::run::Decided;
use crate::world::TICK;

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Move {
    /// Time goes by: what somebody holds in his hands is lost, since no function lives that long.
    Tick,
    /// A server comes into service.
    Arrive(u32),
    /// A server is gone.
    Leave(u32),
    /// A server fails its checks.
    Sicken(u32),
    /// A server passes its health checks again.
    Recover(u32),
    /// Auto Scaling takes a server, and launches another one.
    Lose(u32),
    /// Config holds a server for drifted.
    Drift(u32),
    /// Config holds a server for drifted no longer.
    Comply(u32),
    /// An operator freezes everything.
    Freeze,
    /// An operator ends the freeze.
    Thaw,
    /// An operator gives a command.
    Say(Command),
    /// Somebody writes the maximum of a group that operators want.
    WriteMaximum(usize),
    /// The pipeline publishes an image.
    Publish,
    /// The alarm of a color begins to ring.
    AlarmGoesOff(usize),
    /// The alarm is quiet again.
    Quiet,
    /// An operator takes back what is too many for good.
    TakeBack(usize),
    /// The reconcile looks, decides and commits.
    Pass(Told),
    /// The same, and then it dies.
    PassAndDie,
    /// It looks and decides, and sleeps before it commits.
    PassAndSleep,
    /// It does the next thing that it decided.
    Act(Actee, &'static str, Ending),
    /// It sleeps with what is still to be done in its hands.
    Sleep,
    /// The sleeper wakes up and commits: nobody else has looked since.
    CommitLate,
    Die,
}

/// What a pass decided, in words.
#[derive(Debug, Clone)]
pub struct Told(pub Arc<Decided>);

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actee {
    /// The holder of the lease.
    Holder,
    /// The one that slept.
    Sleeper,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Well,
    /// It has its effect, and the answer is lost.
    LostReply,
    /// AWS says busy, and nothing is done.
    Busy,
    /// AWS has no room.
    Shortage,
    /// AWS cannot launch what is asked for.
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
    /// The words.
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
