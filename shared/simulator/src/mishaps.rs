//! What goes wrong by plan: at a certain call, with a certain message. Days draw what goes wrong from rates; scenarios
//! say it.

use std::collections::VecDeque;
use std::fmt;

use driftless_planner::fact::Fact;
use jiff::{SignedDuration, Timestamp};

use crate::faults::{Course, Fate};
use crate::world::World;

/// The planned mishaps of a world.
#[derive(Debug, Default)]
pub struct Mishaps {
    /// What happens to the next events on their way, and to how many of them.
    messages: VecDeque<(MessageFault, u32)>,
    /// Events that wait for those behind them.
    held: Vec<Fact>,
    /// Where the next functions die.
    crashes: Vec<Crash>,
    /// What happens right before calls.
    before: Vec<Before>,
    /// The number of a write, from 1, around which a function dies.
    around: Option<(usize, Side)>,
    /// The function behind each call that changes something, in the order in which they were begun.
    writers: Vec<u64>,
    /// Until when AWS refuses every call to EC2 and Auto Scaling.
    throttled_until: Option<Timestamp>,
    /// The next run that reads its fleet's record falls asleep over it, for so long.
    sleeps: Option<SignedDuration>,
    /// So many weights are still taken and have no effect.
    ignored_weights: u32,
    /// What went wrong, when: in order, for whoever tells of it.
    pub(crate) came: Vec<(Timestamp, String)>,
}

/// What happens to events on their way to Driftless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageFault {
    /// They never arrive.
    Lose,
    /// They arrive twice.
    Duplicate,
    /// They arrive in the opposite order.
    Reverse,
    /// They arrive so much later.
    Delay(SignedDuration),
}

/// On which side of a call a function dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The request never leaves.
    Before,
    /// The request is sent, and done; nobody lives to see the answer.
    After,
}

/// A function dies at a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crash {
    /// The call, as scenarios name it.
    pub(crate) call: String,
    /// On which side of it.
    pub(crate) side: Side,
}

/// A change of the world.
type Change = Box<dyn FnOnce(&mut World) + Send>;

/// What happens right before a call takes effect.
struct Before {
    call: String,
    change: Change,
}

impl fmt::Debug for Before {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Before").field("call", &self.call).finish_non_exhaustive()
    }
}

/// The calls that change something, by their operations, and what scenarios call them.
const WRITES: [(&str, &str); 30] = [
    ("autoscaling:UpdateAutoScalingGroup (minimum)", "set-minimum"),
    ("autoscaling:UpdateAutoScalingGroup (maximum)", "set-maximum"),
    ("autoscaling:UpdateAutoScalingGroup (template)", "set-template"),
    ("autoscaling:UpdateAutoScalingGroup (empty)", "empty"),
    ("autoscaling:SetDesiredCapacity", "set-desired"),
    ("autoscaling:LaunchInstances", "launch"),
    ("autoscaling:SetInstanceProtection", "protect"),
    ("autoscaling:TerminateInstanceInAutoScalingGroup", "terminate"),
    ("autoscaling:EnterStandby", "set-aside"),
    ("autoscaling:AttachTrafficSources", "attach"),
    ("autoscaling:DetachTrafficSources", "detach"),
    ("autoscaling:StartInstanceRefresh", "start-refresh"),
    ("autoscaling:RollbackInstanceRefresh", "roll-back-refresh"),
    ("elasticloadbalancing:ModifyRule", "set-weights"),
    ("ec2:CreateLaunchTemplateVersion", "write-template"),
    ("sns:Publish", "publish"),
    ("sns:Publish (chat)", "publish-chat"),
    ("events:PutEvents", "put-events"),
    ("sqs:SendMessage", "send"),
    ("commit", "commit"),
    ("index", "index"),
    ("file", "file"),
    ("acquire", "acquire"),
    ("release", "release"),
    ("claim_wake", "claim-wake"),
    ("told", "told"),
    ("half_told", "half-told"),
    ("put_out", "put-out"),
    ("take_turn", "take-turn"),
    ("give_turn", "give-turn"),
];

/// What scenarios call an operation. None: it changes nothing.
fn call_of(operation: &str) -> Option<&'static str> {
    WRITES.iter().find(|(known, _)| *known == operation).map(|(_, call)| *call)
}

/// The operation that scenarios call so.
pub(crate) fn operation_of(call: &str) -> Option<&'static str> {
    WRITES.iter().find(|(_, known)| *known == call).map(|(operation, _)| *operation)
}

impl Mishaps {
    /// The next events fare so.
    pub(crate) fn messages(&mut self, fault: MessageFault, count: u32) {
        self.messages.push_back((fault, count));
    }

    /// A function dies at the next call of this kind.
    pub(crate) fn crash(&mut self, crash: Crash) {
        self.crashes.push(crash);
    }

    /// A function dies at the `number`-th write of all, from 1.
    pub(crate) const fn crash_around(&mut self, number: usize, side: Side) {
        self.around = Some((number, side));
    }

    /// Where a function can die around its writes: after each, and before its first one. Before a later one it is where
    /// it was after the one before.
    pub(crate) fn crash_sites(&self) -> impl Iterator<Item = (usize, Side)> {
        let is_first = |place: usize| {
            place.checked_sub(1).is_none_or(|before| self.writers.get(before) != self.writers.get(place))
        };
        (0..self.writers.len()).flat_map(move |place| {
            let before = is_first(place).then_some((place + 1, Side::Before));
            before.into_iter().chain([(place + 1, Side::After)])
        })
    }

    /// Something happens right before the next call of this kind takes effect.
    pub(crate) fn before(&mut self, call: &str, change: impl FnOnce(&mut World) + Send + 'static) {
        self.before.push(Before { call: call.to_owned(), change: Box::new(change) });
    }

    /// AWS refuses every call to EC2 and Auto Scaling until then.
    pub(crate) const fn throttle(&mut self, until: Timestamp) {
        self.throttled_until = Some(until);
    }

    /// The next run that has read its fleet's record sleeps for so long before it decides: it wakes up after its lease.
    pub(crate) const fn sleep(&mut self, length: SignedDuration) {
        self.sleeps = Some(length);
    }

    /// The load balancer takes the next weights, and has others all the same.
    pub(crate) const fn ignore_weights(&mut self, count: u32) {
        self.ignored_weights = count;
    }

    /// Whether the weights that come now have no effect.
    pub(crate) fn ignores_weights(&mut self, now: Timestamp) -> bool {
        let ignores = self.ignored_weights > 0;
        if ignores {
            self.ignored_weights -= 1;
            self.came.push((now, "the load balancer takes the weights, and has others".to_owned()));
        }
        ignores
    }

    /// Whether a function may outlive its time-out, since its sandbox is frozen with it.
    pub(crate) const fn freezes(&self) -> bool {
        self.sleeps.is_some()
    }

    /// Changes the course of a call as planned.
    pub(crate) fn bend(&mut self, now: Timestamp, function: u64, operation: &'static str, course: &mut Course) {
        let is_bucketed = operation.starts_with("autoscaling:") || operation.starts_with("ec2:");
        if is_bucketed && self.throttled_until.is_some_and(|until| now < until) {
            course.fate = Fate::Throttled;
        }
        if operation == "load"
            && let Some(length) = self.sleeps.take()
        {
            course.sleep += length;
            self.came.push((now, format!("a run falls asleep before it decides, for {length:#}")));
        }
        let Some(call) = call_of(operation) else { return };
        self.writers.push(function);
        let planned = self.crashes.iter().position(|crash| crash.call == call);
        let planned = planned.map(|position| self.crashes.remove(position).side);
        let around = self.around.filter(|(number, _)| *number == self.writers.len()).map(|(_, side)| side);
        if let Some(side) = planned.or(around) {
            course.fate = match side {
                Side::Before => Fate::CrashBefore,
                Side::After => Fate::CrashAfter,
            };
            self.came.push((now, format!("the run dies {side} {call}")));
        }
    }

    /// What happens right before this call takes effect.
    pub(crate) fn take_before(&mut self, operation: &'static str) -> Option<Change> {
        let call = call_of(operation)?;
        let position = self.before.iter().position(|before| before.call == call)?;
        Some(self.before.remove(position).change)
    }

    /// What becomes of an event: which ones go on their way now, and how much later than usual.
    pub(crate) fn deliver(&mut self, now: Timestamp, fact: &Fact) -> (Vec<Fact>, SignedDuration) {
        let at_once = SignedDuration::ZERO;
        let Some((fault, left)) = self.messages.front_mut() else { return (vec![fact.clone()], at_once) };
        let fault = *fault;
        *left = left.saturating_sub(1);
        let is_last = *left == 0;
        if is_last {
            self.messages.pop_front();
        }
        self.came.push((now, format!("an event {fault}: {}", fact.key())));
        match fault {
            MessageFault::Lose => (Vec::new(), at_once),
            MessageFault::Duplicate => (vec![fact.clone(), fact.clone()], at_once),
            MessageFault::Delay(by) => (vec![fact.clone()], by),
            MessageFault::Reverse => {
                self.held.push(fact.clone());
                let all = if is_last { std::mem::take(&mut self.held) } else { Vec::new() };
                (all.into_iter().rev().collect(), at_once)
            }
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

impl fmt::Display for MessageFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lose => formatter.write_str("is lost"),
            Self::Duplicate => formatter.write_str("comes twice"),
            Self::Reverse => formatter.write_str("comes after those behind it"),
            Self::Delay(by) => write!(formatter, "comes {by:#} late"),
        }
    }
}
