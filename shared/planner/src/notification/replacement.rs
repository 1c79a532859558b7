//! How the news of replacements is worded.

use jiff::{SignedDuration, Timestamp};

use super::lines::{Wording, in_seconds};
use crate::ids::{GroupName, ImageId, InstanceId, Zone};
use crate::record::{CancelReason, DriftReason, Failure, StopReason};
use crate::text::UntrustedText;

/// The successor comes first.
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
            "A successor is launched in {zone}, in {group}. {instance} is terminated only when its successor has proven \
             itself, until {deadline:.0} at the latest; else the successor goes."
        ),
    }
}

/// The drifted instance goes first.
pub(super) fn goes_first(instance: &InstanceId, group: &GroupName, why: String) -> Wording {
    Wording {
        what: format!("replacing {instance}"),
        why,
        next: format!(
            "{instance} is terminated first, as driftless:replace says; Auto Scaling launches its successor in {group}. \
             No other goes before that one has proven itself."
        ),
    }
}

/// Why it is replaced, with what Config remarked.
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
            || format!("Nothing: it is done. From detection to the end it took {}.", in_seconds(took)),
            |until| {
                format!(
                    "{instance} is out of traffic, in standby, and kept until {until:.0}; the tag driftless:protect on \
                     it keeps it longer."
                )
            },
        ),
    }
}

/// A surplus stays.
pub(super) fn surplus_kept(instance: &InstanceId, why: &UntrustedText) -> Wording {
    Wording {
        what: format!("kept the surplus instance {instance}"),
        why: why.to_string(),
        next: "It stays, and desired capacity stays one higher. What scales the group, or a person, may take it back."
            .to_owned(),
    }
}

/// A surge was given up.
pub(super) fn cancelled(instance: &InstanceId, because: &CancelReason, next_attempt: Option<Timestamp>) -> Wording {
    let rest = next_attempt.map_or_else(
        || match because {
            CancelReason::Protected { .. } => "It is replaced when nobody protects it any more.".to_owned(),
            CancelReason::Cleared
            | CancelReason::DriftedGone
            | CancelReason::BreakerOpen
            | CancelReason::RuleBreakerOpen(_)
            | CancelReason::NoCapacity(_)
            | CancelReason::BornDrifted { .. }
            | CancelReason::WindowClosed
            | CancelReason::BelowFloor { .. }
            | CancelReason::Failed(_) => "Nothing more is done.".to_owned(),
        },
        |at| format!("The next attempt may start at {at:.0}."),
    );
    Wording {
        what: format!("withdrew the replacement of {instance}"),
        why: because.to_string(),
        next: format!("The group has its own size again. {rest}"),
    }
}

/// A replacement was given up for good.
pub(super) fn stopped(instance: &InstanceId, drift: &[DriftReason], why: &StopReason, failures: &[Failure]) -> Wording {
    match why {
        StopReason::Failures => Wording {
            what: format!("gave up replacing {instance}"),
            why: format!(
                "{}; {} attempts failed, the last one with: {}",
                listed(drift),
                failures.len(),
                failures.last().map_or("no message", |failure| failure.why.as_str())
            ),
            next: format!(
                "{instance} stays and serves. Nothing more is done about it until it is compliant or gone, or a person has \
                 it tried again."
            ),
        },
        StopReason::NotRefilled => Wording {
            what: format!("nothing took the place of {instance}"),
            why: format!("{}; it went first, and no successor proved itself in time", listed(drift)),
            next: "Nothing else of the group goes while one is missing. Look at the group's scaling activities: it is \
                   Auto Scaling that launches."
                .to_owned(),
        },
        StopReason::Recurrence { successor, image } => Wording {
            what: format!("the successor of {instance} was born drifted"),
            why: format!("{successor} was to replace {instance} and fails for the same reason, {}", listed(drift)),
            next: format!(
                "{successor} is gone again, {instance} stays and serves, and no other is replaced for this. Check the \
                 rule, or build an image that passes it{}.",
                suspected(image.as_ref())
            ),
        },
        StopReason::Lineage { ancestor, image } => Wording {
            what: format!("{instance} was born drifted"),
            why: format!(
                "{instance} replaced {ancestor} and fails for the same reason, {}: the image or the rule is wrong",
                listed(drift)
            ),
            next: format!(
                "{instance} stays and serves. No further successor is launched for it: check the rule, or build an \
                 image that passes it{}.",
                suspected(image.as_ref())
            ),
        },
    }
}

fn listed(drift: &[DriftReason]) -> String {
    drift.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn suspected(image: Option<&ImageId>) -> String {
    image.map_or_else(String::new, |image| format!("; a veto keeps {image} from other cutovers"))
}
