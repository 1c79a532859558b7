//! Pinning: a group that launches `$Latest` or `$Default` gets the version number that the alias means now, because
//! only a number identifies a release. No instance changes. The record keeps an operator's request until a read of the
//! groups shows that it is fulfilled.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::Action;
use crate::draft::Draft;
use crate::ids::{GroupName, InstanceId, TemplateId};
use crate::observation::{Group, Member, Observation};
use crate::reading::Read;
use crate::template::{TemplateReference, TemplateVersion};

/// The alias for the newest version of a launch template.
const LATEST: &str = "$Latest";

/// The launch templates whose newest version pinning must read: those of groups that launch `$Latest` and have no
/// instance that shows the version number.
pub(crate) fn asks_newest(groups: &[Group]) -> impl Iterator<Item = &TemplateId> {
    groups.iter().filter_map(|group| match &group.template {
        TemplateReference::Floating { template, alias } if alias == LATEST && group.members.is_empty() => {
            Some(template)
        }
        TemplateReference::Floating { .. } | TemplateReference::Numbered(_) | TemplateReference::None => None,
    })
}

/// The instances that pinning must read from EC2: members of groups that launch `$Latest` or `$Default` for which Auto
/// Scaling reports no launch template version. EC2 tags each instance with its version.
pub(crate) fn asks_machines(groups: &[Group]) -> impl Iterator<Item = &InstanceId> {
    let floating = groups.iter().filter(|group| matches!(group.template, TemplateReference::Floating { .. }));
    floating.flat_map(|group| &group.members).filter(|member| member.template.is_none()).map(|member| &member.id)
}

/// Handles the command `pin`: stores for each group the version to which it is pinned. Refuses the whole command if one
/// group cannot be pinned.
pub(crate) fn ask(draft: &mut Draft<'_>) -> Result<String, String> {
    if let Some(freeze) = draft.freeze() {
        return Err(format!("the fleet is frozen by {}: {}", freeze.owner, freeze.reason));
    }
    if draft.record().cutover.is_some() {
        return Err("a cutover is in progress".to_owned());
    }
    let seen = draft.input().seen;
    if seen.groups.is_empty() {
        return Err("no Auto Scaling group of the fleet was found".to_owned());
    }
    let mut pins: BTreeMap<GroupName, TemplateVersion> = BTreeMap::new();
    for group in &seen.groups {
        if let TemplateReference::Floating { template, alias } = &group.template {
            pins.insert(group.name.clone(), runs_now(seen, group, template, alias)?);
        }
    }
    if pins.is_empty() {
        return Ok("every group already launches a numbered version".to_owned());
    }
    let named: Vec<String> = pins.iter().map(|(group, version)| format!("{group} to {version}")).collect();
    *draft.pins() = pins;
    Ok(format!("pinned: {}; no instance is changed", named.join(", ")))
}

/// The launch template version that the instances of the group run now. Without instances, it is the version that the
/// group would launch. Err: why there is no single version.
fn runs_now(seen: &Observation, group: &Group, template: &TemplateId, alias: &str) -> Result<TemplateVersion, String> {
    let name = &group.name;
    let by_tag = |member: &Member| seen.machines.get(&member.id).found()?.template.clone();
    let running: BTreeSet<Option<TemplateVersion>> =
        group.members.iter().map(|member| member.template.clone().or_else(|| by_tag(member))).collect();
    let running: Vec<Option<TemplateVersion>> = running.into_iter().collect();
    match running.as_slice() {
        [Some(version)] if version.template == *template => Ok(version.clone()),
        [] if alias == LATEST => {
            let newest = match seen.newest_templates.get(template) {
                Read::Found(newest) => *newest,
                Read::Absent => return Err(format!("{name} uses {template}, which has no readable version")),
                Read::NotAsked => {
                    return Err(format!("the newest version of {template} was not read: run the command again"));
                }
            };
            Ok(TemplateVersion { template: template.clone(), version: newest })
        }
        [] => Err(format!(
            "{name} has no instance that shows which version {alias} means: set the version number on the group yourself"
        )),
        [_] => {
            Err(format!("the instances of {name} do not run {template}: set the version number on the group yourself"))
        }
        several => {
            let versions: Vec<String> = several
                .iter()
                .map(|version| version.as_ref().map_or_else(|| "no template".to_owned(), ToString::to_string))
                .collect();
            let versions = versions.join(", ");
            Err(format!(
                "the instances of {name} run several versions ({versions}): set the right version number on the group yourself"
            ))
        }
    }
}

/// Sets the version number on each group that an operator asked to pin. Drops the request for a group when the group
/// has a version number, or when an external change gave the group another launch template.
pub(crate) fn advance(draft: &mut Draft<'_>) {
    if draft.input().seen.groups.is_empty() || draft.freeze().is_some() {
        return;
    }
    for (name, template) in draft.record().pins.clone() {
        let live = draft.input().seen.group(&name).map(|group| group.template.clone());
        match live {
            Some(TemplateReference::Floating { template: of, alias }) if of == template.template => {
                draft.act(Action::SetTemplate {
                    group: name,
                    expected: TemplateReference::Floating { template: of, alias },
                    template,
                });
            }
            Some(TemplateReference::Floating { .. } | TemplateReference::Numbered(_) | TemplateReference::None)
            | None => {
                draft.pins().remove(&name);
            }
        }
    }
}
