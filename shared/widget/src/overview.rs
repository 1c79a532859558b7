//! The page of all fleets, the most urgent first.

use driftless_planner::ids::FleetName;
use driftless_planner::text::UntrustedText;
use driftless_status::FleetStatus;
use driftless_status::history::History;
use driftless_status::model::{ColorStatus, Role, State};
use driftless_status::summary::Unread;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::buttons;
use crate::frame::{Frame, page};
use crate::parts;
use crate::timeline::{self, Lane};
use crate::words;

/// The most characters of a sentence in a row. With this limit, a page of a hundred fleets stays far below CloudWatch's
/// limit.
const SENTENCE_MAX: usize = 110;
/// The number of fleets whose buttons are in the table. The other fleets show their buttons after a click on the name.
const IN_FULL_MAX: usize = 5;

/// What the page of all fleets shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The time at which the fleets were read.
    pub at: Timestamp,
    /// The fleets, in any order.
    pub fleets: Vec<FleetStatus>,
    /// Fleets that could not be read, each with the reason.
    pub unread: Vec<Unread>,
    /// Values of the fleet tag that are not valid fleet names.
    pub misnamed: Vec<UntrustedText>,
    /// The histories that were read.
    pub histories: Vec<History>,
}

impl Overview {
    /// Sorts the fleets by urgency, in the order of [`State`], and then by name.
    pub fn sort(&mut self) {
        self.fleets.sort_by(|one, other| (one.state, &one.fleet).cmp(&(other.state, &other.fleet)));
    }

    /// The fleets whose last transitions are drawn: those that are not steady, the most urgent first.
    pub fn most_urgent(&self, count: usize) -> Vec<FleetName> {
        let busy = self.fleets.iter().filter(|fleet| fleet.state != State::Steady);
        busy.take(count).map(|fleet| fleet.fleet.clone()).collect()
    }
}

/// Draws all fleets in the given order.
pub fn overview(frame: &Frame, known: &Overview) -> String {
    let body = html! {
        div class="head" {
            h2 { (count(known)) }
            span class="end soft" { (known.at.strftime("%Y-%m-%d %H:%M:%SZ")) }
        }
        (freezes(known))
        @if known.fleets.is_empty() && known.unread.is_empty() {
            p { "No Auto Scaling group carries the tag " code { "driftless:fleet" } "." }
        }
        @if !known.fleets.is_empty() { (table(frame, known)) }
        (drifted(known))
        @if known.histories.iter().any(|history| !history.lines.is_empty()) {
            h3 { "Last transitions" }
            (timeline::draw(&Lane::of_fleets(&known.histories), known.at, frame.width))
        }
        @for unread in &known.unread { div class="note bad" { b { (unread.fleet) } " could not be read: " (unread.why) } }
        @for misnamed in known.misnamed.iter().take(parts::LISTED_MAX) { div class="note" { (misnamed) } }
        (parts::more(known.misnamed.len(), "invalid fleet names"))
    };
    page(frame.theme, &body)
}

fn count(known: &Overview) -> String {
    let count = known.fleets.len() + known.unread.len();
    let steady = known.fleets.iter().filter(|fleet| fleet.state == State::Steady).count();
    let noun = if count == 1 { "fleet" } else { "fleets" };
    format!("{count} {noun}, {steady} steady")
}

/// Draws the freeze of the account once. The freeze of a single fleet is drawn in the row of that fleet.
fn freezes(known: &Overview) -> Markup {
    let of_account = known.fleets.iter().find_map(|fleet| fleet.freezes.iter().find(|freeze| freeze.is_of_account));
    html! { @if let Some(freeze) = of_account { (parts::freeze(freeze, known.at)) } }
}

fn table(frame: &Frame, known: &Overview) -> Markup {
    html! {
        table {
            tr { th { "fleet" } th { "state" } th { "blue" } th { "green" } th { "drift" } th { "what the fleet does" } }
            @for (position, fleet) in known.fleets.iter().enumerate() { (row(frame, fleet, position)) }
        }
    }
}

fn row(frame: &Frame, fleet: &FleetStatus, position: usize) -> Markup {
    let mut colors = fleet.colors.iter();
    let is_busy = fleet.state != State::Steady;
    let under_way = fleet.cutover.as_ref().and_then(|cutover| Some((cutover, cutover.progress_percent?)));
    html! {
        tr {
            td class="name" { (buttons::to_fleet(frame, &fleet.fleet)) }
            td class="num" { (parts::badge(fleet.state)) }
            @for _ in 0..2 { td class="num" { @if let Some(one) = colors.next() { (color(one)) } } }
            td class="num" { @if fleet.drifted.is_empty() { span class="soft" { "0" } } @else { b class="warn" { (fleet.drifted.len()) } } }
            td {
                @if is_busy { (words::cut(&words::short(&fleet.says), SENTENCE_MAX)) } @else { (release(fleet)) }
                @if let Some((cutover, percent)) = under_way {
                    div class="soft" { (percent) " % of the steps done, time left: " (parts::left(cutover, fleet.at)) }
                }
                @if is_busy && position < IN_FULL_MAX { (buttons::buttons(frame, fleet)) }
            }
        }
    }
}

fn release(fleet: &FleetStatus) -> Markup {
    html! {
        @if let Some(runs) = &fleet.release {
            span class="soft" {
                (runs.image) @if let Some(build) = &runs.build { ", build " (words::cut(build.as_str(), SENTENCE_MAX)) }
            }
        }
    }
}

fn color(color: &ColorStatus) -> Markup {
    let traffic = words::traffic_in_short(&color.traffic);
    let class = if color.serving >= color.desired { "" } else { "warn" };
    html! {
        span class=(class) { (color.serving) "/" (color.desired) }
        @if !traffic.is_empty() { " · " (traffic) }
        @if color.role == Role::Live { div class="soft" { "live" } }
    }
}

/// Draws the drifted instances of all fleets, the oldest drift first, each with its reason.
fn drifted(known: &Overview) -> Markup {
    let drifted = known.fleets.iter().flat_map(|fleet| fleet.drifted.iter().map(move |work| (&fleet.fleet, work)));
    let mut drifted: Vec<_> = drifted.collect();
    drifted.sort_by_key(|(_, work)| work.since);
    html! {
        @if !drifted.is_empty() {
            h3 { "Drifted instances" }
            table {
                @for (fleet, work) in drifted.iter().take(parts::LISTED_MAX) {
                    tr {
                        td class="name" { (fleet) }
                        td class="num" { (work.instance) }
                        td class="num" { (work.phase) }
                        td {
                            @if let Some(reason) = work.reasons.first() { (words::cut(reason.as_str(), SENTENCE_MAX)) }
                            @if let Some(annotation) = work.findings.iter().find_map(|finding| finding.annotation.as_ref()) {
                                div class="soft" { (words::cut(annotation.as_str(), SENTENCE_MAX)) }
                            }
                        }
                    }
                }
            }
            (parts::more(drifted.len(), "drifted instances"))
        }
    }
}
