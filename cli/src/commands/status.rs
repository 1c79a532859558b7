//! `driftless status`: shows all fleets in a table, or one fleet in full.

use clap::Args;
use driftless_planner::ids::FleetName;

use crate::console::{Console, Failure};
use crate::draw;
use crate::exit::Exit;

/// What `driftless status` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the fleet [default: all fleets]
    fleet: Option<FleetName>,
}

pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    if let Some(fleet) = &arguments.fleet {
        let status = console.fleet(fleet)?;
        console.answer(&status, |style| draw::fleet(&status, style))?;
        return Ok(Exit::Done);
    }
    let fleets = console.fleets()?;
    console.answer(&fleets, |style| draw::summary(&fleets, style))?;
    Ok(Exit::Done)
}
