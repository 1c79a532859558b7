//! Draws the history of a fleet, the newest entry first. Each entry has one line and its reason.

use driftless_status::history::{EvidenceStatus, History, HistoryLine};
use jiff::Timestamp;

use super::page::{Page, clean};
use super::style::{Style, Tone};

/// The column at which the reasons begin.
const COLUMN: usize = 13;

/// Draws a history. `now` is the time that distances such as "5m ago" are computed from.
pub fn history(history: &History, now: Timestamp, style: Style) -> String {
    let mut page = Page::new(style, now);
    page.line(&[(Tone::Strong, &format!("{}  ", history.fleet)), (Tone::Faint, "newest first")]);
    if history.lines.is_empty() {
        page.line(&[(Tone::Plain, "  the history is empty")]);
    }
    let mut day = String::new();
    for line in &history.lines {
        let of_line = line.at.strftime("%Y-%m-%d").to_string();
        if of_line != day {
            page.heading(&of_line);
            day = of_line;
        }
        one(&mut page, line);
    }
    if let Some(before) = history.older_before {
        page.gap();
        page.line(&[(Tone::Faint, &format!("older entries: --before {before:.0}"))]);
    }
    page.finish()
}

fn one(page: &mut Page, line: &HistoryLine) {
    let time = format!("  {}  ", line.at.strftime("%H:%M:%SZ"));
    let about = line.instance.as_ref().map(|id| format!("{id}  ")).unwrap_or_default();
    let step = match (clean(&line.from), clean(&line.to)) {
        (from, to) if from.is_empty() => to,
        (from, to) => format!("{from} -> {to}"),
    };
    let actor = clean(&line.actor);
    let by = if actor == "driftless" { String::new() } else { format!("  by {actor}") };
    page.line(&[(Tone::Faint, &time), (Tone::Plain, &about), (Tone::Strong, &step), (Tone::Warning, &by)]);
    let why = clean(&line.why);
    if !why.is_empty() {
        page.labeled("", COLUMN, Tone::Plain, &why);
    }
    if let Some(kept) = &line.evidence {
        evidence(page, kept);
    }
}

fn evidence(page: &mut Page, kept: &EvidenceStatus) {
    let reasons: Vec<String> = kept.reasons.iter().map(clean).collect();
    let image = kept.image.as_ref().map_or_else(|| "an unknown image".to_owned(), clean);
    let says = format!("evidence: {}; image {image}, zone {}", reasons.join(", "), clean(&kept.zone));
    page.labeled("", COLUMN, Tone::Faint, &says);
    for finding in &kept.findings {
        if let Some(annotation) = &finding.annotation {
            page.labeled("", COLUMN, Tone::Faint, &format!("{}: {}", clean(&finding.rule), clean(annotation)));
        }
    }
}
