//! What pipelines are told: every line of the journal, at least once, and never at the price of the work.

use std::collections::BTreeMap;

use driftless_planner::decision::JournalEntry;
use driftless_planner::event::{Event, EventBatch};
use driftless_planner::notification::Notification;
use driftless_planner::observation::FreezeScope;
use driftless_planner::policy::Defaults;
use driftless_reconciler::ports::CallErrorKind;
use driftless_reconciler::sweep::sweep;
use jiff::SignedDuration;

use crate::support::{Fault, World, app, block_on, drifted, fleet_name, start};

/// How often each event was put. One that is put twice must be the same twice.
fn put(world: &World) -> BTreeMap<String, usize> {
    let mut seen: BTreeMap<String, (Event, usize)> = BTreeMap::new();
    for event in &world.lock().bus {
        let known = seen.entry(event.id.clone()).or_insert_with(|| (event.clone(), 0));
        assert_eq!(known.0, *event);
        known.1 += 1;
    }
    seen.into_iter().map(|(id, (_, times))| (id, times)).collect()
}

fn waiting(world: &World) -> usize {
    world.row(&fleet_name(), |row| row.events.iter().map(|batch| batch.events.len()).sum())
}

fn journaled(world: &World) -> usize {
    world.row(&fleet_name(), |row| row.journal.len())
}

/// A fleet with an instance that has just drifted, with the report on its way.
fn about_to_tell() -> World {
    let world = app();
    drifted(&world, 1);
    world
}

#[test]
fn a_line_is_put_as_an_event_before_it_leaves_the_outbox() {
    let world = about_to_tell();
    world.hook("put", 0, |world| {
        assert!(
            waiting(world) > 0 && waiting(world) + put(world).len() == journaled(world),
            "committed before it is put"
        );
    });
    world.hook("put_out", 0, |world| assert_eq!(put(world).len(), journaled(world)));
    world.deliver();
    assert!(journaled(&world) > 0);
    assert_eq!((put(&world).len(), waiting(&world)), (journaled(&world), 0));
}

#[test]
fn a_look_without_news_puts_nothing() {
    let world = about_to_tell();
    world.deliver();
    let before = (world.count("put"), world.count("put_out"));
    world.advance(SignedDuration::from_secs(10));
    block_on(world.look(&fleet_name(), None)).unwrap();
    assert_eq!((world.count("put"), world.count("put_out")), before);
}

#[test]
fn a_crash_around_the_call_repeats_under_the_same_ids_and_omits_nothing() {
    for (fault, times) in [(Fault::CrashBefore, 1), (Fault::CrashAfter, 2), (Fault::LostReply, 2)] {
        let world = about_to_tell();
        world.fault("put", 0..1, fault);
        world.deliver();
        world.revive();
        world.advance(SignedDuration::from_mins(4));
        block_on(world.look(&fleet_name(), None)).unwrap();
        assert_eq!((put(&world).len(), waiting(&world)), (journaled(&world), 0), "{fault:?}");
        assert_eq!(put(&world).values().max(), Some(&times), "{fault:?}");
    }
}

#[test]
fn an_entry_that_was_not_taken_stays_though_the_call_succeeds() {
    let world = about_to_tell();
    world.hook("put", 0, |world| {
        let first = world.row(&fleet_name(), |row| row.events[0].events[0].id.clone());
        world.lock().untaken.insert(first, 1);
    });
    world.deliver();
    assert!(waiting(&world) > 0, "it is owed still");
    world.advance(SignedDuration::from_mins(4));
    block_on(world.look(&fleet_name(), None)).unwrap();
    assert_eq!((put(&world).len(), waiting(&world)), (journaled(&world), 0));
}

#[test]
fn a_bus_that_takes_nothing_stops_neither_the_work_nor_the_messages() {
    let world = about_to_tell();
    world.fault("put", 0..1000, Fault::Fails(CallErrorKind::Denied));
    world.deliver_until(start() + SignedDuration::from_mins(90));
    assert_eq!(world.lock().terminated.len(), 1, "the replacement went on");
    let kinds: Vec<&str> = world.lock().alerts.iter().map(Notification::kind).collect();
    assert_eq!(kinds, ["adopted", "replacement-started", "replaced"]);
    assert_eq!(waiting(&world) + put(&world).len(), journaled(&world));
    world.heal();
    world.deliver_all();
    world.assert_replaced_once(1, "without a bus");
    assert_eq!(put(&world).values().max(), Some(&1));
}

#[test]
fn the_sweep_puts_what_is_of_the_account() {
    let world = app();
    let line = JournalEntry {
        at: start(),
        instance: None,
        from: "freeze".to_owned(),
        to: "done".to_owned(),
        why: "incident 7".into(),
        actor: "ana".to_owned(),
        evidence: None,
    };
    let batch = EventBatch::alone(&FreezeScope::Account, &line);
    world.lock().account_events.push(batch.clone());
    let before = put(&world).len();
    let first = world.count("put");
    world.fault("put", first..first + 1, Fault::Fails(CallErrorKind::Unavailable));
    assert_eq!(block_on(sweep(&world, &Defaults::default())).unwrap_err().kind, CallErrorKind::Unavailable);
    assert_eq!(world.lock().account_events.len(), 1);
    block_on(sweep(&world, &Defaults::default())).unwrap();
    assert!(world.lock().account_events.is_empty());
    assert_eq!((put(&world).len(), put(&world)[&batch.id]), (before + 1, 1));
    let calls = world.count("put");
    block_on(sweep(&world, &Defaults::default())).unwrap();
    assert_eq!(world.count("put"), calls, "told once");
}
