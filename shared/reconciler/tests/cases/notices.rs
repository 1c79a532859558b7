//! Messages for on-call: sent from the outbox at least once, and a failed topic never stops the work.

use std::collections::BTreeSet;

use driftless_planner::fact::ComplianceType;
use driftless_planner::notification::{Condition, Details, Message, Notification};
use driftless_reconciler::ports::CallErrorKind;
use driftless_simulator::cloud::Actor;
use driftless_simulator::faults::Fate;
use jiff::SignedDuration;

use super::leases::about_to_launch;
use super::resyncing::resynced;
use crate::support::{
    REPORTED, RUNBOOKS, World, app, drifted, fleet_name, instance, report_compliance, reported, start, unseen,
};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn sent(world: &World) -> Vec<String> {
    world.told_on_call().into_iter().map(|told| told.id).collect()
}

fn chatted(world: &World) -> Vec<String> {
    world.lock().topic.chat.clone()
}

#[test]
fn a_notification_is_sent_before_it_is_dropped_from_the_outbox() {
    let world = unseen(&[]);
    world.before("publish", 0, |world| {
        assert_eq!(world.table.row(&fleet_name()).unwrap().outbox.len(), 1, "committed before it is sent");
    });
    world.before("mark-delivered", 0, |world| assert_eq!(world.topic.sent.len(), 1));
    world.reconcile().unwrap();
    assert_eq!((world.count("publish"), world.count("mark-delivered")), (1, 1));
    assert_eq!(world.row().outbox.len(), 0);
}

#[test]
fn a_crash_between_sending_and_dropping_repeats_the_message_under_the_same_id() {
    let world = unseen(&[]);
    world.fault("publish", 0..1, Fate::CrashAfter);
    world.reconcile_and_die();
    world.pass(MINUTE);
    world.reconcile().unwrap();
    assert_eq!(sent(&world), ["app-1-0", "app-1-0"]);
}

#[test]
fn what_an_earlier_crash_left_unsent_goes_first() {
    let world = unseen(&[]);
    world.fault("publish", 0..1, Fate::CrashBefore);
    world.reconcile_and_die();
    world.pass(MINUTE * 6);
    report_compliance(&mut world.lock(), 1, ComplianceType::NonCompliant);
    world.reconcile().unwrap();
    world.deliver_all();
    assert_eq!(world.kinds(), ["adopted", "replacement-started", "replaced"]);
}

#[test]
fn a_topic_that_takes_nothing_stops_no_work_and_loses_no_message() {
    let world = app();
    world.fault("publish", 0..1000, Fate::Fails(CallErrorKind::Unavailable));
    drifted(&world, 1);
    // Every run that could not publish fails, so that its message is redelivered.
    world.run_to(start() + MINUTE * 12);
    assert_eq!(world.ended(), [(instance(1), Actor::Driftless)], "the replacement went on");
    assert!(world.messages().iter().any(|message| message.receives > 1), "a run that could not tell is retried");
    world.pass(SignedDuration::from_secs(2));
    assert!(world.is_free());
    assert_eq!(world.kinds(), ["adopted"]);
    world.heal();
    world.deliver_all();
    world.assert_replaced_once(1, "without a topic");
    assert_eq!(world.kinds(), ["adopted", "replacement-started", "replaced"]);
}

#[test]
fn a_message_that_no_redelivery_published_is_published_after_the_resync() {
    let world = app();
    world.fault("publish", 0..1000, Fate::Fails(CallErrorKind::Unavailable));
    drifted(&world, 1);
    world.deliver_all();
    assert!(!world.lock().queue.dead.is_empty(), "received five times, then in the dead-letter queue");
    assert_eq!(world.kinds(), ["adopted"]);
    world.heal();
    resynced(&world);
    world.deliver_all();
    assert_eq!(world.kinds(), ["adopted", "replacement-started", "replaced"]);
}

#[test]
fn a_run_that_cannot_publish_does_not_retry_in_every_pass() {
    let world = about_to_launch();
    let before = world.count("publish");
    world.fault("publish", 0..1000, Fate::Fails(CallErrorKind::Throttled));
    world.reconcile().unwrap_err();
    assert_eq!(world.count("launch"), 1);
    assert_eq!(world.count("publish"), before + 1);
}

/// Puts an unsent notification of an earlier run into the outbox.
fn first_in_the_outbox(world: &World, id: &str, details: Details) {
    let notification =
        Notification { id: id.to_owned(), fleet: fleet_name(), groups: Vec::new(), at: start(), details };
    world.lock().table.row_mut(&fleet_name()).outbox.insert(0, notification);
}

#[test]
fn a_message_links_the_runbook_where_the_installation_has_it() {
    let world = about_to_launch();
    let details = Details::Entered { condition: Condition::BreakerOpen, detail: "3 of 4".into() };
    first_in_the_outbox(&world, "page", details);
    world.reconcile().unwrap();
    let told = world.told_on_call();
    let Message { text, json, chat, .. } = told.iter().find(|told| told.id == "page").unwrap();
    for body in [text, json, chat] {
        assert!(body.contains(&format!("{RUNBOOKS}/docs/runbooks/breaker-open.md")), "{body}");
    }
}

#[test]
fn a_message_that_the_topic_always_refuses_blocks_no_later_message() {
    let world = about_to_launch();
    first_in_the_outbox(&world, "poison", Details::Ended { condition: "x".to_owned(), since: start() });
    world.fault("publish", 0..1, Fate::Fails(CallErrorKind::Refused));
    assert_eq!(world.reconcile().unwrap_err().kind, CallErrorKind::Refused);
    assert!(world.kinds().contains(&"replacement-started"), "{:?}", world.kinds());
    assert!(world.row().outbox.iter().any(|unsent| unsent.id == "poison"));
}

#[test]
fn each_audience_is_told_on_its_own_topic() {
    let world = unseen(&[]);
    world.reconcile().unwrap();
    assert_eq!((sent(&world), chatted(&world)), (vec!["app-1-0".to_owned()], vec!["app-1-0".to_owned()]));
}

#[test]
fn an_unreachable_chat_does_not_page_on_call_twice() {
    let world = unseen(&[]);
    world.fault("publish-chat", 0..3, Fate::Fails(CallErrorKind::Denied));
    for _ in 0..3 {
        assert_eq!(world.reconcile().unwrap_err().kind, CallErrorKind::Denied, "it is seen, and tried again");
        world.pass(MINUTE);
    }
    assert_eq!((sent(&world).len(), chatted(&world).len()), (1, 0));
    world.reconcile().unwrap();
    assert_eq!((sent(&world).len(), chatted(&world)), (1, vec!["app-1-0".to_owned()]));
    assert!(world.row().outbox.is_empty() && world.row().partially_delivered.is_empty());
}

#[test]
fn an_unreachable_pager_does_not_fill_the_chat() {
    let world = unseen(&[]);
    world.fault("publish", 0..2, Fate::Fails(CallErrorKind::Unavailable));
    for _ in 0..2 {
        world.reconcile().unwrap_err();
        world.pass(MINUTE);
    }
    world.reconcile().unwrap();
    assert_eq!((sent(&world).len(), chatted(&world).len()), (1, 1));
}

#[test]
fn an_unreachable_chat_blocks_no_other_message() {
    let world = app();
    world.fault("publish-chat", 0..1000, Fate::Fails(CallErrorKind::Unavailable));
    drifted(&world, 1);
    world.run_to(start() + MINUTE * 12);
    assert_eq!(world.kinds(), ["adopted", "replacement-started", "replaced"]);
    world.heal();
    world.deliver_all();
    world.assert_replaced_once(1, "without a chat");
    assert_eq!(world.kinds(), ["adopted", "replacement-started", "replaced"]);
}

#[test]
fn a_crash_between_the_two_topics_repeats_both_under_the_same_id() {
    for call in ["publish", "publish-chat"] {
        let world = unseen(&[]);
        world.fault(call, 0..1, Fate::CrashAfter);
        world.reconcile_and_die();
        world.pass(MINUTE);
        world.reconcile().unwrap();
        let of = |ids: Vec<String>| ids.into_iter().collect::<BTreeSet<_>>();
        let once = BTreeSet::from(["app-1-0".to_owned()]);
        assert_eq!((of(sent(&world)), of(chatted(&world))), (once.clone(), once), "{call}");
    }
}

#[test]
fn a_delivery_that_cannot_be_marked_is_repeated() {
    let world = unseen(&[]);
    world.fault("publish-chat", 0..1, Fate::Fails(CallErrorKind::Unavailable));
    world.fault("mark-partially-delivered", 0..1, Fate::Fails(CallErrorKind::Unavailable));
    world.reconcile().unwrap_err();
    world.pass(MINUTE);
    world.reconcile().unwrap();
    assert_eq!((sent(&world), chatted(&world)), (vec!["app-1-0".to_owned(); 2], vec!["app-1-0".to_owned()]));
}

#[test]
fn a_denied_call_is_told_once_and_tried_again_without_haste() {
    let world = app();
    drifted(&world, 1);
    world.pass(REPORTED);
    let minutes = 20;
    world.fault("launch", 0..1000, Fate::Fails(CallErrorKind::Denied));
    world.run_to(start() + MINUTE * (5 + minutes));
    let is_denied = |told: &Message| told.condition.as_deref() == Some("permission-denied") && told.kind == "entered";
    assert_eq!(world.told_on_call().into_iter().filter(is_denied).count(), 1);
    let tries = world.count("launch");
    assert!((2..=6).contains(&tries), "{tries} tries in {minutes} minutes");
    world.heal();
    reported(&mut world.lock(), 1, ComplianceType::NonCompliant);
    world.deliver_all();
    assert_eq!(world.ended(), [(instance(1), Actor::Driftless)]);
}
