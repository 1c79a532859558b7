//! `driftless freeze` and `thaw`: pause all changes except rollbacks, and end the pause.

use clap::{ArgGroup, Args};
use driftless_planner::ids::FleetName;
use driftless_planner::observation::FreezeScope;
use driftless_planner::text::UntrustedText;
use driftless_status::request::RequestedAction;
use jiff::SignedDuration;

use super::order::{Consent, Note, RequestId, consent, send};
use crate::console::{Console, Failure};
use crate::exit::Exit;
use crate::values;

/// Which fleets.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("scope").required(true).args(["fleet", "everything"]))]
pub struct Scope {
    /// Name of the fleet
    fleet: Option<FleetName>,
    /// Every fleet of the account and region, and those that come later
    #[arg(long)]
    everything: bool,
}

/// What `freeze` takes.
#[derive(Debug, Args)]
pub struct Freeze {
    #[command(flatten)]
    scope: Scope,
    /// Why: it is recorded in the history, and shown to everyone whose fleet is frozen
    #[arg(long, value_name = "TEXT", value_parser = values::reason)]
    reason: UntrustedText,
    /// How long it lasts, such as 2h [default: until `thaw`]
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    lasting: Option<SignedDuration>,
    #[command(flatten)]
    request: RequestId,
}

/// What `thaw` takes.
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
        self.fleet.as_ref().map_or("everything", FleetName::as_str)
    }
}

pub(crate) fn freeze(arguments: &Freeze, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let until = arguments.lasting.map(|lasting| console.world.now().checked_add(lasting));
    let expires_at = until.transpose().map_err(|_: jiff::Error| Failure::Usage("--for is too long".to_owned()))?;
    let scope = arguments.scope.read();
    if scope == FreezeScope::Account {
        let until =
            expires_at.map_or_else(|| "until `driftless thaw --everything`".to_owned(), |at| format!("until {at:.0}"));
        let effect = format!("nothing but rollbacks continues, {until}");
        if everywhere(console, "freeze --everything", &effect)? == Consent::Withheld {
            return Ok(Exit::NotDone);
        }
    }
    let action = RequestedAction::Freeze { scope, expires_at };
    let order = arguments.request.order(Some(arguments.reason.clone()), action, console);
    send(console, &order, arguments.scope.about(), arguments.scope.fleet.as_ref())
}

pub(crate) fn thaw(arguments: &Thaw, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let scope = arguments.scope.read();
    if scope == FreezeScope::Account {
        let effect = "the freeze of the account is lifted, and waiting work continues";
        if everywhere(console, "thaw --everything", effect)? == Consent::Withheld {
            return Ok(Exit::NotDone);
        }
    }
    let order = arguments.note.order(RequestedAction::Thaw { scope }, console);
    send(console, &order, arguments.scope.about(), arguments.scope.fleet.as_ref())
}

/// Prints the work that is in progress in all fleets, and asks.
fn everywhere(console: &mut Console<'_>, what: &str, effect: &str) -> Result<Consent, Failure> {
    consent(console, what, |console| {
        let fleets = console.fleets()?;
        let count = fleets.fleets.len() + fleets.unread.len();
        let noun = if count == 1 { "fleet" } else { "fleets" };
        let mut lines = vec![format!("{count} {noun} of the account and region: {effect}")];
        let busy = fleets.fleets.iter().filter(|fleet| fleet.in_progress_since.is_some());
        lines.extend(busy.map(|fleet| format!("in progress: {}, {}", fleet.fleet, fleet.says)));
        Ok(lines)
    })
}
