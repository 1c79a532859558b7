//! Drift reasons other than Config rules: the release that an instance runs, its age, its alarms, and requests of
//! operators.

use jiff::{SignedDuration, Timestamp};

use crate::adopt::FleetState;
use crate::alarm::AlarmState;
use crate::alarm::{Alarm, AlarmPattern};
use crate::draft::Draft;
use crate::ids::{AlarmName, InstanceId};
use crate::observation::{Ec2Instance, Group, Member, Observation};
use crate::policy::Policy;
use crate::record::{Cutover, DriftReason, Record, Release, Replacement};
use crate::template::TemplateReference;

/// The drift reasons, other than Config rules, of members of the live group and of instances whose replacement is in
/// progress.
pub(super) fn read(draft: &Draft<'_>, standing: &FleetState<'_>) -> Vec<(InstanceId, DriftReason)> {
    let (seen, record) = (draft.input().seen, draft.record());
    let policy = standing.policy.as_ref().ok();
    let is_moving = is_moving(record);
    let mut found = Vec::new();
    for (group, member) in seen.groups.iter().flat_map(|group| group.active().map(move |member| (group, member))) {
        let under_way = record.replacements.get(&member.id).filter(|work| work.phase().surge().is_some());
        if record.quarantined.contains_key(&member.id) || !(standing.is_live(&group.name) || under_way.is_some()) {
            continue;
        }
        let mut note = |reason: DriftReason| found.push((member.id.clone(), reason));
        // During an instance refresh a group runs both releases by design.
        if let Some(release) = record.release.as_ref().filter(|_| !is_moving)
            && let Some(reason) = runs_other(group, member, release)
        {
            note(reason);
        }
        // A replacement in progress finishes under the policy that admitted it.
        let admitted = under_way.and_then(|work| work.phase().surge()).map(|surge| &surge.policy);
        let max_age = admitted.map_or_else(|| policy.and_then(|policy| policy.max_age), |policy| policy.max_age);
        if max_age.is_some_and(|max_age| is_older(seen.machines.get(&member.id).found(), max_age, draft.input().now)) {
            note(DriftReason::Age);
        }
        let patterns = policy.into_iter().flat_map(Policy::alarms);
        for name in in_alarm_for(seen, &member.id, patterns, under_way) {
            note(DriftReason::Alarm(name.clone()));
        }
        if let Some(actor) = record.asked_to_replace.get(&member.id) {
            note(DriftReason::Operator { actor: actor.clone() });
        }
    }
    found
}

/// Whether a cutover in progress changes the release that the groups run.
fn is_moving(record: &Record) -> bool {
    record.cutover.as_ref().is_some_and(Cutover::stops_replacements)
}

/// Whether this pass has read enough to know if a drift reason still applies to the instance.
pub(super) fn can_be_told(draft: &Draft<'_>, standing: &FleetState<'_>, id: &InstanceId, reason: &DriftReason) -> bool {
    match reason {
        DriftReason::Template { .. } | DriftReason::Image { .. } => {
            standing.live.is_some() && draft.record().release.is_some() && !is_moving(draft.record())
        }
        DriftReason::Age => draft.input().seen.machines.get(id).is_found(),
        // Each rule has a read result of its own, and the record holds alarms and operator requests.
        DriftReason::Rule(_) | DriftReason::Alarm(_) | DriftReason::Operator { .. } => true,
    }
}

/// The drift reason of a member that runs another launch template version or another image than the release. A member
/// is not drifted if it runs the version that its group launches now, because its replacement instance would run that
/// version too; another check covers the group. A member without a known version was attached manually and is not
/// drifted.
pub fn runs_other(group: &Group, member: &Member, release: &Release) -> Option<DriftReason> {
    let found = member.template.as_ref()?;
    if *found != release.template {
        let is_what_it_launches = matches!(&group.template, TemplateReference::Numbered(version) if version == found);
        return (!is_what_it_launches).then(|| DriftReason::Template { found: found.clone() });
    }
    let image = member.image_override.as_ref().filter(|image| **image != release.image)?;
    Some(DriftReason::Image { found: image.clone() })
}

/// Whether an instance has reached the maximum age. An instance that EC2 does not return has no known age, and counts
/// as younger.
pub fn is_older(machine: Option<&Ec2Instance>, max_age: SignedDuration, now: Timestamp) -> bool {
    machine.is_some_and(|machine| now.duration_since(machine.launched_at) >= max_age)
}

/// The alarms in ALARM whose dimensions name this instance and no other. An alarm counts if it matches one of the
/// patterns, or if the replacement in progress has it as a drift reason.
fn in_alarm_for<'s>(
    seen: &'s Observation,
    id: &InstanceId,
    patterns: impl Iterator<Item = &'s AlarmPattern>,
    under_way: Option<&Replacement>,
) -> Vec<&'s AlarmName> {
    let patterns: Vec<&AlarmPattern> = patterns.collect();
    let is_listed = |name: &AlarmName| {
        patterns.iter().any(|pattern| pattern.matches(name))
            || under_way.is_some_and(|work| work.drift.contains(&DriftReason::Alarm(name.clone())))
    };
    let is_in_alarm = |alarm: &Alarm| alarm.state == AlarmState::Alarm && alarm.subject.instances == [id.clone()];
    seen.alarms.found().filter(|(name, alarm)| is_in_alarm(alarm) && is_listed(name)).map(|(name, _)| name).collect()
}

/// The alarms that a pass reads: those of the policy, and those that are a drift reason of an instance in the record.
pub fn alarms_to_read<'r>(
    listed: impl Iterator<Item = &'r AlarmPattern>,
    record: Option<&'r Record>,
) -> impl Iterator<Item = AlarmPattern> {
    let drift = record.into_iter().flat_map(|record| record.replacements.values()).flat_map(|work| &work.drift);
    let known = drift.filter_map(|reason| match reason {
        DriftReason::Alarm(name) => Some(AlarmPattern::Name(name.clone())),
        DriftReason::Rule(_)
        | DriftReason::Template { .. }
        | DriftReason::Image { .. }
        | DriftReason::Age
        | DriftReason::Operator { .. } => None,
    });
    listed.cloned().chain(known)
}
