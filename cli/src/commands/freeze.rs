//! `driftless freeze` and `thaw`: stop everything but ways back, and let it go on.

use clap::{ArgGroup, Args};
use driftless_planner::ids::FleetName;
use driftless_planner::observation::FreezeScope;
use driftless_planner::text::UntrustedText;
use driftless_status::request::Deed;
use jiff::SignedDuration;

use super::order::{Consent, Note, RequestId, consent, send};
use crate::console::{Console, Failure};
use crate::exit::Exit;
use crate::values;

/// Where.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("scope").required(true).args(["fleet", "everything"]))]
pub struct Scope {
    /// The fleet
    fleet: Option<FleetName>,
    /// Every fleet of the account and region
    #[arg(long)]
    everything: bool,
}

/// What `driftless freeze` takes.
#[derive(Debug, Args)]
pub struct Freeze {
    #[command(flatten)]
    scope: Scope,
    /// Why, for the journal and for those who come later
    #[arg(long, value_name = "TEXT", value_parser = values::reason)]
    reason: UntrustedText,
    /// When it ends by itself, such as 2h [default: only a person ends it]
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    lasting: Option<SignedDuration>,
    #[command(flatten)]
    request: RequestId,
}

/// What `driftless thaw` takes.
#[derive(Debug, Args)]
pub struct Thaw {
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    note: Note,
}

impl Scope {
    fn read(&self) -> FreezeScope {
        self.fleet.clone().map_or(FreezeScope::Account, FreezeScope::Fleet)
    }

    fn about(&self) -> &str {
        self.fleet.as_ref().map_or("every fleet", FleetName::as_str)
    }
}

pub(crate) fn freeze(arguments: &Freeze, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let until = arguments.lasting.map(|lasting| console.world.now().checked_add(lasting));
    let expires_at = until.transpose().map_err(|_: jiff::Error| Failure::Usage("--for is too long".to_owned()))?;
    let scope = arguments.scope.read();
    if scope == FreezeScope::Account {
        let until = expires_at.map_or_else(|| "until a person thaws it".to_owned(), |at| format!("until {at:.0}"));
        let effect = format!("nothing but ways back goes on, {until}");
        if everywhere(console, "freeze --everything", &effect)? == Consent::Withheld {
            return Ok(Exit::NotDone);
        }
    }
    let deed = Deed::Freeze { scope, expires_at };
    let order = arguments.request.order(Some(arguments.reason.clone()), deed, console);
    send(console, &order, arguments.scope.about(), arguments.scope.fleet.as_ref())
}

pub(crate) fn thaw(arguments: &Thaw, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let scope = arguments.scope.read();
    if scope == FreezeScope::Account {
        let effect = "the freeze of the account is lifted, and what waits goes on";
        if everywhere(console, "thaw --everything", effect)? == Consent::Withheld {
            return Ok(Exit::NotDone);
        }
    }
    let order = arguments.note.order(Deed::Thaw { scope }, console);
    send(console, &order, arguments.scope.about(), arguments.scope.fleet.as_ref())
}

/// What all fleets do now, before all of them are stopped or let go.
fn everywhere(console: &mut Console<'_>, what: &str, effect: &str) -> Result<Consent, Failure> {
    consent(console, what, |console| {
        let fleets = console.fleets()?;
        let count = fleets.fleets.len() + fleets.unread.len();
        let mut lines = vec![format!("in every fleet of the account and region ({count}) {effect}")];
        let busy = fleets.fleets.iter().filter(|fleet| fleet.unsettled_since.is_some());
        lines.extend(busy.map(|fleet| format!("under way: {}, {}", fleet.fleet, fleet.says)));
        Ok(lines)
    })
}
