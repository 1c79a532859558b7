//! `driftless history`: shows what Driftless and operators did.

use clap::Args;
use driftless_planner::ids::{FleetName, InstanceId};
use driftless_status::request::Question;
use jiff::Timestamp;

use crate::console::{Console, Failure};
use crate::draw;
use crate::exit::Exit;

/// What `driftless history` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the fleet
    fleet: FleetName,
    /// Only entries about this instance
    #[arg(long)]
    instance: Option<InstanceId>,
    /// Only entries before this time, such as 2026-11-20T12:00:00Z
    #[arg(long, value_name = "TIME")]
    before: Option<Timestamp>,
    /// How many entries at most, newest first
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let question = Question::History {
        fleet: arguments.fleet.clone(),
        instance: arguments.instance.clone(),
        before: arguments.before,
        limit: usize::from(arguments.limit),
    };
    let history = console.history(&question)?;
    let now = console.world.now();
    console.answer(&history, |style| draw::history(&history, now, style))?;
    Ok(Exit::Done)
}
