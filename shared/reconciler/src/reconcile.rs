//! The run: lease, look, decide, commit, act, notify, release; again while there is news.

use driftless_planner::decide::{Input, decide};
use driftless_planner::decision::{Decision, Outcome};
use driftless_planner::ids::FleetName;
use driftless_planner::policy::Defaults;
use driftless_planner::sweep::fingerprint;
use driftless_planner::wake::{Wake, WakeMessage};
use jiff::{SignedDuration, Timestamp};

use crate::act::act;
use crate::observe::{first_round, observe};
use crate::ports::{Acquired, Called, Committed, Lease, Ports, Released, Stored};

/// SQS delays a message by 15 minutes at most; the sweep carries longer waits.
const WAKE_DELAY_MAX: SignedDuration = SignedDuration::from_mins(15);

/// How often one run may look. Admission, launch, the successor's id, and the termination are four; a run that is
/// still not done leaves the rest to a wake, so that no fleet keeps a function to itself.
const LOOKS_MAX: u32 = 6;

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

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// The fleet was looked at until there was no more news.
    Settled,
    /// Someone else holds the lease; a wake for its end is on its way.
    Busy,
    /// The lease or the record went to someone else meanwhile; they go on.
    Overtaken,
    /// There was more to do than time; a wake is on its way.
    OutOfTime,
}

/// Looks at one fleet and does what is to be done. `due` is the time for which the wake that led here was meant.
pub async fn reconcile<P: Ports>(
    ports: &P,
    fleet: &FleetName,
    due: Option<Timestamp>,
    holder: &str,
    times: Times,
    defaults: &Defaults,
) -> Called<Ran> {
    let now = ports.now();
    let mut lease = match ports.acquire(fleet, holder, now, now + times.lease).await? {
        Acquired::Held(lease) => lease,
        Acquired::Busy { until } => {
            // One second more: the lease must be over when the wake arrives.
            let at = until + SignedDuration::from_secs(1);
            wake_at(ports, fleet, at).await?;
            tracing::info!(%fleet, %until, "the lease is held by another run");
            return Ok(Ran::Busy);
        }
    };
    forget_arrived(&mut lease, due, now);
    let act_until = (times.deadline - times.margin).min(lease.until - times.margin);
    let mut outcomes = Vec::new();
    for _ in 0..LOOKS_MAX {
        let look = match look(ports, &lease, &outcomes, act_until, defaults).await {
            Ok(look) => look,
            Err(error) => {
                // The lease is given back, so that the retry need not wait for its end.
                if let Err(also) = ports.release(&lease, lease.next_wake).await {
                    tracing::warn!(%fleet, error = %also, "the lease could not be given back");
                }
                return Err(error);
            }
        };
        let Some(look) = look else { return Ok(Ran::Overtaken) };
        outcomes = look.outcomes;
        if !outcomes.is_empty() && ports.now() < act_until {
            continue;
        }
        let recheck = if outcomes.is_empty() { look.recheck } else { Some(ports.now()) };
        match let_go(ports, &lease, recheck).await? {
            Released::Free => return Ok(Ran::Settled),
            Released::Lost => return Ok(Ran::Overtaken),
            Released::Woken(woken) if ports.now() < act_until => lease = woken,
            Released::Woken(woken) => {
                lease = woken;
                break;
            }
        }
    }
    // More news than looks or time: hand over to a fresh run.
    ports.send(&wake(fleet, None), SignedDuration::ZERO).await?;
    while let Released::Woken(woken) = ports.release(&lease, lease.next_wake).await? {
        lease = woken;
    }
    Ok(Ran::OutOfTime)
}

struct Look {
    outcomes: Vec<Outcome>,
    recheck: Option<Timestamp>,
}

/// One look: observe, decide, commit, act, notify. None: someone else has overtaken us.
async fn look<P: Ports>(
    ports: &P,
    lease: &Lease,
    outcomes: &[Outcome],
    act_until: Timestamp,
    defaults: &Defaults,
) -> Called<Option<Look>> {
    let fleet = &lease.fleet;
    let (groups, stored) = first_round(ports, fleet).await;
    let (groups, stored) = (groups?, stored?);
    let seen_as = fingerprint(&groups);
    let record = stored.record.as_ref();
    let seen = observe(ports, fleet, groups, record, defaults).await?;
    let now = ports.now();
    let decision = decide(Input {
        fleet,
        record,
        facts: &stored.facts,
        outcomes,
        freezes: &stored.freezes,
        seen: &seen,
        defaults,
        now,
    });
    report(fleet, &decision);
    if decision.changed {
        let read_version = record.map(|record| record.version);
        if ports.commit(lease, read_version, &decision, now).await? == Committed::Conflict {
            tracing::warn!(%fleet, "the record or the lease changed hands; leaving it to the other run");
            return Ok(None);
        }
    }
    let outcomes = act(ports, fleet, &decision.actions, act_until).await;
    notify(ports, &stored, &decision).await?;
    if stored.fingerprint.as_ref() != Some(&seen_as) {
        ports.remember(fleet, &seen_as).await?;
    }
    Ok(Some(Look { outcomes, recheck: decision.recheck }))
}

/// Sends what the outbox holds, older messages first. Each is dropped only after it was sent: a crash repeats, and never
/// omits.
async fn notify<P: Ports>(ports: &P, stored: &Stored, decision: &Decision) -> Called<()> {
    let fleet = &decision.next.fleet;
    for notification in stored.outbox.iter().chain(&decision.notifications) {
        ports.publish(notification).await?;
        ports.told(fleet, std::slice::from_ref(&notification.id)).await?;
    }
    Ok(())
}

/// One line for each decision: what changes, and why the rest waits.
fn report(fleet: &FleetName, decision: &Decision) {
    for entry in &decision.journal {
        let instance = entry.instance.as_ref().map(ToString::to_string);
        tracing::info!(%fleet, instance, from = entry.from, to = entry.to, why = %entry.why, "transition");
    }
    let waiting: Vec<String> = decision.waiting.iter().map(|(id, why)| format!("{id}: {why}")).collect();
    let actions: Vec<&str> = decision.actions.iter().map(driftless_planner::decision::Action::name).collect();
    tracing::info!(%fleet, ?actions, ?waiting, recheck = ?decision.recheck, changed = decision.changed, "decided");
}

/// The delayed wake that led here is no longer on its way.
fn forget_arrived(lease: &mut Lease, due: Option<Timestamp>, now: Timestamp) {
    if lease.next_wake.is_some_and(|next| next <= now || Some(next) == due) {
        lease.next_wake = None;
    }
}

/// Gives the lease back, after the wake for the next look has been sent: a crash between the two sends it twice, and
/// never loses it.
async fn let_go<P: Ports>(ports: &P, lease: &Lease, recheck: Option<Timestamp>) -> Called<Released> {
    let now = ports.now();
    let wanted = recheck.map(|at| at.clamp(now, now + WAKE_DELAY_MAX));
    let next_wake = match (wanted, lease.next_wake) {
        (Some(at), Some(on_its_way)) if on_its_way <= at => Some(on_its_way),
        (Some(at), _) => {
            let at = whole_second_after(at);
            ports.send(&wake(&lease.fleet, Some(at)), at.duration_since(now)).await?;
            Some(at)
        }
        (None, on_its_way) => on_its_way,
    };
    ports.release(lease, next_wake).await
}

async fn wake_at<P: Ports>(ports: &P, fleet: &FleetName, at: Timestamp) -> Called<()> {
    let at = whole_second_after(at);
    let now = ports.now();
    if ports.claim_wake(fleet, at, now).await? {
        ports.send(&wake(fleet, Some(at)), at.duration_since(now).min(WAKE_DELAY_MAX)).await?;
    }
    Ok(())
}

fn wake(fleet: &FleetName, due: Option<Timestamp>) -> WakeMessage {
    WakeMessage::Wake(Wake { fleet: fleet.clone(), due })
}

/// SQS delays by whole seconds: a wake that is due at one is never early by a fraction.
fn whole_second_after(at: Timestamp) -> Timestamp {
    let seconds = if at.subsec_nanosecond() > 0 { at.as_second() + 1 } else { at.as_second() };
    Timestamp::from_second(seconds).unwrap_or(at)
}
