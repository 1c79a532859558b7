//! Compares what AWS Config reported in events with what this pass has read from it.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{CONFIRMATION_GRACE, Findings, UNREAD_RECHECK};
use crate::adopt::FleetState;
use crate::draft::Draft;
use crate::fact::{ComplianceFact, ComplianceType, Fact};
use crate::ids::RuleName;
use crate::observation::Finding;

const CONFIRMATION_RECHECK: SignedDuration = SignedDuration::from_secs(20);

/// Merges the events about compliance with the read. An event that would start a replacement applies only when the read
/// confirms it. An event that would end drift applies at once, until the read confirms it or [`CONFIRMATION_GRACE`] is
/// over.
pub(super) fn weigh(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    listed: &BTreeSet<RuleName>,
    findings: &mut Findings,
) {
    let now = draft.input().now;
    if draft.input().seen.groups.is_empty() {
        // This pass has read no group, so it cannot tell which instances still exist.
        return;
    }
    for fact in draft.input().facts {
        let Fact::Compliance(report) = fact else { continue };
        let is_member = draft.input().seen.groups.iter().any(|group| group.member(&report.instance).is_some());
        if !is_member {
            draft.consume(fact.key());
            continue;
        }
        if findings.unread.contains(&report.rule) {
            draft.requeue(now + UNREAD_RECHECK);
            continue;
        }
        let finding = findings.drifted.get(&report.instance).and_then(|drift| drift.rules.get(&report.rule));
        // A rule that left the policy still applies to replacements that were admitted under it.
        if !listed.contains(&report.rule) && finding.is_none() {
            if standing.policy.is_ok() {
                show(draft, report);
            }
            draft.consume(fact.key());
            continue;
        }
        let is_confirmed = match (report.verdict, finding) {
            (ComplianceType::NonCompliant, Some(_))
            | (ComplianceType::Compliant | ComplianceType::NotApplicable, None) => true,
            (ComplianceType::NonCompliant, None) => false,
            // The event is older than the finding: it no longer applies.
            (ComplianceType::Compliant | ComplianceType::NotApplicable, Some(finding)) => {
                report.observed_at < finding.recorded_at
            }
        };
        if is_confirmed || now >= report.observed_at + CONFIRMATION_GRACE {
            draft.consume(fact.key());
        } else {
            draft.requeue(now + CONFIRMATION_RECHECK);
            if report.verdict != ComplianceType::NonCompliant
                && let Some(drift) = findings.drifted.get_mut(&report.instance)
            {
                drift.rules.remove(&report.rule);
                if drift.is_empty() {
                    findings.drifted.remove(&report.instance);
                }
            }
        }
    }
}

/// Stores the result of a rule that is not in the policy. The result is shown, and Driftless never acts on it.
fn show(draft: &mut Draft<'_>, report: &ComplianceFact) {
    let known = draft.shown().entry(report.instance.clone()).or_default();
    let is_newer = known.get(&report.rule).is_none_or(|finding| finding.recorded_at < report.observed_at);
    if !is_newer {
        return;
    }
    match report.verdict {
        ComplianceType::NonCompliant => {
            let finding = Finding { recorded_at: report.observed_at, annotation: report.annotation.clone() };
            known.insert(report.rule.clone(), finding);
            let why = format!("rule {} is not in driftless:rules: recorded, not acted on", report.rule);
            draft.history().finding(&report.instance, why);
        }
        ComplianceType::Compliant | ComplianceType::NotApplicable => {
            known.remove(&report.rule);
        }
    }
    draft.shown().retain(|_, rules| !rules.is_empty());
}
