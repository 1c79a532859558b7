//! What can be clicked: an element, and after it what the console does when the element before is clicked.

use driftless_planner::fact::Command;
use driftless_planner::ids::FleetName;
use driftless_planner::observation::FreezeScope;
use driftless_status::FleetStatus;
use driftless_status::effect;
use driftless_status::orders::OpenOrder;
use driftless_status::request::{Deed, Order};
use maud::{Markup, html};
use serde::Serialize;

use crate::frame::Frame;

/// What the journal says of an order that came from a button.
const REASON: &str = "from the dashboard";

/// The buttons of a fleet: what can be ordered now, and the stop switch.
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

/// A link to one fleet in full.
pub(crate) fn to_fleet(frame: &Frame, fleet: &FleetName) -> Markup {
    #[derive(Serialize)]
    struct To<'a> {
        fleet: &'a FleetName,
    }
    link(frame, fleet.as_str(), &To { fleet })
}

/// A link to all fleets.
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
        // They name an instance, an image or a color, or are for once: there is a command line for them.
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
    lines.push(format!("the answer will be: {}", open.answer));
    let deed = Deed::Command { fleet: status.fleet.clone(), command: open.command.clone() };
    button(operator, label, is_grave, &lines, &order(status, label, deed))
}

fn freeze(operator: &str, status: &FleetStatus) -> Markup {
    let lines = [
        format!("Freeze: {}", status.fleet),
        format!("now: {}", status.says),
        "nothing but ways back goes on, until a person thaws it".to_owned(),
    ];
    let deed = Deed::Freeze { scope: FreezeScope::Fleet(status.fleet.clone()), expires_at: None };
    button(operator, "Freeze", false, &lines, &order(status, "Freeze", deed))
}

fn thaw(operator: &str, status: &FleetStatus) -> Markup {
    let lines = [
        format!("Thaw: {}", status.fleet),
        format!("now: {}", status.says),
        "its own freeze is lifted, and what waits for it goes on".to_owned(),
    ];
    let deed = Deed::Thaw { scope: FreezeScope::Fleet(status.fleet.clone()) };
    button(operator, "Thaw", false, &lines, &order(status, "Thaw", deed))
}

/// The id follows from what was drawn: a double click is one order, and so is a click on a page that is drawn again before
/// the order was followed.
fn order(status: &FleetStatus, label: &str, deed: Deed) -> Order {
    let version = status.record_version.unwrap_or_default();
    let request = format!("dashboard-{}-{version}", label.to_lowercase().replace(' ', "-"));
    // What was drawn is what is meant.
    let cutover = status.cutover.as_ref().map(|cutover| cutover.id.clone());
    let cutover = cutover.filter(|_| matches!(deed, Deed::Command { .. }));
    Order { request, reason: Some(REASON.into()), cutover, deed }
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

/// JSON that reads the same whether the console takes the element's text or its markup: nothing in it is escaped in HTML but
/// quotes, which both leave alone. None: it is no JSON, and there is nothing to click.
fn json(value: &impl Serialize) -> Option<String> {
    let json = serde_json::to_string(value).ok()?;
    Some(json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e"))
}
