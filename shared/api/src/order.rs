//! Carries out requests that change something: commands, freezes and thaws.

use driftless_planner::fact::{Command, CommandFact, Fact};
use driftless_planner::history::{Change, HistoryEntry};
use driftless_planner::ids::FleetName;
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::record::Answered;
use driftless_planner::request::{FleetRequest, ReconcileRequest};
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::{CallResult, Clock, OperatorApi, RequestQueue, Store};
use driftless_status::request::{CommandResult, Order, OrderResult, Refusal, Reply, RequestedAction};
use jiff::{SignedDuration, Timestamp};

use crate::unavailable;

/// The most characters of an idempotency key. A UUID fits, and a record stays small.
const REQUEST_MAX: usize = 64;

/// The time between two reads of the record while waiting for the response to a command. A reconcile pass takes about a
/// second.
const ASK_AGAIN_AFTER: SignedDuration = SignedDuration::from_millis(400);

/// The sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The identity that AWS verified by the signature of the request.
    Signed(UntrustedText),
    /// A caller whom IAM allowed the call and whom AWS does not name.
    Unverified,
}

impl Caller {
    fn actor(&self) -> UntrustedText {
        match self {
            Self::Signed(arn) => arn.clone(),
            Self::Unverified => "unverified".into(),
        }
    }
}

/// Carries out a request. Waits until `until` for the response to a command; `pause` waits for a given duration.
pub async fn order<P, F>(
    ports: &P,
    order: &Order,
    caller: &Caller,
    until: Timestamp,
    pause: impl Fn(SignedDuration) -> F,
) -> Reply
where
    P: Clock + RequestQueue + Store + OperatorApi,
    F: Future<Output = ()>,
{
    if let Err(refusal) = check(order, ports.now()) {
        return Reply::Refused(refusal);
    }
    let done = match &order.action {
        RequestedAction::Command { fleet, command } => {
            follow(ports, order, caller, (fleet, command), until, pause).await
        }
        RequestedAction::Freeze { scope, expires_at } => freeze(ports, order, caller, scope, *expires_at).await,
        RequestedAction::Thaw { scope } => thaw(ports, order, caller, scope).await,
    };
    done.unwrap_or_else(|error| Reply::Refused(unavailable(&error)))
}

fn check(order: &Order, now: Timestamp) -> Result<(), Refusal> {
    let is_fine = |character: char| character.is_ascii_alphanumeric() || "-_.:/".contains(character);
    if order.request.is_empty() || order.request.len() > REQUEST_MAX || !order.request.chars().all(is_fine) {
        return Err(Refusal::bad_request(format!("request must be 1 to {REQUEST_MAX} letters, digits and -_.:/")));
    }
    let RequestedAction::Freeze { expires_at, .. } = &order.action else { return Ok(()) };
    if order.reason.as_ref().is_none_or(|reason| reason.as_str().is_empty()) {
        return Err(Refusal::bad_request(
            "a freeze needs a reason: it is shown to every operator whom the freeze stops",
        ));
    }
    match expires_at {
        Some(at) if *at <= now => Err(Refusal::bad_request(format!("expires_at is in the past: {at:.0}"))),
        Some(_) | None => Ok(()),
    }
}

async fn follow<P: Clock + RequestQueue + Store, F: Future<Output = ()>>(
    ports: &P,
    order: &Order,
    caller: &Caller,
    (fleet, command): (&FleetName, &Command),
    until: Timestamp,
    pause: impl Fn(SignedDuration) -> F,
) -> CallResult<Reply> {
    let Some(record) = ports.load(fleet).await?.record else {
        let says = format!("there is no fleet {fleet}, or no reconcile pass has read it yet: the next resync does");
        return Ok(Reply::Refused(Refusal::not_found(says)));
    };
    if let Some(answered) = record.answer_to(&order.request) {
        return Ok(command_result_of(order, caller, answered));
    }
    let fact = CommandFact {
        request: order.request.clone(),
        fleet: fleet.clone(),
        actor: caller.actor(),
        at: ports.now(),
        reason: order.reason.clone(),
        cutover: order.cutover.clone(),
        command: command.clone(),
    };
    ports.send(&ReconcileRequest::Fact(Box::new(Fact::Command(fact))), SignedDuration::ZERO).await?;
    while ports.now() + ASK_AGAIN_AFTER < until {
        pause(ASK_AGAIN_AFTER).await;
        let record = ports.load(fleet).await?.record;
        if let Some(answered) = record.as_ref().and_then(|record| record.answer_to(&order.request)) {
            return Ok(command_result_of(order, caller, answered));
        }
    }
    let says = "the command is stored, and the next reconcile pass applies it: the history will say what became of it";
    Ok(command_result(order, caller, OrderResult::Pending, says))
}

async fn freeze<P: Clock + RequestQueue + Store + OperatorApi>(
    ports: &P,
    order: &Order,
    caller: &Caller,
    scope: &FreezeScope,
    expires_at: Option<Timestamp>,
) -> CallResult<Reply> {
    let now = ports.now();
    let (owner, reason) = (caller.actor(), order.reason.clone().unwrap_or_default());
    let freeze = Freeze { reason: reason.clone(), owner, since: now, expires_at, scope: scope.clone() };
    let ends = expires_at.map_or_else(|| "until an operator thaws it".to_owned(), |at| format!("until {at:.0}"));
    let says = format!("{} is frozen {ends}: all changes but rollbacks are paused", name_of(scope));
    ports.freeze(&freeze, &line(caller, now, "freeze", &format!("{says} ({reason})"))).await?;
    request(ports, scope).await?;
    Ok(command_result(order, caller, OrderResult::Done, says))
}

async fn thaw<P: Clock + RequestQueue + Store + OperatorApi>(
    ports: &P,
    order: &Order,
    caller: &Caller,
    scope: &FreezeScope,
) -> CallResult<Reply> {
    let now = ports.now();
    let reason = order.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    let says = format!("{} is no longer frozen", name_of(scope));
    ports.thaw(scope, &line(caller, now, "thaw", &format!("{says}{reason}"))).await?;
    request(ports, scope).await?;
    Ok(command_result(order, caller, OrderResult::Done, says))
}

/// Requests a reconcile pass of the fleet, so that notifications report the freeze or its end within seconds. A freeze
/// of the account is reported after the next resync.
async fn request<P: RequestQueue>(ports: &P, scope: &FreezeScope) -> CallResult<()> {
    match scope {
        FreezeScope::Account => Ok(()),
        FreezeScope::Fleet(fleet) => {
            let request = ReconcileRequest::Reconcile(FleetRequest { fleet: fleet.clone(), due: None });
            ports.send(&request, SignedDuration::ZERO).await
        }
    }
}

fn name_of(scope: &FreezeScope) -> String {
    match scope {
        FreezeScope::Account => "every fleet of the account and region".to_owned(),
        FreezeScope::Fleet(fleet) => fleet.to_string(),
    }
}

fn line(caller: &Caller, at: Timestamp, action: &str, why: &str) -> HistoryEntry {
    HistoryEntry {
        at,
        actor: caller.actor().to_string(),
        change: Change::Command { command: action.to_owned(), is_done: true },
        why: why.into(),
    }
}

fn command_result_of(order: &Order, caller: &Caller, answered: &Answered) -> Reply {
    let result = if answered.is_done { OrderResult::Done } else { OrderResult::NotDone };
    command_result(order, caller, result, answered.answer.clone())
}

fn command_result(order: &Order, caller: &Caller, result: OrderResult, says: impl Into<UntrustedText>) -> Reply {
    Reply::CommandResult(CommandResult {
        request: order.request.clone(),
        actor: caller.actor(),
        result,
        says: says.into(),
    })
}
