//! Draws the cutover in progress: its steps in one line, the current step, and how much time is left.

use driftless_status::cutover::{CutoverStatus, Progress, RouteStatus, StepStatus};
use jiff::SignedDuration;

use super::page::{Page, bar, clean, lasting};
use super::style::Tone;

const COLUMN: usize = 15;

/// Draws a cutover.
pub(crate) fn cutover(page: &mut Page, cutover: &CutoverStatus) {
    let build = cutover.build.as_ref().map(|build| format!(", build {}", clean(build))).unwrap_or_default();
    page.heading(&format!("CUTOVER  to {}{build}", cutover.image));
    timeline(page, &cutover.steps);
    if let Some(percent) = cutover.progress_percent {
        let length = page.style.width().saturating_sub(40).min(48);
        page.line(&[(Tone::Plain, &format!("  {} {}", bar(percent, length), step(cutover)))]);
    }
    let new = if cutover.is_on_record { "" } else { ", not started yet" };
    let since = format!("{}{new}, since {}", clean(&cutover.phase), page.when(cutover.since));
    page.labeled("  phase", COLUMN, Tone::Strong, &since);
    page.labeled("  remaining", COLUMN, Tone::Plain, &left(page, cutover));
    if let Some(waits) = &cutover.waits {
        let until = page.may_change(waits);
        let says = format!("{}: {}{until}", clean(&waits.guard), clean(&waits.why));
        page.labeled("  blocked by", COLUMN, Tone::Warning, &says);
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
        RouteStatus::Weighted => "weights of two target groups",
        RouteStatus::Shared => "one target group: the new group is attached, then the old one detached",
        RouteStatus::NoLoadBalancer => "no load balancer: only capacity moves",
        RouteStatus::Rolling => "instance refresh of a single group",
    };
    let refreshed =
        cutover.refreshed_percent.map(|percent| format!(", {percent} % of the instances replaced")).unwrap_or_default();
    page.labeled("  route", COLUMN, Tone::Plain, &format!("{route}{refreshed}"));
    for (label, who) in [("  paused by", &cutover.paused_by), ("  approved by", &cutover.approved_by)] {
        if let Some(who) = who {
            page.labeled(label, COLUMN, Tone::Plain, &clean(who));
        }
    }
    if cutover.is_expedited {
        page.labeled(
            "  promoted",
            COLUMN,
            Tone::Plain,
            "the remaining waits are skipped; health checks and alarms still apply",
        );
    }
}

/// Draws the steps in one line, such as `queued > preflight > [50 %] > 100 %`. The current step is in brackets.
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

/// The position of the current step, such as `step 7 of 11`.
fn step(cutover: &CutoverStatus) -> String {
    let done = cutover.steps.iter().filter(|step| step.progress == Progress::Done).count();
    let all = cutover.steps.len();
    format!("step {} of {all}", (done + 1).min(all))
}

fn left(page: &Page, cutover: &CutoverStatus) -> String {
    let deadline = cutover.deadline.map(|at| format!("; deadline {}", page.when(at))).unwrap_or_default();
    let left = cutover.phase_left_seconds.map(|seconds| lasting(SignedDuration::from_secs(seconds)));
    match (left, cutover.paused_since) {
        (Some(left), Some(since)) => format!("{left} once it continues; timers are stopped since {}", page.when(since)),
        (None, Some(since)) => format!("unknown; timers are stopped since {}", page.when(since)),
        (Some(left), None) => format!("{left} of this phase"),
        (None, None) => format!("unknown: this phase has no fixed duration{deadline}"),
    }
}
