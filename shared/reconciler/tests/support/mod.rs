//! The simulated account with the tests' fleet, and the means to change it. The simulator alone models AWS.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::Future;
use std::ops::Range;
use std::sync::MutexGuard;

use driftless_planner::fact::{Command, CommandFact, ComplianceFact, ComplianceType, Fact};
use driftless_planner::ids::{FleetName, GroupName, InstanceId, RuleName};
use driftless_planner::image::Image;
use driftless_planner::notification;
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::policy::Defaults;
use driftless_planner::record::Record;
use driftless_planner::request::{FleetRequest, ReconcileRequest};
use driftless_reconciler::ports::CallResult;
use driftless_reconciler::reconcile::{Cause, Invocation, Ran, Times, reconcile};
use driftless_simulator::calls::{Call, Calls};
use driftless_simulator::cloud::{Actor, Life};
use driftless_simulator::executor::{Simulation, Visit};
use driftless_simulator::fault_plan::{Fault, Which, operation_of};
use driftless_simulator::faults::Fate;
use driftless_simulator::function::Function;
use driftless_simulator::invariants::liveness::left_over;
use driftless_simulator::queue::Message;
use driftless_simulator::scenario::Scenario;
use driftless_simulator::table::Row;
use driftless_simulator::world::{Counts, Happening, Shared, World as State};
use jiff::{SignedDuration, Timestamp};

pub(crate) mod names;

pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(40);
/// The location of the runbooks.
pub(crate) const RUNBOOKS: &str = "https://git.example/driftless";
const FUNCTION: SignedDuration = SignedDuration::from_secs(30);
const MARGIN: SignedDuration = SignedDuration::from_secs(5);
/// The duration of every call without randomness; the call takes effect after half of it.
pub(crate) const CALL: SignedDuration = SignedDuration::from_millis(62);
/// The time from a report to the end of the pass that it leads to.
pub(crate) const REPORTED: SignedDuration = SignedDuration::from_secs(10);
/// The time for which a drift must last.
pub(crate) const DEBOUNCE: SignedDuration = SignedDuration::from_mins(5);

/// A quarter past the second, so that no test relies on whole seconds.
const START: &str = "2026-11-20T12:00:00.25";

/// The time at which the fleet is idle after its start.
pub(crate) fn start() -> Timestamp {
    format!("{START}Z").parse().unwrap()
}

pub(crate) fn fleet_name() -> FleetName {
    "app".parse().unwrap()
}

pub(crate) fn group_name() -> GroupName {
    "app".parse().unwrap()
}

pub(crate) fn rule() -> RuleName {
    "no-public-ip".parse().unwrap()
}

/// The id of one of the group's first members.
pub(crate) fn instance(number: usize) -> InstanceId {
    format!("i-{:017x}", number + 1).parse().unwrap()
}

/// The time limits of a function that starts now.
pub(crate) fn times(now: Timestamp) -> Times {
    Times { lease: LEASE, deadline: now + FUNCTION, margin: MARGIN }
}

/// The simulation without the resync schedule: lost messages stay lost unless a test resyncs.
pub(crate) struct World {
    simulation: RefCell<Simulation>,
    shared: Shared,
    holders: Cell<u32>,
}

/// The fleet: one group of four behind one target group, at its maximum, in act mode, with one rule. One pass has
/// adopted it, and it is idle.
pub(crate) fn app() -> World {
    fresh(&[])
}

/// The same, with other policy tags.
pub(crate) fn fresh(policy: &[(&str, &str)]) -> World {
    let world = unseen(policy);
    assert_eq!(world.reconcile().unwrap(), Ran::Idle);
    assert!(world.lock().queue.is_empty());
    world.forget_calls();
    world
}

/// The fleet before its first pass.
pub(crate) fn unseen(policy: &[(&str, &str)]) -> World {
    World::told(&format!("fleet app: single group, {}", of_four(policy)))
}

/// The scenario text of a fleet of four, without its layout.
pub(crate) fn of_four(policy: &[(&str, &str)]) -> String {
    let usual = [("mode", "act"), ("rules", "no-public-ip"), ("alarms", "web-5xx")];
    let is_other = |key: &str| policy.iter().any(|(other, _)| *other == key);
    let all = usual.iter().filter(|(key, _)| !is_other(key)).chain(policy);
    let all: Vec<String> = all.map(|(key, value)| format!("{key}={value}")).collect();
    format!("4 instances, min 2, max 4, warm-up 30s, deregistration 30s, policy {}", all.join(" "))
}

impl World {
    /// The account that a scenario sets up.
    pub(crate) fn told(lines: &str) -> Self {
        let story = format!("start {START}\n{lines}\nexpect idle\n");
        let mut simulation = Scenario::parse(&story).unwrap().set_up().unwrap();
        simulation.schedule_resyncs(false);
        let shared = simulation.shared().clone();
        shared.lock().cloud.add_rule(&rule(), SignedDuration::from_mins(3));
        shared.lock().calls = Calls::on();
        Self { simulation: RefCell::new(simulation), shared, holders: Cell::new(0) }
    }

    /// Locks the world. Time stands still while the guard is held.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.lock().now
    }

    // ---- time -----------------------------------------------------------------------------------------------------------

    /// Runs the simulation until this time.
    pub(crate) fn run_to(&self, end: Timestamp) {
        assert!(end >= self.now(), "it is later than {end}");
        let nothing_stops_it: Result<(), ()> = self.simulation.borrow_mut().run_until(end, |_| Ok(()));
        nothing_stops_it.unwrap();
    }

    pub(crate) fn pass(&self, span: SignedDuration) {
        self.run_to(self.now() + span);
    }

    /// Runs the simulation until the condition is met, for at most a day.
    pub(crate) fn run_until(&self, is_so: impl Fn(&State) -> bool) {
        let end = self.now() + SignedDuration::from_hours(24);
        if is_so(&self.lock()) {
            return;
        }
        let stopped = self.simulation.borrow_mut().run_until(end, |world| if is_so(world) { Err(()) } else { Ok(()) });
        let calls: Vec<Call> = self.calls().into_iter().rev().take(40).collect();
        assert!(stopped.is_err(), "it never is; the latest calls: {calls:#?}");
    }

    /// Delivers until no message is left. Returns the number of functions that ran.
    pub(crate) fn deliver_all(&self) -> u64 {
        let mut world = self.lock();
        let before = world.counts.functions;
        world.queue.is_deferred = false;
        world.after(SignedDuration::ZERO, Happening::Poll);
        drop(world);
        self.run_until(|world| world.queue.is_empty());
        self.lock().counts.functions - before
    }

    /// Stops message delivery until `deliver_all`.
    pub(crate) fn hold_messages_back(&self) {
        self.lock().queue.is_deferred = true;
    }

    // ---- functions --------------------------------------------------------------------------------------------------------

    /// The result of a function. None: it crashed.
    pub(crate) fn visit<T, F>(&self, visit: impl FnOnce(Function) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.simulation.borrow_mut().visit(visit)
    }

    pub(crate) fn next_holder(&self) -> String {
        self.holders.set(self.holders.get() + 1);
        format!("run-{}", self.holders.get())
    }

    /// Starts a run of the loop.
    pub(crate) fn begin(&self, cause: Cause, times: Times) -> Visit<CallResult<Ran>> {
        let holder = self.next_holder();
        self.simulation.borrow_mut().begin(async move |function| {
            let defaults = Defaults::default();
            let runbooks = RUNBOOKS.parse().unwrap();
            let invocation = Invocation { holder: &holder, times, defaults: &defaults, runbooks: &runbooks };
            reconcile(&function, &fleet_name(), cause, invocation).await
        })
    }

    /// The result of a run. None: it crashed.
    pub(crate) fn finish(&self, run: &Visit<CallResult<Ran>>) -> Option<CallResult<Ran>> {
        self.simulation.borrow_mut().finish(run)
    }

    /// One run of the loop in its own function, for a request that was due at this time.
    pub(crate) fn wait_for(&self, due: Option<Timestamp>) -> Option<CallResult<Ran>> {
        let run = self.begin(Cause::Urgent { due }, times(self.now()));
        self.finish(&run)
    }

    /// One run of the loop that must not crash.
    pub(crate) fn reconcile(&self) -> CallResult<Ran> {
        self.wait_for(None).expect("it lives")
    }

    /// One run of the loop that must crash.
    pub(crate) fn reconcile_and_die(&self) {
        assert!(self.wait_for(None).is_none(), "it lives");
    }

    // ---- calls ------------------------------------------------------------------------------------------------------------

    /// Resets the recorded calls and their counts.
    pub(crate) fn forget_calls(&self) {
        let mut world = self.lock();
        world.counts = Counts::default();
        world.calls = Calls::on();
    }

    /// All calls in the order in which they were sent.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let mut calls: Vec<Call> = self.lock().calls.all().cloned().collect();
        calls.sort_by_key(|call| call.sent);
        calls
    }

    /// The names of the calls, from a number on.
    pub(crate) fn names_since(&self, number: usize) -> Vec<&'static str> {
        self.calls().into_iter().skip(number).map(|call| call.operation).collect()
    }

    /// The number of calls of a name. Writes have the names that scenarios use.
    pub(crate) fn count(&self, name: &'static str) -> u64 {
        self.lock().counts.calls.get(operation(name)).copied().unwrap_or_default()
    }

    /// When each of these calls was sent.
    pub(crate) fn sent(&self, name: &'static str) -> Vec<Timestamp> {
        self.calls().into_iter().filter(|call| call.operation == operation(name)).map(|call| call.sent).collect()
    }

    fn which(&self, name: &'static str, numbers: Range<u64>) -> Which {
        let made = self.count(name);
        Which::Of(operation(name), made + numbers.start..made.saturating_add(numbers.end))
    }

    /// Injects a fate into the coming calls of a name with these numbers, from 0.
    pub(crate) fn fault(&self, name: &'static str, numbers: Range<u64>, fate: Fate) {
        let which = self.which(name, numbers);
        self.lock().fault_plan.fault(which, Fault::Fate(fate));
    }

    /// Injects a fate into the coming call with this number.
    pub(crate) fn fault_at(&self, number: u64, fate: Fate) {
        let mut world = self.lock();
        let number = world.fault_plan.begun() + number;
        world.fault_plan.fault(Which::All(number..number + 1), Fault::Fate(fate));
    }

    /// Delays the effect of one of the coming calls of a name.
    pub(crate) fn slow(&self, name: &'static str, number: u64, by: SignedDuration) {
        let which = self.which(name, number..number + 1);
        self.lock().fault_plan.fault(which, Fault::Slow(by));
    }

    /// Lets the function sleep after one of the coming calls of a name.
    pub(crate) fn sleep_after(&self, name: &'static str, number: u64, length: SignedDuration) {
        let which = self.which(name, number..number + 1);
        self.lock().fault_plan.fault(which, Fault::Sleep(length));
    }

    /// Makes a change right before one of the coming calls of a name takes effect.
    pub(crate) fn before(&self, name: &'static str, number: u64, change: impl FnOnce(&mut State) + Send + 'static) {
        let which = self.which(name, number..number + 1);
        self.lock().fault_plan.before(which, change);
    }

    /// Ends all faults.
    pub(crate) fn heal(&self) {
        self.lock().fault_plan.heal();
    }

    // ---- what is seen -----------------------------------------------------------------------------------------------------

    /// The fleet's rows in the table.
    pub(crate) fn row(&self) -> Row {
        self.lock().table.row(&fleet_name()).cloned().unwrap_or_default()
    }

    pub(crate) fn record(&self) -> Record {
        self.row().record.unwrap()
    }

    /// Whether the lease is free.
    pub(crate) fn is_free(&self) -> bool {
        self.row().lock.holder.is_none()
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.lock().queue.messages().cloned().collect()
    }

    /// When the next message can be received.
    pub(crate) fn next_message_at(&self) -> Timestamp {
        self.lock().queue.next_visible().unwrap()
    }

    /// Takes the only message, a request, off the queue. Returns its due time.
    pub(crate) fn take_request(&self) -> Timestamp {
        let queue = std::mem::take(&mut self.lock().queue);
        let bodies: Vec<&ReconcileRequest> = queue.messages().map(|message| &message.body).collect();
        let [ReconcileRequest::Reconcile(FleetRequest { due: Some(due), .. })] = bodies[..] else {
            panic!("{bodies:?}")
        };
        *due
    }

    /// The messages that on-call received, in order.
    pub(crate) fn told_on_call(&self) -> Vec<notification::Message> {
        self.lock().topic.sent.iter().map(|(_, message)| message.clone()).collect()
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.told_on_call().iter().map(|told| told.kind).collect()
    }

    /// Instances that the loop launched.
    pub(crate) fn launched(&self) -> Vec<InstanceId> {
        self.lock().aws_writes.launched.keys().cloned().collect()
    }

    /// Instances that were terminated, and by which actor.
    pub(crate) fn ended(&self) -> Vec<(InstanceId, Actor)> {
        self.lock().cloud.endings().iter().map(|ending| (ending.instance.clone(), ending.by)).collect()
    }

    /// The group's minimum, maximum and desired capacity, and the number of its healthy instances.
    pub(crate) fn sizes(&self) -> (u32, u32, u32, u32) {
        let world = self.lock();
        let group = &world.cloud.groups()[&group_name()];
        (group.min, group.max, group.desired, world.cloud.serving_in(&group_name()))
    }

    /// Asserts that exactly one of the first members was replaced and that no borrowed setting or message is left.
    pub(crate) fn assert_replaced_once(&self, number: usize, told: &str) {
        // Nothing happens afterwards either.
        self.pass(SignedDuration::from_mins(10));
        assert_eq!(self.sizes(), (2, 4, 4, 4), "{told}");
        assert_eq!(self.ended(), [(instance(number), Actor::Driftless)], "{told}");
        assert_eq!(self.launched(), [instance(4)], "{told}");
        let world = self.lock();
        assert_eq!(left_over(&world, &fleet_name()), Ok(()), "{told}");
        assert_eq!(world.violations, [], "{told}");
        assert!(world.queue.is_empty() && world.queue.dead.is_empty(), "{told}: {:?}", world.queue);
        assert_eq!(world.cloud.instances().len(), 5, "{told}: Auto Scaling launched nothing by itself");
        assert!(world.cloud.members(&group_name()).all(|member| !member.protected), "{told}");
        let row = world.table.row(&fleet_name()).unwrap();
        let record = row.record.as_ref().unwrap();
        assert!(record.replacements.is_empty(), "{told}: {:?}", record.replacements);
        assert!(record.borrowed_settings.is_empty(), "{told}: {:?}", record.borrowed_settings);
        assert_eq!(row.lock.holder, None, "{told}");
        let put: BTreeSet<&str> = world.topic.events.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(put.len(), row.history.len(), "{told}: an event for each line of the journal");
    }
}

/// The operation of a name.
fn operation(name: &'static str) -> &'static str {
    operation_of(name).unwrap_or(name)
}

// ---- what happens -----------------------------------------------------------------------------------------------------------

/// Config finds an instance non-compliant, and its event is on its way.
pub(crate) fn drifted(world: &World, number: usize) {
    let mut world = world.lock();
    world.cloud.report_compliance(&rule(), &instance(number), ComplianceType::NonCompliant);
    world.advance_cloud();
}

/// Changes Config's answer from now on. Its event is lost.
pub(crate) fn report_compliance(world: &mut State, number: usize, verdict: ComplianceType) {
    let now = world.now;
    world.cloud.report_compliance(&rule(), &instance(number), verdict);
    world.cloud.drain_events();
    if verdict == ComplianceType::NonCompliant {
        world.history.drifted.entry(instance(number)).or_insert(now);
    }
}

/// Config's current report about an instance.
pub(crate) fn fact(world: &State, number: usize, verdict: ComplianceType) -> Fact {
    let observed_at = world.now;
    let annotation = Some("has a public address".into());
    Fact::Compliance(ComplianceFact { instance: instance(number), rule: rule(), verdict, observed_at, annotation })
}

/// Config's event arrives, whatever Config answers to a read.
pub(crate) fn reported(world: &mut State, number: usize, verdict: ComplianceType) {
    let fact = fact(world, number, verdict);
    world.report(&fact);
}

/// Config finds an instance compliant again, and its event is on its way.
pub(crate) fn cleared(world: &World, number: usize) {
    let mut world = world.lock();
    world.cloud.report_compliance(&rule(), &instance(number), ComplianceType::Compliant);
    world.advance_cloud();
}

/// An operator's command, which cannot wait.
pub(crate) fn command_fact(world: &State, request: &str) -> Fact {
    Fact::Command(CommandFact {
        request: request.to_owned(),
        fleet: fleet_name(),
        actor: "ana".into(),
        at: world.now,
        reason: None,
        cutover: None,
        command: Command::Retry,
    })
}

/// Stores an operator's command, as another function does.
pub(crate) fn store_command(world: &mut State, request: &str) {
    let said = command_fact(world, request);
    world.table.store(&fleet_name(), &said);
}

/// An operator freezes the fleet for some hours, or without an end.
pub(crate) fn freeze(world: &mut State, hours: Option<i64>) {
    let since = world.now;
    world.table.freeze(Freeze {
        reason: "incident".into(),
        owner: "ana".into(),
        since,
        expires_at: hours.map(|hours| since + SignedDuration::from_hours(hours)),
        scope: FreezeScope::Fleet(fleet_name()),
    });
}

/// An operator sets a policy tag of the fleet.
pub(crate) fn tag(world: &World, key: &str, value: &str) {
    world.lock().cloud.edit_group(&group_name(), |group| {
        group.tags.insert(format!("driftless:{key}"), value.to_owned());
    });
}

/// An operator terminates an instance with decrement. The instance is gone at once.
pub(crate) fn someone_terminates(world: &mut State, number: usize) {
    world.cloud.edit_group(&group_name(), |group| group.desired -= 1);
    world.cloud.kill(&instance(number));
    world.cloud.edit_instance(&instance(number), |known| known.life = Life::Gone);
}

/// An image that is tagged for the fleet.
pub(crate) fn image(id: &str) -> Image {
    Image { id: id.parse().unwrap(), build: None, created_at: start(), ..driftless_testkit::image(1) }
}
