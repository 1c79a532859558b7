//! The whole of a replacement, and what holds it back.

use driftless_planner::decision::Waiting;
use driftless_planner::fact::{Fact, Verdict};
use driftless_planner::notification::{Condition, News};
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::record::Phase;
use driftless_reconciler::reconcile::Ran;
use jiff::SignedDuration;

use crate::support::{
    World, app, block_on, drifted, fact, fleet_name, fresh, group_name, instance, judge, rule, start, unseen,
};

/// The names of the calls that change a group.
const WRITES: [&str; 5] = ["set_maximum", "set_desired", "launch", "protect", "terminate"];

fn writes(world: &World) -> usize {
    WRITES.iter().map(|name| world.count(name)).sum()
}

pub(crate) fn freeze(world: &World, hours: Option<i64>) {
    let mut state = world.lock();
    let now = state.now;
    state.freezes.push(Freeze {
        reason: "incident".into(),
        owner: "ana".into(),
        since: now,
        expires_at: hours.map(|hours| now + SignedDuration::from_hours(hours)),
        scope: FreezeScope::Fleet(fleet_name()),
    });
}

fn guard(world: &World, number: usize) -> &'static str {
    world.row(&fleet_name(), |row| {
        let replacement = &row.record.as_ref().unwrap().replacements[&instance(number)];
        let Phase::Blocked(waiting) = &replacement.phase else { panic!("{:?}", replacement.phase) };
        waiting.guard()
    })
}

#[test]
fn a_drifted_instance_is_replaced_by_the_wakes_that_the_loop_sends_itself() {
    let world = app();
    drifted(&world, 1);
    let deliveries = world.deliver_all();
    world.assert_replaced_once(1, "nothing went wrong");
    assert!(deliveries < 40, "{deliveries} runs for one replacement");
    let told: Vec<&str> = world.lock().alerts.iter().map(driftless_planner::notification::Notification::kind).collect();
    assert_eq!(told, ["adopted", "replacement-started", "replaced"]);
    // Debounce 5 min, boot 45 s, warm-up 30 s, drain 30 s, and looking costs little on top.
    let took = world.lock().now.duration_since(start() + SignedDuration::from_hours(1));
    assert!(took < SignedDuration::from_secs(300 + 45 + 30 + 30 + 40), "{took:#}");
}

#[test]
fn where_launch_instances_is_not_offered_the_desired_capacity_brings_the_successor() {
    use crate::support::Fault;
    use driftless_reconciler::ports::CallErrorKind;
    let world = app();
    world.fault("launch", 0..usize::MAX, Fault::Fails(CallErrorKind::Unsupported));
    drifted(&world, 1);
    world.deliver_all();
    assert_eq!(world.count("launch"), 1, "the answer is remembered");
    assert_eq!(world.count("set_desired"), 1);
    let state = world.lock();
    assert_eq!(state.terminated, [instance(1)]);
    assert_eq!(state.by_itself.len(), 1);
    let group = &state.groups[&group_name()];
    assert_eq!((group.max, group.desired, group.active().count()), (4, 4, 4));
}

#[test]
fn an_event_that_comes_three_times_replaces_once() {
    let world = app();
    drifted(&world, 1);
    world.report(&fact(&world, 1, Verdict::NonCompliant));
    world.deliver_until(start() + SignedDuration::from_mins(63));
    world.report(&fact(&world, 1, Verdict::NonCompliant));
    world.deliver_all();
    world.assert_replaced_once(1, "three events");
}

#[test]
fn a_fleet_in_observe_mode_is_told_of_what_would_be_done_and_is_not_touched() {
    let world = fresh(&[("mode", "observe")]);
    drifted(&world, 1);
    world.deliver_all();
    assert_eq!(writes(&world), 0);
    assert_eq!(guard(&world, 1), "mode");
    let told = world
        .lock()
        .alerts
        .iter()
        .filter(|told| {
            matches!(&told.news, News::Entered {
        condition: Condition::WouldReplace { instance: named }, ..
    } if *named == instance(1))
        })
        .count();
    assert_eq!(told, 1);
}

#[test]
fn a_fleet_is_adopted_without_a_write_to_it() {
    let world = unseen(&[]);
    assert_eq!(block_on(world.look(&fleet_name(), None)).unwrap(), Ran::Settled);
    assert_eq!(writes(&world), 0);
    assert!(world.row(&fleet_name(), |row| row.record.as_ref().unwrap().release.is_some()));
}

#[test]
fn a_rule_off_the_list_is_shown_and_replaces_nobody() {
    let world = fresh(&[("rules", "another-rule")]);
    world.lock().compliance.insert("another-rule".parse().unwrap(), world_without_findings());
    drifted(&world, 1);
    world.deliver_all();
    assert_eq!(writes(&world), 0);
    world.row(&fleet_name(), |row| {
        let record = row.record.as_ref().unwrap();
        assert!(record.replacements.is_empty());
        assert!(record.shown[&instance(1)].contains_key(&rule()));
    });
}

fn world_without_findings() -> driftless_planner::observation::RuleReading {
    driftless_planner::observation::RuleReading::NonCompliant(std::collections::BTreeMap::new())
}

#[test]
fn a_freeze_that_stands_starts_nothing_and_its_end_starts_what_waited() {
    let world = app();
    freeze(&world, Some(3));
    drifted(&world, 1);
    world.deliver_until(start() + SignedDuration::from_mins(60 + 170));
    assert_eq!(writes(&world), 0);
    assert_eq!(guard(&world, 1), "freeze");
    // A wait of three hours is carried by wakes of at most 15 minutes each, and by nothing hotter.
    assert!(world.count("acquire") < 20, "{}", world.count("acquire"));
    world.deliver_all();
    world.assert_replaced_once(1, "after the freeze");
}

#[test]
fn a_freeze_between_decision_and_act_holds_the_write_back() {
    for held_back in ["launch", "terminate"] {
        let world = app();
        drifted(&world, 1);
        while !may_plan(&world, held_back) {
            assert!(world.deliver().is_some(), "{held_back} never came");
        }
        // Read right before a disruptive write: the last moment at which a freeze can come.
        world.hook("freezes", 0, |world| freeze(world, None));
        world.deliver_until(world_now(&world) + SignedDuration::from_mins(10));
        assert_eq!(world.count(held_back), 0, "{held_back}");
        world.row(&fleet_name(), |row| assert!(!row.record.as_ref().unwrap().replacements.is_empty()));
        world.lock().freezes.clear();
        world.report(&fact(&world, 1, Verdict::NonCompliant));
        world.deliver_all();
        world.assert_replaced_once(1, held_back);
    }
}

fn world_now(world: &World) -> jiff::Timestamp {
    world.lock().now
}

/// Whether the next look may plan this write.
fn may_plan(world: &World, write: &str) -> bool {
    world.row(&fleet_name(), |row| {
        let replacement = row.record.as_ref().and_then(|record| record.replacements.get(&instance(1)).cloned());
        replacement.is_some_and(|replacement| match replacement.phase {
            Phase::Debouncing => write == "launch",
            Phase::Proving(_) => write == "terminate",
            Phase::Blocked(_)
            | Phase::Launching(_)
            | Phase::Retiring(_)
            | Phase::Vacating(_)
            | Phase::Refilling(_)
            | Phase::Withdrawing(_)
            | Phase::Stopped(_) => false,
        })
    })
}

#[test]
fn compliant_again_before_the_launch_clears_it() {
    let world = app();
    drifted(&world, 1);
    world.deliver_until(start() + SignedDuration::from_mins(62));
    judge(&world, 1, Verdict::Compliant);
    world.report(&fact(&world, 1, Verdict::Compliant));
    world.deliver_all();
    assert_eq!(writes(&world), 0);
    assert!(world.row(&fleet_name(), |row| row.record.as_ref().unwrap().replacements.is_empty()));
}

#[test]
fn compliant_again_before_the_termination_ends_the_successor() {
    let world = app();
    drifted(&world, 1);
    world.deliver_until(start() + SignedDuration::from_mins(65) + SignedDuration::from_secs(20));
    let successor = world.lock().tokens.values().next().cloned().unwrap();
    judge(&world, 1, Verdict::Compliant);
    world.report(&fact(&world, 1, Verdict::Compliant));
    world.deliver_all();
    let state = world.lock();
    assert_eq!(state.terminated, [successor]);
    let group = &state.groups[&group_name()];
    assert_eq!((group.max, group.desired, group.active().count()), (4, 4, 4));
    assert!(group.member(&instance(1)).is_some());
}

#[test]
fn many_drifted_at_once_have_a_common_cause_and_none_is_replaced() {
    let world = app();
    for number in 0..3 {
        drifted(&world, number);
    }
    world.deliver_all();
    assert_eq!(writes(&world), 0);
    assert_eq!(
        guard(&world, 0),
        Waiting::BreakerOpen { drifted: 3, members: 4, limit: 25.try_into().unwrap() }.guard()
    );
    let entered = world
        .lock()
        .alerts
        .iter()
        .filter(|told| matches!(told.news, News::Entered { condition: Condition::BreakerOpen, .. }))
        .count();
    assert_eq!(entered, 1);
}

#[test]
fn a_fact_that_the_read_does_not_confirm_is_given_up_after_a_while() {
    let world = app();
    world.report(&fact(&world, 1, Verdict::NonCompliant));
    let deliveries = world.deliver_all();
    assert!(deliveries < 10, "{deliveries}");
    assert!(world.row(&fleet_name(), |row| row.facts.is_empty()));
    let Fact::Compliance(_) = fact(&world, 1, Verdict::Compliant) else { panic!() };
    assert_eq!(writes(&world), 0);
}
