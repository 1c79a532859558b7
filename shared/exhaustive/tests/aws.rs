//! Compares the AWS of the bounded models with the simulated AWS, which fulfils the contracts: every small group, every
//! call and every move of Auto Scaling, and every sequence of them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of a test fails the test")]

use std::collections::BTreeMap;

use driftless_exhaustive::explore::Model;
use driftless_exhaustive::observe::Names;
use driftless_exhaustive::setups;
use driftless_exhaustive::small::Small;
use driftless_exhaustive::world::{Life, Pool, SIZE, Server, World, instance_id};
use driftless_exhaustive::writes::call;
use driftless_planner::action::{self, Action, ActionResult, CapacityChange, Direction, Protection, Role};
use driftless_planner::ids::{GroupName, InstanceId};
use driftless_planner::observation::{Group, Lifecycle};
use driftless_reconciler::act::refusal;
use driftless_testkit::{Stage, group};

/// The length of each sequence.
const STEPS: usize = 3;

/// A step of a sequence.
#[derive(Debug, Clone)]
enum Step {
    Call(Action),
    Arrive,
    Leave,
}

/// The compared state: the response of the call, the bounds, and each instance.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    answer: ActionResult,
    bounds: [u32; 3],
    instances: BTreeMap<InstanceId, (Lifecycle, bool)>,
}

impl Seen {
    /// The text of an error is not compared.
    fn new(mut answer: ActionResult, group: &Group) -> Self {
        if let ActionResult::Busy(words) | ActionResult::Failed(words) = &mut answer {
            *words = "".into();
        }
        let instances =
            group.members.iter().map(|known| (known.id.clone(), (known.lifecycle.clone(), known.protected)));
        Self { answer, bounds: [group.min, group.desired, group.max], instances: instances.collect() }
    }
}

fn name() -> GroupName {
    "one".parse().unwrap()
}

fn steps() -> Vec<Step> {
    let group = name;
    let (expected, expected_desired, replaces, role) = (0, 0, instance_id(1), Role::Extra);
    let mut calls = vec![Action::ScaleToZero {
        group: group(),
        expected: action::Bounds { min: 0, max: 0, desired: 0 },
        maximum: SIZE,
        without_traffic: None,
        direction: Direction::Back,
    }];
    // Up to one instance more than an initial group.
    for size in 0..=SIZE + 1 {
        calls.push(Action::SetMinimum { group: group(), expected, minimum: size });
        calls.push(Action::SetMaximum { group: group(), expected, maximum: size });
        calls.push(Action::SetDesired { group: group(), expected, desired: size, replaces: replaces.clone() });
    }
    for token in ["one", "other"] {
        let (zone, token) = ("eu-central-1b".parse().unwrap(), token.to_owned());
        calls.push(Action::Launch { group: group(), zone, replaces: replaces.clone(), token });
    }
    // An initial instance, and the first that is launched.
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

/// A full group with these bounds, in the bounded model and on a stage.
fn both(min: u32, desired: u32, max: u32) -> (World, Stage) {
    let mut known = group(desired);
    (known.name, known.min, known.max) = (name(), min, max);
    let stage = Stage::with(vec![known]);
    let mut small = Small::new(setups::drift(), driftless_planner::decide).unwrap().initial().world;
    let pool = &mut small.groups[0];
    (pool.min, pool.desired, pool.max) = (min, desired, max);
    pool.servers.truncate(desired as usize);
    small.last_id = stage.last_id;
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
    let seen =
        names.live(small, &Action::SetDesired { group: name(), expected: 0, desired: 0, replaces: instance_id(1) });
    Seen::new(answer, &seen.group.unwrap())
}

fn of_stage(stage: &mut Stage, step: &Step) -> Seen {
    let mut answer = ActionResult::Done;
    match step {
        Step::Call(action) => answer = stage.call(action).unwrap_or_else(|error| refusal(action, &error)),
        Step::Arrive => stage.arrive(),
        Step::Leave => stage.leave(),
    }
    Seen::new(answer, &stage.groups[0])
}

/// Whether Auto Scaling still has to terminate an instance. The simulated AWS does so at once; the bounded model waits
/// until pending instances have arrived.
fn is_owing(pool: &Pool) -> bool {
    pool.active() > pool.desired && pool.servers.iter().any(|server| server.is_active() && !server.is_protected)
}

/// Compares every sequence of steps from here. `told` is the sequence so far.
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
        assert_eq!(is, should_be, "the small model, and the simulated AWS, after {told:#?}");
        walk(&small, &stage, names, steps, told);
        told.pop();
    }
}

#[test]
fn the_small_model_answers_and_follows_as_the_simulated_aws_does() {
    let (names, steps) = (Names::new(1, &[]).unwrap(), steps());
    for max in 0..=SIZE {
        for (min, desired) in (0..=max).flat_map(|desired| (0..=desired).map(move |min| (min, desired))) {
            let (small, stage) = both(min, desired, max);
            walk(&small, &stage, &names, &steps, &mut Vec::new());
        }
    }
}
