//! Runs a scenario: its lines one after the other, on the simulated account of the fault-injection runs, with the same
//! invariant checkers.

use std::collections::BTreeSet;

use driftless_planner::ids::IdError;
use driftless_planner::policy::Defaults;
use jiff::{SignedDuration, Timestamp};

use super::check::Term;
use super::model::{Event, Scenario, Step, What, When};
use super::play::happen;
use super::report::{Failure, Report};
use super::seen::Snapshot;
use super::stage::{Cast, Stage};
use super::timeline::Watcher;
use crate::calls::Calls;
use crate::executor::Simulation;
use crate::fault_plan::{Side, Which};
use crate::trace::Trace;
use crate::world::World;

impl Scenario {
    /// Runs the scenario and reports the expectations that failed and the invariants that were violated. The seed, or
    /// else the seed in the file, draws what the file leaves to chance. Without any seed nothing is drawn.
    pub fn run(&self, seed: Option<u64>) -> Report {
        match self.tell(seed) {
            Ok(report) => report,
            Err(error) => Report::unplayable(self.story.clone(), error.to_string()),
        }
    }

    /// Sets up the account as the scenario describes it before its first event. The caller decides what happens in it.
    ///
    /// # Errors
    /// The planner's types reject a name.
    pub fn set_up(&self) -> Result<Simulation, IdError> {
        Ok(Telling::begin(self, None, None, Trace::default())?.simulation)
    }

    /// Runs the scenario once, and records the calls of every function.
    ///
    /// # Errors
    /// The planner's types reject a name.
    pub fn counted(&self) -> Result<(Report, Calls), IdError> {
        let telling = Telling::begin(self, None, None, Trace::default())?;
        let shared = telling.simulation.shared().clone();
        shared.lock().calls = Calls::on();
        let (report, _) = telling.tell_all();
        let calls = std::mem::take(&mut shared.lock().calls);
        Ok((report, calls))
    }

    /// Runs the scenario once, and calls `after` after each line and at the end, so that the caller can use the
    /// account. This takes virtual time, so no expectation is reported.
    ///
    /// # Errors
    /// The planner's types reject a name.
    pub fn played(&self, mut after: impl FnMut(&mut Simulation)) -> Result<(), IdError> {
        let mut telling = Telling::begin(self, None, None, Trace::default())?;
        telling.play(&mut after);
        Ok(())
    }

    fn tell(&self, seed: Option<u64>) -> Result<Report, IdError> {
        let (mut report, sites) = Telling::begin(self, seed, None, Trace::on())?.tell_all();
        if !self.crashes_everywhere || !report.failures.is_empty() {
            return Ok(report);
        }
        for crash in sites {
            report.runs += 1;
            let (silent, _) = Telling::begin(self, seed, Some(crash), Trace::default())?.tell_all();
            if !silent.failures.is_empty() {
                // Once more, with the timeline.
                let (told, _) = Telling::begin(self, seed, Some(crash), Trace::on())?.tell_all();
                return Ok(Report { runs: report.runs, ..told });
            }
        }
        Ok(report)
    }
}

/// A scenario while it runs.
struct Telling<'s> {
    scenario: &'s Scenario,
    cast: Cast,
    simulation: Simulation,
    watching: Watching<'s>,
}

/// What is checked after each change of the simulated account.
struct Watching<'s> {
    scenario: &'s Scenario,
    watcher: Watcher,
    failures: Vec<Failure>,
    /// The lines of `always` and `never` that have failed already.
    broken: BTreeSet<usize>,
    /// The number of violated invariants that are in `failures` already.
    checked: usize,
}

/// Stops the simulation, because the expectation holds.
struct Now;

impl<'s> Telling<'s> {
    fn begin(
        scenario: &'s Scenario,
        seed: Option<u64>,
        crash: Option<(usize, Side)>,
        trace: Trace,
    ) -> Result<Self, IdError> {
        let Stage { mut world, cast } = Stage::new(scenario, seed)?;
        world.trace = trace;
        if let Some((number, side)) = crash {
            world.fault_plan.fault(Which::Write(number), side.fault());
        }
        let watching = Watching {
            scenario,
            watcher: Watcher::of(&world),
            failures: Vec::new(),
            broken: BTreeSet::new(),
            checked: 0,
        };
        // The first resync is at 0m: Driftless sees the fleets for the first time.
        let simulation = Simulation::resynced_after(SignedDuration::ZERO, world, Defaults::default());
        Ok(Self { scenario, cast, simulation, watching })
    }

    /// Runs all lines in their order. Returns the report, and the places around writes at which a function can crash.
    fn tell_all(mut self) -> (Report, Vec<(usize, Side)>) {
        self.play(&mut |_| ());
        self.report()
    }

    /// Runs all lines in their order, and calls `after` after each of them and at the end.
    fn play(&mut self, after: &mut dyn FnMut(&mut Simulation)) {
        let scenario = self.scenario;
        let mut line_above = self.cast.start;
        for step in &scenario.steps {
            let until = match step.when {
                When::At(time) | When::By(time) => self.cast.start + time,
                When::After(length) | When::Within(length) => line_above + length,
                When::End => continue,
            };
            line_above = match (step.when, &step.what) {
                (_, What::Event(event)) => self.event(step, event, until),
                (When::By(_) | When::Within(_), What::Expect(terms)) => self.sooner_or_later(step, terms, until),
                (When::At(_) | When::After(_) | When::End, What::Expect(terms)) => {
                    self.run_to(until);
                    self.expect(step, terms);
                    until
                }
            };
            after(&mut self.simulation);
        }
        self.run_to(self.cast.start + scenario.end);
        for step in scenario.steps.iter().filter(|step| step.when == When::End) {
            if let What::Expect(terms) = &step.what {
                self.expect(step, terms);
            }
        }
        after(&mut self.simulation);
    }

    /// Runs the simulation until this time.
    fn run_to(&mut self, until: Timestamp) {
        let (cast, watching) = (&self.cast, &mut self.watching);
        // The closure never stops the run.
        let _: Result<(), Now> = self.simulation.run_until(until, |world| {
            watching.snapshot(world, cast);
            Ok(())
        });
    }

    fn event(&mut self, step: &Step, event: &Event, at: Timestamp) -> Timestamp {
        self.run_to(at);
        self.watching.watcher.note(&self.cast, at, "scenario", step.said.clone());
        let mut world = self.simulation.shared().lock();
        world.advance_cloud();
        if let Err(problem) = happen(&mut world, self.scenario, &self.cast, event) {
            self.watching.fail(step, &self.cast, at, problem);
        }
        world.advance_cloud();
        self.watching.snapshot(&world, &self.cast);
        at
    }

    /// Runs the simulation until the expectation holds, and no longer than until this time. Returns the time at which
    /// it ended.
    fn sooner_or_later(&mut self, step: &Step, terms: &[Term], until: Timestamp) -> Timestamp {
        if self.holds(terms) {
            return self.held(step);
        }
        let (cast, watching) = (&self.cast, &mut self.watching);
        let came = self.simulation.run_until(until, |world| {
            watching.snapshot(world, cast);
            let snapshot = Snapshot { world, cast, letters: &watching.watcher.letters };
            if snapshot.holds(terms) { Err(Now) } else { Ok(()) }
        });
        if came.is_err() {
            return self.held(step);
        }
        self.expect(step, terms);
        until
    }

    fn holds(&self, terms: &[Term]) -> bool {
        let world = self.simulation.shared().lock();
        Snapshot { world: &world, cast: &self.cast, letters: &self.watching.watcher.letters }.holds(terms)
    }

    /// Adds to the timeline that the expectation of a line holds now.
    fn held(&mut self, step: &Step) -> Timestamp {
        let now = self.simulation.shared().lock().now;
        self.watching.watcher.note(&self.cast, now, "passed", step.said.clone());
        now
    }

    /// Checks that the expectation of a line holds now.
    fn expect(&mut self, step: &Step, terms: &[Term]) {
        let world = self.simulation.shared().lock();
        let snapshot = Snapshot { world: &world, cast: &self.cast, letters: &self.watching.watcher.letters };
        let missing = snapshot.missing(terms);
        let now = world.now;
        drop(world);
        if missing.is_empty() {
            self.held(step);
        } else {
            self.watching.fail(step, &self.cast, now, missing.join("; "));
        }
    }

    fn report(self) -> (Report, Vec<(usize, Side)>) {
        let world = self.simulation.shared().lock();
        let report = Report {
            story: self.scenario.story.clone(),
            timeline: self.watching.watcher.timeline,
            failures: self.watching.failures,
            trace: world.trace.lines(self.cast.start).map(|line| self.cast.readable(&world.cloud, &line)).collect(),
            runs: 1,
        };
        (report, world.fault_plan.crash_sites().collect())
    }
}

impl Watching<'_> {
    fn fail(&mut self, step: &Step, cast: &Cast, at: Timestamp, found: String) {
        let at = at.duration_since(cast.start);
        self.failures.push(Failure { line: Some(step.line), expected: step.text.clone(), at, found });
    }

    /// Checks the simulated account: adds what is new to the timeline, checks the lines of `always` and `never`, and
    /// collects the violations of invariants.
    fn snapshot(&mut self, world: &World, cast: &Cast) {
        self.watcher.observe(world, cast);
        for watch in &self.scenario.watches {
            if self.broken.contains(&watch.line) {
                continue;
            }
            let snapshot = Snapshot { world, cast, letters: &self.watcher.letters };
            if snapshot.holds(&watch.terms) != watch.holds {
                self.broken.insert(watch.line);
                let missing = snapshot.missing(&watch.terms);
                let found = if missing.is_empty() { "the condition was true".to_owned() } else { missing.join("; ") };
                let at = world.now.duration_since(cast.start);
                self.failures.push(Failure { line: Some(watch.line), expected: watch.text.clone(), at, found });
            }
        }
        for violation in world.violations.iter().skip(self.checked) {
            let found = cast.readable(&world.cloud, &violation.what);
            let at = violation.at.duration_since(cast.start);
            self.failures.push(Failure {
                line: None,
                expected: format!("invariant violated: {}", violation.rule),
                at,
                found,
            });
        }
        self.checked = world.violations.len();
    }
}
