//! `driftless why`: shows the result of each guard, and when that result may change.

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
    /// Fleet that the image is for [default: the only fleet]
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

/// The only fleet, to which an image must belong. Fails if there are several fleets or none.
fn only_fleet(console: &Console<'_>) -> Result<FleetName, Failure> {
    let fleets = console.fleets()?;
    let known = fleets.fleets.iter().map(|known| &known.fleet).chain(fleets.unread.iter().map(|unread| &unread.fleet));
    let known: Vec<&FleetName> = known.collect();
    match known.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(Failure::Usage("there is no fleet that the image could be for".to_owned())),
        several => {
            let names: Vec<&str> = several.iter().map(|fleet| fleet.as_str()).collect();
            Err(Failure::Usage(format!("an image can be for several fleets: add --fleet, one of {}", names.join(", "))))
        }
    }
}
