//! The page about one fleet.

use driftless_status::FleetStatus;
use driftless_status::history::{History, HistoryLine};
use driftless_status::model::LayoutStatus;
use driftless_status::rollback_path::RollbackPathKind;
use maud::{Markup, html};

use crate::buttons;
use crate::frame::{Frame, page};
use crate::parts::{self, LISTED_MAX};
use crate::timeline::{self, Lane};
use crate::words::{self, Tone, lasting, when};

/// Draws a fleet with its history. `history` is None if the history could not be read.
pub fn fleet(frame: &Frame, status: &FleetStatus, history: Option<&History>) -> String {
    let lines = history.map(|history| history.lines.as_slice()).unwrap_or_default();
    let body = html! {
        (head(frame, status))
        @for freeze in &status.freezes { (parts::freeze(freeze, status.at)) }
        (rollback_path(status))
        (buttons::buttons(frame, status))
        div class="pair" { @for color in &status.colors { (parts::color(color)) } }
        @if let Some(cutover) = &status.cutover { h3 { "Cutover" } (parts::cutover(cutover, status.at)) }
        @if !status.drifted.is_empty() { h3 { "Drifted" } (parts::drifted(&status.drifted, status.at)) }
        (quarantined(status))
        (conditions(status))
        h3 { "Last transitions" }
        @match history {
            None => p class="warn" { "The history could not be read. Refresh the widget." }
            Some(_) if lines.is_empty() => p class="soft" { "The history is empty." }
            Some(_) => {
                (timeline::draw(&Lane::of_fleet(lines), status.at, frame.width))
                (told(lines))
            }
        }
        (next(status))
    };
    page(frame.theme, &body)
}

fn head(frame: &Frame, status: &FleetStatus) -> Markup {
    html! {
        div class="head" {
            h2 { (status.fleet) }
            (parts::badge(status.state))
            @match status.mode {
                Some(driftless_planner::policy::Mode::Observe) => { span class="soft" { "observe: Driftless changes nothing" } }
                Some(driftless_planner::policy::Mode::Act) | None => {}
            }
            span class="end soft" { (status.at.strftime("%Y-%m-%d %H:%M:%SZ")) }
            (buttons::to_all(frame))
        }
        p { (words::short(&status.says)) }
        @if let Some(runs) = &status.release {
            p class="soft" { "last good release " (words::release(runs)) ", since " (when(runs.since, status.at)) }
        }
        @if let LayoutStatus::Misconfigured { problem } = &status.layout { div class="note bad" { (problem) } }
    }
}

/// Draws whether a rollback is possible, to which release, and how fast.
fn rollback_path(status: &FleetStatus) -> Markup {
    let way = &status.rollback_path;
    let (answer, tone) = match (way.is_open, way.kind) {
        (true, RollbackPathKind::UnderWay) => ("in progress", Tone::Busy),
        (true, _) => ("possible", Tone::Good),
        (false, RollbackPathKind::LaunchesFirst) => ("not yet possible", Tone::Warning),
        (false, _) => ("not possible", Tone::Warning),
    };
    html! {
        dl {
            dt { "rollback" }
            dd {
                b class=(tone.of_text()) { (answer) } ": " (words::short(&way.says))
                @if let Some(to) = &way.to { div class="soft" { "to " (words::release(to)) } }
                @if let Some(waits) = &way.waits { div class="warn" { "would be blocked: " (words::short(&waits.why)) } }
                @if let Some(command) = &way.command { div { code { (command) } } }
            }
            @if let Some(command) = &status.go_on { dt { "to continue" } dd { code { (command) } } }
        }
    }
}

fn quarantined(status: &FleetStatus) -> Markup {
    html! {
        @if !status.quarantined.is_empty() {
            h3 { "Kept for forensics" }
            dl {
                @for kept in status.quarantined.iter().take(LISTED_MAX) {
                    dt { (kept.instance) }
                    dd { "until " (when(kept.until, status.at)) @for reason in &kept.reasons { ", " (reason) } }
                }
            }
            (parts::more(status.quarantined.len(), "instances kept for forensics"))
        }
    }
}

fn conditions(status: &FleetStatus) -> Markup {
    html! {
        @if !status.conditions.is_empty() {
            h3 { "Conditions" }
            dl {
                @for condition in &status.conditions {
                    dt class="warn" { (condition.condition) }
                    dd { (words::short(&condition.detail)) div class="soft" { "since " (when(condition.since, status.at)) } }
                }
            }
        }
    }
}

/// Draws the newest history entries as a table.
fn told(lines: &[HistoryLine]) -> Markup {
    html! {
        table {
            @for line in lines.iter().take(LISTED_MAX) {
                tr {
                    td class="num soft" { (line.at.strftime("%m-%d %H:%M:%SZ")) }
                    td {
                        @if let Some(instance) = &line.instance { (instance) " " }
                        b class=(timeline::tone(line).of_text()) { (timeline::step(line)) }
                        @if line.actor.as_str() != "driftless" { span class="soft" { " by " (words::short(&line.actor)) } }
                        div { (words::short(&line.why)) }
                    }
                }
            }
        }
    }
}

fn next(status: &FleetStatus) -> Markup {
    html! {
        h3 { "Next reconcile pass" }
        dl {
            @for step in status.next_steps.iter().take(LISTED_MAX) { dt { "would" } dd { (words::short(&step.says)) } }
            @if status.next_steps.is_empty() { dt { "would" } dd { "change nothing" } }
            dt { "runs" }
            dd { @match status.requeue_at { Some(at) => { (when(at, status.at)) } None => { "with the next event or resync" } } }
            @if let Some(since) = status.in_progress_since {
                dt { "in progress" } dd { "for " (lasting(status.at.duration_since(since))) }
            }
        }
    }
}
