//! Contracts about the lease of a fleet: it has one holder at a time, each acquisition has a higher fencing number, and
//! no request is lost.

use anyhow::{bail, ensure};
use driftless_reconciler::ports::{Acquired, Clock as _, Released, Store as _};
use futures_util::future::try_join_all;
use jiff::SignedDuration;

use crate::World;
use crate::support::{LEASE, STEP, fact, fleet, lease, stored};

pub(crate) async fn a_lease_is_held_by_one_holder_until_its_very_end<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("lease-one")?);
    let first = lease(ports, &fleet, "first").await?;
    for at in [first.until - LEASE, first.until - STEP] {
        let answer = ports.acquire(&fleet, "second", at, at + LEASE).await?;
        ensure!(answer == Acquired::Busy { until: first.until }, "at {at}: {answer:?}");
    }
    let answer = ports.acquire(&fleet, "second", first.until, first.until + LEASE).await?;
    ensure!(matches!(&answer, Acquired::Held(second) if second.holder == "second"), "{answer:?}");
    Ok(())
}

pub(crate) async fn each_holder_has_a_higher_fence_also_the_same_one_again<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("lease-fence")?);
    let first = lease(ports, &fleet, "first").await?;
    let again = lease(ports, &fleet, "first").await?;
    ensure!(again.fence > first.fence, "{} after {}", again.fence, first.fence);
    ensure!(ports.release(&again, None).await? == Released::Free);
    let second = lease(ports, &fleet, "second").await?;
    ensure!(second.fence > again.fence, "{} after {}", second.fence, again.fence);
    Ok(())
}

pub(crate) async fn a_lease_is_given_back_once_and_only_by_its_holder<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("lease-back")?);
    let first = lease(ports, &fleet, "first").await?;
    let now = first.until;
    let Acquired::Held(second) = ports.acquire(&fleet, "second", now, now + LEASE).await? else {
        bail!("the lease is over, and still held");
    };
    let late = ports.release(&first, Some(now)).await?;
    ensure!(late == Released::Lost, "whoever wakes up late: {late:?}");
    let third = ports.acquire(&fleet, "third", now, now + LEASE).await?;
    ensure!(matches!(third, Acquired::Busy { .. }), "it is the second one's still: {third:?}");
    ensure!(ports.release(&second, None).await? == Released::Free);
    let twice = ports.release(&second, None).await?;
    ensure!(twice == Released::Lost, "a second time: {twice:?}");
    Ok(())
}

pub(crate) async fn a_lease_that_is_over_and_that_nobody_took_can_be_given_back<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("lease-over")?);
    let long_ago = ports.now() - SignedDuration::from_hours(1);
    let Acquired::Held(lease) = ports.acquire(&fleet, "first", long_ago, long_ago + LEASE).await? else {
        bail!("a lease that nobody has is not free");
    };
    let answer = ports.release(&lease, None).await?;
    ensure!(answer == Released::Free, "{answer:?}");
    Ok(())
}

pub(crate) async fn a_request_that_came_since_the_lease_was_read_keeps_it_from_being_given_back<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("lease-woken")?);
    let first = lease(ports, &fleet, "first").await?;
    let now = ports.now();
    ports.store(&fleet, &fact(&fleet, "one", now), now).await?;
    let Released::Requested(requested) = ports.release(&first, None).await? else { bail!("a wake was lost") };
    ensure!(
        requested.requests == first.requests + 1 && requested.fence == first.fence,
        "{requested:?} after {first:?}"
    );
    ensure!(requested.until == first.until, "it is no longer one");
    let second = ports.acquire(&fleet, "second", now, now + LEASE).await?;
    ensure!(second == Acquired::Busy { until: first.until }, "it is still held: {second:?}");
    ensure!(ports.release(&requested, None).await? == Released::Free);
    Ok(())
}

pub(crate) async fn the_next_request_is_remembered_and_only_an_earlier_one_is_claimed<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("lease-wake")?);
    let first = lease(ports, &fleet, "first").await?;
    ensure!(first.next_request.is_none(), "{:?}", first.next_request);
    let now = stored(ports.now())?;
    let at = now + SignedDuration::from_mins(5);
    ensure!(ports.release(&first, Some(at)).await? == Released::Free);
    let second = lease(ports, &fleet, "second").await?;
    ensure!(second.next_request == Some(at), "{:?} for {at}", second.next_request);
    ensure!(!ports.claim_request(&fleet, at + STEP, now).await?, "a later one");
    ensure!(!ports.claim_request(&fleet, at, now).await?, "the same one");
    ensure!(ports.claim_request(&fleet, at - STEP, now).await?, "an earlier one");
    ensure!(!ports.claim_request(&fleet, at, at - STEP - STEP).await?, "the one on its way is still to come");
    ensure!(ports.claim_request(&fleet, at, at - STEP).await?, "its time has come: it arrived, or was lost");
    // The release states the pending delayed request: none.
    ensure!(ports.release(&second, None).await? == Released::Free);
    ensure!(lease(ports, &fleet, "third").await?.next_request.is_none());
    Ok(())
}

pub(crate) async fn times_are_kept_in_milliseconds<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("lease-ms")?);
    let now = stored(ports.now())? + SignedDuration::from_micros(400);
    let Acquired::Held(lease) = ports.acquire(&fleet, "first", now, now + LEASE).await? else { bail!("not free") };
    ensure!(lease.until == stored(now + LEASE)?, "{} for {}", lease.until, now + LEASE);
    let at = now + SignedDuration::from_mins(5);
    ensure!(ports.release(&lease, Some(at)).await? == Released::Free);
    let again = crate::support::lease(ports, &fleet, "second").await?;
    ensure!(again.next_request == Some(stored(at)?), "{:?} for {at}", again.next_request);
    Ok(())
}

pub(crate) async fn of_several_that_ask_at_once_one_gets_the_lease<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, fleet) = (world.ports(), fleet("lease-race")?);
    let holders: Vec<String> = (0..6).map(|number| format!("holder-{number}")).collect();
    for round in 0..3 {
        let now = ports.now() + LEASE * round;
        let asked = holders.iter().map(|holder| ports.acquire(&fleet, holder, now, now + LEASE));
        let answers = try_join_all(asked).await?;
        let held = answers.iter().filter(|answer| matches!(answer, Acquired::Held(_))).count();
        ensure!(held == 1, "{held} hold it: {answers:?}");
    }
    Ok(())
}
