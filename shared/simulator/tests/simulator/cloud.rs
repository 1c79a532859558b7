//! The simulated AWS behaves as our notes on AWS say.

use std::collections::BTreeMap;

use driftless_planner::action::{CapacityChange, Protection, WeightChange};
use driftless_planner::alarm::{AlarmState, AlarmSubject};
use driftless_planner::balancer::{ForwardPlace, TargetGroupSettings};
use driftless_planner::fact::ComplianceType;
use driftless_planner::ids::{GroupName, InstanceId, RuleName, Zone};
use driftless_planner::observation::TargetHealth;
use driftless_planner::refresh::{RefreshPlan, RefreshStatus};
use driftless_planner::template::TemplateContent;
use driftless_reconciler::ports::{CallErrorKind, Launched};
use driftless_simulator::cloud::{Actor, Build, Cloud, CloudEvent, Life};
use driftless_simulator::rng::Rng;
pub(crate) use driftless_testkit::{image, image_id, mins, t0 as start, target_group, version};
use jiff::SignedDuration;

pub(crate) fn zone(letter: char) -> Zone {
    format!("eu-central-1{letter}").parse().unwrap()
}

pub(crate) fn listener() -> ForwardPlace {
    let arn =
        "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2";
    ForwardPlace::Listener(arn.parse().unwrap())
}

pub(crate) fn group() -> GroupName {
    "app-blue".parse().unwrap()
}

pub(crate) fn rule() -> RuleName {
    "sg-closed".parse().unwrap()
}

/// A group of `size` healthy instances behind a target group with all traffic.
pub(crate) fn cloud(size: u32) -> Cloud {
    let mut cloud = Cloud::new(Rng::new(7), start());
    cloud.add_image(image(1), Build::Good);
    let content = TemplateContent { image: Some(image_id(1)), written_for: None, settings: BTreeMap::new() };
    cloud.add_template(&version(1), content);
    let settings = TargetGroupSettings {
        stickiness: None,
        deregistration_delay: SignedDuration::from_secs(60),
        slow_start: SignedDuration::ZERO,
    };
    for name in ["blue", "green"] {
        cloud.add_target_group(&target_group(name), settings, SignedDuration::from_secs(20));
    }
    cloud.add_forward(&listener(), [(target_group("blue"), 100), (target_group("green"), 0)].into(), 0);
    cloud.add_rule(&rule(), mins(3));
    let tags = BTreeMap::from([("driftless:fleet".to_owned(), "app".to_owned())]);
    cloud.add_group(&group(), tags, version(1), vec![zone('a'), zone('b')]);
    cloud.edit_group(&group(), |group| {
        (group.min, group.max, group.desired) = (1, size + 2, size);
        group.target_groups = vec![target_group("blue")];
    });
    cloud.advance(start() + mins(10));
    assert_eq!(cloud.serving_in(&group()), size);
    cloud.edit_forward(&listener(), |forward| forward.rate = 10);
    cloud.drain_events();
    cloud
}

pub(crate) fn after(cloud: &mut Cloud, span: SignedDuration) {
    let at = cloud.now() + span;
    cloud.advance(at);
}

pub(crate) fn members(cloud: &Cloud) -> Vec<InstanceId> {
    cloud.members(&group()).map(|member| member.id.clone()).collect()
}

#[test]
fn one_seed_is_one_history() {
    let history = |seed| {
        let mut cloud = Cloud::new(Rng::new(seed), start());
        cloud.add_image(image(1), Build::Good);
        let content = TemplateContent { image: Some(image_id(1)), written_for: None, settings: BTreeMap::new() };
        cloud.add_template(&version(1), content);
        cloud.add_group(&group(), BTreeMap::new(), version(1), vec![zone('a')]);
        cloud.edit_group(&group(), |group| (group.max, group.desired) = (5, 5));
        cloud.advance(start() + mins(10));
        format!("{:?}", cloud.instances())
    };
    assert_eq!(history(1), history(1));
    assert_ne!(history(1), history(2));
}

#[test]
fn a_terminated_instance_is_replaced_unless_capacity_goes_with_it() {
    for (capacity, desired) in [(CapacityChange::Keep, 3), (CapacityChange::Decrement, 2)] {
        let mut cloud = cloud(3);
        let first = members(&cloud).remove(0);
        cloud.terminate(&first, capacity).unwrap();
        after(&mut cloud, mins(10));
        assert_eq!(members(&cloud).len(), desired, "{capacity:?}");
        assert_eq!(cloud.serving_in(&group()), u32::try_from(desired).unwrap());
        assert_eq!(cloud.endings()[0].by, Actor::Driftless);
        assert_eq!(cloud.traffic().failed(), 0, "it was drained first");
    }
}

#[test]
fn without_room_in_its_zone_a_launch_fails_and_auto_scaling_goes_elsewhere() {
    let mut cloud = cloud(3);
    cloud.set_short(&zone('a'), true);
    let Launched::Failed(message) = cloud.launch(&group(), &zone('a'), "one").unwrap() else { panic!("launched") };
    assert!(message.as_str().contains("sufficient"), "{message}");
    cloud.set_desired(&group(), 5).unwrap();
    after(&mut cloud, mins(5));
    assert_eq!(cloud.serving_in(&group()), 5);
    cloud.set_short(&zone('b'), true);
    let first = members(&cloud).remove(0);
    cloud.terminate(&first, CapacityChange::Keep).unwrap();
    after(&mut cloud, mins(10));
    assert_eq!(cloud.serving_in(&group()), 4);
    assert!(cloud.launch_failure(&group()).unwrap().is_some());
    cloud.set_short(&zone('b'), false);
    after(&mut cloud, mins(20));
    assert_eq!(cloud.serving_in(&group()), 5, "it is tried again");
}

#[test]
fn only_instances_in_service_can_be_protected_and_protection_stops_scale_in_alone() {
    let mut cloud = cloud(3);
    let Launched::Instance(pending) = cloud.launch(&group(), &zone('a'), "one").unwrap() else { panic!("failed") };
    assert_eq!(cloud.protect(&group(), &pending, Protection::On).unwrap_err().kind, CallErrorKind::Refused);
    after(&mut cloud, mins(3));
    for id in members(&cloud) {
        cloud.protect(&group(), &id, Protection::On).unwrap();
    }
    cloud.set_desired(&group(), 1).unwrap();
    after(&mut cloud, mins(5));
    assert_eq!(members(&cloud).len(), 4, "nobody is taken");
    cloud.terminate(&pending, CapacityChange::Decrement).unwrap_err();
    cloud.terminate(&pending, CapacityChange::Keep).unwrap();
    after(&mut cloud, mins(5));
    assert_eq!(cloud.instances()[&pending].life, Life::Gone);
}

#[test]
fn an_unhealthy_instance_is_replaced_after_its_grace_and_protection_does_not_help() {
    let mut cloud = cloud(3);
    let first = members(&cloud).remove(0);
    cloud.protect(&group(), &first, Protection::On).unwrap();
    cloud.break_instance(&first, true);
    after(&mut cloud, mins(10));
    assert_eq!(cloud.instances()[&first].life, Life::Gone);
    assert_eq!((cloud.endings()[0].by, cloud.serving_in(&group())), (Actor::AutoScaling, 3));
    let failed = cloud.traffic().failed();
    assert!(failed > 0 && failed < 200, "until its health checks noticed: {failed}");
}

#[test]
fn an_image_that_never_boots_is_launched_again_and_again() {
    let mut cloud = cloud(3);
    cloud.add_image(image(2), Build::NeverBoots);
    let content = TemplateContent { image: Some(image_id(2)), written_for: None, settings: BTreeMap::new() };
    cloud.add_template(&version(2), content);
    cloud.set_template(&group(), &version(2)).unwrap();
    cloud.set_desired(&group(), 4).unwrap();
    after(&mut cloud, mins(30));
    let lost = cloud.endings().iter().filter(|ending| !ending.served).count();
    assert!(lost >= 3, "{lost}");
    assert_eq!(cloud.serving_in(&group()), 3);
}

#[test]
fn weight_on_an_empty_target_group_answers_503() {
    let mut cloud = cloud(3);
    let weights = |green: u32| BTreeMap::from([(target_group("blue"), 100 - green), (target_group("green"), green)]);
    let change = WeightChange {
        place: listener(),
        expected: weights(0),
        weights: weights(50),
        expected_stickiness: None,
        stickiness: None,
    };
    cloud.set_weights(&change).unwrap();
    cloud.set_weights(&change).unwrap();
    let late = WeightChange { weights: weights(10), ..change };
    assert_eq!(cloud.set_weights(&late).unwrap_err().kind, CallErrorKind::Refused, "the weights are others by now");
    let before = cloud.traffic().failed();
    after(&mut cloud, SignedDuration::from_secs(100));
    assert_eq!(cloud.traffic().failed() - before, 500, "half of ten a second");
}

#[test]
fn with_no_healthy_target_all_get_requests() {
    let mut cloud = cloud(2);
    cloud.edit_group(&group(), |group| group.elb_health = false);
    for id in members(&cloud) {
        cloud.break_instance(&id, false);
    }
    after(&mut cloud, SignedDuration::from_secs(30));
    let health = cloud.target_health(&target_group("blue")).unwrap();
    assert!(health.values().all(|health| matches!(health, TargetHealth::Unhealthy(_))), "{health:?}");
    assert_eq!(cloud.traffic().failed(), 300, "every one since they broke");
}

#[test]
fn what_is_attached_as_a_traffic_source_is_not_detached_as_a_target_group() {
    let mut cloud = cloud(2);
    let api = driftless_planner::balancer::AttachmentApi::TrafficSources;
    assert_eq!(cloud.detach(&group(), &target_group("blue"), api).unwrap_err().kind, CallErrorKind::Refused);
}

#[test]
fn an_alarm_is_in_alarm_when_its_targets_have_failed_for_its_window() {
    let mut cloud = cloud(2);
    cloud.edit_group(&group(), |group| group.elb_health = false);
    let subject =
        AlarmSubject { target_groups: vec![target_group("blue").dimension().to_owned()], ..AlarmSubject::default() };
    cloud.add_alarm(&"web-5xx".parse().unwrap(), subject, mins(3));
    for id in members(&cloud) {
        cloud.break_instance(&id, false);
    }
    let is_in_alarm = |cloud: &mut Cloud| !cloud.in_alarm().unwrap().is_empty();
    after(&mut cloud, mins(3));
    assert!(!is_in_alarm(&mut cloud), "its targets were checked twenty seconds later");
    after(&mut cloud, SignedDuration::from_secs(20));
    assert!(is_in_alarm(&mut cloud));
    let said = cloud.drain_events();
    assert!(said.iter().any(|event| matches!(event, CloudEvent::Alarm { state: AlarmState::Alarm, .. })), "{said:?}");
}

#[test]
fn config_finds_what_is_launched_from_a_drifted_image_after_its_delay() {
    let mut cloud = cloud(2);
    cloud.add_image(image(2), Build::Drifted);
    let content = TemplateContent { image: Some(image_id(2)), written_for: None, settings: BTreeMap::new() };
    cloud.add_template(&version(2), content);
    cloud.set_template(&group(), &version(2)).unwrap();
    cloud.set_desired(&group(), 3).unwrap();
    after(&mut cloud, mins(10));
    let said = cloud.drain_events();
    let found = said
        .iter()
        .filter(|event| matches!(event, CloudEvent::Compliance { verdict: ComplianceType::NonCompliant, .. }));
    assert_eq!(found.count(), 1);
}

#[test]
fn an_edited_rule_makes_many_instances_drift_and_a_corrected_one_none() {
    let mut cloud = cloud(6);
    cloud.edit_rule(&rule(), 100);
    let broken = |cloud: &Cloud| cloud.instances().values().filter(|known| !known.breaks.is_empty()).count();
    assert_eq!(broken(&cloud), 6);
    cloud.edit_rule(&rule(), 0);
    assert_eq!(broken(&cloud), 0);
}

#[test]
fn an_instance_refresh_rolls_the_group_and_rolls_back_on_request() {
    let mut cloud = cloud(3);
    cloud.add_image(image(2), Build::Good);
    let content = TemplateContent { image: Some(image_id(2)), written_for: None, settings: BTreeMap::new() };
    cloud.add_template(&version(2), content);
    let plan =
        RefreshPlan { template: version(2), min_healthy: 90.try_into().unwrap(), alarms: Vec::new(), bake: mins(2) };
    cloud.start_refresh(&group(), &plan).unwrap();
    assert_eq!(cloud.start_refresh(&group(), &plan).unwrap_err().kind, CallErrorKind::Busy);
    let mut back = cloud.clone();
    after(&mut cloud, mins(60));
    assert_eq!(cloud.refresh(&group()).unwrap().unwrap().status, RefreshStatus::Successful);
    assert!(cloud.members(&group()).all(|member| member.image == image_id(2)));
    after(&mut back, mins(3));
    back.roll_back_refresh(&group()).unwrap();
    after(&mut back, mins(60));
    assert_eq!(back.refresh(&group()).unwrap().unwrap().status, RefreshStatus::WentBack);
    assert!(back.members(&group()).all(|member| member.image == image_id(1)));
    assert_eq!(back.roll_back_refresh(&group()).unwrap_err().kind, CallErrorKind::Gone);
}

#[test]
fn a_suspended_process_does_nothing_and_what_it_missed_stays_missed() {
    let mut cloud = cloud(3);
    cloud.edit_group(&group(), |group| {
        group.suspended.insert("AddToLoadBalancer".to_owned());
        group.elb_health = false;
        group.desired = 4;
    });
    after(&mut cloud, mins(10));
    cloud.edit_group(&group(), |group| group.suspended.clear());
    after(&mut cloud, mins(10));
    assert_eq!(members(&cloud).len(), 4);
    assert_eq!(cloud.serving_in(&group()), 3, "it was never registered");
}

#[test]
fn a_describe_that_lags_shows_what_was() {
    let mut cloud = cloud(3);
    cloud.set_desired(&group(), 5).unwrap();
    cloud.lag = SignedDuration::from_secs(5);
    let seen = cloud.groups_of(&"app".parse().unwrap()).unwrap();
    assert_eq!(seen[0].desired, 3);
    after(&mut cloud, SignedDuration::from_secs(6));
    assert_eq!(cloud.groups_of(&"app".parse().unwrap()).unwrap()[0].desired, 5);
}
