//! Converts the planner's decisions to the types of the documents.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::action::{Action, CapacityChange, Direction, Protection, Role};
use driftless_planner::answer::{Answer, CheckResult};
use driftless_planner::ids::RuleName;
use driftless_planner::image::{ImageCheck, ImageProblem};
use driftless_planner::observation::Finding;
use driftless_planner::record::{BorrowedSetting, Phase, Release, Setting, StopReason};
use driftless_planner::text::UntrustedText;
use driftless_planner::waiting::{GuardId, PreflightCheck, PreflightProblem, Waiting};

use crate::model::{BorrowedSettingsStatus, FindingStatus, GuardResult, GuardStatus, ReleaseStatus, WaitStatus};

/// Converts a guard that blocks.
pub(crate) fn wait(waiting: &Waiting) -> WaitStatus {
    WaitStatus {
        guard: waiting.guard().to_string(),
        why: waiting.to_string().into(),
        may_change_at: waiting.may_change_at(),
    }
}

/// Converts the result of a guard.
pub(crate) fn guard(verdict: &CheckResult<GuardId, Waiting>) -> GuardStatus {
    said(verdict.id.to_string(), verdict, wait)
}

/// Converts the result of a preflight check. All preflight checks have the same name.
pub(crate) fn preflight(verdict: &CheckResult<PreflightCheck, PreflightProblem>) -> GuardStatus {
    said(GuardId::Preflight.to_string(), verdict, |problem| {
        wait(&Waiting::PreflightFailed { problem: problem.clone() })
    })
}

/// Converts the result of a check of an image.
pub(crate) fn image(verdict: &CheckResult<ImageCheck, ImageProblem>) -> GuardStatus {
    let guard = "image".to_owned();
    said(guard.clone(), verdict, |problem| WaitStatus {
        guard: guard.clone(),
        why: problem.to_string().into(),
        may_change_at: problem.may_change_at(),
    })
}

fn said<I, R>(guard: String, verdict: &CheckResult<I, R>, wait: impl Fn(&R) -> WaitStatus) -> GuardStatus {
    let (said, holds) = match &verdict.answer {
        Answer::Agrees => (GuardResult::Agrees, None),
        Answer::Blocks(reason) => (GuardResult::Holds, Some(wait(reason))),
        Answer::NotAsked => (GuardResult::NotAsked, None),
    };
    GuardStatus { guard, asks: verdict.asks.to_owned(), verdict: said, holds }
}

/// Converts a release.
pub(crate) fn release(release: &Release) -> ReleaseStatus {
    ReleaseStatus {
        image: release.image.clone(),
        build: release.build.clone(),
        template: release.template.clone(),
        since: release.since,
    }
}

/// Converts the findings of AWS Config, which are ordered by rule.
pub(crate) fn findings(findings: &BTreeMap<RuleName, Finding>) -> Vec<FindingStatus> {
    let finding = |(rule, finding): (&RuleName, &Finding)| FindingStatus {
        rule: rule.clone(),
        recorded_at: finding.recorded_at,
        annotation: finding.annotation.clone(),
    };
    findings.iter().map(finding).collect()
}

/// Converts a setting that must be restored.
pub(crate) fn borrowed_settings(entry: &BorrowedSetting) -> BorrowedSettingsStatus {
    let numbers = |wrote: &BTreeSet<u32>| {
        let numbers: Vec<String> = wrote.iter().map(ToString::to_string).collect();
        numbers.join(", then ")
    };
    let (setting, says) = match &entry.setting {
        Setting::Maximum { had, wrote } => ("maximum", format!("maximum is {wrote}, to be restored to {had}")),
        Setting::Protection { instance } => {
            ("protection", format!("{instance} is protected from scale-in, protection to be removed"))
        }
        Setting::BorrowedMinimum { had, wrote } => {
            ("borrowed-minimum", format!("minimum is {}, to be restored to {had}", numbers(wrote)))
        }
        Setting::BorrowedMaximum { had, wrote } => {
            ("borrowed-maximum", format!("maximum is {}, to be restored to {had}", numbers(wrote)))
        }
        Setting::Template { had, wrote } => {
            ("template", format!("launch template version is {wrote}, to be restored to {had}"))
        }
        Setting::Stickiness { place, had } => {
            ("stickiness", format!("stickiness is off at {place}, to be restored to {had:#}"))
        }
    };
    BorrowedSettingsStatus {
        group: entry.group.clone(),
        since: entry.since,
        setting: setting.to_owned(),
        says: says.into(),
    }
}

/// The reason why a replacement is being cancelled, or why Driftless stopped trying.
pub(crate) fn abandoned(phase: &Phase) -> Option<UntrustedText> {
    let says = match phase {
        Phase::Cancelling(cancelling) => cancelling.because.to_string(),
        Phase::Stopped(stopped) => match &stopped.why {
            StopReason::Failures => "every attempt failed".to_owned(),
            StopReason::RepeatDrift { ancestor, .. } => {
                format!("it replaced {ancestor} and drifted for the same reason (repeat drift)")
            }
            StopReason::Recurrence { successor, .. } => {
                format!("its replacement instance {successor} drifted for the same reason and was terminated")
            }
            StopReason::NotLaunchedAfter => {
                "it was terminated first, and no replacement instance passed health checks in time".to_owned()
            }
        },
        Phase::Debouncing
        | Phase::Blocked(_)
        | Phase::Launching(_)
        | Phase::Verifying(_)
        | Phase::Retiring(_)
        | Phase::Terminating(_)
        | Phase::LaunchingAfter(_) => return None,
    };
    Some(says.into())
}

/// Describes an action in a sentence.
pub(crate) fn action(action: &Action) -> UntrustedText {
    let decrement = |capacity: &CapacityChange| match capacity {
        CapacityChange::Decrement => " and lower the desired capacity by 1",
        CapacityChange::Keep => "",
    };
    let says = match action {
        Action::SetMaximum { group, expected, maximum } => {
            format!("set the maximum of {group} from {expected} to {maximum}")
        }
        Action::Launch { group, zone, replaces, .. } => {
            format!("launch a replacement instance for {replaces} in {zone}, in {group}")
        }
        Action::SetDesired { group, expected, desired, .. } => {
            format!("set the desired capacity of {group} from {expected} to {desired}")
        }
        Action::Protect { instance, protection: Protection::On, .. } => {
            format!("protect {instance} from scale-in")
        }
        Action::Protect { instance, protection: Protection::Off, .. } => {
            format!("remove the scale-in protection of {instance}")
        }
        Action::Terminate { instance, capacity, role, .. } => {
            let role = match role {
                Role::Drifted => "the drifted instance",
                Role::Extra => "the extra instance",
                Role::Quarantined => "the quarantined instance",
            };
            format!("terminate {role} {instance}{}", decrement(capacity))
        }
        Action::EnterStandby { instance, capacity, .. } => format!("move {instance} to Standby{}", decrement(capacity)),
        Action::TakeSlot => "take a cutover slot of the account".to_owned(),
        Action::GiveSlot => "release the cutover slot of the account".to_owned(),
        Action::SetMinimum { group, expected, minimum } => {
            format!("set the minimum of {group} from {expected} to {minimum}")
        }
        Action::ScaleToZero { group, maximum, .. } => {
            format!("scale {group} to zero: minimum 0, desired 0, maximum {maximum}")
        }
        Action::WriteTemplate { group, template, image, .. } => {
            format!("create a version of {template} with {image} for {group}")
        }
        Action::SetTemplate { group, template, .. } => {
            format!("set the launch template version of {group} to {template}")
        }
        Action::SetWeights { group, change, direction, .. } => {
            let weights: Vec<String> = change.weights.values().map(ToString::to_string).collect();
            format!("{} {group}: weights {} at {}", towards(*direction), weights.join(" and "), change.place)
        }
        Action::Attach { group, direction, .. } => format!("attach {group}: {}", whither(*direction)),
        Action::Detach { group, direction, .. } => format!("detach {group}: {}", whither(*direction)),
        Action::StartRefresh { group, plan } => format!("start an instance refresh of {group} to {}", plan.template),
        Action::RollBackRefresh { group, .. } => format!("roll the instance refresh of {group} back"),
    };
    says.into()
}

const fn towards(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "move traffic to",
        Direction::Back => "return traffic to",
    }
}

const fn whither(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "traffic moves forward",
        Direction::Back => "traffic returns",
    }
}
