//! Runs the command that was typed.

use crate::commands::{
    adopt, completions, cutover, doctor, freeze, history, image, man, replace, simulate, status, wait, watch, why,
};
use crate::console::{Console, Failure};
use crate::exit::Exit;
use crate::line::Command;
use driftless_planner::fact::Command as RequestedAction;

/// Runs a command, and prints the error if the command fails.
pub fn run(command: &Command, console: &mut Console<'_>) -> Exit {
    match follow(command, console) {
        Ok(exit) => exit,
        Err(failure) => {
            // Where neither stream can be written, the exit code still tells.
            let _is_written = console.fail(&failure).is_ok();
            failure.exit()
        }
    }
}

fn follow(command: &Command, console: &mut Console<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Status(arguments) => status::run(arguments, console),
        Command::Watch(arguments) => watch::run(arguments, console),
        Command::Why(arguments) => why::run(arguments, console),
        Command::History(arguments) => history::run(arguments, console),
        Command::Freeze(arguments) => freeze::freeze(arguments, console),
        Command::Thaw(arguments) => freeze::thaw(arguments, console),
        Command::Pause(arguments) => cutover::run(arguments, RequestedAction::Pause, console),
        Command::Resume(arguments) => cutover::run(arguments, RequestedAction::Resume, console),
        Command::Approve(arguments) => cutover::verdict(arguments, RequestedAction::Approve, console),
        Command::Reject(arguments) => cutover::verdict(arguments, RequestedAction::Reject, console),
        Command::Promote(arguments) => cutover::run(arguments, RequestedAction::Promote, console),
        Command::Abort(arguments) => cutover::run(arguments, RequestedAction::Abort, console),
        Command::Rollback(arguments) => cutover::run(arguments, RequestedAction::Rollback, console),
        Command::Retry(arguments) => cutover::run(arguments, RequestedAction::Retry, console),
        Command::Replace(arguments) => replace::run(arguments, console),
        Command::Redeploy(arguments) => cutover::run(arguments, RequestedAction::Redeploy, console),
        Command::Veto(arguments) => image::veto(arguments, console),
        Command::Unveto(arguments) => image::unveto(arguments, console),
        Command::AcceptLive(arguments) => cutover::accept_live(arguments, console),
        Command::Adopt(arguments) => adopt::run(arguments, console),
        Command::Doctor(arguments) => doctor::run(arguments, console),
        Command::Wait(arguments) => wait::run(arguments, console),
        Command::Simulate(arguments) => simulate::run(arguments, console),
        Command::Man(arguments) => man::run(arguments, console),
        Command::Completions(arguments) => completions::run(arguments, console),
    }
}
