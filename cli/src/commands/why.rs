//! `driftless why`: each guard's verdict, and when it may change.

use clap::Args;
use driftless_planner::ids::FleetName;
use driftless_status::why::Subject;

use crate::console::{Console, Failure};
use crate::draw;
use crate::exit::Exit;

/// What `driftless why` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A fleet, an instance (i-…) or an image (ami-…)
    #[arg(value_name = "FLEET|INSTANCE|IMAGE")]
    subject: Subject,
    /// The fleet that the image is for, where there are several
    #[arg(long)]
    fleet: Option<FleetName>,
}

pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let fleet = match (&arguments.subject, &arguments.fleet) {
        (Subject::Image(_), None) => Some(only_fleet(console)?),
        (Subject::Image(_) | Subject::Instance(_) | Subject::Fleet(_), fleet) => fleet.clone(),
    };
    let why = console.why(arguments.subject.clone(), fleet)?;
    console.answer(&why, |style| draw::why(&why, style))?;
    Ok(Exit::Done)
}

/// An image is for one fleet or for several; where there is one fleet, nobody has to say so.
fn only_fleet(console: &Console<'_>) -> Result<FleetName, Failure> {
    let fleets = console.fleets()?;
    let known = fleets.fleets.iter().map(|known| &known.fleet).chain(fleets.unread.iter().map(|unread| &unread.fleet));
    let known: Vec<&FleetName> = known.collect();
    match known.as_slice() {
        [only] => Ok((*only).clone()),
        several => {
            let names: Vec<&str> = several.iter().map(|fleet| fleet.as_str()).collect();
            Err(Failure::Usage(format!("name the fleet: --fleet, one of {}", names.join(", "))))
        }
    }
}
