//! Draws all fleets: a table, and below each busy fleet what the fleet does.

use driftless_planner::fleet::Color;
use driftless_status::model::{Role, State, Traffic, WaitStatus};
use driftless_status::rollback_path::RollbackPathKind;
use driftless_status::summary::{ColorSummary, FleetSummary, FleetsSummary};

use super::page::{Page, blocked, clean, cut, padded};
use super::style::{Style, Tone};

const HEADINGS: [&str; 6] = ["FLEET", "STATE", "HEALTHY", "DRIFT", "ROLLBACK", "LAST GOOD"];
/// The columns that become narrower on a narrow terminal, in this order: the release, the name, the healthy instances.
/// Each pair contains the index of the column and its least width, in characters.
const SHRINKING: [(usize, usize); 3] = [(5, 10), (0, 8), (2, 12)];
/// On a terminal with fewer columns than this, colors are shown by their first letter, and the release is left out.
const SHORT_BELOW: usize = 90;

/// Draws the fleets: one line for each, and a second line for a busy fleet.
pub fn summary(fleets: &FleetsSummary, style: Style) -> String {
    let mut page = Page::new(style, fleets.at);
    if fleets.fleets.is_empty() && fleets.unread.is_empty() {
        page.line(&[(Tone::Plain, "no Auto Scaling group carries the tag driftless:fleet")]);
    }
    let is_short = style.width() < SHORT_BELOW;
    let rows: Vec<[String; 6]> = fleets.fleets.iter().map(|fleet| row(fleet, is_short)).collect();
    if !rows.is_empty() {
        table(&mut page, &fleets.fleets, &rows, if is_short { 5 } else { 6 });
    }
    for unread in &fleets.unread {
        let label = format!("{} ", unread.fleet);
        page.labeled(&label, 17, Tone::Bad, &format!("could not be read: {}", clean(&unread.why)));
    }
    for misnamed in &fleets.misnamed {
        page.labeled("misnamed", 17, Tone::Warning, &clean(misnamed));
    }
    page.finish()
}

/// Draws the table. `columns` is the number of its columns that are shown.
fn table(page: &mut Page, fleets: &[FleetSummary], rows: &[[String; 6]], columns: usize) {
    let mut widths = HEADINGS.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let last = columns.saturating_sub(1);
    for (column, least) in SHRINKING {
        let excess = (widths.iter().take(columns).sum::<usize>() + 2 * last).saturating_sub(page.style.width());
        if let Some(width) = widths.get_mut(column) {
            *width = width.saturating_sub(excess).max(least.min(*width));
        }
    }
    let fitted = |cells: [&str; 6]| -> Vec<String> {
        let fitted = cells.iter().zip(widths).take(columns).enumerate();
        let between = |position| if position == last { "" } else { "  " };
        let one = |(position, (cell, width)): (usize, (&&str, usize))| {
            format!("{}{}", padded(&cut(cell, width), width), between(position))
        };
        fitted.map(one).collect()
    };
    let headings: String = fitted(HEADINGS).concat();
    page.line(&[(Tone::Faint, headings.trim_end())]);
    for (fleet, row) in fleets.iter().zip(rows) {
        let cells = fitted(row.each_ref().map(String::as_str));
        let tones = [Tone::Strong, tone(fleet.state), Tone::Plain, drift_tone(fleet), Tone::Plain, Tone::Plain];
        let pieces: Vec<(Tone, &str)> = tones.into_iter().zip(cells.iter().map(String::as_str)).collect();
        page.line(&pieces);
        if fleet.state != State::Steady {
            page.labeled("", 2, Tone::Faint, &sentence(fleet));
        }
    }
}

fn drift_tone(fleet: &FleetSummary) -> Tone {
    if fleet.drifted > 0 { Tone::Warning } else { Tone::Faint }
}

fn row(fleet: &FleetSummary, is_short: bool) -> [String; 6] {
    let healthy: Vec<String> = fleet.colors.iter().map(|one| color(one, is_short)).collect();
    let release = fleet.release.as_ref().map_or_else(
        || "unknown".to_owned(),
        |release| {
            release.build.as_ref().map_or_else(|| clean(&release.image), |build| format!("build {}", clean(build)))
        },
    );
    [
        clean(&fleet.fleet),
        state(fleet.state).to_owned(),
        healthy.join("  "),
        fleet.drifted.to_string(),
        rollback_path(fleet.rollback_path).to_owned(),
        release,
    ]
}

fn color(color: &ColorSummary, is_short: bool) -> String {
    let name = match (color.color, is_short) {
        (Some(Color::Blue), false) => "blue ",
        (Some(Color::Green), false) => "green ",
        (Some(Color::Blue), true) => "b ",
        (Some(Color::Green), true) => "g ",
        (None, _) => "",
    };
    let live = match color.role {
        Role::Live => "*",
        Role::Idle => "",
        Role::Unknown => "?",
    };
    let traffic = match &color.traffic {
        Traffic::Weighted { percent: Some(percent), .. } => format!(" {percent}%"),
        Traffic::Weighted { percent: None, .. } => " split".to_owned(),
        Traffic::NotForwarded => " no traffic".to_owned(),
        Traffic::Attached => " attached".to_owned(),
        Traffic::Detached => " detached".to_owned(),
        Traffic::NoLoadBalancer => String::new(),
    };
    format!("{live}{name}{}/{}{traffic}", color.serving, color.desired)
}

fn sentence(fleet: &FleetSummary) -> String {
    let mut says = clean(&fleet.says);
    if let Some(traffic) = traffic_now(fleet) {
        says = format!("{says}; {traffic}");
    }
    let waits = fleet.waits.as_ref().filter(|_| fleet.state != State::BreakerOpen);
    let is_said = |waits: &&WaitStatus| {
        let why = clean(&waits.why);
        says.contains(&why) || why.contains(&clean(&fleet.says))
    };
    match waits.filter(|waits| !is_said(waits)) {
        Some(waits) => format!("{says}; {}", blocked(waits)),
        None => says,
    }
}

/// The release that has the traffic. None: it is the last good release alone.
fn traffic_now(fleet: &FleetSummary) -> Option<String> {
    let (good, coming) = (&fleet.release.as_ref()?.image, fleet.coming.as_ref()?);
    if good == coming {
        return None;
    }
    let has_traffic = |color: &&ColorSummary| match color.traffic {
        Traffic::Weighted { percent, .. } => percent != Some(0),
        Traffic::Attached => true,
        Traffic::NotForwarded | Traffic::Detached | Traffic::NoLoadBalancer => false,
    };
    match fleet.phase.as_deref() {
        Some("baking") if fleet.colors.iter().any(|color| has_traffic(&color)) => {
            Some(format!("{coming} has all traffic, the last good release none"))
        }
        _ if fleet.colors.iter().filter(has_traffic).count() > 1 => {
            Some(format!("{coming} and the last good release share the traffic"))
        }
        _ => None,
    }
}

/// A state in one or two words.
pub(crate) const fn state(state: State) -> &'static str {
    match state {
        State::NeedsOperator => "needs operator",
        State::RollingBack => "rolling back",
        State::Misconfigured => "misconfigured",
        State::PolicyInvalid => "policy invalid",
        State::Frozen => "frozen",
        State::AwaitingApproval => "awaiting approval",
        State::BreakerOpen => "breaker open",
        State::Warm => "warm",
        State::CuttingOver => "cutting over",
        State::Stopped => "stopped",
        State::Replacing => "replacing",
        State::Drifted => "drifted",
        State::Unadopted => "not adopted",
        State::Steady => "steady",
    }
}

/// The tone of a state, which determines its color.
pub(crate) const fn tone(state: State) -> Tone {
    match state {
        State::NeedsOperator | State::RollingBack | State::BreakerOpen | State::PolicyInvalid | State::Stopped => {
            Tone::Bad
        }
        State::Misconfigured | State::Frozen | State::AwaitingApproval | State::Drifted | State::Unadopted => {
            Tone::Warning
        }
        State::Warm | State::CuttingOver | State::Replacing => Tone::Strong,
        State::Steady => Tone::Good,
    }
}

/// How a rollback would run, in one or two words.
const fn rollback_path(kind: RollbackPathKind) -> &'static str {
    match kind {
        RollbackPathKind::OneWrite => "1 write",
        RollbackPathKind::AttachFirst => "2 writes",
        RollbackPathKind::InParts => "in parts",
        RollbackPathKind::GrowsFirst | RollbackPathKind::LaunchesFirst => "launches",
        RollbackPathKind::Waits => "blocked",
        RollbackPathKind::Refresh => "refresh",
        RollbackPathKind::ScaledToZero | RollbackPathKind::JustEnds => "at once",
        RollbackPathKind::UnderWay => "running",
        RollbackPathKind::None => "no",
    }
}
