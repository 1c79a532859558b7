//! One message of each kind.

use driftless_testkit::{RULE, fleet, id, image_id, mins, rule, t0, version};
use std::collections::BTreeSet;

use driftless_planner::fleet::{Color, Misconfigured};
use driftless_planner::ids::GroupName;
use driftless_planner::notification::{Condition, Details, Notification};
use driftless_planner::policy::{Defaults, Policy, QUARANTINE_FOR};
use driftless_planner::record::{
    CancelReason, Candidate, CandidateReason, CutoverOutcome, DriftReason, Failure, Observed, Release, StopReason,
    Tally, WouldCutOver,
};
use driftless_planner::text::UntrustedText;
use driftless_planner::waiting::{PreflightProblem, Waiting};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

fn drift() -> Vec<DriftReason> {
    vec![DriftReason::Rule(rule(RULE))]
}

pub(crate) fn notification(details: Details, groups: &[&str]) -> Notification {
    let groups = groups.iter().map(|name| name.parse::<GroupName>().unwrap()).collect();
    Notification { id: "app-7-0".to_owned(), fleet: fleet(), groups, at: t0(), details }
}

fn started(drift: Vec<DriftReason>, goes_first: bool) -> Details {
    Details::ReplacementStarted {
        instance: id(1),
        group: "app-blue".parse().unwrap(),
        zone: "eu-central-1a".parse().unwrap(),
        drift,
        remarks: vec!["port 22 is open".into()],
        deadline: t0() + mins(20),
        goes_first,
    }
}

fn replaced(drift: Vec<DriftReason>, kept_until: Option<Timestamp>) -> Details {
    let took = SignedDuration::from_secs(754);
    Details::Replaced { instance: id(1), successor: id(101), drift, took, kept_until }
}

pub(crate) fn conditions() -> Vec<Condition> {
    let instance = id(1);
    vec![
        Condition::Misconfigured,
        Condition::NotAdoptable,
        Condition::PolicyInvalid,
        Condition::BreakerOpen,
        Condition::RuleBreakerOpen { rule: rule(RULE) },
        Condition::CapacityShort,
        Condition::Backlog,
        Condition::WouldReplace { instance: instance.clone() },
        Condition::PermissionDenied { action: "launch".to_owned() },
        Condition::DrainOverdue { instance },
        Condition::WouldCutOver { image: image_id(2) },
        Condition::CutoverWaits,
        Condition::AwaitingApproval,
        Condition::BothColorsAlarm,
        Condition::GuardAlarmMissing,
        Condition::TrafficChanged,
        Condition::RollbackBelowMinimum,
        Condition::NothingCanGoFirst,
        Condition::OldColorDown,
        Condition::RollbackOverdue,
        Condition::RestoreOverdue,
        Condition::RetireOverdue,
        Condition::NeedsOperator,
    ]
}

/// The news of a cutover.
fn of_cutovers() -> Vec<(String, Details)> {
    let candidate =
        Candidate { image: image_id(2), base: version(7), build: Some("42".into()), why: CandidateReason::Image };
    let from = Release { template: version(7), image: image_id(1), since: t0(), build: Some("41".into()) };
    let started = |new_color, old_color| Details::CutoverStarted {
        candidate: candidate.clone(),
        new_color,
        from: from.clone(),
        old_color,
        instances: 3,
        watched: mins(21),
        doubled: mins(82),
    };
    let why: UntrustedText =
        "alarm web-green-5xx is in ALARM: Threshold Crossed: 1 datapoint [12.0 (20/11/26 11:58:00)] was \
                            greater than the threshold (5.0)."
            .into();
    let rolling_back = |new_color, old_color| Details::RollingBack {
        candidate: candidate.clone(),
        new_color,
        rollback_to: from.clone(),
        old_color,
        why: why.clone(),
    };
    let (green, blue) = (Some(Color::Green), Some(Color::Blue));
    let mut all = vec![
        ("cutover-started".to_owned(), started(green, blue)),
        ("cutover-started-single-group".to_owned(), started(None, None)),
        ("rolling-back".to_owned(), rolling_back(green, blue)),
        ("rolling-back-single-group".to_owned(), rolling_back(None, None)),
        (
            "vetoed".to_owned(),
            Details::Vetoed { image: image_id(2), by: "driftless".into(), evidence: vec![why.clone()] },
        ),
        (
            "command-result".to_owned(),
            Details::CommandAnswered {
                request: "r-1".to_owned(),
                actor: "ana".into(),
                command: "rollback".to_owned(),
                is_done: false,
                answer: "no earlier release has completed its bake: there is no release to roll back to".into(),
            },
        ),
    ];
    for (outcome, why) in [
        (CutoverOutcome::Done, "the new release has all traffic, and the old color is scaled to zero".into()),
        (CutoverOutcome::Aborted, "rejected by arn:aws:iam::123456789012:role/pipeline: smoke test 7 failed".into()),
        (CutoverOutcome::Superseded, "ami-00000000000000003 is newer".into()),
        (CutoverOutcome::RolledBack, why),
    ] {
        let ended = Details::CutoverEnded { candidate: candidate.clone(), outcome, why, took: mins(90) };
        all.push((format!("cutover-{}", outcome.name()), ended));
    }
    all
}

/// One of each, and of each that is worded in several ways, one of each way.
pub(crate) fn details() -> Vec<(String, Details)> {
    let image = Some(image_id(1));
    let release = Release { template: version(7), image: image_id(1), since: t0(), build: None };
    let of_old_age = vec![DriftReason::Age, DriftReason::Operator { actor: "ana".into() }];
    let failure = Failure { at: t0(), why: "The key pair 'ops' does not exist".into() };
    let stopped = |why, failures| Details::Stopped { instance: id(1), drift: drift(), why, failures };
    let debugging = "protected by the tag driftless:protect: debugging".into();
    let cancelled = |because, next_attempt| Details::Cancelled { instance: id(1), because, next_attempt };
    let mut all = vec![
        ("adopted".to_owned(), Details::Adopted { release }),
        ("replacement-started".to_owned(), started(drift(), false)),
        ("replaced".to_owned(), replaced(drift(), None)),
        ("replaced-kept".to_owned(), replaced(of_old_age, Some(t0() + QUARANTINE_FOR))),
        ("replacement-goes-first".to_owned(), started(vec![DriftReason::Template { found: version(3) }], true)),
        (
            "extra-instance-kept".to_owned(),
            Details::ExtraInstanceKept {
                instance: id(101),
                why: Waiting::BelowMinimum { serving: 2, minimum_healthy: 3 }.to_string().as_str().into(),
            },
        ),
        ("replacement-cancelled-cleared".to_owned(), cancelled(CancelReason::Cleared, None)),
        ("replacement-cancelled-gone".to_owned(), cancelled(CancelReason::DriftedGone, None)),
        ("replacement-cancelled-breaker".to_owned(), cancelled(CancelReason::BreakerOpen, None)),
        ("replacement-cancelled-protected".to_owned(), cancelled(CancelReason::Protected { by: debugging }, None)),
        (
            "replacement-cancelled-failed".to_owned(),
            cancelled(
                CancelReason::Failed("the replacement instance was not verified within 20m".into()),
                Some(t0() + mins(2)),
            ),
        ),
        ("stopped-failures".to_owned(), stopped(StopReason::Failures, vec![failure.clone(), failure.clone(), failure])),
        (
            "stopped-repeat-drift".to_owned(),
            stopped(StopReason::RepeatDrift { ancestor: id(9), image: image.clone() }, Vec::new()),
        ),
        ("stopped-recurrence".to_owned(), stopped(StopReason::Recurrence { successor: id(101), image }, Vec::new())),
        ("stopped-not-relaunched".to_owned(), stopped(StopReason::NotLaunchedAfter, Vec::new())),
    ];
    all.extend(of_cutovers());
    all.extend(of_weeks());
    all.extend(of_states());
    all.extend(of_bursts());
    all
}

/// The digests of observe mode.
fn of_weeks() -> Vec<(String, Details)> {
    let tally = |what: &str, count| Tally { what: what.into(), count };
    let would = |number, waits: Option<&str>| WouldCutOver {
        image: image_id(number),
        why: "a newer image, build 42".into(),
        waits: waits.map(Into::into),
    };
    let full = Observed {
        since: t0() - mins(7 * 1440),
        replacements: 4,
        reasons: vec![tally("rule sg-closed", 3), tally("older than driftless:max-age", 1)],
        would_wait: vec![tally("window", 2), tally("breaker", 1)],
        cutovers: 2,
        images: vec![would(2, None), would(3, Some("the window is closed until 2026-11-23T08:00:00Z"))],
    };
    let quiet = Observed::since(t0() - mins(7 * 1440));
    vec![
        ("observed-week".to_owned(), Details::ObservedWeek { week: Box::new(full), still: 1 }),
        ("observed-week-nothing-new".to_owned(), Details::ObservedWeek { week: Box::new(quiet), still: 3 }),
    ]
}

/// The news of states.
fn of_states() -> Vec<(String, Details)> {
    let mut all = Vec::new();
    for condition in conditions() {
        let key = condition.key().split(':').next().unwrap().to_owned();
        let detail = found(&condition);
        all.push((format!("ended-{key}"), Details::Ended { condition: condition.key(), since: t0() - mins(30) }));
        all.push((format!("entered-{key}"), Details::Entered { condition, detail: detail.as_str().into() }));
    }
    let detail = found(&Condition::BreakerOpen).as_str().into();
    let lasts = Details::Lasts { condition: Condition::BreakerOpen, detail, since: t0() - mins(1440) };
    all.push(("lasts".to_owned(), lasts));
    all
}

/// What the planner finds where a condition begins.
fn found(condition: &Condition) -> String {
    let listener = "listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2";
    match condition {
        Condition::Misconfigured => Misconfigured::NotAPairOrASingleGroup {
            groups: "app-blue (\"blue\"), app-green (\"green\"), app-old (no color)".to_owned(),
        }
        .to_string(),
        Condition::NotAdoptable => {
            "app-blue uses $Latest of its launch template: pin a numbered version, so that Driftless \
                                    can tell the release"
                .to_owned()
        }
        Condition::PolicyInvalid => {
            let tags = [("driftless:debounce".to_owned(), "soon".to_owned())].into();
            Policy::from_tags(&tags, &Defaults::default()).unwrap_err().to_string()
        }
        Condition::BreakerOpen => {
            "3 of 8 instances of app-blue drifted at once under sg-closed, limit 25 %: more than that \
                                   points to a common cause"
                .to_owned()
        }
        Condition::RuleBreakerOpen { .. } => {
            "3 fleets of this account drifted under sg-closed within 15m, which points to the rule".to_owned()
        }
        Condition::CapacityShort => {
            "We currently do not have sufficient m5.large capacity in the Availability Zone you \
                                     requested (eu-central-1a)."
                .to_owned()
        }
        Condition::Backlog => "4 instances run another launch template version than the release".to_owned(),
        Condition::WouldReplace { .. } => {
            "rule sg-closed; a replacement instance would be launched in eu-central-1a now".to_owned()
        }
        Condition::PermissionDenied { .. } => {
            "You are not authorized to perform: iam:PassRole on resource arn:aws:iam::123456789012:role/app".to_owned()
        }
        Condition::DrainOverdue { .. } => "terminating since before 2026-11-20T11:45:00Z".to_owned(),
        Condition::WouldCutOver { .. } => "ami-00000000000000002: a newer image, build 42".to_owned(),
        Condition::CutoverWaits => PreflightProblem::AlarmInAlarm {
            alarm: "web-5xx".parse().unwrap(),
            reason: "Threshold Crossed: 1 datapoint [12.0] was greater than the threshold (5.0).".into(),
        }
        .to_string(),
        Condition::AwaitingApproval => "ami-00000000000000002 is launched and healthy".to_owned(),
        Condition::BothColorsAlarm => {
            "alarm web-blue-5xx of app-blue and alarm web-green-5xx are both in ALARM, which \
                                       points to a shared dependency"
                .to_owned()
        }
        Condition::GuardAlarmMissing => "guard alarm web-5xx does not exist any more".to_owned(),
        Condition::TrafficChanged => format!("the weights of {listener} were changed outside Driftless"),
        Condition::RollbackBelowMinimum => "app-blue has 2 of 4 healthy instances, 3 needed".to_owned(),
        Condition::NothingCanGoFirst => "terminate-first would leave 0 of the 1 instances of app healthy, and \
                                         driftless:min-healthy=90 % needs 1"
            .to_owned(),
        Condition::OldColorDown => "app-blue has no healthy targets; app-green keeps its 3 until it has".to_owned(),
        Condition::RollbackOverdue => "app-green still has traffic after 30m".to_owned(),
        Condition::RestoreOverdue => {
            "Driftless raised MaxSize of app-blue from 4 to 5, and desired capacity is 5 now: \
                                      lower desired capacity to 4, or set the MaxSize that you want"
                .to_owned()
        }
        Condition::RetireOverdue => "2 instances of app-blue still exist".to_owned(),
        Condition::NeedsOperator => format!(
            "the weights of {listener} were changed outside Driftless, and the change was not reverted within 30m"
        ),
    }
}

/// The news of what happens many times at once.
fn of_bursts() -> Vec<(String, Details)> {
    let drains = |instance| Details::Entered {
        condition: Condition::DrainOverdue { instance: id(instance) },
        detail: "terminating since before 2026-11-20T11:45:00Z".into(),
    };
    let many = |count, example, others| Details::Many { count, example: Box::new(example), others };
    let drains = many(12, drains(1), vec![drains(2), drains(3)]);
    let failed = |instance| Details::Stopped {
        instance: id(instance),
        drift: drift(),
        why: StopReason::Failures,
        failures: vec![Failure { at: t0(), why: "You have requested more vCPU capacity than your limit".into() }],
    };
    let failed = many(6, failed(1), vec![failed(2), failed(3)]);
    vec![("many-drain-overdue".to_owned(), drains), ("many-stopped".to_owned(), failed)]
}

/// Every word that tells the variants of an enum apart, in this field, or without one as a word of its own: serde names
/// them all when it is given one that there is not.
pub(crate) fn variants<T: serde::de::DeserializeOwned>(tag: &str) -> BTreeSet<String> {
    let unheard = if tag.is_empty() { json!("?") } else { json!({ tag: "?" }) };
    let unknown = serde_json::from_value::<T>(unheard).err().unwrap().to_string();
    let variants = unknown.split_once("expected one of").unwrap().1;
    variants.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
