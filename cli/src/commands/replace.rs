//! `driftless replace`: an instance goes, through all guards but the debounce.

use clap::Args;
use driftless_planner::fact::Command;
use driftless_planner::ids::InstanceId;
use driftless_status::why::Subject;

use super::cutover::command_fleet;
use super::order::Note;
use crate::console::{Console, Failure};
use crate::exit::Exit;

/// What `driftless replace` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The instance; its fleet is found
    instance: InstanceId,
    #[command(flatten)]
    note: Note,
}

pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let subject = Subject::Instance(arguments.instance.clone());
    let fleet = console.why(subject, None)?.fleet;
    let command = Command::Replace { instance: arguments.instance.clone() };
    command_fleet(&fleet, &arguments.note, command, console)
}
