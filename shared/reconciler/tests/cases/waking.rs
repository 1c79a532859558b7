//! Delayed wakes: none is lost, none multiplies.

use driftless_planner::fact::Verdict;
use driftless_planner::wake::WakeMessage;
use driftless_reconciler::reconcile::Ran;
use jiff::{SignedDuration, Timestamp};

use crate::support::{World, app, block_on, drifted, fact, fleet_name, group_name, judge, start, word};

/// The fleet with a drifted instance in its debounce, and the time for which its wake is on its way.
fn debouncing() -> (World, Timestamp) {
    let world = app();
    drifted(&world, 1);
    world.deliver();
    let state = world.lock();
    assert_eq!(state.queue.len(), 1);
    let WakeMessage::Wake(wake) = state.queue[0].body.clone() else { panic!() };
    drop(state);
    (world, wake.due.unwrap())
}

fn waits(world: &World) -> usize {
    world.lock().queue.len()
}

#[test]
fn a_wake_is_due_at_a_whole_second_not_before_the_time_that_was_waited_for() {
    let (world, due) = debouncing();
    let debounced = start() + SignedDuration::from_mins(65);
    assert_eq!(due.subsec_nanosecond(), 0);
    assert!(due >= debounced && due < debounced + SignedDuration::from_secs(2), "{due}");
    assert!(world.lock().queue[0].at >= due, "a wake that comes before it is due comes for nothing");
    let delays = world.lock().delays.clone();
    assert!(delays.iter().all(|delay| delay.subsec_nanos() == 0), "SQS delays by whole seconds: {delays:?}");
}

#[test]
fn while_a_wake_is_on_its_way_only_an_earlier_one_is_sent() {
    let (world, due) = debouncing();
    for _ in 0..5 {
        assert_eq!(block_on(world.look(&fleet_name(), None)).unwrap(), Ran::Settled);
    }
    assert_eq!(waits(&world), 1);
    // A report that is not confirmed yet is looked at again after 20 seconds.
    world.report(&fact(&world, 2, Verdict::NonCompliant));
    world.deliver();
    assert_eq!(waits(&world), 2);
    assert!(world.lock().queue.iter().any(|message| message.at < due - SignedDuration::from_mins(4)));
    world.deliver_all();
    world.assert_replaced_once(1, "with an earlier wake");
}

#[test]
fn an_arrived_wake_is_forgotten_also_when_it_comes_a_fraction_early() {
    let early = SignedDuration::from_millis(400);
    let (world, due) = debouncing();
    let wake = world.lock().queue.remove(0).body;
    world.advance_to(due - early);
    assert_eq!(block_on(world.handle(&wake)).unwrap(), Some(Ran::Settled));
    assert_eq!(waits(&world), 1, "the drift has not lasted long enough: someone must look again");
    world.deliver_all();
    world.assert_replaced_once(1, "a fraction early");
}

#[test]
fn a_wake_that_came_early_stays_forgotten_when_a_fact_makes_the_holder_look_again() {
    let (world, due) = debouncing();
    let wake = world.lock().queue.remove(0).body;
    world.advance_to(due - SignedDuration::from_millis(400));
    // What it was sent for is over, so that nothing is waited for, until another instance drifts.
    judge(&world, 1, Verdict::Compliant);
    world.hook("release", 0, |world| {
        judge(world, 2, Verdict::NonCompliant);
        let reported = word(world, "look");
        world.lock().file(&fleet_name(), &reported);
    });
    assert_eq!(block_on(world.handle(&wake)).unwrap(), Some(Ran::Settled));
    assert_eq!(waits(&world), 1, "nobody would look again");
    world.deliver_all();
    world.assert_replaced_once(2, "early, and woken");
}

#[test]
fn a_wake_that_comes_early_while_the_lease_is_held_is_not_lost() {
    let (world, due) = debouncing();
    let wake = world.lock().queue.remove(0).body;
    world.advance_to(due - SignedDuration::from_millis(400));
    // The holder decided to wait for this very wake, and lets go.
    world.hook("release", 0, move |world| {
        assert_eq!(block_on(world.handle(&wake)).unwrap(), Some(Ran::Busy));
    });
    assert_eq!(block_on(world.look(&fleet_name(), None)).unwrap(), Ran::Settled);
    assert!(waits(&world) > 0, "nobody would look again");
    world.deliver_all();
    world.assert_replaced_once(1, "early, and busy");
}

#[test]
fn a_wake_that_comes_while_the_lease_is_held_is_made_up_for_at_once() {
    let (world, due) = debouncing();
    let wake = world.lock().queue.remove(0).body;
    world.advance_to(due - SignedDuration::from_secs(1));
    // The holder decided to wait for it, and has one more thing to do before it lets go.
    world.lock().groups.get_mut(&group_name()).unwrap().tags.insert("driftless:budget".to_owned(), "2".to_owned());
    world.hook("remember", 0, move |world| {
        world.advance_to(due + SignedDuration::from_millis(300));
        assert_eq!(block_on(world.handle(&wake)).unwrap(), Some(Ran::Busy));
    });
    assert_eq!(block_on(world.look(&fleet_name(), None)).unwrap(), Ran::Settled);
    world.deliver_all();
    world.assert_replaced_once(1, "busy");
    let launched = world.lock().log.iter().find(|call| call.name == "launch").map(|call| call.at).unwrap();
    assert!(launched < due + SignedDuration::from_secs(3), "and not when the lease would have ended: {launched}");
}

#[test]
fn a_holder_that_is_woken_does_not_send_its_wake_again() {
    let world = app();
    drifted(&world, 1);
    for looks in 0..3 {
        world.hook("release", looks, move |world| {
            let reported = word(world, &format!("number {looks}"));
            world.lock().file(&fleet_name(), &reported);
        });
    }
    world.deliver();
    assert_eq!(world.count("load"), 4);
    assert_eq!(waits(&world), 1);
}

#[test]
fn no_wake_is_more_than_15_minutes_ahead() {
    let world = app();
    super::replacement::freeze(&world, Some(3));
    drifted(&world, 1);
    // Until the freeze ends.
    world.deliver_until(start() + SignedDuration::from_mins(60 + 170));
    let delays = world.lock().delays.clone();
    assert!(delays.len() > 10, "{delays:?}");
    assert!(delays.iter().all(|delay| *delay <= SignedDuration::from_mins(15)), "{delays:?}");
}

#[test]
fn a_storm_of_facts_does_not_become_a_storm_of_wakes() {
    let world = app();
    drifted(&world, 1);
    for number in [0, 2, 3] {
        for _ in 0..10 {
            world.report(&fact(&world, number, Verdict::Compliant));
        }
    }
    let mut most = 0;
    while world.lock().queue.iter().any(|message| matches!(message.body, WakeMessage::Fact(_))) {
        world.deliver();
        let wakes = world.lock().queue.iter().filter(|message| matches!(message.body, WakeMessage::Wake(_))).count();
        most = most.max(wakes);
    }
    assert_eq!(most, 1);
    world.deliver_all();
    world.assert_replaced_once(1, "a storm");
}
