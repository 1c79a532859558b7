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

/// SQS delays a message by 15 minutes at most; the resync carries longer waits.
const REQUEST_DELAY_MAX: SignedDuration = SignedDuration::from_mins(15);

/// The number of reconcile passes in one run. A replacement needs four: admission, launch, the new instance's id, and
/// the termination. After six passes the run sends a request for the rest, so that no fleet occupies a function for
/// good.
const PASSES_PER_RUN_MAX: u32 = 6;

/// The clocks of two Lambda hosts differ by far less than this.
const CLOCKS_DIFFER_MAX: SignedDuration = SignedDuration::from_secs(2);

/// The times of one run. They nest: a call < the function's timeout < the lease < the queue's visibility timeout.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The length of the lease: longer than the function can run.
    pub lease: SignedDuration,
    /// The moment at which Lambda kills the function.
    pub deadline: Timestamp,
    /// The time before the deadline from which no write starts: longer than one call can take.
    pub margin: SignedDuration,
}

/// The invocation that runs, its time limits, and the settings of the stack.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'i> {
    /// The id of the invocation. It is the holder of the leases.
    pub holder: &'i str,
    /// The time limits of the run.
    pub times: Times,
    /// The stack's default policy.
    pub defaults: &'i Defaults,
    /// The location of the runbooks that messages link.
    pub runbooks: &'i Runbooks,
}

/// The trigger of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A request, or a fact that cannot wait. `due` is the time of the request, if it was a delayed one.
    Urgent { due: Option<Timestamp> },
    /// Stored facts that can wait.
    CanWait,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// The run reconciled the fleet until no new fact was left.
    Idle,
    /// Another run holds the lease; a request is due when that lease ends.
    Busy,
    /// Another run took the lease or committed a record; that run continues.
    Overtaken,
    /// The run had more work than time; a request continues it.
    OutOfTime,
    /// The facts can wait, and an event burst, a busy lease or throttling defers them: a request for all stored facts
    /// is on the queue.
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
/// does not notice the fact. If the pending request arrived before the facts were stored, no pass would read them. So a
/// pending request counts only when it is at least 2 s ahead, more than any two clocks differ. `next_request` is the
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

/// Requests another pass in 3 s: by then AWS's shared rate limit has room for one pass again, and most runs have
/// released the lease.
pub(crate) async fn retry_soon<P: Ports>(ports: &P, fleet: &FleetName) -> CallResult<Ran> {
    let surely_ahead = ports.now() + CLOCKS_DIFFER_MAX;
    request_at(ports, fleet, surely_ahead + SignedDuration::from_secs(1), surely_ahead).await?;
    Ok(Ran::Coalesced)
}

/// A run that holds the fleet's lease.
struct Run<'a, P> {
    ports: &'a P,
    lease: Lease,
    due: Option<Timestamp>,
    act_until: Timestamp,
    defaults: &'a Defaults,
    publisher: OutboxPublisher<'a>,
}

/// The result of one pass.
enum Pass {
    /// No action was started and none is left over. The next pass is due at `recheck`.
    Quiet { recheck: Option<Timestamp> },
    /// An action was started, or the time ran out before one.
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

    /// Makes one pass: observe, decide, commit, act, notify.
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

    /// Sends the request for the next pass, then releases the lease. A crash between the two sends the request twice
    /// and never loses it.
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

    /// Leaves the rest to a fresh run when new facts outlast the passes or the time of this one.
    async fn hand_over(&mut self) -> CallResult<Ran> {
        loop {
            match self.release(Some(self.ports.now())).await? {
                Released::Free => return Ok(Ran::OutOfTime),
                Released::Lost => return Ok(Ran::Overtaken),
                Released::Requested(requested) => self.take_over(requested),
            }
        }
    }

    /// Releases the lease after an error, so that the retry does not wait for the lease to end.
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

    /// Continues with the lease as read again. The stored lease does not yet hold a request that this run has sent, and
    /// may still hold the request that started this run.
    fn take_over(&mut self, requested: Lease) {
        let now = self.ports.now();
        let sent = self.lease.next_request.filter(|sent| now < *sent);
        let stored = still_to_come(requested.next_request, self.due, now);
        let next_request = sent.into_iter().chain(stored).min();
        self.lease = Lease { next_request, ..requested };
    }
}

/// Logs one line for each transition, each reason to wait, and the decision. The template's metric filters read them.
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

/// Logs the replacements and the cutover phase that ended with this commit. The template's metric filters count them.
fn count(fleet: &FleetName, measured: &Measured) {
    for (outcome, replacements) in &measured.replacements {
        tracing::info!(event = "replacements_ended", %fleet, outcome, replacements, "replacements ended");
    }
    if let Some((phase, lasted)) = &measured.phase_left {
        let seconds = lasted.as_secs();
        tracing::info!(event = "cutover_phase_ended", %fleet, phase, seconds, "a phase of the cutover ended");
    }
}

/// The stored due time of the next request, unless that request has arrived: its time has passed, or it started this
/// run and came a moment early.
fn still_to_come(next_request: Option<Timestamp>, due: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    next_request.filter(|next| now < *next && Some(*next) != due)
}

/// Sends a request, unless an earlier one is on the queue. A stored request that was due at `arrived` or before no
/// longer counts: it has arrived or is lost.
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

/// The whole second at which a request is due: not before the wanted time, and at most 15 minutes ahead, the longest
/// delay of SQS.
fn request_time(wanted: Timestamp, now: Timestamp) -> Timestamp {
    let wanted = wanted.max(now);
    let up = i64::from(wanted.subsec_nanosecond() > 0);
    let farthest = now.as_second() + REQUEST_DELAY_MAX.as_secs();
    Timestamp::from_second((wanted.as_second() + up).min(farthest)).unwrap_or(wanted)
}

/// The delay of a message. SQS delays by whole seconds; rounding up keeps a request from arriving before it is due.
fn delay(at: Timestamp, now: Timestamp) -> SignedDuration {
    let exact = at.duration_since(now);
    SignedDuration::from_secs(exact.as_secs() + i64::from(exact.subsec_nanos() > 0))
}
