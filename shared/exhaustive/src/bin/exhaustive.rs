//! `exhaustive`: bounded model checking. It explores every state of small models and prints what it found.
#![expect(clippy::print_stdout, reason = "a command line tool speaks there")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use driftless_exhaustive::explore::{Explored, Progress, SAMENESS, Unfinished, explore};
use driftless_exhaustive::setups::{self, Setup, Size};
use driftless_exhaustive::small::Small;

/// An allocator for speed: the system allocator would take half of the run time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code for a violated property of the planner. Every other failure exits with 1, even a violated property of
/// the explorer itself, so that `make soak` can distinguish a counterexample from a search that failed.
const FOUND: u8 = 76;

/// How often the command prints its progress.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Bounded model checking: explores every state of small models.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only the model with this name.
    #[arg(long)]
    world: Option<String>,
    /// Only models of this size: the smallest, those that were explored completely, or those that never were.
    #[arg(long, value_enum, conflicts_with = "world")]
    size: Option<Size>,
    /// Stop in a model with more states.
    #[arg(long, default_value_t = 20_000_000)]
    states_max: usize,
    /// Stop in a model after this many minutes and print how many states were found. Such a stop is no failure.
    #[arg(long)]
    minutes_max: Option<u64>,
    /// Print the events, steps and guards that occurred.
    #[arg(long)]
    seen: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (mut has_failed, mut is_found) = (false, false);
    let is_wanted = |setup: &Setup| {
        arguments.world.as_ref().is_none_or(|world| world == setup.name)
            && arguments
                .size
                .is_none_or(|size| size == setup.size || (size == Size::Explored && setup.size == Size::Small))
    };
    let wanted: Vec<_> = setups::all().into_iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        let names: Vec<_> = setups::all().iter().map(|setup| setup.name).collect();
        println!("there is no such model: the models are {}", names.join(", "));
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
                print_explored(&explored, began.elapsed(), arguments.seen);
            }
            Err(unfinished) => {
                println!("  {unfinished}\n  after {:.1} s", began.elapsed().as_secs_f64());
                match unfinished {
                    Unfinished::Counterexample { broken, .. } if broken.property != SAMENESS => {
                        println!("  FOUND: {}", broken.property);
                        is_found = true;
                    }
                    // A stop after the time that the caller has set is no failure.
                    Unfinished::Stopped(_) if arguments.minutes_max.is_some() => {}
                    Unfinished::Counterexample { .. } | Unfinished::Stopped(_) => has_failed = true,
                }
            }
        }
    }
    match (has_failed, is_found) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(FOUND),
        (false, false) => ExitCode::SUCCESS,
    }
}

fn print_explored(explored: &Explored, took: Duration, with_seen: bool) {
    println!(
        "  {} states, {} transitions, depth {}, {} at rest, at most {} calm moves to rest, {} expanded twice, {:.1} s",
        explored.states,
        explored.transitions,
        explored.depth,
        explored.at_rest,
        explored.calm_moves_max,
        explored.doubted,
        took.as_secs_f64()
    );
    for (property, count) in &explored.tally.checked {
        println!("  {count:>12} times: {property}");
    }
    if with_seen {
        for what in &explored.tally.seen {
            println!("  seen: {what}");
        }
    }
}
