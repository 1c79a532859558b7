//! Tests of the invariant checkers of admission: each reports its violation, and accepts the correct case.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::decision::Decision;
use driftless_planner::fact::ComplianceType;
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::policy::{Defaults, Policy};
use driftless_planner::record::{DriftReason, Phase, Record, Replacement, Surge, SurgeMethod};
use driftless_simulator::faults::Rates;
use driftless_simulator::invariants::admission::{Commit, Pass, WINDOWS, at_commit};
use driftless_simulator::invariants::messages;
use driftless_simulator::rng::Rng;
use driftless_simulator::world::World;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::cloud::{after, cloud, group, members, mins, rule, zone};

/// Eight healthy instances, `drifted` of them drifted, and a pass over them a minute later.
fn world(tags: &[(&str, &str)], drifted: usize) -> World {
    let mut cloud = cloud(8);
    for (key, value) in
        [("mode", "act"), ("rules", "sg-closed"), ("breaker", "25%"), ("budget", "2")].iter().chain(tags)
    {
        cloud.edit_group(&group(), |group| {
            group.tags.insert(format!("driftless:{key}"), (*value).to_owned());
        });
    }
    after(&mut cloud, mins(10));
    for id in members(&cloud).iter().take(drifted) {
        cloud.report_compliance(&rule(), id, ComplianceType::NonCompliant);
    }
    after(&mut cloud, mins(1));
    World::new(cloud.now(), cloud, Rng::new(1), Rates::none())
}

fn at_work(world: &World) -> Replacement {
    let surge = Surge {
        token: "token".to_owned(),
        admitted_at: world.now,
        existing_members: BTreeSet::new(),
        deadline: world.now,
        base_desired: 8,
        method: SurgeMethod::LaunchInstances,
        asked_again: false,
        paused_since: None,
        policy: Box::new(Policy::from_tags(&BTreeMap::new(), &Defaults::default()).unwrap()),
    };
    // Deserialized from its stored form: only the planner can set a phase.
    let drift = BTreeSet::from([DriftReason::Rule(rule())]);
    let stored = json!({
        "group": group(),
        "zone": zone('a'),
        "drift": drift,
        "findings": {},
        "detected_at": world.now,
        "phase": Phase::Launching(surge),
        "failures": [],
    });
    serde_json::from_value(stored).unwrap()
}

/// A commit that starts `count` replacements.
fn begins(world: &World, count: usize) -> Decision {
    let mut next = Record::new("app".parse().unwrap());
    for id in members(&world.cloud).into_iter().take(count) {
        next.replacements.insert(id, at_work(world));
    }
    Decision::keeping(next)
}

fn broken(world: &World, count: usize, before: Option<&Record>, pass: Pass) -> Option<&'static str> {
    let (decision, fleet) = (begins(world, count), "app".parse().unwrap());
    let commit = Commit { fleet: &fleet, before, decision: &decision, decided_at: world.now, pass };
    at_commit(world, &commit).err().map(|violation| violation.rule)
}

fn pass(world: &World) -> Pass {
    Pass { groups: world.cloud.now(), table: world.now }
}

fn checked(world: &World, count: usize) -> Option<&'static str> {
    broken(world, count, None, pass(world))
}

const BREAKER: &str = "many that drift at once have a common cause";

#[test]
fn nothing_begins_where_more_than_the_share_drifted_at_once() {
    for (drifted, verdict) in [(1, None), (2, None), (3, Some(BREAKER))] {
        assert_eq!(checked(&world(&[], drifted), 1), verdict, "{drifted} of 8");
    }
}

#[test]
fn drift_after_the_read_is_not_expected_to_be_known() {
    let world = world(&[], 3);
    let known_at = world.now - mins(1);
    let at = |groups: Timestamp| broken(&world, 1, None, Pass { groups, ..pass(&world) });
    assert_eq!(at(known_at), Some(BREAKER));
    assert_eq!(at(known_at - SignedDuration::from_millis(1)), None);
}

#[test]
fn what_breaks_a_rule_that_is_not_listed_is_no_common_cause() {
    assert_eq!(checked(&world(&[("rules", "other")], 8), 1), None);
}

#[test]
fn no_more_begin_than_the_budget_and_what_goes_on_is_not_judged_again() {
    let world = world(&[], 0);
    for (count, verdict) in [(1, None), (2, None), (3, Some("never more than the budget at once"))] {
        assert_eq!(checked(&world, count), verdict, "{count} of 2");
    }
    let before = begins(&world, 3).next;
    assert_eq!(broken(&world, 3, Some(&before), pass(&world)), None);
}

#[test]
fn a_percentage_budget_is_of_the_group_that_the_read_showed() {
    let world = world(&[("budget", "25%")], 0);
    for (count, verdict) in [(2, None), (3, Some("never more than the budget at once"))] {
        assert_eq!(checked(&world, count), verdict, "{count} of 8");
    }
}

#[test]
fn an_observed_fleet_begins_nothing() {
    assert_eq!(checked(&world(&[("mode", "observe")], 1), 1), Some("an observed fleet is left alone"));
}

#[test]
fn nothing_begins_outside_the_window() {
    let (text, _) = WINDOWS[0];
    let mut world = world(&[("window", text)], 1);
    let rule = Some("nothing begins outside the window");
    for (time, verdict) in [
        ("2026-11-20T07:59:59.999Z", rule),
        ("2026-11-20T08:00:00Z", None),
        ("2026-11-20T10:29:59Z", None),
        ("2026-11-20T10:30:00Z", rule),
        ("2026-11-20T23:59:59Z", None),
        ("2026-11-21T00:00:00Z", None),
        ("2026-11-21T06:00:00Z", rule),
    ] {
        world.now = time.parse().unwrap();
        assert_eq!(checked(&world, 1), verdict, "{time}");
    }
}

/// The policy's parser and the table in the invariant checker must agree on the open hours.
#[test]
fn the_invariant_checker_and_the_policy_agree_on_the_windows() {
    let dawn: Timestamp = "2026-11-20T07:00:00Z".parse().unwrap();
    for (text, hours) in WINDOWS {
        let tags = BTreeMap::from([("driftless:window".to_owned(), text.to_owned())]);
        let policy = Policy::from_tags(&tags, &Defaults::default()).unwrap();
        for minute in 0..36 * 60 {
            let at = dawn + mins(minute);
            let of_day = (7 * 60 + minute) % (24 * 60);
            let is_open = hours.iter().any(|(from, to)| (*from..*to).contains(&of_day));
            assert_eq!(policy.window.is_open(at), is_open, "{text} at {at}");
        }
    }
}

#[test]
fn no_work_starts_in_a_freeze_that_the_read_showed() {
    let mut world = world(&[], 1);
    let since = world.now - mins(10);
    for (expires_at, verdict) in [
        (None, Some("a freeze stops everything")),
        (Some(world.now + SignedDuration::from_millis(1)), Some("a freeze stops everything")),
        (Some(world.now), None),
    ] {
        let scope = FreezeScope::Account;
        world.table.freeze(Freeze { reason: "incident".into(), owner: "ana".into(), since, expires_at, scope });
        assert_eq!(checked(&world, 1), verdict, "{expires_at:?}");
        let before = Pass { table: since - mins(1), ..pass(&world) };
        assert_eq!(broken(&world, 1, None, before), None, "it came after the look");
    }
}

#[test]
fn a_message_fails_only_where_a_fault_explains_it() {
    let mut world = world(&[], 0);
    let failed = |world: &World| messages::ended(world, 7, &[1]).err().map(|violation| violation.rule);
    assert_eq!(messages::ended(&world, 7, &[]), Ok(()));
    assert_eq!(failed(&world), Some("a message fails only where a fault explains it"));
    assert!(messages::killed(&world, 7).is_err());
    world.history.slowed.insert(7);
    assert_eq!(messages::killed(&world, 7), Ok(()));
    assert!(failed(&world).is_some(), "slow answers are answers");
    world.history.faulted.insert(7);
    assert_eq!(failed(&world), None);
}
