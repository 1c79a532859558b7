//! Delayed requests: none is lost, and none multiplies.

use std::cell::Cell;

use driftless_planner::fact::ComplianceType;
use driftless_planner::request::ReconcileRequest;
use driftless_reconciler::reconcile::{Cause, Ran};
use jiff::{SignedDuration, Timestamp};

use crate::support::{
    CALL, DEBOUNCE, REPORTED, World, app, drifted, freeze, report_compliance, reported, start, store_command, tag,
    times,
};

/// A moment before a request is due.
const EARLY: SignedDuration = SignedDuration::from_millis(400);

/// The fleet with a drifted instance whose debounce ends shortly before a whole second, and the due time of its
/// request.
fn debouncing() -> (World, Timestamp) {
    let world = app();
    world.run_to(start() + SignedDuration::from_millis(2_700));
    drifted(&world, 1);
    world.pass(REPORTED);
    let messages = world.messages();
    let [message] = &messages[..] else { panic!("{messages:?}") };
    let ReconcileRequest::Reconcile(request) = &message.body else { panic!("{message:?}") };
    (world, request.due.unwrap())
}

fn waits(world: &World) -> usize {
    world.messages().len()
}

#[test]
fn a_request_is_due_at_a_whole_second_not_before_the_time_that_was_waited_for() {
    let (world, due) = debouncing();
    let debounced = world.row().history.last().unwrap().at + DEBOUNCE;
    assert_eq!(due.subsec_nanosecond(), 0);
    assert!(due >= debounced && due < debounced + SignedDuration::from_secs(2), "{due}");
    let message = world.messages().remove(0);
    assert!(message.visible_at >= due, "a wake that comes before it is due comes for nothing");
    let delay = message.visible_at.duration_since(world.sent("send")[0] + CALL / 2);
    assert_eq!(delay.subsec_nanos(), 0, "SQS delays by whole seconds: {delay:#}");
}

#[test]
fn while_a_request_is_on_its_way_only_an_earlier_one_is_sent() {
    let (world, due) = debouncing();
    for _ in 0..5 {
        assert_eq!(world.reconcile().unwrap(), Ran::Idle);
    }
    assert_eq!(waits(&world), 1);
    // A report that Config has not confirmed yet is checked again after 20 seconds.
    reported(&mut world.lock(), 2, ComplianceType::NonCompliant);
    world.pass(REPORTED);
    assert_eq!(waits(&world), 2);
    assert!(world.next_message_at() < due - SignedDuration::from_mins(4));
    world.deliver_all();
    world.assert_replaced_once(1, "with an earlier wake");
}

#[test]
fn an_arrived_request_is_forgotten_also_when_it_comes_a_fraction_early() {
    let (world, due) = debouncing();
    world.take_request();
    world.run_to(due - EARLY);
    assert_eq!(world.wait_for(Some(due)).unwrap().unwrap(), Ran::Idle);
    assert_eq!(waits(&world), 1, "the drift has not lasted long enough: a request must be on the queue");
    world.deliver_all();
    world.assert_replaced_once(1, "a fraction early");
}

#[test]
fn a_request_that_came_early_stays_forgotten_when_a_fact_makes_the_holder_reconcile_again() {
    let (world, due) = debouncing();
    world.take_request();
    world.run_to(due - EARLY);
    // The reason for the request is gone, so nothing is due until another instance drifts.
    report_compliance(&mut world.lock(), 1, ComplianceType::Compliant);
    world.before("release", 0, |world| {
        report_compliance(world, 2, ComplianceType::NonCompliant);
        store_command(world, "retry");
    });
    assert_eq!(world.wait_for(Some(due)).unwrap().unwrap(), Ran::Idle);
    assert_eq!(waits(&world), 1, "no request is on the queue");
    world.deliver_all();
    world.assert_replaced_once(2, "early, and requested");
}

#[test]
fn a_request_that_comes_early_while_the_lease_is_held_is_not_lost() {
    let (world, due) = debouncing();
    world.take_request();
    // The holder has decided to wait for this request and releases the lease.
    world.slow("release", 0, SignedDuration::from_secs(1));
    world.run_to(due - EARLY * 2);
    let holder = world.begin(Cause::Urgent { due: None }, times(world.now()));
    world.run_to(due - EARLY);
    assert_eq!(world.wait_for(Some(due)).unwrap().unwrap(), Ran::Busy);
    assert_eq!(world.finish(&holder).unwrap().unwrap(), Ran::Idle);
    assert!(waits(&world) > 0, "no request is on the queue");
    world.deliver_all();
    world.assert_replaced_once(1, "early, and busy");
}

#[test]
fn a_request_that_comes_while_the_lease_is_held_is_served_when_the_lease_is_free() {
    let (world, due) = debouncing();
    world.take_request();
    // The holder has decided to wait for the request and has one more write to make before it releases the lease.
    tag(&world, "budget", "2");
    world.slow("remember", 0, SignedDuration::from_millis(1_300));
    world.run_to(due - SignedDuration::from_secs(1));
    let holder = world.begin(Cause::Urgent { due: None }, times(world.now()));
    world.run_to(due);
    assert_eq!(world.wait_for(Some(due)).unwrap().unwrap(), Ran::Busy);
    assert_eq!(world.finish(&holder).unwrap().unwrap(), Ran::Idle);
    world.deliver_all();
    world.assert_replaced_once(1, "busy");
    let launched = world.sent("launch")[0];
    assert!(launched < due + SignedDuration::from_secs(3), "and not when the lease would have ended: {launched}");
}

#[test]
fn a_holder_that_must_reconcile_again_does_not_send_its_request_again() {
    let world = app();
    drifted(&world, 1);
    for passes in 0..3 {
        world.before("release", passes, move |world| store_command(world, &format!("number {passes}")));
    }
    world.pass(REPORTED);
    assert_eq!(world.count("load"), 4);
    assert_eq!(waits(&world), 1);
}

#[test]
fn no_request_is_more_than_15_minutes_ahead() {
    let world = app();
    freeze(&mut world.lock(), Some(3));
    drifted(&world, 1);
    let farthest = Cell::new(SignedDuration::ZERO);
    // Until the freeze ends.
    world.run_until(|world| {
        let ahead = world.queue.messages().map(|message| message.visible_at.duration_since(world.now)).max();
        farthest.set(ahead.unwrap_or_default().max(farthest.get()));
        world.now >= start() + SignedDuration::from_mins(170)
    });
    assert!(world.count("send") > 10, "{}", world.count("send"));
    assert!(farthest.get() <= SignedDuration::from_mins(15), "{:#}", farthest.get());
}

/// The largest number of requests on the queue while thirty facts arrive at this interval.
fn most_requests(between: SignedDuration) -> usize {
    let world = app();
    drifted(&world, 1);
    for _ in 0..10 {
        for number in [0, 2, 3] {
            reported(&mut world.lock(), number, ComplianceType::Compliant);
            world.pass(between);
        }
    }
    let most = Cell::new(0);
    world.run_until(|world| {
        let requests =
            world.queue.messages().filter(|message| matches!(message.body, ReconcileRequest::Reconcile(_))).count();
        most.set(most.get().max(requests));
        requests == world.queue.len()
    });
    world.deliver_all();
    world.assert_replaced_once(1, "a burst of events");
    most.get()
}

#[test]
fn a_burst_of_facts_does_not_become_a_burst_of_requests() {
    // One request is due after the debounce, and one covers facts that are reported while another function runs. With
    // parallel functions a request that may be too early does not count, so each second gets its own request.
    assert_eq!(most_requests(SignedDuration::from_secs(1)), 2);
    assert_eq!(most_requests(SignedDuration::from_millis(100)), 5);
}
