//! Batches of the wake queue: what can wait is looked at by the fleet, and not by the event.

use driftless_planner::fact::{Fact, Subject, Verdict};
use driftless_planner::ids::FleetName;
use driftless_planner::policy::Defaults;
use driftless_planner::storm::{GATHER, LOOKS_MAX, gathered_at};
use driftless_planner::wake::{Wake, WakeMessage};
use driftless_reconciler::batch::{Failure, Received, handle};
use driftless_reconciler::ports::CallErrorKind;
use driftless_reconciler::reconcile::Invocation;
use jiff::SignedDuration;

use crate::support::{Fault, World, app, block_on, fact, fleet_name, instance, judge, times, word};

/// Delivers facts in one batch; answers the positions of those that come again.
fn deliver(world: &World, facts: &[Fact], is_again: bool) -> Vec<usize> {
    let body = |fact: &Fact| WakeMessage::Fact(Box::new(fact.clone()));
    let received = facts.iter().enumerate().map(|(id, fact)| Received { id, body: body(fact), is_again });
    let (holder, defaults) = (world.next_holder(), Defaults::default());
    let invocation = Invocation { holder: &holder, times: times(world.lock().now), defaults: &defaults };
    let failures = block_on(handle(world, received.collect(), invocation));
    failures.into_iter().flat_map(|Failure { messages, .. }| messages).collect()
}

/// As many instances as there are facts, each of a fleet of its own, which the index knows; the first is of the real one.
fn of_many_fleets(world: &World, count: usize) -> Vec<Fact> {
    for number in 0..count {
        let fleet: FleetName = if number == 0 { fleet_name() } else { format!("more-{number}").parse().unwrap() };
        world.lock().index.insert(Subject::Instance(instance(number)), [fleet].into());
    }
    (0..count).map(|number| fact(world, number, Verdict::NonCompliant)).collect()
}

fn wakes(world: &World) -> Vec<FleetName> {
    let queue = &world.lock().queue;
    let fleet =
        |body: &WakeMessage| if let WakeMessage::Wake(Wake { fleet, .. }) = body { Some(fleet.clone()) } else { None };
    queue.iter().filter_map(|message| fleet(&message.body)).collect()
}

#[test]
fn facts_about_three_fleets_are_looked_at_on_the_spot_and_about_four_once_for_each_within_a_minute() {
    for (fleets, looks) in [(3, 3), (4, 0)] {
        let world = app();
        let facts = of_many_fleets(&world, fleets);
        assert!(deliver(&world, &facts, false).is_empty());
        assert_eq!(world.count("acquire"), looks, "{fleets} fleets");
        if looks == 0 {
            assert_eq!(wakes(&world).len(), fleets);
            let now = world.lock().now;
            let latest = world.lock().queue.iter().map(|message| message.at).max().unwrap();
            assert!(latest <= now + GATHER + SignedDuration::from_secs(3), "{latest}");
        }
    }
}

#[test]
fn facts_that_come_one_by_one_are_looked_at_on_the_spot_twenty_times_a_minute() {
    let world = app();
    let minute = world.lock().now.round(jiff::Unit::Minute).unwrap();
    world.advance_to(minute);
    let facts = of_many_fleets(&world, 22);
    let mut looks = Vec::new();
    for fact in &facts[..21] {
        assert!(deliver(&world, std::slice::from_ref(fact), false).is_empty());
        looks.push(world.count("acquire"));
    }
    assert_eq!(LOOKS_MAX, 20);
    assert_eq!(looks[18..], [19, 20, 20], "the last one is left to a wake");
    let last: FleetName = "more-20".parse().unwrap();
    assert_eq!(wakes(&world).iter().filter(|fleet| **fleet != fleet_name()).collect::<Vec<_>>(), [&last]);
    world.advance(SignedDuration::from_mins(1));
    deliver(&world, &facts[21..], false);
    assert_eq!(world.count("acquire"), 21, "another minute");
}

#[test]
fn messages_of_a_storm_that_came_before_are_looked_at_on_the_spot() {
    let world = app();
    let facts = of_many_fleets(&world, 4);
    deliver(&world, &facts, true);
    assert_eq!(world.count("acquire"), 4, "whoever had them may have died after filing them");
}

#[test]
fn a_wake_on_its_way_is_counted_on_if_it_is_surely_ahead_and_no_later_than_the_gathered_look() {
    let millisecond = SignedDuration::from_millis(1);
    let (surely, now) = (SignedDuration::from_secs(2), app().lock().now);
    let gathered = gathered_at(&fleet_name(), now + surely);
    for (next, is_sent) in [
        (now + surely - millisecond, true),
        (now + surely, true),
        (now + surely + millisecond, false),
        (gathered - millisecond, false),
        (gathered, false),
        (gathered + millisecond, true),
    ] {
        let world = app();
        world.lock().latency = SignedDuration::ZERO;
        let facts = of_many_fleets(&world, 4);
        world.row(&fleet_name(), |row| row.lock.next_wake = Some(next));
        deliver(&world, &facts, false);
        assert_eq!(wakes(&world).contains(&fleet_name()), is_sent, "{next} at {now}");
    }
}

#[test]
fn a_second_batch_of_a_storm_sends_no_second_wake_and_writes_only_what_is_new() {
    let world = app();
    let facts = of_many_fleets(&world, 4);
    deliver(&world, &facts, false);
    let before = (world.count("file"), world.count("claim_wake"), wakes(&world));
    world.advance(SignedDuration::from_millis(1));
    let newer = fact(&world, 2, Verdict::NonCompliant);
    deliver(&world, &[facts.as_slice(), &[newer]].concat(), false);
    assert_eq!((world.count("file"), world.count("claim_wake")), (before.0 + 1, before.1));
    assert_eq!(wakes(&world), before.2);
}

#[test]
fn an_alarm_or_a_word_in_a_storm_is_looked_at_on_the_spot() {
    let world = app();
    let mut facts = of_many_fleets(&world, 6);
    facts.push(word(&world, "now"));
    deliver(&world, &facts, false);
    assert_eq!(world.count("acquire"), 1);
    assert!(world.row(&fleet_name(), |row| row.facts.values().all(Fact::can_wait)), "it was followed");
}

#[test]
fn a_fact_that_was_used_is_looked_at_again_only_where_its_message_came_before() {
    let world = app();
    judge(&world, 1, Verdict::NonCompliant);
    let facts = [fact(&world, 1, Verdict::NonCompliant)];
    for (is_again, looks) in [(false, 1), (false, 1), (true, 2)] {
        deliver(&world, &facts, is_again);
        assert_eq!(world.count("acquire"), looks);
    }
}

#[test]
fn what_aws_has_no_calls_left_for_is_done_and_looked_at_again_soon() {
    for (facts, within) in [(vec![word(&app(), "now")], 5), (vec![fact(&app(), 1, Verdict::NonCompliant)], 65)] {
        let world = app();
        world.fault("groups_of", 0..1, Fault::Fails(CallErrorKind::Throttled));
        assert!(deliver(&world, &facts, false).is_empty(), "the message is done: its fact is filed");
        let now = world.lock().now;
        let at = world.lock().queue.iter().map(|message| message.at).min().unwrap();
        assert!(at > now && at <= now + SignedDuration::from_secs(within), "{at}");
    }
}

#[test]
fn what_cannot_be_remembered_is_written() {
    let world = app();
    let facts = of_many_fleets(&world, 4);
    world.fault("remembered", 0..1, Fault::Fails(CallErrorKind::Unavailable));
    assert!(deliver(&world, &facts, false).is_empty());
    assert_eq!(world.count("file"), 4);
}

#[test]
fn a_fact_that_cannot_be_filed_comes_again_alone() {
    let world = app();
    let facts = of_many_fleets(&world, 5);
    world.fault("file", 2..3, Fault::Fails(CallErrorKind::Unavailable));
    assert_eq!(deliver(&world, &facts, false), [2]);
}
