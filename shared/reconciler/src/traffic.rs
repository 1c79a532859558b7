//! Writes that move traffic, or that must not meet any: weights, attachments, and letting a color go. Each reads right
//! before what it depends on.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::action::{ActionResult, Bounds, WeightChange};
use driftless_planner::balancer::AttachmentApi;
use driftless_planner::ids::{InstanceId, TargetGroupArn};
use driftless_planner::observation::{Group, TargetHealth};
use futures_util::future::try_join_all;

use crate::ports::{Called, Ports};

/// Detaches a color from the target group that both share, unless too few of the other one are healthy in it.
pub(crate) async fn detach<P: Ports>(
    ports: &P,
    group: &Group,
    target_group: &TargetGroupArn,
    api: AttachmentApi,
    others_healthy: u32,
) -> Called<ActionResult> {
    let targets = ports.target_health(target_group).await?;
    let of_others = |id: &InstanceId| group.member(id).is_none();
    let healthy = targets.iter().filter(|(id, health)| of_others(id) && **health == TargetHealth::Healthy).count();
    if is_fewer(healthy, others_healthy) {
        return Ok(ActionResult::Changed);
    }
    ports.detach(&group.name, target_group, api).await.map(|()| ActionResult::Done)
}

/// Whether fewer are healthy than must be.
fn is_fewer(healthy: usize, needed: u32) -> bool {
    u32::try_from(healthy).is_ok_and(|healthy| healthy < needed)
}

/// Writes weights, unless the live ones are others than decided on, or too few targets are healthy.
pub(crate) async fn set_weights<P: Ports>(
    ports: &P,
    change: &WeightChange,
    gate: &BTreeMap<TargetGroupArn, u32>,
) -> Called<ActionResult> {
    let target_groups: BTreeSet<TargetGroupArn> = change.weights.keys().cloned().collect();
    let (forwards, targets) = futures_util::future::join(
        ports.forwards(&target_groups),
        try_join_all(gate.iter().map(async |(arn, needed)| Ok((needed, ports.target_health(arn).await?)))),
    )
    .await;
    let Some(live) = forwards?.into_iter().find(|forward| forward.place == change.place) else {
        return Ok(ActionResult::Gone);
    };
    if live.weights == change.weights && live.stickiness == change.stickiness {
        return Ok(ActionResult::Done);
    }
    if live.weights != change.expected || live.stickiness != change.expected_stickiness {
        return Ok(ActionResult::Changed);
    }
    for (needed, targets) in targets? {
        let healthy = targets.values().filter(|health| **health == TargetHealth::Healthy).count();
        if is_fewer(healthy, *needed) {
            return Ok(ActionResult::Changed);
        }
    }
    ports.set_weights(change).await.map(|()| ActionResult::Done)
}

/// Lets a color go, unless it has traffic or other bounds than decided on.
pub(crate) async fn empty<P: Ports>(
    ports: &P,
    group: &Group,
    expected: Bounds,
    maximum: u32,
    without_traffic: Option<&TargetGroupArn>,
) -> Called<ActionResult> {
    let live = Bounds { min: group.min, max: group.max, desired: group.desired };
    if live == (Bounds { min: 0, max: maximum, desired: 0 }) {
        return Ok(ActionResult::Done);
    }
    if live != expected {
        return Ok(ActionResult::Changed);
    }
    if let Some(target_group) = without_traffic {
        let forwards = ports.forwards(&BTreeSet::from([target_group.clone()])).await?;
        if forwards.iter().any(|forward| forward.weights.get(target_group).is_some_and(|weight| *weight > 0)) {
            return Ok(ActionResult::Changed);
        }
    }
    ports.empty(&group.name, maximum).await.map(|()| ActionResult::Done)
}
