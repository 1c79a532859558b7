//! The texts of messages about replacements.

use jiff::{SignedDuration, Timestamp};

use super::lines::{Wording, in_seconds};
use crate::ids::{GroupName, ImageId, InstanceId, Zone};
use crate::record::{CancelReason, DriftReason, Failure, StopReason};
use crate::text::UntrustedText;

/// The replacement instance is launched first.
pub(super) fn started(
    instance: &InstanceId,
    group: &GroupName,
    zone: &Zone,
    deadline: Timestamp,
    why: String,
) -> Wording {
    Wording {
        what: format!("replacing {instance}"),
        why,
        next: format!(
            "A replacement instance is launched in {group}, in {zone}. {instance} is terminated once its replacement \
             instance passes health checks. If that has not happened by {deadline:.0}, the replacement instance is \
             terminated instead."
        ),
    }
}

/// The drifted instance is terminated first.
pub(super) fn goes_first(instance: &InstanceId, group: &GroupName, why: String) -> Wording {
    Wording {
        what: format!("replacing {instance}"),
        why,
        next: format!(
            "{instance} is terminated first, because driftless:strategy is terminate-first. Auto Scaling then launches the \
             replacement instance in {group}. No other instance is terminated before that one passes health checks."
        ),
    }
}

/// Why the instance is replaced, with the annotations of AWS Config.
pub(super) fn cause(drift: &[DriftReason], remarks: &[UntrustedText]) -> String {
    remarks.iter().fold(listed(drift), |text, remark| format!("{text} ({:?})", remark.as_str()))
}

/// A drifted instance was replaced.
pub(super) fn replaced(
    instance: &InstanceId,
    successor: &InstanceId,
    drift: &[DriftReason],
    took: SignedDuration,
    kept_until: Option<Timestamp>,
) -> Wording {
    Wording {
        what: format!("replaced {instance} by {successor}"),
        why: listed(drift),
        next: kept_until.map_or_else(
            || format!("No action needed. The replacement took {} from the detection of the drift.", in_seconds(took)),
            |until| {
                format!(
                    "{instance} is kept in Standby, without traffic, until {until:.0}, and is then terminated. To keep it \
                     longer, set the tag driftless:protect on it."
                )
            },
        ),
    }
}

/// The extra instance of a cancelled replacement stays.
pub(super) fn extra_instance_kept(instance: &InstanceId, why: &UntrustedText) -> Wording {
    Wording {
        what: format!("extra instance {instance} stays"),
        why: why.to_string(),
        next: "Desired capacity stays one higher. Lower it when the group can do without the instance, or leave it to the \
               scaling policies of the group."
            .to_owned(),
    }
}

/// A replacement was cancelled.
pub(super) fn cancelled(instance: &InstanceId, because: &CancelReason, next_attempt: Option<Timestamp>) -> Wording {
    let rest = next_attempt.map_or_else(
        || match because {
            CancelReason::Protected { .. } => "Driftless replaces the instance when its protection ends.".to_owned(),
            CancelReason::Cleared | CancelReason::DriftedGone => "Nothing is left to replace.".to_owned(),
            CancelReason::BreakerOpen | CancelReason::RuleBreakerOpen(_) => {
                "Driftless replaces the instance when the breaker is closed again.".to_owned()
            }
            CancelReason::NoCapacity(_) | CancelReason::WindowClosed | CancelReason::BelowMinimum { .. } => {
                "Driftless replaces the instance when no guard blocks that any more.".to_owned()
            }
            CancelReason::DriftedFromTheStart { .. } | CancelReason::Failed(_) => {
                "Driftless does not try again for this drift.".to_owned()
            }
        },
        |at| format!("The next attempt may start at {at:.0}."),
    );
    Wording {
        what: format!("replacement of {instance} cancelled"),
        why: because.to_string(),
        next: format!("The desired capacity of the group is what it was before the replacement. {rest}"),
    }
}

/// Driftless stopped trying to replace an instance.
pub(super) fn stopped(instance: &InstanceId, drift: &[DriftReason], why: &StopReason, failures: &[Failure]) -> Wording {
    match why {
        StopReason::Failures => Wording {
            what: format!(
                "stopped replacing {instance} after {} failed {}",
                failures.len(),
                if failures.len() == 1 { "attempt" } else { "attempts" }
            ),
            why: format!(
                "the instance has drifted ({}); the last attempt failed: {}",
                listed(drift),
                failures.last().map_or("no message", |failure| failure.why.as_str())
            ),
            next: format!(
                "{instance} stays in service. Driftless starts no further attempt until you run `driftless retry`, or until \
                 the drift is over. Fix the cause first."
            ),
        },
        StopReason::NotLaunchedAfter => Wording {
            what: format!("no replacement instance for {instance}"),
            why: format!("the instance had drifted ({}); {instance} was terminated first, and no replacement instance passed health checks in time", listed(drift)),
            next: "Driftless terminates no other instance of the group while one is missing. Check the scaling activities \
                   of the group: Auto Scaling launches the replacement instance."
                .to_owned(),
        },
        StopReason::Recurrence { successor, image } => Wording {
            what: format!("the replacement instance for {instance} is also non-compliant"),
            why: format!("{successor} was launched to replace {instance} and drifted for the same reason: {}", listed(drift)),
            next: format!(
                "{successor} is terminated, {instance} stays in service, and no other instance is replaced for this reason. \
                 Check the rule, or build an image that complies with it{}.",
                suspected(image.as_ref())
            ),
        },
        StopReason::RepeatDrift { ancestor, image } => Wording {
            what: format!("{instance} drifted for the same reason as the instance that it replaced"),
            why: format!(
                "{instance} replaced {ancestor} and drifted for the same reason, {}: the image or the rule is wrong",
                listed(drift)
            ),
            next: format!(
                "{instance} stays in service, and Driftless does not replace it. Check the rule, or build an image that \
                 complies with it{}.",
                suspected(image.as_ref())
            ),
        },
    }
}

fn listed(drift: &[DriftReason]) -> String {
    drift.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn suspected(image: Option<&ImageId>) -> String {
    image.map_or_else(String::new, |image| format!(". A veto keeps {image} out of other cutovers"))
}
