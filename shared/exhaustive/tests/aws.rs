//! The small world's AWS beside the simulated one, which is held to the contract: every small group, every call and what
//! Auto Scaling does by itself, and whatever may follow it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a helper of a test fails the test")]

use std::collections::{BTreeMap, BTreeSet};

use driftless_exhaustive::observe::Names;
use driftless_exhaustive::world::{Bounds, Life, Pool, Server, World, instance_id, number};
use driftless_exhaustive::writes::call;
use driftless_planner::action::{self, Action, ActionResult, CapacityChange, Direction, Protection, Role};
use driftless_planner::observation::Lifecycle;
use driftless_reconciler::act::refusal;
use driftless_testkit::{GROUP, Stage, group, t0};

/// Groups are as large as this at first, and calls ask for one more.
const SIZE_MAX: u32 = 2;
/// So many things happen one after the other.
const STEPS: usize = 3;

/// What may happen.
#[derive(Debug, Clone)]
enum Step {
    Call(Action),
    Arrive,
    Leave,
}

/// What can be compared: what the call answered, the bounds, and each instance.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    answer: ActionResult,
    bounds: (u32, u32, u32),
    instances: BTreeMap<u32, (Lifecycle, bool)>,
}

fn steps() -> Vec<Step> {
    let group = || GROUP.parse().unwrap();
    let (expected, expected_desired, replaces, role) = (0, 0, instance_id(1), Role::Surplus);
    let mut calls = vec![Action::Empty {
        group: group(),
        expected: action::Bounds { min: 0, max: 0, desired: 0 },
        maximum: SIZE_MAX,
        without_traffic: None,
        direction: Direction::Back,
    }];
    for size in 0..=SIZE_MAX + 1 {
        calls.push(Action::SetMinimum { group: group(), expected, minimum: size });
        calls.push(Action::SetMaximum { group: group(), expected, maximum: size });
        calls.push(Action::SetDesired { group: group(), expected, desired: size, replaces: replaces.clone() });
    }
    for token in ["one", "other"] {
        let (zone, token) = ("eu-central-1b".parse().unwrap(), token.to_owned());
        calls.push(Action::Launch { group: group(), zone, replaces: replaces.clone(), token });
    }
    // One that is there from the beginning, and the first that is launched.
    for instance in [1, 101].map(instance_id) {
        for capacity in [CapacityChange::Keep, CapacityChange::Decrement] {
            let (group, instance) = (group(), instance.clone());
            calls.push(Action::Terminate { group, instance, expected_desired, capacity, role });
        }
        for protection in [Protection::On, Protection::Off] {
            calls.push(Action::Protect { group: group(), instance: instance.clone(), protection });
        }
    }
    calls.into_iter().map(Step::Call).chain([Step::Arrive, Step::Leave]).collect()
}

/// A group with these bounds, filled: in the small world, and on a stage.
fn both(min: u32, desired: u32, max: u32) -> (World, Stage) {
    let mut known = group(desired);
    (known.min, known.max) = (min, max);
    let stage = Stage::with(vec![known]);
    let servers = (1..=desired).map(|id| Server {
        id,
        life: Life::InService,
        is_sick: false,
        is_protected: false,
        launched_at: t0(),
        is_ours: false,
        version: 1,
    });
    let (servers, wanted) = (servers.collect(), Bounds { min, max, desired });
    let small = World {
        now: t0(),
        groups: vec![Pool { min, max, desired, version: 1, servers, wanted, kept: 0 }],
        drifted: BTreeMap::new(),
        frozen_since: None,
        launched: BTreeMap::new(),
        last_id: stage.last_id,
        first_ids: SIZE_MAX,
        facts: Vec::new(),
        colors: None,
        taken: BTreeSet::new(),
    };
    (small, stage)
}

fn of_small(small: &mut World, names: &Names, step: &Step) -> Seen {
    let mut answer = ActionResult::Done;
    match step {
        Step::Call(action) => answer = call(small, names, 0, action),
        Step::Arrive => {
            for server in small.groups[0].servers.iter_mut().filter(|server| server.life == Life::Pending) {
                server.life = Life::InService;
            }
            small.balance(0, false);
        }
        Step::Leave => small.groups[0].servers.retain(Server::is_active),
    }
    let pool = &small.groups[0];
    let instances = pool.servers.iter().map(|server| {
        let life = match server.life {
            Life::Pending => Lifecycle::Pending,
            Life::InService => Lifecycle::InService,
            Life::Terminating => Lifecycle::Terminating,
        };
        (server.id, (life, server.is_protected))
    });
    Seen { answer: class(answer), bounds: (pool.min, pool.max, pool.desired), instances: instances.collect() }
}

fn of_stage(stage: &mut Stage, step: &Step) -> Seen {
    let mut answer = ActionResult::Done;
    match step {
        Step::Call(action) => answer = stage.call(action).unwrap_or_else(|error| refusal(action, &error)),
        Step::Arrive => stage.arrive(),
        Step::Leave => stage.leave(),
    }
    let group = &stage.groups[0];
    let members = group.members.iter();
    let instances = members.map(|known| (number(&known.id).unwrap(), (known.lifecycle.clone(), known.protected)));
    Seen { answer: class(answer), bounds: (group.min, group.max, group.desired), instances: instances.collect() }
}

/// The words of a refusal do not count.
fn class(answer: ActionResult) -> ActionResult {
    match answer {
        ActionResult::Busy(_) => ActionResult::Busy("".into()),
        ActionResult::Failed(_) => ActionResult::Failed("".into()),
        ActionResult::Done | ActionResult::Launched(_) | ActionResult::Gone => answer,
        ActionResult::Written(_)
        | ActionResult::Started(_)
        | ActionResult::NoTurn
        | ActionResult::Changed
        | ActionResult::Frozen
        | ActionResult::Unsupported
        | ActionResult::Denied(_) => panic!("no call of these answers so: {answer:?}"),
    }
}

/// Whether Auto Scaling still has to take somebody. The simulated one does so at once; the small one when the next server
/// has arrived, so that whoever is on his way in arrives first.
fn is_owing(pool: &Pool) -> bool {
    pool.active() > pool.desired && pool.servers.iter().any(|server| server.is_active() && !server.is_protected)
}

/// Every way of so many steps from here on; `told` is how it came here.
fn walk(small: &World, stage: &Stage, names: &Names, steps: &[Step], told: &mut Vec<Step>) {
    if told.len() == STEPS {
        return;
    }
    for step in steps {
        let (mut small, mut stage) = (small.clone(), stage.clone());
        told.push(step.clone());
        let (mut is, mut should_be) = (of_small(&mut small, names, step), of_stage(&mut stage, step));
        let is_owing = is_owing(&small.groups[0]);
        if is_owing {
            assert_eq!(is.answer, should_be.answer, "after {told:#?}");
            (is, should_be) = (of_small(&mut small, names, &Step::Arrive), of_stage(&mut stage, &Step::Arrive));
        }
        assert_eq!(is, should_be, "the small world, and the simulated AWS, after {told:#?}");
        walk(&small, &stage, names, steps, told);
        told.pop();
    }
}

#[test]
fn the_small_world_answers_and_follows_as_the_simulated_aws_does() {
    let (names, steps) = (Names::new(1, &[]).unwrap(), steps());
    for max in 0..=SIZE_MAX {
        for (min, desired) in (0..=max).flat_map(|desired| (0..=desired).map(move |min| (min, desired))) {
            let (small, stage) = both(min, desired, max);
            walk(&small, &stage, &names, &steps, &mut Vec::new());
        }
    }
}
