//! The effect of each call: read, check the shipped precondition, write. A write can return the errors of AWS.

use driftless_planner::action::{Action, ActionResult, CapacityChange, Protection, WeightChange};
use driftless_planner::ids::{ImageId, InstanceId};
use driftless_planner::precondition;

use crate::observe::{Names, image_id};
use crate::world::{Life, Pool, World, instance_id, number};

/// Executes one action as the production loop does.
pub fn write(world: &mut World, names: &Names, action: &Action) -> ActionResult {
    if let Some(result) = precondition(action, &names.live(world, action)).result() {
        return result;
    }
    if matches!(action, Action::TakeSlot | Action::GiveSlot) {
        if let Some(colors) = &mut world.colors {
            colors.has_slot = *action == Action::TakeSlot;
        }
        return ActionResult::Done;
    }
    let Some(at) = action.group().and_then(|group| names.place(group)) else { return ActionResult::Gone };
    call(world, names, at, action)
}

/// The effect of one call on the world.
pub fn call(world: &mut World, names: &Names, at: usize, action: &Action) -> ActionResult {
    let Some(pool) = world.groups.get_mut(at) else { return ActionResult::Gone };
    match action {
        Action::SetMaximum { maximum, .. } => {
            let min = pool.min;
            bound(world, at, min, *maximum)
        }
        Action::SetMinimum { minimum, .. } => {
            let max = pool.max;
            bound(world, at, *minimum, max)
        }
        Action::SetDesired { desired, .. } => set_desired(world, at, *desired),
        Action::Launch { token, .. } => launch(world, at, token),
        Action::Protect { instance, protection, .. } => protect(pool, instance, *protection == Protection::On),
        Action::Terminate { instance, capacity, .. } => terminate(world, at, instance, *capacity),
        Action::ScaleToZero { maximum, .. } => {
            (pool.min, pool.max, pool.desired) = (0, *maximum, 0);
            world.balance(at, false);
            ActionResult::Done
        }
        Action::WriteTemplate { image, token, .. } => write_template(world, names, at, image, token),
        Action::SetTemplate { template, .. } => {
            pool.version = template.version;
            ActionResult::Done
        }
        Action::SetWeights { change, .. } => set_weights(world, names, change),
        Action::EnterStandby { .. }
        | Action::TakeSlot
        | Action::GiveSlot
        | Action::Attach { .. }
        | Action::Detach { .. }
        | Action::StartRefresh { .. }
        | Action::RollBackRefresh { .. } => ActionResult::Unsupported,
    }
}

/// Writes minimum and maximum in one call. A minimum above the desired capacity raises it, and a maximum below the
/// desired capacity lowers it.
fn bound(world: &mut World, at: usize, min: u32, max: u32) -> ActionResult {
    let Some(pool) = world.groups.get_mut(at) else { return ActionResult::Gone };
    if min > max {
        return refused("the minimum is above the maximum");
    }
    let is_raised = pool.min < min;
    (pool.min, pool.max, pool.desired) = (min, max, pool.desired.clamp(min, max));
    world.balance(at, is_raised);
    ActionResult::Done
}

fn set_desired(world: &mut World, at: usize, desired: u32) -> ActionResult {
    let Some(pool) = world.groups.get_mut(at) else { return ActionResult::Gone };
    if desired > pool.max || desired < pool.min {
        return refused("outside of the group's bounds");
    }
    pool.desired = desired;
    world.balance(at, true);
    ActionResult::Done
}

fn protect(pool: &mut Pool, instance: &InstanceId, is_protected: bool) -> ActionResult {
    match pool.servers.iter_mut().find(|server| number(instance) == Some(server.id)) {
        None => ActionResult::Gone,
        Some(server) if server.life != Life::InService => refused("it is not in service"),
        Some(server) => {
            server.is_protected = is_protected;
            ActionResult::Done
        }
    }
}

fn terminate(world: &mut World, at: usize, instance: &InstanceId, capacity: CapacityChange) -> ActionResult {
    let is_lowered = capacity == CapacityChange::Decrement;
    let Some(pool) = world.groups.get(at) else { return ActionResult::Gone };
    match pool.servers.iter().find(|server| number(instance) == Some(server.id)) {
        None => ActionResult::Gone,
        Some(server) if server.life == Life::Terminating => ActionResult::Done,
        Some(_) if is_lowered && pool.desired == pool.min => refused("desired capacity is the minimum"),
        Some(server) => {
            let id = server.id;
            world.take(id, is_lowered);
            ActionResult::Done
        }
    }
}

/// Writes a launch template version. A repeated token writes no second version, and must be for the same image.
fn write_template(world: &mut World, names: &Names, at: usize, image: &ImageId, token: &str) -> ActionResult {
    let Some(versions) = world.colors.as_mut().and_then(|colors| colors.templates.get_mut(at)) else {
        return ActionResult::Gone;
    };
    let known = versions.iter().position(|(_, known)| known.as_deref() == Some(token));
    let number = (1..).take(8).find(|number| image_id(*number).as_ref() == Some(image)).unwrap_or_default();
    if known.and_then(|place| versions.get(place)).is_some_and(|(written, _)| *written != number) {
        return ActionResult::Failed("the token was used for another version".into());
    }
    let place = known.unwrap_or_else(|| {
        versions.push((number, Some(token.to_owned())));
        versions.len() - 1
    });
    names.version(at, place as u64 + 1).map_or(ActionResult::Gone, ActionResult::Written)
}

fn set_weights(world: &mut World, names: &Names, change: &WeightChange) -> ActionResult {
    for (arn, weight) in &change.weights {
        let slot = names.place_of(arn).zip(world.colors.as_mut());
        if let Some(known) = slot.and_then(|(at, colors)| colors.weights.get_mut(at)) {
            *known = *weight;
        }
    }
    ActionResult::Done
}

/// Launches an instance. A repeated token launches no second instance.
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
