//! What on-call is told: from the outbox, at least once, and never at the price of the work.

use driftless_planner::fact::Verdict;
use driftless_planner::notification::Notification;
use driftless_reconciler::ports::CallErrorKind;
use jiff::SignedDuration;

use crate::support::{Fault, World, app, block_on, drifted, fact, fleet_name, start, unseen};

fn sent(world: &World) -> Vec<String> {
    world.lock().alerts.iter().map(|told| told.id.clone()).collect()
}

fn kinds(world: &World) -> Vec<&'static str> {
    world.lock().alerts.iter().map(Notification::kind).collect()
}

#[test]
fn a_notification_is_sent_before_it_is_dropped_from_the_outbox() {
    let world = unseen(&[]);
    world.hook("publish", 0, |world| {
        assert_eq!(world.row(&fleet_name(), |row| row.outbox.len()), 1, "committed before it is sent");
    });
    world.hook("told", 0, |world| assert_eq!(world.lock().alerts.len(), 1));
    block_on(world.look(&fleet_name(), None)).unwrap();
    assert_eq!(world.row(&fleet_name(), |row| row.outbox.len()), 0);
}

#[test]
fn a_crash_between_sending_and_dropping_repeats_the_message_under_the_same_id() {
    let world = unseen(&[]);
    world.fault("publish", 0..1, Fault::CrashAfter);
    assert!(block_on(world.look(&fleet_name(), None)).is_err());
    world.revive();
    world.advance(SignedDuration::from_secs(60));
    block_on(world.look(&fleet_name(), None)).unwrap();
    assert_eq!(sent(&world), ["app-1-0", "app-1-0"]);
}

#[test]
fn what_an_earlier_crash_left_unsent_goes_first() {
    let world = unseen(&[]);
    world.fault("publish", 0..1, Fault::CrashBefore);
    assert!(block_on(world.look(&fleet_name(), None)).is_err());
    world.revive();
    world.advance(SignedDuration::from_mins(6));
    crate::support::judge(&world, 1, Verdict::NonCompliant);
    block_on(world.look(&fleet_name(), None)).unwrap();
    world.deliver_all();
    assert_eq!(kinds(&world), ["adopted", "replacement-started", "replaced"]);
}

#[test]
fn a_topic_that_takes_nothing_does_not_stop_the_work_and_omits_nothing() {
    let world = app();
    world.fault("publish", 0..1000, Fault::Fails(CallErrorKind::Unavailable));
    drifted(&world, 1);
    // Half an hour without a topic: every run that could not tell fails, so that it is seen and retried.
    let end = start() + SignedDuration::from_mins(90);
    world.deliver_until(end);
    assert_eq!(world.lock().terminated.len(), 1, "the replacement went on");
    assert!(!world.lock().queue.is_empty(), "the message of a run that could not tell is retried");
    assert!(world.row(&fleet_name(), |row| row.lock.holder.is_none()));
    assert_eq!(kinds(&world), ["adopted"]);
    world.heal();
    world.deliver_all();
    world.assert_replaced_once(1, "without a topic");
    assert_eq!(kinds(&world), ["adopted", "replacement-started", "replaced"]);
}

#[test]
fn a_run_that_cannot_tell_does_not_try_again_at_every_look() {
    let world = app();
    drifted(&world, 1);
    world.deliver();
    world.advance_to(start() + SignedDuration::from_mins(66));
    let before = world.count("publish");
    world.fault("publish", 0..1000, Fault::Fails(CallErrorKind::Throttled));
    assert!(block_on(world.look(&fleet_name(), None)).is_err());
    assert_eq!(world.count("launch"), 1);
    assert_eq!(world.count("publish"), before + 1);
}

#[test]
fn a_message_that_the_topic_never_takes_does_not_silence_those_behind_it() {
    let world = app();
    drifted(&world, 1);
    world.deliver();
    world.row(&fleet_name(), |row| {
        let known = Notification {
            id: "poison".to_owned(),
            fleet: fleet_name(),
            groups: Vec::new(),
            at: start(),
            news: driftless_planner::notification::News::Ended { condition: "x".to_owned(), since: start() },
        };
        row.outbox.insert(0, known);
    });
    let nth = world.count("publish");
    world.fault("publish", nth..nth + 1, Fault::Fails(CallErrorKind::Refused));
    world.advance_to(start() + SignedDuration::from_mins(66));
    let error = block_on(world.look(&fleet_name(), None)).unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Refused);
    assert!(kinds(&world).contains(&"replacement-started"), "{:?}", kinds(&world));
    assert!(world.row(&fleet_name(), |row| row.outbox.iter().any(|unsent| unsent.id == "poison")));
}

fn chatted(world: &World) -> Vec<String> {
    world.lock().chat.clone()
}

#[test]
fn everybody_is_told_each_on_a_topic_of_their_own() {
    let world = unseen(&[]);
    block_on(world.look(&fleet_name(), None)).unwrap();
    assert_eq!((sent(&world), chatted(&world)), (vec!["app-1-0".to_owned()], vec!["app-1-0".to_owned()]));
}

#[test]
fn a_chat_that_cannot_be_reached_wakes_nobody_twice() {
    let world = unseen(&[]);
    world.fault("chat", 0..3, Fault::Fails(CallErrorKind::Denied));
    for _ in 0..3 {
        let error = block_on(world.look(&fleet_name(), None)).unwrap_err();
        assert_eq!(error.kind, CallErrorKind::Denied, "it is seen, and tried again");
        world.advance(SignedDuration::from_secs(60));
    }
    assert_eq!((sent(&world).len(), chatted(&world).len()), (1, 0));
    block_on(world.look(&fleet_name(), None)).unwrap();
    assert_eq!((sent(&world).len(), chatted(&world)), (1, vec!["app-1-0".to_owned()]));
    assert!(world.row(&fleet_name(), |row| row.outbox.is_empty() && row.half_told.is_empty()));
}

#[test]
fn a_pager_that_cannot_be_reached_does_not_fill_a_channel() {
    let world = unseen(&[]);
    world.fault("publish", 0..2, Fault::Fails(CallErrorKind::Unavailable));
    for _ in 0..2 {
        block_on(world.look(&fleet_name(), None)).unwrap_err();
        world.advance(SignedDuration::from_secs(60));
    }
    block_on(world.look(&fleet_name(), None)).unwrap();
    assert_eq!((sent(&world).len(), chatted(&world).len()), (1, 1));
}

#[test]
fn a_chat_that_cannot_be_reached_holds_back_no_other_message() {
    let world = app();
    world.fault("chat", 0..1000, Fault::Fails(CallErrorKind::Unavailable));
    drifted(&world, 1);
    world.deliver_until(start() + SignedDuration::from_mins(90));
    assert_eq!(kinds(&world), ["adopted", "replacement-started", "replaced"]);
    world.heal();
    world.deliver_all();
    world.assert_replaced_once(1, "without a chat");
    assert_eq!(kinds(&world), ["adopted", "replacement-started", "replaced"]);
}

#[test]
fn a_crash_between_the_two_topics_repeats_both_under_the_same_id() {
    for call in ["publish", "chat"] {
        let world = unseen(&[]);
        world.fault(call, 0..1, Fault::CrashAfter);
        assert!(block_on(world.look(&fleet_name(), None)).is_err());
        world.revive();
        world.advance(SignedDuration::from_secs(60));
        block_on(world.look(&fleet_name(), None)).unwrap();
        let of = |ids: Vec<String>| ids.into_iter().collect::<std::collections::BTreeSet<_>>();
        let once = std::collections::BTreeSet::from(["app-1-0".to_owned()]);
        assert_eq!((of(sent(&world)), of(chatted(&world))), (once.clone(), once), "{call}");
    }
}

#[test]
fn where_it_cannot_be_noted_who_was_told_all_of_it_is_told_again() {
    let world = unseen(&[]);
    world.fault("chat", 0..1, Fault::Fails(CallErrorKind::Unavailable));
    world.fault("half_told", 0..1, Fault::Fails(CallErrorKind::Unavailable));
    block_on(world.look(&fleet_name(), None)).unwrap_err();
    world.advance(SignedDuration::from_secs(60));
    block_on(world.look(&fleet_name(), None)).unwrap();
    assert_eq!((sent(&world), chatted(&world)), (vec!["app-1-0".to_owned(); 2], vec!["app-1-0".to_owned()]));
}

#[test]
fn a_denied_call_is_told_once_and_tried_again_without_haste() {
    let world = app();
    drifted(&world, 1);
    world.deliver();
    let minutes = 20;
    world.fault("launch", 0..1000, Fault::Fails(CallErrorKind::Denied));
    world.deliver_until(start() + SignedDuration::from_mins(65 + minutes));
    let denied = world
        .lock()
        .alerts
        .iter()
        .filter(|told| {
            serde_json::to_string(&told.news).unwrap().contains("permission-denied") && told.kind() == "entered"
        })
        .count();
    assert_eq!(denied, 1);
    let tries = world.count("launch");
    assert!((2..=6).contains(&tries), "{tries} tries in {minutes} minutes");
    world.heal();
    world.report(&fact(&world, 1, Verdict::NonCompliant));
    world.deliver_all();
    assert_eq!(world.lock().terminated.len(), 1);
}
