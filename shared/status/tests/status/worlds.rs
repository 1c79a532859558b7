//! Fleets in every state that an operator can meet.

use driftless_planner::action::ActionResult;
use driftless_planner::fact::Command;
use driftless_planner::fleet::Color;
use driftless_planner::input::Input;
use driftless_planner::observation::Group;
use driftless_planner::reading::Reading;
use driftless_status::model::{LeaseStatus, NextRequest};
use driftless_status::{FleetStatus, status};
use driftless_testkit::{Stage, fleet, freeze, id, mins, pair, pair_that_shares, pair_without_balancer, secs, t0};

/// The status document of a stage.
pub(crate) fn said(stage: &Stage) -> FleetStatus {
    let fleet = fleet();
    // Operators want to see which instances are healthy, even when no decision needs it.
    let mut seen = stage.observation();
    let all = stage.groups.iter().flat_map(|group| group.target_groups.iter().cloned()).collect();
    let read = stage.targets(&all);
    seen.targets.extend(Reading::of(all, read));
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
    status(input, NextRequest::At { at: stage.now + secs(30) }, LeaseStatus::Free)
}

fn adopted(groups: Vec<Group>, weights: &[(&str, u32)]) -> Stage {
    let mut stage = Stage::colored(groups, weights);
    stage.reconcile();
    stage.wait(mins(1));
    stage
}

/// A fleet whose last pass was a minute ago.
fn watched(mut stage: Stage) -> Stage {
    stage.step(mins(1));
    stage
}

/// Two target groups in one forward action.
pub(crate) fn weighted(size: u32) -> Stage {
    adopted(pair(size), &[("blue", 100), ("green", 0)])
}

/// A cutover to the second image, in this phase.
pub(crate) fn cutting_over(mut stage: Stage, phase: &str) -> Stage {
    stage.publish(2);
    stage.until_phase(phase);
    stage
}

/// Green has half of the traffic, and the step is being verified.
pub(crate) fn at_half() -> Stage {
    let mut stage = cutting_over(weighted(4), "shifting");
    stage.until(|stage| stage.weight("green") == 50);
    stage.step(secs(30));
    stage.step(secs(15));
    stage
}

fn rolling_back() -> Stage {
    let mut stage = at_half();
    stage.go_into_alarm("web-5xx", Some(Color::Green));
    stage.scripted.insert("set-weights", ActionResult::Busy("the load balancer is being changed".into()));
    stage.reconcile();
    stage.wait(secs(5));
    stage.scripted.clear();
    stage
}

fn needs_operator() -> Stage {
    let mut stage = at_half();
    stage.weigh(&[("blue", 70), ("green", 30)]);
    stage.until_phase("needs-operator");
    stage
}

fn awaiting_approval() -> Stage {
    let mut stage = weighted(3);
    stage.tag("approval", "manual");
    let mut stage = cutting_over(stage, "awaiting-approval");
    stage.step(mins(3));
    stage
}

fn frozen() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.freezes.push(freeze(stage.now, Some(stage.now + mins(60))));
    watched(stage)
}

fn paused() -> Stage {
    let mut stage = at_half();
    stage.say(Command::Pause);
    stage.step(mins(3));
    stage
}

fn stopped() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.scripted.insert("launch", ActionResult::Failed("The image id '[ami-1]' does not exist".into()));
    stage.until(|stage| stage.phase(1) == "stopped");
    stage
}

fn cancelling() -> Stage {
    let (mut stage, _) = Stage::verifying(4);
    stage.comply(1);
    stage.scripted.insert("terminate", ActionResult::Busy("an activity is in progress".into()));
    stage.reconcile();
    stage.scripted.clear();
    assert_eq!(stage.phase(1), "cancelling");
    stage
}

fn launching() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.scripted.insert("launch", ActionResult::Busy("an activity is in progress".into()));
    stage.reconcile();
    stage.scripted.clear();
    assert_eq!(stage.phase(1), "launching");
    stage
}

fn goes_first(phase: &str) -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.tag("strategy", "terminate-first");
    stage.tag("min-healthy", "70%");
    if phase == "terminating" {
        stage.scripted.insert("terminate", ActionResult::Busy("an activity is in progress".into()));
    }
    stage.reconcile();
    stage.until(|stage| stage.phase(1) == phase);
    stage
}

fn debouncing() -> Stage {
    let mut stage = Stage::new(4);
    stage.drift(2);
    stage.step(mins(2));
    stage
}

fn blocked() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.tag("window", "Mon-Fri 02:00-04:00 Europe/Berlin");
    watched(stage)
}

fn misconfigured() -> Stage {
    let mut groups = pair(2);
    groups[1].tags.remove("driftless:color");
    watched(Stage::with(groups))
}

fn invalid() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.tag("budget", "many");
    watched(stage)
}

/// A fleet after a cutover, whose rollback must launch instances first.
pub(crate) fn after_cutover() -> Stage {
    let mut stage = cutting_over(weighted(3), "warm");
    stage.until(|stage| stage.record().cutover.is_none());
    watched(stage)
}

fn rolled_back() -> Stage {
    let mut stage = at_half();
    stage.go_into_alarm("web-5xx", Some(Color::Green));
    stage.until(|stage| stage.record().cutover.is_none());
    watched(stage)
}

fn quarantined() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    stage.tag("strategy", "quarantine");
    stage.until(|stage| !stage.record().quarantined.is_empty());
    watched(stage)
}

/// A fleet whose untrusted texts are all hostile.
pub(crate) fn hostile() -> Stage {
    let mut stage = Stage::drifted(4, &[1]);
    let finding = stage.compliance.values_mut().find_map(|by_instance| by_instance.get_mut(&id(1))).unwrap();
    finding.annotation = Some("\u{1b}[2Jport 22\u{202e} $(reboot) <script>alert(1)</script>".into());
    let mut freeze = freeze(t0(), None);
    freeze.owner = "mallory\r\n`id`".into();
    stage.freezes.push(freeze);
    watched(stage)
}

/// Every world, by its name.
pub(crate) fn all() -> Vec<(&'static str, Stage)> {
    let weighted_in = |phase: &str| cutting_over(weighted(3), phase);
    vec![
        ("steady", weighted(3)),
        ("unadopted", Stage::new(3)),
        ("single-group", watched(Stage::new(3))),
        ("misconfigured", misconfigured()),
        ("policy-invalid", invalid()),
        ("frozen", frozen()),
        ("breaker-open", watched(Stage::drifted(6, &[1, 2, 3]))),
        ("debouncing", debouncing()),
        ("blocked", blocked()),
        ("launching", launching()),
        ("replacement-verifying", Stage::verifying(4).0),
        ("replacement-retiring", Stage::retiring(4).0),
        ("cancelling", cancelling()),
        ("terminating", goes_first("terminating")),
        ("launching-after", goes_first("launching-after")),
        ("stopped", stopped()),
        ("quarantined", quarantined()),
        ("scaling", weighted_in("scaling")),
        ("verifying", weighted_in("verifying")),
        ("awaiting-approval", awaiting_approval()),
        ("half-way", at_half()),
        ("paused", paused()),
        ("baking", weighted_in("baking")),
        ("warm", weighted_in("warm")),
        ("retiring", weighted_in("retiring")),
        ("rolling-back", rolling_back()),
        ("rolled-back", rolled_back()),
        ("needs-operator", needs_operator()),
        ("after-cutover", after_cutover()),
        ("no-load-balancer", cutting_over(adopted(pair_without_balancer(3), &[]), "baking")),
        ("shared-target-group", cutting_over(adopted(pair_that_shares(3), &[("app", 1)]), "warm")),
        ("rolling", cutting_over(watched(Stage::new(3)), "shifting")),
        ("hostile", hostile()),
    ]
}
