//! Virtual time: runs functions and changes of the world one step after the other. The same seed gives the same order.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use driftless_planner::policy::Defaults;
use driftless_reconciler::resync::resync;
use jiff::{SignedDuration, Timestamp};

use crate::function::Function;
use crate::invariants::messages;
use crate::invocation::{FUNCTION_TIMEOUT, handle};
use crate::world::{Happening, Shared, World};

/// The reconcile queue starts no further function while this many functions run.
const CONCURRENCY_MAX: usize = 5;
/// The interval between two resyncs.
const RESYNC_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// How long a function can outlive its timeout in runs in which functions sleep: Lambda freezes the sandbox of a
/// function that sleeps.
const FROZEN_MAX: SignedDuration = SignedDuration::from_secs(150);

type Running = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// The result of a function that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The messages that the function has handled and the queue deletes.
    pub(crate) handled: Vec<u64>,
    /// The messages that the function could not handle and that become visible again.
    pub(crate) failed: Vec<u64>,
}

/// The numbers of the functions that can continue, first in, first out.
#[derive(Debug, Default)]
struct Ready(Mutex<VecDeque<u64>>);

/// The waker of one function.
struct Bell {
    id: u64,
    ready: Arc<Ready>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(&self.id) {
            ready.push_back(self.id);
        }
    }
}

/// A running simulation.
pub struct Simulation {
    shared: Shared,
    defaults: Arc<Defaults>,
    running: BTreeMap<u64, (Running, Waker)>,
    /// When each function was started.
    begun: BTreeMap<u64, Timestamp>,
    ready: Arc<Ready>,
    functions: u64,
    is_resynced: bool,
}

/// A function that a test runs in addition to those of the reconcile queue and the resync, with the place of its
/// result.
#[derive(Debug)]
pub struct Visit<T>(Arc<Mutex<Option<T>>>);

impl<T> Visit<T> {
    /// Whether the function has ended. A running function holds a second reference to the place of its result.
    pub fn is_over(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Takes the result of the function. None: the function has not ended, it died, or its result was taken before.
    pub fn answer(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Simulation").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

impl Simulation {
    /// Starts a simulation of a world. The first resync comes at a random time within the first interval.
    pub fn new(mut world: World, defaults: Defaults) -> Self {
        let first = world.rng.duration(SignedDuration::ZERO, RESYNC_EVERY);
        Self::resynced_after(first, world, defaults)
    }

    /// Starts a simulation of a world. The first resync comes after `first`.
    pub fn resynced_after(first: SignedDuration, mut world: World, defaults: Defaults) -> Self {
        world.at(world.now + first, Happening::Resync);
        Self {
            shared: Shared::new(world),
            defaults: Arc::new(defaults),
            running: BTreeMap::new(),
            begun: BTreeMap::new(),
            ready: Arc::default(),
            functions: 0,
            is_resynced: true,
        }
    }

    /// Switches the resyncs off or on. Without resyncs, nothing replaces a lost message.
    pub const fn schedule_resyncs(&mut self, is_resynced: bool) {
        self.is_resynced = is_resynced;
    }

    /// A handle of the world.
    pub const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Runs the simulation until `end`. `check` checks the world after each change; its first error ends the
    /// simulation.
    ///
    /// # Errors
    /// The error of `check`.
    pub fn run_until<V>(&mut self, end: Timestamp, mut check: impl FnMut(&World) -> Result<(), V>) -> Result<(), V> {
        loop {
            self.poll_ready();
            self.bury();
            let mut world = self.shared.lock();
            let next = world.next_at().into_iter().chain(world.cloud.next_at()).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                world.now = end;
                return Ok(());
            };
            world.now = world.now.max(next);
            world.advance_cloud();
            let due = world.take_due();
            drop(world);
            if let Some(due) = due {
                self.happen(due);
            }
            check(&self.shared.lock())?;
        }
    }

    /// Runs the simulation until `end`, and then until no function runs. Otherwise the work of a function that still
    /// runs would count as left over.
    ///
    /// # Errors
    /// The error of `check`.
    pub fn run_to_rest<V>(&mut self, end: Timestamp, mut check: impl FnMut(&World) -> Result<(), V>) -> Result<(), V> {
        self.run_until(end, &mut check)?;
        let mut at = end;
        while !self.running.is_empty() {
            at += SignedDuration::from_secs(1);
            self.run_until(at, &mut check)?;
        }
        Ok(())
    }

    /// Runs a function of a test to its end while the simulation goes on. None: the function died.
    pub fn visit<T, F>(&mut self, visit: impl FnOnce(Function) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let visit = self.begin(visit);
        self.finish(&visit)
    }

    /// Starts a function of a test. It proceeds as virtual time advances.
    pub fn begin<T, F>(&mut self, visit: impl FnOnce(Function) -> F) -> Visit<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let function = self.function();
        let (id, visit) = (function.id, visit(function));
        let brought = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&brought);
        self.start(id, async move {
            let answer = visit.await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            Ended { handled: Vec::new(), failed: Vec::new() }
        });
        Visit(brought)
    }

    /// Runs the simulation until the function of a test has ended, at the latest until Lambda kills it. None: the
    /// function died.
    pub fn finish<T>(&mut self, visit: &Visit<T>) -> Option<T> {
        let latest = self.shared.lock().now + FUNCTION_TIMEOUT + FROZEN_MAX;
        if !visit.is_over() {
            let _: Result<(), ()> = self.run_until(latest, |_| if visit.is_over() { Err(()) } else { Ok(()) });
        }
        visit.answer()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake(waker) => waker.wake(),
            Happening::Change(change) => change(&mut self.shared.lock()),
            Happening::Kill(id) => self.kill(id),
            Happening::Resync => self.start_resync(),
            Happening::Poll => self.receive(),
        }
    }

    fn kill(&mut self, id: u64) {
        if self.end(id) {
            let mut world = self.shared.lock();
            world.counts.fault("killed by its time-out");
            let verdict = messages::killed(&world, id);
            world.violations.extend(verdict.err());
            world.note(|| format!("f{id} is killed by its time-out"));
            drop(world);
            self.receive();
        }
    }

    fn start_resync(&mut self) {
        self.shared.lock().after(RESYNC_EVERY, Happening::Resync);
        if !self.is_resynced {
            return;
        }
        let function = self.function();
        let defaults = Arc::clone(&self.defaults);
        let id = function.id;
        self.start(id, async move {
            // The next resync makes up for a failed one.
            let _ = resync(&function, &defaults).await;
            Ended { handled: Vec::new(), failed: Vec::new() }
        });
    }

    /// Creates an invocation with a clock that is wrong by at most 500 ms, and schedules its end at the timeout.
    fn function(&mut self) -> Function {
        self.functions += 1;
        let id = self.functions;
        let mut world = self.shared.lock();
        world.counts.functions += 1;
        let skew = SignedDuration::from_millis(world.rng.between(0, 1_000).cast_signed() - 500);
        let spared =
            if world.rates.asleep > 0 || world.fault_plan.freezes() { FROZEN_MAX } else { SignedDuration::ZERO };
        world.after(FUNCTION_TIMEOUT + spared, Happening::Kill(id));
        drop(world);
        Function::new(self.shared.clone(), id, skew)
    }

    fn start(&mut self, id: u64, future: impl Future<Output = Ended> + Send + 'static) {
        let waker = Waker::from(Arc::new(Bell { id, ready: Arc::clone(&self.ready) }));
        waker.wake_by_ref();
        self.begun.insert(id, self.shared.lock().now);
        self.running.insert(id, (Box::pin(future), waker));
    }

    /// Removes a function that has ended or died, and counts its duration. False: the function had already been
    /// removed.
    fn end(&mut self, id: u64) -> bool {
        if let Some(begun) = self.begun.remove(&id) {
            let mut world = self.shared.lock();
            let lived = world.now.duration_since(begun);
            world.counts.lived += lived;
        }
        self.running.remove(&id).is_some()
    }

    /// The reconcile queue starts functions for its visible messages.
    fn receive(&mut self) {
        while self.running.len() < CONCURRENCY_MAX {
            let mut world = self.shared.lock();
            let now = world.now;
            let batch = world.queue.receive(now);
            if batch.is_empty() {
                return;
            }
            // A message that is not deleted becomes visible again.
            world.after(crate::queue::VISIBILITY, Happening::Poll);
            drop(world);
            let function = self.function();
            let defaults = Arc::clone(&self.defaults);
            let id = function.id;
            self.start(id, async move { handle(&function, batch, &defaults).await });
        }
    }

    fn poll_ready(&mut self) {
        loop {
            let next = self.ready.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(id) = next else { return };
            let Some((future, waker)) = self.running.get_mut(&id) else { continue };
            let waker = waker.clone();
            if let Poll::Ready(ended) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.end(id);
                let mut world = self.shared.lock();
                let verdict = messages::ended(&world, id, &ended.failed);
                world.violations.extend(verdict.err());
                for message in ended.handled {
                    world.queue.delete(message);
                }
                world.after(SignedDuration::ZERO, Happening::Poll);
            }
        }
    }

    /// Removes the functions that died by a fault.
    fn bury(&mut self) {
        let dead = std::mem::take(&mut self.shared.lock().crashed);
        for id in dead {
            if self.end(id) {
                let mut world = self.shared.lock();
                world.after(SignedDuration::ZERO, Happening::Poll);
            }
        }
    }
}
