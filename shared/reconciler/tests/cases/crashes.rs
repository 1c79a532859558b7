//! Crashes at any call, lost responses and failed calls: the end state is always the same.

use driftless_planner::record::Record;
use driftless_reconciler::ports::CallErrorKind;
use driftless_simulator::calls::{Call, Calls};
use driftless_simulator::faults::Fate;

use crate::support::{World, app, drifted, fleet_name};

fn about_to_replace() -> World {
    let world = app();
    drifted(&world, 1);
    world
}

/// The same world without counted calls: these tests build it hundreds of times.
fn uncounted() -> World {
    let world = about_to_replace();
    world.lock().calls = Calls::default();
    world
}

/// The calls of a replacement without faults.
fn calls_of_a_replacement() -> Vec<Call> {
    let world = about_to_replace();
    world.deliver_all();
    let calls = world.calls();
    assert!(calls.len() > 100, "{}", calls.len());
    calls
}

/// Injects each fate into each of the calls, in a replacement of its own.
fn each_call_meets(fates: &[Fate]) {
    for (number, call) in (0..).zip(calls_of_a_replacement()) {
        for fate in fates {
            let world = uncounted();
            world.fault_at(number, *fate);
            world.deliver_all();
            let told = format!("{fate:?} {number}: {call:?}");
            assert_eq!(world.lock().counts.faults.get(fate.name()), Some(&1), "{told}");
            world.assert_replaced_once(1, &told);
        }
    }
}

#[test]
fn a_crash_before_or_after_any_call_changes_nothing_in_the_end() {
    each_call_meets(&[Fate::CrashBefore, Fate::CrashAfter]);
}

#[test]
fn an_answer_that_is_lost_changes_nothing_in_the_end() {
    each_call_meets(&[Fate::ReplyLost]);
}

#[test]
fn a_call_that_fails_once_changes_nothing_in_the_end() {
    each_call_meets(&[CallErrorKind::Throttled, CallErrorKind::Denied].map(Fate::Fails));
}

#[test]
fn two_crashes_change_nothing_in_the_end() {
    let calls = u64::try_from(calls_of_a_replacement().len()).unwrap();
    for first in (0..calls).step_by(13) {
        for second in (first + 1..first + 40).step_by(5) {
            let world = uncounted();
            world.fault_at(first, Fate::CrashAfter);
            world.fault_at(second, Fate::CrashBefore);
            world.deliver_all();
            world.assert_replaced_once(1, &format!("crashes at {first} and {second}"));
        }
    }
}

#[test]
fn every_record_of_a_replacement_is_read_as_it_was_written() {
    let world = about_to_replace();
    world.run_until(|world| {
        let record = world.table.row(&fleet_name()).and_then(|row| row.record.as_ref()).unwrap();
        let stored = serde_json::to_string(record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&stored).unwrap(), *record);
        world.queue.is_empty()
    });
    world.assert_replaced_once(1, "read as it was written");
}
