//! Tests of the invariant checkers: each reports its violation, and accepts the correct case.

use std::collections::BTreeMap;

use driftless_planner::action::{CapacityChange, WeightChange};
use driftless_planner::ids::{GroupName, InstanceId};
use driftless_simulator::aws_writes::AwsWrite;
use driftless_simulator::faults::Rates;
use driftless_simulator::invariants::Protected;
use driftless_simulator::invariants::admission::Pass;
use driftless_simulator::invariants::safety::before;
use driftless_simulator::rng::Rng;
use driftless_simulator::world::World;
use jiff::SignedDuration;

use crate::cloud::{after, cloud, group, listener, members, mins, target_group, version, zone};

fn green() -> GroupName {
    "app-green".parse().unwrap()
}

/// Blue with three instances and all traffic, and green with `size` instances. Blue was live first.
fn world(size: u32) -> World {
    let mut cloud = cloud(3);
    let tags = BTreeMap::from([("driftless:fleet".to_owned(), "app".to_owned())]);
    cloud.add_group(&green(), tags, version(1), vec![zone('a')]);
    cloud.edit_group(&green(), |group| {
        (group.max, group.desired) = (size, size);
        group.target_groups = vec![target_group("green")];
    });
    after(&mut cloud, mins(10));
    let mut world = World::new(cloud.now(), cloud, Rng::new(1), Rates::none());
    world.history.homes.insert(group());
    world
}

#[test]
fn an_instance_that_an_operator_protects_stays_until_the_protection_ends() {
    let mut world = world(0);
    let [drifted, other, third] = &members(&world.cloud)[..] else { panic!() };
    world.history.drifted.insert(drifted.clone(), world.now);
    world.aws_writes.launched.insert(third.clone(), world.now);
    world.cloud.edit_group(&group(), |group| {
        group.tags.insert("driftless:min-healthy".to_owned(), "50%".to_owned());
    });
    let terminate = |instance: &InstanceId| {
        let (instance, capacity) = (instance.clone(), CapacityChange::Keep);
        AwsWrite::Terminate { instance, capacity }
    };
    assert_eq!(rule(&world, &terminate(drifted)), None);
    let broken = Some("what people protect stays");
    let protected_at = world.now;
    let protect = |world: &mut World, instance: &InstanceId, from_scale_in: bool| {
        let protected = Protected { since: protected_at, from_scale_in };
        world.history.protected.insert(instance.clone(), protected);
    };
    protect(&mut world, drifted, true);
    world.cloud.spare(drifted, true);
    assert_eq!(rule(&world, &terminate(drifted)), None, "it came just now");
    world.now = protected_at + SignedDuration::from_secs(8);
    assert_eq!(rule(&world, &terminate(drifted)), broken);
    world.cloud.spare(third, true);
    assert_eq!(rule(&world, &terminate(third)), None, "what Driftless protects itself");
    let reconcile = Pass { groups: protected_at - SignedDuration::from_millis(1), table: world.now };
    world.history.passes.insert((1, "app".parse().unwrap()), reconcile);
    assert_eq!(rule(&world, &terminate(drifted)), None, "it came after the look");
    world.history.passes.clear();
    world.cloud.spare(other, true);
    assert_eq!(rule(&world, &terminate(drifted)), None, "all of the group are protected");
    for (tag, verdict) in [
        ("debugging".to_owned(), broken),
        (format!("debugging until {}", world.now + SignedDuration::from_secs(2)), broken),
        (format!("debugging until {}", world.now), None),
    ] {
        for instance in [drifted, third] {
            protect(&mut world, instance, false);
            world.cloud.tag_protected(instance, Some(&tag));
            assert_eq!(rule(&world, &terminate(instance)), verdict, "{tag}");
        }
    }
}

fn weights(world: &World, blue: u32, green: u32) -> AwsWrite {
    let forward = &world.cloud.forwards_now()[&listener()];
    AwsWrite::Weights(WeightChange {
        place: listener(),
        expected: forward.weights.clone(),
        weights: BTreeMap::from([(target_group("blue"), blue), (target_group("green"), green)]),
        expected_stickiness: None,
        stickiness: None,
    })
}

fn rule(world: &World, aws_write: &AwsWrite) -> Option<&'static str> {
    before(world, 1, aws_write).err().map(|violation| violation.rule)
}

#[test]
fn weight_goes_to_a_color_at_its_minimum_and_not_just_under_it() {
    for (size, broken) in [
        (0, Some("no request fails by our doing")),
        (2, Some("traffic goes only to a color at its minimum healthy")),
        (3, None),
        (4, None),
    ] {
        let world = world(size);
        assert_eq!(rule(&world, &weights(&world, 90, 10)), broken, "{size}");
    }
}

#[test]
fn weight_goes_back_to_the_old_color_as_long_as_one_of_it_serves() {
    let mut world = world(3);
    world.cloud.edit_forward(&listener(), |forward| {
        forward.weights = BTreeMap::from([(target_group("blue"), 0), (target_group("green"), 100)]);
    });
    let ids: Vec<_> = world.cloud.members(&group()).map(|member| member.id.clone()).collect();
    world.cloud.edit_group(&group(), |group| group.elb_health = false);
    for (broken, id) in ids.iter().enumerate() {
        assert_eq!(rule(&world, &weights(&world, 100, 0)), None, "{broken} broken");
        world.cloud.break_instance(id, false);
        world.now += SignedDuration::from_secs(60);
        let now = world.now;
        world.cloud.advance(now);
    }
    assert_eq!(rule(&world, &weights(&world, 100, 0)), Some("no request fails by our doing"));
}

#[test]
fn a_color_with_traffic_is_not_scaled_to_zero_and_nor_is_the_last_that_serves() {
    let alone = world(0);
    assert_eq!(
        rule(&alone, &AwsWrite::ScaleToZero { group: group() }),
        Some("a color with traffic is not scaled to zero")
    );
    assert_eq!(rule(&alone, &AwsWrite::ScaleToZero { group: green() }), None);
    let mut bare = world(0);
    bare.cloud.edit_forward(&listener(), |forward| forward.weights.clear());
    bare.cloud.edit_group(&group(), |group| group.target_groups.clear());
    assert_eq!(
        rule(&bare, &AwsWrite::ScaleToZero { group: group() }),
        Some("the last healthy color is not scaled to zero")
    );
}

#[test]
fn a_color_is_detached_only_from_a_target_group_that_others_carry() {
    let detach = |name: &GroupName| AwsWrite::Detach { group: name.clone(), target_group: target_group("blue") };
    let mut shared = world(0);
    let broken = Some("a color is detached only when others are healthy");
    assert_eq!(rule(&shared, &detach(&group())), broken);
    shared.cloud.edit_group(&green(), |group| {
        (group.max, group.desired) = (3, 3);
        group.target_groups = vec![target_group("blue")];
    });
    assert_eq!(rule(&shared, &detach(&group())), broken, "they are not up yet");
    shared.now += mins(10);
    let now = shared.now;
    shared.cloud.advance(now);
    assert_eq!(rule(&shared, &detach(&group())), None);
    assert_eq!(rule(&shared, &detach(&green())), None);
}
