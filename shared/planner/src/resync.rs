//! The resync finds work whose events were lost. It reads in batches over all fleets and requests a pass for each fleet
//! with work. It makes no other decision.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::alarm::{Alarm, AlarmPattern};
use crate::fact::Subject;
use crate::fleet::{FLEET_TAG, Layout};
use crate::hash::fnv1a;
use crate::ids::{AlarmName, FleetName, InstanceId, RuleName};
use crate::image::Image;
use crate::observation::{Group, RuleReading};
use crate::policy::{Defaults, Policy, own_tags};

/// The result of a resync.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resynced {
    /// Fleets that need a pass, each with the reason.
    pub requests: BTreeMap<FleetName, Reason>,
    /// By fleet: the number of instances that break a Config rule of the fleet's policy. A fleet without such an
    /// instance has the number 0.
    pub non_compliant: BTreeMap<FleetName, usize>,
    /// The age of the oldest work that Driftless must finish by itself. Zero: there is none.
    pub oldest_open_work: SignedDuration,
    /// Tag values that are not valid fleet names, with the groups that carry them.
    pub misnamed: Vec<String>,
}

/// Why the resync requests a pass for a fleet, the most urgent reason first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// An alarm of the fleet's policy is in ALARM.
    AlarmInAlarm,
    WorkIsOpen,
    /// Work is in progress, and the groups of the fleet no longer exist.
    GroupsAreGone,
    /// An instance of the fleet breaks a Config rule of the fleet's policy.
    InstanceDrifted,
    /// The groups, the policy or the images of the fleet changed, or an hour has passed.
    FleetChanged,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AlarmInAlarm => "an alarm of its policy is in ALARM",
            Self::WorkIsOpen => "work is open",
            Self::GroupsAreGone => "work is open, and its groups are gone",
            Self::InstanceDrifted => "an instance breaks a rule of the list",
            Self::FleetChanged => "its groups, its policy or its images changed, or an hour has passed",
        })
    }
}

impl Resynced {
    /// The fleets that need a pass, the most urgent first.
    pub fn in_order(&self) -> Vec<(&FleetName, Reason)> {
        let mut requests: Vec<_> = self.requests.iter().map(|(fleet, reason)| (fleet, *reason)).collect();
        requests.sort_by_key(|(_, reason)| *reason);
        requests
    }
}

/// The groups of one fleet, as the resync reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    pub groups: Vec<Group>,
    /// The policy that the tags of the groups set. None: the policy is invalid or the groups form no fleet. The resync
    /// then knows no rules, and the fleet's fingerprint causes a pass, in which the planner notifies on-call.
    pub policy: Option<Policy>,
}

/// The fleets among the groups of an account and region, and the tags with invalid fleet names.
pub fn fleets(groups: Vec<Group>, defaults: &Defaults) -> (BTreeMap<FleetName, Fleet>, Vec<String>) {
    let mut fleets: BTreeMap<FleetName, Vec<Group>> = BTreeMap::new();
    let mut misnamed = Vec::new();
    for group in groups {
        let Some(value) = group.tags.get(FLEET_TAG) else { continue };
        match value.parse::<FleetName>() {
            Ok(fleet) => fleets.entry(fleet).or_default().push(group),
            Err(error) => misnamed.push(format!("{}: {error}", group.name)),
        }
    }
    let with_policy = |(name, groups): (FleetName, Vec<Group>)| {
        let policy = Layout::of(&name, &groups).ok().and_then(|layout| layout.policy(defaults).ok());
        (name, Fleet { groups, policy })
    };
    (fleets.into_iter().map(with_policy).collect(), misnamed)
}

/// The Config rules of all policies, without duplicates, so that each rule is read once.
pub fn rules(fleets: &BTreeMap<FleetName, Fleet>) -> BTreeSet<RuleName> {
    policies(fleets).flat_map(|policy| policy.rules.iter().cloned()).collect()
}

fn policies(fleets: &BTreeMap<FleetName, Fleet>) -> impl Iterator<Item = &Policy> {
    fleets.values().filter_map(|fleet| fleet.policy.as_ref())
}

/// A fingerprint of the fleet; a changed fingerprint causes a pass. It changes with the groups, the policy or the
/// images of the fleet. It also changes once an hour, at a time that differs between fleets, because age and versions
/// cause drift without an event. `images`: the images that are tagged for the fleet.
pub fn fingerprint(fleet: &FleetName, groups: &[Group], images: &[Image], now: Timestamp) -> String {
    let mut described: Vec<String> = groups
        .iter()
        .map(|group| {
            let tags: Vec<String> = own_tags(&group.tags).map(|(key, value)| format!("{key}={value}")).collect();
            let color = group.tags.get(crate::fleet::COLOR_TAG).map_or("-", String::as_str);
            format!("{} {color} {:?} {} {:?}", group.name, group.template, tags.join(","), group.unsupported)
        })
        .chain(images.iter().map(|image| format!("{} {:?} {:?}", image.id, image.state, image.build)))
        .collect();
    described.sort();
    described.push(format!("hour {}", hour_of(fleet, now)));
    format!("{:016x}", fnv1a(described.join("\n").as_bytes()))
}

/// The number of the current hour since the Unix epoch. The hours of each fleet begin at an offset of its own, which
/// spreads the hourly passes over many resyncs.
fn hour_of(fleet: &FleetName, now: Timestamp) -> i64 {
    let offset = i64::try_from(fnv1a(fleet.as_str().as_bytes()) % 3600).unwrap_or(0);
    now.as_second().saturating_add(offset).div_euclid(3600)
}

/// What a resync has read, over all fleets.
#[derive(Debug, Clone, Copy)]
pub struct Read<'r> {
    /// The result of each Config rule that a policy lists. Absent: the read failed.
    pub compliance: &'r BTreeMap<RuleName, RuleReading>,
    pub in_alarm: &'r BTreeMap<AlarmName, Alarm>,
    /// The images that are tagged for any fleet. None: the read failed, and the resync cannot tell which fleets
    /// changed.
    pub images: Option<&'r [Image]>,
    /// The fleets with open work, each with the time since which its oldest work has been in progress. None: the work
    /// only waits for a guard.
    pub open: &'r BTreeMap<FleetName, Option<Timestamp>>,
    /// The fingerprint of each fleet at its last pass.
    pub known: &'r BTreeMap<FleetName, String>,
    pub now: Timestamp,
}

/// Determines the passes to request and the metrics to publish.
pub fn resync(fleets: &BTreeMap<FleetName, Fleet>, read: Read<'_>) -> Resynced {
    let mut resynced = Resynced::default();
    for (name, fleet) in fleets {
        let drifted = drifted(fleet, read.compliance);
        resynced.non_compliant.insert(name.clone(), drifted.len());
        let reason = if read.in_alarm.keys().any(|alarm| lists_alarm(fleet, alarm)) {
            Some(Reason::AlarmInAlarm)
        } else if read.open.contains_key(name) {
            Some(Reason::WorkIsOpen)
        } else if !drifted.is_empty() {
            Some(Reason::InstanceDrifted)
        } else if read.images.is_some_and(|images| is_changed(name, &fleet.groups, images, read)) {
            Some(Reason::FleetChanged)
        } else {
            None
        };
        if let Some(reason) = reason {
            resynced.requests.insert(name.clone(), reason);
        }
    }
    // Open work of a fleet whose groups no longer exist must end too.
    for fleet in read.open.keys().filter(|fleet| !fleets.contains_key(*fleet)) {
        resynced.requests.insert(fleet.clone(), Reason::GroupsAreGone);
    }
    if let Some(oldest) = read.open.values().flatten().min() {
        resynced.oldest_open_work = read.now.duration_since(*oldest).max(SignedDuration::ZERO);
    }
    resynced
}

fn is_changed(fleet: &FleetName, groups: &[Group], images: &[Image], read: Read<'_>) -> bool {
    let is_for = |image: &&Image| image.image_for.as_ref().is_some_and(|tag| tag.as_str() == fleet.as_str());
    let images: Vec<Image> = images.iter().filter(is_for).cloned().collect();
    read.known.get(fleet) != Some(&fingerprint(fleet, groups, &images, read.now))
}

fn lists_alarm(fleet: &Fleet, alarm: &AlarmName) -> bool {
    fleet.policy.iter().flat_map(Policy::alarms).any(|pattern| pattern.matches(alarm))
}

/// The entries of the policies that are alarm name prefixes; the alarms that match them must be read.
pub fn alarm_prefixes(fleets: &BTreeMap<FleetName, Fleet>) -> BTreeSet<AlarmPattern> {
    let patterns = policies(fleets).flat_map(Policy::alarms);
    patterns.filter(|pattern| matches!(pattern, AlarmPattern::Prefix(_))).cloned().collect()
}

/// The index from target groups and alarms to fleets, by which a CloudWatch event finds its fleets. It has only the
/// entries of fleets for which this resync requests a pass, so that it is written about as often as it may have
/// changed. `prefixed`: the alarms that match [`alarm_prefixes`].
pub fn index(
    fleets: &BTreeMap<FleetName, Fleet>,
    prefixed: &BTreeSet<AlarmName>,
    resynced: &Resynced,
) -> BTreeMap<Subject, BTreeSet<FleetName>> {
    let mut index: BTreeMap<Subject, BTreeSet<FleetName>> = BTreeMap::new();
    for (name, fleet) in fleets {
        let target_groups = fleet.groups.iter().flat_map(|group| &group.target_groups);
        let mut subjects: Vec<Subject> =
            target_groups.map(|arn| Subject::TargetGroup(arn.dimension().to_owned())).collect();
        for pattern in fleet.policy.iter().flat_map(Policy::alarms) {
            match pattern {
                AlarmPattern::Name(alarm) => subjects.push(Subject::Alarm(alarm.clone())),
                AlarmPattern::Prefix(_) => {
                    let meant = prefixed.iter().filter(|alarm| pattern.matches(alarm));
                    subjects.extend(meant.cloned().map(Subject::Alarm));
                }
            }
        }
        for subject in subjects {
            index.entry(subject).or_default().insert(name.clone());
        }
    }
    index.retain(|_, named| named.iter().any(|fleet| resynced.requests.contains_key(fleet)));
    index
}

fn drifted(fleet: &Fleet, compliance: &BTreeMap<RuleName, RuleReading>) -> BTreeSet<InstanceId> {
    let members: BTreeSet<&InstanceId> =
        fleet.groups.iter().flat_map(|group| &group.members).map(|member| &member.id).collect();
    let mut drifted = BTreeSet::new();
    for rule in fleet.policy.iter().flat_map(|policy| &policy.rules) {
        if let Some(RuleReading::NonCompliant(instances)) = compliance.get(rule) {
            drifted.extend(instances.keys().filter(|id| members.contains(id)).cloned());
        }
    }
    drifted
}
