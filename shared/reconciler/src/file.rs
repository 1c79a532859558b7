//! Filing facts: subject → fleet, by the index, else by AWS; then the fact and the fleet's count of wakes, together.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::fact::{Fact, Subject};
use driftless_planner::ids::{FleetName, GroupName, InstanceId};

use crate::ports::{Called, Ports};

/// Where a fact went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filed {
    /// Stored with this fleet, which must be looked at.
    With(FleetName),
    /// Kept with the account: no fleet is known for it yet.
    Kept,
    /// What it is about belongs to no fleet, or is gone: nothing to do, and nothing lost.
    NotOurs,
}

/// Finds the fleets of facts: one read of the index for all, then at most two batched calls to Auto Scaling for those
/// that it does not know.
pub async fn fleets_of<P: Ports>(ports: &P, facts: &[Fact]) -> Called<BTreeMap<Subject, FleetName>> {
    let subjects: BTreeSet<Subject> = facts.iter().map(Fact::subject).collect();
    let mut asked: BTreeSet<Subject> = BTreeSet::new();
    let mut found: BTreeMap<Subject, FleetName> = BTreeMap::new();
    for subject in subjects {
        match &subject {
            Subject::Fleet(fleet) => {
                found.insert(subject.clone(), fleet.clone());
            }
            Subject::Instance(_) | Subject::Group(_) => {
                asked.insert(subject);
            }
            Subject::Account => {}
        }
    }
    if asked.is_empty() {
        return Ok(found);
    }
    let indexed = ports.indexed(&asked).await?;
    let missing: BTreeSet<Subject> = asked.into_iter().filter(|subject| !indexed.contains_key(subject)).collect();
    found.extend(indexed);
    if !missing.is_empty() {
        let resolved = ask_auto_scaling(ports, &missing).await?;
        if !resolved.is_empty() {
            ports.index(&resolved, ports.now()).await?;
        }
        found.extend(resolved);
    }
    Ok(found)
}

async fn ask_auto_scaling<P: Ports>(ports: &P, missing: &BTreeSet<Subject>) -> Called<BTreeMap<Subject, FleetName>> {
    let instances: BTreeSet<InstanceId> = missing
        .iter()
        .filter_map(|subject| if let Subject::Instance(id) = subject { Some(id.clone()) } else { None })
        .collect();
    let groups_of = if instances.is_empty() { BTreeMap::new() } else { ports.groups_of_instances(&instances).await? };
    let named = missing.iter().filter_map(|subject| if let Subject::Group(name) = subject { Some(name) } else { None });
    let groups: BTreeSet<GroupName> = named.chain(groups_of.values()).cloned().collect();
    let fleets = if groups.is_empty() { BTreeMap::new() } else { ports.fleets_of_groups(&groups).await? };
    let fleet_of = |subject: &Subject| match subject {
        Subject::Instance(id) => groups_of.get(id).and_then(|group| fleets.get(group)),
        Subject::Group(name) => fleets.get(name),
        Subject::Fleet(_) | Subject::Account => None,
    };
    Ok(missing.iter().filter_map(|subject| Some((subject.clone(), fleet_of(subject)?.clone()))).collect())
}

/// Stores one fact where it belongs.
pub async fn file<P: Ports>(ports: &P, fact: &Fact, fleets: &BTreeMap<Subject, FleetName>) -> Called<Filed> {
    let subject = fact.subject();
    let now = ports.now();
    match fleets.get(&subject) {
        Some(fleet) => {
            ports.file(fleet, fact, now).await?;
            Ok(Filed::With(fleet.clone()))
        }
        // Config judges every instance of the account; most belong to nobody's fleet. What the engine cannot place
        // yet, such as an image without a fleet, is kept.
        None if fact.is_used() => Ok(Filed::NotOurs),
        None => {
            ports.keep(fact, now).await?;
            Ok(Filed::Kept)
        }
    }
}
