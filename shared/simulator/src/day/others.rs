//! What else people do on a day.

use driftless_planner::ids::InstanceId;
use jiff::SignedDuration;

use super::events::{drifted, some_member};
use super::fleet::Names;
use crate::dice::Dice;
use crate::judges::Protected;
use crate::world::World;

/// A person protects an instance, most often one that drifted and that they want to look at: by its tag, with or without
/// an expiry, or from scale-in. After a while they let go of it.
pub(super) fn protect(world: &mut World, names: &Names, dice: &mut Dice) {
    let drifted: Vec<InstanceId> = names.fleet.colors.iter().flat_map(|color| drifted(world, &color.group)).collect();
    let meant = if dice.happens(700_000) { dice.pick(&drifted).cloned() } else { None };
    let Some(instance) = meant.or_else(|| some_member(world, names, dice)) else { return };
    if world.history.protected.contains_key(&instance) {
        return;
    }
    let end = world.now + dice.duration(SignedDuration::from_mins(1), SignedDuration::from_hours(2));
    let way = dice.below(3);
    match way {
        0 => world.cloud.spare(&instance, true),
        1 => world.cloud.tag_protected(&instance, Some("debugging")),
        _ => world.cloud.tag_protected(&instance, Some(&format!("debugging until {end}"))),
    }
    world.note(|| format!("a person: protects {instance} until {end}"));
    let protected = Protected { since: world.now, from_scale_in: way == 0 };
    world.history.protected.insert(instance.clone(), protected);
    world.change_at(end, move |world| let_go(world, &instance));
}

fn let_go(world: &mut World, instance: &InstanceId) {
    let Some(Protected { from_scale_in, .. }) = world.history.protected.remove(instance) else { return };
    if from_scale_in {
        world.cloud.spare(instance, false);
    } else {
        world.cloud.tag_protected(instance, None);
    }
    world.note(|| format!("a person: lets go of {instance}"));
}

/// In the end they let go of everything.
pub(super) fn let_go_of_all(world: &mut World) {
    let protected: Vec<InstanceId> = world.history.protected.keys().cloned().collect();
    for instance in protected {
        let_go(world, &instance);
    }
}
