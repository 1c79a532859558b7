//! Draws the drifted instances, each with its phase, its reasons, and the guard that blocks its replacement.

use driftless_status::model::DriftedStatus;

use super::page::{Page, clean};
use super::style::Tone;

const COLUMN: usize = 17;
/// The most drifted instances that are shown. The others are only counted.
const SHOWN_MAX: usize = 10;

/// Draws the drifted instances.
pub(crate) fn drifted(page: &mut Page, drifted: &[DriftedStatus]) {
    if drifted.is_empty() {
        return;
    }
    page.heading(&format!("DRIFTED  {}", drifted.len()));
    for work in drifted.iter().take(SHOWN_MAX) {
        one(page, work);
    }
    let more = drifted.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        page.line(&[(Tone::Faint, &format!("  and {more} more: --json shows all"))]);
    }
}

fn one(page: &mut Page, work: &DriftedStatus) {
    let backlog = if work.is_backlog { ", older than the release" } else { "" };
    let new = if work.is_on_record { "" } else { ", found just now" };
    let since = format!("  since {}{backlog}{new}", page.when(work.since));
    let phase = clean(&work.phase);
    let name = format!("  {}  ", work.instance);
    page.line(&[(Tone::Strong, &name), (phase_tone(&phase), &phase), (Tone::Faint, &since)]);
    let reasons: Vec<String> = work.reasons.iter().map(clean).collect();
    page.labeled("    reasons", COLUMN, Tone::Plain, &reasons.join(", "));
    for finding in &work.findings {
        if let Some(annotation) = &finding.annotation {
            page.labeled(
                "    AWS Config",
                COLUMN,
                Tone::Plain,
                &format!("{}: {}", clean(&finding.rule), clean(annotation)),
            );
        }
    }
    if let Some(held) = &work.held_by {
        let until = page.may_change(held);
        let says = format!("{}: {}{until}", clean(&held.guard), clean(&held.why));
        page.labeled("    blocked by", COLUMN, Tone::Warning, &says);
    }
    if let Some(successor) = &work.successor {
        page.labeled("    replacement", COLUMN, Tone::Plain, &clean(successor));
    }
    if let Some(deadline) = work.deadline {
        page.labeled("    deadline", COLUMN, Tone::Plain, &page.when(deadline));
    }
    if let Some(why) = &work.abandoned {
        page.labeled("    abandoned", COLUMN, Tone::Bad, &clean(why));
    }
    if let Some(failure) = work.failures.last() {
        let says =
            format!("{} so far, last at {}: {}", work.failures.len(), page.when(failure.at), clean(&failure.why));
        page.labeled("    failures", COLUMN, Tone::Plain, &says);
    }
}

fn phase_tone(phase: &str) -> Tone {
    match phase {
        "stopped" => Tone::Bad,
        "blocked" | "debouncing" | "cancelling" => Tone::Warning,
        _ => Tone::Good,
    }
}
