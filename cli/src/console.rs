//! The environment in which a command runs: the operator API, a clock, an operator who may be at the terminal, and two
//! streams.

use std::fmt::Display;
use std::io::{self, Write};

use driftless_planner::ids::FleetName;
use driftless_planner::observation::FreezeScope;
use driftless_status::FleetStatus;
use driftless_status::history::History;
use driftless_status::request::{
    Answer, CommandResult, Order, Question, Refusal, RefusalCause, Reply, RequestedAction,
};
use driftless_status::summary::FleetsSummary;
use driftless_status::why::{Subject, Why};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::api::{Function, OTHER_VERSION, OperatorApi, OperatorApiError};
use crate::draw::Style;
use crate::exit::Exit;
use crate::nearest;

/// The clock, the terminal and other things outside the process that a command depends on.
pub trait World {
    /// The current time.
    fn now(&self) -> Timestamp;
    /// Waits for a duration.
    fn sleep(&mut self, duration: SignedDuration);
    /// Asks the operator at the terminal for a confirmation. None: there is no terminal.
    fn confirm(&mut self, question: &str) -> Option<bool>;
    /// Creates an id that no other request has.
    fn new_request(&mut self) -> String;
}

/// The environment in which a command runs.
#[expect(missing_debug_implementations, reason = "an operator API and a writer have none")]
pub struct Console<'a> {
    /// The functions `status` and `operator`.
    pub api: &'a dyn OperatorApi,
    /// The clock and the terminal.
    pub world: &'a mut dyn World,
    /// Standard output, to which the response is written.
    pub out: &'a mut dyn Write,
    /// Standard error, to which questions, warnings and errors are written.
    pub aside: &'a mut dyn Write,
    pub style: Style,
    /// The number of lines of the terminal that standard output is connected to, so that it can be redrawn. None:
    /// standard output is no terminal.
    pub rows: Option<usize>,
    /// Whether the response is printed as JSON.
    pub is_json: bool,
    /// Whether every confirmation is answered with yes.
    pub is_confirmed: bool,
}

/// The reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// AWS or a function did not respond.
    #[error(transparent)]
    OperatorApi(#[from] OperatorApiError),
    /// The function refused the request.
    #[error("{}", .0.says)]
    Refused(Refusal),
    /// There is no fleet with the name that was typed.
    #[error("there is no fleet {typed}")]
    NoFleet {
        typed: FleetName,
        /// A text that names the existing fleets, or the one whose name is nearest.
        advice: String,
    },
    /// The arguments do not fit, for the reason in the text.
    #[error("{0}")]
    Usage(String),
    /// Standard output or standard error cannot be written.
    #[error("the output cannot be written: {0}")]
    Write(#[from] io::Error),
}

impl Failure {
    /// The exit code with which a command ends after this failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::OperatorApi(error) => error.exit(),
            Self::Refused(refusal) => match refusal.cause {
                RefusalCause::BadRequest | RefusalCause::NotFound => Exit::Refused,
                RefusalCause::Unavailable => Exit::Unavailable,
            },
            Self::NoFleet { .. } => Exit::Refused,
            Self::Usage(_) => Exit::Usage,
            // The reader of the output closed it, as `head` does.
            Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Write(_) => Exit::Unavailable,
        }
    }

    /// What the operator can do now. None: the failure itself says it.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::OperatorApi(error) => Some(error.advice()),
            Self::Refused(refusal) => match refusal.cause {
                RefusalCause::NotFound => Some("`driftless status` lists every fleet".to_owned()),
                RefusalCause::Unavailable => Some("try again in a moment".to_owned()),
                RefusalCause::BadRequest => Some(OTHER_VERSION.to_owned()),
            },
            Self::NoFleet { advice, .. } => Some(advice.clone()),
            Self::Usage(_) | Self::Write(_) => None,
        }
    }

    /// Whether this failure only means that the function `status` cannot be used. The commands of `operator` must then
    /// work without it, because IAM may allow `operator` alone.
    pub(crate) fn is_blindness(&self) -> bool {
        let is_of_status = |error: &OperatorApiError| {
            matches!(
                error,
                OperatorApiError::Denied { function: Function::Status, .. }
                    | OperatorApiError::Unreadable { function: Function::Status, .. }
            )
        };
        self.is_passing() || matches!(self, Self::OperatorApi(error) if is_of_status(error))
    }

    /// Whether the same query may succeed in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::OperatorApi(error) => {
                matches!(error, OperatorApiError::Unavailable { .. } | OperatorApiError::Lost { .. })
            }
            Self::Refused(refusal) => refusal.cause == RefusalCause::Unavailable,
            Self::NoFleet { .. } | Self::Usage(_) | Self::Write(_) => false,
        }
    }
}

impl Console<'_> {
    /// Sends a query to the function `status`, and repeats it once if the connection is lost.
    fn ask(&self, question: &Question) -> Result<Answer, Failure> {
        let answer = match self.api.ask(question) {
            Err(lost) if lost.is_lost() => self.api.ask(question)?,
            answer => answer?,
        };
        match answer {
            Answer::Refused(refusal) => Err(self.refused(refusal, fleet_of(question))),
            Answer::Fleets(_) | Answer::Fleet(_) | Answer::Why(_) | Answer::History(_) => Ok(answer),
        }
    }

    /// Sends a command to the function `operator`. If the connection is lost, the command is repeated once under the
    /// same id.
    pub(crate) fn tell(&self, order: &Order) -> Result<CommandResult, Failure> {
        let reply = match self.api.order(order) {
            Err(lost) if lost.is_lost() => self.api.order(order)?,
            reply => reply?,
        };
        match reply {
            Reply::CommandResult(command_result) => Ok(command_result),
            Reply::Refused(refusal) => Err(self.refused(refusal, fleet_ordered(order))),
        }
    }

    /// The failure for a refusal. If the refusal says that the fleet does not exist, the existing fleets are read and
    /// named. If they cannot be read, the failure contains the refusal alone.
    fn refused(&self, refusal: Refusal, fleet: Option<&FleetName>) -> Failure {
        let Some(typed) = fleet.filter(|_| refusal.cause == RefusalCause::NotFound) else {
            return Failure::Refused(refusal);
        };
        let advice = self.fleets().ok().and_then(|fleets| {
            let names = fleets.fleets.iter().map(|known| known.fleet.as_str());
            let names = names.chain(fleets.unread.iter().map(|unread| unread.fleet.as_str()));
            nearest::advice(typed.as_str(), &names.collect::<Vec<_>>())
        });
        match advice {
            Some(advice) => Failure::NoFleet { typed: typed.clone(), advice },
            None => Failure::Refused(refusal),
        }
    }

    /// Queries everything about a fleet.
    pub(crate) fn fleet(&self, fleet: &FleetName) -> Result<FleetStatus, Failure> {
        let Answer::Fleet(status) = self.ask(&Question::Fleet { fleet: fleet.clone() })? else {
            return Err(unexpected("one fleet"));
        };
        Ok(*status)
    }

    /// Queries the summary of all fleets.
    pub(crate) fn fleets(&self) -> Result<FleetsSummary, Failure> {
        let Answer::Fleets(fleets) = self.ask(&Question::Fleets)? else { return Err(unexpected("all fleets")) };
        Ok(fleets)
    }

    /// Queries why a fleet, an instance or an image is in its state.
    pub(crate) fn why(&self, subject: Subject, fleet: Option<FleetName>) -> Result<Why, Failure> {
        let Answer::Why(why) = self.ask(&Question::Why { subject, fleet })? else { return Err(unexpected("why")) };
        Ok(why)
    }

    /// Queries the history of a fleet.
    pub(crate) fn history(&self, question: &Question) -> Result<History, Failure> {
        let Answer::History(history) = self.ask(question)? else { return Err(unexpected("a history")) };
        Ok(history)
    }

    /// Writes a response, as text or as JSON.
    pub(crate) fn answer<T: Serialize>(&mut self, answer: &T, drawn: impl FnOnce(Style) -> String) -> io::Result<()> {
        if self.is_json {
            let json = serde_json::to_string_pretty(answer)?;
            return heard(writeln!(self.out, "{json}"));
        }
        let drawn = drawn(self.style);
        heard(self.out.write_all(drawn.as_bytes()))
    }

    /// Writes a document as JSON on one line.
    pub(crate) fn json_line<T: Serialize>(&mut self, document: &T) -> io::Result<()> {
        writeln!(self.out, "{}", serde_json::to_string(document)?)
    }

    /// Writes a line of the response.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// Writes a line to standard error.
    pub(crate) fn aside(&mut self, text: &str) -> io::Result<()> {
        heard(writeln!(self.aside, "{text}"))
    }

    /// Prints an error and what to do about it. With `--json` the error goes to standard output, where a program reads
    /// the response.
    pub(crate) fn fail(&mut self, failure: &Failure) -> io::Result<()> {
        let says = printable(failure);
        let advice = failure.advice();
        if self.is_json {
            let error = ErrorFields { advice, exit: failure.exit().code(), message: says };
            return self.json_line(&ErrorBody { error });
        }
        self.aside(&format!("driftless: {says}"))?;
        advice.map_or(Ok(()), |advice| self.aside(&format!("  {advice}")))
    }
}

/// The JSON document for an error.
#[derive(Debug, Serialize)]
struct ErrorBody {
    error: ErrorFields,
}

#[derive(Debug, Serialize)]
struct ErrorFields {
    advice: Option<String>,
    exit: u8,
    message: String,
}

/// Ignores the error of a write whose reader has closed the output (`| head`): this does not change how the command
/// ends.
pub(crate) fn heard(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Whether a fleet is idle: no work is in progress, and every stored event and command has been applied by a reconcile
/// pass.
pub(crate) const fn is_idle(status: &FleetStatus) -> bool {
    status.in_progress_since.is_none() && status.facts_filed == 0
}

/// Removes the control characters from a text, whatever its source.
pub(crate) fn printable(text: impl Display) -> String {
    crate::draw::page::clean(text)
}

/// The fleet that a query names.
fn fleet_of(question: &Question) -> Option<&FleetName> {
    match question {
        Question::Fleet { fleet }
        | Question::History { fleet, .. }
        | Question::Why { subject: Subject::Fleet(fleet), .. } => Some(fleet),
        Question::Why { fleet, .. } => fleet.as_ref(),
        Question::Fleets => None,
    }
}

/// The fleet that a request names.
fn fleet_ordered(order: &Order) -> Option<&FleetName> {
    match &order.action {
        RequestedAction::Command { fleet, .. } => Some(fleet),
        RequestedAction::Freeze { scope, .. } | RequestedAction::Thaw { scope } => match scope {
            FreezeScope::Fleet(fleet) => Some(fleet),
            FreezeScope::Account => None,
        },
    }
}

/// The failure for a response that belongs to another query than the one that was sent.
fn unexpected(asked: &str) -> Failure {
    let why = format!("it responded to another query than the one for {asked}");
    Failure::OperatorApi(OperatorApiError::Unreadable { function: Function::Status, why })
}
