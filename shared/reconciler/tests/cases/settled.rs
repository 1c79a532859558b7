//! The fixed point: a fleet on which nothing is to be done is read, and nothing else.

use driftless_planner::fact::Verdict;
use driftless_reconciler::reconcile::Ran;
use jiff::SignedDuration;

use crate::support::{World, app, block_on, count_turns, drifted, fact, fleet_name, fresh, judge};

/// The calls of one more look, and how many of them had to wait for each other.
/// What a look at a settled fleet asks for.
const SETTLED: [&str; 9] =
    ["acquire", "groups_of", "images_for", "load", "forwards", "non_compliant", "newest_template", "alarms", "release"];

fn look_once(world: &World) -> (Vec<&'static str>, usize) {
    let from = world.lock().log.len();
    let (ran, turns) = count_turns(world.look(&fleet_name(), None));
    assert_eq!(ran.unwrap(), Ran::Settled);
    (world.names_since(from), turns)
}

#[test]
fn a_run_on_a_settled_fleet_reads_and_changes_nothing() {
    let world = app();
    let (calls, turns) = look_once(&world);
    assert_eq!(calls, SETTLED);
    assert_eq!(turns, 4, "the lease, two rounds of reads, and the lease");
    assert!(world.lock().queue.is_empty(), "it does not wake itself");
}

#[test]
fn a_run_on_a_fleet_whose_work_waits_reads_in_three_rounds_and_changes_nothing() {
    for (name, tag, count) in
        [("observe", ("mode", "observe"), 1), ("breaker", ("budget", "1"), 3), ("invalid", ("debounce", "soon"), 1)]
    {
        let world = fresh(&[tag]);
        for number in 0..count {
            drifted(&world, number);
        }
        world.deliver_all();
        world.advance(SignedDuration::from_mins(1));
        let (calls, turns) = look_once(&world);
        assert!(turns <= 5, "{name}: {turns}");
        for call in
            ["commit", "remember", "publish", "told", "send", "launch", "terminate", "set_maximum", "claim_wake"]
        {
            assert!(!calls.contains(&call), "{name}: {calls:?}");
        }
        assert!(world.lock().queue.is_empty(), "{name}: it does not wake itself");
    }
}

#[test]
fn a_frozen_fleet_waits_without_a_commit_and_without_a_wake() {
    let world = app();
    super::replacement::freeze(&world, None);
    drifted(&world, 1);
    world.deliver_all();
    let (calls, _) = look_once(&world);
    assert!(!calls.contains(&"commit") && !calls.contains(&"send"), "{calls:?}");
}

#[test]
fn a_fleet_is_settled_again_after_a_replacement() {
    let world = app();
    drifted(&world, 1);
    world.deliver_all();
    let (calls, _) = look_once(&world);
    assert_eq!(calls, SETTLED);
}

#[test]
fn a_fleet_that_was_given_up_does_not_wake_itself() {
    let world = app();
    // Each successor fails, until a person must look.
    world.lock().boot = SignedDuration::from_hours(9);
    drifted(&world, 1);
    world.deliver_all();
    assert_eq!(world.lock().tokens.len(), 3);
    let (calls, _) = look_once(&world);
    assert!(!calls.contains(&"commit") && !calls.contains(&"send"), "{calls:?}");
    let state = world.lock();
    assert_eq!(state.groups[&crate::support::group_name()].desired, 4);
    assert!(!state.terminated.contains(&crate::support::instance(1)));
}

#[test]
fn a_replacement_commits_only_transitions() {
    let world = app();
    drifted(&world, 1);
    world.deliver_all();
    assert!(world.count("commit") < 15, "{}", world.count("commit"));
}

#[test]
fn a_misconfigured_fleet_is_told_of_once_and_waits_for_the_sweep() {
    let world = fresh(&[("color", "purple")]);
    judge(&world, 1, Verdict::NonCompliant);
    world.report(&fact(&world, 1, Verdict::NonCompliant));
    world.deliver_all();
    let (calls, _) = look_once(&world);
    assert!(!calls.contains(&"commit") && !calls.contains(&"send"), "{calls:?}");
    assert_eq!(block_on(world.look(&fleet_name(), None)).unwrap(), Ran::Settled);
}
