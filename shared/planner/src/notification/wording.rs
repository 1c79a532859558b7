//! The texts of each kind of message: what happened, why, and what Driftless does next and when.

use jiff::Timestamp;

use super::cutover::Side;
use super::lines::{Wording, in_seconds};
use super::{News, condition, cutover, name_and_subject, observed, replacement};

/// The texts for what was decided at `at`.
pub(super) fn wording(news: &News, at: Timestamp) -> Wording {
    match news {
        News::Adopted { release } => Wording {
            what: "adopted and watched from now on".to_owned(),
            why: format!("the live group runs {} from {}", release.image, release.template),
            next:
                "Driftless changed nothing. It reports drift from now on, and in act mode replaces drifted instances."
                    .to_owned(),
        },
        News::ReplacementStarted { instance, group, drift, remarks, goes_first: true, .. } => {
            replacement::goes_first(instance, group, replacement::cause(drift, remarks))
        }
        News::ReplacementStarted { instance, group, zone, drift, remarks, deadline, goes_first: false } => {
            replacement::started(instance, group, zone, *deadline, replacement::cause(drift, remarks))
        }
        News::Replaced { instance, successor, drift, took, kept_until } => {
            replacement::replaced(instance, successor, drift, *took, *kept_until)
        }
        News::ExtraInstanceKept { instance, why } => replacement::extra_instance_kept(instance, why),
        News::Cancelled { instance, because, next_attempt } => replacement::cancelled(instance, because, *next_attempt),
        News::Stopped { instance, drift, why, failures } => replacement::stopped(instance, drift, why, failures),
        News::CutoverStarted { candidate, new_color, from, old_color, instances, watched, doubled } => {
            let from = Side { color: *old_color, release: from };
            cutover::started(candidate, *new_color, &from, *instances, *watched, *doubled)
        }
        News::RollingBack { candidate, new_color, rollback_to, old_color, why } => {
            let back_to = Side { color: *old_color, release: rollback_to };
            cutover::rolling_back(candidate, *new_color, &back_to, why)
        }
        News::CutoverEnded { candidate, outcome, why, took } => cutover::ended(candidate, *outcome, why, *took),
        News::Vetoed { image, by, evidence } => cutover::vetoed(image, by, evidence),
        News::CommandAnswered { actor, command, is_done, answer, .. } => {
            cutover::answered(actor, command, *is_done, answer)
        }
        News::ObservedWeek { week, still } => observed::week(week, *still),
        News::Entered { condition, detail } => {
            Wording { what: condition.headline(), why: detail.to_string(), next: condition.next() }
        }
        News::Lasts { condition, detail, since } => Wording {
            what: format!("still true: {}", condition.headline()),
            why: format!("since {since:.0} ({}): {detail}", in_seconds(at.duration_since(*since))),
            next: condition.next(),
        },
        News::Ended { condition, since } => {
            let (name, subject) = name_and_subject(condition);
            Wording {
                what: format!("resolved: {}", condition::resolved(name, subject)),
                why: format!("{name} began at {since:.0} and lasted {}", in_seconds(at.duration_since(*since))),
                next: "No action needed. Driftless continues.".to_owned(),
            }
        }
        News::Many { count, example, others } => many(*count, example, others, at),
    }
}

/// The number first, then a few names, then the cause of each.
fn many(count: u32, example: &News, others: &[News], at: Timestamp) -> Wording {
    let named: Vec<&News> = std::iter::once(example).chain(others).collect();
    let about: Vec<String> = named.iter().map(|news| news.about()).collect();
    let unnamed = count.saturating_sub(u32::try_from(named.len()).unwrap_or(u32::MAX));
    let more = if unnamed == 0 { String::new() } else { format!(" and {unnamed} more") };
    let why: Vec<String> = named.iter().map(|news| format!("{}: {}", news.about(), wording(news, at).why)).collect();
    Wording {
        what: format!("{count} {}: {}{more}", plural(example), about.join(", ")),
        why: why.join(" | "),
        next: format!("For {}, and the same for each of the others: {}", example.about(), wording(example, at).next),
    }
}

/// What they have in common.
fn plural(news: &News) -> String {
    match news {
        News::Adopted { .. } => "adoptions".to_owned(),
        News::ReplacementStarted { .. } => "being replaced".to_owned(),
        News::Replaced { .. } => "replaced".to_owned(),
        News::ExtraInstanceKept { .. } => "extra instances stay".to_owned(),
        News::Cancelled { .. } => "replacements cancelled".to_owned(),
        News::Stopped { .. } => "replacements stopped".to_owned(),
        News::CutoverStarted { .. } => "cutovers started".to_owned(),
        News::RollingBack { .. } => "rollbacks started".to_owned(),
        News::CutoverEnded { .. } => "cutovers ended".to_owned(),
        News::Vetoed { .. } => "images vetoed".to_owned(),
        News::CommandAnswered { .. } => "command results".to_owned(),
        News::ObservedWeek { .. } => "weekly reports".to_owned(),
        News::Entered { condition, .. } => format!("x {}", condition.name()),
        News::Lasts { condition, .. } => format!("x still {}", condition.name()),
        News::Ended { .. } => format!("x resolved {}", news.topic()),
        News::Many { example, .. } => plural(example),
    }
}
