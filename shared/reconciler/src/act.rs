//! Doing what was decided. No choice is left: before each write the live value is read and compared, and a difference
//! ends the attempt, because the decision was made on another world.

use driftless_planner::decision::{Action, ActionResult, Outcome, Protection};
use driftless_planner::ids::FleetName;
use driftless_planner::observation::{Group, Lifecycle};
use driftless_planner::text::ForeignText;
use futures_util::future::join;
use jiff::Timestamp;

use crate::ports::{CallError, CallErrorKind, Called, Launched, Ports};

/// What came of a list of actions.
#[derive(Debug)]
pub struct Acted {
    /// What came of those that were begun.
    pub outcomes: Vec<Outcome>,
    /// Whether the rest is left for want of time.
    pub is_out_of_time: bool,
}

/// Does the actions in their order, until the time is up or one does not come out as decided: what follows was decided
/// on its success.
pub async fn act<P: Ports>(ports: &P, fleet: &FleetName, actions: &[Action], until: Timestamp) -> Acted {
    let mut outcomes = Vec::new();
    for action in actions {
        let live = if ports.now() < until { Some(read(ports, fleet, action).await) } else { None };
        // Reading takes time too, and a write that outlives the lease could meet another holder's.
        let Some(live) = live.filter(|_| ports.now() < until) else {
            tracing::info!(action = action.name(), "out of time, left for the next run");
            return Acted { outcomes, is_out_of_time: true };
        };
        let result = match live {
            Ok(Live::Frozen) => Ok(ActionResult::Frozen),
            Ok(Live::Gone) => Ok(ActionResult::Gone),
            Ok(Live::Here(group)) => write(ports, &group, action).await,
            Err(error) => Err(error),
        };
        let result = result.unwrap_or_else(|error| failed(action, &error));
        tracing::info!(action = action.name(), group = %action.group(), ?result, detail = ?action, "acted");
        let is_as_decided = matches!(result, ActionResult::Done | ActionResult::Launched(_) | ActionResult::Gone);
        outcomes.push(Outcome { action: action.clone(), result });
        if !is_as_decided {
            break;
        }
    }
    Acted { outcomes, is_out_of_time: false }
}

/// What an action meets right before its write.
enum Live {
    Frozen,
    Gone,
    Here(Box<Group>),
}

/// The stop switch is read right before each disruptive write, together with the live values.
async fn read<P: Ports>(ports: &P, fleet: &FleetName, action: &Action) -> Called<Live> {
    let (group, is_frozen) = join(ports.group(action.group()), is_frozen(ports, fleet, action)).await;
    if is_frozen? {
        return Ok(Live::Frozen);
    }
    Ok(group?.map_or(Live::Gone, |group| Live::Here(Box::new(group))))
}

async fn write<P: Ports>(ports: &P, group: &Group, action: &Action) -> Called<ActionResult> {
    match action {
        Action::SetMaximum { expected, maximum, .. } => match group.max {
            live if live == *maximum => Ok(ActionResult::Done),
            live if live != *expected => Ok(ActionResult::Changed),
            _ => ports.set_maximum(&group.name, *maximum).await.map(|()| ActionResult::Done),
        },
        Action::SetDesired { expected, desired, .. } => match group.desired {
            live if live != *expected => Ok(ActionResult::Changed),
            _ => ports.set_desired(&group.name, *desired).await.map(|()| ActionResult::Done),
        },
        Action::Launch { zone, token, .. } => match ports.launch(&group.name, zone, token).await? {
            Launched::Instance(instance) => Ok(ActionResult::Launched(instance)),
            Launched::Failed(message) => Ok(ActionResult::Failed(message)),
        },
        Action::Protect { instance, protection, .. } => match group.member(instance) {
            None => Ok(ActionResult::Gone),
            Some(member) if member.protected == (*protection == Protection::On) => Ok(ActionResult::Done),
            Some(_) => ports.protect(&group.name, instance, *protection).await.map(|()| ActionResult::Done),
        },
        Action::Terminate { instance, expected_desired, capacity, .. } => {
            match group.member(instance).map(|member| &member.lifecycle) {
                None | Some(Lifecycle::Terminating) => Ok(ActionResult::Gone),
                Some(_) if group.desired != *expected_desired => Ok(ActionResult::Changed),
                Some(_) => ports.terminate(instance, *capacity).await.map(|()| ActionResult::Done),
            }
        }
    }
}

async fn is_frozen<P: Ports>(ports: &P, fleet: &FleetName, action: &Action) -> Called<bool> {
    if !action.is_disruptive() {
        return Ok(false);
    }
    let freezes = ports.freezes(fleet).await?;
    Ok(freezes.iter().any(|freeze| freeze.holds(ports.now())))
}

/// What a failed call means for the decision that asked for it.
fn failed(action: &Action, error: &CallError) -> ActionResult {
    tracing::warn!(action = action.name(), %error, "a call did not come out as decided");
    let message = error.message.clone();
    match error.kind {
        CallErrorKind::Gone => ActionResult::Gone,
        CallErrorKind::Denied => ActionResult::Denied(message),
        CallErrorKind::Unsupported => ActionResult::Unsupported,
        // Refused values: bounds or states moved between our read and the write, or AWS cannot launch as asked.
        CallErrorKind::Refused => match action {
            Action::Launch { .. } => ActionResult::Failed(message),
            Action::SetMaximum { .. }
            | Action::SetDesired { .. }
            | Action::Protect { .. }
            | Action::Terminate { .. } => ActionResult::Busy(message),
        },
        CallErrorKind::Busy | CallErrorKind::Throttled | CallErrorKind::Unavailable | CallErrorKind::Unreadable => {
            ActionResult::Busy(ForeignText::from(format!("{}: {message}", error.kind).as_str()))
        }
    }
}
