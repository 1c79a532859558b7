//! Buttons and links. Each is an element that is followed by the `cwdb-action` that the console runs when the element
//! is clicked.

use driftless_planner::fact::Command;
use driftless_planner::ids::FleetName;
use driftless_planner::observation::FreezeScope;
use driftless_status::FleetStatus;
use driftless_status::effect;
use driftless_status::orders::OpenOrder;
use driftless_status::request::{Order, RequestedAction};
use maud::{Markup, html};
use serde::Serialize;

use crate::frame::Frame;

/// The reason that the history shows for a command that came from a button.
const REASON: &str = "from the dashboard";

/// Draws the buttons of a fleet: the available commands, and freeze or thaw.
pub(crate) fn buttons(frame: &Frame, status: &FleetStatus) -> Markup {
    let Some(operator) = &frame.operator else { return html! {} };
    let is_frozen = status.freezes.iter().any(|freeze| !freeze.is_of_account);
    html! {
        div class="buttons" {
            @for open in &status.orders { (command(operator, status, open)) }
            @if is_frozen { (thaw(operator, status)) } @else { (freeze(operator, status)) }
        }
    }
}

/// Draws a link to the page about one fleet.
pub(crate) fn to_fleet(frame: &Frame, fleet: &FleetName) -> Markup {
    #[derive(Serialize)]
    struct To<'a> {
        fleet: &'a FleetName,
    }
    link(frame, fleet.as_str(), &To { fleet })
}

/// Draws a link to the page of all fleets.
pub(crate) fn to_all(frame: &Frame) -> Markup {
    #[derive(Serialize)]
    struct Nothing {}
    link(frame, "All fleets", &Nothing {})
}

fn link(frame: &Frame, label: &str, parameters: &impl Serialize) -> Markup {
    html! {
        @match json(parameters) {
            Some(json) => {
                a class="link" { (label) }
                cwdb-action action="call" display="widget" endpoint=(frame.status) { (json) }
            }
            None => { (label) }
        }
    }
}

fn command(operator: &str, status: &FleetStatus, open: &OpenOrder) -> Markup {
    let label = match &open.command {
        Command::Pause => "Pause",
        Command::Resume => "Resume",
        Command::Approve => "Approve",
        Command::Promote => "Promote",
        Command::Abort => "Abort",
        Command::Rollback => "Roll back",
        Command::Retry => "Retry",
        // These name an instance, an image or a color, or are rare: the command line has them.
        Command::Reject
        | Command::Replace { .. }
        | Command::Redeploy
        | Command::Veto { .. }
        | Command::Unveto { .. }
        | Command::AcceptLive { .. }
        | Command::Pin => return html! {},
    };
    let is_grave = effect::destructive(&open.command, &status.fleet).is_some();
    let mut lines = vec![format!("{label}: {}", status.fleet)];
    lines.extend(effect::of(status, &open.command));
    lines.push(format!("the response will be: {}", open.answer));
    let action = RequestedAction::Command { fleet: status.fleet.clone(), command: open.command.clone() };
    button(operator, label, is_grave, &lines, &order(status, label, action))
}

fn freeze(operator: &str, status: &FleetStatus) -> Markup {
    let lines = [
        format!("Freeze: {}", status.fleet),
        format!("now: {}", status.says),
        "all changes but rollbacks are paused until you thaw the fleet".to_owned(),
    ];
    let action = RequestedAction::Freeze { scope: FreezeScope::Fleet(status.fleet.clone()), expires_at: None };
    button(operator, "Freeze", false, &lines, &order(status, "Freeze", action))
}

fn thaw(operator: &str, status: &FleetStatus) -> Markup {
    let lines = [
        format!("Thaw: {}", status.fleet),
        format!("now: {}", status.says),
        "the freeze of this fleet ends, and what it blocks continues".to_owned(),
    ];
    let action = RequestedAction::Thaw { scope: FreezeScope::Fleet(status.fleet.clone()) };
    button(operator, "Thaw", false, &lines, &order(status, "Thaw", action))
}

/// The request that a button sends. Its idempotency key is derived from what was drawn: a double click sends one
/// command, and so does a click on a page that was drawn again before the command was carried out.
fn order(status: &FleetStatus, label: &str, action: RequestedAction) -> Order {
    let version = status.record_version.unwrap_or_default();
    let request = format!("dashboard-{}-{version}", label.to_lowercase().replace(' ', "-"));
    // The command is about the cutover that was drawn.
    let cutover = status.cutover.as_ref().map(|cutover| cutover.id.clone());
    let cutover = cutover.filter(|_| matches!(action, RequestedAction::Command { .. }));
    Order { request, reason: Some(REASON.into()), cutover, action }
}

fn button(operator: &str, label: &str, is_grave: bool, lines: &[String], order: &Order) -> Markup {
    let class = if is_grave { "order grave" } else { "order" };
    html! {
        @if let Some(json) = json(order) {
            a class=(class) { (label) }
            cwdb-action action="call" display="popup" endpoint=(operator) confirmation=(lines.join(". ")) { (json) }
        }
    }
}

/// Serializes a value as JSON that stays the same whether the console takes the element's text or its markup: HTML
/// escapes only the quotes in it, and both readings restore them. None: the value cannot be serialized, and the button
/// is left out.
fn json(value: &impl Serialize) -> Option<String> {
    let json = serde_json::to_string(value).ok()?;
    Some(json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e"))
}
