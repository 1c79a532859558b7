//! A scenario that has been read.

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
    /// The seed that draws orders and delays. None: nothing is drawn, and what takes AWS between 1 and 60 seconds takes 30.
    pub(crate) seed: Option<u64>,
    /// The fleets, in the order of the file.
    pub(crate) fleets: Vec<FleetSpec>,
    /// Images that the file describes.
    pub(crate) images: BTreeMap<ImageNumber, ImageSpec>,
    /// Alarms that the file describes.
    pub(crate) alarms: BTreeMap<AlarmName, AlarmSpec>,
    /// Whether the scenario runs once for each write, with a crash around that write.
    pub(crate) crashes_everywhere: bool,
    /// Events and expectations, in the order of the file.
    pub(crate) steps: Vec<Step>,
    /// Lines of `always` and `never`.
    pub(crate) watches: Vec<Watch>,
    /// How long the scenario runs.
    pub(crate) end: SignedDuration,
}

/// `ami-7` of a scenario.
pub(crate) type ImageNumber = u32;

/// A fleet as the scenario begins.
#[derive(Debug, Clone)]
pub(crate) struct FleetSpec {
    pub(crate) name: FleetName,
    pub(crate) layout: LayoutSpec,
    pub(crate) live: Color,
    /// How many instances the live group has.
    pub(crate) instances: u32,
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
    /// Instances in Standby that the idle group still has.
    pub(crate) standby: u32,
    pub(crate) warm_up: Option<SignedDuration>,
    pub(crate) deregistration_delay: Option<SignedDuration>,
    pub(crate) slow_start: Option<SignedDuration>,
    pub(crate) stickiness: Option<SignedDuration>,
    /// How long the instances have run when the scenario begins.
    pub(crate) age: Option<SignedDuration>,
    /// Whether the group refuses `LaunchInstances`.
    pub(crate) launches_by_desired: bool,
    /// Whether its groups follow `$Latest` of their templates.
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

/// What an image is, and what becomes of its instances.
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageSpec {
    pub(crate) build: Option<String>,
    pub(crate) character: Character,
    pub(crate) architecture: Option<String>,
    pub(crate) is_backup: bool,
    pub(crate) is_foreign: bool,
}

/// What becomes of the instances of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Character {
    #[default]
    Good,
    /// They launch and terminate themselves.
    NeverBoots,
    /// They launch and never pass their health checks.
    NeverHealthy,
    /// They are healthy, and non-compliant with every rule.
    DriftedFromTheStart,
    /// They are healthy until their color gets this share of the traffic, in percent.
    TurnsBadAt(u8),
}

/// An alarm as the scenario begins.
#[derive(Debug, Clone)]
pub(crate) struct AlarmSpec {
    /// What the dimensions of the alarm name. None: nothing, as with a composite alarm.
    pub(crate) on: Option<AlarmTarget>,
    pub(crate) state: AlarmState,
    /// Period × evaluation periods.
    pub(crate) window: SignedDuration,
}

impl AlarmSpec {
    /// An alarm that the file only names.
    pub(crate) const fn quiet() -> Self {
        Self { on: None, state: AlarmState::Ok, window: SignedDuration::from_mins(1) }
    }
}

/// What an alarm watches.
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

/// The n-th instance that a group has launched, from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InstanceRef {
    pub(crate) group: GroupRef,
    pub(crate) ordinal: usize,
}

/// An event or an expectation.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The line in the file, from 1.
    pub(crate) line: usize,
    /// The line as it stands.
    pub(crate) text: String,
    /// The line without its time.
    pub(crate) said: String,
    pub(crate) when: When,
    pub(crate) what: What,
}

/// When an event happens, or an expectation is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// This long after the beginning.
    At(SignedDuration),
    /// This long after the line above.
    After(SignedDuration),
    /// At any moment between the line above and this time.
    By(SignedDuration),
    /// At any moment within this long after the line above.
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

/// A line of `always` or `never`.
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
    /// Something that happens right before the next call of this name.
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

/// How Driftless learns of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// EC2's event, and its tag.
    Tagged,
    /// EC2's event; the tag comes later, or never.
    Untagged,
    /// The event `image.published` on the event bus.
    OwnBus,
    /// Only the tag: the event was lost.
    Silently,
}

/// Which instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    These(Vec<InstanceRef>),
    /// This share of a group's instances, in percent.
    Share(u8, GroupRef),
}

/// The size of a group that an operator or Terraform writes. None: unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NewBounds {
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
    pub(crate) desired: Option<u32>,
}

/// A command, with what it names.
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
