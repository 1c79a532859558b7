//! Drift detection: the rules of the policy as AWS Config reports them now, and each instance's release, age, alarms
//! and operator requests. An event only causes a pass; the read decides.

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

/// How long Driftless keeps an event that the read does not confirm yet. Config stores a result before it sends the
/// event, so a read lags behind an event by seconds at most; after this time Driftless trusts the read.
pub const CONFIRMATION_GRACE: SignedDuration = SignedDuration::from_mins(2);

/// How old the cached reading of a rule that many instances break may be. Config returns a hundred results in a call,
/// and all fleets would read the same thousands within seconds. Config itself takes minutes to find drift, and
/// Driftless keeps an unconfirmed event for longer than this ([`CONFIRMATION_GRACE`]).
pub const LARGE_READING_KEPT: SignedDuration = SignedDuration::from_secs(10);

/// When to read a rule again that did not answer, if a replacement waits for it: soon enough for a debounce of minutes,
/// and cheap for an account that is short of API calls.
const UNREAD_RECHECK: SignedDuration = SignedDuration::from_mins(1);

/// The drift that this pass found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The drift of each drifted instance of the live group.
    pub(crate) drifted: BTreeMap<InstanceId, Drift>,
    /// Set when the breaker is open: the number of drifted instances, and of all.
    pub(crate) breaker: Option<(usize, usize)>,
    /// Rules that were read in this pass.
    read: BTreeSet<RuleName>,
    /// Rules that were read without success. Driftless draws no conclusion about them.
    unread: BTreeSet<RuleName>,
    /// Rules of the list that Config does not know.
    pub(crate) missing: BTreeSet<RuleName>,
    /// Instances in the record whose other drift reasons this pass could not read.
    untold: BTreeSet<InstanceId>,
}

/// The drift of one instance.
#[derive(Debug, Default, Clone)]
pub(crate) struct Drift {
    /// The rules that it breaks.
    pub(crate) rules: BTreeMap<RuleName, Finding>,
    pub(crate) others: BTreeSet<DriftReason>,
}

impl Drift {
    /// All drift reasons of the instance.
    pub(crate) fn reasons(&self) -> BTreeSet<DriftReason> {
        self.rules.keys().cloned().map(DriftReason::Rule).chain(self.others.iter().cloned()).collect()
    }

    fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.others.is_empty()
    }
}

/// Whether a replacement instance under verification drifts for the reasons of the instance that it replaces.
pub(crate) enum Recurrence {
    None,
    /// It drifts now and may recover until this time: a rule can be late to see what a new instance has configured.
    Until(Timestamp),
    Lasting,
}

impl Findings {
    /// Whether a rule of the policy was not read: the breaker is then unknown, and nothing may start.
    pub(crate) fn is_incomplete(&self, policy: &Policy) -> bool {
        !policy.rules.is_disjoint(&self.unread)
    }

    /// Evaluates the breaker again before anything starts: a surge that has just ended may have left its replacement
    /// instance behind as a member.
    pub(crate) fn count_again(mut self, draft: &mut Draft<'_>, standing: &FleetState<'_>) -> Self {
        breaker::judge(draft, standing, &mut self);
        self
    }

    /// Whether the instance is known to have none of its drift reasons any more. A reason that was not read remains.
    pub(crate) fn is_cleared(&self, instance: &InstanceId, replacement: &Replacement) -> bool {
        !self.drifted.contains_key(instance)
            && !self.untold.contains(instance)
            && replacement.findings.keys().all(|rule| self.read.contains(rule))
    }
}

/// The rules that a decision reads: those of the policy, and those under which an instance in the record drifted.
pub fn rules_to_read(listed: Option<&BTreeSet<RuleName>>, record: Option<&Record>) -> BTreeSet<RuleName> {
    let under_way = record.into_iter().flat_map(|record| record.replacements.values());
    listed.into_iter().flatten().cloned().chain(under_way.flat_map(|work| work.findings.keys().cloned())).collect()
}

/// Detects drift and updates the drifted instances in the record.
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
                // No instance is non-compliant under a rule that does not exist.
                findings.read.insert(rule);
            }
            Some(RuleReading::NonCompliant(by_instance)) => {
                for (group, member) in
                    seen.groups.iter().flat_map(|group| group.members.iter().map(move |member| (group, member)))
                {
                    if record.quarantined.contains_key(&member.id) {
                        continue;
                    }
                    // A rule that left the policy still applies to replacements that were admitted under it.
                    let known = record.replacements.get(&member.id);
                    let is_under_way = known.is_some_and(|replacement| {
                        replacement.phase().surge().is_some() && replacement.findings.contains_key(&rule)
                    });
                    // While the live group is unknown, drift in the record neither begins nor ends.
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

/// Forgets data of instances that no longer exist, and descent that is too old to matter.
fn forget(draft: &mut Draft<'_>) {
    let seen = draft.input().seen;
    let now = draft.input().now;
    let is_member = |id: &InstanceId| seen.groups.iter().any(|group| group.member(id).is_some());
    // A read without any group does not prove that the instances are gone.
    if !seen.groups.is_empty() {
        draft.forget_all_but(is_member, |descent| now < descent.at + REPEAT_DRIFT_MEMORY);
    }
}

/// Instances that run another version when a version becomes the release form a backlog until they are gone.
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

/// Adds new drift to the record, and removes drift that ended and instances that are gone. [`crate::replacement`]
/// handles replacements in progress.
fn update_record(draft: &mut Draft<'_>, standing: &FleetState<'_>, findings: &Findings) {
    for (id, found) in &findings.drifted {
        let rules = &found.rules;
        let Some((group, member)) = standing.live.and_then(|group| Some((group, group.member(id)?))) else { continue };
        // A replacement instance under verification is judged by its own replacement.
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

/// Whether the replacement instance drifts for a reason of the instance that it replaces. A Config rule counts once the
/// debounce is over, every other reason at once.
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

/// Requests the replacement of an instance for an operator. All guards but the debounce apply. Err: why it cannot be
/// replaced.
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
    // This pass detected drift before it executed the command, so the next one finds the request.
    draft.requeue(draft.input().now + RECHECK_MIN);
    Ok(())
}

/// When the debounce of an instance ends: at once if an operator requested the replacement.
pub(crate) fn debounced_at(replacement: &Replacement, debounce: SignedDuration) -> Timestamp {
    let is_asked = replacement.drift.iter().any(|reason| matches!(reason, DriftReason::Operator { .. }));
    if is_asked { replacement.detected_at } else { replacement.detected_at + debounce }
}
