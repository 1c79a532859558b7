//! The resync finds lost events, and requests no fleet without a reason.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::fact::{ComplianceType, Subject};
use driftless_planner::fleet::FLEET_TAG;
use driftless_planner::ids::GroupName;
use driftless_planner::policy::Defaults;
use driftless_planner::resync::Resynced;
use driftless_planner::template::{TemplateReference, TemplateVersion};
use driftless_reconciler::ports::{CallErrorKind, CallResult};
use driftless_reconciler::resync::resync;
use driftless_simulator::cloud::Build;
use driftless_simulator::faults::Fate;
use jiff::SignedDuration;

use crate::support::names::{GROUPS, IMAGES, IN_ALARM, RULE, SEND_ALL};
use crate::support::{CALL, World, app, drifted, fact, fleet_name, group_name, image, report_compliance, tag, unseen};

pub(crate) fn try_to_resync(world: &World) -> CallResult<Resynced> {
    world.visit(async |function| resync(&function, &Defaults::default()).await).unwrap()
}

pub(crate) fn resynced(world: &World) -> Resynced {
    try_to_resync(world).unwrap()
}

/// Adds `count` fleets like the first, without instances. Message delivery stops, so that only the resync's calls
/// count.
fn with_more(world: &World, count: usize) {
    world.hold_messages_back();
    let mut world = world.lock();
    let first = world.cloud.groups()[&group_name()].clone();
    let TemplateReference::Numbered(TemplateVersion { template, version }) = first.template else { panic!() };
    for number in 0..count {
        let name: GroupName = format!("more-{number}").parse().unwrap();
        let mut tags = first.tags.clone();
        tags.insert(FLEET_TAG.to_owned(), format!("more-{number}"));
        let template = TemplateVersion { template: template.clone(), version };
        world.cloud.add_group(&name, tags, template, first.zones.clone());
        world.cloud.edit_group(&name, |group| (group.max, group.target_groups) = (4, first.target_groups.clone()));
    }
}

#[test]
fn an_idle_fleet_is_not_requested_and_its_count_is_still_published() {
    let world = app();
    let resynced = resynced(&world);
    assert!(resynced.requests.is_empty());
    assert_eq!(resynced.non_compliant, BTreeMap::from([(fleet_name(), 0)]));
    let calls = world.names_since(0);
    assert_eq!(calls, [GROUPS, "open_fleets", "fingerprints", IMAGES, IN_ALARM, RULE, "account_events"]);
}

#[test]
fn drift_whose_event_was_lost_is_found_and_replaced() {
    let world = app();
    report_compliance(&mut world.lock(), 1, ComplianceType::NonCompliant);
    let resynced = resynced(&world);
    assert_eq!(resynced.non_compliant[&fleet_name()], 1);
    assert_eq!(world.messages().len(), 1);
    world.deliver_all();
    world.assert_replaced_once(1, "found by the resync");
}

#[test]
fn work_whose_request_was_lost_is_taken_up_again() {
    let world = app();
    drifted(&world, 1);
    world.run_until(|world| !world.aws_writes.launched.is_empty());
    world.pass(SignedDuration::from_secs(2));
    world.take_request();
    // The lease item still holds the lost request, and counts on it until its due time.
    world.pass(SignedDuration::from_mins(2));
    assert_eq!(resynced(&world).requests.len(), 1);
    world.deliver_all();
    world.assert_replaced_once(1, "resumed by the resync");
}

#[test]
fn a_fleet_that_was_never_reconciled_is_requested_once() {
    let world = unseen(&[]);
    assert_eq!(resynced(&world).requests.len(), 1);
    world.deliver_all();
    assert_eq!(resynced(&world).requests.len(), 0);
}

#[test]
fn a_policy_that_changed_is_reconciled_once() {
    let world = app();
    tag(&world, "budget", "2");
    assert_eq!(resynced(&world).requests.len(), 1);
    world.deliver_all();
    assert_eq!(resynced(&world).requests.len(), 0);
}

#[test]
fn a_notification_that_was_not_sent_requests_its_fleet() {
    let world = unseen(&[]);
    world.fault("publish", 0..1, Fate::Fails(CallErrorKind::Unavailable));
    world.reconcile().unwrap_err();
    assert_eq!(resynced(&world).requests.len(), 1);
    world.deliver_all();
    assert_eq!(world.kinds(), ["adopted"]);
}

#[test]
fn requests_are_spread_and_arrive_before_the_next_resync() {
    for count in [3, 59, 199, 499] {
        let world = unseen(&[]);
        with_more(&world, count);
        let now = world.now();
        resynced(&world);
        let messages = world.messages();
        assert_eq!(messages.len(), count + 1);
        // Ten messages go in one call and arrive after half the call's time.
        let lots = messages.chunks(10).zip(world.sent(SEND_ALL));
        let delays: Vec<SignedDuration> = lots
            .flat_map(|(lot, sent)| lot.iter().map(move |message| message.visible_at.duration_since(sent + CALL / 2)))
            .collect();
        assert_eq!(delays.len(), count + 1);
        let most =
            (0..=240).map(|second| delays.iter().filter(|delay| delay.as_secs() == second).count()).max().unwrap();
        assert!(most <= count / 240 + 1, "{count}: {most} in one second");
        assert!(delays.iter().all(|delay| delay.subsec_nanos() == 0), "{count}: in whole seconds");
        assert!(messages.iter().all(|message| message.visible_at <= now + SignedDuration::from_secs(250)), "{count}");
    }
}

#[test]
fn the_compliance_of_a_rule_is_read_once_for_all_fleets() {
    let world = unseen(&[]);
    with_more(&world, 9);
    resynced(&world);
    assert_eq!(world.count(RULE), 1);
}

#[test]
fn a_tag_that_is_no_fleet_name_does_not_stop_the_resync_of_the_others() {
    let world = unseen(&[]);
    with_more(&world, 1);
    world.lock().cloud.edit_group(&"more-0".parse().unwrap(), |group| {
        group.tags.insert(FLEET_TAG.to_owned(), "Not A Fleet".to_owned());
    });
    let resynced = resynced(&world);
    assert_eq!((resynced.requests.len(), resynced.misnamed.len()), (1, 1));
}

#[test]
fn a_rule_that_cannot_be_read_fails_the_resync_after_it_has_requested_the_others() {
    let world = unseen(&[]);
    with_more(&world, 2);
    world.fault(RULE, 0..1, Fate::Fails(CallErrorKind::Throttled));
    assert_eq!(try_to_resync(&world).unwrap_err().kind, CallErrorKind::Throttled);
    assert_eq!(world.messages().len(), 3);
}

#[test]
fn what_cannot_be_read_fails_the_resync_after_it_has_requested_the_others() {
    for call in [IMAGES, IN_ALARM, "index"] {
        let world = unseen(&[]);
        let report = fact(&world.lock(), 1, ComplianceType::NonCompliant);
        world.lock().table.store(&fleet_name(), &report);
        world.fault(call, 0..1, Fate::Fails(CallErrorKind::Throttled));
        let error = try_to_resync(&world).unwrap_err();
        assert_eq!((error.operation, error.kind), (call, CallErrorKind::Throttled));
        assert_eq!(world.messages().len(), 1, "{call}");
    }
}

#[test]
fn an_alarm_is_known_by_the_index_once_the_resync_has_requested_its_fleet() {
    let world = unseen(&[]);
    resynced(&world);
    let alarm = Subject::Alarm("web-5xx".parse().unwrap());
    let known = world.lock().table.indexed(&BTreeSet::from([alarm.clone()]));
    assert_eq!(known, BTreeMap::from([(alarm, BTreeSet::from([fleet_name()]))]));
}

#[test]
fn an_image_whose_event_was_lost_is_found_once() {
    let world = app();
    world.lock().cloud.add_image(image("ami-0fedcba9876543210"), Build::Good);
    world.lock().cloud.drain_events();
    assert_eq!(resynced(&world).requests.len(), 1);
    world.reconcile().unwrap();
    let seen = world.record();
    assert!(seen.cutover.is_some() || !seen.memory.refused.is_empty() || !seen.conditions.is_empty());
}
