//! `sim --seeds n` does many fault-injection runs; `sim --seed s` does one and prints its trace.
#![expect(clippy::print_stdout, reason = "a command line tool speaks there")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;
use driftless_simulator::day::{BUSY, Outcome, QUIET, live};
use driftless_simulator::invariants::reachability::{BATCH_MIN, missing};
use driftless_simulator::world::Counts;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Puts the production loop through days of faults, each drawn from its seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 5_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// One seed, with its story.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Go on after this many failures.
    #[arg(long, default_value_t = 0)]
    failures: usize,
}

/// The results of a batch of runs.
#[derive(Debug, Default)]
struct Batch {
    lived: u64,
    counts: Counts,
    aws_writes: std::collections::BTreeMap<&'static str, u64>,
    failed: Vec<(u64, String)>,
}

impl Batch {
    fn add(&mut self, outcome: &Outcome) {
        self.lived += 1;
        self.counts.add(&outcome.counts);
        for (name, count) in &outcome.aws_writes {
            *self.aws_writes.entry(name).or_default() += count;
        }
        if let Some(violation) = &outcome.violation {
            self.failed.push((outcome.seed, violation.to_string()));
        }
    }

    fn merge(&mut self, other: Self) {
        self.lived += other.lived;
        self.counts.add(&other.counts);
        for (name, count) in other.aws_writes {
            *self.aws_writes.entry(name).or_default() += count;
        }
        self.failed.extend(other.failed);
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => tell(seed),
        None => run(&arguments),
    }
}

fn tell(seed: u64) -> ExitCode {
    match live(seed, true) {
        Ok(outcome) => {
            for line in &outcome.story {
                println!("{line}");
            }
            if outcome.violation.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> ExitCode {
    let began = Instant::now();
    let (next, end) = (AtomicU64::new(arguments.from), arguments.from + arguments.seeds);
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let worker = || {
        let mut batch = Batch::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || batch.failed.len() > arguments.failures {
                return batch;
            }
            match live(seed, false) {
                Ok(outcome) => batch.add(&outcome),
                Err(error) => batch.failed.push((seed, error.to_string())),
            }
        }
    };
    let mut batch = Batch::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            match worker.join() {
                Ok(part) => batch.merge(part),
                Err(_) => batch.failed.push((arguments.from, "a day panicked".to_owned())),
            }
        }
    });
    report(&batch, began.elapsed().as_secs_f64())
}

fn report(batch: &Batch, seconds: f64) -> ExitCode {
    for (title, table) in [("faults", &batch.counts.faults), ("writes", &batch.aws_writes)] {
        println!("{title}");
        for (name, count) in table {
            println!("  {name:<28}{count:>10}");
        }
    }
    println!("reached");
    for (name, count) in &batch.counts.reached {
        println!("  {name:<28}{count:>10}");
    }
    let hours = batch.lived * (BUSY + QUIET).as_secs().unsigned_abs() / 3_600;
    let calls: u64 = batch.counts.calls.values().sum();
    let faults: u64 = batch.counts.faults.values().sum();
    #[expect(clippy::cast_precision_loss, reason = "a rate for a person to read")]
    let rate = batch.lived as f64 / seconds;
    println!(
        "{} seeds in {seconds:.1} s ({rate:.0} seeds/s): {hours} simulated hours, {} functions, {calls} calls, {faults} faults, \
         {} failed seeds",
        batch.lived,
        batch.counts.functions,
        batch.failed.len()
    );
    let (came, failed) = batch.counts.requests;
    println!("{} requests, {} not answered", came / 1_000, failed / 1_000);
    for (name, thousandths) in &batch.counts.failed_by {
        println!("  by {name:<25}{:>10}", thousandths / 1_000);
    }
    let missing = missing(&batch.counts);
    let is_checked = batch.lived >= BATCH_MIN;
    for name in &missing {
        println!("{} {name}", if is_checked { "NOT REACHED" } else { "not reached in so few days:" });
    }
    for (seed, why) in &batch.failed {
        println!("FAILED {why}\n  replay: make sim SEED={seed}");
    }
    if batch.failed.is_empty() && (missing.is_empty() || !is_checked) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
