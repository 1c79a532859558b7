//! What has drifted: rules of the fleet's list, as Config says them now. Events only hint.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::adopt::Standing;
use crate::decide::Plan;
use crate::fact::{ComplianceFact, Fact, Verdict};
use crate::ids::{InstanceId, RuleName};
use crate::notification::Condition;
use crate::observation::{Finding, Observation, RuleReading};
use crate::policy::BREAKER_INSTANCES_MIN;
use crate::record::{LINEAGE_MEMORY, Phase, Record, Replacement};

/// How long an event that the read does not confirm yet is kept. Config records a result before it sends the event,
/// so that a read which trails the event does so by seconds; after this the read is believed.
pub const CONFIRMATION_GRACE: SignedDuration = SignedDuration::from_mins(2);
const CONFIRMATION_RECHECK: SignedDuration = SignedDuration::from_secs(20);

/// What is known about drift in this look.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// By instance of the live group: the rules that it breaks.
    pub(crate) drifted: BTreeMap<InstanceId, BTreeMap<RuleName, Finding>>,
    /// Set when too many drifted at once: how many, of how many.
    pub(crate) breaker: Option<(usize, usize)>,
    /// Rules that were read in this look. About the others nothing is known, and nothing is concluded.
    read: BTreeSet<RuleName>,
    /// Whether a rule of the list was not read: then the breaker cannot be judged, and nothing may start.
    pub(crate) is_incomplete: bool,
    /// Rules of the list that Config does not know.
    pub(crate) missing: BTreeSet<RuleName>,
}

impl Findings {
    /// Whether an instance is known to be free of all that it was found drifted for. Unread is not free.
    pub(crate) fn is_cleared(&self, instance: &InstanceId, replacement: &Replacement) -> bool {
        !self.drifted.contains_key(instance) && replacement.findings.keys().all(|rule| self.read.contains(rule))
    }
}

/// The rules whose compliance a decision will read: those of the list, and those for which work is under way.
pub fn rules_to_read(listed: Option<&BTreeSet<RuleName>>, record: Option<&Record>) -> BTreeSet<RuleName> {
    let under_way = record.into_iter().flat_map(|record| record.replacements.values());
    listed.into_iter().flatten().cloned().chain(under_way.flat_map(|work| work.findings.keys().cloned())).collect()
}

/// Finds what has drifted and brings the record's list of drifted instances up to it.
pub(crate) fn detect(plan: &mut Plan<'_>, standing: &Standing<'_>) -> Findings {
    let listed = standing.policy.as_ref().map(|policy| policy.rules.clone()).unwrap_or_default();
    let mut findings = read(plan.input.seen, standing, &listed, &plan.next);
    weigh_facts(plan, standing, &listed, &mut findings);
    forget(plan);
    if !findings.missing.is_empty() {
        let names: Vec<&str> = findings.missing.iter().map(RuleName::as_str).collect();
        plan.is_in(
            Condition::PolicyInvalid,
            format!("driftless:rules names {}, which AWS Config does not have", names.join(" and ")),
        );
    }
    judge_breaker(plan, standing, &mut findings);
    update_record(plan, standing, &findings);
    findings
}

fn read(seen: &Observation, standing: &Standing<'_>, listed: &BTreeSet<RuleName>, record: &Record) -> Findings {
    let mut findings = Findings::default();
    for rule in rules_to_read(Some(listed), Some(record)) {
        match seen.compliance.get(&rule) {
            None => findings.is_incomplete |= listed.contains(&rule),
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
                    // Off the list, a rule still holds for work that was admitted under it.
                    let known = record.replacements.get(&member.id);
                    let is_under_way = known.is_some_and(|replacement| {
                        replacement.phase.surge().is_some() && replacement.findings.contains_key(&rule)
                    });
                    // Where nothing says which group is live, what is on record is neither new nor over.
                    let is_asked = listed.contains(&rule) && (standing.is_live(&group.name) || known.is_some());
                    if !is_asked && !is_under_way {
                        continue;
                    }
                    if let Some(finding) = by_instance.get(&member.id) {
                        findings.drifted.entry(member.id.clone()).or_default().insert(rule.clone(), finding.clone());
                    }
                }
                findings.read.insert(rule);
            }
        }
    }
    findings
}

/// A report that would start something is verified by the read. A report that stops something is believed, for as long
/// as the read may trail it.
fn weigh_facts(plan: &mut Plan<'_>, standing: &Standing<'_>, listed: &BTreeSet<RuleName>, findings: &mut Findings) {
    let now = plan.input.now;
    if plan.input.seen.groups.is_empty() {
        // Nothing is known about any instance in this look.
        return;
    }
    for fact in plan.input.facts {
        let Fact::Compliance(report) = fact else { continue };
        let is_member = plan.input.seen.groups.iter().any(|group| group.member(&report.instance).is_some());
        if !is_member {
            plan.consumed.push(fact.key());
            continue;
        }
        let finding = findings.drifted.get(&report.instance).and_then(|rules| rules.get(&report.rule));
        // Off the list, a rule still holds for work that was admitted under it.
        if !listed.contains(&report.rule) && finding.is_none() {
            if standing.policy.is_ok() {
                show(plan, report);
            }
            plan.consumed.push(fact.key());
            continue;
        }
        let is_confirmed = match (report.verdict, finding) {
            (Verdict::NonCompliant, Some(_)) | (Verdict::Compliant | Verdict::NotApplicable, None) => true,
            (Verdict::NonCompliant, None) => false,
            // Older than the finding: it was true once, and is not any more.
            (Verdict::Compliant | Verdict::NotApplicable, Some(finding)) => report.observed_at < finding.recorded_at,
        };
        if is_confirmed || now >= report.observed_at + CONFIRMATION_GRACE {
            plan.consumed.push(fact.key());
        } else {
            plan.look_again(now + CONFIRMATION_RECHECK);
            if report.verdict != Verdict::NonCompliant
                && let Some(rules) = findings.drifted.get_mut(&report.instance)
            {
                rules.remove(&report.rule);
                if rules.is_empty() {
                    findings.drifted.remove(&report.instance);
                }
            }
        }
    }
}

/// Keeps what was reported under a rule that is not on the list: it is shown, and never acted on.
fn show(plan: &mut Plan<'_>, report: &ComplianceFact) {
    let known = plan.next.shown.entry(report.instance.clone()).or_default();
    let is_newer = known.get(&report.rule).is_none_or(|finding| finding.recorded_at < report.observed_at);
    if !is_newer {
        return;
    }
    match report.verdict {
        Verdict::NonCompliant => {
            let finding = Finding { recorded_at: report.observed_at, annotation: report.annotation.clone() };
            known.insert(report.rule.clone(), finding);
            let why = format!("rule {} is not on the fleet's list: shown only", report.rule);
            plan.journal(Some(&report.instance), "", "shown", why);
        }
        Verdict::Compliant | Verdict::NotApplicable => {
            known.remove(&report.rule);
        }
    }
    plan.next.shown.retain(|_, rules| !rules.is_empty());
}

/// Forgets what concerns instances that are gone, and descent that is too old to matter.
fn forget(plan: &mut Plan<'_>) {
    let seen = plan.input.seen;
    let now = plan.input.now;
    let is_member = |id: &InstanceId| seen.groups.iter().any(|group| group.member(id).is_some());
    // An answer without any group is no proof that every instance is gone.
    if !seen.groups.is_empty() {
        plan.next.shown.retain(|id, _| is_member(id));
        plan.next.lineage.retain(|id, descent| is_member(id) && now < descent.at + LINEAGE_MEMORY);
    }
}

fn judge_breaker(plan: &mut Plan<'_>, standing: &Standing<'_>, findings: &mut Findings) {
    let (Some(live), Ok(policy)) = (standing.live, &standing.policy) else { return };
    if findings.is_incomplete {
        // Known to be open, it is not closed by an answer that is missing.
        let open = plan.next.conditions.get(&Condition::BreakerOpen.key()).map(|known| known.detail.clone());
        if let Some(detail) = open {
            plan.is_in(Condition::BreakerOpen, detail);
        }
        return;
    }
    // A successor is no member of the fleet while what it replaces is one: it must neither dilute the share nor raise it.
    let is_active = |id: &InstanceId| live.active().any(|member| member.id == *id);
    let surplus: BTreeSet<&InstanceId> = plan
        .next
        .replacements
        .iter()
        .filter(|(id, _)| is_active(id))
        .filter_map(|(_, replacement)| replacement.phase.successor())
        .collect();
    let members: Vec<&InstanceId> = live.active().map(|member| &member.id).filter(|id| !surplus.contains(id)).collect();
    let drifted = members.iter().filter(|id| findings.drifted.contains_key(**id)).count();
    let members = members.len();
    if drifted >= BREAKER_INSTANCES_MIN && policy.breaker.is_exceeded_by(drifted, members) {
        findings.breaker = Some((drifted, members));
        let rules: BTreeSet<&str> = findings.drifted.values().flat_map(BTreeMap::keys).map(RuleName::as_str).collect();
        plan.is_in(
            Condition::BreakerOpen,
            format!(
                "{drifted} of {members} instances of {} drifted at once under {}: more than {} has a common cause",
                live.name,
                rules.into_iter().collect::<Vec<_>>().join(" and "),
                policy.breaker
            ),
        );
    }
}

/// New drift enters the record; drift that is over, and drift of instances that are gone, leaves it. What is under way
/// is left to [`crate::replacement`].
fn update_record(plan: &mut Plan<'_>, standing: &Standing<'_>, findings: &Findings) {
    let now = plan.input.now;
    for (id, rules) in &findings.drifted {
        let Some((group, member)) = standing.live.and_then(|group| Some((group, group.member(id)?))) else { continue };
        // Successors that are still on trial are judged by their own replacement.
        if plan.next.successors().any(|successor| successor == id) {
            continue;
        }
        let drift = rules.keys().cloned().map(crate::record::DriftReason::Rule).collect();
        if let Some(known) = plan.next.replacements.get_mut(id) {
            known.drift = drift;
            known.findings.clone_from(rules);
            continue;
        }
        plan.begins_to_drift.extend(rules.keys().cloned());
        let names: Vec<&str> = rules.keys().map(RuleName::as_str).collect();
        plan.journal(Some(id), "", "debouncing", format!("non-compliant under {}", names.join(" and ")));
        let replacement = Replacement {
            group: group.name.clone(),
            zone: member.zone.clone(),
            drift,
            findings: rules.clone(),
            detected_at: now,
            phase: Phase::Debouncing,
            failures: Vec::new(),
        };
        plan.next.replacements.insert(id.clone(), replacement);
    }
    let idle: Vec<InstanceId> = plan
        .next
        .replacements
        .iter()
        .filter(|(_, replacement)| replacement.phase.surge().is_none())
        .map(|(id, _)| id.clone())
        .collect();
    for id in idle {
        leave_if_over(plan, standing, findings, &id);
    }
}

fn leave_if_over(plan: &mut Plan<'_>, standing: &Standing<'_>, findings: &Findings, id: &InstanceId) {
    let Some(replacement) = plan.next.replacements.get(id) else { return };
    let from = replacement.phase.name();
    let is_member = plan.input.seen.groups.iter().any(|group| group.member(id).is_some());
    let why = if !is_member && !plan.input.seen.groups.is_empty() {
        "the instance is gone"
    } else if standing.live.is_some() && !standing.is_live(&replacement.group) {
        "its group is no longer the live one"
    } else if standing.policy.is_ok() && findings.is_cleared(id, replacement) {
        "no rule of the list holds it for drifted any more"
    } else {
        return;
    };
    plan.next.replacements.remove(id);
    plan.journal(Some(id), from, "cleared", why);
}
