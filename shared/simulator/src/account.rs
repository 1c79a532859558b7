//! An account with many equal fleets, for tests at scale.

use std::collections::BTreeMap;

use driftless_planner::alarm::AlarmSubject;
use driftless_planner::balancer::TargetGroupSettings;
use driftless_planner::fact::{ComplianceFact, ComplianceType};
use driftless_planner::fleet::Color;
use driftless_planner::ids::{AlarmName, FleetName, IdError, InstanceId, RuleName};
use jiff::{SignedDuration, Timestamp};

use crate::cloud::{Build, Cloud};
use crate::faults::Rates;
use crate::fleet::{self, FleetNames, FleetPlan, Layout};
use crate::rng::Rng;
use crate::world::World;

/// The size of an account.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Number of fleets. Each fleet is a pair of groups behind a load balancer.
    pub fleets: usize,
    /// Number of instances of each fleet. All of them are in the group of the live color.
    pub instances: u32,
}

/// An account whose instances have run for a long time before Driftless reads them for the first time.
#[derive(Debug)]
pub struct Account {
    pub world: World,
    /// The fleets, each with its instances.
    pub fleets: BTreeMap<FleetName, Vec<InstanceId>>,
    /// The Config rule that every policy lists.
    pub rule: RuleName,
}

/// How long Config takes to evaluate a new instance.
const EVALUATION: SignedDuration = SignedDuration::from_mins(3);
/// The evaluation period of each alarm.
const WINDOW: SignedDuration = SignedDuration::from_mins(1);

impl Account {
    /// Builds an account of the given size.
    ///
    /// # Errors
    /// The planner's types reject a name.
    pub fn new(size: Size, start: Timestamp, rng: &mut Rng) -> Result<Self, IdError> {
        let mut cloud = Cloud::new(rng.split(), start);
        let rule: RuleName = "approved".parse()?;
        cloud.add_rule(&rule, EVALUATION);
        let image = fleet::image("ami-00000000000000001".parse()?, start);
        let id = image.id.clone();
        cloud.add_image(image, Build::Good);
        let (mut fleets, mut alarms) = (BTreeMap::new(), Vec::new());
        for number in 0..size.fleets {
            let name: FleetName = format!("fleet-{number:04}").parse()?;
            let alarm: AlarmName = format!("{name}-5xx").parse()?;
            let names = FleetNames::of(Layout::Weighted, name.clone(), Color::Blue, number)?;
            fleet::add_fleet(&mut cloud, &plan(&names, &alarm, id.clone()));
            alarms.push(alarm);
            let Some(live) = names.colors.first() else { continue };
            cloud.stand(&live.group, size.instances);
            fleets.insert(name, cloud.members(&live.group).map(|instance| instance.id.clone()).collect());
        }
        // Each new forward action makes the simulator evaluate every alarm, so the alarms come last.
        for alarm in &alarms {
            cloud.add_alarm(alarm, AlarmSubject::default(), WINDOW);
        }
        cloud.drain_events();
        let world = World::new(start, cloud, rng.split(), Rates::none());
        Ok(Self { world, fleets, rule })
    }
}

fn plan(names: &FleetNames, alarm: &AlarmName, image: driftless_planner::ids::ImageId) -> FleetPlan {
    let tags = [
        ("driftless:fleet", names.fleet.as_str()),
        ("driftless:mode", "act"),
        ("driftless:rules", "approved"),
        ("driftless:alarms", alarm.as_str()),
        // Short, so that a cutover ends soon, but long enough for the alarm.
        ("driftless:weights", "100"),
        ("driftless:step", "3m"),
    ];
    let settings = TargetGroupSettings {
        stickiness: None,
        deregistration_delay: SignedDuration::from_mins(1),
        slow_start: SignedDuration::ZERO,
    };
    FleetPlan {
        names: names.clone(),
        tags: tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        settings,
        image,
        // `stand` creates the instances without a boot.
        min: 0,
        max: 0,
        desired: 0,
        warm_up: SignedDuration::from_mins(1),
    }
}

/// The fact that Config reports this instance as non-compliant with this rule.
pub fn breaks(rule: &RuleName, instance: &InstanceId, at: Timestamp) -> ComplianceFact {
    let (instance, rule) = (instance.clone(), rule.clone());
    ComplianceFact { instance, rule, verdict: ComplianceType::NonCompliant, observed_at: at, annotation: None }
}
