//! Leases: one run acts at a time, and what the other runs do.

use driftless_planner::fact::ComplianceType;
use driftless_planner::request::ReconcileRequest;
use driftless_reconciler::ports::CallErrorKind;
use driftless_reconciler::reconcile::{Cause, Ran, Times};
use driftless_simulator::faults::Fate;
use driftless_simulator::queue::Queue;
use jiff::{SignedDuration, Timestamp};

use crate::support::names::{FORWARDS, GROUP, GROUPS, HEALTH, MACHINES, REFRESH, RULE};
use crate::support::{REPORTED, World, app, drifted, fleet_name, report_compliance, store_command, times, unseen};

const URGENT: Cause = Cause::Urgent { due: None };

/// The fleet a moment after the drift has lasted long enough, before any pass: its request was lost.
pub(crate) fn about_to_launch() -> World {
    let world = app();
    drifted(&world, 1);
    world.pass(REPORTED);
    let due = world.take_request();
    world.run_to(due);
    world
}

#[test]
fn of_runs_at_once_one_acts_and_the_others_leave_one_request_for_its_leases_end() {
    let world = app();
    drifted(&world, 1);
    world.slow("load", 0, SignedDuration::from_secs(3));
    let holder = world.begin(URGENT, times(world.now()));
    world.pass(SignedDuration::from_secs(1));
    let lease_end = world.row().lock.until;
    for _ in 0..3 {
        assert_eq!(world.reconcile().unwrap(), Ran::Busy);
    }
    assert_eq!(world.count("send"), 1);
    let messages = world.messages();
    let request = messages.iter().find(|message| matches!(message.body, ReconcileRequest::Reconcile(_))).unwrap();
    let at = request.visible_at;
    assert!(at > lease_end && at < lease_end + SignedDuration::from_secs(3), "{at} for {lease_end}");
    assert_eq!(world.finish(&holder).unwrap().unwrap(), Ran::Idle);
    world.deliver_all();
    world.assert_replaced_once(1, "after runs at once");
}

#[test]
fn the_facts_of_a_busy_run_are_reconciled_after_the_holder_dies() {
    let world = app();
    world.sleep_after("load", 0, SignedDuration::from_secs(20));
    world.fault(FORWARDS, 0..1, Fate::CrashBefore);
    let holder = world.begin(URGENT, times(world.now()));
    drifted(&world, 1);
    world.pass(REPORTED);
    assert!(world.count("acquire") > 1, "its event came meanwhile");
    // The holder crashes, and its messages are lost.
    assert!(world.finish(&holder).is_none());
    world.deliver_all();
    world.assert_replaced_once(1, "after the holder's death");
}

#[test]
fn a_fact_that_is_stored_while_the_lease_is_held_is_reconciled_before_the_release() {
    let world = app();
    world.before("release", 0, |world| {
        report_compliance(world, 1, ComplianceType::NonCompliant);
        store_command(world, "retry");
    });
    assert_eq!(world.reconcile().unwrap(), Ran::Idle);
    assert_eq!(world.count("load"), 2);
    assert!(world.row().facts.is_empty() && !world.record().replacements.is_empty());
    assert!(world.is_free());
    world.deliver_all();
    world.assert_replaced_once(1, "stored meanwhile");
}

#[test]
fn a_fact_that_comes_between_the_read_and_the_commit_is_reconciled_again_and_not_lost() {
    let world = about_to_launch();
    // Stored under the key of a fact that was read, but newer.
    store_command(&mut world.lock(), "retry");
    world.before("commit", 0, |world| store_command(world, "retry"));
    world.before("load", 1, |world| {
        assert_eq!(world.table.row(&fleet_name()).unwrap().facts.len(), 1, "it waits for the next reconcile pass");
    });
    assert_eq!(world.reconcile().unwrap(), Ran::Idle);
    assert!(world.row().facts.is_empty());
    assert_eq!(world.row().filed, 3, "Config's fact and two commands");
}

#[test]
fn a_holder_whose_lease_was_taken_commits_nothing_and_does_nothing() {
    let world = about_to_launch();
    let before = world.record();
    // The other run's clock is ahead.
    world.before("commit", 0, |world| {
        let end = world.table.row(&fleet_name()).unwrap().lock.until;
        world.table.acquire(&fleet_name(), "thief", end, end + SignedDuration::from_secs(40));
    });
    assert_eq!(world.reconcile().unwrap(), Ran::Overtaken);
    assert_eq!(world.count("launch") + world.count("set-maximum"), 0);
    assert_eq!(world.record(), before);
    assert_eq!(world.row().lock.holder.as_deref(), Some("thief"));
}

#[test]
fn a_holder_whose_lease_is_over_commits_nothing_although_no_run_took_it() {
    let world = about_to_launch();
    let before = world.record();
    world.slow(GROUPS, 0, SignedDuration::from_secs(3));
    let short = Times { lease: SignedDuration::from_secs(3), ..times(world.now()) };
    let run = world.begin(URGENT, short);
    assert_eq!(world.finish(&run).unwrap().unwrap(), Ran::OutOfTime);
    assert_eq!(world.count("launch") + world.count("set-maximum"), 0);
    assert_eq!(world.record(), before);
    world.deliver_all();
    world.assert_replaced_once(1, "by a fresh run");
}

#[test]
fn a_record_that_changed_under_a_held_lease_is_read_again() {
    let world = about_to_launch();
    // A commit that the SDK repeats after its first response was lost conflicts with itself.
    world.before("commit", 0, |world| {
        world.table.row_mut(&fleet_name()).record.as_mut().unwrap().version += 1;
    });
    world.reconcile().unwrap();
    assert!(world.is_free(), "nobody else goes on: the lease must be free");
    world.deliver_all();
    world.assert_replaced_once(1, "after the conflict");
}

#[test]
fn a_read_that_fails_releases_the_lease_and_fails_the_run() {
    for read in [GROUPS, "load", FORWARDS, HEALTH, MACHINES, REFRESH] {
        let world = about_to_launch();
        world.fault(read, 0..1, Fate::Fails(CallErrorKind::Throttled));
        let error = world.reconcile().unwrap_err();
        assert_eq!((error.operation, error.kind), (read, CallErrorKind::Throttled));
        assert!(world.is_free(), "{read}");
        assert_eq!(world.count("launch"), 0, "{read}");
    }
}

#[test]
fn a_rule_that_cannot_be_read_starts_nothing_fails_nothing_and_is_read_again_soon() {
    let world = app();
    drifted(&world, 1);
    world.fault(RULE, 0..1, Fate::Fails(CallErrorKind::Throttled));
    world.run_until(|world| world.counts.calls.contains_key("load"));
    world.run_until(|world| world.table.row(&fleet_name()).unwrap().lock.holder.is_none());
    assert_eq!(world.row().facts.len(), 1, "what was reported is kept");
    world.pass(SignedDuration::from_millis(100));
    let bodies: Vec<ReconcileRequest> = world.messages().into_iter().map(|message| message.body).collect();
    assert!(matches!(bodies[..], [ReconcileRequest::Reconcile(_)]), "its message is done: {bodies:?}");
    world.deliver_all();
    world.assert_replaced_once(1, "after Config answered");
}

#[test]
fn a_run_that_fails_releases_the_lease_although_a_fact_came_meanwhile() {
    let world = about_to_launch();
    world.before(GROUPS, 0, |world| store_command(world, "retry"));
    world.fault(FORWARDS, 0..1, Fate::Fails(CallErrorKind::Throttled));
    world.reconcile().unwrap_err();
    assert_eq!(world.row().lock.requests, 1);
    assert!(world.is_free());
}

#[test]
fn whatever_call_fails_the_lease_is_not_kept() {
    for call in ["commit", "remember", "publish", "mark-delivered", "send"] {
        let world = unseen(&[("mode", "observe")]);
        drifted(&world, 1);
        world.fault(call, 0..1, Fate::Fails(CallErrorKind::Unavailable));
        world.pass(REPORTED);
        assert!(world.is_free(), "{call}");
        let again = world.messages().into_iter().filter(|message| message.receives == 1).count();
        assert_eq!(again, 1, "{call}: the message is given back");
        world.deliver_all();
        assert_eq!(world.lock().counts.faults.get("refused"), Some(&1), "{call}");
        assert!(world.is_free(), "{call}");
        // With the lease kept, the next run would have found it busy.
        assert_eq!(world.count("claim-request"), 0, "{call}");
    }
}

/// Loses all requests, and keeps the effects of receiving them.
fn lose_messages(world: &World) {
    world.lock().queue = Queue::default();
    world.hold_messages_back();
}

fn run_until(world: &World, deadline: Timestamp, lease: SignedDuration) -> Ran {
    let run = world.begin(URGENT, Times { deadline, lease, ..times(world.now()) });
    world.finish(&run).unwrap().unwrap()
}

#[test]
fn no_write_starts_after_the_margin_and_a_fresh_run_goes_on() {
    // Time runs out before the first action, while the live values are read, and between two actions.
    for (call, number) in [("commit", 0), (GROUP, 0), (GROUP, 1), ("launch", 0)] {
        let world = about_to_launch();
        lose_messages(&world);
        let deadline = world.now() + SignedDuration::from_secs(30);
        world.sleep_after(call, number, SignedDuration::from_secs(26));
        run_until(&world, deadline, SignedDuration::from_secs(40));
        let writes = ["set-maximum", "launch", "terminate", "protect", "set-desired"];
        let sent = writes.iter().flat_map(|write| world.sent(write));
        let late = sent.filter(|at| *at >= deadline - SignedDuration::from_secs(5)).count();
        assert_eq!(late, 0, "{call} {number}");
        assert!(world.is_free(), "{call} {number}");
        let next = world.next_message_at();
        assert!(next <= world.now() + SignedDuration::from_secs(2), "{call} {number}: {next}");
        world.deliver_all();
        world.assert_replaced_once(1, call);
    }
}

#[test]
fn no_write_starts_when_the_lease_is_nearly_over_even_if_the_function_lives_on() {
    let world = about_to_launch();
    lose_messages(&world);
    let lease = SignedDuration::from_secs(20);
    world.sleep_after(GROUP, 0, lease - SignedDuration::from_secs(5));
    let deadline = world.now() + SignedDuration::from_mins(10);
    run_until(&world, deadline, lease);
    assert_eq!(world.count("launch") + world.count("set-maximum"), 0);
    world.deliver_all();
    world.assert_replaced_once(1, "nearly over");
}

#[test]
fn facts_without_end_are_handed_over_and_occupy_no_function() {
    let world = app();
    for passes in 0..20 {
        world.before("release", passes, move |world| store_command(world, &format!("number {passes}")));
    }
    assert_eq!(world.reconcile().unwrap(), Ran::OutOfTime);
    assert!(world.count("load") <= 6);
    // One request for a fresh run, and one for what the commands lead to.
    assert!(world.count("send") <= 2);
    assert!(world.is_free(), "a fresh run must not find it busy");
    world.deliver_all();
    assert!(world.row().facts.is_empty());
}
