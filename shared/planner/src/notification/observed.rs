//! The text of the weekly message of observe mode.

use super::lines::Wording;
use crate::record::{Observed, Tally, WouldCutOver};

/// The text of a weekly digest.
pub(super) fn week(week: &Observed, still: u32) -> Wording {
    let (replacements, cutovers) = (week.replacements, week.cutovers);
    let mut why = Vec::new();
    if !week.reasons.is_empty() {
        why.push(format!("replacements for: {}", listed(&week.reasons)));
    }
    if !week.would_wait.is_empty() {
        why.push(format!("first guard that would have blocked, with count: {}", listed(&week.would_wait)));
    }
    if !week.images.is_empty() {
        let images: Vec<String> = week.images.iter().map(cutover).collect();
        why.push(format!("cutovers to: {}", images.join(", ")));
    }
    if why.is_empty() {
        why.push("no new drift and no new image".to_owned());
    }
    let waits = match still {
        0 => "No instance is drifted any more.".to_owned(),
        1 => "1 instance is still drifted.".to_owned(),
        still => format!("{still} instances are still drifted."),
    };
    Wording {
        what: format!(
            "a week in observe: {} and {} held back, {still} still drifted",
            counted(replacements, "replacement"),
            counted(cutovers, "cutover")
        ),
        why: format!("since {:.0}: {}", week.since, why.join("; ")),
        next: format!(
            "Driftless changed nothing. {waits} To let Driftless act, set driftless:mode=act. The next weekly message \
             comes in 7 days, if an instance is drifted or something would have been done."
        ),
    }
}

fn counted(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn listed(tallies: &[Tally]) -> String {
    let tallies: Vec<String> = tallies.iter().map(|tally| format!("{} ({})", tally.what, tally.count)).collect();
    tallies.join(", ")
}

fn cutover(would: &WouldCutOver) -> String {
    let WouldCutOver { image, why, waits } = would;
    waits
        .as_ref()
        .map_or_else(|| format!("{image} ({why})"), |waits| format!("{image} ({why}; would have waited: {waits})"))
}
