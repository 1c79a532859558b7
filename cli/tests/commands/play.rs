//! Stubs of the two functions, a clock that advances by sleeping, and an operator with scripted answers.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io;
use std::process;

use clap::{CommandFactory, Parser};
use driftless_cli::api::{Function, OperatorApi, OperatorApiError};
use driftless_cli::console::{Console, World};
use driftless_cli::draw::{Style, WIDTH_MAX};
use driftless_cli::line::Line;
use driftless_cli::run;
use driftless_planner::fact::Command;
use driftless_planner::observation::FreezeScope;
use driftless_status::FleetStatus;
use driftless_status::history::History;
use driftless_status::request::{
    Answer, CommandResult, Order, OrderResult, Question, Refusal, RefusalCause, Reply, RequestedAction,
};
use driftless_status::summary::summarize;
use driftless_status::why::why;
use jiff::{SignedDuration, Timestamp};

use crate::said;

/// The setup of a test.
pub(crate) struct Stage {
    /// The responses of `status`, in order; the last one repeats.
    pub(crate) statuses: Vec<Result<FleetStatus, OperatorApiError>>,
    /// The responses of `operator`, in order; the last one repeats. Empty: the planner's response to the command in
    /// that state of the fleet.
    pub(crate) replies: Vec<Result<Reply, OperatorApiError>>,
    pub(crate) history: Option<History>,
    /// The operator's answer to a confirmation. None: there is no terminal.
    pub(crate) person: Option<bool>,
    pub(crate) rows: Option<usize>,
    asked: Cell<usize>,
    ordered: RefCell<Vec<Order>>,
    questions: RefCell<Vec<Question>>,
}

/// The result of a command.
pub(crate) struct Played {
    pub(crate) out: String,
    pub(crate) aside: String,
    pub(crate) code: u8,
    pub(crate) orders: Vec<Order>,
    pub(crate) questions: Vec<Question>,
    pub(crate) slept: Vec<SignedDuration>,
    text: String,
}

impl Stage {
    /// A fleet in the state of one world, an operator at the terminal who confirms, and a function `operator` that
    /// applies every command.
    pub(crate) fn of(world: &str) -> Self {
        Self::through(&[world])
    }

    /// A fleet that passes through the states of several worlds.
    pub(crate) fn through(worlds: &[&str]) -> Self {
        Self::with(worlds.iter().map(|world| said::status(world)).collect())
    }

    pub(crate) fn with(statuses: Vec<FleetStatus>) -> Self {
        Self {
            statuses: statuses.into_iter().map(Ok).collect(),
            replies: Vec::new(),
            history: None,
            person: Some(true),
            rows: None,
            asked: Cell::new(0),
            ordered: RefCell::new(Vec::new()),
            questions: RefCell::new(Vec::new()),
        }
    }

    pub(crate) fn nobody(self) -> Self {
        Self { person: None, ..self }
    }

    /// The exit code when the reader of the output has closed it.
    pub(crate) fn code_for_nobody(self, typed: &str) -> u8 {
        self.run(typed, &mut HungUp, &mut HungUp).0
    }

    pub(crate) fn replying(self, replies: Vec<Result<Reply, OperatorApiError>>) -> Self {
        Self { replies, ..self }
    }

    /// Runs a line, split as a shell does.
    pub(crate) fn play(self, typed: &str) -> Played {
        let (mut out, mut aside) = (Vec::new(), Vec::new());
        let (code, person) = self.run(typed, &mut out, &mut aside);
        let (out, mut aside) = (String::from_utf8(out).unwrap(), String::from_utf8(aside).unwrap());
        for question in person.questions {
            writeln!(aside, "{question} {:?}", self.person).unwrap();
        }
        let mut text = format!("$ {typed}\n{out}");
        for line in aside.lines() {
            writeln!(text, "! {line}").unwrap();
        }
        let orders = self.ordered.take();
        for order in &orders {
            writeln!(text, "> {}", serde_json::to_string(order).unwrap()).unwrap();
        }
        writeln!(text, "exit {code}").unwrap();
        let (questions, slept) = (self.questions.take(), person.slept);
        Played { out, aside, code, orders, questions, slept, text }
    }

    fn run(&self, typed: &str, out: &mut dyn io::Write, aside: &mut dyn io::Write) -> (u8, Person) {
        let line = Line::try_parse_from(shell_words(typed)).unwrap_or_else(|error| panic!("{typed}: {error}"));
        let name = command_name(typed);
        let mut person = Person { now: began(), says: self.person, slept: Vec::new(), questions: Vec::new() };
        let exit = run(
            &line.command.unwrap(),
            &mut Console {
                api: self,
                world: &mut person,
                out,
                aside,
                style: Style::plain(WIDTH_MAX),
                rows: self.rows,
                is_json: line.common.json,
                is_confirmed: line.common.yes,
            },
        );
        let listed = driftless_cli::help::of(&name).unwrap().endings.iter().any(|(ending, _)| *ending == exit);
        assert!(listed, "{typed} ends with {}, which its --help does not list", exit.code());
        (exit.code(), person)
    }
}

impl Played {
    /// The whole result, for a golden file.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl OperatorApi for Stage {
    fn ask(&self, question: &Question) -> Result<Answer, OperatorApiError> {
        self.questions.borrow_mut().push(question.clone());
        if let Question::History { fleet, .. } = question {
            let history = self.history.clone();
            let none = Refusal { cause: RefusalCause::NotFound, says: format!("there is no fleet {fleet}").into() };
            return Ok(history.map_or(Answer::Refused(none), Answer::History));
        }
        let number = self.asked.replace(self.asked.get() + 1);
        let status = self.statuses.get(number).or(self.statuses.last()).unwrap().clone()?;
        let no_fleet = |says: String| Answer::Refused(Refusal { cause: RefusalCause::NotFound, says: says.into() });
        Ok(match question {
            Question::Fleets => Answer::Fleets(summarize([status.clone()], Vec::new(), Vec::new(), status.at)),
            Question::Fleet { fleet } if *fleet == status.fleet => Answer::Fleet(Box::new(status)),
            Question::Fleet { fleet } => no_fleet(format!("there is no fleet {fleet}")),
            Question::Why { subject, .. } => {
                why(&status, subject).map_or_else(|error| no_fleet(error.to_string()), Answer::Why)
            }
            Question::History { .. } => unreachable!("answered above"),
        })
    }

    fn order(&self, order: &Order) -> Result<Reply, OperatorApiError> {
        let mut ordered = self.ordered.borrow_mut();
        ordered.push(order.clone());
        let reply = if let Some(reply) = self.replies.get(ordered.len() - 1).or(self.replies.last()) {
            reply.clone()?
        } else {
            let status = self.statuses.iter().find_map(|status| status.as_ref().ok());
            let (result, says) = answer(&order.action, status);
            command_result(result, &says)
        };
        Ok(match reply {
            Reply::CommandResult(command_result) => {
                Reply::CommandResult(CommandResult { request: order.request.clone(), ..command_result })
            }
            Reply::Refused(refusal) => Reply::Refused(refusal),
        })
    }
}

struct HungUp;

impl io::Write for HungUp {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

struct Person {
    now: Timestamp,
    says: Option<bool>,
    slept: Vec<SignedDuration>,
    questions: Vec<String>,
}

impl World for Person {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn sleep(&mut self, duration: SignedDuration) {
        assert!(self.slept.len() < 10_000, "it never ends");
        self.now += duration;
        self.slept.push(duration);
    }

    fn confirm(&mut self, question: &str) -> Option<bool> {
        self.questions.push(question.to_owned());
        self.says
    }

    fn new_request(&mut self) -> String {
        "request-1".to_owned()
    }
}

/// The command of a line, as `--help` names it.
fn command_name(typed: &str) -> String {
    let matches = Line::command().try_get_matches_from(shell_words(typed)).unwrap();
    matches.subcommand_name().unwrap().to_owned()
}

/// The time of every command.
pub(crate) fn began() -> Timestamp {
    "2026-11-20T12:10:00Z".parse().unwrap()
}

/// A reply of the operator.
pub(crate) fn command_result(result: OrderResult, says: &str) -> Reply {
    let actor = "arn:aws:sts::123456789012:assumed-role/oncall/ana".into();
    Reply::CommandResult(CommandResult { request: "request-1".to_owned(), actor, result, says: says.into() })
}

/// The response of `operator` to a command: the planner's, if the status of the fleet has one, or else the sentence
/// that the planner or the function forms in that state.
fn answer(action: &RequestedAction, status: Option<&FleetStatus>) -> (OrderResult, String) {
    let done = |says: String| (OrderResult::Done, says);
    let not_done = |says: &str| (OrderResult::NotDone, says.to_owned());
    let name = |scope: &FreezeScope| match scope {
        FreezeScope::Account => "everything".to_owned(),
        FreezeScope::Fleet(fleet) => fleet.to_string(),
    };
    let command = match action {
        RequestedAction::Freeze { scope, expires_at } => {
            let ends = expires_at.map_or_else(|| "until it is thawed".to_owned(), |at| format!("until {at:.0}"));
            return done(format!("{} is frozen {ends}: nothing starts, and rollbacks still run", name(scope)));
        }
        RequestedAction::Thaw { scope } => return done(format!("{} continues", name(scope))),
        RequestedAction::Command { command, .. } => command,
    };
    let Some(status) = status else { return done("traffic returns to ami-00000000000000001".to_owned()) };
    if let Some(open) = status.orders.iter().find(|open| open.command == *command) {
        return done(open.answer.to_string());
    }
    let has_traffic = status.cutover.as_ref().is_some_and(|cutover| cutover.phase != "awaiting-approval");
    let ends = if has_traffic { "traffic returns, and then the cutover is undone" } else { "the cutover is undone" };
    match (command, &status.cutover) {
        (Command::Replace { instance }, _) => {
            done(format!("{instance} counts as drifted from now on; the guards decide when"))
        }
        (Command::Veto { image }, Some(cutover)) if cutover.image == *image => done(ends.to_owned()),
        (Command::Veto { image }, _) => done(format!("{image} takes no traffic")),
        (Command::Unveto { image }, _) if status.vetoes.iter().any(|veto| veto.image == *image) => {
            done(format!("{image} may take traffic again"))
        }
        (Command::Unveto { .. }, _) => not_done("it is not vetoed"),
        (Command::Pin, _) => done("every group launches a numbered version already".to_owned()),
        (Command::Retry, _) => not_done("nothing is stopped or deferred"),
        (Command::Rollback, _) => (OrderResult::NotDone, status.rollback_path.says.to_string()),
        (Command::AcceptLive { .. } | Command::Redeploy, Some(_)) => {
            not_done("a cutover is under way: roll it back first")
        }
        (Command::AcceptLive { color }, None) => done(format!("{color:?} counts as live from now on")),
        (Command::Redeploy, None) => match &status.release {
            Some(release) => done(format!("a cutover to {} on fresh instances starts", release.image)),
            None => not_done("the fleet is not adopted yet"),
        },
        (Command::Abort | Command::Reject, Some(_)) => done(ends.to_owned()),
        (Command::Approve, Some(cutover)) => (OrderResult::NotDone, format!("it is {} already", cutover.phase)),
        (Command::Resume, Some(_)) => not_done("it is not paused"),
        (Command::Pause | Command::Promote, Some(cutover)) => {
            (OrderResult::NotDone, format!("it is {}", cutover.phase))
        }
        (
            Command::Abort | Command::Reject | Command::Approve | Command::Resume | Command::Pause | Command::Promote,
            None,
        ) => not_done("no cutover is under way"),
    }
}

/// The connection breaks.
pub(crate) fn lost(function: Function) -> OperatorApiError {
    let why = "io error: client error (SendRequest): connection error: Connection reset by peer (os error 104)";
    OperatorApiError::Lost { function, why: why.to_owned() }
}

/// The function does not respond.
pub(crate) fn unavailable(function: Function) -> OperatorApiError {
    OperatorApiError::Unavailable { function, why: "HTTP 429: Rate Exceeded.".to_owned() }
}

/// The words of a line, as a POSIX shell reads them.
pub(crate) fn shell_words(line: &str) -> Vec<String> {
    let script = format!("set -- {line}\nprintf '%s\\0' \"$@\"");
    let output = process::Command::new("sh").arg("-c").arg(script).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}
