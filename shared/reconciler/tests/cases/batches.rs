//! Batches of the reconcile queue: facts that can wait lead to one pass for each fleet, not for each event.

use driftless_planner::burst::{COALESCE_WITHIN, IMMEDIATE_RUNS_PER_MINUTE_MAX, coalesced_at};
use driftless_planner::fact::{ComplianceType, Fact, Subject};
use driftless_planner::ids::FleetName;
use driftless_planner::notification::Runbooks;
use driftless_planner::policy::Defaults;
use driftless_planner::request::{FleetRequest, ReconcileRequest};
use driftless_reconciler::batch::{Failure, Received, handle};
use driftless_reconciler::ports::CallErrorKind;
use driftless_reconciler::reconcile::Invocation;
use driftless_simulator::faults::Fate;
use driftless_simulator::queue::Message;
use jiff::SignedDuration;

use driftless_reconciler::ports::Acquired;

use crate::support::names::GROUPS;
use crate::support::{CALL, World, app, command_fact, fact, fleet_name, instance, report_compliance, times};

/// The fleet with message delivery stopped, so that a test counts what one function does.
fn deferred() -> World {
    let world = app();
    world.hold_messages_back();
    world
}

/// Delivers facts in one batch. Returns the positions of those that SQS must redeliver.
fn deliver(world: &World, facts: &[Fact], is_again: bool) -> Vec<usize> {
    let body = |fact: &Fact| ReconcileRequest::Fact(Box::new(fact.clone()));
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
    fact(&world.lock(), number, ComplianceType::NonCompliant)
}

/// One fact for each of `count` fleets; the index knows their instances. The first fleet is the real one.
fn of_many_fleets(world: &World, count: usize) -> Vec<Fact> {
    let fleet = |number| if number == 0 { fleet_name() } else { format!("more-{number}").parse().unwrap() };
    let known = (0..count).map(|number| (Subject::Instance(instance(number)), [fleet(number)].into()));
    world.lock().table.index(&known.collect());
    (0..count).map(|number| non_compliant(world, number)).collect()
}

fn requests(world: &World) -> Vec<FleetName> {
    let fleet = |message: Message| {
        if let ReconcileRequest::Reconcile(FleetRequest { fleet, .. }) = message.body { Some(fleet) } else { None }
    };
    world.messages().into_iter().filter_map(fleet).collect()
}

#[test]
fn facts_about_three_fleets_are_reconciled_at_once_and_about_four_once_for_each_within_a_minute() {
    for (fleets, passes) in [(3, 3), (4, 0)] {
        let world = deferred();
        let facts = of_many_fleets(&world, fleets);
        assert!(deliver(&world, &facts, false).is_empty());
        assert_eq!(world.count("acquire"), passes, "{fleets} fleets");
        if passes == 0 {
            assert_eq!(requests(&world).len(), fleets);
            let now = world.now();
            let latest = world.messages().iter().map(|message| message.visible_at).max().unwrap();
            assert!(latest <= now + COALESCE_WITHIN + SignedDuration::from_secs(3), "{latest}");
        }
    }
}

#[test]
fn facts_that_come_one_by_one_start_twenty_immediate_runs_a_minute() {
    let world = deferred();
    let minute = (world.now() + SignedDuration::from_secs(30)).round(jiff::Unit::Minute).unwrap();
    world.run_to(minute);
    let facts = of_many_fleets(&world, 22);
    let mut passes = Vec::new();
    for fact in &facts[..21] {
        assert!(deliver(&world, std::slice::from_ref(fact), false).is_empty());
        passes.push(world.count("acquire"));
    }
    assert_eq!(IMMEDIATE_RUNS_PER_MINUTE_MAX, 20);
    assert_eq!(passes[18..], [19, 20, 20], "the last one is left to a request");
    let last: FleetName = "more-20".parse().unwrap();
    assert_eq!(requests(&world).iter().filter(|fleet| **fleet != fleet_name()).collect::<Vec<_>>(), [&last]);
    world.pass(SignedDuration::from_mins(1));
    deliver(&world, &facts[21..], false);
    assert_eq!(world.count("acquire"), 21, "another minute");
}

#[test]
fn redelivered_messages_of_a_burst_are_reconciled_at_once() {
    let world = deferred();
    let facts = of_many_fleets(&world, 4);
    deliver(&world, &facts, true);
    assert_eq!(world.count("acquire"), 4, "whoever had them may have died after filing them");
}

#[test]
fn a_pending_request_counts_if_it_is_surely_ahead_and_no_later_than_the_coalesced_pass() {
    let millisecond = SignedDuration::from_millis(1);
    // Three calls come before the request is due: reading the index, reading the marks, and storing the facts.
    let (surely, now) = (SignedDuration::from_secs(2), deferred().now() + CALL * 3);
    let coalesced = coalesced_at(&fleet_name(), now + surely);
    for (next, is_sent) in [
        (now + surely - millisecond, true),
        (now + surely, true),
        (now + surely + millisecond, false),
        (coalesced - millisecond, false),
        (coalesced, false),
        (coalesced + millisecond, true),
    ] {
        let world = deferred();
        let facts = of_many_fleets(&world, 4);
        world.lock().table.row_mut(&fleet_name()).lock.next_request = Some(next);
        deliver(&world, &facts, false);
        assert_eq!(requests(&world).contains(&fleet_name()), is_sent, "{next} at {now}");
    }
}

#[test]
fn a_second_batch_of_a_burst_sends_no_second_request_and_writes_only_what_is_new() {
    let world = deferred();
    let facts = of_many_fleets(&world, 4);
    deliver(&world, &facts, false);
    let before = (world.count("store"), world.count("claim-request"), requests(&world));
    world.pass(SignedDuration::from_millis(1));
    let newer = non_compliant(&world, 2);
    deliver(&world, &[facts.as_slice(), &[newer]].concat(), false);
    assert_eq!((world.count("store"), world.count("claim-request")), (before.0 + 1, before.1));
    assert_eq!(requests(&world), before.2);
}

#[test]
fn an_alarm_or_a_command_in_a_burst_is_reconciled_at_once() {
    let world = deferred();
    let mut facts = of_many_fleets(&world, 6);
    facts.push(command_fact(&world.lock(), "now"));
    deliver(&world, &facts, false);
    assert_eq!(world.count("acquire"), 1);
    assert!(world.row().facts.values().all(Fact::can_wait), "it was followed");
}

#[test]
fn a_consumed_fact_is_reconciled_again_only_when_its_message_is_redelivered() {
    let world = deferred();
    report_compliance(&mut world.lock(), 1, ComplianceType::NonCompliant);
    let facts = [non_compliant(&world, 1)];
    for (is_again, passes) in [(false, 1), (false, 1), (true, 2)] {
        deliver(&world, &facts, is_again);
        assert_eq!(world.count("acquire"), passes);
    }
}

#[test]
fn a_throttled_message_is_done_and_its_fleet_is_requested_again_soon() {
    // A compliance fact costs one more call, which resolves its instance.
    for (is_word, number, within) in [(true, 0, 5), (false, 1, 65)] {
        let world = deferred();
        let facts = [if is_word { command_fact(&world.lock(), "now") } else { non_compliant(&world, 1) }];
        world.fault(GROUPS, number..number + 1, Fate::Fails(CallErrorKind::Throttled));
        assert!(deliver(&world, &facts, false).is_empty(), "the message is done: its fact is stored");
        let now = world.now();
        let at = world.next_message_at();
        assert!(at > now && at <= now + SignedDuration::from_secs(within), "{at}");
    }
}

#[test]
fn facts_are_stored_when_their_deduplication_marks_cannot_be_read() {
    let world = deferred();
    let facts = of_many_fleets(&world, 4);
    world.fault("deduplication", 0..1, Fate::Fails(CallErrorKind::Unavailable));
    assert!(deliver(&world, &facts, false).is_empty());
    assert_eq!(world.count("store"), 4);
}

#[test]
fn a_fact_that_cannot_be_stored_is_redelivered_alone() {
    let world = deferred();
    let facts = of_many_fleets(&world, 5);
    world.fault("store", 2..3, Fate::Fails(CallErrorKind::Unavailable));
    assert_eq!(deliver(&world, &facts, false), [2]);
}

#[test]
fn a_fact_that_can_wait_and_finds_the_lease_taken_is_reconciled_within_seconds() {
    let world = deferred();
    let now = world.now();
    let until = now + SignedDuration::from_secs(40);
    assert!(matches!(world.lock().table.acquire(&fleet_name(), "another run", now, until), Acquired::Held(_)));
    deliver(&world, &[non_compliant(&world, 1)], false);
    assert_eq!(requests(&world), [fleet_name()]);
    let sent = world.messages().iter().map(|message| message.visible_at).max().unwrap();
    // Two seconds for clocks that differ and one for the run that holds the lease; the lease itself would last 40 s.
    assert!(sent <= world.now() + SignedDuration::from_secs(4), "{sent} at {}", world.now());
}
