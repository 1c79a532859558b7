//! The run: lease, look, decide, commit, act, notify, release; again while there is news.

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

/// How often one run may look. Admission, launch, the successor's id, and the termination are four; a run that is
/// still not done leaves the rest to a request, so that no fleet keeps a function to itself.
const IMMEDIATE_RUNS_PER_MINUTE_MAX: u32 = 6;

/// Clocks of machines that Lambda runs on are closer than this, by far.
const CLOCKS_DIFFER_MAX: SignedDuration = SignedDuration::from_secs(2);

/// The times of one run. They nest: a call < the function < the lease < the queue's visibility.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long the lease is taken for: longer than the function can live.
    pub lease: SignedDuration,
    /// When the function will be killed.
    pub deadline: Timestamp,
    /// No write starts later than this long before the deadline: longer than a call may take.
    pub margin: SignedDuration,
}

/// Who runs, under which limits, and with which settings of the stack.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'i> {
    /// The id of the invocation: it holds the leases.
    pub holder: &'i str,
    /// When the function is killed, and what nests in that.
    pub times: Times,
    /// The stack's default policy.
    pub defaults: &'i Defaults,
    /// Where messages say that runbooks are.
    pub runbooks: &'i Runbooks,
}

/// What leads to a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A wake, which was meant for this time if it was a delayed one, or something that cannot wait.
    Urgent { due: Option<Timestamp> },
    /// Facts that can wait, and are filed.
    CanWait,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// The fleet was looked at until there was no more news.
    Idle,
    /// Someone else holds the lease; a request for its end is on its way.
    Busy,
    /// The lease or the record went to someone else meanwhile; they go on.
    Overtaken,
    /// There was more to do than time; a request is on its way.
    OutOfTime,
    /// Many fleets are reported, or this one is looked at now: a request is on its way, for all that is filed until it comes.
    Coalesced,
}

/// Looks at one fleet and does what is to be done.
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
        // Those who hold it may be done in a moment.
        Acquired::Busy { .. } if cause == Cause::CanWait => return retry_soon(ports, fleet).await,
        Acquired::Busy { until } => {
            // One second more: the lease must be over when the request arrives.
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
    // What could not be told stays in the outbox: the work went on, and the message fails so that it is retried.
    run.publisher.failed().map_or(ran, Err)
}

/// Leaves the facts of a fleet that can wait to a pass that comes soon, for all of them. They counted no request: a request that is
/// on its way must still be ahead of whoever is to be woken by it, whatever the clocks of two machines say. `next_request`: the one
/// that is known of.
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

/// Looks again in a moment, which is as long as the shared bucket takes to fill up for one pass, and longer than most runs hold
/// a lease.
pub(crate) async fn retry_soon<P: Ports>(ports: &P, fleet: &FleetName) -> CallResult<Ran> {
    let surely_ahead = ports.now() + CLOCKS_DIFFER_MAX;
    request_at(ports, fleet, surely_ahead + SignedDuration::from_secs(1), surely_ahead).await?;
    Ok(Ran::Coalesced)
}

/// A run that holds the lease.
struct Run<'a, P> {
    ports: &'a P,
    lease: Lease,
    due: Option<Timestamp>,
    act_until: Timestamp,
    defaults: &'a Defaults,
    publisher: OutboxPublisher<'a>,
}

/// What one pass came to.
enum Pass {
    /// Nothing is left to do until the time to reconcile again.
    Quiet { recheck: Option<Timestamp> },
    /// Something was done, or is left for want of time.
    Busy { outcomes: Vec<Outcome>, recheck: Option<Timestamp> },
    /// The record or the lease is not what was read.
    Conflict,
}

impl<P: Ports> Run<'_, P> {
    async fn reconcile_until_idle(&mut self) -> CallResult<Ran> {
        let mut outcomes = Vec::new();
        for _ in 0..IMMEDIATE_RUNS_PER_MINUTE_MAX {
            let recheck = match self.pass(&outcomes).await? {
                Pass::Quiet { recheck } => recheck,
                Pass::Busy { .. } if !self.has_time() => break,
                // The same came of the same: another look at once would only do it again.
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

    /// One look: observe, decide, commit, act, notify.
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
            // Not before: what is not committed is decided again, and would count twice.
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

    /// Gives the lease back, after the request for the next pass has been sent: a crash between the two sends it twice, and
    /// never loses it.
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

    /// More news than looks or time: leaves the rest to a fresh run.
    async fn hand_over(&mut self) -> CallResult<Ran> {
        loop {
            match self.release(Some(self.ports.now())).await? {
                Released::Free => return Ok(Ran::OutOfTime),
                Released::Lost => return Ok(Ran::Overtaken),
                Released::Requested(requested) => self.take_over(requested),
            }
        }
    }

    /// Gives the lease back after an error, so that the retry need not wait for its end.
    async fn give_back(&mut self) {
        loop {
            match self.ports.release(&self.lease, self.lease.next_request).await {
                Ok(Released::Free | Released::Lost) => return,
                // Who filed the news looks for itself, and finds the lease free or sends a request for its end.
                Ok(Released::Requested(requested)) => self.take_over(requested),
                Err(error) => {
                    let fleet = &self.lease.fleet;
                    tracing::warn!(event = "lease_release_failed", %fleet, %error, "the lease could not be released");
                    return;
                }
            }
        }
    }

    /// Goes on with the lease as it was read again. A wake that this run has sent meanwhile is not in it yet, and the one
    /// that led here may still be.
    fn take_over(&mut self, requested: Lease) {
        let now = self.ports.now();
        let sent = self.lease.next_request.filter(|sent| now < *sent);
        let stored = still_to_come(requested.next_request, self.due, now);
        let next_request = sent.into_iter().chain(stored).min();
        self.lease = Lease { next_request, ..requested };
    }
}

/// One line for each transition, for each reason to wait, and for the decision. Metric filters of the template read them.
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

/// What has ended with a commit, in numbers.
fn count(fleet: &FleetName, measured: &Measured) {
    for (outcome, replacements) in &measured.replacements {
        tracing::info!(event = "replacements_ended", %fleet, outcome, replacements, "replacements ended");
    }
    if let Some((phase, lasted)) = &measured.phase_left {
        let seconds = lasted.as_secs();
        tracing::info!(event = "cutover_phase_ended", %fleet, phase, seconds, "a phase of the cutover ended");
    }
}

/// A remembered wake, unless it has arrived: its time has come, or it is the one that led here, perhaps a moment early.
fn still_to_come(next_request: Option<Timestamp>, due: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    next_request.filter(|next| now < *next && Some(*next) != due)
}

/// Sends a request, unless an earlier one is on its way. One for `arrived` or before is not: it came, or was lost.
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

/// The whole second for which a request is sent: not before the wanted time, and not farther ahead than SQS delays.
fn request_time(wanted: Timestamp, now: Timestamp) -> Timestamp {
    let wanted = wanted.max(now);
    let up = i64::from(wanted.subsec_nanosecond() > 0);
    let farthest = now.as_second() + REQUEST_DELAY_MAX.as_secs();
    Timestamp::from_second((wanted.as_second() + up).min(farthest)).unwrap_or(wanted)
}

/// SQS delays by whole seconds: rounded up, so that no request arrives before it is due.
fn delay(at: Timestamp, now: Timestamp) -> SignedDuration {
    let exact = at.duration_since(now);
    SignedDuration::from_secs(exact.as_secs() + i64::from(exact.subsec_nanos() > 0))
}
