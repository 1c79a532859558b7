//! Two colors that every action can meet, and one action of each kind that can be done there.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::action::{
    Action, ActionResult, Bounds, CapacityChange, Direction, Outcome, Protection, Role, WeightChange,
};
use driftless_planner::balancer::{AttachmentApi, BalancerKind, Forward, ForwardPlace};
use driftless_planner::ids::{GroupName, RefreshId, TargetGroupArn};
use driftless_planner::observation::{Group, Lifecycle, TemplateContent, TemplateReference, TemplateVersion};
use driftless_planner::policy::Percent;
use driftless_planner::refresh::{Refresh, RefreshPlan, RefreshStatus};
use driftless_reconciler::act::{Acted, act};
use jiff::{SignedDuration, Timestamp};

use crate::support::{World, app, block_on, fleet_name, group_name, instance, start};

/// The color without traffic. The other one is the group that all tests know.
pub(super) fn green() -> GroupName {
    "app-green".parse().unwrap()
}

pub(super) fn target_group(name: &str) -> TargetGroupArn {
    let id = "73e2d6bc24d8a067";
    format!("arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/{name}/{id}").parse().unwrap()
}

pub(super) fn place() -> ForwardPlace {
    let rule = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener-rule/app/web/50dc/f2f7/9683";
    ForwardPlace::Rule(rule.parse().unwrap())
}

pub(super) fn weights(blue: u32, green: u32) -> BTreeMap<TargetGroupArn, u32> {
    BTreeMap::from([(target_group("app"), blue), (target_group("green"), green)])
}

pub(super) fn template(version: u64) -> TemplateVersion {
    TemplateVersion { template: "lt-0123456789".parse().unwrap(), version }
}

pub(super) fn refresh_id() -> RefreshId {
    "7a2f6f0e-1f5b-4a5e-9d2c-0d9c7a1b2c3d".parse().unwrap()
}

/// Blue: 2 to 6, four instances, all the traffic, also behind the shared target group. Green: 0 to 4, two instances, no
/// traffic, behind the shared one too, and an instance refresh under way.
pub(super) fn stage() -> World {
    let world = app();
    let mut state = world.lock();
    let blue = state.groups.get_mut(&group_name()).unwrap();
    blue.max = 6;
    blue.target_groups.push(target_group("shared"));
    let green_group = Group {
        name: green(),
        min: 0,
        max: 4,
        desired: 2,
        members: Vec::new(),
        target_groups: vec![target_group("green"), target_group("shared")],
        ..blue.clone()
    };
    let serving: Vec<_> = blue.members.iter().map(|member| member.id.clone()).collect();
    let targets = state.targets.entry(target_group("shared")).or_default();
    targets.extend(serving.into_iter().map(|id| (id, driftless_planner::observation::TargetHealth::Healthy)));
    state.groups.insert(green(), green_group);
    for zone in ["eu-central-1a", "eu-central-1b"] {
        state.spawn(&green(), &zone.parse().unwrap());
    }
    let image = Some("ami-0fedcba987".parse().unwrap());
    let settings = BTreeMap::from([("instance-type".to_owned(), "t4g.micro".into())]);
    state.templates.insert(template(8), TemplateContent { image, written_for: None, settings });
    let balancer = BalancerKind::Application;
    state.forwards = vec![Forward { place: place(), weights: weights(100, 0), stickiness: None, balancer }];
    let started_at = state.now;
    let refresh = Refresh {
        id: refresh_id(),
        status: RefreshStatus::Running,
        template: Some(template(8)),
        percentage: 50,
        started_at,
        reason: None,
    };
    state.refreshes.insert(green(), refresh);
    drop(state);
    world.advance(SignedDuration::from_hours(1));
    let mut state = world.lock();
    assert!(state.groups[&green()].members.iter().all(|member| member.lifecycle == Lifecycle::InService));
    assert_eq!(state.targets[&target_group("shared")].len(), 6);
    state.log.clear();
    state.counts.clear();
    drop(state);
    world
}

/// The calls that change something.
const WRITES: [&str; 17] = [
    "set_maximum",
    "set_minimum",
    "set_desired",
    "launch",
    "protect",
    "terminate",
    "set_aside",
    "empty",
    "write_template",
    "set_template",
    "set_weights",
    "attach",
    "detach",
    "start_refresh",
    "roll_back_refresh",
    "take_turn",
    "give_turn",
];

pub(super) fn writes(world: &World) -> usize {
    WRITES.iter().map(|name| world.count(name)).sum()
}

/// The call that an action makes.
pub(super) fn write_of(action: &Action) -> &'static str {
    let name = action.name().replace('-', "_");
    WRITES.into_iter().find(|write| *write == name).unwrap()
}

/// The call that tells an action what is live.
pub(super) fn read_of(action: &Action) -> Option<&'static str> {
    match action {
        Action::TakeTurn | Action::GiveTurn => None,
        Action::SetWeights { .. } => Some("forwards"),
        Action::RollBackRefresh { .. } => Some("refresh"),
        Action::SetMaximum { .. }
        | Action::SetMinimum { .. }
        | Action::SetDesired { .. }
        | Action::Launch { .. }
        | Action::Protect { .. }
        | Action::Terminate { .. }
        | Action::SetAside { .. }
        | Action::Empty { .. }
        | Action::WriteTemplate { .. }
        | Action::SetTemplate { .. }
        | Action::Attach { .. }
        | Action::Detach { .. }
        | Action::StartRefresh { .. } => Some("group"),
    }
}

/// One action of each kind, as it would be decided on the stage.
pub(super) fn actions() -> Vec<Action> {
    let (group, direction) = (group_name(), Direction::Forward);
    let capacity = CapacityChange::Decrement;
    vec![
        Action::SetMaximum { group: group.clone(), expected: 6, maximum: 7 },
        Action::SetMinimum { group: group.clone(), expected: 2, minimum: 4 },
        Action::SetDesired { group: group.clone(), expected: 4, desired: 5, replaces: instance(1) },
        launch(),
        Action::Protect { group: group.clone(), instance: instance(2), protection: Protection::On },
        terminate(4, capacity, Role::Drifted),
        Action::SetAside { group: group.clone(), instance: instance(1), expected_desired: 4, capacity },
        Action::TakeTurn,
        Action::GiveTurn,
        empty(Some(target_group("green"))),
        Action::WriteTemplate {
            group: green(),
            template: template(7).template,
            base: template(7),
            image: "ami-0fedcba987".parse().unwrap(),
            token: "cutover-1".to_owned(),
        },
        Action::SetTemplate {
            group: green(),
            expected: TemplateReference::Numbered(template(7)),
            template: template(8),
        },
        set_weights(&BTreeMap::from([(target_group("green"), 2)])),
        Action::Attach {
            group: green(),
            target_group: target_group("later"),
            api: AttachmentApi::TrafficSources,
            in_service: 2,
            direction,
        },
        detach(2),
        Action::StartRefresh { group, plan: plan() },
        Action::RollBackRefresh { group: green(), refresh: refresh_id() },
    ]
}

pub(super) fn launch() -> Action {
    let zone = "eu-central-1b".parse().unwrap();
    Action::Launch { group: group_name(), zone, replaces: instance(1), token: "slot-1".to_owned() }
}

pub(super) fn terminate(expected_desired: u32, capacity: CapacityChange, role: Role) -> Action {
    Action::Terminate { group: group_name(), instance: instance(1), expected_desired, capacity, role }
}

pub(super) fn empty(without_traffic: Option<TargetGroupArn>) -> Action {
    let expected = Bounds { min: 0, max: 4, desired: 2 };
    Action::Empty { group: green(), expected, maximum: 3, without_traffic, direction: Direction::Forward }
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
        group: group_name(),
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

/// Acts with all the time there is.
pub(super) fn all(world: &World, actions: &[Action]) -> Acted {
    block_on(act(world, &fleet_name(), actions, Timestamp::MAX))
}

/// What comes of one action.
pub(super) fn one(world: &World, action: &Action) -> ActionResult {
    let acted = all(world, std::slice::from_ref(action));
    assert!(!acted.is_out_of_time);
    let [Outcome { action: told, result }] = &acted.outcomes[..] else { panic!("{acted:?}") };
    assert_eq!(told, action, "the outcome names what was to be done");
    result.clone()
}

/// Everything that an action could have changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) groups: BTreeMap<GroupName, Group>,
    pub(super) forwards: Vec<Forward>,
    pub(super) templates: BTreeSet<TemplateVersion>,
    pub(super) refreshes: BTreeMap<GroupName, Refresh>,
    pub(super) turns: usize,
}

pub(super) fn seen(world: &World) -> Seen {
    let state = world.lock();
    Seen {
        groups: state.groups.clone(),
        forwards: state.forwards.clone(),
        templates: state.templates.keys().cloned().collect(),
        refreshes: state.refreshes.clone(),
        turns: state.account.turns.len(),
    }
}

/// The turns that other fleets hold.
pub(super) fn turns_of_others(world: &World, count: usize) {
    let mut state = world.lock();
    state.account.turns = (0..count).map(|number| (format!("other-{number}").parse().unwrap(), start())).collect();
}
