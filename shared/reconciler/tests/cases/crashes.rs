//! Death at any call, and answers that are lost: it all ends the same.

use driftless_reconciler::ports::CallErrorKind;

use crate::support::{Fault, World, app, drifted};

/// How many calls a replacement takes when nothing goes wrong.
fn calls_of_a_replacement() -> usize {
    let world = app();
    drifted(&world, 1);
    world.deliver_all();
    world.lock().log.len()
}

fn replaced_with(fault: Fault, nth: usize) -> World {
    let world = app();
    drifted(&world, 1);
    world.fault("*", nth..nth + 1, fault);
    world.deliver_all();
    world
}

#[test]
fn a_crash_before_or_after_any_call_changes_nothing_in_the_end() {
    let calls = calls_of_a_replacement();
    assert!(calls > 100, "{calls}");
    for nth in 0..calls {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let world = replaced_with(fault, nth);
            let call = world.lock().log[nth].clone();
            world.assert_replaced_once(1, &format!("{fault:?} {nth}: {call:?}"));
        }
    }
}

#[test]
fn an_answer_that_is_lost_changes_nothing_in_the_end() {
    for nth in 0..calls_of_a_replacement() {
        let world = replaced_with(Fault::LostReply, nth);
        let call = world.lock().log[nth].clone();
        world.assert_replaced_once(1, &format!("{nth}: {call:?}"));
    }
}

#[test]
fn a_call_that_fails_once_changes_nothing_in_the_end() {
    let calls = calls_of_a_replacement();
    for kind in [CallErrorKind::Throttled, CallErrorKind::Denied] {
        for nth in 0..calls {
            let world = replaced_with(Fault::Fails(kind), nth);
            let call = world.lock().log[nth].clone();
            world.assert_replaced_once(1, &format!("{kind} {nth}: {call:?}"));
        }
    }
}

#[test]
fn two_crashes_change_nothing_in_the_end() {
    let calls = calls_of_a_replacement();
    for first in (0..calls).step_by(13) {
        for second in (first + 1..first + 40).step_by(5) {
            let world = app();
            drifted(&world, 1);
            world.fault("*", first..first + 1, Fault::CrashAfter);
            world.fault("*", second..second + 1, Fault::CrashBefore);
            world.deliver_all();
            world.assert_replaced_once(1, &format!("crashes at {first} and {second}"));
        }
    }
}
