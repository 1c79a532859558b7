//! Doing what was decided. No choice is left: before each write the live value is read and compared, and a difference
//! ends the attempt, because the decision was made on another world.

use driftless_planner::decision::{Action, ActionResult, Outcome, Protection};
use driftless_planner::ids::FleetName;
use driftless_planner::observation::Lifecycle;
use driftless_planner::text::ForeignText;
use jiff::Timestamp;

use crate::ports::{CallError, CallErrorKind, Called, Launched, Ports};

/// Does the actions in their order, until the time is up or one does not come out as decided: what follows was decided
/// on its success.
pub async fn act<P: Ports>(ports: &P, fleet: &FleetName, actions: &[Action], until: Timestamp) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for action in actions {
        // A write that outlives the lease could meet another holder's.
        if ports.now() >= until {
            tracing::info!(action = action.name(), "out of time, left for the next run");
            break;
        }
        let result = match one(ports, fleet, action).await {
            Ok(result) => result,
            Err(error) => failed(action, &error),
        };
        tracing::info!(action = action.name(), group = %action.group(), ?result, detail = ?action, "acted");
        let is_as_decided = matches!(result, ActionResult::Done | ActionResult::Launched(_) | ActionResult::Gone);
        outcomes.push(Outcome { action: action.clone(), result });
        if !is_as_decided {
            break;
        }
    }
    outcomes
}

async fn one<P: Ports>(ports: &P, fleet: &FleetName, action: &Action) -> Called<ActionResult> {
    // The stop switch is read right before each disruptive write, and together with the live values.
    let (group, is_frozen) = futures_util::future::join(ports.group(action.group()), is_frozen(ports, fleet, action)).await;
    if is_frozen? {
        return Ok(ActionResult::Frozen);
    }
    let Some(group) = group? else { return Ok(ActionResult::Gone) };
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
            Action::SetMaximum { .. } | Action::SetDesired { .. } | Action::Protect { .. } | Action::Terminate { .. } => {
                ActionResult::Busy(message)
            }
        },
        CallErrorKind::Busy | CallErrorKind::Throttled | CallErrorKind::Unavailable | CallErrorKind::Unreadable => {
            ActionResult::Busy(ForeignText::from(format!("{}: {message}", error.kind).as_str()))
        }
    }
}
