//! Rules of AWS that matter for a cutover: unknown health, load on the new color, weights that are all 0, and the
//! attribution of failed requests.

use std::collections::BTreeMap;

use driftless_planner::action::{CapacityChange, WeightChange};
use driftless_planner::balancer::AttachmentApi;
use driftless_planner::ids::TargetGroupArn;
use driftless_planner::observation::TargetHealth;
use driftless_planner::refresh::{RefreshPlan, RefreshStatus};
use driftless_planner::template::{TemplateContent, TemplateReference};
use driftless_simulator::cloud::{Actor, Attribution, Build, Cloud, FailureCause, Life};
use jiff::SignedDuration;

use crate::cloud::{after, cloud, group, image, image_id, listener, members, mins, target_group, version, zone};

fn weights(blue: u32, green: u32) -> BTreeMap<TargetGroupArn, u32> {
    BTreeMap::from([(target_group("blue"), blue), (target_group("green"), green)])
}

/// Publishes image 2 and template version 2 with this behavior.
fn publish(cloud: &mut Cloud, build: Build) {
    cloud.add_image(image(2), build);
    let content = TemplateContent { image: Some(image_id(2)), written_for: None, settings: BTreeMap::new() };
    cloud.add_template(&version(2), content);
}

#[test]
fn what_no_listener_checks_or_what_was_never_registered_is_not_unhealthy() {
    let mut unused = cloud(3);
    unused.edit_group(&group(), |group| group.target_groups.push(target_group("green")));
    unused.edit_forward(&listener(), |forward| {
        forward.weights.remove(&target_group("green"));
    });
    after(&mut unused, mins(10));
    assert_eq!(unused.endings().len(), 0, "it is not registered in one of its target groups");
    unused.edit_group(&group(), |group| {
        group.target_groups.pop();
    });
    unused.attach(&group(), &target_group("green"), AttachmentApi::TargetGroups).unwrap();
    after(&mut unused, mins(10));
    assert_eq!(unused.endings().len(), 0, "nobody checks it");
}

#[test]
fn an_unhealthy_instance_stays_while_terminate_is_suspended_and_goes_afterwards() {
    let mut cloud = cloud(3);
    cloud.edit_group(&group(), |group| {
        group.suspended.insert("Terminate".to_owned());
    });
    let first = members(&cloud).remove(0);
    cloud.break_instance(&first, true);
    after(&mut cloud, mins(30));
    assert_eq!(cloud.instances()[&first].life, Life::InService);
    cloud.edit_group(&group(), |group| group.suspended.clear());
    after(&mut cloud, mins(10));
    assert_eq!(cloud.instances()[&first].life, Life::Gone);
}

#[test]
fn an_image_that_fails_under_load_fails_in_what_comes_later_too() {
    let mut cloud = cloud(2);
    publish(&mut cloud, Build::FailsUnderLoad(50));
    cloud.set_template(&group(), &version(2)).unwrap();
    cloud.edit_group(&group(), |group| group.elb_health = false);
    cloud.launch(&group(), &zone('a'), "one").unwrap();
    cloud.launch(&group(), &zone('a'), "two").unwrap();
    after(&mut cloud, mins(10));
    let failing = cloud.instances().values().filter(|known| !known.answers).count();
    assert_eq!(failing, 2, "half of the targets have half of the traffic");
}

#[test]
fn in_a_shared_target_group_load_is_the_share_of_the_targets() {
    let mut cloud = cloud(3);
    publish(&mut cloud, Build::FailsUnderLoad(50));
    cloud.set_template(&group(), &version(2)).unwrap();
    cloud.edit_group(&group(), |group| group.elb_health = false);
    cloud.launch(&group(), &zone('a'), "one").unwrap();
    after(&mut cloud, mins(10));
    let failing = |cloud: &Cloud| {
        cloud.instances().values().filter(|known| known.life == Life::InService && !known.answers).count()
    };
    assert_eq!(failing(&cloud), 0, "one of four");
    for id in members(&cloud).into_iter().take(2) {
        cloud.terminate(&id, CapacityChange::Decrement).unwrap();
    }
    after(&mut cloud, mins(10));
    assert_eq!(failing(&cloud), 1, "one of two");
}

#[test]
fn weights_that_are_all_zero_answer_503_to_everyone() {
    let mut cloud = cloud(2);
    cloud.edit_forward(&listener(), |forward| forward.weights = weights(0, 0));
    after(&mut cloud, SignedDuration::from_secs(10));
    assert_eq!(cloud.traffic().failed(), 100);
    let failed = &cloud.traffic().failed_thousandths;
    let causes: Vec<_> = failed.iter().filter(|(_, count)| **count > 0).map(|((_, cause), _)| cause.clone()).collect();
    assert_eq!(causes, [FailureCause::NoWeight]);
}

#[test]
fn targets_are_checked_from_the_moment_a_forward_names_their_target_group() {
    let mut cloud = cloud(2);
    let blue = |cloud: &mut Cloud| cloud.target_health(&target_group("blue")).unwrap();
    cloud.edit_forward(&listener(), |forward| {
        forward.weights.remove(&target_group("blue"));
    });
    assert!(blue(&mut cloud).values().all(|health| *health == TargetHealth::Unused));
    let change = WeightChange {
        place: listener(),
        expected: BTreeMap::from([(target_group("green"), 0)]),
        weights: weights(100, 0),
        expected_stickiness: None,
        stickiness: None,
    };
    cloud.set_weights(&change).unwrap();
    assert!(blue(&mut cloud).values().all(|health| *health == TargetHealth::Initial));
    after(&mut cloud, SignedDuration::from_secs(20));
    assert!(blue(&mut cloud).values().all(|health| *health == TargetHealth::Healthy));
}

#[test]
fn a_scale_in_is_attributed_to_the_actor_that_lowered_the_capacity() {
    let by = |cloud: &mut Cloud| {
        after(cloud, mins(2));
        cloud.endings().iter().map(|ending| ending.by).collect::<Vec<_>>()
    };
    let mut wanted = cloud(3);
    wanted.set_desired(&group(), 2).unwrap();
    assert_eq!(by(&mut wanted), [Actor::Driftless]);
    let mut emptied = cloud(2);
    emptied.empty(&group(), 0).unwrap();
    assert_eq!(by(&mut emptied), [Actor::Driftless, Actor::Driftless]);
    let mut edited = cloud(3);
    edited.edit_group(&group(), |group| group.desired = 2);
    assert_eq!(by(&mut edited), [Actor::Person]);
}

#[test]
fn a_group_has_the_template_of_a_refresh_only_when_it_has_succeeded() {
    let mut cloud = cloud(2);
    publish(&mut cloud, Build::Good);
    let plan =
        RefreshPlan { template: version(2), min_healthy: 90.try_into().unwrap(), alarms: Vec::new(), bake: mins(2) };
    cloud.start_refresh(&group(), &plan).unwrap();
    let template = |cloud: &mut Cloud| cloud.group(&group()).unwrap().unwrap().template;
    while cloud.refresh(&group()).unwrap().unwrap().status != RefreshStatus::Successful {
        assert_eq!(template(&mut cloud), TemplateReference::Numbered(version(1)));
        after(&mut cloud, SignedDuration::from_secs(10));
    }
    assert_eq!(template(&mut cloud), TemplateReference::Numbered(version(2)));
    assert!(cloud.members(&group()).all(|member| member.image == image_id(2)));
}

/// Failed requests of an actor, in whole requests.
fn failed_by(cloud: &Cloud, attribution: Attribution) -> u128 {
    cloud.traffic().failed_by.get(&attribution).copied().unwrap_or(0) / 1_000
}

#[test]
fn the_actor_that_removes_the_last_responding_target_is_responsible_for_failed_requests() {
    let mut cloud = cloud(2);
    cloud.edit_group(&group(), |group| (group.min, group.max) = (0, 4));
    let [one, other] = &members(&cloud)[..] else { panic!() };
    cloud.terminate(one, CapacityChange::Decrement).unwrap();
    after(&mut cloud, SignedDuration::from_secs(30));
    assert_eq!(cloud.traffic().failed(), 0);
    cloud.terminate(other, CapacityChange::Decrement).unwrap();
    after(&mut cloud, SignedDuration::from_secs(30));
    assert_eq!((failed_by(&cloud, Attribution::Driftless), cloud.traffic().failed()), (300, 300));
}

#[test]
fn what_breaks_by_itself_is_nobodys_doing_even_where_the_rest_is_taken_at_that_moment() {
    // The load balancer needs 20 s to report the target as unhealthy, and a writer needs 8 s to see that.
    for (later, by_driftless) in [(7, false), (27, false), (28, true)] {
        let mut cloud = cloud(2);
        cloud.edit_group(&group(), |group| group.elb_health = false);
        let [one, other] = &members(&cloud)[..] else { panic!() };
        cloud.break_instance(one, false);
        after(&mut cloud, SignedDuration::from_secs(later));
        cloud.terminate(other, CapacityChange::Keep).unwrap();
        after(&mut cloud, SignedDuration::from_secs(30));
        assert_eq!(failed_by(&cloud, Attribution::Driftless) > 0, by_driftless, "{later} s later");
        assert!(failed_by(&cloud, Attribution::Fault) > 0);
    }
}

#[test]
fn the_actor_that_gives_weight_to_an_empty_target_group_is_responsible_for_failed_requests() {
    let weights = BTreeMap::from([(target_group("blue"), 50), (target_group("green"), 50)]);
    let mut by_person = cloud(2);
    by_person.edit_forward(&listener(), |forward| forward.weights.clone_from(&weights));
    let mut by_us = cloud(2);
    let expected = by_us.forwards_now()[&listener()].weights.clone();
    let change = WeightChange { place: listener(), expected, weights, expected_stickiness: None, stickiness: None };
    by_us.set_weights(&change).unwrap();
    for (mut cloud, attribution) in [(by_person, Attribution::Person), (by_us, Attribution::Driftless)] {
        after(&mut cloud, SignedDuration::from_secs(30));
        assert_eq!((failed_by(&cloud, attribution), cloud.traffic().failed()), (150, 150));
    }
}

#[test]
fn the_actor_that_sets_all_weights_to_zero_is_responsible_for_failed_requests() {
    let mut cloud = cloud(2);
    cloud.edit_forward(&listener(), |forward| forward.weights.values_mut().for_each(|weight| *weight = 0));
    after(&mut cloud, SignedDuration::from_secs(30));
    assert_eq!((failed_by(&cloud, Attribution::Person), cloud.traffic().failed()), (300, 300));
}
