//! The model of a scenario: what the parser has read from a file.

use std::collections::BTreeMap;

use driftless_planner::alarm::AlarmState;
use driftless_planner::fleet::Color;
use driftless_planner::ids::{AlarmName, FleetName, RuleName};
use jiff::{SignedDuration, Timestamp};

use super::check::Term;
use crate::fault_plan::{MessageFault, Side};

/// A scenario: the account at the beginning, events and expectations.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The description: the comment at the top of the file.
    pub(crate) story: Vec<String>,
    /// When virtual time begins.
    pub(crate) start: Timestamp,
    /// The seed from which orders and delays are drawn. None: nothing is drawn, and what takes AWS from 1 to 60 seconds
    /// takes about 30 seconds.
    pub(crate) seed: Option<u64>,
    /// The fleets, in the order of the file.
    pub(crate) fleets: Vec<FleetSpec>,
    /// Images that the file describes.
    pub(crate) images: BTreeMap<ImageNumber, ImageSpec>,
    /// Alarms that the file describes.
    pub(crate) alarms: BTreeMap<AlarmName, AlarmSpec>,
    /// Whether the scenario runs again for each place around a write at which a function can crash.
    pub(crate) crashes_everywhere: bool,
    /// Events and expectations, in the order of the file.
    pub(crate) steps: Vec<Step>,
    /// The lines that begin with `always` or `never`.
    pub(crate) watches: Vec<Watch>,
    /// The duration of the scenario.
    pub(crate) end: SignedDuration,
}

/// The number of an image in a scenario: 7 for `ami-7`.
pub(crate) type ImageNumber = u32;

/// A fleet as the scenario begins.
#[derive(Debug, Clone)]
pub(crate) struct FleetSpec {
    pub(crate) name: FleetName,
    pub(crate) layout: LayoutSpec,
    pub(crate) live: Color,
    /// Number of instances of the live group.
    pub(crate) instances: u32,
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
    /// Number of instances in Standby that an operator has left in the idle group.
    pub(crate) standby: u32,
    pub(crate) warm_up: Option<SignedDuration>,
    pub(crate) deregistration_delay: Option<SignedDuration>,
    pub(crate) slow_start: Option<SignedDuration>,
    pub(crate) stickiness: Option<SignedDuration>,
    /// How long the instances have run when the scenario begins.
    pub(crate) age: Option<SignedDuration>,
    /// Whether the live group refuses `LaunchInstances`, so that Driftless launches by raising the desired capacity.
    pub(crate) launches_by_desired: bool,
    /// Whether the groups of the fleet follow `$Latest` of their launch templates.
    pub(crate) floats: bool,
    pub(crate) policy: BTreeMap<String, String>,
}

/// How traffic reaches a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayoutSpec {
    Weighted,
    Shared,
    NoLoadBalancer,
    Single,
}

/// An image: its attributes, and the behavior of its instances.
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageSpec {
    pub(crate) build: Option<String>,
    pub(crate) character: Character,
    pub(crate) architecture: Option<String>,
    pub(crate) is_backup: bool,
    pub(crate) is_foreign: bool,
}

/// The behavior of the instances of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Character {
    #[default]
    Good,
    /// The instances launch, and their EC2 status checks fail.
    NeverBoots,
    /// The instances launch, and never pass their health checks.
    NeverHealthy,
    /// The instances are healthy, and non-compliant with every rule.
    DriftedFromTheStart,
    /// The instances are healthy at first, and begin to fail when their color gets this percentage of the traffic.
    TurnsBadAt(u8),
}

/// An alarm as the scenario begins.
#[derive(Debug, Clone)]
pub(crate) struct AlarmSpec {
    /// The resource that the dimensions of the alarm name. None: they name no resource, as with a composite alarm.
    pub(crate) on: Option<AlarmTarget>,
    pub(crate) state: AlarmState,
    /// The time of the evaluation: period × number of evaluation periods.
    pub(crate) window: SignedDuration,
}

impl AlarmSpec {
    /// An alarm that the file names but does not describe.
    pub(crate) const fn quiet() -> Self {
        Self { on: None, state: AlarmState::Ok, window: SignedDuration::from_mins(1) }
    }
}

/// The resource that an alarm watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AlarmTarget {
    Group(GroupRef),
    Instance(InstanceRef),
}

/// One group of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupRef {
    pub(crate) fleet: FleetName,
    /// None: the single group of a fleet without colors.
    pub(crate) color: Option<Color>,
}

/// An instance of a group. `ordinal` is 1 for the first instance that the group has launched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InstanceRef {
    pub(crate) group: GroupRef,
    pub(crate) ordinal: usize,
}

/// An event or an expectation.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The number of the line in the file, from 1.
    pub(crate) line: usize,
    /// The whole line as it stands in the file.
    pub(crate) text: String,
    /// The line without its time.
    pub(crate) said: String,
    pub(crate) when: When,
    pub(crate) what: What,
}

/// When an event happens, or an expectation is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// This long after the beginning of the scenario.
    At(SignedDuration),
    /// This long after the time of the line above.
    After(SignedDuration),
    /// At any moment from the time of the line above until this long after the beginning.
    By(SignedDuration),
    /// At any moment within this long after the time of the line above.
    Within(SignedDuration),
    /// When the scenario ends.
    End,
}

/// An event, or an expectation.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Event(Event),
    Expect(Vec<Term>),
}

/// A line that begins with `always` or `never`.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) terms: Vec<Term>,
    pub(crate) holds: bool,
}

/// Something that happens in the simulated account, or to Driftless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Publish {
        image: ImageNumber,
        fleet: FleetName,
        announced: Announced,
    },
    Tag {
        image: ImageNumber,
        fleet: FleetName,
    },
    Deregister {
        image: ImageNumber,
    },
    Drift {
        whom: Whom,
        rule: RuleName,
    },
    Clear {
        whom: Whom,
        rule: RuleName,
    },
    Alarm {
        alarm: AlarmName,
        state: AlarmState,
    },
    Freeze {
        fleet: Option<FleetName>,
        reason: String,
        length: Option<SignedDuration>,
    },
    Thaw {
        fleet: Option<FleetName>,
    },
    Command {
        fleet: FleetName,
        command: CommandSpec,
    },
    /// An event that happens right before the next call with this name.
    Before {
        call: String,
        event: Box<Event>,
    },
    Hand(Hand),
    FaultEvent(FaultEvent),
}

/// Changes of operators and Terraform, outside Driftless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hand {
    Resize { group: GroupRef, bounds: NewBounds },
    SetWeights { fleet: FleetName, blue: u32, green: u32 },
    WriteTemplate { group: GroupRef },
    SetPolicy { fleet: FleetName, key: String, value: Option<String> },
    Protect { instance: InstanceRef, is_on: bool },
    Kill { instance: InstanceRef },
    Suspend { group: GroupRef, process: String, is_on: bool },
}

/// Faults of AWS, the network and Lambda.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FaultEvent {
    Shortage { zone: Option<char>, fleet: Option<FleetName>, length: SignedDuration },
    LaunchesFail { fleet: FleetName, message: String, length: SignedDuration },
    Messages { what: MessageFault, count: u32 },
    Crash { call: String, side: Side },
    StaleReads { length: SignedDuration },
    EmptyReads { length: SignedDuration },
    Throttle { length: SignedDuration },
    HoldLease { length: SignedDuration },
    Overlap { count: u32 },
    Rebalance { group: GroupRef },
    IgnoredWeights { count: u32 },
    Upgrade,
}

/// How Driftless learns that an image exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// By the event of EC2. The image has its fleet tag already.
    Tagged,
    /// By the event of EC2. The image gets its fleet tag later, or never.
    Untagged,
    /// By the event `image.published` on the event bus.
    OwnBus,
    /// Only by the fleet tag of the image: the event of EC2 is lost.
    Silently,
}

/// The instances that an event affects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    These(Vec<InstanceRef>),
    /// This percentage of the instances of a group.
    Share(u8, GroupRef),
}

/// The size that an operator or Terraform writes to a group. None: this value stays unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NewBounds {
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
    pub(crate) desired: Option<u32>,
}

/// A command of an operator, with the instance or image that the command names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandSpec {
    Pause,
    Resume,
    Approve,
    Reject,
    Promote,
    Abort,
    Rollback,
    Retry,
    Redeploy,
    Replace(InstanceRef),
    Veto(ImageNumber),
    Unveto(ImageNumber),
    Pin,
    AcceptLive(Color),
}

impl std::fmt::Display for GroupRef {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name())
    }
}

impl std::fmt::Display for InstanceRef {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.group, self.ordinal)
    }
}

impl GroupRef {
    /// The group's name in AWS.
    pub(crate) fn name(&self) -> String {
        match self.color {
            Some(Color::Blue) => format!("{}-blue", self.fleet),
            Some(Color::Green) => format!("{}-green", self.fleet),
            None => self.fleet.to_string(),
        }
    }
}
