//! Who may act: one run at a time, and what becomes of the others.

use driftless_planner::fact::Verdict;
use driftless_planner::policy::Defaults;
use driftless_reconciler::ports::{CallErrorKind, Clock};
use driftless_reconciler::reconcile::{Cause, Invocation, Ran, Times, reconcile};
use jiff::{SignedDuration, Timestamp};

use crate::support::{Fault, LEASE, World, app, block_on, drifted, fleet_name, start, times, word};

fn wakes_on_their_way(world: &World) -> usize {
    world.lock().queue.len()
}

fn debounced() -> Timestamp {
    start() + SignedDuration::from_mins(65)
}

/// The fleet one moment before its drifted instance may be replaced.
fn about_to_launch() -> World {
    let world = app();
    drifted(&world, 1);
    world.deliver();
    world.advance_to(debounced() + SignedDuration::from_secs(1));
    world
}

fn is_free(world: &World) -> bool {
    world.row(&fleet_name(), |row| row.lock.holder.is_none())
}

#[test]
fn of_runs_at_once_one_acts_and_the_others_leave_one_wake_for_its_leases_end() {
    let world = app();
    drifted(&world, 1);
    let event = world.receive().unwrap();
    world.hook("load", 0, |world| {
        let lease_end = world.row(&fleet_name(), |row| row.lock.until);
        for _ in 0..3 {
            assert_eq!(block_on(world.look(&fleet_name(), None)).unwrap(), Ran::Busy);
        }
        assert_eq!(world.count("send"), 1);
        let at = world.lock().queue[0].at;
        assert!(at > lease_end && at < lease_end + SignedDuration::from_secs(3), "{at} for {lease_end}");
    });
    assert_eq!(block_on(world.handle(&event)).unwrap(), Some(Ran::Settled));
    world.deliver_all();
    world.assert_replaced_once(1, "after runs at once");
}

#[test]
fn what_a_busy_run_came_for_is_looked_at_when_the_holder_dies() {
    let world = app();
    // The holder dies, and its message is never seen again.
    world.hook("load", 0, |world| {
        drifted(world, 1);
        assert_eq!(block_on(world.handle(&world.receive().unwrap())).unwrap(), Some(Ran::Gathering));
    });
    world.fault("forwards", 0..1, Fault::CrashBefore);
    assert!(block_on(world.look(&fleet_name(), None)).is_err());
    assert!(world.revive());
    world.deliver_all();
    world.assert_replaced_once(1, "after the holder's death");
}

#[test]
fn a_fact_that_is_filed_while_the_lease_is_held_is_looked_at_before_it_is_given_back() {
    let world = app();
    world.hook("release", 0, |world| {
        crate::support::judge(world, 1, Verdict::NonCompliant);
        let reported = word(world, "look");
        world.lock().file(&fleet_name(), &reported);
    });
    assert_eq!(block_on(world.look(&fleet_name(), None)).unwrap(), Ran::Settled);
    assert_eq!(world.count("load"), 2);
    assert!(
        world.row(&fleet_name(), |row| row.facts.is_empty() && !row.record.as_ref().unwrap().replacements.is_empty())
    );
    assert!(is_free(&world));
    world.deliver_all();
    world.assert_replaced_once(1, "filed meanwhile");
}

#[test]
fn a_holder_whose_lease_was_taken_commits_nothing_and_does_nothing() {
    let world = about_to_launch();
    let before = world.row(&fleet_name(), |row| row.record.clone());
    world.hook("commit", 0, |world| {
        world.row(&fleet_name(), |row| {
            row.lock.holder = Some("thief".to_owned());
            row.lock.fence += 1;
        });
    });
    assert_eq!(block_on(world.look(&fleet_name(), None)).unwrap(), Ran::Overtaken);
    assert_eq!(world.count("launch") + world.count("set_maximum"), 0);
    world.row(&fleet_name(), |row| {
        assert_eq!(row.record, before);
        assert_eq!(row.lock.holder.as_deref(), Some("thief"));
    });
}

#[test]
fn a_record_that_moved_under_a_lease_that_is_still_held_is_looked_at_again() {
    let world = about_to_launch();
    // A commit that was repeated below us after its first answer was lost comes back as a conflict with itself.
    world.hook("commit", 0, |world| world.row(&fleet_name(), |row| row.record.as_mut().unwrap().version += 1));
    world.lock().queue.clear();
    block_on(world.look(&fleet_name(), None)).unwrap();
    assert!(is_free(&world), "nobody else goes on: the lease must be free");
    world.deliver_all();
    world.assert_replaced_once(1, "after the conflict");
}

#[test]
fn a_read_that_fails_gives_the_lease_back_and_fails_the_run() {
    for read in ["groups_of", "load", "forwards", "target_health", "machines", "refresh"] {
        let world = about_to_launch();
        let nth = world.count(read);
        world.fault(read, nth..nth + 1, Fault::Fails(CallErrorKind::Throttled));
        let error = block_on(world.look(&fleet_name(), None)).unwrap_err();
        assert_eq!((error.operation, error.kind), (read, CallErrorKind::Throttled));
        assert!(is_free(&world), "{read}");
        assert_eq!(world.count("launch"), 0, "{read}");
    }
}

#[test]
fn a_rule_that_cannot_be_read_starts_nothing_fails_nothing_and_is_read_again_soon() {
    let world = app();
    drifted(&world, 1);
    let nth = world.count("non_compliant");
    world.fault("non_compliant", nth..nth + 1, Fault::Fails(CallErrorKind::Throttled));
    assert!(world.deliver().unwrap().is_ok());
    assert!(is_free(&world));
    assert_eq!(world.row(&fleet_name(), |row| row.facts.len()), 1, "what was reported is kept");
    world.deliver_all();
    world.assert_replaced_once(1, "after Config answered");
}

#[test]
fn a_run_that_fails_gives_the_lease_back_although_a_fact_came_meanwhile() {
    let world = about_to_launch();
    world.hook("forwards", 0, |world| {
        let reported = word(world, "look");
        world.lock().file(&fleet_name(), &reported);
    });
    let nth = world.count("forwards");
    world.fault("forwards", nth..nth + 1, Fault::Fails(CallErrorKind::Throttled));
    assert!(block_on(world.look(&fleet_name(), None)).is_err());
    assert!(is_free(&world));
}

#[test]
fn whatever_call_fails_the_lease_is_not_kept() {
    for call in ["commit", "remember", "publish", "told", "send"] {
        let world = crate::support::unseen(&[("mode", "observe")]);
        drifted(&world, 1);
        world.fault(call, 0..1, Fault::Fails(CallErrorKind::Unavailable));
        let failed = std::iter::from_fn(|| world.deliver()).take(20).filter(Result::is_err).count();
        assert_eq!(failed, 1, "{call}: the message is given back once");
        assert!(is_free(&world), "{call}");
        // Were it kept, the next message would have found it busy.
        assert_eq!(world.count("claim_wake"), 0, "{call}");
    }
}

fn run_until(world: &World, deadline: Timestamp) -> Ran {
    let holder = world.next_holder();
    let times = Times { deadline, ..times(world.now()) };
    let invocation = Invocation { holder: &holder, times, defaults: &Defaults::default() };
    block_on(reconcile(world, &fleet_name(), Cause::Urgent { due: None }, invocation)).unwrap()
}

#[test]
fn no_write_starts_after_the_margin_and_a_fresh_run_goes_on() {
    // Time runs out before the first action, while the live values are read, and between two actions.
    for (call, skip) in [("commit", 0), ("group", 0), ("group", 1), ("launch", 0)] {
        let world = about_to_launch();
        world.lock().queue.clear();
        let deadline = world.now() + SignedDuration::from_secs(30);
        world.hook(call, skip, |world| world.advance(SignedDuration::from_secs(26)));
        run_until(&world, deadline);
        let late = world
            .lock()
            .log
            .iter()
            .filter(|call| {
                ["set_maximum", "launch", "terminate", "protect", "set_desired"].contains(&call.name)
                    && call.at >= deadline - SignedDuration::from_secs(5)
            })
            .count();
        assert_eq!(late, 0, "{call} {skip}");
        assert!(wakes_on_their_way(&world) > 0, "{call} {skip}");
        assert!(is_free(&world), "{call} {skip}");
        let next = world.lock().queue.iter().map(|message| message.at).min().unwrap();
        assert!(next <= world.now() + SignedDuration::from_secs(2), "{call} {skip}: {next}");
        world.deliver_all();
        world.assert_replaced_once(1, call);
    }
}

#[test]
fn no_write_starts_when_the_lease_is_nearly_over_even_if_the_function_lives_on() {
    let world = about_to_launch();
    world.hook("group", 0, |world| world.advance(LEASE - SignedDuration::from_secs(5)));
    let deadline = world.now() + SignedDuration::from_mins(10);
    run_until(&world, deadline);
    assert_eq!(world.count("launch") + world.count("set_maximum"), 0);
    world.deliver_all();
    world.assert_replaced_once(1, "nearly over");
}

#[test]
fn news_without_end_is_handed_over_and_keeps_no_function_to_itself() {
    let world = app();
    for looks in 0..20 {
        world.hook("release", looks, move |world| {
            let reported = word(world, &format!("number {looks}"));
            world.lock().file(&fleet_name(), &reported);
        });
    }
    assert_eq!(block_on(world.look(&fleet_name(), None)).unwrap(), Ran::OutOfTime);
    assert!(world.count("load") <= 6);
    // For a fresh run, and for what the words lead to.
    assert!(world.count("send") <= 2);
    assert!(is_free(&world), "a fresh run must not find it busy");
    world.deliver_all();
    assert!(world.row(&fleet_name(), |row| row.facts.is_empty()));
}
