//! `driftless completions`: prints the script with which a shell completes commands.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::console::{Console, Failure, heard};
use crate::exit::Exit;
use crate::line::Line;

/// What `driftless completions` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    // `generate` panics where its writer fails: it writes into memory, which does not.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Line::command(), "driftless", &mut script);
    heard(console.out.write_all(&script))?;
    Ok(Exit::Done)
}
