//! Fleets in every state that a person may find one in.

use driftless_planner::action::ActionResult;
use driftless_planner::decide::Input;
use driftless_planner::fact::{AlarmState, AlarmSubject, Command};
use driftless_planner::fleet::Color;
use driftless_planner::observation::{Group, TemplateReference, TemplateVersion};
use driftless_status::model::{LeaseStatus, NextWake};
use driftless_status::{FleetStatus, status};
use jiff::SignedDuration;

use crate::support::{Stage, fleet, freeze, group, id, mins, secs, t0, target_group, version};

/// What is said of a stage.
pub(crate) fn said(stage: &Stage) -> FleetStatus {
    let fleet = fleet();
    // People want to see who serves, also where no decision needs it.
    let mut seen = stage.observation();
    let all = stage.groups.iter().flat_map(|group| group.target_groups.iter().cloned()).collect();
    stage.read_targets(&mut seen, &all);
    let input = Input {
        fleet: &fleet,
        record: stage.record.as_ref(),
        facts: &stage.facts,
        outcomes: &[],
        freezes: &stage.freezes,
        seen: &seen,
        defaults: &stage.defaults,
        now: stage.now,
    };
    status(input, NextWake::At { at: stage.now + secs(30) }, LeaseStatus::Free)
}

/// One look, after which the world follows and so much time passes.
pub(crate) fn step(stage: &mut Stage, pause: SignedDuration) {
    stage.look();
    stage.arrive();
    stage.leave();
    stage.wait(pause);
}

/// Looks on until this is said of it.
pub(crate) fn until(stage: &mut Stage, is_so: impl Fn(&Stage) -> bool) {
    for _ in 0..2000 {
        if is_so(stage) {
            return;
        }
        step(stage, secs(15));
    }
    panic!("never: {:#?}\n{:#?}", stage.record().cutover, stage.journal);
}

/// Looks on until the cutover is in this phase.
pub(crate) fn until_phase(stage: &mut Stage, phase: &str) {
    until(stage, |stage| stage.cutover_phase() == Some(phase));
}

fn pair(size: u32) -> Vec<Group> {
    let colored = |color: &str, template: &str, size: u32| {
        let mut group = group(size);
        group.name = format!("app-{color}").parse().unwrap();
        group.tags.insert("driftless:color".to_owned(), color.to_owned());
        group.target_groups = vec![target_group(color)];
        let template = TemplateVersion { template: template.parse().unwrap(), version: 1 };
        for member in &mut group.members {
            member.template = Some(template.clone());
        }
        group.template = TemplateReference::Numbered(template);
        group
    };
    let (blue, mut green) =
        (colored("blue", "lt-00000000000000001", size), colored("green", "lt-00000000000000002", 0));
    (green.min, green.max) = (0, 0);
    vec![blue, green]
}

fn adopted(groups: Vec<Group>, weights: &[(&str, u32)]) -> Stage {
    let mut stage = Stage::with(groups);
    let green = TemplateVersion { template: "lt-00000000000000002".parse().unwrap(), version: 1 };
    stage.templates.insert(green, stage.templates[&version(1)].clone());
    stage.traffic = weights.iter().map(|(name, weight)| (target_group(name), vec![*weight])).collect();
    stage.look();
    stage.wait(mins(1));
    stage
}

/// Two target groups in one forward action.
pub(crate) fn weighted(size: u32) -> Stage {
    adopted(pair(size), &[("blue", 100), ("green", 0)])
}

/// One target group for both colors.
pub(crate) fn shared(size: u32) -> Stage {
    let mut groups = pair(size);
    groups[0].target_groups = vec![target_group("app")];
    groups[1].target_groups = Vec::new();
    adopted(groups, &[("app", 1)])
}

/// No load balancer.
pub(crate) fn unbalanced(size: u32) -> Stage {
    let mut groups = pair(size);
    for group in &mut groups {
        group.target_groups = Vec::new();
    }
    adopted(groups, &[])
}

/// A cutover of the second image in this phase.
pub(crate) fn cutting_over(mut stage: Stage, phase: &str) -> Stage {
    stage.publish(2);
    until_phase(&mut stage, phase);
    stage
}

/// An alarm of the color rings.
pub(crate) fn ring(stage: &mut Stage, of: Color) {
    let now = stage.now;
    let alarm = stage.alarms.get_mut(&"web-5xx".parse().unwrap()).unwrap();
    alarm.state = AlarmState::Alarm;
    alarm.since = now;
    alarm.reason = "12 of 100 requests failed".into();
    let dimension = target_group(&format!("{of:?}").to_lowercase()).dimension().to_owned();
    alarm.subject = AlarmSubject { target_groups: [dimension].into(), ..AlarmSubject::default() };
}

/// Half of the traffic is green's, and the step is watched.
pub(crate) fn at_half() -> Stage {
    let mut stage = cutting_over(weighted(4), "shifting");
    until(&mut stage, |stage| stage.weight("green") == 50);
    step(&mut stage, secs(30));
    step(&mut stage, secs(15));
    stage
}

fn rolling_back() -> Stage {
    let mut stage = at_half();
    ring(&mut stage, Color::Green);
    stage.scripted.insert("set-weights", ActionResult::Busy("the load balancer is being changed".into()));
    stage.look();
    stage.wait(secs(5));
    stage.scripted.clear();
    stage
}

fn needs_operator() -> Stage {
    let mut stage = at_half();
    stage.traffic.insert(target_group("blue"), vec![70]);
    stage.traffic.insert(target_group("green"), vec![30]);
    until_phase(&mut stage, "needs-operator");
    stage
}

fn awaiting_approval() -> Stage {
    let mut stage = weighted(3);
    stage.tag("approval", "manual");
    let mut stage = cutting_over(stage, "awaiting-approval");
    step(&mut stage, mins(3));
    stage
}

fn frozen() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.freezes.push(freeze(stage.now, Some(stage.now + mins(60))));
    step(&mut stage, mins(1));
    stage
}

fn paused() -> Stage {
    let mut stage = at_half();
    stage.say(Command::Pause);
    step(&mut stage, mins(3));
    stage
}

fn broken() -> Stage {
    let mut stage = Stage::drifted(6, &[1, 2, 3]);
    step(&mut stage, mins(1));
    stage
}

fn stopped() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.scripted.insert("launch", ActionResult::Failed("The image id '[ami-1]' does not exist".into()));
    until(&mut stage, |stage| stage.phase(1) == "stopped");
    stage
}

fn withdrawing() -> Stage {
    let (mut stage, _) = Stage::proving(4);
    stage.comply(1);
    stage.scripted.insert("terminate", ActionResult::Busy("an activity is in progress".into()));
    stage.look();
    stage.scripted.clear();
    assert_eq!(stage.phase(1), "withdrawing");
    stage
}

fn launching() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.scripted.insert("launch", ActionResult::Busy("an activity is in progress".into()));
    stage.look();
    stage.scripted.clear();
    assert_eq!(stage.phase(1), "launching");
    stage
}

fn goes_first(phase: &str) -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.tag("replace", "terminate-first");
    stage.tag("min-healthy", "70%");
    if phase == "vacating" {
        stage.scripted.insert("terminate", ActionResult::Busy("an activity is in progress".into()));
    }
    stage.look();
    until(&mut stage, |stage| stage.phase(1) == phase);
    stage
}

fn debouncing() -> Stage {
    let mut stage = Stage::new(4);
    stage.drift(2);
    step(&mut stage, mins(2));
    stage
}

fn blocked() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.tag("window", "Mon-Fri 02:00-04:00 Europe/Berlin");
    step(&mut stage, mins(1));
    stage
}

fn single() -> Stage {
    let mut stage = Stage::new(3);
    step(&mut stage, mins(1));
    stage
}

fn misconfigured() -> Stage {
    let mut groups = pair(2);
    groups[1].tags.remove("driftless:color");
    let mut stage = Stage::with(groups);
    step(&mut stage, mins(1));
    stage
}

fn invalid() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.tag("budget", "many");
    step(&mut stage, mins(1));
    stage
}

/// After a cutover, with the way back that launches first.
pub(crate) fn after_cutover() -> Stage {
    let mut stage = cutting_over(weighted(3), "warm");
    until(&mut stage, |stage| stage.record().cutover.is_none());
    step(&mut stage, mins(1));
    stage
}

fn rolled_back() -> Stage {
    let mut stage = at_half();
    ring(&mut stage, Color::Green);
    until(&mut stage, |stage| stage.record().cutover.is_none());
    step(&mut stage, mins(1));
    stage
}

fn quarantined() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.tag("replace", "quarantine");
    until(&mut stage, |stage| !stage.record().quarantined.is_empty());
    step(&mut stage, mins(1));
    stage
}

/// Everything foreign is hostile.
pub(crate) fn hostile() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    let finding = stage.compliance.values_mut().find_map(|by_instance| by_instance.get_mut(&id(1))).unwrap();
    finding.annotation = Some("\u{1b}[2Jport 22\u{202e} $(reboot) <script>alert(1)</script>".into());
    let mut freeze = freeze(t0(), None);
    freeze.owner = "mallory\r\n`id`".into();
    stage.freezes.push(freeze);
    step(&mut stage, mins(1));
    stage
}

/// Every world, by its name.
pub(crate) fn all() -> Vec<(&'static str, Stage)> {
    let weighted_in = |phase: &str| cutting_over(weighted(3), phase);
    vec![
        ("steady", weighted(3)),
        ("unadopted", Stage::new(3)),
        ("single-group", single()),
        ("misconfigured", misconfigured()),
        ("policy-invalid", invalid()),
        ("frozen", frozen()),
        ("breaker-open", broken()),
        ("debouncing", debouncing()),
        ("blocked", blocked()),
        ("launching", launching()),
        ("proving", Stage::proving(4).0),
        ("retiring", Stage::retiring(4).0),
        ("withdrawing", withdrawing()),
        ("vacating", goes_first("vacating")),
        ("refilling", goes_first("refilling")),
        ("stopped", stopped()),
        ("quarantined", quarantined()),
        ("scaling", weighted_in("scaling")),
        ("verifying", weighted_in("verifying")),
        ("awaiting-approval", awaiting_approval()),
        ("half-way", at_half()),
        ("paused", paused()),
        ("baking", weighted_in("baking")),
        ("warm", weighted_in("warm")),
        ("retiring-old", weighted_in("retiring-old")),
        ("rolling-back", rolling_back()),
        ("rolled-back", rolled_back()),
        ("needs-operator", needs_operator()),
        ("after-cutover", after_cutover()),
        ("no-load-balancer", cutting_over(unbalanced(3), "baking")),
        ("shared-target-group", cutting_over(shared(3), "warm")),
        ("rolling", cutting_over(single(), "shifting")),
        ("hostile", hostile()),
    ]
}
