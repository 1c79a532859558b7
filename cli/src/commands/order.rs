//! Commands that change something. They are confirmed if they are hard to undo, then sent, and their result is printed.

use clap::Args;
use driftless_planner::ids::FleetName;
use driftless_planner::notification::command_about;
use driftless_planner::text::UntrustedText;
use driftless_status::FleetStatus;
use driftless_status::request::{CommandResult, Order, OrderResult, RequestedAction};

use crate::console::{Console, Failure, printable};
use crate::exit::Exit;
use crate::values;

/// Options of every command that changes something.
#[derive(Debug, Args)]
pub struct Note {
    /// Why: it is recorded in the history
    #[arg(long, value_name = "TEXT", value_parser = values::reason)]
    reason: Option<UntrustedText>,
    #[command(flatten)]
    request: RequestId,
}

/// The idempotency key of a command.
#[derive(Debug, Args)]
pub struct RequestId {
    /// Idempotency key: a repeated command with the same key has no further effect and gets the same result [default: a new UUID]
    #[arg(long, value_name = "ID", value_parser = values::request)]
    request: Option<String>,
}

impl Note {
    /// Builds the request with this reason and this idempotency key.
    pub(crate) fn order(&self, action: RequestedAction, console: &mut Console<'_>) -> Order {
        self.request.order(self.reason.clone(), action, console)
    }
}

impl RequestId {
    /// Builds the request with a reason and this idempotency key.
    pub(crate) fn order(
        &self,
        reason: Option<UntrustedText>,
        action: RequestedAction,
        console: &mut Console<'_>,
    ) -> Order {
        let request = self.request.clone().unwrap_or_else(|| console.world.new_request());
        Order { request, reason, cutover: None, action }
    }
}

/// The answer to a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    Given,
    Withheld,
}

/// Prints what a command will do, and asks for confirmation. `what` names the command; `effect` is computed only if it
/// is printed.
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
            vec![format!("its effect cannot be shown: {}", printable(&failure))]
        }
        Err(failure) => return Err(failure),
    };
    console.aside(&format!("{what}:"))?;
    for line in lines {
        console.aside(&format!("  {}", printable(line)))?;
    }
    match console.world.confirm("Continue?") {
        Some(true) => Ok(Consent::Given),
        Some(false) => {
            console.aside("cancelled: nothing was changed")?;
            Ok(Consent::Withheld)
        }
        None => Err(Failure::Usage(format!(
            "not done: {what} needs a confirmation, and there is no terminal to ask on; --yes confirms it"
        ))),
    }
}

/// Prints what a command will do to one fleet as it is now, and asks for confirmation.
pub(crate) fn consent_about(
    console: &mut Console<'_>,
    what: &str,
    fleet: &FleetName,
    effect: impl FnOnce(&FleetStatus) -> Vec<String>,
) -> Result<Consent, Failure> {
    consent(console, what, |console| Ok(effect(&console.fleet(fleet)?)))
}

/// Sends a command and prints its result. `about` is the beginning of the printed result. `fleet` is the fleet whose
/// history shows the result later.
pub(crate) fn send(
    console: &mut Console<'_>,
    order: &Order,
    about: &str,
    fleet: Option<&FleetName>,
) -> Result<Exit, Failure> {
    let command_result = match console.tell(order) {
        Ok(command_result) => command_result,
        Err(failure) => {
            if let Failure::OperatorApi(error) = &failure
                && error.is_unknown()
            {
                unknown(console, order, fleet)?;
            }
            return Err(failure);
        }
    };
    let exit = match command_result.result {
        OrderResult::Done => Exit::Done,
        OrderResult::NotDone => Exit::NotDone,
        OrderResult::Pending => Exit::Pending,
    };
    let drawn = drawn(&command_result, about, fleet);
    console.answer(&command_result, |_| drawn)?;
    Ok(exit)
}

/// Prints that the command may have arrived and can be repeated: with the same key it has no further effect.
fn unknown(console: &mut Console<'_>, order: &Order, fleet: Option<&FleetName>) -> Result<(), Failure> {
    if console.is_json {
        return Ok(());
    }
    let history = fleet.map(|fleet| format!("; `{}` shows whether it did", command_about(fleet, "history")));
    console.aside(&format!("the command may have arrived{}", history.unwrap_or_default()))?;
    console.aside(&format!("type it again with --request {}: it is then applied at most once", order.request))?;
    Ok(())
}

fn drawn(command_result: &CommandResult, about: &str, fleet: Option<&FleetName>) -> String {
    let says = printable(&command_result.says);
    let first = match command_result.result {
        // A sentence that begins with the fleet needs no label.
        OrderResult::Done if says.starts_with(&format!("{about} ")) => says,
        OrderResult::Done => format!("{about}: {says}"),
        OrderResult::NotDone => format!("{about}: NOT DONE: {says}"),
        OrderResult::Pending => {
            let look = fleet.map(|fleet| format!("\n  $ {}", command_about(fleet, "history"))).unwrap_or_default();
            let says = if says.is_empty() { "no reconcile has applied it yet".to_owned() } else { says };
            format!("{about}: STORED, NOT APPLIED YET: {says}{look}")
        }
    };
    format!("{first}\n  by {}, request {}\n", printable(&command_result.actor), printable(&command_result.request))
}
