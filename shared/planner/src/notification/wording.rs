//! How each piece of news is worded: what, why, and what Driftless does next and when.

use super::lines::Wording;
use super::{News, cutover, observed, replacement};

pub(super) fn wording(news: &News) -> Wording {
    match news {
        News::Adopted { release } => Wording {
            what: "adopted, and watched from now on".to_owned(),
            why: format!("its live group runs {} from {}", release.image, release.template),
            next: "Nothing was changed. Drift is reported from now on; in act mode it is repaired.".to_owned(),
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
        News::SurplusKept { instance, why } => replacement::surplus_kept(instance, why),
        News::Cancelled { instance, because, next_attempt } => replacement::cancelled(instance, because, *next_attempt),
        News::Stopped { instance, drift, why, failures } => replacement::stopped(instance, drift, why, failures),
        News::CutoverStarted { candidate, from, instances, watched, doubled } => {
            cutover::started(candidate, from, *instances, *watched, *doubled)
        }
        News::RollingBack { candidate, why } => cutover::rolling_back(candidate, why),
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
            what: format!("still: {}", condition.headline()),
            why: format!("since {since:.0}: {detail}"),
            next: condition.next(),
        },
        News::Ended { condition, since } => Wording {
            what: format!("over: {}", condition.replace(':', " ")),
            why: format!("it had lasted since {since:.0}"),
            next: "Nothing: Driftless goes on.".to_owned(),
        },
        News::Many { count, example, others } => many(*count, example, others),
    }
}

/// The number first, then a few names, then each one's why.
fn many(count: u32, example: &News, others: &[News]) -> Wording {
    let named: Vec<&News> = std::iter::once(example).chain(others).collect();
    let about: Vec<String> = named.iter().map(|news| news.about()).collect();
    let unnamed = count.saturating_sub(u32::try_from(named.len()).unwrap_or(u32::MAX));
    let more = if unnamed == 0 { String::new() } else { format!(" and {unnamed} more") };
    let why: Vec<String> = named.iter().map(|news| format!("{}: {}", news.about(), wording(news).why)).collect();
    Wording {
        what: format!("{count} {}: {}{more}", plural(example), about.join(", ")),
        why: why.join(" | "),
        next: format!("Of {}, and of each of the others likewise: {}", example.about(), wording(example).next),
    }
}

/// What happened to all of them.
fn plural(news: &News) -> String {
    match news {
        News::Adopted { .. } => "adoptions".to_owned(),
        News::ReplacementStarted { .. } => "being replaced".to_owned(),
        News::Replaced { .. } => "replaced".to_owned(),
        News::SurplusKept { .. } => "surplus instances kept".to_owned(),
        News::Cancelled { .. } => "replacements cancelled".to_owned(),
        News::Stopped { .. } => "replacements given up".to_owned(),
        News::CutoverStarted { .. } => "cutovers begin".to_owned(),
        News::RollingBack { .. } => "rollbacks begin".to_owned(),
        News::CutoverEnded { .. } => "cutovers over".to_owned(),
        News::Vetoed { .. } => "images vetoed".to_owned(),
        News::CommandAnswered { .. } => "commands answered".to_owned(),
        News::ObservedWeek { .. } => "weeks observed".to_owned(),
        News::Entered { condition, .. } => format!("times {}", condition.name()),
        News::Lasts { condition, .. } => format!("times still {}", condition.name()),
        News::Ended { .. } => format!("times over: {}", news.topic()),
        News::Many { example, .. } => plural(example),
    }
}
