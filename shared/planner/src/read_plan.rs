//! The read plan of a reconcile pass: after the groups are known, two rounds of reads fetch only what the decision
//! needs.

use std::collections::BTreeSet;

use crate::alarm::AlarmPattern;
use crate::candidate;
use crate::drift::{alarms_to_read, rules_to_read};
use crate::fleet::{Color, Layout};
use crate::ids::{FleetName, GroupName, ImageId, InstanceId, RuleName, TargetGroupArn, TemplateId};
use crate::image::Image;
use crate::observation::{Group, Member, Observation, RuleReading};
use crate::pin;
use crate::policy::{Defaults, Policy};
use crate::record::{Cutover, CutoverPhase, Phase, Record, Route, SurgeMethod};
use crate::template::{TemplateReference, TemplateVersion};

/// The first round: reads that need only the groups. They are independent of each other and run concurrently.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FirstReads {
    /// Rules whose non-compliant instances are read.
    pub rules: BTreeSet<RuleName>,
    /// Target groups whose weights are read.
    pub target_groups: BTreeSet<TargetGroupArn>,
    /// Target groups whose target health is read, because work is in progress or may start.
    pub targets: BTreeSet<TargetGroupArn>,
    /// Launch template versions whose content is read, except the version of the release, whose image the record
    /// contains.
    pub templates: BTreeSet<TemplateVersion>,
    /// Launch templates whose newest version is read.
    pub newest_templates: BTreeSet<TemplateId>,
    /// Target groups whose settings are read.
    pub target_group_settings: BTreeSet<TargetGroupArn>,
    /// Alarms whose state is read.
    pub alarms: BTreeSet<AlarmPattern>,
    /// Images to read by id, besides those that are tagged for the fleet.
    pub images: BTreeSet<ImageId>,
}

/// The second round: reads that depend on which instances have drifted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecondReads {
    /// Instances to read from EC2.
    pub machines: BTreeSet<InstanceId>,
    /// Target groups whose target health is read, because an instance has drifted.
    pub targets: BTreeSet<TargetGroupArn>,
    /// Groups whose newest instance refresh is read.
    pub refreshes: BTreeSet<GroupName>,
    /// Groups whose failed launches are read.
    pub launch_failures: BTreeSet<GroupName>,
    /// Groups whose lifecycle hook timeouts are read.
    pub hook_timeouts: BTreeSet<GroupName>,
    /// Launch template versions whose content the decision needs, as the first round showed.
    pub templates: BTreeSet<TemplateVersion>,
}

impl SecondReads {
    /// Whether the round has nothing to read.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The policy that determines the reads. None: the policy is invalid, which the decision reports.
pub fn policy(fleet: &FleetName, groups: &[Group], defaults: &Defaults) -> Option<Policy> {
    Layout::of(fleet, groups).ok().and_then(|layout| layout.policy(defaults).ok())
}

/// The stored state of a fleet, as far as reads depend on it.
#[derive(Debug, Clone, Copy)]
pub struct StoredState<'k> {
    pub record: Option<&'k Record>,
    /// Whether facts are stored that no decision has consumed.
    pub has_news: bool,
}

/// Plans the first round of reads. `tagged`: the images that carry the fleet's tag.
pub fn first(
    fleet: &FleetName,
    groups: &[Group],
    tagged: &[Image],
    known: StoredState<'_>,
    policy: Option<&Policy>,
) -> FirstReads {
    let record = known.record;
    let released = record.and_then(|record| record.release.as_ref()).map(|release| &release.template);
    let templates = possibly_live(fleet, groups, record).into_iter().filter_map(|group| match &group.template {
        TemplateReference::Numbered(version) if Some(version) != released => Some(version.clone()),
        TemplateReference::Numbered(_) | TemplateReference::Floating { .. } | TemplateReference::None => None,
    });
    let cutover = record.and_then(|record| record.cutover.as_ref());
    let admitted = cutover.map(|cutover| cutover.policy.as_ref());
    let mut rules = rules_to_read(policy.map(|policy| &policy.rules), record);
    rules.extend(admitted.into_iter().flat_map(|policy| policy.rules.iter().cloned()));
    let target_groups = target_groups(groups, cutover);
    let is_untouched = cutover.is_some_and(Cutover::is_untouched);
    FirstReads {
        rules,
        templates: templates.collect(),
        newest_templates: live_templates(fleet, groups, record)
            .into_iter()
            .chain(pin::asks_newest(groups).cloned())
            .collect(),
        target_group_settings: if is_untouched { target_groups.clone() } else { BTreeSet::new() },
        targets: if is_at_rest(known, policy) { BTreeSet::new() } else { target_groups.clone() },
        target_groups,
        alarms: alarms_to_read(policy.into_iter().chain(admitted).flat_map(Policy::alarms), record).collect(),
        images: images_to_read(tagged, record),
    }
}

/// Whether no work is in progress, and only drift that the first round shows can start work. The first round then need
/// not read target health.
fn is_at_rest(known: StoredState<'_>, policy: Option<&Policy>) -> bool {
    let is_limited_in_age = policy.is_none_or(|policy| policy.max_age.is_some());
    let has_no_work = |record: &Record| {
        record.cutover.is_none()
            && record.replacements.is_empty()
            && record.quarantined.is_empty()
            && record.asked_to_replace.is_empty()
    };
    !known.has_news && !is_limited_in_age && known.record.is_some_and(has_no_work)
}

/// The target groups of the fleet's groups, and those that a cutover has temporarily detached.
fn target_groups(groups: &[Group], cutover: Option<&Cutover>) -> BTreeSet<TargetGroupArn> {
    let moved = match cutover.map(|cutover| &cutover.route) {
        Some(Route::Weighted { old, new, .. }) => vec![old.clone(), new.clone()],
        Some(Route::Shared { target_group, .. }) => vec![target_group.clone()],
        Some(Route::None | Route::Rolling) | None => Vec::new(),
    };
    groups.iter().flat_map(|group| group.target_groups.iter().cloned()).chain(moved).collect()
}

/// The launch template of the release, of which a newer version would be a candidate. Empty: no group that may be live
/// uses it.
fn live_templates(fleet: &FleetName, groups: &[Group], record: Option<&Record>) -> BTreeSet<TemplateId> {
    let Some(release) = record.and_then(|record| record.release.as_ref()) else { return BTreeSet::new() };
    let live = possibly_live(fleet, groups, record);
    live.into_iter().filter_map(|group| candidate::live_template(group, release)).cloned().collect()
}

/// The images to read by id, besides those that were read by the fleet's tag: the image of the release, with which
/// candidates are compared, the published images, and the images of a cutover. Empty without a record, or if there is
/// no possible candidate, no request of an operator and no cutover.
fn images_to_read(tagged: &[Image], record: Option<&Record>) -> BTreeSet<ImageId> {
    let Some(record) = record else { return BTreeSet::new() };
    let released = record.release.as_ref().map(|release| &release.image);
    let is_other = |image: &Image| Some(&image.id) != released;
    let memory = &record.memory;
    let is_asked = memory.requested.is_some() || record.cutover.is_some();
    if !is_asked && memory.published.is_empty() && !tagged.iter().any(is_other) {
        return BTreeSet::new();
    }
    let moving = record.cutover.iter().flat_map(|cutover| [&cutover.rollback_to.image, &cutover.candidate.image]);
    let wanted = released.into_iter().chain(memory.published.keys()).chain(moving);
    wanted.filter(|id| tagged.iter().all(|image| image.id != **id)).cloned().collect()
}

/// The groups whose launch template may become the release: the live group, or every group while the live group is
/// unknown.
fn possibly_live<'a>(fleet: &FleetName, groups: &'a [Group], record: Option<&Record>) -> Vec<&'a Group> {
    let layout = Layout::of(fleet, groups);
    match (layout, record.and_then(|record| record.live)) {
        (Ok(Layout::Pair { blue, .. }), Some(Color::Blue)) => vec![blue],
        (Ok(Layout::Pair { green, .. }), Some(Color::Green)) => vec![green],
        (Ok(layout), _) => layout.groups(),
        (Err(_), _) => Vec::new(),
    }
}

/// Plans the second round of reads, from the results of the first.
pub fn second(fleet: &FleetName, seen: &Observation, record: Option<&Record>, policy: Option<&Policy>) -> SecondReads {
    let mut read_plan = SecondReads::default();
    let is_limited_in_age = policy.is_some_and(|policy| policy.max_age.is_some());
    for group in &seen.groups {
        if is_limited_in_age {
            read_plan.machines.extend(group.active().map(|member| member.id.clone()));
        }
        let is_drifted = |member: &&Member| is_drifted(seen, record, group, member);
        let drifted: Vec<InstanceId> =
            group.members.iter().filter(is_drifted).map(|member| member.id.clone()).collect();
        if !drifted.is_empty() {
            read_plan.targets.extend(group.target_groups.iter().cloned());
        }
        read_plan.machines.extend(drifted);
    }
    for (id, replacement) in record.into_iter().flat_map(|record| &record.replacements) {
        read_plan.machines.insert(id.clone());
        // An operator may want to inspect the replacement instance, which a cancellation would terminate.
        read_plan.machines.extend(replacement.phase().successor().cloned());
        let Some(group) = seen.group(&replacement.group) else { continue };
        let is_there = |successor: &InstanceId| group.active().any(|member| member.id == *successor);
        // A replacement instance without a known id is identified by its launch time, among all members.
        let tells_by_launch_time = match replacement.phase() {
            Phase::Launching(surge) => surge.method == SurgeMethod::RaiseDesired,
            Phase::Verifying(verifying) => !is_there(&verifying.successor),
            Phase::Cancelling(cancelling) => !cancelling.successor.as_ref().is_some_and(is_there),
            Phase::LaunchingAfter(launching_after) => !launching_after.successor.as_ref().is_some_and(is_there),
            Phase::Debouncing | Phase::Blocked(_) | Phase::Retiring(_) | Phase::Terminating(_) | Phase::Stopped(_) => {
                false
            }
        };
        if tells_by_launch_time {
            read_plan.machines.extend(group.active().map(|member| member.id.clone()));
            read_plan.launch_failures.insert(group.name.clone());
        }
    }
    // An operator may have protected an instance in quarantine.
    read_plan.machines.extend(record.into_iter().flat_map(|record| record.quarantined.keys().cloned()));
    // Only an admission needs the instance refresh in progress, and the hook timeouts that a deadline must not
    // undercut.
    let may_start = |id: &InstanceId| {
        let known = record.and_then(|record| record.replacements.get(id));
        known.is_none_or(|replacement| matches!(replacement.phase(), Phase::Debouncing | Phase::Blocked(_)))
    };
    let asks = |group: &&Group| {
        let is_candidate = |member: &Member| is_drifted(seen, record, group, member) && may_start(&member.id);
        // Only the record knows drift by age and by an operator's request.
        group.members.iter().any(|member| is_candidate(member) || is_waiting(record, &member.id))
    };
    read_plan.refreshes = seen.groups.iter().filter(asks).map(|group| group.name.clone()).collect();
    read_plan.hook_timeouts.clone_from(&read_plan.refreshes);
    // Launch times tell existing members from the replacement instance.
    let admitting = seen.groups.iter().filter(asks).flat_map(Group::active);
    read_plan.machines.extend(admitting.map(|member| member.id.clone()));
    read_plan.machines.extend(pin::asks_machines(&seen.groups).cloned());
    ask_for_cutover(&mut read_plan, fleet, seen, record);
    // Results of the first round are not read again.
    read_plan.templates.retain(|version| !seen.templates.is_asked(version));
    read_plan.targets.retain(|arn| !seen.targets.is_asked(arn));
    read_plan
}

/// Adds the reads that a cutover in progress or a candidate for the next cutover needs.
fn ask_for_cutover(read_plan: &mut SecondReads, fleet: &FleetName, seen: &Observation, record: Option<&Record>) {
    let Some(record) = record else { return };
    let live = possibly_live(fleet, &seen.groups, Some(record));
    if let Some(release) = &record.release {
        let newer = live.into_iter().filter_map(|group| {
            let template = candidate::live_template(group, release)?;
            let version = *seen.newest_templates.get(template).found()?;
            (version > release.template.version).then(|| TemplateVersion { template: template.clone(), version })
        });
        let newer: Vec<TemplateVersion> = newer.collect();
        if !newer.is_empty() {
            read_plan.templates.insert(release.template.clone());
        }
        read_plan.templates.extend(newer);
    }
    let Some(cutover) = &record.cutover else { return };
    let groups = [&cutover.old_group, &cutover.new_group];
    if cutover.is_untouched() {
        read_plan.hook_timeouts.extend(groups.into_iter().cloned());
        read_plan.templates.insert(cutover.rollback_to.template.clone());
    }
    if cutover.is_untouched() || cutover.route == Route::Rolling {
        read_plan.refreshes.extend(groups.into_iter().cloned());
    }
    if matches!(cutover.phase(), CutoverPhase::Preparing | CutoverPhase::Scaling | CutoverPhase::Verifying { .. }) {
        read_plan.launch_failures.insert(cutover.new_group.clone());
    }
}

/// Whether the record has a replacement of this instance that waits and may start in any pass.
fn is_waiting(record: Option<&Record>, id: &InstanceId) -> bool {
    let known = record.and_then(|record| record.replacements.get(id));
    known.is_some_and(|replacement| matches!(replacement.phase(), Phase::Debouncing | Phase::Blocked(_)))
}

/// Whether an instance has drifted according to the first round of reads, or an operator asked to replace it.
fn is_drifted(seen: &Observation, record: Option<&Record>, group: &Group, member: &Member) -> bool {
    let breaks_a_rule = seen.compliance.values().any(|reading| match reading {
        RuleReading::NonCompliant(instances) => instances.contains_key(&member.id),
        RuleReading::NoSuchRule => false,
    });
    let release = record.and_then(|record| record.release.as_ref());
    breaks_a_rule
        || release.is_some_and(|release| crate::drift::runs_other(group, member, release).is_some())
        || record.is_some_and(|record| record.asked_to_replace.contains_key(&member.id))
        || seen.alarms.found().any(|(_, alarm)| alarm.subject.instances == [member.id.clone()])
}
