//! Planned faults, each of a certain call or event. Fault-injection runs draw faults from rates; scenarios and tests
//! plan them here.

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
    /// The planned faults of the next events, each with the number of events that it still affects.
    messages: VecDeque<(MessageFault, u32)>,
    /// Events that [`MessageFault::Reverse`] holds back until the last event that it affects.
    held: Vec<Fact>,
    /// The planned faults of calls.
    faults: Vec<(Which, Fault)>,
    /// The planned changes of the world, each right before a call takes effect.
    before: Vec<Before>,
    /// Number of calls so far.
    begun: u64,
    /// The function that made each write, in the order of the writes.
    writers: Vec<u64>,
    /// The end of the period in which AWS throttles every call to EC2 and Auto Scaling.
    throttled_until: Option<Timestamp>,
    /// How long the next run sleeps after it has read the record of its fleet.
    sleeps: Option<SignedDuration>,
    /// How many further weight writes succeed without an effect.
    ignored_weights: u32,
    /// How many further events the event bus rejects, although the call succeeds.
    refused_events: u32,
    /// The faults that occurred, in order and each with its time, for the timeline.
    pub(crate) came: Vec<(Timestamp, String)>,
}

/// A fault of events on their way to Driftless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageFault {
    Lose,
    Duplicate,
    /// The events arrive in reverse order.
    Reverse,
    /// The events arrive later by this duration.
    Delay(SignedDuration),
}

/// Whether a function dies before or after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The function dies before it sends the request.
    Before,
    /// The function sends the request, which takes effect, and dies before the response.
    After,
}

/// The calls that a fault affects. Numbers count from 0, in the order of the calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All calls whose number is in this range.
    All(Range<u64>),
    /// The calls of one operation. The range holds their numbers among the calls of that operation.
    Of(&'static str, Range<u64>),
    /// The write with this number among all writes.
    Write(usize),
    /// Only the next call with this name. The name is the one that scenarios use.
    Next(String),
}

/// A planned fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Fate(Fate),
    /// The call takes effect later by this duration.
    Slow(SignedDuration),
    /// The function sleeps for this duration after the call.
    Sleep(SignedDuration),
}

/// A call that has begun: its operation and its numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) operation: &'static str,
    /// The number of the call among the calls of its operation.
    pub(crate) of_operation: u64,
    of_all: u64,
    /// The number of the call among the writes. None: the call is a read.
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

/// A change of the world right before a call takes effect.
struct Before {
    calls: Which,
    change: Change,
}

impl fmt::Debug for Before {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Before").field("calls", &self.calls).finish_non_exhaustive()
    }
}

/// Each write: the name of its operation and its name in scenarios.
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
    ("store", "store"),
    ("acquire", "acquire"),
    ("release", "release"),
    ("claim_request", "claim-request"),
    ("mark_delivered", "mark-delivered"),
    ("mark_partially_delivered", "mark-partially-delivered"),
    ("mark_published", "mark-published"),
    ("take_slot", "take-slot"),
    ("give_slot", "give-slot"),
];

/// The name in scenarios of a write. None: the operation is a read.
fn call_of(operation: &str) -> Option<&'static str> {
    WRITES.iter().find(|(known, _)| *known == operation).map(|(_, call)| *call)
}

/// Whether two names mean the same call: each of them can be the documented name or an earlier one.
fn is_same_call(one: &str, other: &str) -> bool {
    documented(Place::Call, one) == documented(Place::Call, other)
}

/// The operation of a write, by its name in scenarios. None: no write has this name.
pub fn operation_of(call: &str) -> Option<&'static str> {
    WRITES.iter().find(|(_, known)| is_same_call(known, call)).map(|(operation, _)| *operation)
}

impl FaultPlan {
    /// Plans a fault of the next `count` events.
    pub(crate) fn messages(&mut self, fault: MessageFault, count: u32) {
        self.messages.push_back((fault, count));
    }

    /// Plans a fault of these calls.
    pub fn fault(&mut self, calls: Which, fault: Fault) {
        self.faults.push((calls, fault));
    }

    /// Removes all planned faults of calls.
    pub fn heal(&mut self) {
        self.faults.clear();
    }

    /// Number of calls so far.
    pub const fn begun(&self) -> u64 {
        self.begun
    }

    /// The places at which a function can die, each as the number of a write and the side of it: after each write, and
    /// before the first write of each function. Before a later write the state is the same as after the write before
    /// it.
    pub(crate) fn crash_sites(&self) -> impl Iterator<Item = (usize, Side)> {
        let is_first = |place: usize| {
            place.checked_sub(1).is_none_or(|before| self.writers.get(before) != self.writers.get(place))
        };
        (0..self.writers.len()).flat_map(move |place| {
            let before = is_first(place).then_some((place, Side::Before));
            before.into_iter().chain([(place, Side::After)])
        })
    }

    /// Plans a change right before the first of these calls takes effect.
    pub fn before(&mut self, calls: Which, change: impl FnOnce(&mut World) + Send + 'static) {
        self.before.push(Before { calls, change: Box::new(change) });
    }

    /// AWS throttles every call to EC2 and Auto Scaling until this time.
    pub(crate) const fn throttle(&mut self, until: Timestamp) {
        self.throttled_until = Some(until);
    }

    /// The next run that has read the record of its fleet sleeps for this duration before it decides, so that it can
    /// outlive its lease.
    pub(crate) const fn sleep(&mut self, length: SignedDuration) {
        self.sleeps = Some(length);
    }

    /// The next `count` weight writes succeed without an effect.
    pub(crate) const fn ignore_weights(&mut self, count: u32) {
        self.ignored_weights = count;
    }

    /// Whether the weight write that takes effect now is ignored. Uses up one planned fault.
    pub(crate) fn ignores_weights(&mut self, now: Timestamp) -> bool {
        let ignores = self.ignored_weights > 0;
        if ignores {
            self.ignored_weights -= 1;
            self.came.push((now, "the load balancer takes the weights, and has others".to_owned()));
        }
        ignores
    }

    /// The event bus rejects the next `count` events, although the call succeeds.
    pub const fn refuse_events(&mut self, count: u32) {
        self.refused_events = count;
    }

    /// Whether the event bus rejects the event that is sent now. Uses up one planned fault.
    pub(crate) const fn refuses_event(&mut self) -> bool {
        let refuses = self.refused_events > 0;
        self.refused_events = self.refused_events.saturating_sub(1);
        refuses
    }

    /// Whether a planned sleep is pending. Then Lambda may freeze a sandbox, so that a function outlives its timeout.
    pub(crate) const fn freezes(&self) -> bool {
        self.sleeps.is_some()
    }

    /// Counts a call of a function. `of_operation` is the number of the call among the calls of its operation.
    pub(crate) fn begin(&mut self, function: u64, operation: &'static str, of_operation: u64) -> Begun {
        let write = call_of(operation).map(|_| self.writers.len());
        self.writers.extend(write.map(|_| function));
        self.begun += 1;
        Begun { operation, of_operation, of_all: self.begun - 1, write }
    }

    /// Applies the planned faults to the course of a call.
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

    /// The planned fault of a call. A fault of only the next call of a name has precedence, and is removed.
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

    /// Takes the change that is planned right before this call, if there is one.
    pub(crate) fn take_before(&mut self, call: &Begun) -> Option<Change> {
        let position = self.before.iter().position(|before| before.calls.means(call))?;
        Some(self.before.remove(position).change)
    }

    /// Applies the planned fault to an event. Returns the events to send now and their extra delay.
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
    /// The planned fault with which the function dies on this side of a call.
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

    /// The fates of these calls, made one after the other.
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
