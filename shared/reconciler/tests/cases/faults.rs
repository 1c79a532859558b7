//! The world as it is: other hands, calls that are refused, instances that are gone, and deliveries in any order.

use driftless_planner::fact::Verdict;
use driftless_planner::observation::Lifecycle;
use driftless_planner::record::Phase;
use driftless_reconciler::ports::CallErrorKind;
use driftless_reconciler::reconcile::Ran;
use jiff::SignedDuration;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::support::{Fault, World, app, block_on, drifted, fact, fleet_name, group_name, instance, judge, start};

/// Delivers until the drifted instance is about to be terminated: its successor is about to have proven itself.
fn proving(world: &World) {
    drifted(world, 1);
    while !world.row(&fleet_name(), |row| {
        let record = row.record.as_ref().unwrap();
        matches!(&record.replacements.get(&instance(1)).map(|work| &work.phase),
            Some(Phase::Proving(proving)) if proving.healthy_since.is_some())
    }) {
        assert!(world.deliver().is_some());
    }
    world.advance(SignedDuration::from_secs(40));
}

#[test]
fn a_desired_capacity_that_another_hand_changed_in_between_is_not_acted_on_and_decided_anew() {
    let world = app();
    proving(&world);
    // Between the decision and the write someone scales out, where the live values are read again.
    world.hook("group", 0, |world| {
        let mut state = world.lock();
        let group = state.groups.get_mut(&group_name()).unwrap();
        group.max = 9;
        group.desired += 1;
    });
    assert_eq!(block_on(world.look(&fleet_name(), None)).unwrap(), Ran::Settled);
    let state = world.lock();
    assert_eq!(state.terminated, [], "while theirs comes up, the drifted one serves on");
    let group_reads = state.log.iter().filter(|call| call.name == "group").count();
    drop(state);
    assert!(group_reads >= 2, "decided anew");
    world.deliver_all();
    let decided: Vec<String> = world.details("commit");
    assert!(decided.iter().any(|actions| actions.contains("expected_desired: 6")), "{decided:#?}");
    let state = world.lock();
    assert_eq!(state.terminated, [instance(1)]);
    assert_eq!((state.groups[&group_name()].desired, state.groups[&group_name()].max), (5, 9), "theirs stays");
}

#[test]
fn a_maximum_that_another_hand_changed_in_between_is_not_written() {
    let world = app();
    drifted(&world, 1);
    world.hook("group", 0, |world| world.lock().groups.get_mut(&group_name()).unwrap().max = 12);
    world.deliver_all();
    assert_eq!(world.count("set_maximum"), 0);
    let state = world.lock();
    assert_eq!(state.groups[&group_name()].max, 12);
    assert_eq!(state.terminated, [instance(1)]);
}

#[test]
fn an_instance_that_is_gone_is_success() {
    let world = app();
    proving(&world);
    // Someone terminates it, with decrement, right before we would.
    world.hook("group", 0, |world| {
        let mut state = world.lock();
        state.leave(&instance(1));
        state.groups.get_mut(&group_name()).unwrap().desired -= 1;
    });
    world.deliver_all();
    assert_eq!(world.count("terminate"), 0);
    let state = world.lock();
    let group = &state.groups[&group_name()];
    assert_eq!((group.desired, group.active().count(), group.max), (4, 4, 4));
    assert!(state.terminated.is_empty() && state.by_itself.is_empty());
}

#[test]
fn a_call_that_answers_gone_is_success() {
    let world = app();
    proving(&world);
    world.hook("terminate", 0, |world| {
        let mut state = world.lock();
        state.leave(&instance(1));
        state.groups.get_mut(&group_name()).unwrap().desired -= 1;
    });
    world.fault("terminate", 0..1, Fault::Fails(CallErrorKind::Gone));
    world.deliver_all();
    assert_eq!(world.count("terminate"), 1);
    assert!(world.row(&fleet_name(), |row| row.record.as_ref().unwrap().replacements.is_empty()));
}

#[test]
fn a_group_that_aws_is_busy_with_is_left_alone_for_a_while() {
    let world = app();
    drifted(&world, 1);
    let busy = 5;
    world.fault("launch", 0..busy, Fault::Fails(CallErrorKind::Busy));
    world.deliver_all();
    world.assert_replaced_once(1, "busy");
    let at: Vec<_> = world.lock().log.iter().filter(|call| call.name == "launch").map(|call| call.at).collect();
    assert_eq!(at.len(), busy + 1);
    for pair in at.windows(2) {
        assert!(pair[1].duration_since(pair[0]) >= SignedDuration::from_secs(1), "{at:?}");
    }
}

#[test]
fn a_group_that_refuses_for_ever_does_not_make_the_loop_hot() {
    for kind in [CallErrorKind::Busy, CallErrorKind::Gone, CallErrorKind::Denied, CallErrorKind::Unavailable] {
        let world = app();
        drifted(&world, 1);
        world.fault("launch", 0..usize::MAX, Fault::Fails(kind));
        world.deliver_until(start() + SignedDuration::from_mins(65));
        let (runs, calls) = (world.count("acquire"), world.lock().log.len());
        world.deliver_until(start() + SignedDuration::from_mins(75));
        let (runs, calls) = (world.count("acquire") - runs, world.lock().log.len() - calls);
        // Ten minutes: no more than a run in two seconds, and that only while it is fresh.
        assert!(runs < 120, "{kind}: {runs} runs, {calls} calls");
        assert!(calls < 120 * 15, "{kind}: {runs} runs, {calls} calls");
    }
}

#[test]
fn a_fleet_whose_groups_are_gone_does_not_make_the_loop_hot() {
    let world = app();
    proving(&world);
    world.lock().groups.clear();
    world.deliver_until(start() + SignedDuration::from_mins(70));
    let runs = world.count("acquire");
    world.deliver_until(start() + SignedDuration::from_mins(80));
    assert!(world.count("acquire") - runs <= 21, "{}", world.count("acquire") - runs);
}

#[test]
fn a_successor_that_dies_before_it_has_proven_itself_is_followed_by_another_attempt() {
    let world = app();
    proving(&world);
    let successor = world.lock().tokens.values().next().cloned().unwrap();
    world.lock().leave(&successor);
    world.deliver_all();
    let state = world.lock();
    assert!(state.terminated.contains(&instance(1)));
    let group = &state.groups[&group_name()];
    assert_eq!((group.desired, group.max), (4, 4));
    assert!(group.members.iter().all(|member| member.lifecycle == Lifecycle::InService && !member.protected));
}

type Delivery = Pin<Box<dyn Future<Output = bool>>>;

/// Runs deliveries side by side, in an order that a seed decides, with deaths and duplicates among them.
fn scramble(seed: u64) {
    let world: &'static World = Box::leak(Box::new(app()));
    let mut state = seed;
    let mut draw = move |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    drifted(world, 1);
    world.report(&fact(world, 1, Verdict::NonCompliant));
    let mut running: Vec<Delivery> = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    for steps in 0.. {
        assert!(steps < 50_000, "seed {seed}: it never ends");
        let may_start = world.has_due() || (running.is_empty() && !world.lock().queue.is_empty());
        if may_start && (running.is_empty() || draw(8) == 0) {
            let body = world.receive().unwrap();
            // SQS delivers at least once.
            if draw(10) == 0 {
                world.give_back(body.clone());
            }
            running.push(Box::pin(async move {
                if world.handle(&body).await.is_err() {
                    world.give_back(body);
                }
                true
            }));
        } else if running.is_empty() {
            break;
        } else {
            let chosen = usize::try_from(draw(running.len() as u64)).unwrap();
            if draw(400) == 0 {
                // It dies between two calls, and its message comes back. A wake for everyone is as good as its own.
                drop(running.remove(chosen));
                world.give_back(driftless_planner::wake::WakeMessage::Wake(driftless_planner::wake::Wake {
                    fleet: fleet_name(),
                    due: None,
                }));
            } else if running[chosen].as_mut().poll(&mut context) == Poll::Ready(true) {
                drop(running.remove(chosen));
            }
        }
        if steps < 1_500 && steps % 300 == 0 {
            // The same is reported again and again.
            judge(world, 1, Verdict::NonCompliant);
            world.report(&fact(world, 1, Verdict::NonCompliant));
        }
    }
    world.assert_replaced_once(1, &format!("seed {seed}"));
}

#[test]
fn deliveries_side_by_side_in_any_order_with_deaths_and_duplicates_replace_once() {
    for seed in 0..100 {
        scramble(seed);
    }
}
