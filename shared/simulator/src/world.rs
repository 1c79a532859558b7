//! The state of a simulation at one moment, and the schedule of what happens next.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use driftless_planner::alarm::AlarmState;
use driftless_planner::drift::LARGE_READING_KEPT;
use driftless_planner::fact::{
    AlarmFact, ComplianceFact, ComplianceType, Fact, ImageChange, ImageFact, ImageReference, ImageSource,
};
use driftless_planner::ids::RuleName;
use driftless_planner::observation::RuleReading;
use driftless_planner::request::ReconcileRequest;
use driftless_reconciler::ports::CallResult;
use jiff::{SignedDuration, Timestamp};

use crate::aws_writes::{AwsWrite, AwsWrites};
use crate::calls::Calls;
use crate::cloud::{Cloud, CloudEvent};
use crate::fault_plan::FaultPlan;
use crate::faults::{Bucket, Rates};
use crate::invariants::{History, Violation, of_its_fleet, serving};
use crate::queue::{Queue, Topic};
use crate::rng::Rng;
use crate::table::Table;
use crate::trace::Trace;

/// The time between two events that AWS emits at the same moment. It keeps their order.
const SPACING: SignedDuration = SignedDuration::from_millis(1);

/// The state of a simulation. One lock guards all of it: only one thing happens at a time.
#[derive(Debug)]
pub struct World {
    pub now: Timestamp,
    pub cloud: Cloud,
    pub table: Table,
    pub queue: Queue,
    pub topic: Topic,
    /// The token bucket that all calls to EC2 and Auto Scaling share.
    pub bucket: Bucket,
    /// The last reading of each Config rule, each with the time of the reading.
    verdicts: BTreeMap<RuleName, (Timestamp, RuleReading)>,
    pub rng: Rng,
    /// The rates of the faults.
    pub rates: Rates,
    pub fault_plan: FaultPlan,
    pub counts: Counts,
    /// The calls of each function, if the recording is on.
    pub calls: Calls,
    pub trace: Trace,
    pub aws_writes: AwsWrites,
    /// What the invariant checkers need to know about the past.
    pub history: History,
    pub violations: Vec<Violation>,
    /// Functions that a fault has killed and that the executor still has to remove.
    pub crashed: Vec<u64>,
    agenda: BTreeMap<(Timestamp, u64), Happening>,
    entries: u64,
}

/// The counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of calls to ports, by the name of the operation.
    pub calls: BTreeMap<&'static str, u64>,
    pub faults: BTreeMap<&'static str, u64>,
    pub functions: u64,
    /// The total duration of the functions.
    pub lived: SignedDuration,
    /// Requests and failed requests of any cause, each in thousandths of a request.
    pub requests: (u128, u128),
    /// Failed requests in thousandths of a request, by responsible actor.
    pub failed_by: BTreeMap<&'static str, u128>,
    /// How often each layout, phase, guard, route and outcome occurred.
    pub reached: BTreeMap<String, u64>,
}

impl Counts {
    /// Counts a fault.
    pub fn fault(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    /// Counts a layout, phase, guard, route or outcome that the run reached.
    pub fn reach(&mut self, name: impl Into<String>) {
        *self.reached.entry(name.into()).or_default() += 1;
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.calls, &other.calls), (&mut self.faults, &other.faults)] {
            for (name, count) in theirs {
                *mine.entry(name).or_default() += count;
            }
        }
        for (name, count) in &other.reached {
            *self.reached.entry(name.clone()).or_default() += count;
        }
        for (name, count) in &other.failed_by {
            *self.failed_by.entry(name).or_default() += count;
        }
        self.functions += other.functions;
        self.lived += other.lived;
        self.requests = (self.requests.0 + other.requests.0, self.requests.1 + other.requests.1);
    }
}

/// A scheduled change.
pub enum Happening {
    Wake(Waker),
    /// The world changes: for example, a call takes effect or an operator makes a change.
    Change(Box<dyn FnOnce(&mut World) + Send>),
    /// Lambda kills a function.
    Kill(u64),
    /// The schedule starts the resync.
    Resync,
    /// The queue delivers its visible messages.
    Poll,
}

impl fmt::Debug for Happening {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Wake(_) => "Wake",
            Self::Change(_) => "Change",
            Self::Kill(_) => "Kill",
            Self::Resync => "Resync",
            Self::Poll => "Poll",
        })
    }
}

impl World {
    /// A world with this simulated AWS and an empty table.
    pub fn new(now: Timestamp, cloud: Cloud, mut rng: Rng, rates: Rates) -> Self {
        Self {
            now,
            cloud,
            table: Table::default(),
            queue: Queue::default(),
            topic: Topic::default(),
            bucket: Bucket::new(now),
            verdicts: BTreeMap::new(),
            rng: rng.split(),
            rates,
            fault_plan: FaultPlan::default(),
            counts: Counts::default(),
            calls: Calls::default(),
            trace: Trace::default(),
            aws_writes: AwsWrites::default(),
            history: History::default(),
            violations: Vec::new(),
            crashed: Vec::new(),
            agenda: BTreeMap::new(),
            entries: 0,
        }
    }

    /// Schedules a change. A change whose time has passed is applied next.
    pub fn at(&mut self, when: Timestamp, what: Happening) {
        self.entries += 1;
        self.agenda.insert((when.max(self.now), self.entries), what);
    }

    /// Schedules a change after a delay.
    pub fn after(&mut self, delay: SignedDuration, what: Happening) {
        self.at(self.now + delay, what);
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        self.trace.note(self.now, what);
    }

    /// Whether Auto Scaling refuses this write because of a scaling activity. Drawn from the rates.
    pub(crate) fn is_busy(&mut self, operation: &'static str) -> bool {
        let rate = self.rates.busy;
        let is_busy = rate > 0 && operation.starts_with("autoscaling:") && self.rng.happens(rate);
        if is_busy {
            self.counts.fault("busy");
        }
        is_busy
    }

    /// Schedules a change of the world.
    pub fn change_at(&mut self, when: Timestamp, change: impl FnOnce(&mut Self) + Send + 'static) {
        self.at(when, Happening::Change(Box::new(change)));
    }

    /// When the next change is due.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next change that is due.
    pub fn take_due(&mut self) -> Option<Happening> {
        let entry = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now)?;
        Some(entry.remove())
    }

    /// Records a write of Driftless that took effect.
    pub fn done(&mut self, aws_write: &AwsWrite) {
        *self.aws_writes.counts.entry(aws_write.name()).or_default() += 1;
        if self.trace.is_on() {
            self.aws_writes.told.push((self.now, aws_write.clone()));
        }
        match aws_write {
            AwsWrite::Terminate { instance, .. } => {
                self.aws_writes.terminated.entry(instance.clone()).or_insert(self.now);
            }
            AwsWrite::EnterStandby { instance, .. } => {
                self.aws_writes.enter_standby.entry(instance.clone()).or_insert(self.now);
            }
            // An instance that Auto Scaling launches in place of a terminated replacement instance is an extra instance
            // too.
            AwsWrite::Desired { group, .. } => {
                self.history.raised.insert(group.clone(), self.now);
            }
            AwsWrite::ScaleToZero { group } => {
                let other = of_its_fleet(self, group).find(|other| *other != group).cloned();
                self.history.homes.remove(group);
                self.history.homes.extend(other);
            }
            // A repeated call with a known token launches nothing.
            AwsWrite::Launch { group, .. }
                if self.cloud.members(group).any(|member| member.launched_at == self.now) =>
            {
                self.history.raised.insert(group.clone(), self.now);
            }
            AwsWrite::Launch { .. }
            | AwsWrite::Minimum { .. }
            | AwsWrite::Maximum { .. }
            | AwsWrite::Protect { .. }
            | AwsWrite::Template { .. }
            | AwsWrite::WriteTemplate { .. }
            | AwsWrite::Attach { .. }
            | AwsWrite::Detach { .. }
            | AwsWrite::Weights(_)
            | AwsWrite::StartRefresh { .. }
            | AwsWrite::RollBackRefresh { .. } => {}
        }
    }

    /// Draws the lag of a describe call that is made now. Reads of AWS are eventually consistent.
    pub fn trail(&mut self) -> SignedDuration {
        if self.rates.stale == 0 || !self.rng.happens(self.rates.stale) {
            return self.cloud.lag;
        }
        self.counts.fault("stale read");
        self.rng.duration(SignedDuration::from_millis(500), SignedDuration::from_secs(12))
    }

    /// The reading of a Config rule. With the fault `stale` it can be an earlier reading, but not an older one than the
    /// production loop would keep for a rule with many findings.
    ///
    /// # Errors
    /// The errors of the call.
    pub fn non_compliant(&mut self, rule: &RuleName) -> CallResult<RuleReading> {
        let is_stale = !self.trail().is_zero();
        let oldest = self.now - LARGE_READING_KEPT;
        if let Some((_, reading)) = self.verdicts.get(rule).filter(|(read_at, _)| is_stale && oldest < *read_at) {
            return Ok(reading.clone());
        }
        let reading = self.cloud.non_compliant(rule)?;
        self.verdicts.insert(rule.clone(), (self.now, reading.clone()));
        Ok(reading)
    }

    /// Advances AWS to the present and delivers its events.
    pub fn advance_cloud(&mut self) {
        if self.cloud.next_at().is_some_and(|next| next <= self.now) {
            // Instances that are healthy up to now: a write that is under way cannot know that one of them fails now.
            let serving: Vec<_> = self.cloud.groups().keys().flat_map(|group| serving(self, group)).collect();
            let now = self.now;
            self.history.serve(&serving, now);
        }
        self.cloud.advance(self.now);
        for event in self.cloud.drain_events() {
            let fact = self.detected(event);
            self.report(&fact);
        }
    }

    /// The fact into which a detector turns an event.
    fn detected(&mut self, event: CloudEvent) -> Fact {
        match event {
            CloudEvent::Compliance { instance, rule, verdict, at } => {
                if verdict == ComplianceType::NonCompliant {
                    self.history.drifted.entry(instance.clone()).or_insert(at);
                }
                self.note(|| format!("Config: {instance} is {verdict:?} under {rule}"));
                Fact::Compliance(ComplianceFact { instance, rule, verdict, observed_at: at, annotation: None })
            }
            CloudEvent::Alarm { alarm, state, subject, at } => {
                // An alarm on a single instance is a reason against that instance.
                for instance in subject.instances.iter().filter(|_| state == AlarmState::Alarm) {
                    self.history.drifted.entry(instance.clone()).or_insert(at);
                }
                self.note(|| format!("CloudWatch: {alarm} is {state:?}"));
                let reason = "a threshold".into();
                Fact::Alarm(AlarmFact { alarm, state, since: at, reason, subject, muted: false })
            }
            CloudEvent::Image { image, at } => Fact::Image(ImageFact {
                image: ImageReference::Ami(image),
                change: ImageChange::Available,
                source: ImageSource::Ec2,
                at,
                fleet: None,
                commit: None,
                build: None,
                url: None,
            }),
        }
    }

    /// Delivers an event as `EventBridge` does: a detector turns it into a fact, which goes to the reconcile queue. The
    /// event can be lost, and the fact can arrive late or twice.
    pub fn report(&mut self, fact: &Fact) {
        if self.rng.happens(self.rates.event_lost) {
            self.counts.fault("event lost");
            self.note(|| format!("lost event {}", fact.key()));
            return;
        }
        let copies = if self.rng.happens(self.rates.duplicated) { 2 } else { 1 };
        if copies == 2 {
            self.counts.fault("event twice");
        }
        let (facts, planned) = self.fault_plan.deliver(self.now, fact);
        for (fact, place) in facts.iter().zip(0..).flat_map(|sent| std::iter::repeat_n(sent, copies)) {
            let usual = self.rng.duration(SignedDuration::from_millis(200), SignedDuration::from_secs(8));
            let late = if self.rng.happens(self.rates.event_late) {
                self.counts.fault("event late");
                self.rng.duration(SignedDuration::ZERO, SignedDuration::from_mins(20))
            } else {
                SignedDuration::ZERO
            };
            self.send(
                ReconcileRequest::Fact(Box::new(fact.clone())),
                self.now + usual + late + planned + SPACING * place,
            );
        }
    }

    /// Puts a message on the reconcile queue.
    pub fn send(&mut self, message: ReconcileRequest, at: Timestamp) {
        self.queue.send(message, at);
        self.at(at, Happening::Poll);
    }
}

/// A handle of the world.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// Shares a world.
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// Locks the world.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
