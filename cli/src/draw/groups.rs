//! Draws the groups of a fleet as boxes, side by side if the terminal is wide enough.

use driftless_planner::fleet::Color;
use driftless_planner::template::TemplateVersion;
use driftless_status::model::{ColorStatus, Role, Traffic};

use super::page::{Page, bar, clean, cut, padded};
use super::style::Tone;

/// The least width of a box, in characters. If two boxes of this width do not fit, they are drawn one below the other.
const BOX_MIN: usize = 38;

/// Draws the groups.
pub(crate) fn groups(page: &mut Page, colors: &[ColorStatus]) {
    page.gap();
    let beside = page.style.width().saturating_sub(4) / 2;
    match colors {
        [one, other] if beside >= BOX_MIN => {
            let (left, right) = (boxed(one, beside), boxed(other, beside));
            for (left, right) in left.iter().zip(&right) {
                let (of_left, of_right) = (tone(one), tone(other));
                page.line(&[(Tone::Plain, "  "), (of_left, left), (Tone::Plain, "  "), (of_right, right)]);
            }
        }
        several => {
            let width = page.style.width().saturating_sub(2).min(60);
            for color in several {
                for line in boxed(color, width) {
                    page.line(&[(Tone::Plain, "  "), (tone(color), &line)]);
                }
            }
        }
    }
}

const fn tone(color: &ColorStatus) -> Tone {
    match color.role {
        Role::Live => Tone::Plain,
        Role::Idle => Tone::Faint,
        Role::Unknown => Tone::Warning,
    }
}

/// The lines of the box of one group. Every box has the same number of lines.
fn boxed(color: &ColorStatus, width: usize) -> Vec<String> {
    let inner = width.saturating_sub(4);
    let title = format!("+-- {} ", title(color));
    let top = format!("{title}{}+", "-".repeat(width.saturating_sub(title.len() + 1)));
    let template = color.template.as_ref().map_or_else(|| "no numbered launch template version".to_owned(), template);
    let image = color.image.as_ref().map_or_else(|| "image unknown".to_owned(), clean);
    let build = color.build.as_ref().map(|build| format!("  build {}", clean(build))).unwrap_or_default();
    let missing = color.desired.saturating_sub(color.active);
    let coming = color.active.saturating_sub(color.serving);
    let coming = match (coming, missing) {
        (0, 0) => String::new(),
        (coming, 0) => format!(", {coming} not healthy"),
        (0, missing) => format!(", {missing} missing"),
        (coming, missing) => format!(", {coming} not healthy, {missing} missing"),
    };
    let lines = [
        clean(&color.group),
        format!("{image}{build}"),
        template,
        traffic(&color.traffic, inner),
        format!("healthy {} of {}{coming}", color.serving, color.desired),
        format!("min {}, max {}", color.min, color.max),
    ];
    let sides = lines.iter().map(|line| format!("| {} |", padded(&cut(line, inner), inner)));
    let bottom = format!("+{}+", "-".repeat(width.saturating_sub(2)));
    std::iter::once(top).chain(sides).chain([bottom]).collect()
}

fn title(color: &ColorStatus) -> String {
    let role = match color.role {
        Role::Live => "live",
        Role::Idle => "idle",
        Role::Unknown => "live or idle: unknown",
    };
    match color.color {
        Some(Color::Blue) => format!("BLUE, {role}"),
        Some(Color::Green) => format!("GREEN, {role}"),
        None => format!("GROUP, {role}"),
    }
}

/// A launch template version as text.
pub(crate) fn template(version: &TemplateVersion) -> String {
    clean(version)
}

fn traffic(traffic: &Traffic, width: usize) -> String {
    match traffic {
        Traffic::Weighted { percent: Some(percent), .. } => {
            let length = width.saturating_sub(16).min(24);
            format!("traffic {} {percent} %", bar(*percent, length))
        }
        Traffic::Weighted { percent: None, places } => {
            let weights: Vec<String> = places.iter().map(|place| format!("{}/{}", place.weight, place.of)).collect();
            format!("traffic {}: its forward actions differ", weights.join(", "))
        }
        Traffic::NotForwarded => "traffic none: no listener rule forwards here".to_owned(),
        Traffic::Attached => "traffic yes: attached".to_owned(),
        Traffic::Detached => "traffic no: detached".to_owned(),
        Traffic::NoLoadBalancer => "traffic unknown: no load balancer".to_owned(),
    }
}
