//! Breakers, which stop replacements when a common cause is likely: many instances of one fleet, or many fleets under
//! one rule, drift at once.

use std::collections::BTreeSet;

use super::Findings;
use crate::adopt::FleetState;
use crate::draft::Draft;
use crate::ids::{InstanceId, RuleName};
use crate::limits::{COMMON_CAUSE_FLEETS, COMMON_CAUSE_WITHIN};
use crate::notification::Condition;
use crate::policy::BREAKER_INSTANCES_MIN;
use crate::record::{DriftReason, Record, RuleBreaker};

/// Opens the breaker of the fleet if too many instances of the live group have drifted at once.
pub(super) fn evaluate(draft: &mut Draft<'_>, standing: &FleetState<'_>, findings: &mut Findings) {
    let (Some(live), Ok(policy)) = (standing.live, &standing.policy) else { return };
    if findings.is_incomplete(policy) {
        // A rule that was not read does not close an open breaker.
        let open = draft.record().conditions.get(&Condition::BreakerOpen.key()).map(|known| known.detail.clone());
        if let Some(detail) = open {
            draft.is_in(Condition::BreakerOpen, detail);
        }
        return;
    }
    // A replacement instance does not count while the instance that it replaces is a member: it must neither lower nor
    // raise the share.
    let is_active = |id: &InstanceId| live.active().any(|member| member.id == *id);
    let extra: BTreeSet<&InstanceId> = draft
        .record()
        .replacements
        .iter()
        .filter(|(id, _)| is_active(id))
        .filter_map(|(_, replacement)| replacement.phase().successor())
        .collect();
    let members: Vec<&InstanceId> = live.active().map(|member| &member.id).filter(|id| !extra.contains(id)).collect();
    let drifted = members.iter().filter(|id| counts(draft, findings, id)).count();
    let members = members.len();
    if drifted >= BREAKER_INSTANCES_MIN && policy.breaker.is_exceeded_by(drifted, members) {
        findings.breaker = Some((drifted, members));
        draft.is_in(
            Condition::BreakerOpen,
            format!(
                "{drifted} of {members} instances of {} drifted at once under {}, limit {}: more than that points to a common cause",
                live.name,
                causes(findings),
                policy.breaker
            ),
        );
    }
}

/// Whether the drift of an instance points to a common cause. Age, an operator's request and the old version of an
/// instance in the backlog do not.
fn counts(draft: &Draft<'_>, findings: &Findings, id: &InstanceId) -> bool {
    let is_backlog = draft.record().backlog.contains(id);
    findings.drifted.get(id).is_some_and(|drift| {
        drift
            .reasons()
            .iter()
            .any(|reason| reason.may_be_common() && !(is_backlog && matches!(reason, DriftReason::Template { .. })))
    })
}

/// The causes of the drift in words, each named once.
fn causes(findings: &Findings) -> String {
    let named: BTreeSet<String> = findings
        .drifted
        .values()
        .flat_map(super::Drift::reasons)
        .filter(DriftReason::may_be_common)
        .map(|reason| match reason {
            DriftReason::Rule(rule) => rule.to_string(),
            DriftReason::Template { found } => found.to_string(),
            DriftReason::Image { found } => found.to_string(),
            DriftReason::Alarm(alarm) => alarm.to_string(),
            DriftReason::Age => "age".to_owned(),
            DriftReason::Operator { actor } => actor.to_string(),
        })
        .collect();
    named.into_iter().collect::<Vec<_>>().join(" and ")
}

/// Opens the breaker of a rule if many fleets, and this fleet among them, drifted under the rule at once. An open
/// breaker blocks the instances of this fleet whose drift reasons are all rules with an open breaker.
///
/// The breaker closes when three conditions are met: this pass has read the rule, fewer than [`COMMON_CAUSE_FLEETS`]
/// fleets began to drift under it within the last [`COMMON_CAUSE_WITHIN`], and fewer instances of this fleet are
/// drifted under it than the most since the breaker opened, or none. A fix is then in effect. An operator can also
/// close it (`driftless retry`).
pub(super) fn evaluate_rules(draft: &mut Draft<'_>, standing: &FleetState<'_>, findings: &Findings) {
    let listed = standing.policy.as_ref().map(|policy| policy.rules.clone()).unwrap_or_default();
    let known: BTreeSet<RuleName> = draft.record().rule_breakers.keys().cloned().chain(listed).collect();
    for rule in known {
        let fleets = fleets_drifting(draft, &rule);
        let by_rule = findings.drifted.values().filter(|drift| drift.rules.contains_key(&rule)).count();
        let (fleets_seen, drifted) = (in_u32(fleets), in_u32(by_rule));
        let is_common = fleets >= COMMON_CAUSE_FLEETS;
        match draft.rule_breakers().get_mut(&rule) {
            None if is_common && drifted > 0 => {
                let breaker = RuleBreaker { since: draft.input().now, fleets: fleets_seen, drifted };
                draft.rule_breakers().insert(rule.clone(), breaker);
                draft.history().rule_breaker(true, format!("{fleets} fleets drifted under {rule} at once"));
            }
            None => continue,
            Some(breaker) => {
                let is_mended = drifted == 0 || drifted < breaker.drifted;
                breaker.fleets = breaker.fleets.max(fleets_seen);
                breaker.drifted = breaker.drifted.max(drifted);
                // A rule that was not read closes no breaker.
                if !is_common && is_mended && findings.read.contains(&rule) {
                    draft.rule_breakers().remove(&rule);
                    draft.history().rule_breaker(false, format!("fewer instances are drifted under {rule}"));
                    continue;
                }
            }
        }
        if let Some(breaker) = draft.record().rule_breakers.get(&rule) {
            let detail = format!(
                "{} fleets of this account drifted under {rule} within {COMMON_CAUSE_WITHIN:#}, which points to the rule",
                breaker.fleets
            );
            if !is_common {
                let next = draft.input().now + COMMON_CAUSE_WITHIN;
                draft.requeue(next);
            }
            draft.is_in(Condition::RuleBreakerOpen { rule: rule.clone() }, detail);
        }
    }
}

/// The number of fleets, this fleet included, that began to drift under a rule within the last [`COMMON_CAUSE_WITHIN`].
fn fleets_drifting(draft: &Draft<'_>, rule: &RuleName) -> usize {
    let now = draft.input().now;
    let known = draft.input().seen.account.drifting.get(rule);
    let recent = known.into_iter().flatten().filter(|(_, at)| now.duration_since(**at) <= COMMON_CAUSE_WITHIN);
    let mut fleets: BTreeSet<_> = recent.map(|(fleet, _)| fleet).collect();
    if draft.begins_to_break(rule) {
        fleets.insert(draft.input().fleet);
    }
    fleets.len()
}

/// A rule whose breaker blocks an instance with this drift, and the number of fleets that drifted under the rule. None:
/// at least one drift reason of the instance is not a rule with an open breaker.
pub(crate) fn open_rule_breaker(record: &Record, drift: &BTreeSet<DriftReason>) -> Option<(RuleName, u32)> {
    let mut held = None;
    for reason in drift {
        let DriftReason::Rule(rule) = reason else { return None };
        let breaker = record.rule_breakers.get(rule)?;
        held = held.or_else(|| Some((rule.clone(), breaker.fleets)));
    }
    held
}

fn in_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
