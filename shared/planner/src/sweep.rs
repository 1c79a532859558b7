//! The sweep: finds what events have lost. It reads in batches over all fleets and wakes those that have something to
//! do; it decides nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::{FLEET_TAG, Layout};
use crate::ids::{FleetName, InstanceId, RuleName};
use crate::observation::{Group, RuleReading};
use crate::policy::{Defaults, own_tags};

/// What the sweep found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Fleets to wake, each with the reason.
    pub wakes: BTreeMap<FleetName, &'static str>,
    /// By fleet: how many of its instances break a rule of its list. Dense: a fleet without any has its zero.
    pub non_compliant: BTreeMap<FleetName, usize>,
    /// Tag values that are no fleet names, with the groups that carry them.
    pub misnamed: Vec<String>,
}

/// The fleets among the groups of an account and region.
pub fn fleets(groups: Vec<Group>) -> (BTreeMap<FleetName, Vec<Group>>, Vec<String>) {
    let mut fleets: BTreeMap<FleetName, Vec<Group>> = BTreeMap::new();
    let mut misnamed = Vec::new();
    for group in groups {
        let Some(value) = group.tags.get(FLEET_TAG) else { continue };
        match value.parse::<FleetName>() {
            Ok(fleet) => fleets.entry(fleet).or_default().push(group),
            Err(error) => misnamed.push(format!("{}: {error}", group.name)),
        }
    }
    (fleets, misnamed)
}

/// The rules that any fleet lists, each of which is read once.
pub fn rules(fleets: &BTreeMap<FleetName, Vec<Group>>, defaults: &Defaults) -> BTreeSet<RuleName> {
    fleets.iter().flat_map(|(fleet, groups)| listed_rules(fleet, groups, defaults)).collect()
}

/// A short text that changes whenever what the groups are, or how they want to be treated, does. A fleet whose text is
/// not the one that was last looked at is looked at.
pub fn fingerprint(groups: &[Group]) -> String {
    let mut described: Vec<String> = groups
        .iter()
        .map(|group| {
            let tags: Vec<String> = own_tags(&group.tags).map(|(key, value)| format!("{key}={value}")).collect();
            let color = group.tags.get(crate::fleet::COLOR_TAG).map_or("-", String::as_str);
            format!("{} {color} {:?} {} {:?}", group.name, group.template, tags.join(","), group.unsupported)
        })
        .collect();
    described.sort();
    format!("{:016x}", fnv1a(described.join("\n").as_bytes()))
}

/// Whom to wake, and what to publish.
pub fn sweep(
    fleets: &BTreeMap<FleetName, Vec<Group>>,
    compliance: &BTreeMap<RuleName, RuleReading>,
    open: &BTreeSet<FleetName>,
    known: &BTreeMap<FleetName, String>,
    defaults: &Defaults,
) -> Swept {
    let mut swept = Swept::default();
    for (fleet, groups) in fleets {
        let drifted = drifted(fleet, groups, compliance, defaults);
        swept.non_compliant.insert(fleet.clone(), drifted.len());
        let reason = if open.contains(fleet) {
            Some("work is open")
        } else if !drifted.is_empty() {
            Some("an instance breaks a rule of the list")
        } else if known.get(fleet) != Some(&fingerprint(groups)) {
            Some("the groups or their policy changed")
        } else {
            None
        };
        if let Some(reason) = reason {
            swept.wakes.insert(fleet.clone(), reason);
        }
    }
    // Work of a fleet whose groups are gone must end too.
    for fleet in open.iter().filter(|fleet| !fleets.contains_key(*fleet)) {
        swept.wakes.insert(fleet.clone(), "work is open, and its groups are gone");
    }
    swept
}

fn drifted(
    fleet: &FleetName,
    groups: &[Group],
    compliance: &BTreeMap<RuleName, RuleReading>,
    defaults: &Defaults,
) -> BTreeSet<InstanceId> {
    let members: BTreeSet<&InstanceId> =
        groups.iter().flat_map(|group| &group.members).map(|member| &member.id).collect();
    let mut drifted = BTreeSet::new();
    for rule in listed_rules(fleet, groups, defaults) {
        if let Some(RuleReading::NonCompliant(instances)) = compliance.get(&rule) {
            drifted.extend(instances.keys().filter(|id| members.contains(id)).cloned());
        }
    }
    drifted
}

fn listed_rules(fleet: &FleetName, groups: &[Group], defaults: &Defaults) -> BTreeSet<RuleName> {
    // An invalid policy lists nothing; its fingerprint wakes the fleet, and the planner tells on-call why.
    Layout::of(fleet, groups)
        .ok()
        .and_then(|layout| layout.policy(defaults).ok())
        .map(|policy| policy.rules)
        .unwrap_or_default()
}

/// FNV-1a: short, stable across versions and machines, and enough to notice a change. It guards nothing.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
