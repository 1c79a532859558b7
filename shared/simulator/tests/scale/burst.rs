//! An event burst: all instances drift at once, and Config sends each event twice, in random order.

use std::path::Path;
use std::{env, fs};

use driftless_planner::alarm::AlarmState;
use driftless_planner::fact::{ComplianceType, Fact};
use driftless_planner::ids::{FleetName, InstanceId, RuleName};
use driftless_planner::image::Image;
use driftless_planner::request::ReconcileRequest;
use driftless_simulator::account::{Size, breaks};
use driftless_simulator::cloud::Build;
use driftless_simulator::rng::Rng;
use driftless_simulator::world::{Counts, World};
use driftless_testkit::plot::{Bar, Color, svg};
use jiff::SignedDuration;

use crate::page;
use crate::support::{IdleFleets, calls, idle_fleets, run};

/// The events arrive within one minute.
const BURST: SignedDuration = SignedDuration::from_secs(60);
/// How long the test runs from the start of the burst: by then the debounce is over and the breaker is open.
const WATCHED: SignedDuration = SignedDuration::from_mins(10);

/// The result of an event burst.
pub(crate) struct Burst {
    pub(crate) fleets: usize,
    pub(crate) events: usize,
    /// Drifted instances, each under one rule.
    pub(crate) distinct: usize,
    /// Stored facts, without repetitions.
    pub(crate) stored: u64,
    pub(crate) passes: u64,
    pub(crate) counts: Counts,
    /// From the first event until the queue is empty.
    pub(crate) took: SignedDuration,
}

/// All of these instances drift under a rule. Config reports each twice, in random order.
fn break_out<'i>(world: &mut World, rule: &RuleName, instances: impl Iterator<Item = &'i InstanceId>) {
    let mut rng = Rng::new(11);
    let mut events: Vec<Fact> = Vec::new();
    let now = world.now;
    for instance in instances {
        world.cloud.report_compliance(rule, instance, ComplianceType::NonCompliant);
        events.extend(std::iter::repeat_n(Fact::Compliance(breaks(rule, instance, now)), 2));
    }
    // Only the events of this function are sent.
    world.cloud.drain_events();
    let mut order: Vec<(u64, Fact)> = events.into_iter().map(|fact| (rng.draw(), fact)).collect();
    order.sort_by_key(|(place, _)| *place);
    for (_, fact) in order {
        let at = now + rng.duration(SignedDuration::ZERO, BURST);
        world.send(ReconcileRequest::Fact(Box::new(fact)), at);
    }
}

/// Every instance of every fleet drifts.
pub(crate) fn burst(fleets: usize, instances: u32) -> Burst {
    let IdleFleets { mut simulation, fleets: all, rule } = idle_fleets(Size { fleets, instances });
    let (begin, before) = {
        let mut world = simulation.shared().lock();
        break_out(&mut world, &rule, all.values().flatten());
        (world.now, filed(&world))
    };
    let mut took = SignedDuration::ZERO;
    while simulation.shared().lock().now < begin + WATCHED {
        run(&mut simulation, SignedDuration::from_secs(1));
        let world = simulation.shared().lock();
        let is_over = world.queue.next_visible().is_none_or(|at| at > world.now + SignedDuration::from_secs(4));
        if !is_over && world.now <= begin + BURST * 4 {
            took = world.now.duration_since(begin);
        }
    }
    let world = simulation.shared().lock();
    assert!(world.violations.is_empty(), "{:?}", world.violations);
    assert!(world.queue.dead.is_empty());
    let distinct = all.values().map(Vec::len).sum();
    let stored = filed(&world) - before;
    let passes = calls(&world.counts, "load");
    Burst { fleets, events: distinct * 2, distinct, stored, passes, counts: world.counts.clone(), took }
}

/// Number of stored facts of all fleets.
fn filed(world: &World) -> u64 {
    world.table.rows().values().map(|row| row.filed).sum()
}

const HEADER: [&str; 10] = [
    "fleets",
    "events",
    "distinct",
    "facts stored",
    "writes tried",
    "requests claimed",
    "reconcile passes",
    "passes of a fleet",
    "calls of Auto Scaling and EC2",
    "queue empty after, s",
];

/// Passes over one fleet in ten minutes of an event burst: start of the debounce, opening of the breaker, end of the
/// debounce, two resyncs, and one in each minute in which events arrive.
const PASSES_OF_A_FLEET: u64 = 9;

impl Burst {
    fn calls(&self, operation: &str) -> u64 {
        calls(&self.counts, operation)
    }

    fn bucketed(&self) -> u64 {
        let is_bucketed = |name: &str| name.starts_with("autoscaling:") || name.starts_with("ec2:");
        self.counts.calls.iter().filter(|(name, _)| is_bucketed(name)).map(|(_, count)| count).sum()
    }

    fn row(&self) -> String {
        let Self { fleets, events, distinct, stored, passes, took, .. } = self;
        let (filings, claims, bucketed) = (self.calls("store"), self.calls("claim_request"), self.bucketed());
        let (by_fleet, took) = (passes.div_ceil(number(*fleets)), took.as_secs());
        format!(
            "| {fleets} | {events} | {distinct} | {stored} | {filings} | {claims} | {passes} | {by_fleet} | {bucketed} | {took} |"
        )
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}

/// A measure of event bursts of growing size.
fn bars(name: &str, bursts: &[Burst], value: fn(&Burst) -> u64) -> Vec<Bar> {
    let bar = |(number, burst): (usize, &Burst)| {
        let value = f64::from(u32::try_from(value(burst)).unwrap());
        let label = if number == 0 { format!("{name}: {} events", burst.events) } else { burst.events.to_string() };
        Bar { label, value, color: if number == 0 { Color::Own } else { Color::Below } }
    };
    bursts.iter().enumerate().map(bar).collect()
}

/// Compares a plot with the file beside the page; with `BLESS=1` writes the file.
fn hold_plot(name: &str, drawn: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if env::var_os("BLESS").is_some() {
        fs::write(&path, drawn).unwrap();
    } else {
        assert_eq!(fs::read_to_string(&path).unwrap(), drawn, "docs/{name} is not what is counted");
    }
}

#[test]
#[ignore = "made for the profile sim: make scale runs it"]
fn a_burst_is_looked_at_by_fleet_and_stored_by_instance() {
    let sizes = [(10, 50), (30, 50), (100, 5), (100, 15), (100, 50)];
    let bursts: Vec<Burst> = sizes.into_iter().map(|(fleets, instances)| burst(fleets, instances)).collect();
    for burst in &bursts {
        let (fleets, distinct) = (number(burst.fleets), number(burst.distinct));
        assert_eq!(burst.stored, distinct, "each fact once");
        assert!(burst.passes <= fleets * PASSES_OF_A_FLEET, "{}", burst.row());
        // Of two repetitions at the same moment, both try to store the fact.
        assert!(burst.calls("store") <= distinct + distinct / 10, "{}", burst.row());
        assert!(burst.calls("claim_request") <= fleets * PASSES_OF_A_FLEET, "{}", burst.row());
    }
    page::hold("event-burst", &HEADER, &bursts.iter().map(Burst::row).collect::<Vec<_>>());
    let of_100_fleets = &bursts[2..];
    let bars = [
        bars("facts stored", of_100_fleets, |burst| burst.stored),
        bars("passes", of_100_fleets, |burst| burst.passes),
        bars("calls", of_100_fleets, Burst::bucketed),
    ]
    .concat();
    hold_plot("performance-growth.svg", &svg("An event burst over 100 fleets: what grows with its events", "", &bars));
}

/// How much an event burst may delay a rollback.
const DELAY_MAX: SignedDuration = SignedDuration::from_secs(2);

/// The time from ALARM until the old color has all traffic, with or without an event burst in all other fleets.
fn rollback_takes(is_in_burst: bool) -> SignedDuration {
    let IdleFleets { mut simulation, fleets, rule } = idle_fleets(Size { fleets: 101, instances: 50 });
    let (web, others): (Vec<_>, Vec<_>) = fleets.iter().partition(|(name, _)| name.as_str() == "fleet-0000");
    let web: FleetName = web[0].0.clone();
    {
        let mut world = simulation.shared().lock();
        let image =
            Image { image_for: Some(web.as_str().into()), created_at: world.now, ..driftless_testkit::image(2) };
        world.cloud.add_image(image, Build::Good);
        world.advance_cloud();
    }
    // After 45 minutes the cutover has shifted and baked, and the old color is kept warm.
    run(&mut simulation, SignedDuration::from_mins(45));
    let phase = |world: &World| {
        let record = world.table.rows()[&web].record.as_ref().unwrap();
        record.cutover.as_ref().map(|cutover| cutover.phase().name())
    };
    assert_eq!(phase(&simulation.shared().lock()), Some("warm"));
    if is_in_burst {
        let instances = others.iter().flat_map(|(_, instances)| instances.iter());
        break_out(&mut simulation.shared().lock(), &rule, instances);
    }
    run(&mut simulation, BURST / 2);
    let begin = {
        let mut world = simulation.shared().lock();
        world.cloud.force_alarm(&format!("{web}-5xx").parse().unwrap(), Some(AlarmState::Alarm));
        world.advance_cloud();
        world.now
    };
    let is_back = |world: &World| {
        let weights = world.cloud.forwards_now().values().flat_map(|forward| &forward.weights);
        let mut of_web = weights.filter(|(arn, _)| arn.as_str().contains(&format!("{web}-blue")));
        of_web.all(|(_, weight)| *weight == 100)
    };
    let back = simulation.run_until(begin + BURST * 5, |world| if is_back(world) { Err(world.now) } else { Ok(()) });
    back.unwrap_err().duration_since(begin)
}

#[test]
#[ignore = "made for the profile sim: make scale runs it"]
fn a_rollback_is_not_delayed_by_a_burst() {
    let (calm, in_burst) = (rollback_takes(false), rollback_takes(true));
    assert!(in_burst <= calm + DELAY_MAX, "{in_burst:#} in an event burst, {calm:#} without one");
}
