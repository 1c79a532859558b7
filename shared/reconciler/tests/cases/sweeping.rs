//! The sweep finds what events have lost, and wakes nobody for nothing.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::fact::{Subject, Verdict};
use driftless_planner::fleet::FLEET_TAG;
use driftless_planner::ids::GroupName;
use driftless_planner::observation::Group;
use driftless_planner::policy::Defaults;
use driftless_planner::sweep::Swept;
use driftless_reconciler::ports::CallErrorKind;
use driftless_reconciler::sweep::sweep;
use jiff::SignedDuration;

use crate::support::{Fault, World, app, block_on, drifted, fleet_name, group_name, judge, start, unseen};

fn swept(world: &World) -> Swept {
    block_on(sweep(world, &Defaults::default())).unwrap()
}

/// So many more fleets like the first, without instances.
fn with_more(world: &World, count: usize) {
    let mut state = world.lock();
    let first = state.groups[&group_name()].clone();
    for number in 0..count {
        let name: GroupName = format!("more-{number}").parse().unwrap();
        let mut group = Group { name: name.clone(), members: Vec::new(), desired: 0, min: 0, ..first.clone() };
        group.tags.insert(FLEET_TAG.to_owned(), format!("more-{number}"));
        state.groups.insert(name, group);
    }
}

#[test]
fn a_settled_fleet_is_not_woken_and_its_count_is_published_all_the_same() {
    let world = app();
    let swept = swept(&world);
    assert!(swept.wakes.is_empty());
    assert_eq!(swept.non_compliant, BTreeMap::from([(fleet_name(), 0)]));
    let calls = world.names_since(0);
    assert_eq!(
        calls,
        ["all_groups", "open_fleets", "fingerprints", "all_images", "ringing", "non_compliant", "account_events"]
    );
}

#[test]
fn drift_whose_event_was_lost_is_found_and_replaced() {
    let world = app();
    judge(&world, 1, Verdict::NonCompliant);
    let swept = swept(&world);
    assert_eq!(swept.non_compliant[&fleet_name()], 1);
    assert_eq!(world.lock().queue.len(), 1);
    world.deliver_all();
    world.assert_replaced_once(1, "found by the sweep");
}

#[test]
fn work_whose_wake_was_lost_is_taken_up_again() {
    let world = app();
    drifted(&world, 1);
    world.deliver_until(start() + SignedDuration::from_mins(65) + SignedDuration::from_secs(20));
    assert_eq!(world.lock().tokens.len(), 1);
    world.lock().queue.clear();
    // The lease item still remembers the wake that was lost: until its time it is believed.
    world.advance(SignedDuration::from_mins(1));
    assert_eq!(swept(&world).wakes.len(), 1);
    world.deliver_all();
    world.assert_replaced_once(1, "taken up by the sweep");
}

#[test]
fn a_fleet_that_was_never_looked_at_is_woken_once() {
    let world = unseen(&[]);
    assert_eq!(swept(&world).wakes.len(), 1);
    world.deliver_all();
    assert_eq!(swept(&world).wakes.len(), 0);
}

#[test]
fn a_policy_that_changed_is_looked_at_once() {
    let world = app();
    world.lock().groups.get_mut(&group_name()).unwrap().tags.insert("driftless:budget".to_owned(), "2".to_owned());
    assert_eq!(swept(&world).wakes.len(), 1);
    world.deliver_all();
    assert_eq!(swept(&world).wakes.len(), 0);
}

#[test]
fn a_notification_that_was_not_sent_wakes_its_fleet() {
    let world = unseen(&[]);
    world.fault("publish", 0..1, Fault::Fails(CallErrorKind::Unavailable));
    assert!(block_on(world.look(&fleet_name(), None)).is_err());
    assert_eq!(swept(&world).wakes.len(), 1);
    world.deliver_all();
    assert_eq!(world.lock().alerts.len(), 1);
}

#[test]
fn wakes_are_spread_and_arrive_before_the_next_sweep() {
    for count in [3, 59, 199, 499] {
        let world = unseen(&[]);
        with_more(&world, count);
        let now = world.lock().now;
        swept(&world);
        let delays = world.lock().delays.clone();
        assert_eq!(delays.len(), count + 1);
        let most =
            (0..=240).map(|second| delays.iter().filter(|delay| delay.as_secs() == second).count()).max().unwrap();
        assert!(most <= count / 240 + 1, "{count}: {most} in one second");
        assert!(delays.iter().all(|delay| delay.subsec_nanos() == 0), "{count}: in whole seconds");
        assert!(world.lock().queue.iter().all(|message| message.at <= now + SignedDuration::from_secs(250)), "{count}");
    }
}

#[test]
fn the_compliance_of_a_rule_is_read_once_for_all_fleets() {
    let world = unseen(&[]);
    with_more(&world, 9);
    swept(&world);
    assert_eq!(world.count("non_compliant"), 1);
}

#[test]
fn a_tag_that_is_no_fleet_name_does_not_stop_the_sweep_of_the_others() {
    let world = unseen(&[]);
    with_more(&world, 1);
    let mut state = world.lock();
    let misnamed = state.groups.get_mut(&"more-0".parse().unwrap()).unwrap();
    misnamed.tags.insert(FLEET_TAG.to_owned(), "Not A Fleet".to_owned());
    drop(state);
    let swept = swept(&world);
    assert_eq!((swept.wakes.len(), swept.misnamed.len()), (1, 1));
}

#[test]
fn a_rule_that_cannot_be_read_fails_the_sweep_after_it_has_woken_the_others() {
    let world = unseen(&[]);
    with_more(&world, 2);
    world.fault("non_compliant", 0..1, Fault::Fails(CallErrorKind::Throttled));
    let error = block_on(sweep(&world, &Defaults::default())).unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Throttled);
    assert_eq!(world.lock().queue.len(), 3);
}

#[test]
fn what_cannot_be_read_fails_the_sweep_after_it_has_woken_the_others() {
    for call in ["all_images", "ringing", "index"] {
        let world = unseen(&[]);
        world.row(&fleet_name(), |row| row.facts.insert("x".to_owned(), crate::support::fact_of(1)));
        world.fault(call, 0..1, Fault::Fails(CallErrorKind::Throttled));
        let error = block_on(sweep(&world, &Defaults::default())).unwrap_err();
        assert_eq!((error.operation, error.kind), (call, CallErrorKind::Throttled));
        assert_eq!(world.lock().queue.len(), 1, "{call}");
    }
}

#[test]
fn an_alarm_is_known_by_the_index_once_the_sweep_has_woken_its_fleet() {
    let world = unseen(&[]);
    swept(&world);
    let known = world.lock().index.get(&Subject::Alarm("web-5xx".parse().unwrap())).cloned();
    assert_eq!(known, Some(BTreeSet::from([fleet_name()])));
}

#[test]
fn an_image_whose_event_was_lost_is_found_once() {
    let world = app();
    let image = crate::support::image("ami-0fedcba9876543210");
    world.lock().images.insert(image.id.clone(), image);
    assert_eq!(swept(&world).wakes.len(), 1);
    block_on(world.look(&fleet_name(), None)).unwrap();
    let seen = world.row(&fleet_name(), |row| row.record.clone()).unwrap();
    assert!(seen.cutover.is_some() || !seen.memory.refused.is_empty() || !seen.conditions.is_empty());
}
