//! The texts of each kind of message: what happened, why, and what Driftless does next and when.

use jiff::Timestamp;

use super::cutover::Side;
use super::lines::{Wording, in_seconds};
use super::{Details, condition, cutover, name_and_subject, observed, replacement};

/// The texts for what was decided at `at`.
pub(super) fn wording(details: &Details, at: Timestamp) -> Wording {
    match details {
        Details::Adopted { release } => Wording {
            what: "adopted and watched from now on".to_owned(),
            why: format!("the live group runs {} from {}", release.image, release.template),
            next:
                "Driftless changed nothing. It reports drift from now on, and in act mode replaces drifted instances."
                    .to_owned(),
        },
        Details::ReplacementStarted { instance, group, drift, remarks, goes_first: true, .. } => {
            replacement::goes_first(instance, group, replacement::cause(drift, remarks))
        }
        Details::ReplacementStarted { instance, group, zone, drift, remarks, deadline, goes_first: false } => {
            replacement::started(instance, group, zone, *deadline, replacement::cause(drift, remarks))
        }
        Details::Replaced { instance, successor, drift, took, kept_until } => {
            replacement::replaced(instance, successor, drift, *took, *kept_until)
        }
        Details::ExtraInstanceKept { instance, why } => replacement::extra_instance_kept(instance, why),
        Details::Cancelled { instance, because, next_attempt } => {
            replacement::cancelled(instance, because, *next_attempt)
        }
        Details::Stopped { instance, drift, why, failures } => replacement::stopped(instance, drift, why, failures),
        Details::CutoverStarted { candidate, new_color, from, old_color, instances, watched, doubled } => {
            let from = Side { color: *old_color, release: from };
            cutover::started(candidate, *new_color, &from, *instances, *watched, *doubled)
        }
        Details::RollingBack { candidate, new_color, rollback_to, old_color, why } => {
            let back_to = Side { color: *old_color, release: rollback_to };
            cutover::rolling_back(candidate, *new_color, &back_to, why)
        }
        Details::CutoverEnded { candidate, outcome, why, took } => cutover::ended(candidate, *outcome, why, *took),
        Details::Vetoed { image, by, evidence } => cutover::vetoed(image, by, evidence),
        Details::CommandAnswered { actor, command, is_done, answer, .. } => {
            cutover::answered(actor, command, *is_done, answer)
        }
        Details::ObservedWeek { week, still } => observed::week(week, *still),
        Details::Entered { condition, detail } => {
            Wording { what: condition.headline(), why: detail.to_string(), next: condition.next() }
        }
        Details::Lasts { condition, detail, since } => Wording {
            what: format!("still true: {}", condition.headline()),
            why: format!("since {since:.0} ({}): {detail}", in_seconds(at.duration_since(*since))),
            next: condition.next(),
        },
        Details::Ended { condition, since } => {
            let (name, subject) = name_and_subject(condition);
            Wording {
                what: format!("resolved: {}", condition::resolved(name, subject)),
                why: format!("the condition began at {since:.0} and lasted {}", in_seconds(at.duration_since(*since))),
                next: "No action needed.".to_owned(),
            }
        }
        Details::Many { count, example, others } => many(*count, example, others, at),
    }
}

/// The number first, then a few names, then the cause of each.
fn many(count: u32, example: &Details, others: &[Details], at: Timestamp) -> Wording {
    let named: Vec<&Details> = std::iter::once(example).chain(others).collect();
    let about: Vec<String> = named.iter().map(|details| details.about()).collect();
    let unnamed = count.saturating_sub(u32::try_from(named.len()).unwrap_or(u32::MAX));
    let more = if unnamed == 0 { String::new() } else { format!(" and {unnamed} more") };
    let why: Vec<String> =
        named.iter().map(|details| format!("{}: {}", details.about(), wording(details, at).why)).collect();
    Wording {
        what: format!("{count} {}: {}{more}", plural(example), about.join(", ")),
        why: why.join(" | "),
        next: format!("For {}, and the same for each of the others: {}", example.about(), wording(example, at).next),
    }
}

/// The event of the folded messages, as a clause in the plural.
fn plural(details: &Details) -> String {
    match details {
        Details::Adopted { .. } => "adoptions".to_owned(),
        Details::ReplacementStarted { .. } => "being replaced".to_owned(),
        Details::Replaced { .. } => "replaced".to_owned(),
        Details::ExtraInstanceKept { .. } => "extra instances stay".to_owned(),
        Details::Cancelled { .. } => "replacements cancelled".to_owned(),
        Details::Stopped { .. } => "replacements stopped".to_owned(),
        Details::CutoverStarted { .. } => "cutovers started".to_owned(),
        Details::RollingBack { .. } => "rollbacks started".to_owned(),
        Details::CutoverEnded { .. } => "cutovers ended".to_owned(),
        Details::Vetoed { .. } => "images vetoed".to_owned(),
        Details::CommandAnswered { .. } => "command results".to_owned(),
        Details::ObservedWeek { .. } => "weekly reports".to_owned(),
        Details::Entered { condition, .. } => format!("x {}", condition.name()),
        Details::Lasts { condition, .. } => format!("x still {}", condition.name()),
        Details::Ended { .. } => format!("x resolved {}", details.topic()),
        Details::Many { example, .. } => plural(example),
    }
}
