//! Orders: what is destructive is confirmed, then it is sent, and what came of it is said.

use clap::Args;
use driftless_planner::ids::FleetName;
use driftless_planner::notification::command_about;
use driftless_planner::text::UntrustedText;
use driftless_status::FleetStatus;
use driftless_status::request::{Deed, Order, OrderResult, Receipt, Reply};

use crate::console::{Console, Failure, printable};
use crate::exit::Exit;
use crate::values;

/// What every order takes.
#[derive(Debug, Args)]
pub struct Note {
    /// Why, for the journal and for those who come later
    #[arg(long, value_name = "TEXT", value_parser = values::reason)]
    reason: Option<UntrustedText>,
    #[command(flatten)]
    request: RequestId,
}

/// The id of an order.
#[derive(Debug, Args)]
pub struct RequestId {
    /// The order's id: the same one sent twice is one order, and is answered the same [default: a new one]
    #[arg(long, value_name = "ID", value_parser = values::request)]
    request: Option<String>,
}

impl Note {
    /// The order that does this.
    pub(crate) fn order(&self, deed: Deed, console: &mut Console<'_>) -> Order {
        self.request.order(self.reason.clone(), deed, console)
    }
}

impl RequestId {
    /// The order that does this for a reason.
    pub(crate) fn order(&self, reason: Option<UntrustedText>, deed: Deed, console: &mut Console<'_>) -> Order {
        let request = self.request.clone().unwrap_or_else(|| console.world.new_request());
        Order { request, reason, cutover: None, deed }
    }
}

/// What came of asking a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Go on.
    Given,
    /// Leave it.
    Withheld,
}

/// Says what a destructive order will do, and asks. `what` names the order; `effect` is asked for only where a person reads it.
pub(crate) fn consent(
    console: &mut Console<'_>,
    what: &str,
    effect: impl FnOnce(&Console<'_>) -> Result<Vec<String>, Failure>,
) -> Result<Consent, Failure> {
    if console.is_confirmed {
        return Ok(Consent::Given);
    }
    let lines = match effect(console) {
        Ok(lines) => lines,
        Err(failure) if failure.is_blindness() => {
            vec![format!("what it will do is not known: {}", printable(&failure))]
        }
        Err(failure) => return Err(failure),
    };
    console.aside(&format!("{what}:"))?;
    for line in lines {
        console.aside(&format!("  {}", printable(line)))?;
    }
    match console.world.confirm("Go on?") {
        Some(true) => Ok(Consent::Given),
        Some(false) => {
            console.aside("left as it is")?;
            Ok(Consent::Withheld)
        }
        None => Err(Failure::Usage(format!(
            "not done: {what} is to be confirmed, and there is no terminal to ask on; --yes confirms it"
        ))),
    }
}

/// What a destructive order to one fleet will do, as the fleet is now.
pub(crate) fn consent_about(
    console: &mut Console<'_>,
    what: &str,
    fleet: &FleetName,
    effect: impl FnOnce(&FleetStatus) -> Vec<String>,
) -> Result<Consent, Failure> {
    consent(console, what, |console| Ok(effect(&console.fleet(fleet)?)))
}

/// Sends an order, and says what came of it. `about`: what the answer begins with. `fleet`: whose history will tell.
pub(crate) fn send(
    console: &mut Console<'_>,
    order: &Order,
    about: &str,
    fleet: Option<&FleetName>,
) -> Result<Exit, Failure> {
    let receipt = match console.tell(order) {
        Ok(Reply::Receipt(receipt)) => receipt,
        Ok(Reply::Refused(refusal)) => return Err(Failure::Refused(refusal)),
        Err(failure) => {
            if let Failure::Desk(error) = &failure
                && error.is_unknown()
            {
                unknown(console, order, fleet)?;
            }
            return Err(failure);
        }
    };
    let exit = match receipt.result {
        OrderResult::Done => Exit::Done,
        OrderResult::NotDone => Exit::NotDone,
        OrderResult::Pending => Exit::Pending,
    };
    let drawn = drawn(&receipt, about, fleet);
    console.answer(&receipt, |_| drawn)?;
    Ok(exit)
}

/// Whether it arrived is not known: typed again with its id it is the same order.
fn unknown(console: &mut Console<'_>, order: &Order, fleet: Option<&FleetName>) -> Result<(), Failure> {
    if console.is_json {
        return Ok(());
    }
    let look = fleet.map(|fleet| format!("; `{}` tells", command_about(fleet, "history"))).unwrap_or_default();
    console.aside(&format!("whether the order was taken is not known{look}"))?;
    console.aside(&format!("with --request {} it is the same order, however often it is typed", order.request))?;
    Ok(())
}

fn drawn(receipt: &Receipt, about: &str, fleet: Option<&FleetName>) -> String {
    let says = printable(&receipt.says);
    let first = match receipt.result {
        OrderResult::Done => format!("{about}: {says}"),
        OrderResult::NotDone => format!("{about}: NOT DONE: {says}"),
        OrderResult::Pending => {
            let look = fleet.map(|fleet| format!("\n  $ {}", command_about(fleet, "history"))).unwrap_or_default();
            let says = if says.is_empty() { "no look has followed it yet".to_owned() } else { says };
            format!("{about}: KEPT, NOT FOLLOWED YET: {says}{look}")
        }
    };
    format!("{first}\n  by {}, request {}\n", printable(&receipt.actor), printable(&receipt.request))
}
