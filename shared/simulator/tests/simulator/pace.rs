//! The duration of a whole replacement and of a whole cutover, compared with the time that AWS and the policy need. It
//! is virtual time, so the speed of the machine has no effect.

use driftless_planner::fact::ComplianceType;
use driftless_planner::image::Image;
use driftless_simulator::cloud::{Build, Life};
use driftless_simulator::executor::Simulation;
use driftless_simulator::scenario::Scenario;
use driftless_simulator::world::World;
use jiff::{SignedDuration, Timestamp};

use crate::page;

/// The most that Driftless may add to the time of AWS and the policy, in percent.
const OVERHEAD_MAX: f64 = 5.0;
/// A replacement or cutover that is not over by then has failed.
const END: SignedDuration = SignedDuration::from_hours(4);
const WARM_UP: SignedDuration = SignedDuration::from_mins(1);

/// Where the time went.
#[derive(Debug)]
struct Pace {
    /// From the cause to the end of all work.
    took: SignedDuration,
    /// Time in which AWS was working: it delivered the event, launched, booted, checked health, drained or shut down.
    of_aws: SignedDuration,
    /// Waits of the policy.
    of_policy: SignedDuration,
}

impl Pace {
    /// The time beyond AWS and the policy, in percent.
    fn overhead(&self) -> f64 {
        100.0 * (self.took.as_secs_f64() / (self.of_aws + self.of_policy).as_secs_f64() - 1.0)
    }
}

fn mins(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn idle(layout: &str, policy: &str) -> Simulation {
    let text = format!(
        "fleet web: {layout}, 4 instances, max 8, policy mode=act rules=approved alarms=web-5xx {policy}\nexpect idle\nend at 1m"
    );
    let mut simulation = Scenario::parse(&text).unwrap().set_up().unwrap();
    let begin = simulation.shared().lock().now;
    let Ok(()) = simulation.run_until(begin + mins(6), |_| Ok::<(), std::convert::Infallible>(()));
    simulation
}

/// Whether AWS is working.
fn is_aws_at_work(world: &World) -> bool {
    let groups = world.cloud.groups().values();
    let mut unfinished = groups.filter(|group| {
        let members: Vec<_> = world.cloud.members(&group.name).collect();
        let active = members.iter().filter(|known| matches!(known.life, Life::Pending | Life::InService)).count();
        let is_changing = |known: &&&driftless_simulator::cloud::Instance| match known.life {
            Life::Pending | Life::Terminating => true,
            Life::InService => !world.cloud.is_serving(&known.id),
            Life::Standby | Life::Gone => false,
        };
        active != group.desired as usize || members.iter().any(|known| is_changing(&known))
    });
    unfinished.next().is_some()
}

fn is_at_work(world: &World) -> bool {
    let record = world.table.rows().values().find_map(|row| row.record.as_ref());
    record.is_some_and(|record| record.cutover.is_some() || !record.replacements.is_empty())
}

/// Applies `cause` and measures until the fleet is idle.
fn measured(mut simulation: Simulation, of_policy: SignedDuration, cause: impl FnOnce(&mut World)) -> Pace {
    let (begin, brought_at) = {
        let mut world = simulation.shared().lock();
        let known: Vec<Timestamp> = world.queue.visible_times().collect();
        cause(&mut world);
        world.advance_cloud();
        let brought_at = world.queue.visible_times().find(|at| !known.contains(at));
        (world.now, brought_at.unwrap())
    };
    let (mut of_aws, mut last, mut has_begun) = (brought_at.duration_since(begin), (begin, false), false);
    let over: Result<(), Timestamp> = simulation.run_until(begin + END, |world| {
        if last.1 {
            of_aws += world.now.duration_since(last.0);
        }
        last = (world.now, is_aws_at_work(world));
        has_begun |= is_at_work(world);
        if has_begun && !is_at_work(world) { Err(world.now) } else { Ok(()) }
    });
    Pace { took: over.unwrap_err().duration_since(begin), of_aws, of_policy }
}

fn replaced(layout: &str, policy: &str, debounce: SignedDuration) -> Pace {
    measured(idle(layout, policy), debounce + WARM_UP, |world| {
        let group = world.cloud.groups().keys().find(|name| world.cloud.serving_in(name) > 0).unwrap().clone();
        let drifted = world.cloud.members(&group).next().unwrap().id.clone();
        world.cloud.report_compliance(&"approved".parse().unwrap(), &drifted, ComplianceType::NonCompliant);
    })
}

fn cut_over(layout: &str, policy: &str, watched: SignedDuration) -> Pace {
    measured(idle(layout, policy), watched + WARM_UP, |world| {
        let image = Image { image_for: Some("web".into()), created_at: world.now, ..driftless_testkit::image(2) };
        world.cloud.add_image(image, Build::Good);
    })
}

#[test]
fn what_is_done_takes_hardly_longer_than_aws_and_the_policy_take_of_it() {
    let weighted = "weighted, blue live";
    // Three steps, of which the last is the bake. A step is one minute of the alarm and two for its delay.
    let (steps, bake, warm) = (mins(2 * 3), mins(15), mins(60));
    let paces = [
        ("a replacement, by weights", replaced(weighted, "", mins(5))),
        ("in a shared target group", replaced("shared target group, blue live", "", mins(5))),
        ("without a load balancer", replaced("no load balancer, blue live", "", mins(5))),
        ("in a single group", replaced("single group", "", mins(5))),
        ("that is not debounced", replaced(weighted, "debounce=0s", SignedDuration::ZERO)),
        ("a cutover, by weights", cut_over(weighted, "", steps + bake + warm)),
        ("in a shared target group", cut_over("shared target group, blue live", "weights=100", bake + warm)),
        // Driftless adds about 30 s, however short the waits are.
        ("with short watches", cut_over(weighted, "weights=100 bake=5m keep-warm=0s", mins(5))),
    ];
    let row = |(what, pace): &(&str, Pace)| {
        let seconds = |length: SignedDuration| length.as_secs();
        let (took, of_aws, of_policy) = (seconds(pace.took), seconds(pace.of_aws), seconds(pace.of_policy));
        format!("| {what} | {took} | {of_aws} | {of_policy} | {:.3} |", 1.0 + pace.overhead() / 100.0)
    };
    let rows: Vec<String> = paces.iter().map(row).collect();
    page::hold("pace", &["what", "took, s", "AWS, s", "policy, s", "ratio"], &rows);
    for (what, pace) in &paces {
        assert!(pace.overhead() <= OVERHEAD_MAX, "{what}: {:.1} % over, {pace:?}", pace.overhead());
    }
}
