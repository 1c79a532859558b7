//! `driftless`: what on-call holds. One file per command; each prints text for people, or JSON for machines.

mod simulate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Driftless keeps EC2 fleets immutable: drifted instances are replaced, images are cut over, and what hurts is rolled
/// back.
#[derive(Debug, Parser)]
#[command(name = "driftless", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play a story on a simulated AWS, with the production code, in virtual time
    Simulate(simulate::Arguments),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Simulate(arguments) => simulate::run(&arguments, &mut std::io::stdout().lock()),
    }
}
