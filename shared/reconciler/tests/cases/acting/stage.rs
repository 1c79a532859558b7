//! A stage with two colors on which every action can run, and one action of each kind.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::action::{
    Action, ActionResult, Bounds, CapacityChange, Direction, Outcome, Protection, Role, WeightChange,
};
use driftless_planner::balancer::{AttachmentApi, ForwardPlace, TargetGroupSettings};
use driftless_planner::ids::{GroupName, RefreshId, TargetGroupArn};
use driftless_planner::observation::Group;
use driftless_planner::policy::Percent;
use driftless_planner::refresh::{Refresh, RefreshPlan};
use driftless_planner::template::{TemplateContent, TemplateReference, TemplateVersion};
use driftless_reconciler::act::{Acted, act};
use driftless_simulator::cloud::{Build, ForwardState};
use driftless_simulator::fault_plan::operation_of;
use driftless_simulator::trace::Trace;
use driftless_simulator::world::World as State;
use jiff::{SignedDuration, Timestamp};

use crate::support::names::{FORWARDS, GROUP, REFRESH};
use crate::support::{World, fleet_name, image, instance, of_four};

/// The color with all the traffic: `instance` 0 to 3.
pub(super) fn blue() -> GroupName {
    "app-blue".parse().unwrap()
}

/// The color without traffic.
pub(super) fn green() -> GroupName {
    "app-green".parse().unwrap()
}

pub(super) fn target_group(name: &str) -> TargetGroupArn {
    let id = "73e2d6bc24d8a067";
    format!("arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/{name}/{id}").parse().unwrap()
}

/// The forward action of the two colors.
pub(super) fn place() -> ForwardPlace {
    let listener = "listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab0";
    ForwardPlace::Listener(
        format!("arn:aws:elasticloadbalancing:eu-central-1:123456789012:{listener}").parse().unwrap(),
    )
}

/// Another one.
pub(super) fn other_place(number: u8) -> ForwardPlace {
    let rule = format!("listener-rule/app/web/50dc/f2f7/968{number}");
    ForwardPlace::Rule(format!("arn:aws:elasticloadbalancing:eu-central-1:123456789012:{rule}").parse().unwrap())
}

pub(super) fn weights(blue: u32, green: u32) -> BTreeMap<TargetGroupArn, u32> {
    BTreeMap::from([(target_group("app-blue"), blue), (target_group("app-green"), green)])
}

/// A version of green's template.
pub(super) fn template(version: u64) -> TemplateVersion {
    TemplateVersion { template: "lt-000000002".parse().unwrap(), version }
}

/// Blue: 2 to 6, four instances, all the traffic, also behind the shared target group. Green: 0 to 4, two instances, no
/// traffic, behind the shared one too, and an instance refresh under way.
pub(super) fn stage() -> World {
    let world = World::told(&format!("fleet app: weighted, blue live, {}", of_four(&[])));
    let mut state = world.lock();
    state.trace = Trace::on();
    let settings = TargetGroupSettings {
        stickiness: None,
        deregistration_delay: SignedDuration::from_secs(30),
        slow_start: SignedDuration::ZERO,
    };
    for name in ["shared", "later"] {
        state.cloud.add_target_group(&target_group(name), settings, SignedDuration::from_secs(20));
    }
    state.cloud.add_forward(&other_place(1), [(target_group("shared"), 1)].into(), 0);
    state.cloud.add_image(image(IMAGE), Build::Good);
    for number in [6, 8] {
        let settings = BTreeMap::from([("instance-type".to_owned(), "t4g.micro".into())]);
        let content = TemplateContent { image: Some(IMAGE.parse().unwrap()), written_for: None, settings };
        state.cloud.add_template(&template(number), content);
    }
    state.cloud.edit_group(&blue(), |group| group.max = 6);
    state.cloud.edit_group(&green(), |group| (group.max, group.desired) = (4, 2));
    for color in [blue(), green()] {
        state.cloud.attach(&color, &target_group("shared"), AttachmentApi::TargetGroups).unwrap();
    }
    drop(state);
    world.pass(SignedDuration::from_mins(30));
    let mut state = world.lock();
    state.cloud.start_refresh(&green(), &plan()).unwrap();
    state.cloud.drain_events();
    assert_eq!((state.cloud.serving_in(&blue()), state.cloud.serving_in(&green())), (4, 2));
    assert_eq!(state.cloud.target_groups()[&target_group("shared")].targets.len(), 6);
    drop(state);
    world.hold_messages_back();
    world.forget_calls();
    world
}

const IMAGE: &str = "ami-0fedcba987";

/// The instance refresh in progress.
pub(super) fn refresh_id(world: &World) -> RefreshId {
    refresh(&world.lock(), &green()).unwrap().id
}

pub(super) fn refresh(world: &State, group: &GroupName) -> Option<Refresh> {
    world.cloud.groups()[group].refresh.as_ref().map(|refresh| refresh.told.clone())
}

/// The number of these calls, whatever their results.
pub(super) fn writes(world: &World) -> u64 {
    let counts = &world.lock().counts.calls;
    NAMES.iter().filter_map(|name| counts.get(operation_of(name)?)).sum()
}

/// The names of all actions. Each is also the name of its call.
const NAMES: [&str; 17] = [
    "set-maximum",
    "set-minimum",
    "set-desired",
    "launch",
    "protect",
    "terminate",
    "enter-standby",
    "scale-to-zero",
    "write-template",
    "set-template",
    "set-weights",
    "attach",
    "detach",
    "start-refresh",
    "roll-back-refresh",
    "take-slot",
    "give-slot",
];

/// The call that an action makes.
pub(super) fn write_of(action: &Action) -> &'static str {
    operation_of(action.name()).unwrap()
}

/// The call that reads an action's live values.
pub(super) fn read_of(action: &Action) -> Option<&'static str> {
    match action {
        Action::TakeSlot | Action::GiveSlot => None,
        Action::SetWeights { .. } => Some(FORWARDS),
        Action::RollBackRefresh { .. } => Some(REFRESH),
        Action::SetMaximum { .. }
        | Action::SetMinimum { .. }
        | Action::SetDesired { .. }
        | Action::Launch { .. }
        | Action::Protect { .. }
        | Action::Terminate { .. }
        | Action::EnterStandby { .. }
        | Action::ScaleToZero { .. }
        | Action::WriteTemplate { .. }
        | Action::SetTemplate { .. }
        | Action::Attach { .. }
        | Action::Detach { .. }
        | Action::StartRefresh { .. } => Some(GROUP),
    }
}

/// One action of each kind, each with its own stage.
pub(super) fn staged() -> impl Iterator<Item = (World, Action)> {
    (0..NAMES.len()).map(|number| {
        let world = stage();
        let action = actions(&world).swap_remove(number);
        (world, action)
    })
}

/// One action of each kind, as decided on this stage.
pub(super) fn actions(world: &World) -> Vec<Action> {
    let (group, direction) = (blue(), Direction::Forward);
    let capacity = CapacityChange::Decrement;
    vec![
        set_maximum(6, 7),
        Action::SetMinimum { group: group.clone(), expected: 2, minimum: 4 },
        Action::SetDesired { group: group.clone(), expected: 4, desired: 5, replaces: instance(1) },
        launch(),
        Action::Protect { group: group.clone(), instance: instance(2), protection: Protection::On },
        terminate(4, capacity, Role::Drifted),
        Action::EnterStandby { group: group.clone(), instance: instance(1), expected_desired: 4, capacity },
        Action::TakeSlot,
        Action::GiveSlot,
        empty(Some(target_group("app-green"))),
        Action::WriteTemplate {
            group: green(),
            template: template(7).template,
            base: template(7),
            image: IMAGE.parse().unwrap(),
            token: "cutover-1".to_owned(),
        },
        Action::SetTemplate {
            group: green(),
            expected: TemplateReference::Numbered(template(7)),
            template: template(8),
        },
        set_weights(&BTreeMap::from([(target_group("app-green"), 2)])),
        Action::Attach {
            group: green(),
            target_group: target_group("later"),
            api: AttachmentApi::TrafficSources,
            in_service: 2,
            direction,
        },
        detach(2),
        Action::StartRefresh { group, plan: plan() },
        Action::RollBackRefresh { group: green(), refresh: refresh_id(world) },
    ]
}

pub(super) fn set_maximum(expected: u32, maximum: u32) -> Action {
    Action::SetMaximum { group: blue(), expected, maximum }
}

pub(super) fn launch() -> Action {
    let zone = "eu-central-1b".parse().unwrap();
    Action::Launch { group: blue(), zone, replaces: instance(1), token: "slot-1".to_owned() }
}

pub(super) fn terminate(expected_desired: u32, capacity: CapacityChange, role: Role) -> Action {
    Action::Terminate { group: blue(), instance: instance(1), expected_desired, capacity, role }
}

pub(super) fn empty(without_traffic: Option<TargetGroupArn>) -> Action {
    let expected = Bounds { min: 0, max: 4, desired: 2 };
    Action::ScaleToZero { group: green(), expected, maximum: 3, without_traffic, direction: Direction::Forward }
}

pub(super) fn set_weights(gate: &BTreeMap<TargetGroupArn, u32>) -> Action {
    let change = WeightChange {
        place: place(),
        expected: weights(100, 0),
        weights: weights(90, 10),
        expected_stickiness: None,
        stickiness: None,
    };
    Action::SetWeights { group: green(), change, gate: gate.clone(), direction: Direction::Forward }
}

pub(super) fn detach(others_healthy: u32) -> Action {
    Action::Detach {
        group: blue(),
        target_group: target_group("shared"),
        api: AttachmentApi::TargetGroups,
        others_healthy,
        direction: Direction::Forward,
    }
}

fn plan() -> RefreshPlan {
    let min_healthy = Percent::try_from(90).unwrap();
    let alarms = vec!["web-5xx".parse().unwrap()];
    RefreshPlan { template: template(8), min_healthy, alarms, bake: SignedDuration::from_mins(15) }
}

/// Acts until the deadline.
pub(super) fn until(world: &World, actions: &[Action], until: Timestamp) -> Acted {
    let actions = actions.to_vec();
    world.visit(async move |function| act(&function, &fleet_name(), &actions, until).await).unwrap()
}

/// Acts without a deadline.
pub(super) fn all(world: &World, actions: &[Action]) -> Acted {
    until(world, actions, Timestamp::MAX)
}

/// The result of one action.
pub(super) fn one(world: &World, action: &Action) -> ActionResult {
    let acted = all(world, std::slice::from_ref(action));
    assert!(!acted.is_out_of_time);
    let [Outcome { action: told, result }] = &acted.outcomes[..] else { panic!("{acted:?}") };
    assert_eq!(told, action, "the outcome names what was to be done");
    result.clone()
}

/// All values that an action could change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    groups: Vec<Group>,
    forwards: Vec<(BTreeMap<TargetGroupArn, u32>, Option<SignedDuration>)>,
    templates: BTreeSet<TemplateVersion>,
    refreshes: Vec<Option<Refresh>>,
    slots: usize,
}

pub(super) fn seen(world: &World) -> Seen {
    let mut world = world.lock();
    let told = |forward: &ForwardState| (forward.weights.clone(), forward.stickiness);
    Seen {
        groups: world.cloud.all_groups().unwrap(),
        forwards: world.cloud.forwards_now().values().map(told).collect(),
        templates: world.cloud.templates().keys().cloned().collect(),
        refreshes: [blue(), green()].map(|group| refresh(&world, &group)).into(),
        slots: world.table.account().slots.len(),
    }
}

/// The bounds of a group.
pub(super) fn bounds(world: &World, group: &GroupName) -> Bounds {
    let world = world.lock();
    let group = &world.cloud.groups()[group];
    Bounds { min: group.min, max: group.max, desired: group.desired }
}

/// Lets other fleets hold this many cutover slots.
pub(super) fn slots_of_others(world: &World, count: usize) {
    let mut world = world.lock();
    let now = world.now;
    for number in 0..count {
        assert!(world.table.take_slot(&format!("other-{number}").parse().unwrap(), usize::MAX, now));
    }
}
