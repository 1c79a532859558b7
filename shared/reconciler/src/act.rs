//! Doing what was decided. No choice is left: before each write the live value is read and compared, and a difference
//! ends the attempt, because the decision was made on another world.

use driftless_planner::action::{Action, ActionResult, Outcome, Protection};
use driftless_planner::ids::{FleetName, GroupName, RefreshId};
use driftless_planner::limits::CUTOVERS_MAX;
use driftless_planner::observation::{Group, Lifecycle, TemplateReference};
use driftless_planner::refresh::{Refresh, RefreshStatus};
use driftless_planner::text::ForeignText;
use futures_util::future::{join, join3};
use jiff::Timestamp;

use crate::ports::{CallError, CallErrorKind, Called, Launched, Ports};
use crate::traffic::{self, Traffic};

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
        // Reading takes time too, and a write that outlives the lease could meet another holder's. That is why nothing is
        // read between here and the write.
        let Some(live) = live.filter(|_| ports.now() < until) else {
            tracing::info!(action = action.name(), "out of time, left for the next run");
            return Acted { outcomes, is_out_of_time: true };
        };
        let result = match live {
            Ok(Live::Frozen) => Ok(ActionResult::Frozen),
            Ok(Live::Gone) => Ok(ActionResult::Gone),
            Ok(Live::Here(here)) => write(ports, &here, action).await,
            Ok(Live::Turn(turn)) => write_turn(ports, fleet, turn).await,
            Err(error) => Err(error),
        };
        let result = result.unwrap_or_else(|error| failed(action, &error));
        let group = action.group().map(GroupName::as_str);
        tracing::info!(action = action.name(), group, ?result, detail = ?action, "acted");
        let is_as_decided = matches!(
            result,
            ActionResult::Done
                | ActionResult::Launched(_)
                | ActionResult::Written(_)
                | ActionResult::Started(_)
                | ActionResult::Gone
        );
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
    Here(Box<Here>),
    /// It is about no group, but about the turns that all fleets share.
    Turn(Turn),
}

/// Everything that an action about a group compares with what was decided on.
struct Here {
    group: Group,
    traffic: Traffic,
    /// The newest instance refresh, where the action is about one.
    refresh: Option<Refresh>,
}

enum Turn {
    Take,
    Give,
}

/// The stop switch is read right before each disruptive write, together with the live values.
async fn read<P: Ports>(ports: &P, fleet: &FleetName, action: &Action) -> Called<Live> {
    let (live, is_frozen) = join(read_live(ports, action), is_frozen(ports, fleet, action)).await;
    if is_frozen? { Ok(Live::Frozen) } else { live }
}

async fn read_live<P: Ports>(ports: &P, action: &Action) -> Called<Live> {
    let Some(name) = action.group() else {
        return Ok(Live::Turn(if *action == Action::TakeTurn { Turn::Take } else { Turn::Give }));
    };
    let refresh =
        async { if matches!(action, Action::RollBackRefresh { .. }) { ports.refresh(name).await } else { Ok(None) } };
    let (group, traffic, refresh) = join3(ports.group(name), traffic::read(ports, action), refresh).await;
    let Some(group) = group? else { return Ok(Live::Gone) };
    Ok(Live::Here(Box::new(Here { group, traffic: traffic?, refresh: refresh? })))
}

async fn write_turn<P: Ports>(ports: &P, fleet: &FleetName, turn: Turn) -> Called<ActionResult> {
    match turn {
        Turn::Take if ports.take_turn(fleet, CUTOVERS_MAX, ports.now()).await? => Ok(ActionResult::Done),
        Turn::Take => Ok(ActionResult::NoTurn),
        Turn::Give => ports.give_turn(fleet).await.map(|()| ActionResult::Done),
    }
}

async fn write<P: Ports>(ports: &P, here: &Here, action: &Action) -> Called<ActionResult> {
    let Here { group, traffic, refresh } = here;
    let name = &group.name;
    let done = |()| ActionResult::Done;
    match action {
        Action::SetMaximum { expected, maximum, .. } => match group.max {
            live if live == *maximum => Ok(ActionResult::Done),
            live if live != *expected => Ok(ActionResult::Changed),
            _ => ports.set_maximum(name, *maximum).await.map(done),
        },
        Action::SetMinimum { expected, minimum, .. } => match group.min {
            live if live == *minimum => Ok(ActionResult::Done),
            live if live != *expected => Ok(ActionResult::Changed),
            _ => ports.set_minimum(name, *minimum).await.map(done),
        },
        Action::SetDesired { expected, desired, .. } => match group.desired {
            live if live != *expected => Ok(ActionResult::Changed),
            _ => ports.set_desired(name, *desired).await.map(done),
        },
        Action::Launch { zone, token, .. } => match ports.launch(name, zone, token).await? {
            Launched::Instance(instance) => Ok(ActionResult::Launched(instance)),
            Launched::Failed(message) => Ok(ActionResult::Failed(message)),
        },
        Action::Protect { instance, protection, .. } => match group.member(instance) {
            None => Ok(ActionResult::Gone),
            Some(member) if member.protected == (*protection == Protection::On) => Ok(ActionResult::Done),
            Some(_) => ports.protect(name, instance, *protection).await.map(done),
        },
        Action::Terminate { instance, expected_desired, capacity, .. } => {
            match group.member(instance).map(|member| &member.lifecycle) {
                None | Some(Lifecycle::Terminating) => Ok(ActionResult::Gone),
                Some(_) if group.desired != *expected_desired => Ok(ActionResult::Changed),
                Some(_) => ports.terminate(instance, *capacity).await.map(done),
            }
        }
        Action::SetAside { instance, expected_desired, capacity, .. } => {
            match group.member(instance).map(|member| &member.lifecycle) {
                None | Some(Lifecycle::Terminating) => Ok(ActionResult::Gone),
                Some(Lifecycle::Standby) => Ok(ActionResult::Done),
                Some(_) if group.desired != *expected_desired => Ok(ActionResult::Changed),
                Some(_) => ports.set_aside(name, instance, *capacity).await.map(done),
            }
        }
        Action::WriteTemplate { template, base, image, token, .. } => {
            ports.write_template(template, base, image, token).await.map(ActionResult::Written)
        }
        Action::SetTemplate { template, .. } if group.template == TemplateReference::Numbered(template.clone()) => {
            Ok(ActionResult::Done)
        }
        Action::SetTemplate { expected, .. } if group.template != *expected => Ok(ActionResult::Changed),
        Action::SetTemplate { template, .. } => ports.set_template(name, template).await.map(done),
        Action::StartRefresh { plan, .. } => ports.start_refresh(name, plan).await.map(ActionResult::Started),
        Action::RollBackRefresh { refresh: decided, .. } => {
            roll_back_refresh(ports, name, refresh.as_ref(), decided).await
        }
        Action::Empty { expected, maximum, without_traffic, .. } => {
            traffic::empty(ports, group, traffic, *expected, *maximum, without_traffic.as_ref()).await
        }
        Action::SetWeights { change, gate, .. } => traffic::set_weights(ports, traffic, change, gate).await,
        Action::Attach { target_group, .. } if group.target_groups.contains(target_group) => Ok(ActionResult::Done),
        Action::Attach { in_service, .. } if is_fewer_in_service(group, *in_service) => Ok(ActionResult::Changed),
        Action::Attach { target_group, api, .. } => ports.attach(name, target_group, *api).await.map(done),
        Action::Detach { target_group, .. } if !group.target_groups.contains(target_group) => Ok(ActionResult::Done),
        Action::Detach { target_group, api, others_healthy, .. } => {
            traffic::detach(ports, group, traffic, target_group, *api, *others_healthy).await
        }
        // They are about no group, and were not read with one.
        Action::TakeTurn | Action::GiveTurn => Ok(ActionResult::Gone),
    }
}

fn is_fewer_in_service(group: &Group, needed: u32) -> bool {
    let in_service = group.members.iter().filter(|member| member.lifecycle == Lifecycle::InService);
    traffic::is_fewer(in_service.count(), needed)
}

async fn roll_back_refresh<P: Ports>(
    ports: &P,
    group: &GroupName,
    live: Option<&Refresh>,
    decided: &RefreshId,
) -> Called<ActionResult> {
    match live {
        Some(live) if live.id != *decided || !live.status.is_under_way() => Ok(ActionResult::Gone),
        Some(live) if live.status == RefreshStatus::GoingBack => Ok(ActionResult::Done),
        Some(_) => ports.roll_back_refresh(group).await.map(|()| ActionResult::Done),
        None => Ok(ActionResult::Gone),
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
        CallErrorKind::Refused if creates(action) => ActionResult::Failed(message),
        CallErrorKind::Refused => ActionResult::Busy(message),
        CallErrorKind::Busy | CallErrorKind::Throttled | CallErrorKind::Unavailable | CallErrorKind::Unreadable => {
            ActionResult::Busy(ForeignText::from(format!("{}: {message}", error.kind).as_str()))
        }
    }
}

/// Whether it asks AWS for something new: refused once, it is refused again.
const fn creates(action: &Action) -> bool {
    matches!(action, Action::Launch { .. } | Action::WriteTemplate { .. } | Action::StartRefresh { .. })
}
