//! What a command has at hand: the desk, a clock, a person who may be there, and where its words go.

use std::fmt::Display;
use std::io::{self, Write};

use driftless_planner::ids::FleetName;
use driftless_status::FleetStatus;
use driftless_status::glance::FleetsAtAGlance;
use driftless_status::history::History;
use driftless_status::request::{Answer, Order, Question, Refusal, RefusalCause, Reply};
use driftless_status::why::{Subject, Why};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::desk::{Desk, DeskError, Function};
use crate::draw::Style;
use crate::exit::Exit;

/// What a command cannot know by itself.
pub trait World {
    /// What time it is.
    fn now(&self) -> Timestamp;
    /// Lets time pass.
    fn sleep(&mut self, duration: SignedDuration);
    /// Asks the person at the terminal. None: nobody is there.
    fn confirm(&mut self, question: &str) -> Option<bool>;
    /// An id that nobody else has.
    fn new_request(&mut self) -> String;
}

/// What a command has at hand.
#[expect(missing_debug_implementations, reason = "a desk and a writer have none")]
pub struct Console<'a> {
    /// Where questions are answered and orders are taken.
    pub desk: &'a dyn Desk,
    /// The clock and the person.
    pub world: &'a mut dyn World,
    /// The answer goes here.
    pub out: &'a mut dyn Write,
    /// What is no answer goes here: questions, warnings, errors.
    pub aside: &'a mut dyn Write,
    pub style: Style,
    /// The lines of the terminal that the answer goes to, where it can be drawn anew. None: it goes to none.
    pub rows: Option<usize>,
    /// Whether the answer is for machines.
    pub is_json: bool,
    /// Whether everything is confirmed beforehand.
    pub is_confirmed: bool,
}

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The desk has none.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The function said no.
    #[error("{}", .0.says)]
    Refused(Refusal),
    /// What was typed cannot be done, and why.
    #[error("{0}")]
    Usage(String),
    /// The answer could not be written.
    #[error("the answer cannot be written: {0}")]
    Write(#[from] io::Error),
}

impl Failure {
    /// How a command ends with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Desk(error) => error.exit(),
            Self::Refused(refusal) => match refusal.cause {
                RefusalCause::BadRequest | RefusalCause::NotFound => Exit::Refused,
                RefusalCause::Unavailable => Exit::Unavailable,
            },
            Self::Usage(_) => Exit::Usage,
            // What goes on until somebody stops it was stopped.
            Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Write(_) => Exit::Unavailable,
        }
    }

    /// What to do now. None: the failure says it itself.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Desk(error) => Some(error.advice()),
            Self::Refused(refusal) => match refusal.cause {
                RefusalCause::NotFound => Some("`driftless status` shows every fleet".to_owned()),
                RefusalCause::Unavailable => Some("ask again in a moment".to_owned()),
                RefusalCause::BadRequest => {
                    Some("this tool and the stack may be of different versions: `driftless --version`".to_owned())
                }
            },
            Self::Usage(_) | Self::Write(_) => None,
        }
    }

    /// Whether it only says that nothing can be read: IAM can hand out orders without questions, and they must work while
    /// the other function does not.
    pub(crate) fn is_blindness(&self) -> bool {
        let is_of_status = |error: &DeskError| {
            matches!(
                error,
                DeskError::Denied { function: Function::Status, .. }
                    | DeskError::Unreadable { function: Function::Status, .. }
            )
        };
        self.is_passing() || matches!(self, Self::Desk(error) if is_of_status(error))
    }

    /// Whether the same question may be answered in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Desk(error) => matches!(error, DeskError::Unavailable { .. } | DeskError::Lost { .. }),
            Self::Refused(refusal) => refusal.cause == RefusalCause::Unavailable,
            Self::Usage(_) | Self::Write(_) => false,
        }
    }
}

impl Console<'_> {
    /// Asks; once more where the connection is lost.
    fn ask(&self, question: &Question) -> Result<Answer, Failure> {
        let answer = match self.desk.ask(question) {
            Err(lost) if lost.is_lost() => self.desk.ask(question)?,
            answer => answer?,
        };
        match answer {
            Answer::Refused(refusal) => Err(Failure::Refused(refusal)),
            Answer::Fleets(_) | Answer::Fleet(_) | Answer::Why(_) | Answer::History(_) => Ok(answer),
        }
    }

    /// Tells; once more, as the same order, where the connection is lost.
    pub(crate) fn tell(&self, order: &Order) -> Result<Reply, Failure> {
        match self.desk.order(order) {
            Err(lost) if lost.is_lost() => Ok(self.desk.order(order)?),
            reply => Ok(reply?),
        }
    }

    /// Everything about a fleet.
    pub(crate) fn fleet(&self, fleet: &FleetName) -> Result<FleetStatus, Failure> {
        let Answer::Fleet(status) = self.ask(&Question::Fleet { fleet: fleet.clone() })? else {
            return Err(unexpected("one fleet"));
        };
        Ok(*status)
    }

    /// All fleets.
    pub(crate) fn fleets(&self) -> Result<FleetsAtAGlance, Failure> {
        let Answer::Fleets(fleets) = self.ask(&Question::Fleets)? else { return Err(unexpected("all fleets")) };
        Ok(fleets)
    }

    /// Why something is where it is.
    pub(crate) fn why(&self, subject: Subject, fleet: Option<FleetName>) -> Result<Why, Failure> {
        let Answer::Why(why) = self.ask(&Question::Why { subject, fleet })? else { return Err(unexpected("why")) };
        Ok(why)
    }

    /// What has been.
    pub(crate) fn history(&self, question: &Question) -> Result<History, Failure> {
        let Answer::History(history) = self.ask(question)? else { return Err(unexpected("a history")) };
        Ok(history)
    }

    /// Writes an answer: drawn for people, or as JSON.
    pub(crate) fn answer<T: Serialize>(&mut self, answer: &T, drawn: impl FnOnce(Style) -> String) -> io::Result<()> {
        if self.is_json {
            let json = serde_json::to_string_pretty(answer)?;
            return heard(writeln!(self.out, "{json}"));
        }
        let drawn = drawn(self.style);
        heard(self.out.write_all(drawn.as_bytes()))
    }

    /// One JSON document on one line.
    pub(crate) fn json_line<T: Serialize>(&mut self, document: &T) -> io::Result<()> {
        writeln!(self.out, "{}", serde_json::to_string(document)?)
    }

    /// A line of the answer.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// A line that is no answer.
    pub(crate) fn aside(&mut self, text: &str) -> io::Result<()> {
        heard(writeln!(self.aside, "{text}"))
    }

    /// Says why there is no answer, and what to do. A machine finds it where it looks for the answer.
    pub(crate) fn fail(&mut self, failure: &Failure) -> io::Result<()> {
        let says = printable(failure);
        let advice = failure.advice();
        if self.is_json {
            let error = ErrorFields { advice, exit: failure.exit().code(), says };
            return self.json_line(&ErrorBody { error });
        }
        self.aside(&format!("driftless: {says}"))?;
        advice.map_or(Ok(()), |advice| self.aside(&format!("  {advice}")))
    }
}

/// Why there is no answer, for a machine.
#[derive(Debug, Serialize)]
struct ErrorBody {
    error: ErrorFields,
}

#[derive(Debug, Serialize)]
struct ErrorFields {
    advice: Option<String>,
    exit: u8,
    says: String,
}

/// Who hung up (`| head`) does not want the rest: how the command ends is the same.
pub(crate) fn heard(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Whether nothing is under way, and nothing that was filed waits to be used: an order that nobody has followed yet is work.
pub(crate) const fn is_settled(status: &FleetStatus) -> bool {
    status.unsettled_since.is_none() && status.facts_filed == 0
}

/// Text without anything that a terminal would obey, whoever wrote it.
pub(crate) fn printable(text: impl Display) -> String {
    crate::draw::page::clean(text)
}

/// An answer to something else than what was asked.
fn unexpected(asked: &str) -> Failure {
    let why = format!("{asked} was asked for, and it answers another question");
    Failure::Desk(DeskError::Unreadable { function: Function::Status, why })
}
