//! Stores facts. The fleets of a fact's subject are found in the index or, if the index does not know the subject, by
//! AWS calls. The fact is written in one transaction with the fleet's count of reconcile requests or, if the fact can
//! wait, with its deduplication mark.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::fact::{Fact, ImageChange, Subject};
use driftless_planner::ids::{FleetName, GroupName, ImageId, InstanceId};
use driftless_planner::image::Image;
use driftless_planner::request::ReconcileRequest;
use futures_util::future::try_join_all;
use jiff::SignedDuration;

use crate::ports::{CallResult, Deduplication, Ports, StoreResult};

/// The fleets of each subject. A subject that belongs to no fleet is absent.
pub type FleetsOf = BTreeMap<Subject, BTreeSet<FleetName>>;

/// The waits before an untagged image is read again: EC2 may report an image before its tags are written. The two reads
/// are 1 minute and 3 minutes after the report; tags that are written later are found by the resync.
const UNTAGGED_AGAIN_AFTER: [SignedDuration; 2] = [SignedDuration::from_mins(1), SignedDuration::from_mins(2)];

/// The result of storing a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactOutcome {
    /// The fact was stored for these fleets, which must be reconciled.
    With(BTreeSet<FleetName>),
    /// Every fleet that the fact concerns had stored the fact before.
    Known,
    /// The image has no fleet tag yet. A delayed message reads the image again.
    AskedAgainLater,
    /// The subject belongs to no fleet or no longer exists, so nothing is lost.
    NotOurs,
}

/// Finds the fleets of facts: by one read of the index for all facts, then by batched AWS calls for the subjects that
/// the index does not know.
pub async fn fleets_of<P: Ports>(ports: &P, facts: &[Fact]) -> CallResult<FleetsOf> {
    let mut found = FleetsOf::new();
    let mut asked = BTreeSet::new();
    let mut images = BTreeSet::new();
    for subject in facts.iter().map(Fact::subject) {
        match &subject {
            Subject::Fleet(fleet) => {
                found.insert(subject.clone(), BTreeSet::from([fleet.clone()]));
            }
            Subject::Instance(_) | Subject::Group(_) | Subject::TargetGroup(_) | Subject::Alarm(_) => {
                asked.insert(subject);
            }
            // The fleet tag of an image can change, so images are always read from EC2 and never indexed.
            Subject::Image(_) | Subject::ImageBuilder(_) => {
                images.insert(subject);
            }
        }
    }
    found.extend(fleets_of_images(ports, &images).await?);
    if asked.is_empty() {
        return Ok(found);
    }
    let indexed = ports.indexed(&asked).await?;
    let missing: BTreeSet<Subject> = asked.iter().filter(|subject| !indexed.contains_key(subject)).cloned().collect();
    found.extend(indexed);
    let resolved = ask_auto_scaling(ports, &missing).await?;
    if !resolved.is_empty() {
        ports.index(&resolved, ports.now()).await?;
    }
    found.extend(resolved.into_iter().filter(|(subject, _)| asked.contains(subject)));
    found.retain(|_, fleets| !fleets.is_empty());
    Ok(found)
}

async fn fleets_of_images<P: Ports>(ports: &P, subjects: &BTreeSet<Subject>) -> CallResult<FleetsOf> {
    let ids: BTreeSet<ImageId> = subjects
        .iter()
        .filter_map(|subject| if let Subject::Image(id) = subject { Some(id.clone()) } else { None })
        .collect();
    let known = if ids.is_empty() { BTreeMap::new() } else { ports.images(&ids).await? };
    let built: Vec<&str> = subjects
        .iter()
        .filter_map(|subject| if let Subject::ImageBuilder(arn) = subject { Some(arn.as_str()) } else { None })
        .collect();
    let built = try_join_all(built.into_iter().map(async |arn| Ok((arn, ports.images_built_as(arn).await?)))).await?;
    let of_built = built.into_iter().map(|(arn, images)| {
        let fleets = images.iter().filter_map(fleet_of_image).collect();
        (Subject::ImageBuilder(arn.to_owned()), fleets)
    });
    let of_known = known.values().map(|image| {
        let fleets = fleet_of_image(image).into_iter().collect();
        (Subject::Image(image.id.clone()), fleets)
    });
    Ok(of_built.chain(of_known).filter(|(_, fleets): &(_, BTreeSet<FleetName>)| !fleets.is_empty()).collect())
}

/// The fleet that an image is tagged for. Only images of this account count, because another account could share an
/// image with any tag.
fn fleet_of_image(image: &Image) -> Option<FleetName> {
    image.image_for.as_ref().filter(|_| image.is_own).and_then(|fleet| fleet.as_str().parse().ok())
}

/// Finds the fleets of instances and groups with Auto Scaling. Target groups and alarms are found only in the index,
/// which the resync maintains.
///
/// The result covers all instances of each group, because in an event burst the other instances are reported next. An
/// instance that belongs to no fleet is indexed as such, because AWS Config evaluates every instance of the account. If
/// it joins a fleet before the entry expires, the resync finds its drift.
async fn ask_auto_scaling<P: Ports>(ports: &P, missing: &BTreeSet<Subject>) -> CallResult<FleetsOf> {
    let instances: BTreeSet<InstanceId> = missing
        .iter()
        .filter_map(|subject| if let Subject::Instance(id) = subject { Some(id.clone()) } else { None })
        .collect();
    let groups_of = if instances.is_empty() { BTreeMap::new() } else { ports.groups_of_instances(&instances).await? };
    let named = missing.iter().filter_map(|subject| if let Subject::Group(name) = subject { Some(name) } else { None });
    let groups: BTreeSet<GroupName> = named.chain(groups_of.values()).cloned().collect();
    let known = if groups.is_empty() { BTreeMap::new() } else { ports.fleets_of_groups(&groups).await? };
    let mut found: FleetsOf = instances.into_iter().map(|id| (Subject::Instance(id), BTreeSet::new())).collect();
    for (group, members) in known {
        let subjects = members.instances.into_iter().map(Subject::Instance);
        let asked = groups_of.iter().filter(|(_, of)| **of == group).map(|(id, _)| Subject::Instance(id.clone()));
        for subject in subjects.chain(asked) {
            found.insert(subject, BTreeSet::from([members.fleet.clone()]));
        }
        found.insert(Subject::Group(group), BTreeSet::from([members.fleet]));
    }
    Ok(found)
}

/// Stores one fact for each of its fleets, unless the deduplication marks show that the fleet already has it.
/// `attempts` is the number of earlier reads of the fact's image that found no fleet tag.
pub async fn store<P: Ports>(
    ports: &P,
    fact: &Fact,
    fleets: &FleetsOf,
    deduplication: &Deduplication,
    attempts: u32,
) -> CallResult<FactOutcome> {
    let now = ports.now();
    if let Some(fleets) = fleets.get(&fact.subject()) {
        let mut stored = BTreeSet::new();
        for fleet in fleets {
            let heard = deduplication.observed_at.get(&(fleet.clone(), fact.key()));
            // Compared in milliseconds, the precision of the stored time.
            if heard.is_some_and(|heard| heard.as_millisecond() >= fact.observed_at().as_millisecond()) {
                continue;
            }
            if ports.store(fleet, fact, now).await? == StoreResult::Stored {
                stored.insert(fleet.clone());
            }
        }
        return Ok(if stored.is_empty() { FactOutcome::Known } else { FactOutcome::With(stored) });
    }
    let again = usize::try_from(attempts).ok().and_then(|attempts| UNTAGGED_AGAIN_AFTER.get(attempts));
    match (fact, again) {
        (Fact::Image(image), Some(delay)) if image.change == ImageChange::Available => {
            let message = ReconcileRequest::Untagged { fact: Box::new(fact.clone()), attempts: attempts + 1 };
            ports.send(&message, *delay).await?;
            Ok(FactOutcome::AskedAgainLater)
        }
        // Config evaluates every instance of the account and EC2 reports every image; most belong to no fleet.
        _ => Ok(FactOutcome::NotOurs),
    }
}
