//! Events for pipelines: every history entry is published at least once, and a failed bus never stops the work.

use std::collections::BTreeMap;

use driftless_planner::event::{Event, EventBatch};
use driftless_planner::history::{Change, HistoryEntry};
use driftless_planner::observation::FreezeScope;
use driftless_reconciler::ports::CallErrorKind;
use driftless_simulator::cloud::Actor;
use driftless_simulator::faults::Fate;
use driftless_simulator::world::World as State;
use jiff::SignedDuration;

use super::resyncing::try_to_resync;
use crate::support::{REPORTED, World, app, drifted, fleet_name, instance, start};

/// The number of times each event was published. Repeats must be identical.
fn put(world: &State) -> BTreeMap<String, usize> {
    let mut seen: BTreeMap<String, (Event, usize)> = BTreeMap::new();
    for event in &world.topic.events {
        let known = seen.entry(event.id.clone()).or_insert_with(|| (event.clone(), 0));
        assert_eq!(known.0, *event);
        known.1 += 1;
    }
    seen.into_iter().map(|(id, (_, times))| (id, times)).collect()
}

fn waiting(world: &State) -> usize {
    world.table.row(&fleet_name()).unwrap().events.iter().map(|batch| batch.events.len()).sum()
}

fn history_entries(world: &State) -> usize {
    world.table.row(&fleet_name()).unwrap().history.len()
}

/// Every history entry was published, and no event waits.
fn assert_all_put(world: &World, told: &str) {
    let world = world.lock();
    assert!(history_entries(&world) > 0);
    assert_eq!((put(&world).len(), waiting(&world)), (history_entries(&world), 0), "{told}");
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
    world.before("put-events", 0, |world| {
        assert!(
            waiting(world) > 0 && waiting(world) + put(world).len() == history_entries(world),
            "committed before it is put"
        );
    });
    world.before("mark-published", 0, |world| assert_eq!(put(world).len(), history_entries(world)));
    world.pass(REPORTED);
    assert_eq!((world.count("put-events"), world.count("mark-published")), (1, 1));
    assert_all_put(&world, "put");
}

#[test]
fn a_pass_without_changes_puts_nothing() {
    let world = about_to_tell();
    world.pass(REPORTED);
    let before = (world.count("put-events"), world.count("mark-published"));
    world.pass(SignedDuration::from_secs(10));
    world.reconcile().unwrap();
    assert_eq!((world.count("put-events"), world.count("mark-published")), before);
}

#[test]
fn a_crash_around_the_call_repeats_under_the_same_ids_and_omits_nothing() {
    for (fate, times) in [(Fate::CrashBefore, 1), (Fate::CrashAfter, 2), (Fate::ReplyLost, 2)] {
        let world = about_to_tell();
        world.fault("put-events", 0..1, fate);
        world.pass(REPORTED);
        world.pass(SignedDuration::from_mins(4));
        world.reconcile().unwrap();
        assert_all_put(&world, &format!("{fate:?}"));
        assert_eq!(put(&world.lock()).values().max(), Some(&times), "{fate:?}");
    }
}

#[test]
fn an_entry_that_was_not_taken_stays_though_the_call_succeeds() {
    let world = about_to_tell();
    world.lock().fault_plan.refuse_events(1);
    world.pass(REPORTED);
    assert!(waiting(&world.lock()) > 0, "it is owed still");
    world.pass(SignedDuration::from_mins(4));
    world.reconcile().unwrap();
    assert_all_put(&world, "in the end");
}

#[test]
fn a_bus_that_takes_nothing_stops_neither_the_work_nor_the_messages() {
    let world = about_to_tell();
    world.fault("put-events", 0..1000, Fate::Fails(CallErrorKind::Denied));
    world.run_to(start() + SignedDuration::from_mins(12));
    assert_eq!(world.ended(), [(instance(1), Actor::Driftless)], "the replacement went on");
    assert_eq!(world.kinds(), ["adopted", "replacement-started", "replaced"]);
    let state = world.lock();
    assert_eq!(waiting(&state) + put(&state).len(), history_entries(&state));
    drop(state);
    world.heal();
    world.deliver_all();
    world.assert_replaced_once(1, "without a bus");
    assert_eq!(put(&world.lock()).values().max(), Some(&1));
}

#[test]
fn the_resync_puts_what_is_of_the_account() {
    let world = app();
    let line = HistoryEntry {
        at: start(),
        actor: "ana".to_owned(),
        change: Change::Command { command: "freeze".to_owned(), is_done: true },
        why: "incident 7".into(),
    };
    let batch = EventBatch::alone(&FreezeScope::Account, &line);
    world.lock().table.note(&FreezeScope::Account, &line);
    let before = put(&world.lock()).len();
    world.fault("put-events", 0..1, Fate::Fails(CallErrorKind::Unavailable));
    assert_eq!(try_to_resync(&world).unwrap_err().kind, CallErrorKind::Unavailable);
    assert_eq!(world.lock().table.account_events().len(), 1);
    try_to_resync(&world).unwrap();
    assert!(world.lock().table.account_events().is_empty());
    let told = put(&world.lock());
    assert_eq!((told.len(), told[&batch.id]), (before + 1, 1));
    let calls = world.count("put-events");
    try_to_resync(&world).unwrap();
    assert_eq!(world.count("put-events"), calls, "told once");
}
