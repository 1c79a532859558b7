//! The world's state, its time, the log of every call, and what goes wrong with a call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use driftless_planner::alarm::Alarm;
use driftless_planner::balancer::Forward;
use driftless_planner::decision::JournalEntry;
use driftless_planner::event::{Event, EventBatch};
use driftless_planner::fact::{Fact, Subject};
use driftless_planner::ids::{AlarmName, FleetName, GroupName, ImageId, InstanceId, RuleName, TargetGroupArn, Zone};
use driftless_planner::image::Image;
use driftless_planner::notification::Notification;
use driftless_planner::observation::{
    Account, Freeze, Group, LaunchFailure, Lifecycle, Machine, Member, RuleReading, TargetHealth, TemplateContent,
    TemplateReference, TemplateVersion,
};
use driftless_planner::record::Record;
use driftless_planner::refresh::Refresh;
use driftless_planner::wake::WakeMessage;
use driftless_reconciler::ports::{Audience, CallError, CallErrorKind, Called};
use jiff::{SignedDuration, Timestamp};

/// One call, as the loop made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) detail: String,
    pub(crate) at: Timestamp,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The function dies before the call takes effect: nothing that it does later does either.
    CrashBefore,
    /// The function dies after the call took effect.
    CrashAfter,
    /// The call takes effect, and its answer is lost.
    LostReply,
    /// The call takes no effect and fails.
    Fails(CallErrorKind),
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) at: Timestamp,
    pub(crate) body: WakeMessage,
}

/// What the table holds of a fleet.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) record: Option<Record>,
    pub(crate) facts: BTreeMap<String, Fact>,
    /// When what can wait was observed, by key.
    pub(crate) heard: BTreeMap<String, Timestamp>,
    pub(crate) outbox: Vec<Notification>,
    /// Of which of them one audience was told.
    pub(crate) half_told: BTreeMap<String, Audience>,
    /// Events that were not put.
    pub(crate) events: Vec<EventBatch>,
    /// Every notification that was ever committed.
    pub(crate) announced: BTreeSet<String>,
    pub(crate) journal: Vec<JournalEntry>,
    pub(crate) fingerprint: Option<String>,
    pub(crate) lock: Lock,
}

/// The lease item.
#[derive(Debug, Default, Clone)]
pub(crate) struct Lock {
    pub(crate) holder: Option<String>,
    pub(crate) until: Timestamp,
    pub(crate) fence: u64,
    pub(crate) wakes: u64,
    pub(crate) next_wake: Option<Timestamp>,
}

type Hook = Box<dyn FnOnce(&World) + Send>;

/// Everything that there is.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) now: Timestamp,
    /// The keys of facts whose message came back to the queue.
    pub(crate) given_back: BTreeSet<String>,
    /// How long every call takes.
    pub(crate) latency: SignedDuration,
    /// How long an instance takes into service, and out of it.
    pub(crate) boot: SignedDuration,
    pub(crate) drain: SignedDuration,
    pub(crate) groups: BTreeMap<GroupName, Group>,
    pub(crate) forwards: Vec<Forward>,
    pub(crate) images: BTreeMap<ImageId, Image>,
    pub(crate) alarms: BTreeMap<AlarmName, Alarm>,
    pub(crate) hook_timeouts: BTreeMap<GroupName, SignedDuration>,
    pub(crate) account: Account,
    pub(crate) targets: BTreeMap<TargetGroupArn, BTreeMap<InstanceId, TargetHealth>>,
    pub(crate) compliance: BTreeMap<RuleName, RuleReading>,
    pub(crate) machines: BTreeMap<InstanceId, Machine>,
    pub(crate) templates: BTreeMap<TemplateVersion, TemplateContent>,
    pub(crate) refreshes: BTreeMap<GroupName, Refresh>,
    pub(crate) launch_failures: BTreeMap<GroupName, LaunchFailure>,
    pub(crate) freezes: Vec<Freeze>,
    pub(crate) rows: BTreeMap<FleetName, Row>,
    pub(crate) index: BTreeMap<Subject, BTreeSet<FleetName>>,
    /// Looks on the spot that facts which can wait have taken, by minute.
    pub(crate) looks_taken: BTreeMap<i64, u32>,
    pub(crate) queue: Vec<Message>,
    /// The delays that the loop asked for.
    pub(crate) delays: Vec<SignedDuration>,
    pub(crate) alerts: Vec<Notification>,
    /// The ids of what was sent to the topic for chat.
    pub(crate) chat: Vec<String>,
    /// What the bus took.
    pub(crate) bus: Vec<Event>,
    /// Ids that the bus does not take, and how often not.
    pub(crate) untaken: BTreeMap<String, usize>,
    /// Events of the account that were not put.
    pub(crate) account_events: Vec<EventBatch>,
    pub(crate) tokens: BTreeMap<String, InstanceId>,
    pub(crate) changing: BTreeMap<InstanceId, Timestamp>,
    /// Instances that Auto Scaling launched or took away by itself, to keep the desired capacity.
    pub(crate) by_itself: Vec<InstanceId>,
    /// Instances that were terminated by a call, in order.
    pub(crate) terminated: Vec<InstanceId>,
    pub(crate) log: Vec<Call>,
    pub(crate) counts: BTreeMap<&'static str, usize>,
    pub(crate) runs: u32,
    pub(crate) faults: Vec<(&'static str, Range<usize>, Fault)>,
    pub(crate) hooks: Vec<(&'static str, usize, Hook)>,
    pub(crate) dead: bool,
}

/// The world. Every method may be called while a run is under way.
#[derive(Default)]
pub(crate) struct World(Mutex<State>);

impl World {
    pub(crate) fn new(state: State) -> Self {
        Self(Mutex::new(state))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Lets time pass.
    pub(crate) fn advance_to(&self, at: Timestamp) {
        let mut state = self.lock();
        state.now = state.now.max(at);
        state.settle();
    }

    pub(crate) fn advance(&self, span: SignedDuration) {
        let at = self.lock().now + span;
        self.advance_to(at);
    }

    /// Lets something go wrong with the calls of a name, counted from 0. The name `*` counts every call.
    pub(crate) fn fault(&self, name: &'static str, calls: Range<usize>, fault: Fault) {
        self.lock().faults.push((name, calls, fault));
    }

    /// No fault any more.
    pub(crate) fn heal(&self) {
        self.lock().faults.clear();
    }

    /// Runs right before the next but `skip` call of a name takes effect.
    pub(crate) fn hook(&self, name: &'static str, skip: usize, hook: impl FnOnce(&Self) + Send + 'static) {
        let nth = self.count(name) + skip;
        self.lock().hooks.push((name, nth, Box::new(hook)));
    }

    /// How often a call was made.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.lock().counts.get(name).copied().unwrap_or_default()
    }

    /// What the calls of a name said.
    pub(crate) fn details(&self, name: &str) -> Vec<String> {
        self.lock().log.iter().filter(|call| call.name == name).map(|call| call.detail.clone()).collect()
    }

    /// The names of the calls since the log had this length.
    pub(crate) fn names_since(&self, start: usize) -> Vec<&'static str> {
        self.lock().log.iter().skip(start).map(|call| call.name).collect()
    }

    /// Whether the function died; from here on it is a new one.
    pub(crate) fn revive(&self) -> bool {
        std::mem::take(&mut self.lock().dead)
    }

    /// Looks at a fleet's row, which is there from then on.
    pub(crate) fn row<T>(&self, fleet: &FleetName, look: impl FnOnce(&mut Row) -> T) -> T {
        look(self.lock().rows.entry(fleet.clone()).or_default())
    }

    /// Every call goes through here: it takes time, is logged, and may go wrong.
    pub(crate) async fn call<T>(
        &self,
        name: &'static str,
        detail: impl Debug,
        effect: impl FnOnce(&mut State) -> Called<T>,
    ) -> Called<T> {
        let detail = format!("{detail:?}");
        // As a real call would, it lets others go on meanwhile.
        yield_once().await;
        let (nth, hook) = {
            let mut state = self.lock();
            if state.dead {
                return Err(failure(name, CallErrorKind::Unavailable, "the function is dead"));
            }
            state.now = state.now + state.latency;
            state.settle();
            let counted = state.counts.entry(name).or_default();
            let nth = *counted;
            *counted += 1;
            let at = state.now;
            state.log.push(Call { name, detail, at });
            let position = state.hooks.iter().position(|(hooked, when, _)| *hooked == name && *when == nth);
            (nth, position.map(|position| state.hooks.remove(position).2))
        };
        if let Some(hook) = hook {
            hook(self);
        }
        let mut state = self.lock();
        let total = state.log.len() - 1;
        let mut faults = state.faults.iter();
        let fault = faults
            .find(|(on, calls, _)| (*on == name && calls.contains(&nth)) || (*on == "*" && calls.contains(&total)));
        match fault.map(|(_, _, fault)| *fault) {
            None => effect(&mut state),
            Some(Fault::CrashBefore) => {
                state.dead = true;
                Err(failure(name, CallErrorKind::Unavailable, "died before"))
            }
            Some(Fault::CrashAfter) => {
                let _ = effect(&mut state);
                state.dead = true;
                Err(failure(name, CallErrorKind::Unavailable, "died after"))
            }
            Some(Fault::LostReply) => {
                let _ = effect(&mut state);
                Err(failure(name, CallErrorKind::Unavailable, "no answer"))
            }
            Some(Fault::Fails(kind)) => Err(failure(name, kind, "as the test wants it")),
        }
    }
}

impl State {
    /// What Auto Scaling and the load balancer do by themselves as time passes.
    pub(crate) fn settle(&mut self) {
        let now = self.now;
        let ready: Vec<InstanceId> =
            self.changing.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone()).collect();
        for id in ready {
            self.changing.remove(&id);
            for group in self.groups.values_mut() {
                let Some(member) = group.members.iter_mut().find(|member| member.id == id) else { continue };
                let is_leaving = member.lifecycle == Lifecycle::Terminating;
                member.lifecycle = Lifecycle::InService;
                for arn in &group.target_groups {
                    let targets = self.targets.entry(arn.clone()).or_default();
                    if is_leaving {
                        targets.remove(&id)
                    } else {
                        targets.insert(id.clone(), TargetHealth::Healthy)
                    };
                }
                if is_leaving {
                    group.members.retain(|member| member.id != id);
                }
            }
        }
        let names: Vec<GroupName> = self.groups.keys().cloned().collect();
        for name in names {
            self.keep_capacity(&name);
        }
    }

    fn keep_capacity(&mut self, name: &GroupName) {
        loop {
            let group = &self.groups[name];
            let active = u32::try_from(group.active().count()).unwrap();
            let zone =
                group.members.first().map_or_else(|| "eu-central-1a".parse().unwrap(), |member| member.zone.clone());
            let oldest = group.active().find(|member| !member.protected).map(|member| member.id.clone());
            if active < group.desired {
                let id = self.spawn(name, &zone);
                self.by_itself.push(id);
            } else if let (true, Some(oldest)) = (active > group.desired, oldest) {
                self.leave(&oldest);
                self.by_itself.push(oldest);
            } else {
                return;
            }
        }
    }

    /// A new instance, pending until it has booted.
    pub(crate) fn spawn(&mut self, name: &GroupName, zone: &Zone) -> InstanceId {
        let id: InstanceId = format!("i-{:017x}", 0xf00 + self.machines.len()).parse().unwrap();
        let group = self.groups.get_mut(name).unwrap();
        let template = match &group.template {
            TemplateReference::Numbered(version) => Some(version.clone()),
            TemplateReference::Floating { .. } | TemplateReference::None => None,
        };
        group.members.push(Member {
            id: id.clone(),
            zone: zone.clone(),
            lifecycle: Lifecycle::Pending,
            healthy: true,
            template: template.clone(),
            image_override: None,
            protected: false,
        });
        let image = "ami-0123456789".parse().unwrap();
        self.machines.insert(id.clone(), Machine { image, template, launched_at: self.now, protect: None });
        self.changing.insert(id.clone(), self.now + self.boot);
        id
    }

    /// An instance begins to leave.
    pub(crate) fn leave(&mut self, id: &InstanceId) {
        for group in self.groups.values_mut() {
            if let Some(member) = group.members.iter_mut().find(|member| member.id == *id) {
                member.lifecycle = Lifecycle::Terminating;
            }
        }
        for targets in self.targets.values_mut().filter(|targets| targets.contains_key(id)) {
            targets.insert(id.clone(), TargetHealth::Draining);
        }
        self.changing.insert(id.clone(), self.now + self.drain);
    }
}

pub(crate) fn failure(operation: &'static str, kind: CallErrorKind, message: &str) -> CallError {
    CallError { operation, kind, message: message.into(), source: None }
}

/// Pending once, and ready when asked again.
async fn yield_once() {
    let mut is_first = true;
    std::future::poll_fn(|context| {
        if std::mem::take(&mut is_first) {
            context.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(())
    })
    .await;
}
