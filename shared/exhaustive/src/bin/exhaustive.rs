//! `exhaustive`: explores small worlds to their end, and tells what was found.
#![expect(clippy::print_stdout, reason = "a command line tool speaks there")]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use driftless_exhaustive::explore::explore;
use driftless_exhaustive::setups;
use driftless_exhaustive::small::Small;

/// Half of the time would go into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Explores small worlds to their end.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only the world with this name.
    #[arg(long)]
    world: Option<String>,
    /// Only the worlds that every test run explores.
    #[arg(long)]
    quick: bool,
    /// Give up on a world with more states.
    #[arg(long, default_value_t = 20_000_000)]
    states_max: usize,
    /// Tell of each level.
    #[arg(long)]
    progress: bool,
    /// Tell what was seen to happen.
    #[arg(long)]
    seen: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut code = ExitCode::SUCCESS;
    let wanted = |name: &str| arguments.world.as_ref().is_none_or(|world| world == name);
    let long = if arguments.quick { Vec::new() } else { setups::long() };
    for setup in setups::quick().into_iter().chain(long).filter(|setup| wanted(setup.name)) {
        let (name, story) = (setup.name, setup.story);
        println!("{name}: {story}");
        let model = match Small::new(setup, driftless_planner::decide) {
            Ok(model) => model,
            Err(problem) => {
                println!("  {problem}");
                return ExitCode::FAILURE;
            }
        };
        let began = Instant::now();
        let progress = |depth, states| {
            if arguments.progress {
                println!("  {states} states within {depth} moves");
            }
        };
        match explore(&model, arguments.states_max, progress) {
            Ok(explored) => {
                println!(
                    "  {} states, {} transitions, {} deep, {} at rest, at most {} calm moves to rest, {} doubted, {:.1} s",
                    explored.states,
                    explored.transitions,
                    explored.depth,
                    explored.at_rest,
                    explored.calm_moves_max,
                    explored.doubted,
                    began.elapsed().as_secs_f64()
                );
                for (property, count) in &explored.tally.judged {
                    println!("  {count:>12} times: {property}");
                }
                if arguments.seen {
                    for what in &explored.tally.seen {
                        println!("  seen: {what}");
                    }
                }
            }
            Err(unfinished) => {
                println!("  {unfinished}\n  after {:.1} s", began.elapsed().as_secs_f64());
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
