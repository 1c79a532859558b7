//! `driftless replace`: replaces an instance as soon as every guard but the debounce passes.

use clap::Args;
use driftless_planner::fact::Command;
use driftless_planner::ids::{FleetName, InstanceId};
use driftless_status::why::Subject;

use super::cutover::command_fleet;
use super::order::Note;
use crate::console::{Console, Failure};
use crate::exit::Exit;

/// What `driftless replace` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Instance id (i-…)
    instance: InstanceId,
    /// Fleet of the instance [default: looked up with the status function]
    #[arg(long)]
    fleet: Option<FleetName>,
    #[command(flatten)]
    note: Note,
}

pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let fleet = match &arguments.fleet {
        Some(fleet) => fleet.clone(),
        None => console.why(Subject::Instance(arguments.instance.clone()), None)?.fleet,
    };
    let command = Command::Replace { instance: arguments.instance.clone() };
    command_fleet(&fleet, &arguments.note, command, None, console)
}
