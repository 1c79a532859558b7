//! Batches of the wake queue: what can wait is looked at by the fleet, and not by the event.

use driftless_planner::fact::{Fact, Subject, Verdict};
use driftless_planner::ids::FleetName;
use driftless_planner::notification::Runbooks;
use driftless_planner::policy::Defaults;
use driftless_planner::storm::{GATHER, LOOKS_MAX, gathered_at};
use driftless_planner::wake::{Wake, WakeMessage};
use driftless_reconciler::batch::{Failure, Received, handle};
use driftless_reconciler::ports::{Acquired, CallErrorKind};
use driftless_reconciler::reconcile::Invocation;
use driftless_simulator::faults::Fate;
use driftless_simulator::queue::Message;
use jiff::SignedDuration;

use crate::support::names::GROUPS;
use crate::support::{CALL, World, app, fact, fleet_name, instance, judge, times, word};

/// The fleet, and nobody who takes messages: what one function does is counted.
fn held_back() -> World {
    let world = app();
    world.hold_messages_back();
    world
}

/// Delivers facts in one batch; answers the positions of those that come again.
fn deliver(world: &World, facts: &[Fact], is_again: bool) -> Vec<usize> {
    let body = |fact: &Fact| WakeMessage::Fact(Box::new(fact.clone()));
    let received = facts.iter().enumerate().map(|(id, fact)| Received { id, body: body(fact), is_again });
    let (received, holder, times) = (received.collect(), world.next_holder(), times(world.now()));
    let visit = async move |function| {
        let defaults = Defaults::default();
        let runbooks = Runbooks::default();
        let invocation = Invocation { holder: &holder, times, defaults: &defaults, runbooks: &runbooks };
        handle(&function, received, invocation).await
    };
    let failures = world.visit(visit).unwrap();
    failures.into_iter().flat_map(|Failure { messages, .. }| messages).collect()
}

fn non_compliant(world: &World, number: usize) -> Fact {
    fact(&world.lock(), number, Verdict::NonCompliant)
}

/// As many instances as there are facts, each of a fleet of its own, which the index knows; the first is of the real one.
fn of_many_fleets(world: &World, count: usize) -> Vec<Fact> {
    let fleet = |number| if number == 0 { fleet_name() } else { format!("more-{number}").parse().unwrap() };
    let known = (0..count).map(|number| (Subject::Instance(instance(number)), [fleet(number)].into()));
    world.lock().table.index(&known.collect());
    (0..count).map(|number| non_compliant(world, number)).collect()
}

fn wakes(world: &World) -> Vec<FleetName> {
    let fleet = |message: Message| {
        if let WakeMessage::Wake(Wake { fleet, .. }) = message.body { Some(fleet) } else { None }
    };
    world.messages().into_iter().filter_map(fleet).collect()
}

#[test]
fn facts_about_three_fleets_are_looked_at_on_the_spot_and_about_four_once_for_each_within_a_minute() {
    for (fleets, looks) in [(3, 3), (4, 0)] {
        let world = held_back();
        let facts = of_many_fleets(&world, fleets);
        assert!(deliver(&world, &facts, false).is_empty());
        assert_eq!(world.count("acquire"), looks, "{fleets} fleets");
        if looks == 0 {
            assert_eq!(wakes(&world).len(), fleets);
            let now = world.now();
            let latest = world.messages().iter().map(|message| message.visible_at).max().unwrap();
            assert!(latest <= now + GATHER + SignedDuration::from_secs(3), "{latest}");
        }
    }
}

#[test]
fn facts_that_come_one_by_one_are_looked_at_on_the_spot_twenty_times_a_minute() {
    let world = held_back();
    let minute = (world.now() + SignedDuration::from_secs(30)).round(jiff::Unit::Minute).unwrap();
    world.run_to(minute);
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
    world.pass(SignedDuration::from_mins(1));
    deliver(&world, &facts[21..], false);
    assert_eq!(world.count("acquire"), 21, "another minute");
}

#[test]
fn messages_of_a_storm_that_came_before_are_looked_at_on_the_spot() {
    let world = held_back();
    let facts = of_many_fleets(&world, 4);
    deliver(&world, &facts, true);
    assert_eq!(world.count("acquire"), 4, "whoever had them may have died after filing them");
}

#[test]
fn a_wake_on_its_way_is_counted_on_if_it_is_surely_ahead_and_no_later_than_the_gathered_look() {
    let millisecond = SignedDuration::from_millis(1);
    // The index is read, what is remembered, and the facts are filed; then the wakes are thought of.
    let (surely, now) = (SignedDuration::from_secs(2), held_back().now() + CALL * 3);
    let gathered = gathered_at(&fleet_name(), now + surely);
    for (next, is_sent) in [
        (now + surely - millisecond, true),
        (now + surely, true),
        (now + surely + millisecond, false),
        (gathered - millisecond, false),
        (gathered, false),
        (gathered + millisecond, true),
    ] {
        let world = held_back();
        let facts = of_many_fleets(&world, 4);
        world.lock().table.row_mut(&fleet_name()).lock.next_wake = Some(next);
        deliver(&world, &facts, false);
        assert_eq!(wakes(&world).contains(&fleet_name()), is_sent, "{next} at {now}");
    }
}

#[test]
fn a_second_batch_of_a_storm_sends_no_second_wake_and_writes_only_what_is_new() {
    let world = held_back();
    let facts = of_many_fleets(&world, 4);
    deliver(&world, &facts, false);
    let before = (world.count("file"), world.count("claim-wake"), wakes(&world));
    world.pass(SignedDuration::from_millis(1));
    let newer = non_compliant(&world, 2);
    deliver(&world, &[facts.as_slice(), &[newer]].concat(), false);
    assert_eq!((world.count("file"), world.count("claim-wake")), (before.0 + 1, before.1));
    assert_eq!(wakes(&world), before.2);
}

#[test]
fn an_alarm_or_a_word_in_a_storm_is_looked_at_on_the_spot() {
    let world = held_back();
    let mut facts = of_many_fleets(&world, 6);
    facts.push(word(&world.lock(), "now"));
    deliver(&world, &facts, false);
    assert_eq!(world.count("acquire"), 1);
    assert!(world.row().facts.values().all(Fact::can_wait), "it was followed");
}

#[test]
fn a_fact_that_was_used_is_looked_at_again_only_where_its_message_came_before() {
    let world = held_back();
    judge(&mut world.lock(), 1, Verdict::NonCompliant);
    let facts = [non_compliant(&world, 1)];
    for (is_again, looks) in [(false, 1), (false, 1), (true, 2)] {
        deliver(&world, &facts, is_again);
        assert_eq!(world.count("acquire"), looks);
    }
}

#[test]
fn what_aws_has_no_calls_left_for_is_done_and_looked_at_again_soon() {
    // Of Config's verdict the groups are asked once more: whose instance it is.
    for (is_word, number, within) in [(true, 0, 5), (false, 1, 65)] {
        let world = held_back();
        let facts = [if is_word { word(&world.lock(), "now") } else { non_compliant(&world, 1) }];
        world.fault(GROUPS, number..number + 1, Fate::Fails(CallErrorKind::Throttled));
        assert!(deliver(&world, &facts, false).is_empty(), "the message is done: its fact is filed");
        let now = world.now();
        let at = world.next_message_at();
        assert!(at > now && at <= now + SignedDuration::from_secs(within), "{at}");
    }
}

#[test]
fn what_cannot_be_remembered_is_written() {
    let world = held_back();
    let facts = of_many_fleets(&world, 4);
    world.fault("remembered", 0..1, Fate::Fails(CallErrorKind::Unavailable));
    assert!(deliver(&world, &facts, false).is_empty());
    assert_eq!(world.count("file"), 4);
}

#[test]
fn a_fact_that_cannot_be_filed_comes_again_alone() {
    let world = held_back();
    let facts = of_many_fleets(&world, 5);
    world.fault("file", 2..3, Fate::Fails(CallErrorKind::Unavailable));
    assert_eq!(deliver(&world, &facts, false), [2]);
}

#[test]
fn a_fact_that_can_wait_and_finds_the_lease_taken_is_looked_at_within_seconds() {
    let world = held_back();
    let now = world.now();
    let until = now + SignedDuration::from_secs(40);
    assert!(matches!(world.lock().table.acquire(&fleet_name(), "another run", now, until), Acquired::Held(_)));
    deliver(&world, &[non_compliant(&world, 1)], false);
    assert_eq!(wakes(&world), [fleet_name()]);
    let sent = world.messages().iter().map(|message| message.visible_at).max().unwrap();
    // Two seconds for clocks that differ, and one for the run that holds the lease, which would last for 40.
    assert!(sent <= world.now() + SignedDuration::from_secs(4), "{sent} at {}", world.now());
}
