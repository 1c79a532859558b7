//! Changes that concern cutovers in a run: images, alarms, weights, templates, commands.

use std::collections::BTreeMap;

use driftless_planner::alarm::AlarmState;
use driftless_planner::fact::Command;
use driftless_planner::fleet::Color;
use driftless_planner::ids::ImageId;
use jiff::SignedDuration;

use super::events::some_member;
use super::fleet::{self, Names};
use crate::cloud::Build;
use crate::people;
use crate::rng::Rng;
use crate::world::World;

/// A pipeline publishes an image for the fleet. Most images are newer than all before, and some are faulty.
pub(super) fn publish(world: &mut World, names: &Names, rng: &mut Rng) {
    let Ok(mut image) = fleet::image() else { return };
    let number = world.cloud.image_ids().count() + 1;
    let Ok(id) = format!("ami-{number:017x}").parse() else { return };
    image.id = id;
    image.image_for = Some(names.fleet.fleet.as_str().into());
    image.created_at = world.now;
    image.build = Some(if rng.happens(100_000) { "1".into() } else { number.to_string().as_str().into() });
    let build = match rng.below(100) {
        0..45 => Build::Good,
        45..57 => Build::NeverBoots,
        57..70 => Build::Sick,
        70..85 => Build::FailsUnderLoad(u32::try_from(rng.between(5, 100)).unwrap_or(50)),
        _ => Build::Drifted,
    };
    world.note(|| format!("a pipeline: publishes {}, which is {build:?}", image.id));
    world.cloud.add_image(image, build);
}

/// An alarm goes into ALARM or `INSUFFICIENT_DATA`, once or several times, without a cause in the fleet.
pub(super) fn go_into_alarm(world: &mut World, names: &Names, rng: &mut Rng) {
    let Some(alarm) = rng.pick(&names.alarms).cloned() else { return };
    let times = if rng.happens(300_000) { rng.between(2, 6) } else { 1 };
    let mut at = world.now;
    for _ in 0..times {
        let lasts = rng.duration(SignedDuration::from_secs(30), SignedDuration::from_mins(30))
            / i32::try_from(times).unwrap_or(1);
        let state = if rng.happens(850_000) { AlarmState::Alarm } else { AlarmState::InsufficientData };
        let (raised, quiet) = (alarm.clone(), alarm.clone());
        world.change_at(at, move |world| world.cloud.force_alarm(&raised, Some(state)));
        world.change_at(at + lasts, move |world| world.cloud.force_alarm(&quiet, None));
        at += lasts + lasts;
    }
}

/// The sum of the weights that an operator writes. Driftless never writes weights with this sum, so the sum shows
/// whether an operator wrote the weights.
const THEIRS: u32 = 300;

/// An operator writes weights, and later restores the earlier ones unless they were changed in between.
pub(super) fn write_weights(world: &mut World, names: &Names, rng: &mut Rng) {
    let Some(before) = world.cloud.forwards_now().get(&names.fleet.place).map(|forward| forward.weights.clone()) else {
        return;
    };
    let [one, other] = names.fleet.colors.as_slice() else { return };
    let (Some(one), Some(other)) = (&one.target_group, &other.target_group) else { return };
    if one == other {
        return;
    }
    if before.values().sum::<u32>() == THEIRS {
        // One operator at a time: a second one would later restore the weights of the first.
        return;
    }
    let share = u32::try_from(rng.below(101)).unwrap_or(0);
    let theirs = BTreeMap::from([(one.clone(), 3 * share), (other.clone(), THEIRS - 3 * share)]);
    let end = world.now + rng.duration(SignedDuration::from_secs(20), SignedDuration::from_mins(45));
    people::write_weights(world, &names.fleet.place, theirs.clone());
    let place = names.fleet.place.clone();
    world.change_at(end, move |world| {
        if world.cloud.forwards_now().get(&place).is_some_and(|forward| forward.weights == theirs) {
            people::write_weights(world, &place, before);
        }
    });
}

/// Terraform writes a launch template version with other user data.
pub(super) fn write_template(world: &mut World, names: &Names, rng: &mut Rng) {
    if let Some(color) = rng.pick(&names.fleet.colors) {
        people::write_template(world, &color.group);
    }
}

/// An operator gives a random command at a random moment.
pub(super) fn command(world: &mut World, names: &Names, rng: &mut Rng) {
    let images: Vec<ImageId> = world.cloud.image_ids().cloned().collect();
    let image = rng.pick(&images).cloned();
    let command = match (rng.below(14), image) {
        (0, _) => Command::Pause,
        (1, _) => Command::Resume,
        (2 | 3, _) => Command::Approve,
        (4, _) => Command::Reject,
        (5, _) => Command::Promote,
        (6, _) => Command::Abort,
        (7, _) => Command::Rollback,
        (8, _) => Command::Redeploy,
        (9, Some(image)) => Command::Veto { image },
        (10, Some(image)) => Command::Unveto { image },
        (11, _) => Command::AcceptLive { color: if rng.happens(500_000) { Color::Blue } else { Color::Green } },
        (12, _) => match some_member(world, names, rng) {
            Some(instance) => Command::Replace { instance },
            None => Command::Retry,
        },
        _ => Command::Retry,
    };
    people::tell(world, &names.fleet.fleet, command);
}
