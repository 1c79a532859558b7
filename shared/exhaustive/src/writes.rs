//! What each call does to the world: read, compared, written, as the loop does it; refused where AWS refuses.

use std::collections::BTreeMap;

use driftless_planner::action::{Action, ActionResult, Bounds, CapacityChange, Protection, WeightChange};
use driftless_planner::ids::{ImageId, TargetGroupArn};
use driftless_planner::observation::TemplateReference;

use crate::observe::{Names, image_id};
use crate::world::{Life, Pool, World, instance_id, number};

/// Does one action.
pub fn write(world: &mut World, names: &Names, action: &Action) -> ActionResult {
    if world.frozen_since.is_some() && action.is_disruptive() {
        return ActionResult::Frozen;
    }
    if matches!(action, Action::TakeTurn | Action::GiveTurn) {
        if let Some(colors) = &mut world.colors {
            colors.has_turn = *action == Action::TakeTurn;
        }
        return ActionResult::Done;
    }
    let Some(at) = action.group().and_then(|group| names.place(group)) else { return ActionResult::Gone };
    let Some(pool) = world.groups.get_mut(at) else { return ActionResult::Gone };
    match action {
        Action::SetMaximum { expected, maximum, .. } => {
            let result = set_maximum(pool, *expected, *maximum);
            world.balance(at, false);
            result
        }
        Action::SetDesired { expected, desired, .. } => {
            let result = set_desired(pool, *expected, *desired);
            world.balance(at, true);
            result
        }
        Action::Launch { token, .. } => launch(world, at, token),
        Action::Protect { instance, protection, .. } => {
            number(instance).map_or(ActionResult::Gone, |id| protect(pool, id, *protection == Protection::On))
        }
        Action::Terminate { instance, expected_desired, capacity, .. } => {
            number(instance).map_or(ActionResult::Gone, |id| terminate(world, at, id, *expected_desired, *capacity))
        }
        Action::SetMinimum { expected, minimum, .. } => {
            let result = set_minimum(pool, *expected, *minimum);
            world.balance(at, true);
            result
        }
        Action::Empty { expected, maximum, without_traffic, .. } => {
            let without = without_traffic.as_ref().and_then(|arn| names.place_of(arn));
            empty(world, at, *expected, *maximum, without)
        }
        Action::WriteTemplate { image, token, .. } => write_template(world, names, at, image, token),
        Action::SetTemplate { expected, template, .. } => {
            let live = names.version(at, pool.version);
            if live.as_ref() == Some(template) {
                return ActionResult::Done;
            }
            if live.map(TemplateReference::Numbered).as_ref() != Some(expected) {
                return ActionResult::Changed;
            }
            pool.version = template.version;
            ActionResult::Done
        }
        Action::SetWeights { change, gate, .. } => set_weights(world, names, change, gate),
        Action::SetAside { .. }
        | Action::TakeTurn
        | Action::GiveTurn
        | Action::Attach { .. }
        | Action::Detach { .. }
        | Action::StartRefresh { .. }
        | Action::RollBackRefresh { .. } => ActionResult::Unsupported,
    }
}

fn set_desired(pool: &mut Pool, expected: u32, desired: u32) -> ActionResult {
    if pool.desired != expected {
        return ActionResult::Changed;
    }
    if desired > pool.max || desired < pool.min {
        return refused("outside of the group's bounds");
    }
    pool.desired = desired;
    ActionResult::Done
}

fn protect(pool: &mut Pool, id: u32, is_protected: bool) -> ActionResult {
    match pool.servers.iter_mut().find(|server| server.id == id) {
        None => ActionResult::Gone,
        Some(server) if server.is_protected == is_protected => ActionResult::Done,
        Some(server) if server.life != Life::InService => refused("it is not in service"),
        Some(server) => {
            server.is_protected = is_protected;
            ActionResult::Done
        }
    }
}

fn terminate(world: &mut World, at: usize, id: u32, expected_desired: u32, capacity: CapacityChange) -> ActionResult {
    let Some(pool) = world.groups.get(at) else { return ActionResult::Gone };
    match pool.servers.iter().find(|server| server.id == id) {
        None => ActionResult::Gone,
        Some(server) if server.life == Life::Terminating => ActionResult::Gone,
        Some(_) if pool.desired != expected_desired => ActionResult::Changed,
        Some(_) if capacity == CapacityChange::Decrement && pool.desired == pool.min => {
            refused("desired capacity is the minimum")
        }
        Some(_) => {
            world.take(id, capacity == CapacityChange::Decrement);
            ActionResult::Done
        }
    }
}

fn set_minimum(pool: &mut Pool, expected: u32, minimum: u32) -> ActionResult {
    match pool.min {
        live if live == minimum => ActionResult::Done,
        live if live != expected => ActionResult::Changed,
        _ if minimum > pool.max => refused("the minimum is above the maximum"),
        _ => {
            pool.min = minimum;
            pool.desired = pool.desired.max(minimum);
            ActionResult::Done
        }
    }
}

fn empty(world: &mut World, at: usize, expected: Bounds, maximum: u32, without: Option<usize>) -> ActionResult {
    let weights = world.colors.as_ref().map_or([0, 0], |colors| colors.weights);
    let Some(pool) = world.groups.get_mut(at) else { return ActionResult::Gone };
    let live = Bounds { min: pool.min, max: pool.max, desired: pool.desired };
    if live == (Bounds { min: 0, max: maximum, desired: 0 }) {
        return ActionResult::Done;
    }
    if live != expected || without.and_then(|color| weights.get(color)).is_some_and(|weight| *weight > 0) {
        return ActionResult::Changed;
    }
    (pool.min, pool.max, pool.desired) = (0, maximum, 0);
    world.balance(at, false);
    ActionResult::Done
}

/// The same token writes nothing more.
fn write_template(world: &mut World, names: &Names, at: usize, image: &ImageId, token: &str) -> ActionResult {
    let Some(versions) = world.colors.as_mut().and_then(|colors| colors.templates.get_mut(at)) else {
        return ActionResult::Gone;
    };
    let known = versions.iter().position(|(_, known)| known.as_deref() == Some(token));
    let place = known.unwrap_or_else(|| {
        let number = (1..).take(8).find(|number| image_id(*number).as_ref() == Some(image)).unwrap_or_default();
        versions.push((number, Some(token.to_owned())));
        versions.len() - 1
    });
    names.version(at, place as u64 + 1).map_or(ActionResult::Gone, ActionResult::Written)
}

fn set_weights(
    world: &mut World,
    names: &Names,
    change: &WeightChange,
    gate: &BTreeMap<TargetGroupArn, u32>,
) -> ActionResult {
    let Some(live) = names.forward(world) else { return ActionResult::Gone };
    if live.weights == change.weights {
        return ActionResult::Done;
    }
    if live.weights != change.expected {
        return ActionResult::Changed;
    }
    for (arn, needed) in gate {
        let pool = names.place_of(arn).and_then(|at| world.groups.get(at));
        if pool.is_none_or(|pool| pool.serving() < *needed) {
            return ActionResult::Changed;
        }
    }
    for (arn, weight) in &change.weights {
        let slot = names.place_of(arn).zip(world.colors.as_mut());
        if let Some(known) = slot.and_then(|(at, colors)| colors.weights.get_mut(at)) {
            *known = *weight;
        }
    }
    ActionResult::Done
}

fn set_maximum(pool: &mut Pool, expected: u32, maximum: u32) -> ActionResult {
    match pool.max {
        live if live == maximum => ActionResult::Done,
        live if live != expected => ActionResult::Changed,
        _ if maximum < pool.min => refused("the maximum is below the minimum"),
        _ => {
            pool.max = maximum;
            pool.desired = pool.desired.min(maximum);
            ActionResult::Done
        }
    }
}

/// The same token launches nothing more.
fn launch(world: &mut World, at: usize, token: &str) -> ActionResult {
    if let Some(known) = world.launched.get(token) {
        return ActionResult::Launched(instance_id(*known));
    }
    let Some(pool) = world.groups.get_mut(at) else { return ActionResult::Gone };
    if pool.desired >= pool.max {
        return ActionResult::Failed("the maximum is reached".into());
    }
    pool.desired += 1;
    let id = world.spawn(at, true);
    world.launched.insert(token.to_owned(), id);
    ActionResult::Launched(instance_id(id))
}

fn refused(why: &str) -> ActionResult {
    ActionResult::Busy(why.into())
}
