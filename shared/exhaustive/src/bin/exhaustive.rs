//! `exhaustive`: explores small worlds to their end, and tells what was found.
#![expect(clippy::print_stdout, reason = "a command line tool speaks there")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use driftless_exhaustive::explore::{Progress, SAME, Unfinished, explore};
use driftless_exhaustive::setups::{self, Setup, Size};
use driftless_exhaustive::small::Small;

/// Half of the time would go into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A property of the planner does not hold. Every other failure ends with 1, one of the explorer's own too, so that whoever
/// searches can tell what was found from a search that failed.
const FOUND: u8 = 76;

/// How often it says how far it has come.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Explores small worlds to their end.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only the world with this name.
    #[arg(long)]
    world: Option<String>,
    /// Only worlds of this size: the smallest, those that were explored to their end, or those that never were.
    #[arg(long, value_enum, conflicts_with = "world")]
    size: Option<Size>,
    /// Stop in a world with more states.
    #[arg(long, default_value_t = 20_000_000)]
    states_max: usize,
    /// Stop in a world after so many minutes, and say how far it came: no verdict.
    #[arg(long)]
    minutes_max: Option<u64>,
    /// Tell what was seen to happen.
    #[arg(long)]
    seen: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut code = ExitCode::SUCCESS;
    let is_wanted = |setup: &Setup| {
        arguments.world.as_ref().is_none_or(|world| world == setup.name)
            && arguments
                .size
                .is_none_or(|size| size == setup.size || (size == Size::Explored && setup.size == Size::Small))
    };
    let wanted: Vec<_> = setups::all().into_iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        let names: Vec<_> = setups::all().iter().map(|setup| setup.name).collect();
        println!("there is no such world; there are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    for setup in wanted {
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
        let mut told = began;
        let goes_on = |progress: Progress| {
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                println!("  {} states within {} moves", progress.states, progress.depth);
            }
            let is_in_time = arguments.minutes_max.is_none_or(|minutes| began.elapsed() < Duration::from_mins(minutes));
            progress.states <= arguments.states_max && is_in_time
        };
        match explore(&model, goes_on) {
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
                match unfinished {
                    Unfinished::Counterexample { broken, .. } if broken.property == SAME => code = ExitCode::FAILURE,
                    Unfinished::Counterexample { broken, .. } => {
                        println!("  FOUND: {}", broken.property);
                        code = ExitCode::from(FOUND);
                    }
                    // Whoever limits the time asks how far it comes, and gets no verdict.
                    Unfinished::Stopped(_) if arguments.minutes_max.is_none() => code = ExitCode::FAILURE,
                    Unfinished::Stopped(_) => {}
                }
            }
        }
    }
    code
}
