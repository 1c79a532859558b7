//! The cutover under way: its way as a line, where it is on it, and how long it takes.

use driftless_status::cutover::{CutoverStatus, Progress, RouteStatus, StepStatus};
use jiff::SignedDuration;

use super::page::{Page, bar, clean, lasting};
use super::style::Tone;

const COLUMN: usize = 13;

/// Draws it.
pub(crate) fn cutover(page: &mut Page, cutover: &CutoverStatus) {
    let build = cutover.build.as_ref().map(|build| format!(", build {}", clean(build))).unwrap_or_default();
    page.heading(&format!("CUTOVER  to {}{build}", cutover.image));
    timeline(page, &cutover.steps);
    if let Some(percent) = cutover.progress_percent {
        let length = page.style.width().saturating_sub(40).min(48);
        page.line(&[(Tone::Plain, &format!("  {} {percent} % of the way", bar(percent, length)))]);
    }
    let new = if cutover.is_on_record { "" } else { ", not begun yet" };
    let since = format!("{}{new}, since {}", clean(&cutover.phase), page.when(cutover.since));
    page.labeled("  phase", COLUMN, Tone::Strong, &since);
    page.labeled("  left", COLUMN, Tone::Plain, &left(page, cutover));
    if let Some(waits) = &cutover.waits {
        let until = page.may_change(waits);
        let says = format!("{} ({}){until}", clean(&waits.why), clean(&waits.guard));
        page.labeled("  waits", COLUMN, Tone::Warning, &says);
    }
    if let Some(because) = &cutover.because {
        page.labeled("  because", COLUMN, Tone::Bad, &clean(because));
    }
    for evidence in &cutover.evidence {
        page.labeled("  evidence", COLUMN, Tone::Plain, &clean(evidence));
    }
    page.labeled("  reason", COLUMN, Tone::Plain, &clean(&cutover.reason));
    page.labeled("  from", COLUMN, Tone::Plain, &super::fleet::release(&cutover.from));
    let route = match cutover.route {
        RouteStatus::Weighted => "by weights",
        RouteStatus::Shared => "one target group: attached, then detached",
        RouteStatus::NoLoadBalancer => "no load balancer: capacity only",
        RouteStatus::Rolling => "Auto Scaling rolls the group",
    };
    let refreshed = cutover.refreshed_percent.map(|percent| format!(", {percent} % replaced")).unwrap_or_default();
    page.labeled("  route", COLUMN, Tone::Plain, &format!("{route}{refreshed}"));
    for (label, who) in [("  paused by", &cutover.paused_by), ("  approved", &cutover.approved_by)] {
        if let Some(who) = who {
            page.labeled(label, COLUMN, Tone::Plain, &clean(who));
        }
    }
    if cutover.is_expedited {
        page.labeled("  promoted", COLUMN, Tone::Plain, "the remaining waits are skipped; health and alarms are not");
    }
}

/// `queued > preflight > (50 %) > 100 %`: what is now stands in brackets.
fn timeline(page: &mut Page, steps: &[StepStatus]) {
    let mut line: Vec<(Tone, String)> = vec![(Tone::Plain, "  ".to_owned())];
    let mut length = 2;
    for (number, step) in steps.iter().enumerate() {
        let name = step
            .percent
            .filter(|_| step.phase == "shifting")
            .map_or_else(|| clean(&step.phase), |percent| format!("{percent} %"));
        let (tone, shown) = match step.progress {
            Progress::Done => (Tone::Good, name),
            Progress::Now => (Tone::Strong, format!("[{name}]")),
            Progress::Left => (Tone::Faint, name),
        };
        let arrow = if number == 0 { "" } else { " > " };
        let added = arrow.len() + shown.chars().count();
        if length + added > page.style.width() {
            draw(page, &line);
            line = vec![(Tone::Plain, "  ".to_owned())];
            length = 2;
        }
        line.extend([(Tone::Faint, arrow.to_owned()), (tone, shown)]);
        length += added;
    }
    draw(page, &line);
}

fn draw(page: &mut Page, line: &[(Tone, String)]) {
    let pieces: Vec<(Tone, &str)> = line.iter().map(|(tone, text)| (*tone, text.as_str())).collect();
    page.line(&pieces);
}

fn left(page: &Page, cutover: &CutoverStatus) -> String {
    let deadline = cutover.deadline.map(|at| format!("; must be over at {}", page.when(at))).unwrap_or_default();
    let left = cutover.phase_left_seconds.map(|seconds| lasting(SignedDuration::from_secs(seconds)));
    match (left, cutover.held_since) {
        (Some(left), Some(since)) => format!("{left}, but its clocks stand since {}", page.when(since)),
        (None, Some(since)) => format!("unknown; its clocks stand since {}", page.when(since)),
        (Some(left), None) => format!("{left} in this phase"),
        (None, None) => format!("unknown: the phase ends when what it does is done{deadline}"),
    }
}
