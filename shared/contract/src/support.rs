//! Helpers of the contracts.

use anyhow::{Context as _, bail};
use driftless_planner::decision::Decision;
use driftless_planner::fact::{Command, CommandFact, Fact};
use driftless_planner::ids::FleetName;
use driftless_planner::record::Record;
use driftless_reconciler::ports::{Acquired, Lease, Ports};
use jiff::{SignedDuration, Timestamp};

use crate::World;

/// How long a lease lasts.
pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(40);
/// The resolution of a stored time.
pub(crate) const STEP: SignedDuration = SignedDuration::from_millis(1);

/// The name of a fleet, for contracts about a fleet that exists only in the table.
pub(crate) fn fleet(name: &str) -> anyhow::Result<FleetName> {
    name.parse().context("a fleet name")
}

/// Takes the lease of a fleet, for [`LEASE`] from now on.
pub(crate) async fn lease(ports: &impl Ports, fleet: &FleetName, holder: &str) -> anyhow::Result<Lease> {
    let now = ports.now();
    match ports.acquire(fleet, holder, now, now + LEASE).await? {
        Acquired::Held(lease) => Ok(lease),
        Acquired::Busy { until } => bail!("the lease of {fleet} is another one's until {until}"),
    }
}

/// The fact of a command, with this request id.
pub(crate) fn fact(fleet: &FleetName, request: &str, at: Timestamp) -> Fact {
    Fact::Command(CommandFact {
        request: request.to_owned(),
        fleet: fleet.clone(),
        actor: "ana".into(),
        at,
        reason: None,
        cutover: None,
        command: Command::Retry,
    })
}

/// A decision that changes nothing but the version.
pub(crate) fn decision(fleet: &FleetName, version: u64) -> Decision {
    let mut next = Record::new(fleet.clone());
    next.version = version;
    Decision::keeping(next)
}

/// Repeats `reconcile` until it returns a value. None means that there is no value yet.
pub(crate) async fn eventually<W: World, T>(
    world: &W,
    awaited: &str,
    mut reconcile: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    for _ in 0..world.patience() {
        if let Some(found) = reconcile().await? {
            return Ok(found);
        }
        world.moment().await;
    }
    bail!("waited in vain: {awaited}")
}

/// A time as the table stores it, in milliseconds.
pub(crate) fn stored(at: Timestamp) -> anyhow::Result<Timestamp> {
    Ok(Timestamp::from_millisecond(at.as_millisecond())?)
}
