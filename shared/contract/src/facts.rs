//! Contracts about facts: each fact is stored once, the newest fact with a key wins, and the decision that read a fact
//! consumes it.

use anyhow::ensure;
use driftless_planner::burst::IMMEDIATE_RUNS_PER_MINUTE_MAX;
use driftless_planner::fact::{ComplianceFact, ComplianceType, Fact};
use driftless_planner::ids::FleetName;
use driftless_reconciler::ports::{Clock as _, Committed, Deduplication, Ports, Released, Store as _, StoreResult};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};

use crate::World;
use crate::support::{STEP, decision, eventually, fact, fleet, lease, stored};

async fn facts(ports: &impl Ports, fleet: &FleetName) -> anyhow::Result<Vec<Fact>> {
    Ok(ports.load(fleet).await?.facts)
}

pub(crate) async fn a_fact_is_stored_with_its_key_and_only_a_newer_one_takes_its_place<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("fact-key")?);
    let now = stored(ports.now())?;
    ensure!(facts(ports, &fleet).await?.is_empty());
    let told = |at| fact(&fleet, "one", at);
    for (at, stands) in [(now, now), (now, now), (now - STEP, now), (now + STEP, now + STEP)] {
        ports.store(&fleet, &told(at), now).await?;
        let found = facts(ports, &fleet).await?;
        ensure!(found == [told(stands)], "after {at}: {found:?}");
    }
    ports.store(&fleet, &fact(&fleet, "two", now - STEP), now).await?;
    let found = facts(ports, &fleet).await?;
    ensure!(found == [told(now + STEP), fact(&fleet, "two", now - STEP)], "another key is another fact: {found:?}");
    Ok(())
}

pub(crate) async fn only_a_fact_that_is_stored_counts_a_request<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("fact-wakes")?);
    let now = stored(ports.now())?;
    let mut requests = lease(ports, &fleet, "first").await?.requests;
    for (at, counts) in [(now, 1), (now, 0), (now - STEP, 0), (now + STEP, 1)] {
        ports.store(&fleet, &fact(&fleet, "one", at), now).await?;
        let counted = lease(ports, &fleet, "first").await?.requests;
        ensure!(counted == requests + counts, "{counted} after {requests}, for a fact of {at}");
        requests = counted;
    }
    Ok(())
}

pub(crate) async fn a_fact_is_consumed_once_and_others_stay<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("fact-once")?);
    let now = stored(ports.now())?;
    let (one, two) = (fact(&fleet, "one", now), fact(&fleet, "two", now));
    ports.store(&fleet, &one, now).await?;
    ports.store(&fleet, &two, now).await?;
    let held = lease(ports, &fleet, "first").await?;
    let mut decided = decision(&fleet, 1);
    // A fact that does not exist or is named twice is consumed without an error.
    decided.consumed = vec![one.key(), one.key(), "command#never-sent".to_owned()];
    ensure!(ports.commit(&held, None, &decided, now).await? == Committed::Yes);
    let found = facts(ports, &fleet).await?;
    ensure!(found == [two.clone()], "{found:?}");
    ensure!(ports.release(&held, None).await? == Released::Free, "consuming counts no wake");
    // A repeated command is stored again: consumed commands are not kept for deduplication.
    ports.store(&fleet, &one, now).await?;
    let found = facts(ports, &fleet).await?;
    ensure!(found == [one, two], "{found:?}");
    Ok(())
}

/// The fact of a non-compliant instance. Such a fact can wait.
fn verdict(at: Timestamp) -> anyhow::Result<Fact> {
    let (instance, rule) = ("i-0123456789abcdef0".parse()?, "approved-amis".parse()?);
    let verdict = ComplianceType::NonCompliant;
    Ok(Fact::Compliance(ComplianceFact { instance, rule, verdict, observed_at: at, annotation: None }))
}

pub(crate) async fn a_fact_that_can_wait_counts_no_request_and_is_known_after_it_was_consumed<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("fact-heard")?);
    let now = stored(ports.now())?;
    let held = lease(ports, &fleet, "first").await?;
    let told = [(now, StoreResult::Stored), (now, StoreResult::Known), (now - STEP, StoreResult::Known)];
    for (at, expected) in told {
        let filing = ports.store(&fleet, &verdict(at)?, now).await?;
        ensure!(filing == expected, "at {at}: {filing:?}");
    }
    ensure!(facts(ports, &fleet).await? == [verdict(now)?]);
    let mut decided = decision(&fleet, 1);
    decided.consumed = vec![verdict(now)?.key()];
    ensure!(ports.commit(&held, None, &decided, now).await? == Committed::Yes);
    for (at, expected) in
        [(now - STEP, StoreResult::Known), (now, StoreResult::Known), (now + STEP, StoreResult::Stored)]
    {
        let filing = ports.store(&fleet, &verdict(at)?, now).await?;
        ensure!(filing == expected, "at {at}: {filing:?}");
        ensure!(facts(ports, &fleet).await?.is_empty() == (expected == StoreResult::Known), "at {at}");
    }
    ensure!(ports.release(&held, None).await? == Released::Free, "who filed them sees to the look");
    Ok(())
}

pub(crate) async fn what_was_heard_and_the_request_on_its_way_are_remembered<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, heard, silent) = (world.ports(), fleet("fact-known")?, fleet("fact-unknown")?);
    let now = stored(ports.now())?;
    let fact = verdict(now)?;
    ports.store(&heard, &fact, now).await?;
    ensure!(ports.claim_request(&heard, now + STEP, now).await?, "nothing is on its way");
    let asked = [(&heard, &fact), (&silent, &fact)];
    let expected = Deduplication {
        observed_at: [((heard.clone(), fact.key()), now)].into(),
        next_requests: [(heard.clone(), now + STEP)].into(),
    };
    eventually(world, "what was just written is read", async || {
        let deduplication = ports.deduplication(&asked).await?;
        Ok((deduplication == expected).then_some(()))
    })
    .await
}

pub(crate) async fn so_many_looks_are_taken_on_the_spot_in_a_minute_and_none_more<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    // A minute that no other contract uses.
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
    let moment = SignedDuration::from_millis(59_999);
    for taken in 0..IMMEDIATE_RUNS_PER_MINUTE_MAX {
        ensure!(ports.take_immediate_run(now).await?, "the one after {taken}");
    }
    ensure!(!ports.take_immediate_run(now + moment).await?, "none is left of the minute");
    ensure!(ports.take_immediate_run(now + moment + STEP).await?, "the next minute has its own");
    Ok(())
}

pub(crate) async fn a_fact_that_came_since_the_lease_was_read_is_not_dropped_unread<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("fact-late")?);
    let now = stored(ports.now())?;
    let (old, new) = (fact(&fleet, "one", now), fact(&fleet, "one", now + STEP));
    ports.store(&fleet, &old, now).await?;
    let held = lease(ports, &fleet, "first").await?;
    ports.store(&fleet, &new, now).await?;
    let mut decided = decision(&fleet, 1);
    decided.consumed = vec![old.key()];
    ensure!(ports.commit(&held, None, &decided, now).await? == Committed::Yes, "what was decided stands all the same");
    let found = facts(ports, &fleet).await?;
    ensure!(found == [new], "{found:?}");
    ensure!(matches!(ports.release(&held, None).await?, Released::Requested(_)), "and the newer one is looked at");
    Ok(())
}

pub(crate) async fn facts_that_come_at_once_are_all_stored_and_all_counted<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("fact-race")?);
    let now = stored(ports.now())?;
    let before = lease(ports, &fleet, "first").await?.requests;
    let told: Vec<Fact> = (0..6).map(|number| fact(&fleet, &format!("at-once-{number}"), now)).collect();
    // Each fact twice: the second one is a repetition.
    try_join_all(told.iter().chain(&told).map(|fact| ports.store(&fleet, fact, now))).await?;
    let found = facts(ports, &fleet).await?;
    ensure!(found == told, "{found:?}");
    let counted = lease(ports, &fleet, "first").await?.requests - before;
    ensure!(counted == 6, "{counted} wakes");
    Ok(())
}
