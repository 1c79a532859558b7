//! Carries out the actions of a committed decision. The planner has made every choice. Before each write, [`act`] reads
//! the live values; it stops when the planner's [`precondition`] finds that they differ from the values that the
//! decision was based on.

use driftless_planner::action::{Action, ActionResult, Outcome};
use driftless_planner::ids::{FleetName, GroupName, TargetGroupArn};
use driftless_planner::limits::CUTOVERS_MAX;
use driftless_planner::precondition;
use driftless_planner::precondition::{Live, needs};
use driftless_planner::text::UntrustedText;
use futures_util::future::{join, join3, try_join_all};
use jiff::Timestamp;

use crate::ports::{CallError, CallErrorKind, CallResult, Launched, Ports};

/// The outcomes of a list of actions.
#[derive(Debug)]
pub struct Acted {
    /// One outcome for each action that was started.
    pub outcomes: Vec<Outcome>,
    /// Whether the time ran out before the last action was started.
    pub is_out_of_time: bool,
}

/// Carries out the actions in order. It stops when the time is up, or when an action does not have the decided result:
/// the later actions were decided on the assumption that it succeeds.
pub async fn act<P: Ports>(ports: &P, fleet: &FleetName, actions: &[Action], until: Timestamp) -> Acted {
    let mut outcomes = Vec::new();
    for action in actions {
        let live = if ports.now() < until { Some(read(ports, fleet, action).await) } else { None };
        // The read took time too. A write that starts this late could outlive the lease and race the next holder, so
        // the time is checked again and nothing is read between here and the write.
        let Some(live) = live.filter(|_| ports.now() < until) else {
            tracing::info!(event = "action_deferred", action = action.name(), "no time is left: the next run takes it");
            return Acted { outcomes, is_out_of_time: true };
        };
        let result = match live {
            Ok(live) => match precondition(action, &live).result() {
                Some(result) => Ok(result),
                None => write(ports, fleet, action).await,
            },
            Err(error) => Err(error),
        };
        let result = result.unwrap_or_else(|error| refusal(action, &error));
        let (name, group) = (action.name(), action.group().map(GroupName::as_str));
        tracing::info!(event = "action_ended", action = name, group, ?result, detail = ?action, "an action ended");
        let is_as_decided = result.is_as_decided();
        outcomes.push(Outcome { action: action.clone(), result });
        if !is_as_decided {
            break;
        }
    }
    Acted { outcomes, is_out_of_time: false }
}

/// Reads the live values that an action depends on and, for a disruptive action, the freezes at the same moment.
async fn read<P: Ports>(ports: &P, fleet: &FleetName, action: &Action) -> CallResult<Live> {
    let (live, is_frozen) = join(read_live(ports, action), is_frozen(ports, fleet, action)).await;
    if is_frozen? { Ok(Live { is_frozen: true, ..Live::default() }) } else { live }
}

async fn is_frozen<P: Ports>(ports: &P, fleet: &FleetName, action: &Action) -> CallResult<bool> {
    if !action.is_disruptive() {
        return Ok(false);
    }
    let freezes = ports.freezes(fleet).await?;
    Ok(freezes.iter().any(|freeze| freeze.holds(ports.now())))
}

/// Reads the live values that an action depends on, in parallel.
async fn read_live<P: Ports>(ports: &P, action: &Action) -> CallResult<Live> {
    let Some(name) = action.group() else { return Ok(Live::default()) };
    let needs = needs(action);
    let forwards =
        async { if needs.forwards.is_empty() { Ok(Vec::new()) } else { ports.forwards(&needs.forwards).await } };
    let health_of = async |arn: &TargetGroupArn| Ok((arn.clone(), ports.target_health(arn).await?));
    let targets = try_join_all(needs.targets.iter().map(health_of));
    let refresh = async { if needs.refresh { ports.refresh(name).await } else { Ok(None) } };
    let (group, traffic, refresh) = join3(ports.group(name), join(forwards, targets), refresh).await;
    let Some(group) = group? else { return Ok(Live::default()) };
    let (forwards, targets) = (traffic.0?, traffic.1?.into_iter().collect());
    Ok(Live { is_frozen: false, group: Some(group), forwards, targets, refresh: refresh? })
}

/// Makes the one call of an action, to AWS or to the table.
async fn write<P: Ports>(ports: &P, fleet: &FleetName, action: &Action) -> CallResult<ActionResult> {
    match action {
        Action::TakeSlot => {
            let is_taken = ports.take_slot(fleet, CUTOVERS_MAX, ports.now()).await?;
            return Ok(if is_taken { ActionResult::Done } else { ActionResult::NoSlot });
        }
        Action::Launch { group, zone, token, .. } => {
            return Ok(match ports.launch(group, zone, token).await? {
                Launched::Instance(instance) => ActionResult::Launched(instance),
                Launched::Failed(message) => ActionResult::Failed(message),
            });
        }
        Action::WriteTemplate { template, base, image, token, .. } => {
            return ports.write_template(template, base, image, token).await.map(ActionResult::Written);
        }
        Action::StartRefresh { group, plan } => {
            return ports.start_refresh(group, plan).await.map(ActionResult::Started);
        }
        Action::GiveSlot => ports.give_slot(fleet).await,
        Action::SetMaximum { group, maximum, .. } => ports.set_maximum(group, *maximum).await,
        Action::SetMinimum { group, minimum, .. } => ports.set_minimum(group, *minimum).await,
        Action::SetDesired { group, desired, .. } => ports.set_desired(group, *desired).await,
        Action::Protect { group, instance, protection } => ports.protect(group, instance, *protection).await,
        Action::Terminate { instance, capacity, .. } => ports.terminate(instance, *capacity).await,
        Action::EnterStandby { group, instance, capacity, .. } => ports.enter_standby(group, instance, *capacity).await,
        Action::ScaleToZero { group, maximum, .. } => ports.empty(group, *maximum).await,
        Action::SetTemplate { group, template, .. } => ports.set_template(group, template).await,
        Action::SetWeights { change, .. } => ports.set_weights(change).await,
        Action::Attach { group, target_group, api, .. } => ports.attach(group, target_group, *api).await,
        Action::Detach { group, target_group, api, .. } => ports.detach(group, target_group, *api).await,
        Action::RollBackRefresh { group, .. } => ports.roll_back_refresh(group).await,
    }?;
    Ok(ActionResult::Done)
}

/// Maps a failed call to the action result that the planner decides on.
pub fn refusal(action: &Action, error: &CallError) -> ActionResult {
    tracing::warn!(event = "action_failed", action = action.name(), %error, "a call of an action failed");
    let message = error.message.clone();
    match error.kind {
        CallErrorKind::Gone => ActionResult::Gone,
        CallErrorKind::Denied => ActionResult::Denied(message),
        CallErrorKind::Unsupported => ActionResult::Unsupported,
        // AWS refused the values: a bound or a state moved between our read and the write, or AWS cannot launch as
        // requested.
        CallErrorKind::Refused if creates(action) => ActionResult::Failed(message),
        CallErrorKind::Refused => ActionResult::Busy(message),
        CallErrorKind::Busy | CallErrorKind::Throttled | CallErrorKind::Unavailable | CallErrorKind::Unreadable => {
            ActionResult::Busy(UntrustedText::from(format!("{}: {message}", error.kind).as_str()))
        }
    }
}

/// Whether the action asks AWS to create something: an instance, a template version or an instance refresh. When AWS
/// refuses such a request, it also refuses a second attempt with the same values.
const fn creates(action: &Action) -> bool {
    matches!(action, Action::Launch { .. } | Action::WriteTemplate { .. } | Action::StartRefresh { .. })
}
