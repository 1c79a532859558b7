//! What a decision needs to know, and nothing more: the reads of one look, in two rounds after the groups are known.

use std::collections::BTreeSet;

use crate::alarm::AlarmPattern;
use crate::drift::{alarms_to_read, rules_to_read};
use crate::fleet::{Color, Layout};
use crate::ids::{FleetName, GroupName, ImageId, InstanceId, RuleName, TargetGroupArn, TemplateId};
use crate::observation::{Group, Member, Observation, RuleReading, TemplateReference, TemplateVersion};
use crate::policy::{Defaults, Policy};
use crate::record::{Phase, Record, SurgeMethod};

/// What can be asked as soon as the groups are known. The answers do not depend on each other: ask together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FirstQuestions {
    /// Rules whose non-compliant instances are read.
    pub rules: BTreeSet<RuleName>,
    /// Target groups whose targets' health and weights are read.
    pub target_groups: BTreeSet<TargetGroupArn>,
    /// Launch template versions that are resolved: only those that no release has settled yet.
    pub templates: BTreeSet<TemplateVersion>,
    /// Launch templates that are asked for their newest version.
    pub newest_templates: BTreeSet<TemplateId>,
    /// Target groups whose settings are read.
    pub target_group_settings: BTreeSet<TargetGroupArn>,
    /// Alarms whose state is read.
    pub alarms: BTreeSet<AlarmPattern>,
    /// Images that are asked for by their ids, beside those that are tagged for the fleet.
    pub images: BTreeSet<ImageId>,
}

/// What can be asked once it is known what has drifted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecondQuestions {
    /// Instances that EC2 is asked about.
    pub machines: BTreeSet<InstanceId>,
    /// Groups that are asked for an instance refresh under way.
    pub refreshes: BTreeSet<GroupName>,
    /// Groups that are asked for failed launches.
    pub launch_failures: BTreeSet<GroupName>,
    /// Groups that are asked for the time-outs of their lifecycle hooks.
    pub hook_timeouts: BTreeSet<GroupName>,
    /// Launch template versions that turned out to be of interest.
    pub templates: BTreeSet<TemplateVersion>,
}

impl SecondQuestions {
    /// Whether there is nothing to ask.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The first questions about a fleet.
pub fn first(fleet: &FleetName, groups: &[Group], record: Option<&Record>, defaults: &Defaults) -> FirstQuestions {
    let policy = Layout::of(fleet, groups).ok().and_then(|layout| layout.policy(defaults).ok());
    let released = record.and_then(|record| record.release.as_ref()).map(|release| &release.template);
    let templates = possibly_live(fleet, groups, record).into_iter().filter_map(|group| match &group.template {
        TemplateReference::Numbered(version) if Some(version) != released => Some(version.clone()),
        TemplateReference::Numbered(_) | TemplateReference::Floating { .. } | TemplateReference::None => None,
    });
    FirstQuestions {
        rules: rules_to_read(policy.as_ref().map(|policy| &policy.rules), record),
        target_groups: groups.iter().flat_map(|group| group.target_groups.iter().cloned()).collect(),
        templates: templates.collect(),
        alarms: alarms_to_read(policy.iter().flat_map(Policy::alarms), record).collect(),
        ..FirstQuestions::default()
    }
}

/// The groups whose template may turn out to be the release: the live one, and before it is known each.
fn possibly_live<'a>(fleet: &FleetName, groups: &'a [Group], record: Option<&Record>) -> Vec<&'a Group> {
    let layout = Layout::of(fleet, groups);
    match (layout, record.and_then(|record| record.live)) {
        (Ok(Layout::Pair { blue, .. }), Some(Color::Blue)) => vec![blue],
        (Ok(Layout::Pair { green, .. }), Some(Color::Green)) => vec![green],
        (Ok(layout), _) => layout.groups(),
        (Err(_), _) => Vec::new(),
    }
}

/// The second questions, from what was seen so far.
pub fn second(fleet: &FleetName, seen: &Observation, record: Option<&Record>, defaults: &Defaults) -> SecondQuestions {
    let mut questions = SecondQuestions::default();
    let policy = Layout::of(fleet, &seen.groups).ok().and_then(|layout| layout.policy(defaults).ok());
    let is_limited_in_age = policy.is_some_and(|policy| policy.max_age.is_some());
    for group in &seen.groups {
        if is_limited_in_age {
            questions.machines.extend(group.active().map(|member| member.id.clone()));
        }
        let is_drifted = |member: &&Member| is_drifted(seen, record, group, member);
        questions.machines.extend(group.members.iter().filter(is_drifted).map(|member| member.id.clone()));
    }
    for (id, replacement) in record.into_iter().flat_map(|record| &record.replacements) {
        questions.machines.insert(id.clone());
        let Some(group) = seen.group(&replacement.group) else { continue };
        let is_there = |successor: &InstanceId| group.active().any(|member| member.id == *successor);
        // Without a successor in sight it is told by its launch time, among all.
        let tells_by_launch_time = match &replacement.phase {
            Phase::Launching(surge) => surge.method == SurgeMethod::RaiseDesired,
            Phase::Proving(proving) => !is_there(&proving.successor),
            Phase::Withdrawing(withdrawing) => !withdrawing.successor.as_ref().is_some_and(is_there),
            Phase::Refilling(refilling) => !refilling.successor.as_ref().is_some_and(is_there),
            Phase::Debouncing | Phase::Blocked(_) | Phase::Retiring(_) | Phase::Vacating(_) | Phase::Stopped(_) => {
                false
            }
        };
        if tells_by_launch_time {
            questions.machines.extend(group.active().map(|member| member.id.clone()));
            questions.launch_failures.insert(group.name.clone());
        }
    }
    // A person may have set a protection on what is kept for forensics.
    questions.machines.extend(record.into_iter().flat_map(|record| record.quarantined.keys().cloned()));
    // Only an admission asks for a refresh under way, and for the hooks that a deadline must not undercut.
    let may_start = |id: &InstanceId| {
        let known = record.and_then(|record| record.replacements.get(id));
        known.is_none_or(|replacement| matches!(replacement.phase, Phase::Debouncing | Phase::Blocked(_)))
    };
    let asks = |group: &&Group| {
        let is_candidate = |member: &Member| is_drifted(seen, record, group, member) && may_start(&member.id);
        // Age, and a person's word, are known to the record alone.
        group.members.iter().any(|member| is_candidate(member) || is_waiting(record, &member.id))
    };
    questions.refreshes = seen.groups.iter().filter(asks).map(|group| group.name.clone()).collect();
    questions.hook_timeouts.clone_from(&questions.refreshes);
    questions
}

/// Whether an instance is on record and may start at any look.
fn is_waiting(record: Option<&Record>, id: &InstanceId) -> bool {
    let known = record.and_then(|record| record.replacements.get(id));
    known.is_some_and(|replacement| matches!(replacement.phase, Phase::Debouncing | Phase::Blocked(_)))
}

/// Whether an instance looks drifted, as far as the first answers tell.
fn is_drifted(seen: &Observation, record: Option<&Record>, group: &Group, member: &Member) -> bool {
    let breaks_a_rule = seen.compliance.values().any(|reading| match reading {
        RuleReading::NonCompliant(instances) => instances.contains_key(&member.id),
        RuleReading::NoSuchRule => false,
    });
    let release = record.and_then(|record| record.release.as_ref());
    breaks_a_rule
        || release.is_some_and(|release| crate::drift::runs_other(group, member, release).is_some())
        || seen.alarms.values().any(|alarm| alarm.subject.instances == [member.id.clone()])
}
