//! What has drifted: rules of the fleet's list, as Config says them now, and what an instance runs, its age, its alarms
//! and an operator's word. Events only hint.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::adopt::FleetState;
use crate::draft::Draft;
use crate::ids::{InstanceId, RuleName};
use crate::limits::RECHECK_MIN;
use crate::notification::Condition;
use crate::observation::{Finding, Observation, RuleReading};
use crate::policy::Policy;
use crate::record::transitions::ReplacementEnd;
use crate::record::{DriftReason, REPEAT_DRIFT_MEMORY, Record, Replacement};
use crate::text::UntrustedText;

mod breaker;
mod reasons;
mod report;

pub(crate) use breaker::open_rule_breaker;
pub use reasons::{alarms_to_read, is_older, runs_other};

/// How long an event that the read does not confirm yet is kept. Config records a result before it sends the event,
/// so that a read which trails the event does so by seconds; after this the read is believed.
pub const CONFIRMATION_GRACE: SignedDuration = SignedDuration::from_mins(2);

/// A reading of a rule that many instances break may be this old: Config gives a hundred of them to a call, and what all fleets ask
/// for within seconds is the same thousands. Config itself takes minutes to find a drift, and an event that such a reading does not
/// confirm is kept for longer ([`CONFIRMATION_GRACE`]).
pub const LARGE_READING_KEPT: SignedDuration = SignedDuration::from_secs(10);

/// A rule that did not answer is asked again in so long, if somebody waits for what it says: often enough for a drift that has to
/// last for minutes, and no burden to whoever is short of calls.
const UNREAD_RECHECK: SignedDuration = SignedDuration::from_mins(1);

/// What is known about drift in this pass.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// By instance of the live group: what it is drifted for.
    pub(crate) drifted: BTreeMap<InstanceId, Drift>,
    /// Set when too many drifted at once: how many, of how many.
    pub(crate) breaker: Option<(usize, usize)>,
    /// Rules that were read in this pass.
    read: BTreeSet<RuleName>,
    /// Rules that were asked and did not answer. About them nothing is known, and nothing is concluded.
    unread: BTreeSet<RuleName>,
    /// Rules of the list that Config does not know.
    pub(crate) missing: BTreeSet<RuleName>,
    /// Instances on record whose other reasons cannot be told in this pass.
    untold: BTreeSet<InstanceId>,
}

/// What one instance is drifted for.
#[derive(Debug, Default, Clone)]
pub(crate) struct Drift {
    /// The rules that it breaks.
    pub(crate) rules: BTreeMap<RuleName, Finding>,
    pub(crate) others: BTreeSet<DriftReason>,
}

impl Drift {
    /// Everything that it is drifted for.
    pub(crate) fn reasons(&self) -> BTreeSet<DriftReason> {
        self.rules.keys().cloned().map(DriftReason::Rule).chain(self.others.iter().cloned()).collect()
    }

    fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.others.is_empty()
    }
}

/// Whether the successor on trial drifts for what its ancestor is replaced for.
pub(crate) enum Recurrence {
    None,
    /// It does, and may get over it until then: a rule can be late to see what a young instance has set up.
    Until(Timestamp),
    Lasting,
}

impl Findings {
    /// Whether a rule of the list was not read: then the breaker cannot be judged, and nothing may start.
    pub(crate) fn is_incomplete(&self, policy: &Policy) -> bool {
        !policy.rules.is_disjoint(&self.unread)
    }

    /// Asks once more whether too many drifted at once, before anything begins: a surge that has just ended may have left
    /// its successor behind, which is a member now.
    pub(crate) fn count_again(mut self, draft: &mut Draft<'_>, standing: &FleetState<'_>) -> Self {
        breaker::judge(draft, standing, &mut self);
        self
    }

    /// Whether an instance is known to be free of all that it was found drifted for. Unread is not free.
    pub(crate) fn is_cleared(&self, instance: &InstanceId, replacement: &Replacement) -> bool {
        !self.drifted.contains_key(instance)
            && !self.untold.contains(instance)
            && replacement.findings.keys().all(|rule| self.read.contains(rule))
    }
}

/// The rules whose compliance a decision will read: those of the list, and those for which work is under way.
pub fn rules_to_read(listed: Option<&BTreeSet<RuleName>>, record: Option<&Record>) -> BTreeSet<RuleName> {
    let under_way = record.into_iter().flat_map(|record| record.replacements.values());
    listed.into_iter().flatten().cloned().chain(under_way.flat_map(|work| work.findings.keys().cloned())).collect()
}

/// Finds what has drifted and brings the record's list of drifted instances up to it.
pub(crate) fn detect(draft: &mut Draft<'_>, standing: &FleetState<'_>) -> Findings {
    let listed = standing.policy.as_ref().map(|policy| policy.rules.clone()).unwrap_or_default();
    let mut findings = read(draft.input().seen, standing, &listed, draft.record());
    report::weigh(draft, standing, &listed, &mut findings);
    for (id, reason) in reasons::read(draft, standing) {
        findings.drifted.entry(id).or_default().others.insert(reason);
    }
    let is_untold = |(id, work): &(&InstanceId, &Replacement)| {
        work.drift.iter().any(|reason| !reasons::can_be_told(draft, standing, id, reason))
    };
    findings.untold = draft.record().replacements.iter().filter(is_untold).map(|(id, _)| id.clone()).collect();
    forget(draft);
    keep_backlog(draft, &findings);
    if !findings.missing.is_empty() {
        let names: Vec<&str> = findings.missing.iter().map(RuleName::as_str).collect();
        draft.is_in(
            Condition::PolicyInvalid,
            format!("driftless:rules names {}, which AWS Config does not have", names.join(" and ")),
        );
    }
    breaker::judge(draft, standing, &mut findings);
    update_record(draft, standing, &findings);
    if !findings.unread.is_empty() && !draft.record().replacements.is_empty() {
        draft.requeue(draft.input().now + UNREAD_RECHECK);
    }
    breaker::judge_rules(draft, standing, &findings);
    findings
}

fn read(seen: &Observation, standing: &FleetState<'_>, listed: &BTreeSet<RuleName>, record: &Record) -> Findings {
    let mut findings = Findings::default();
    for rule in rules_to_read(Some(listed), Some(record)) {
        match seen.compliance.get(&rule) {
            None => {
                findings.unread.insert(rule);
            }
            Some(RuleReading::NoSuchRule) => {
                if listed.contains(&rule) {
                    findings.missing.insert(rule.clone());
                }
                // A rule that does not exist holds nobody for drifted.
                findings.read.insert(rule);
            }
            Some(RuleReading::NonCompliant(by_instance)) => {
                for (group, member) in
                    seen.groups.iter().flat_map(|group| group.members.iter().map(move |member| (group, member)))
                {
                    if record.quarantined.contains_key(&member.id) {
                        continue;
                    }
                    // Off the list, a rule still holds for work that was admitted under it.
                    let known = record.replacements.get(&member.id);
                    let is_under_way = known.is_some_and(|replacement| {
                        replacement.phase().surge().is_some() && replacement.findings.contains_key(&rule)
                    });
                    // Where nothing says which group is live, what is on record is neither new nor over.
                    let is_asked = listed.contains(&rule) && (standing.is_live(&group.name) || known.is_some());
                    if !is_asked && !is_under_way {
                        continue;
                    }
                    if let Some(finding) = by_instance.get(&member.id) {
                        let drift = findings.drifted.entry(member.id.clone()).or_default();
                        drift.rules.insert(rule.clone(), finding.clone());
                    }
                }
                findings.read.insert(rule);
            }
        }
    }
    findings
}

/// Forgets what concerns instances that are gone, and descent that is too old to matter.
fn forget(draft: &mut Draft<'_>) {
    let seen = draft.input().seen;
    let now = draft.input().now;
    let is_member = |id: &InstanceId| seen.groups.iter().any(|group| group.member(id).is_some());
    // An answer without any group is no proof that every instance is gone.
    if !seen.groups.is_empty() {
        draft.forget_all_but(is_member, |descent| now < descent.at + REPEAT_DRIFT_MEMORY);
    }
}

/// What runs another version when a version becomes the release is a backlog, until it is gone.
fn keep_backlog(draft: &mut Draft<'_>, findings: &Findings) {
    let released = |record: Option<&Record>| {
        record.and_then(|record| record.release.as_ref()).map(|release| release.template.clone())
    };
    let is_new = released(Some(draft.record())) != released(draft.input().record);
    let is_of_other_version =
        |drift: &Drift| drift.others.iter().any(|reason| matches!(reason, DriftReason::Template { .. }));
    let others = findings.drifted.iter().filter(|(_, drift)| is_of_other_version(drift)).map(|(id, _)| id.clone());
    let others: BTreeSet<InstanceId> = others.collect();
    if is_new {
        *draft.backlog() = others;
    } else if !draft.input().seen.groups.is_empty() {
        draft.backlog().retain(|id| others.contains(id));
    }
    if !draft.record().backlog.is_empty() {
        let count = draft.record().backlog.len();
        draft.is_in(
            Condition::Backlog,
            format!("{count} instances run another launch template version than the release"),
        );
    }
}

/// New drift enters the record; drift that is over, and drift of instances that are gone, leaves it. What is under way
/// is left to [`crate::replacement`].
fn update_record(draft: &mut Draft<'_>, standing: &FleetState<'_>, findings: &Findings) {
    for (id, found) in &findings.drifted {
        let rules = &found.rules;
        let Some((group, member)) = standing.live.and_then(|group| Some((group, group.member(id)?))) else { continue };
        // Successors that are still on trial are judged by their own replacement.
        if draft.record().successors().any(|successor| successor == id) {
            continue;
        }
        let reasons = found.reasons();
        if draft.record().replacements.contains_key(id) {
            draft.drifts_for(id, reasons, rules);
        } else {
            draft.begin_replacement(id, (group.name.clone(), member.zone.clone()), reasons, rules.clone());
        }
    }
    let idle: Vec<InstanceId> = draft
        .record()
        .replacements
        .iter()
        .filter(|(_, replacement)| replacement.phase().surge().is_none())
        .map(|(id, _)| id.clone())
        .collect();
    for id in idle {
        leave_if_over(draft, standing, findings, &id);
    }
}

fn leave_if_over(draft: &mut Draft<'_>, standing: &FleetState<'_>, findings: &Findings, id: &InstanceId) {
    let Some(replacement) = draft.record().replacements.get(id) else { return };
    let is_member = draft.input().seen.groups.iter().any(|group| group.member(id).is_some());
    let why = if !is_member && !draft.input().seen.groups.is_empty() {
        "the instance is gone"
    } else if standing.live.is_some() && !standing.is_live(&replacement.group) {
        "its group is no longer the live group"
    } else if standing.policy.is_ok() && findings.is_cleared(id, replacement) {
        "the drift is over"
    } else {
        return;
    };
    draft.end_replacement(id, ReplacementEnd::Cleared, why);
}

/// Whether the successor of a replacement drifts for what its ancestor is replaced for, and lastingly so.
pub(crate) fn recurrence(draft: &Draft<'_>, findings: &Findings, replacement: &Replacement) -> Recurrence {
    let Some(surge) = replacement.phase().surge() else { return Recurrence::None };
    let Some(found) = replacement.phase().successor().and_then(|successor| findings.drifted.get(successor)) else {
        return Recurrence::None;
    };
    let recurs = |reason: &DriftReason| reason.is_inherited() && replacement.drift.contains(reason);
    if found.others.iter().any(recurs) {
        return Recurrence::Lasting;
    }
    let broken = found.rules.iter().filter(|(rule, _)| recurs(&DriftReason::Rule((*rule).clone())));
    let lasting_from = broken.map(|(_, finding)| finding.recorded_at + surge.policy.debounce).min();
    match lasting_from {
        None => Recurrence::None,
        Some(at) if draft.input().now >= at => Recurrence::Lasting,
        Some(at) => Recurrence::Until(at),
    }
}

/// An operator wants an instance replaced: through all guards but the debounce. Err: why it cannot be.
pub(crate) fn ask_to_replace(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    instance: &InstanceId,
    actor: &UntrustedText,
) -> Result<(), UntrustedText> {
    let Some(live) = standing.live else {
        return Err("Driftless cannot tell which group of the fleet is live".into());
    };
    if live.active().all(|member| member.id != *instance) {
        return Err(format!("{instance} is not in {}, the live group", live.name).into());
    }
    if draft.record().replacements.get(instance).is_some_and(|work| work.phase().surge().is_some()) {
        return Err(format!("{instance} is already being replaced").into());
    }
    draft.ask_to_replace(instance, actor);
    // What has drifted was found before the command was read.
    draft.requeue(draft.input().now + RECHECK_MIN);
    Ok(())
}

/// When an instance has been drifted long enough: at once where an operator asked.
pub(crate) fn debounced_at(replacement: &Replacement, debounce: SignedDuration) -> Timestamp {
    let is_asked = replacement.drift.iter().any(|reason| matches!(reason, DriftReason::Operator { .. }));
    if is_asked { replacement.detected_at } else { replacement.detected_at + debounce }
}
