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
    /// A server passes its checks again.
    Recover(u32),
    /// Auto Scaling takes a server, and launches another one.
    Lose(u32),
    /// Config holds a server for drifted.
    Drift(u32),
    /// Config holds a server for drifted no longer.
    Comply(u32),
    /// A person freezes everything.
    Freeze,
    /// A person ends the freeze.
    Thaw,
    /// A person gives a command.
    Say(Command),
    /// Somebody writes the maximum of a group that people want.
    WriteMaximum(usize),
    /// The pipeline publishes an image.
    Publish,
    /// The alarm of a color begins to ring.
    Ring(usize),
    /// The alarm is quiet again.
    Quiet,
    /// A person takes back what is too many for good.
    TakeBack(usize),
    /// The reconcile looks, decides and commits.
    Look(Told),
    /// The same, and then it dies.
    LookAndDie,
    /// It looks and decides, and sleeps before it commits.
    LookAndSleep,
    /// It does the next thing that it decided.
    Act(Actee, &'static str, Ending),
    /// It sleeps with what is still to be done in its hands.
    Sleep,
    /// The sleeper wakes up and commits: nobody else has looked since.
    CommitLate,
    Die,
}

/// What a look decided, in words.
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
    /// As it should.
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
            Self::Tick => write!(formatter, "{TICK:#} go by"),
            Self::Arrive(id) => write!(formatter, "i-{id:x} comes into service"),
            Self::Leave(id) => write!(formatter, "i-{id:x} is gone"),
            Self::Sicken(id) => write!(formatter, "i-{id:x} fails its checks"),
            Self::Recover(id) => write!(formatter, "i-{id:x} passes its checks again"),
            Self::Lose(id) => write!(formatter, "Auto Scaling takes i-{id:x} and launches another one"),
            Self::Drift(id) => write!(formatter, "i-{id:x} drifts"),
            Self::Comply(id) => write!(formatter, "i-{id:x} is compliant again"),
            Self::Freeze => formatter.write_str("a person freezes everything"),
            Self::Thaw => formatter.write_str("the freeze ends"),
            Self::Say(command) => write!(formatter, "a person says {command:?}"),
            Self::WriteMaximum(_) => formatter.write_str("somebody writes the maximum that people want"),
            Self::Publish => formatter.write_str("the pipeline publishes an image"),
            Self::Ring(color) => write!(formatter, "the alarm of color {color} rings"),
            Self::Quiet => formatter.write_str("the alarm is quiet again"),
            Self::TakeBack(_) => formatter.write_str("a person, who was told, takes back what is too many"),
            Self::Look(told) => write!(formatter, "look: {}", told.words()),
            Self::LookAndDie => formatter.write_str("look, commit, and the function dies"),
            Self::LookAndSleep => formatter.write_str("look, and the function sleeps before its commit"),
            Self::Act(who, what, ending) => write!(formatter, "{who:?}: {what} ends {ending:?}"),
            Self::Sleep => formatter.write_str("the next call is on its way for long; another function takes over"),
            Self::CommitLate => formatter.write_str("the sleeper wakes up and commits"),
            Self::Die => formatter.write_str("the function dies"),
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
