//! The wake queue's side: it delivers, at least once, and gives a message back when its delivery failed.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use driftless_planner::fact::Fact;
use driftless_planner::ids::FleetName;
use driftless_planner::policy::Defaults;
use driftless_planner::wake::WakeMessage;
use driftless_reconciler::file::{Filed, file, fleets_of};
use driftless_reconciler::ports::{Called, Clock, Remembered};
use driftless_reconciler::reconcile::{Cause, Invocation, Ran, Times, reconcile};
use jiff::{SignedDuration, Timestamp};

use super::world::{Message, World};

pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(40);
const FUNCTION: SignedDuration = SignedDuration::from_secs(30);
const MARGIN: SignedDuration = SignedDuration::from_secs(5);
/// A message whose delivery failed is seen again after this long.
const VISIBILITY: SignedDuration = SignedDuration::from_secs(180);

/// What came of a delivery.
pub(crate) type Delivered = Called<Option<Ran>>;

/// Polls until it is ready. A hook may do so within another one.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    count_turns(future).0
}

/// Polls until it is ready, and counts the turns: calls that are made together take one, calls that wait for each
/// other take one each.
pub(crate) fn count_turns<F: Future>(future: F) -> (F::Output, usize) {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for turns in 0.. {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return (output, turns);
        }
    }
    unreachable!("the range has no end")
}

/// The times of a function that starts now.
pub(crate) fn times(now: Timestamp) -> Times {
    Times { lease: LEASE, deadline: now + FUNCTION, margin: MARGIN }
}

impl World {
    /// One run of the loop, by a function of its own.
    pub(crate) async fn look(&self, fleet: &FleetName, due: Option<Timestamp>) -> Called<Ran> {
        self.look_for(fleet, Cause::Urgent { due }).await
    }

    async fn look_for(&self, fleet: &FleetName, cause: Cause) -> Called<Ran> {
        let (holder, defaults) = (self.next_holder(), Defaults::default());
        let invocation = Invocation { holder: &holder, times: times(self.now()), defaults: &defaults };
        reconcile(self, fleet, cause, invocation).await
    }

    pub(crate) fn next_holder(&self) -> String {
        let mut state = self.lock();
        state.runs += 1;
        format!("run-{}", state.runs)
    }

    /// What the function does with a message.
    pub(crate) async fn handle(&self, message: &WakeMessage) -> Delivered {
        match message {
            WakeMessage::Wake(wake) => self.look(&wake.fleet, wake.due).await.map(Some),
            WakeMessage::Fact(fact) => self.handle_fact(fact, 0).await,
            WakeMessage::Untagged { fact, attempts } => self.handle_fact(fact, *attempts).await,
        }
    }

    async fn handle_fact(&self, fact: &Fact, attempts: u32) -> Delivered {
        let known = fleets_of(self, std::slice::from_ref(fact)).await?;
        let is_again = self.lock().given_back.contains(&fact.key());
        let fleets = match file(self, fact, &known, &Remembered::default(), attempts).await? {
            Filed::With(fleets) => fleets,
            Filed::Known if is_again => known.values().flatten().cloned().collect(),
            Filed::Known | Filed::AskedAgainLater | Filed::NotOurs => return Ok(None),
        };
        let cause = if fact.can_wait() && !is_again { Cause::CanWait } else { Cause::Urgent { due: None } };
        let mut ran = None;
        for fleet in fleets {
            ran = Some(self.look_for(&fleet, cause).await?);
        }
        Ok(ran)
    }

    /// A detector reports something.
    pub(crate) fn report(&self, fact: &Fact) {
        let mut state = self.lock();
        let at = state.now;
        state.queue.push(Message { at, body: WakeMessage::Fact(Box::new(fact.clone())) });
    }

    /// Takes the message that is due first from the queue, and lets its time come.
    pub(crate) fn receive(&self) -> Option<WakeMessage> {
        let first = {
            let mut state = self.lock();
            let at = state.queue.iter().map(|message| message.at).min()?;
            let position = state.queue.iter().position(|message| message.at == at)?;
            state.queue.remove(position)
        };
        self.advance_to(first.at);
        Some(first.body)
    }

    /// Whether a message could be received now.
    pub(crate) fn has_due(&self) -> bool {
        let state = self.lock();
        state.queue.iter().any(|message| message.at <= state.now)
    }

    /// Gives a message back that could not be handled.
    pub(crate) fn give_back(&self, body: WakeMessage) {
        let mut state = self.lock();
        let at = state.now + VISIBILITY;
        if let WakeMessage::Fact(fact) = &body {
            state.given_back.insert(fact.key());
        }
        state.queue.push(Message { at, body });
    }

    /// Delivers the message that is due first. None: the queue is empty.
    pub(crate) fn deliver(&self) -> Option<Delivered> {
        let body = self.receive()?;
        let delivered = block_on(self.handle(&body));
        // A function that died cannot have deleted its message.
        if self.revive() || delivered.is_err() {
            self.give_back(body);
        }
        Some(delivered)
    }

    /// Delivers until no message is left, and answers how many deliveries that took.
    pub(crate) fn deliver_all(&self) -> usize {
        for deliveries in 0..500 {
            if self.deliver().is_none() {
                return deliveries;
            }
        }
        panic!("the fleet wakes itself for ever: {:#?}", self.lock().log.iter().rev().take(40).collect::<Vec<_>>());
    }

    /// Delivers everything that is due until a time, and lets that time come.
    pub(crate) fn deliver_until(&self, end: Timestamp) {
        while self.lock().queue.iter().any(|message| message.at <= end) {
            let _ = self.deliver();
        }
        self.advance_to(end);
    }
}
