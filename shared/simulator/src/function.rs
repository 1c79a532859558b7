//! A running Lambda function: the ports through which the production loop uses the world. Each call takes virtual time
//! and can fail.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::{CallError, CallErrorKind, CallResult};
use jiff::{SignedDuration, Timestamp};

use crate::aws_writes::AwsWrite;
use crate::calls::Call;
use crate::fault_plan::Begun;
use crate::faults::{CALL_TIMEOUT, Course, Fate, QUICK, course};
use crate::invariants::safety;
use crate::world::{Happening, Shared, World};

mod cloud_ports;
mod store_ports;

/// One invocation of a Lambda function.
#[derive(Debug, Clone)]
pub struct Function {
    pub(crate) shared: Shared,
    /// The number of the invocation.
    pub(crate) id: u64,
    /// How far the clock of the function is ahead of true time. Negative: the clock is behind.
    pub(crate) skew: SignedDuration,
}

/// The longest pauses of the SDK before its first and second retry of a throttled call, as `shared/aws` sets them.
const BACKOFF: [SignedDuration; 2] = [SignedDuration::from_millis(200), SignedDuration::from_millis(400)];

/// The throttling that applies to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// EC2 and Auto Scaling share one token bucket.
    Bucketed,
    /// The other services, which the simulator does not throttle.
    Roomy,
}

/// Builds the error of a call.
pub(crate) fn failure(operation: &'static str, kind: CallErrorKind, message: &str) -> CallError {
    CallError { operation, kind, message: UntrustedText::from(message), source: None }
}

impl Function {
    /// An invocation whose clock is ahead of true time by `skew`.
    pub const fn new(shared: Shared, id: u64, skew: SignedDuration) -> Self {
        Self { shared, id, skew }
    }

    /// Waits for this duration in virtual time.
    pub async fn pause(&self, duration: SignedDuration) {
        self.sleep(duration).await;
    }

    /// Lets this duration of virtual time pass.
    pub(crate) fn sleep(&self, duration: SignedDuration) -> Sleep {
        let until = self.shared.lock().now + duration;
        Sleep { shared: self.shared.clone(), until, waker: None }
    }

    /// Makes a read with arguments. `subject` is the arguments, for the recording of calls.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        api: Api,
        subject: &(impl fmt::Debug + Sync),
        effect: impl FnOnce(&mut World) -> CallResult<T> + Send + 'static,
    ) -> CallResult<T> {
        // The arguments are formatted only while the recording of calls is on.
        let is_counted = self.shared.lock().calls.is_on();
        let subject = if is_counted { format!("{subject:?}") } else { String::new() };
        self.ask(operation, api, subject, effect).await
    }

    /// Makes a read without arguments, or a write to the table, queue or topic.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        api: Api,
        effect: impl FnOnce(&mut World) -> CallResult<T> + Send + 'static,
    ) -> CallResult<T> {
        self.ask(operation, api, String::new(), effect).await
    }

    /// Makes one call, with the retries of the SDK. Its effect and its response come at separate times. Once the
    /// request is sent, the call takes effect even if the function dies.
    async fn ask<T: Send + 'static>(
        &self,
        operation: &'static str,
        api: Api,
        subject: String,
        effect: impl FnOnce(&mut World) -> CallResult<T> + Send + 'static,
    ) -> CallResult<T> {
        let answer = Arc::new(Mutex::new(None));
        let (mut call, mut course) = self.begin(operation, api, subject.clone());
        for pause in BACKOFF {
            if !course.is_refused_for_now {
                break;
            }
            let share = self.shared.lock().rng.duration(SignedDuration::ZERO, pause);
            self.sleep(course.request + course.reply + share).await;
            (call, course) = self.begin(operation, api, subject.clone());
        }
        if course.fate == Fate::CrashBefore {
            return self.die().await;
        }
        if let Fate::Fails(kind) = course.fate {
            self.sleep(course.request + course.reply).await;
            let message = if kind == CallErrorKind::Throttled { "Rate exceeded" } else { "as planned" };
            return Err(failure(operation, kind, message));
        }
        if course.fate != Fate::RequestLost {
            let slot = Arc::clone(&answer);
            let mut world = self.shared.lock();
            let arrives = world.now + course.request;
            world.change_at(arrives, move |world| {
                if let Some(change) = world.fault_plan.take_before(&call) {
                    change(world);
                }
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(effect(world));
            });
        }
        if course.fate == Fate::CrashAfter {
            return self.die().await;
        }
        let is_lost = matches!(course.fate, Fate::RequestLost | Fate::ReplyLost);
        self.sleep(if is_lost { CALL_TIMEOUT } else { course.request + course.reply }).await;
        if course.sleep > SignedDuration::ZERO {
            self.sleep(course.sleep).await;
        }
        let taken = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.filter(|_| !is_lost).unwrap_or_else(|| Err(failure(operation, CallErrorKind::Unavailable, "no answer")))
    }

    /// Makes a write to AWS. The invariant checkers check it right before its effect, and it is recorded after its
    /// effect.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        api: Api,
        aws_write: AwsWrite,
        effect: impl FnOnce(&mut World) -> CallResult<T> + Send + 'static,
    ) -> CallResult<T> {
        let id = self.id;
        self.call(operation, api, move |world| {
            if world.is_busy(operation) {
                let text =
                    "ScalingActivityInProgress: there is a scaling activity in progress that must complete first";
                return Err(failure(operation, CallErrorKind::Busy, text));
            }
            let verdict = safety::before(world, id, &aws_write);
            let answer = effect(world);
            world.note(|| match &answer {
                Ok(_) => format!("f{id} {aws_write}"),
                Err(error) => format!("f{id} {aws_write}: {error}"),
            });
            if answer.is_ok() {
                world.done(&aws_write);
                if let Err(violation) = verdict {
                    world.violations.push(violation);
                }
            }
            answer
        })
        .await
    }

    /// Draws the course of a call, and counts and records the call.
    fn begin(&self, operation: &'static str, api: Api, subject: String) -> (Begun, Course) {
        let mut guard = self.shared.lock();
        let world = &mut *guard;
        let mut course = course(&mut world.rng, &world.rates);
        let now = world.now;
        if api == Api::Bucketed && !world.bucket.take(now) {
            course.fate = Fate::Fails(CallErrorKind::Throttled);
            course.is_refused_for_now = true;
        }
        let made = world.counts.calls.entry(operation).or_default();
        let call = world.fault_plan.begin(self.id, operation, *made);
        *made += 1;
        world.fault_plan.bend(now, &call, &mut course);
        let answered = now + course.request + course.reply;
        world.calls.note(self.id, || Call { operation, subject, sent: now, answered });
        if course.request + course.reply > QUICK {
            world.history.slowed.insert(self.id);
        }
        if course.fate != Fate::Fine || course.sleep > SignedDuration::ZERO {
            world.history.faulted.insert(self.id);
        }
        if course.fate != Fate::Fine {
            world.counts.fault(course.fate.name());
            world.trace.note(now, || format!("f{} {operation}: {}", self.id, course.fate.name()));
        }
        if course.sleep > SignedDuration::ZERO {
            world.counts.fault("asleep");
            world.trace.note(now, || format!("f{} sleeps for {} after {operation}", self.id, course.sleep));
        }
        (call, course)
    }

    async fn die<T>(&self) -> CallResult<T> {
        self.shared.lock().crashed.push(self.id);
        std::future::pending().await
    }
}

/// A future that is ready at this virtual time.
#[derive(Debug)]
pub(crate) struct Sleep {
    shared: Shared,
    until: Timestamp,
    waker: Option<Waker>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut world = self.shared.lock();
        if world.now >= self.until {
            return Poll::Ready(());
        }
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            world.at(self.until, Happening::Wake(context.waker().clone()));
            drop(world);
            self.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}
