//! Writes that move traffic, or that must not meet any: weights, attachments, and letting a color go. What each depends on
//! is read right before it.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::action::{Action, ActionResult, Bounds, WeightChange};
use driftless_planner::balancer::{AttachmentApi, Forward};
use driftless_planner::ids::{InstanceId, TargetGroupArn};
use driftless_planner::observation::{Group, TargetHealth};
use futures_util::future::{join, try_join_all};

use crate::ports::{Called, Ports};

/// What the load balancers tell of the target groups that an action depends on.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// The forward actions that name one of them.
    forwards: Vec<Forward>,
    /// The targets of those whose health counts.
    targets: BTreeMap<TargetGroupArn, BTreeMap<InstanceId, TargetHealth>>,
}

impl Traffic {
    fn healthy_in(&self, target_group: &TargetGroupArn, counts: impl Fn(&InstanceId) -> bool) -> usize {
        let targets = self.targets.get(target_group).into_iter().flatten();
        targets.filter(|(id, health)| **health == TargetHealth::Healthy && counts(id)).count()
    }
}

/// Reads what an action depends on, all of it together. Most depend on no traffic, and then nothing is read.
pub(crate) async fn read<P: Ports>(ports: &P, action: &Action) -> Called<Traffic> {
    let (forwarded, counted): (BTreeSet<&TargetGroupArn>, BTreeSet<&TargetGroupArn>) = match action {
        Action::SetWeights { change, gate, .. } => (change.weights.keys().collect(), gate.keys().collect()),
        Action::Empty { without_traffic: Some(target_group), .. } => (BTreeSet::from([target_group]), BTreeSet::new()),
        Action::Detach { target_group, .. } => (BTreeSet::new(), BTreeSet::from([target_group])),
        Action::SetMaximum { .. }
        | Action::SetMinimum { .. }
        | Action::SetDesired { .. }
        | Action::Launch { .. }
        | Action::Protect { .. }
        | Action::Terminate { .. }
        | Action::SetAside { .. }
        | Action::Empty { without_traffic: None, .. }
        | Action::WriteTemplate { .. }
        | Action::SetTemplate { .. }
        | Action::Attach { .. }
        | Action::StartRefresh { .. }
        | Action::RollBackRefresh { .. }
        | Action::TakeTurn
        | Action::GiveTurn => (BTreeSet::new(), BTreeSet::new()),
    };
    let forwards = async {
        if forwarded.is_empty() {
            return Ok(Vec::new());
        }
        ports.forwards(&forwarded.into_iter().cloned().collect()).await
    };
    let health_of = async |arn: &TargetGroupArn| Ok((arn.clone(), ports.target_health(arn).await?));
    let (forwards, targets) = join(forwards, try_join_all(counted.into_iter().map(health_of))).await;
    Ok(Traffic { forwards: forwards?, targets: targets?.into_iter().collect() })
}

/// Detaches a color from the target group that both share, unless too few of the other one are healthy in it.
pub(crate) async fn detach<P: Ports>(
    ports: &P,
    group: &Group,
    traffic: &Traffic,
    target_group: &TargetGroupArn,
    api: AttachmentApi,
    others_healthy: u32,
) -> Called<ActionResult> {
    let is_of_others = |id: &InstanceId| group.member(id).is_none();
    if is_fewer(traffic.healthy_in(target_group, is_of_others), others_healthy) {
        return Ok(ActionResult::Changed);
    }
    ports.detach(&group.name, target_group, api).await.map(|()| ActionResult::Done)
}

/// Whether fewer are healthy than must be.
pub(crate) fn is_fewer(healthy: usize, needed: u32) -> bool {
    u32::try_from(healthy).is_ok_and(|healthy| healthy < needed)
}

/// Writes weights, unless the live ones are others than decided on, or too few targets are healthy.
pub(crate) async fn set_weights<P: Ports>(
    ports: &P,
    traffic: &Traffic,
    change: &WeightChange,
    gate: &BTreeMap<TargetGroupArn, u32>,
) -> Called<ActionResult> {
    let Some(live) = traffic.forwards.iter().find(|forward| forward.place == change.place) else {
        return Ok(ActionResult::Gone);
    };
    if live.weights == change.weights && live.stickiness == change.stickiness {
        return Ok(ActionResult::Done);
    }
    if live.weights != change.expected || live.stickiness != change.expected_stickiness {
        return Ok(ActionResult::Changed);
    }
    if gate.iter().any(|(target_group, needed)| is_fewer(traffic.healthy_in(target_group, |_| true), *needed)) {
        return Ok(ActionResult::Changed);
    }
    ports.set_weights(change).await.map(|()| ActionResult::Done)
}

/// Lets a color go, unless it has traffic or other bounds than decided on.
pub(crate) async fn empty<P: Ports>(
    ports: &P,
    group: &Group,
    traffic: &Traffic,
    expected: Bounds,
    maximum: u32,
    without_traffic: Option<&TargetGroupArn>,
) -> Called<ActionResult> {
    let live = Bounds { min: group.min, max: group.max, desired: group.desired };
    if live == (Bounds { min: 0, max: maximum, desired: 0 }) {
        return Ok(ActionResult::Done);
    }
    let has_weight = |target_group: &TargetGroupArn| {
        traffic.forwards.iter().any(|forward| forward.weights.get(target_group).is_some_and(|weight| *weight > 0))
    };
    if live != expected || without_traffic.is_some_and(has_weight) {
        return Ok(ActionResult::Changed);
    }
    ports.empty(&group.name, maximum).await.map(|()| ActionResult::Done)
}
