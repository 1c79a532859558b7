//! `driftless veto` and `unveto`: set whether an image may take traffic in a fleet.

use clap::Args;
use driftless_planner::fact::Command;
use driftless_planner::ids::{FleetName, ImageId};

use super::cutover::command_fleet;
use super::order::Note;
use crate::console::{Console, Failure};
use crate::exit::Exit;

/// What `driftless veto` and `unveto` take.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the fleet
    fleet: FleetName,
    /// Image id (ami-…)
    image: ImageId,
    #[command(flatten)]
    note: Note,
}

pub(crate) fn veto(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let command = Command::Veto { image: arguments.image.clone() };
    command_fleet(&arguments.fleet, &arguments.note, command, None, console)
}

pub(crate) fn unveto(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let command = Command::Unveto { image: arguments.image.clone() };
    command_fleet(&arguments.fleet, &arguments.note, command, None, console)
}
