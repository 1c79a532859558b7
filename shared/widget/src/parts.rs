//! Elements that appear on several pages.

use driftless_planner::fleet::Color;
use driftless_status::cutover::{CutoverStatus, Progress};
use driftless_status::model::{ColorStatus, DriftedStatus, FreezeStatus, State, Traffic};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::words::{self, lasting, when};

/// The most rows of a list. Below the list, the page states how many more items there are.
pub(crate) const LISTED_MAX: usize = 8;

/// Draws the state of a fleet as a badge.
pub(crate) fn badge(state: State) -> Markup {
    let (word, tone) = words::state(state);
    html! { span class={ "badge " (tone.of_text()) } { (word) } }
}

/// Draws a group as a box.
pub(crate) fn color(color: &ColorStatus) -> Markup {
    let class = match color.color {
        Some(Color::Blue) => "box blue",
        Some(Color::Green) => "box green",
        None => "box",
    };
    let is_full = color.serving >= color.desired;
    let percent = if let Traffic::Weighted { percent, .. } = &color.traffic { *percent } else { None };
    html! {
        div class=(class) {
            div class="top" {
                span { (words::color(color.color).to_uppercase()) ", " (words::role(color.role)) }
                span class=(if is_full { "soft" } else { "warn" }) { (color.serving) " of " (color.desired) " healthy" }
            }
            @if let Some(percent) = percent {
                div class="meter" { div style={ "width:" (percent.min(100)) "%" } {} }
            }
            dl {
                dt { "traffic" } dd { (words::traffic(&color.traffic)) }
                dt { "group" } dd { (color.group) }
                dt { "image" } dd {
                    @match &color.image { Some(image) => { (image) } None => { "unknown" } }
                    @if let Some(build) = &color.build { ", build " (build) }
                }
                dt { "bounds" } dd { (color.min) " to " (color.max) ", " (color.active) " launching or in service" }
            }
        }
    }
}

/// Draws the steps of a cutover and marks the current one.
pub(crate) fn cutover(cutover: &CutoverStatus, now: Timestamp) -> Markup {
    html! {
        div class="track" {
            @for step in &cutover.steps {
                @let class = match step.progress {
                    Progress::Done => "step done",
                    Progress::Now => "step now",
                    Progress::Left => "step",
                };
                div class=(class) {
                    @match step.percent.filter(|_| step.phase == "shifting") {
                        Some(percent) => { (percent) " %" }
                        None => { (step.phase) }
                    }
                }
            }
        }
        dl {
            dt { "cutover" } dd {
                "to " (cutover.image)
                @if let Some(build) = &cutover.build { ", build " (build) }
                @if !cutover.is_on_record { ", not started yet" }
            }
            dt { "phase" } dd {
                (cutover.phase) ", since " (when(cutover.since, now))
                @if let Some(percent) = cutover.progress_percent { ", " (percent) " % of the steps done" }
            }
            @if cutover.because.is_none() || cutover.deadline.is_some() { dt { "time left" } dd { (left(cutover, now)) } }
            @if let Some(waits) = &cutover.waits { dt { "blocked" } dd class="warn" { (words::short(&waits.why)) } }
            @if let Some(because) = &cutover.because { dt { "because" } dd class="bad" { (words::short(because)) } }
            @for evidence in &cutover.evidence { dt { "evidence" } dd { (words::short(evidence)) } }
            @if let Some(who) = &cutover.paused_by { dt { "paused by" } dd { (who) } }
            @if let Some(who) = &cutover.approved_by { dt { "approved by" } dd { (who) } }
            @if cutover.is_expedited { dt { "promoted" } dd { "the remaining waits are skipped; health and alarms are not" } }
        }
    }
}

/// The time that is left in the phase of a cutover, as text.
pub(crate) fn left(cutover: &CutoverStatus, now: Timestamp) -> String {
    let left = cutover.phase_left_seconds.map(|seconds| lasting(SignedDuration::from_secs(seconds)));
    match (left, cutover.paused_since) {
        (Some(left), Some(since)) => format!("{left}, but the timers are stopped since {}", when(since, now)),
        (None, Some(since)) => format!("unknown; the timers are stopped since {}", when(since, now)),
        (Some(left), None) => format!("{left} in this phase"),
        (None, None) => {
            let deadline = cutover.deadline.map(|at| format!("; at the latest {}", when(at, now))).unwrap_or_default();
            format!("until the work of the phase is done{deadline}")
        }
    }
}

/// Draws a freeze.
pub(crate) fn freeze(freeze: &FreezeStatus, now: Timestamp) -> Markup {
    html! {
        div class="note" {
            b { "Frozen" @if freeze.is_of_account { " (every fleet of the account and region)" } } " by " (freeze.owner) ": " (freeze.reason)
            div class="soft" {
                "since " (when(freeze.since, now)) ", "
                @match freeze.until {
                    Some(until) => { "until " (when(until, now)) }
                    None => { "until an operator thaws it" }
                }
            }
        }
    }
}

/// Draws the drifted instances, each with the reason for its drift.
pub(crate) fn drifted(drifted: &[DriftedStatus], now: Timestamp) -> Markup {
    html! {
        table {
            tr { th { "instance" } th { "phase" } th { "why" } }
            @for work in drifted.iter().take(LISTED_MAX) {
                tr {
                    td class="num" { (work.instance) div class="soft" { (work.zone) } }
                    td class="num" { (work.phase) div class="soft" { (lasting(now.duration_since(work.since))) } }
                    td {
                        @for reason in &work.reasons { div { (reason) } }
                        @for finding in &work.findings {
                            @if let Some(annotation) = &finding.annotation { div { (finding.rule) ": " (annotation) } }
                        }
                        @if let Some(held) = &work.held_by { div class="warn" { "blocked: " (words::short(&held.why)) } }
                        @if let Some(why) = &work.abandoned { div class="bad" { "abandoned: " (why) } }
                        @if let Some(successor) = &work.successor { div class="soft" { "replacement instance " (successor) } }
                    }
                }
            }
        }
        (more(drifted.len(), "drifted instances"))
    }
}

/// Draws the number of items that a list leaves out.
pub(crate) fn more(count: usize, of_what: &str) -> Markup {
    let more = count.saturating_sub(LISTED_MAX);
    html! { @if more > 0 { p class="soft" { "and " (more) " more " (of_what) } } }
}
