//! One run on one fleet: acquire the lease, then observe, decide, commit, act and notify; repeat while new facts
//! arrive; release the lease.

use driftless_planner::action::Outcome;
use driftless_planner::burst::coalesced_at;
use driftless_planner::decide::decide;
use driftless_planner::decision::Decision;
use driftless_planner::ids::FleetName;
use driftless_planner::input::Input;
use driftless_planner::measure::{Measured, measure};
use driftless_planner::notification::Runbooks;
use driftless_planner::policy::Defaults;
use driftless_planner::request::{FleetRequest, ReconcileRequest};
use driftless_planner::resync::fingerprint;
use jiff::{SignedDuration, Timestamp};

use crate::act::act;
use crate::observe::{first_round, observe};
use crate::ports::{Acquired, CallResult, Committed, Lease, Ports, Released};
use crate::publisher::OutboxPublisher;

/// The longest delay of a request, because SQS delays a message by at most 15 minutes. The resync covers longer waits.
const REQUEST_DELAY_MAX: SignedDuration = SignedDuration::from_mins(15);

/// The most reconcile passes in one run. A replacement needs four of them: admission, launch, the id of the new
/// instance, and the termination. After six passes the run sends a request that continues the work, so that no fleet
/// occupies a function for good.
const PASSES_PER_RUN_MAX: u32 = 6;

/// The most by which the clocks of two Lambda hosts may differ. Real differences are far smaller.
const CLOCKS_DIFFER_MAX: SignedDuration = SignedDuration::from_secs(2);

/// The time limits of one run. Each is shorter than the next: one call, the function's timeout, the lease, the queue's
/// visibility timeout.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The duration of the lease, which is longer than the function can run.
    pub lease: SignedDuration,
    /// The time at which Lambda stops the function.
    pub deadline: Timestamp,
    /// The time before the deadline in which no write starts any more. It is longer than one call can take.
    pub margin: SignedDuration,
}

/// The invocation of the function: its id, its time limits, and the settings of the stack.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'i> {
    /// The id of the invocation, which is the holder of the leases.
    pub holder: &'i str,
    /// The time limits of the run.
    pub times: Times,
    /// The default policy of the stack.
    pub defaults: &'i Defaults,
    /// The location of the runbooks that messages link.
    pub runbooks: &'i Runbooks,
}

/// The trigger of a run on a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A request, or a fact that cannot wait. `due` is the due time of the request, if it was a delayed one.
    Urgent { due: Option<Timestamp> },
    /// Stored facts that can wait.
    CanWait,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// The run reconciled the fleet until nothing was left to do.
    Idle,
    /// Another run holds the lease. A request is due when that lease ends.
    Busy,
    /// Another run has taken the lease and continues.
    Overtaken,
    /// The run used up its passes or its time, or had a conflict with another commit. A request continues the work.
    OutOfTime,
    /// An event burst, a busy lease or throttling defers the pass. A request for one pass over all stored facts is on
    /// the queue.
    Coalesced,
}

/// Reconciles one fleet under its lease.
pub async fn reconcile<P: Ports>(
    ports: &P,
    fleet: &FleetName,
    cause: Cause,
    invocation: Invocation<'_>,
) -> CallResult<Ran> {
    let Invocation { holder, times, defaults, runbooks } = invocation;
    let now = ports.now();
    let due = match cause {
        Cause::Urgent { due } => due,
        Cause::CanWait => None,
    };
    let mut lease = match ports.acquire(fleet, holder, now, now + times.lease).await? {
        Acquired::Held(lease) => lease,
        // Most runs release the lease within seconds.
        Acquired::Busy { .. } if cause == Cause::CanWait => return retry_soon(ports, fleet).await,
        Acquired::Busy { until } => {
            // One second later than its end, so that the lease is over when the request arrives.
            let at = until + SignedDuration::from_secs(1);
            request_at(ports, fleet, at, due.map_or(now, |due| due.max(now))).await?;
            tracing::info!(event = "lease_held", %fleet, %until, "another run holds the lease");
            return Ok(Ran::Busy);
        }
    };
    lease.next_request = still_to_come(lease.next_request, due, now);
    let act_until = (times.deadline - times.margin).min(lease.until - times.margin);
    let mut run = Run { ports, lease, due, act_until, defaults, publisher: OutboxPublisher::new(runbooks) };
    let ran = run.reconcile_until_idle().await;
    if ran.is_err() {
        run.give_back().await;
    }
    // A failed delivery stays in the outbox. The pass was completed; the run fails so that SQS redelivers its message
    // and the delivery is retried.
    run.publisher.failed().map_or(ran, Err)
}

/// Defers a fleet's facts that can wait to one coalesced pass. Storing such a fact counts no request, so a running pass
/// does not notice it. If the pending request arrived before the facts were stored, no pass would read them. So the
/// pending request is used only when it is at least 2 s ahead, more than any two clocks differ. `next_request` is the
/// due time of the pending request, if one is known.
pub(crate) async fn coalesce<P: Ports>(
    ports: &P,
    fleet: &FleetName,
    next_request: Option<Timestamp>,
) -> CallResult<Ran> {
    let surely_ahead = ports.now() + CLOCKS_DIFFER_MAX;
    let at = coalesced_at(fleet, surely_ahead);
    if !next_request.is_some_and(|next| surely_ahead < next && next <= at) {
        request_at(ports, fleet, at, surely_ahead).await?;
    }
    Ok(Ran::Coalesced)
}

/// Requests another pass in 3 s. By then the rate limit of AWS, which all fleets share, allows another pass, and most
/// runs have released the lease.
pub(crate) async fn retry_soon<P: Ports>(ports: &P, fleet: &FleetName) -> CallResult<Ran> {
    let surely_ahead = ports.now() + CLOCKS_DIFFER_MAX;
    request_at(ports, fleet, surely_ahead + SignedDuration::from_secs(1), surely_ahead).await?;
    Ok(Ran::Coalesced)
}

/// A run that holds the lease of a fleet.
struct Run<'a, P> {
    ports: &'a P,
    lease: Lease,
    due: Option<Timestamp>,
    act_until: Timestamp,
    defaults: &'a Defaults,
    publisher: OutboxPublisher<'a>,
}

/// The result of one reconcile pass.
enum Pass {
    /// The pass started no action, and none is left over. The next pass is due at `recheck`.
    Quiet { recheck: Option<Timestamp> },
    /// The pass started an action, or its time ran out before it could start one.
    Busy { outcomes: Vec<Outcome>, recheck: Option<Timestamp> },
    /// The record or the lease changed since it was read.
    Conflict,
}

impl<P: Ports> Run<'_, P> {
    async fn reconcile_until_idle(&mut self) -> CallResult<Ran> {
        let mut outcomes = Vec::new();
        for _ in 0..PASSES_PER_RUN_MAX {
            let recheck = match self.pass(&outcomes).await? {
                Pass::Quiet { recheck } => recheck,
                Pass::Busy { .. } if !self.has_time() => break,
                // The same outcomes twice in a row: another immediate pass would only repeat them.
                Pass::Busy { outcomes: details, recheck } if details == outcomes => recheck,
                Pass::Busy { outcomes: details, .. } => {
                    outcomes = details;
                    continue;
                }
                Pass::Conflict => break,
            };
            outcomes.clear();
            match self.release(recheck).await? {
                Released::Free => return Ok(Ran::Idle),
                Released::Lost => return Ok(Ran::Overtaken),
                Released::Requested(requested) => self.take_over(requested),
            }
            if !self.has_time() {
                break;
            }
        }
        self.hand_over().await
    }

    /// Makes one reconcile pass: observe, decide, commit, act, notify.
    async fn pass(&mut self, outcomes: &[Outcome]) -> CallResult<Pass> {
        let (ports, fleet) = (self.ports, &self.lease.fleet);
        let first = first_round(ports, fleet).await?;
        let seen_as = fingerprint(&self.lease.fleet, &first.groups, &first.images, self.ports.now());
        let seen = observe(ports, fleet, &first, self.defaults).await?;
        let stored = first.stored;
        let record = stored.record.as_ref();
        let now = ports.now();
        let decision = decide(Input {
            fleet,
            record,
            facts: &stored.facts,
            outcomes,
            freezes: &stored.freezes,
            seen: &seen,
            defaults: self.defaults,
            now,
        });
        let measured = measure(record, &decision, now);
        report(fleet, &decision, &measured);
        if decision.changed {
            let read_version = record.map(|record| record.version);
            if ports.commit(&self.lease, read_version, &decision, now).await? == Committed::Conflict {
                tracing::warn!(event = "commit_conflict", %fleet, "another run holds the lease or has committed");
                return Ok(Pass::Conflict);
            }
            // Counted only after the commit: the next pass makes an uncommitted decision again and would count it
            // twice.
            count(fleet, &measured);
        }
        let acted = act(ports, fleet, &decision.actions, self.act_until).await;
        self.publisher.tell(ports, &stored, &decision, now).await;
        if stored.fingerprint.as_ref() != Some(&seen_as) {
            ports.remember(fleet, &seen_as).await?;
        }
        if acted.outcomes.is_empty() && !acted.is_out_of_time {
            return Ok(Pass::Quiet { recheck: decision.recheck });
        }
        Ok(Pass::Busy { outcomes: acted.outcomes, recheck: decision.recheck })
    }

    fn has_time(&self) -> bool {
        self.ports.now() < self.act_until
    }

    /// Sends the request for the next pass, then releases the lease. A crash between the two steps may repeat the
    /// request but never loses it.
    async fn release(&mut self, recheck: Option<Timestamp>) -> CallResult<Released> {
        let now = self.ports.now();
        if let Some(recheck) = recheck {
            let at = request_time(recheck, now);
            if !self.lease.next_request.is_some_and(|next| now < next && next <= at) {
                self.ports.send(&request(&self.lease.fleet, at), delay(at, now)).await?;
                self.lease.next_request = Some(at);
            }
        }
        self.ports.release(&self.lease, self.lease.next_request).await
    }

    /// Ends the run with a request that is due at once, so that a new run continues. This happens after a conflict, or
    /// when the passes or the time of this run are used up.
    async fn hand_over(&mut self) -> CallResult<Ran> {
        loop {
            match self.release(Some(self.ports.now())).await? {
                Released::Free => return Ok(Ran::OutOfTime),
                Released::Lost => return Ok(Ran::Overtaken),
                Released::Requested(requested) => self.take_over(requested),
            }
        }
    }

    /// Releases the lease after an error, so that the retry does not have to wait until the lease ends.
    async fn give_back(&mut self) {
        loop {
            match self.ports.release(&self.lease, self.lease.next_request).await {
                Ok(Released::Free | Released::Lost) => return,
                // The run that stored the new fact reconciles the fleet itself: it finds the lease free, or sends a
                // request for its end.
                Ok(Released::Requested(requested)) => self.take_over(requested),
                Err(error) => {
                    let fleet = &self.lease.fleet;
                    tracing::warn!(event = "lease_release_failed", %fleet, %error, "the lease could not be released");
                    return;
                }
            }
        }
    }

    /// Continues with the lease as it was read again. The stored lease does not yet contain a request that this run has
    /// sent, and may still contain the request that started this run.
    fn take_over(&mut self, requested: Lease) {
        let now = self.ports.now();
        let sent = self.lease.next_request.filter(|sent| now < *sent);
        let stored = still_to_come(requested.next_request, self.due, now);
        let next_request = sent.into_iter().chain(stored).min();
        self.lease = Lease { next_request, ..requested };
    }
}

/// Logs one line for each transition, for each reason to wait, and for the decision. The metric filters of the template
/// read these lines.
fn report(fleet: &FleetName, decision: &Decision, measured: &Measured) {
    for entry in &decision.history {
        let instance = entry.instance().map(ToString::to_string);
        let (from, to, why) = (entry.from(), entry.to(), &entry.why);
        tracing::info!(event = "transition", %fleet, instance, %from, %to, %why, "a phase or a state changed");
    }
    for (reason, waiting) in &measured.waiting {
        tracing::info!(event = "waiting", %fleet, %reason, waiting, "a guard blocks");
    }
    let oldest_borrowed_setting_seconds = measured.oldest_borrowed_setting.as_secs();
    let waiting: Vec<String> = decision.waiting.iter().map(|(id, why)| format!("{id}: {why}")).collect();
    let actions: Vec<&str> = decision.actions.iter().map(driftless_planner::action::Action::name).collect();
    let cutover_waits = decision.cutover_waits.as_ref().map(ToString::to_string);
    let (recheck, changed) = (decision.recheck, decision.changed);
    tracing::info!(
        event = "decided",
        %fleet,
        ?actions,
        ?waiting,
        cutover_waits,
        requeue_at = ?recheck,
        changed,
        oldest_borrowed_setting_seconds,
        "a reconcile pass decided"
    );
}

/// Logs the replacements and the cutover phase that ended with this commit. The metric filters of the template count
/// these lines.
fn count(fleet: &FleetName, measured: &Measured) {
    for (outcome, replacements) in &measured.replacements {
        tracing::info!(event = "replacements_ended", %fleet, outcome, replacements, "replacements ended");
    }
    if let Some((phase, lasted)) = &measured.phase_left {
        let seconds = lasted.as_secs();
        tracing::info!(event = "cutover_phase_ended", %fleet, phase, seconds, "a phase of the cutover ended");
    }
}

/// The stored due time of the next request. None if that request has arrived: its time has passed, or it is the request
/// that started this run and came a moment early.
fn still_to_come(next_request: Option<Timestamp>, due: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    next_request.filter(|next| now < *next && Some(*next) != due)
}

/// Sends a request, unless an earlier one is on the queue. A stored request that was due at `arrived` or before does
/// not count: it has arrived or is lost.
async fn request_at<P: Ports>(ports: &P, fleet: &FleetName, at: Timestamp, arrived: Timestamp) -> CallResult<()> {
    let now = ports.now();
    let at = request_time(at, now);
    if ports.claim_request(fleet, at, arrived).await? {
        ports.send(&request(fleet, at), delay(at, now)).await?;
    }
    Ok(())
}

fn request(fleet: &FleetName, due: Timestamp) -> ReconcileRequest {
    ReconcileRequest::Reconcile(FleetRequest { fleet: fleet.clone(), due: Some(due) })
}

/// The whole second at which a request is due: not before the wanted time, and at most 15 minutes from now, the longest
/// delay of SQS.
fn request_time(wanted: Timestamp, now: Timestamp) -> Timestamp {
    let wanted = wanted.max(now);
    let up = i64::from(wanted.subsec_nanosecond() > 0);
    let farthest = now.as_second() + REQUEST_DELAY_MAX.as_secs();
    Timestamp::from_second((wanted.as_second() + up).min(farthest)).unwrap_or(wanted)
}

/// The delay of a message, rounded up to whole seconds as SQS requires, so that a request never arrives before it is
/// due.
fn delay(at: Timestamp, now: Timestamp) -> SignedDuration {
    let exact = at.duration_since(now);
    SignedDuration::from_secs(exact.as_secs() + i64::from(exact.subsec_nanos() > 0))
}
