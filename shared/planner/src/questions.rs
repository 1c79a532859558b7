//! What a decision needs to know, and nothing more: the reads of one look, in two rounds after the groups are known.

use std::collections::BTreeSet;

use crate::drift::rules_to_read;
use crate::fleet::Layout;
use crate::ids::{FleetName, GroupName, InstanceId, RuleName, TargetGroupArn};
use crate::observation::{Group, Observation, RuleReading, TemplateReference, TemplateVersion};
use crate::policy::Defaults;
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
}

/// The first questions about a fleet.
pub fn first(fleet: &FleetName, groups: &[Group], record: Option<&Record>, defaults: &Defaults) -> FirstQuestions {
    let policy = Layout::of(fleet, groups).ok().and_then(|layout| layout.policy(defaults).ok());
    let released = record.and_then(|record| record.release.as_ref()).map(|release| &release.template);
    let templates = groups.iter().filter_map(|group| match &group.template {
        TemplateReference::Numbered(version) if Some(version) != released => Some(version.clone()),
        TemplateReference::Numbered(_) | TemplateReference::Floating { .. } | TemplateReference::None => None,
    });
    FirstQuestions {
        rules: rules_to_read(policy.as_ref().map(|policy| &policy.rules), record),
        target_groups: groups.iter().flat_map(|group| group.target_groups.iter().cloned()).collect(),
        templates: templates.collect(),
    }
}

/// The second questions, from what was seen so far.
pub fn second(seen: &Observation, record: Option<&Record>) -> SecondQuestions {
    let mut questions = SecondQuestions::default();
    for group in &seen.groups {
        let drifted = group.members.iter().filter(|member| is_drifted(seen, &member.id)).map(|member| &member.id);
        questions.machines.extend(drifted.cloned());
    }
    for (id, replacement) in record.into_iter().flat_map(|record| &record.replacements) {
        questions.machines.insert(id.clone());
        let tells_by_launch_time = match &replacement.phase {
            Phase::Launching(surge) => surge.method == SurgeMethod::RaiseDesired,
            Phase::Withdrawing(_) | Phase::Proving(_) => true,
            Phase::Debouncing | Phase::Blocked(_) | Phase::Retiring(_) | Phase::Stopped(_) => false,
        };
        if tells_by_launch_time && let Some(group) = seen.group(&replacement.group) {
            questions.machines.extend(group.active().map(|member| member.id.clone()));
            questions.launch_failures.insert(group.name.clone());
        }
    }
    let asked = |group: &&Group| group.members.iter().any(|member| questions.machines.contains(&member.id));
    questions.refreshes = seen.groups.iter().filter(asked).map(|group| group.name.clone()).collect();
    questions
}

fn is_drifted(seen: &Observation, id: &InstanceId) -> bool {
    seen.compliance.values().any(|reading| match reading {
        RuleReading::NonCompliant(instances) => instances.contains_key(id),
        RuleReading::NoSuchRule => false,
    })
}
