//! The commands that concern one fleet and its cutover.

use clap::Args;
use driftless_planner::fact::Command;
use driftless_planner::fleet::Color;
use driftless_planner::ids::FleetName;
use driftless_status::effect;
use driftless_status::request::{Order, RequestedAction};

use super::order::{Consent, Note, consent_about, send};
use crate::console::{Console, Failure};
use crate::exit::Exit;
use crate::values;

/// What a command to one fleet takes.
#[derive(Debug, Args)]
pub struct OfFleet {
    /// Name of the fleet
    fleet: FleetName,
    #[command(flatten)]
    note: Note,
}

/// What `driftless approve` and `reject` take.
#[derive(Debug, Args)]
pub struct Verdict {
    #[command(flatten)]
    order: OfFleet,
    /// Only if this cutover is under way: its id, as in its event [default: whichever is under way]
    #[arg(long, value_name = "ID", value_parser = values::request)]
    cutover: Option<String>,
}

/// What `driftless accept-live` takes.
#[derive(Debug, Args)]
pub struct AcceptLive {
    #[command(flatten)]
    order: OfFleet,
    /// Color to set as live
    #[arg(value_name = "blue|green", value_parser = values::color)]
    color: Color,
}

pub(crate) fn run(arguments: &OfFleet, command: Command, console: &mut Console<'_>) -> Result<Exit, Failure> {
    command_fleet(&arguments.fleet, &arguments.note, command, None, console)
}

pub(crate) fn verdict(arguments: &Verdict, command: Command, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let OfFleet { fleet, note } = &arguments.order;
    command_fleet(fleet, note, command, arguments.cutover.clone(), console)
}

pub(crate) fn accept_live(arguments: &AcceptLive, console: &mut Console<'_>) -> Result<Exit, Failure> {
    run(&arguments.order, Command::AcceptLive { color: arguments.color }, console)
}

/// Asks for confirmation if a command is hard to undo, and sends the command.
pub(crate) fn command_fleet(
    fleet: &FleetName,
    note: &Note,
    command: Command,
    cutover: Option<String>,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    if let Some(what) = effect::destructive(&command, fleet) {
        let given = consent_about(console, &what, fleet, |status| effect::of(status, &command))?;
        if given == Consent::Withheld {
            return Ok(Exit::NotDone);
        }
    }
    let order = Order { cutover, ..note.order(RequestedAction::Command { fleet: fleet.clone(), command }, console) };
    send(console, &order, fleet.as_str(), Some(fleet))
}
