//! Drift detection: which rules of the policy each instance breaks according to AWS Config, and the release, age,
//! alarms and operator requests of each instance. An event only causes a pass; what the pass reads decides.

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

/// How long Driftless keeps an event that the read does not confirm. Config stores a result before it sends the event,
/// so the read shows it within seconds. After this time Driftless trusts the read.
pub const CONFIRMATION_GRACE: SignedDuration = SignedDuration::from_mins(2);

/// How long Driftless may reuse the results of a rule that many instances break. Config returns a hundred results in a
/// call, and without reuse each fleet would read the same thousands of results within seconds. Reuse delays little:
/// Config itself takes minutes to find drift, and Driftless keeps an unconfirmed event for longer
/// ([`CONFIRMATION_GRACE`]).
pub const LARGE_READING_KEPT: SignedDuration = SignedDuration::from_secs(10);

/// After what time Driftless reads a rule again that could not be read, while drifted instances are in the record: soon
/// enough for a debounce of minutes, and rarely enough for an account that is short of API calls.
const UNREAD_RECHECK: SignedDuration = SignedDuration::from_mins(1);

/// The drift that this pass found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The drift of each drifted instance of the live group, and of each instance in the record that is still drifted.
    pub(crate) drifted: BTreeMap<InstanceId, Drift>,
    /// The number of drifted members and of all members of the live group, if the breaker is open. None: it is closed.
    pub(crate) breaker: Option<(usize, usize)>,
    /// The rules that this pass has read. A rule that Config does not have is one of them.
    read: BTreeSet<RuleName>,
    /// The rules that this pass could not read. Driftless draws no conclusion about them.
    unread: BTreeSet<RuleName>,
    /// The rules of the policy's list that Config does not have.
    pub(crate) missing: BTreeSet<RuleName>,
    /// The instances in the record for which this pass could not check all drift reasons other than rules.
    untold: BTreeSet<InstanceId>,
}

/// The drift of one instance.
#[derive(Debug, Default, Clone)]
pub(crate) struct Drift {
    /// The rules that the instance breaks, each with Config's finding.
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

/// Whether a replacement instance under verification drifts for a reason of the instance that it replaces.
pub(crate) enum Recurrence {
    None,
    /// It drifts now, but may recover until this time: Config can be late to see how a new instance is configured.
    Until(Timestamp),
    Lasting,
}

impl Findings {
    /// Whether a rule of the policy could not be read. The breaker is then unknown, and no replacement may start.
    pub(crate) fn is_incomplete(&self, policy: &Policy) -> bool {
        !policy.rules.is_disjoint(&self.unread)
    }

    /// Evaluates the breaker again before any replacement starts: a surge that has just ended may have left its
    /// replacement instance as a member, which then counts.
    pub(crate) fn count_again(mut self, draft: &mut Draft<'_>, standing: &FleetState<'_>) -> Self {
        breaker::evaluate(draft, standing, &mut self);
        self
    }

    /// Whether the instance is known to have no drift reason any more. A drift reason that could not be read still
    /// applies.
    pub(crate) fn is_cleared(&self, instance: &InstanceId, replacement: &Replacement) -> bool {
        !self.drifted.contains_key(instance)
            && !self.untold.contains(instance)
            && replacement.findings.keys().all(|rule| self.read.contains(rule))
    }
}

/// The rules that a pass reads: those of the policy, and those that an instance in the record broke.
pub fn rules_to_read(listed: Option<&BTreeSet<RuleName>>, record: Option<&Record>) -> BTreeSet<RuleName> {
    let under_way = record.into_iter().flat_map(|record| record.replacements.values());
    listed.into_iter().flatten().cloned().chain(under_way.flat_map(|work| work.findings.keys().cloned())).collect()
}

/// Detects drift, and updates the drifted instances and the breakers in the record.
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
    breaker::evaluate(draft, standing, &mut findings);
    update_record(draft, standing, &findings);
    if !findings.unread.is_empty() && !draft.record().replacements.is_empty() {
        draft.requeue(draft.input().now + UNREAD_RECHECK);
    }
    breaker::evaluate_rules(draft, standing, &findings);
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

/// Forgets the data of instances that no longer exist, and which instance a replacement instance replaced once that is
/// older than [`REPEAT_DRIFT_MEMORY`].
fn forget(draft: &mut Draft<'_>) {
    let seen = draft.input().seen;
    let now = draft.input().now;
    let is_member = |id: &InstanceId| seen.groups.iter().any(|group| group.member(id).is_some());
    // A read without any group does not prove that the instances are gone.
    if !seen.groups.is_empty() {
        draft.forget_all_but(is_member, |descent| now < descent.at + REPEAT_DRIFT_MEMORY);
    }
}

/// Updates the backlog. When a version becomes the release, the instances that run another version form the backlog. An
/// instance stays in it until it is gone or no longer drifted by its version.
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

/// Adds new drift to the record, and removes drift that has ended and instances that are gone. It leaves admitted
/// replacements to [`crate::replacement`].
fn update_record(draft: &mut Draft<'_>, standing: &FleetState<'_>, findings: &Findings) {
    for (id, found) in &findings.drifted {
        let rules = &found.rules;
        let Some((group, member)) = standing.live.and_then(|group| Some((group, group.member(id)?))) else { continue };
        // A replacement instance under verification is evaluated by the replacement that launched it.
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
/// debounce is over, and every other reason at once.
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

/// Requests the replacement of an instance on behalf of an operator. All guards except the debounce apply. Err: why the
/// instance cannot be replaced.
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

/// When the debounce of an instance ends. There is no debounce if an operator requested the replacement.
pub(crate) fn debounced_at(replacement: &Replacement, debounce: SignedDuration) -> Timestamp {
    let is_asked = replacement.drift.iter().any(|reason| matches!(reason, DriftReason::Operator { .. }));
    if is_asked { replacement.detected_at } else { replacement.detected_at + debounce }
}
