//! What goes wrong by plan: at a certain call, with a certain message. Days draw what goes wrong from rates; scenarios
//! say it.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use driftless_planner::fact::Fact;
use driftless_reconciler::ports::CallErrorKind;
use jiff::{SignedDuration, Timestamp};

use crate::faults::{Course, Fate};
use crate::scenario::aliases::{Place, documented};
use crate::world::World;

/// The planned faults of a world.
#[derive(Debug, Default)]
pub struct FaultPlan {
    /// What happens to the next events on their way, and to how many of them.
    messages: VecDeque<(MessageFault, u32)>,
    /// Events that wait for those behind them.
    held: Vec<Fact>,
    /// What becomes of calls.
    faults: Vec<(Which, Fault)>,
    /// What happens right before calls.
    before: Vec<Before>,
    /// How many calls were begun.
    begun: u64,
    /// The function behind each call that changes something, in the order in which they were begun.
    writers: Vec<u64>,
    /// Until when AWS refuses every call to EC2 and Auto Scaling.
    throttled_until: Option<Timestamp>,
    /// The next run that reads its fleet's record falls asleep over it, for so long.
    sleeps: Option<SignedDuration>,
    /// So many weights are still taken and have no effect.
    ignored_weights: u32,
    /// So many events are still not taken by the bus, though its calls succeed.
    refused_events: u32,
    /// What went wrong, when: in order, for whoever tells of it.
    pub(crate) came: Vec<(Timestamp, String)>,
}

/// What happens to events on their way to Driftless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageFault {
    Lose,
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

/// Which calls are meant. Where they are counted, it is from 0, in the order in which they are begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Of all calls those with these numbers.
    All(Range<u64>),
    /// Of the calls of one operation those with these numbers.
    Of(&'static str, Range<u64>),
    /// Of the calls that change something the one with this number.
    Write(usize),
    /// The next call of this name, as scenarios have it, and no other.
    Next(String),
}

/// What becomes of a call by plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Fate(Fate),
    /// It takes effect so much later.
    Slow(SignedDuration),
    /// The function sleeps for so long after it.
    Sleep(SignedDuration),
}

/// A call that was begun: its operation, and its numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) operation: &'static str,
    /// Among those of its operation.
    pub(crate) of_operation: u64,
    of_all: u64,
    /// Among those that change something. None: it does not.
    write: Option<usize>,
}

impl Which {
    fn means(&self, call: &Begun) -> bool {
        match self {
            Self::All(numbers) => numbers.contains(&call.of_all),
            Self::Of(operation, numbers) => *operation == call.operation && numbers.contains(&call.of_operation),
            Self::Write(number) => call.write == Some(*number),
            Self::Next(name) => call_of(call.operation).is_some_and(|known| is_same_call(known, name)),
        }
    }
}

/// A change of the world.
type Change = Box<dyn FnOnce(&mut World) + Send>;

/// What happens right before a call takes effect.
struct Before {
    calls: Which,
    change: Change,
}

impl fmt::Debug for Before {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Before").field("calls", &self.calls).finish_non_exhaustive()
    }
}

/// The calls that change something, by their operations, and what scenarios call them.
const WRITES: [(&str, &str); 30] = [
    ("autoscaling:UpdateAutoScalingGroup (minimum)", "set-minimum"),
    ("autoscaling:UpdateAutoScalingGroup (maximum)", "set-maximum"),
    ("autoscaling:UpdateAutoScalingGroup (template)", "set-template"),
    ("autoscaling:UpdateAutoScalingGroup (scale-to-zero)", "scale-to-zero"),
    ("autoscaling:SetDesiredCapacity", "set-desired"),
    ("autoscaling:LaunchInstances", "launch"),
    ("autoscaling:SetInstanceProtection", "protect"),
    ("autoscaling:TerminateInstanceInAutoScalingGroup", "terminate"),
    ("autoscaling:EnterStandby", "enter-standby"),
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
    ("claim_request", "claim-request"),
    ("mark_delivered", "mark_delivered"),
    ("mark_partially_delivered", "mark-partially-delivered"),
    ("mark_published", "mark-published"),
    ("take_slot", "take-slot"),
    ("give_slot", "give-slot"),
];

/// What scenarios call an operation. None: it changes nothing.
fn call_of(operation: &str) -> Option<&'static str> {
    WRITES.iter().find(|(known, _)| *known == operation).map(|(_, call)| *call)
}

/// Whether two names mean the same call: the documented one and an earlier one do.
fn is_same_call(one: &str, other: &str) -> bool {
    documented(Place::Call, one) == documented(Place::Call, other)
}

/// The operation that scenarios call so.
pub fn operation_of(call: &str) -> Option<&'static str> {
    WRITES.iter().find(|(_, known)| is_same_call(known, call)).map(|(operation, _)| *operation)
}

impl FaultPlan {
    /// The next events fare so.
    pub(crate) fn messages(&mut self, fault: MessageFault, count: u32) {
        self.messages.push_back((fault, count));
    }

    /// These calls fare so.
    pub fn fault(&mut self, calls: Which, fault: Fault) {
        self.faults.push((calls, fault));
    }

    /// No call fares otherwise than usual any more.
    pub fn heal(&mut self) {
        self.faults.clear();
    }

    /// How many calls were begun.
    pub const fn begun(&self) -> u64 {
        self.begun
    }

    /// Where a function can die around its writes: after each, and before its first one. Before a later one it is where
    /// it was after the one before.
    pub(crate) fn crash_sites(&self) -> impl Iterator<Item = (usize, Side)> {
        let is_first = |place: usize| {
            place.checked_sub(1).is_none_or(|before| self.writers.get(before) != self.writers.get(place))
        };
        (0..self.writers.len()).flat_map(move |place| {
            let before = is_first(place).then_some((place, Side::Before));
            before.into_iter().chain([(place, Side::After)])
        })
    }

    /// Something happens right before the first of these calls takes effect.
    pub fn before(&mut self, calls: Which, change: impl FnOnce(&mut World) + Send + 'static) {
        self.before.push(Before { calls, change: Box::new(change) });
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

    /// The bus does not take the next events, though its calls succeed.
    pub const fn refuse_events(&mut self, count: u32) {
        self.refused_events = count;
    }

    /// Whether the bus does not take the event that comes now.
    pub(crate) const fn refuses_event(&mut self) -> bool {
        let refuses = self.refused_events > 0;
        self.refused_events = self.refused_events.saturating_sub(1);
        refuses
    }

    /// Whether a function may outlive its time-out, since its sandbox is frozen with it.
    pub(crate) const fn freezes(&self) -> bool {
        self.sleeps.is_some()
    }

    /// A call begins, the `of_operation`-th of its operation.
    pub(crate) fn begin(&mut self, function: u64, operation: &'static str, of_operation: u64) -> Begun {
        let write = call_of(operation).map(|_| self.writers.len());
        self.writers.extend(write.map(|_| function));
        self.begun += 1;
        Begun { operation, of_operation, of_all: self.begun - 1, write }
    }

    /// Changes the course of a call as planned.
    pub(crate) fn bend(&mut self, now: Timestamp, call: &Begun, course: &mut Course) {
        let operation = call.operation;
        let is_bucketed = operation.starts_with("autoscaling:") || operation.starts_with("ec2:");
        if is_bucketed && self.throttled_until.is_some_and(|until| now < until) {
            course.fate = Fate::Fails(CallErrorKind::Throttled);
        }
        if operation == "load"
            && let Some(length) = self.sleeps.take()
        {
            course.sleep += length;
            self.came.push((now, format!("a run falls asleep before it decides, for {length:#}")));
        }
        match self.take_fault(call) {
            None => return,
            Some(Fault::Slow(by)) => course.request += by,
            Some(Fault::Sleep(length)) => course.sleep += length,
            Some(Fault::Fate(fate)) => course.fate = fate,
        }
        let side = match course.fate {
            Fate::CrashBefore => Side::Before,
            Fate::CrashAfter => Side::After,
            Fate::Fine | Fate::RequestLost | Fate::ReplyLost | Fate::Fails(_) => return,
        };
        let name = call_of(operation).unwrap_or(operation);
        self.came.push((now, format!("the run dies {side} {name}")));
    }

    /// What was planned for a call: that which is meant for the next one of its name before anything else.
    fn take_fault(&mut self, call: &Begun) -> Option<Fault> {
        let meant = self.faults.iter().enumerate().filter(|(_, (which, _))| which.means(call));
        let is_once = |which: &Which| matches!(which, Which::Next(_));
        let (place, (which, fault)) = meant.min_by_key(|(place, (which, _))| (!is_once(which), *place))?;
        let fault = *fault;
        if is_once(which) {
            self.faults.remove(place);
        }
        Some(fault)
    }

    /// What happens right before this call takes effect.
    pub(crate) fn take_before(&mut self, call: &Begun) -> Option<Change> {
        let position = self.before.iter().position(|before| before.calls.means(call))?;
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

impl Side {
    /// What becomes of the call.
    pub(crate) const fn fault(self) -> Fault {
        Fault::Fate(match self {
            Self::Before => Fate::CrashBefore,
            Self::After => Fate::CrashAfter,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The fates of calls, one after the other.
    fn fates(fault_plan: &mut FaultPlan, operations: &[&'static str]) -> Vec<Fate> {
        let fate = |(place, operation): (usize, &&'static str)| {
            let same = operations.iter().take(place).filter(|other| *other == operation).count();
            let call = fault_plan.begin(7, operation, u64::try_from(same).unwrap());
            let [request, reply, sleep] = [SignedDuration::ZERO; 3];
            let mut course = Course { fate: Fate::Fine, is_refused_for_now: false, request, reply, sleep };
            fault_plan.bend(Timestamp::UNIX_EPOCH, &call, &mut course);
            course.fate
        };
        operations.iter().enumerate().map(fate).collect()
    }

    #[test]
    fn a_call_is_meant_by_its_number_among_all_among_its_own_and_among_those_that_change_something() {
        let (fine, lost) = (Fate::Fine, Fault::Fate(Fate::ReplyLost));
        for (which, expected) in [
            (Which::All(1..3), [fine, Fate::ReplyLost, Fate::ReplyLost, fine]),
            (Which::Of("load", 1..2), [fine, fine, Fate::ReplyLost, fine]),
            (Which::Write(1), [fine, fine, fine, Fate::ReplyLost]),
            (Which::Next("commit".to_owned()), [fine, Fate::ReplyLost, fine, fine]),
        ] {
            let mut fault_plan = FaultPlan::default();
            fault_plan.fault(which.clone(), lost);
            assert_eq!(fates(&mut fault_plan, &["load", "commit", "load", "commit"]), expected, "{which:?}");
        }
    }

    #[test]
    fn what_is_meant_for_the_next_call_of_a_name_comes_first_and_once() {
        let mut fault_plan = FaultPlan::default();
        fault_plan.fault(Which::All(0..2), Fault::Fate(Fate::ReplyLost));
        fault_plan.fault(Which::Next("commit".to_owned()), Side::After.fault());
        assert_eq!(
            fates(&mut fault_plan, &["commit", "commit", "commit"]),
            [Fate::CrashAfter, Fate::ReplyLost, Fate::Fine]
        );
    }
}
