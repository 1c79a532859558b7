//! A scenario is told: its lines one after the other, on the world that days use, with the same judges.

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
use crate::mishaps::{Side, Which};
use crate::trace::Trace;
use crate::world::World;

impl Scenario {
    /// Tells the story, and finds what is not as it expects. A seed decides what the story leaves to chance; without one
    /// nothing is.
    pub fn run(&self, seed: Option<u64>) -> Report {
        match self.tell(seed) {
            Ok(report) => report,
            Err(error) => Report::unplayable(self.story.clone(), error.to_string()),
        }
    }

    /// The account as the story sets it up, before its first line: what else happens there is up to the caller.
    ///
    /// # Errors
    /// A name that the planner's types refuse.
    pub fn set_up(&self) -> Result<Simulation, IdError> {
        Ok(Telling::begin(self, None, None, Trace::default())?.simulation)
    }

    /// Tells the story once, and counts the calls of every function.
    ///
    /// # Errors
    /// A name that the planner's types refuse.
    pub fn counted(&self) -> Result<(Report, Calls), IdError> {
        let telling = Telling::begin(self, None, None, Trace::default())?;
        let shared = telling.simulation.shared().clone();
        shared.lock().calls = Calls::on();
        let (report, _) = telling.tell_all();
        let calls = std::mem::take(&mut shared.lock().calls);
        Ok((report, calls))
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
                // Once more, aloud.
                let (told, _) = Telling::begin(self, seed, Some(crash), Trace::on())?.tell_all();
                return Ok(Report { runs: report.runs, ..told });
            }
        }
        Ok(report)
    }
}

/// A story that is being told.
struct Telling<'s> {
    scenario: &'s Scenario,
    cast: Cast,
    simulation: Simulation,
    watching: Watching<'s>,
}

/// What is looked at after each change of the world.
struct Watching<'s> {
    scenario: &'s Scenario,
    watcher: Watcher,
    failures: Vec<Failure>,
    /// Lines of `always` and `never` that did not hold already.
    broken: BTreeSet<usize>,
    /// How many complaints of judges are known.
    judged: usize,
}

/// The wanted moment has come.
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
            world.mishaps.fault(Which::Write(number), side.fault());
        }
        let watching = Watching {
            scenario,
            watcher: Watcher::of(&world),
            failures: Vec::new(),
            broken: BTreeSet::new(),
            judged: 0,
        };
        // Driftless sees the fleets for the first time right when the story begins.
        let simulation = Simulation::swept_after(SignedDuration::ZERO, world, Defaults::default());
        Ok(Self { scenario, cast, simulation, watching })
    }

    /// Tells all lines in their order. Answers as well where functions could have died.
    fn tell_all(mut self) -> (Report, Vec<(usize, Side)>) {
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
        }
        self.run_to(self.cast.start + scenario.end);
        for step in scenario.steps.iter().filter(|step| step.when == When::End) {
            if let What::Expect(terms) = &step.what {
                self.expect(step, terms);
            }
        }
        self.report()
    }

    /// Lets everything happen until a time.
    fn run_to(&mut self, until: Timestamp) {
        let (cast, watching) = (&self.cast, &mut self.watching);
        // Nothing stops it.
        let _: Result<(), Now> = self.simulation.run_until(until, |world| {
            watching.snapshot(world, cast);
            Ok(())
        });
    }

    fn event(&mut self, step: &Step, event: &Event, at: Timestamp) -> Timestamp {
        self.run_to(at);
        self.watching.watcher.note(&self.cast, at, "story", step.said.clone());
        let mut world = self.simulation.shared().lock();
        world.advance_cloud();
        if let Err(problem) = happen(&mut world, self.scenario, &self.cast, event) {
            self.watching.fail(step, &self.cast, at, problem);
        }
        world.advance_cloud();
        self.watching.snapshot(&world, &self.cast);
        at
    }

    /// Waits until it is so, and no longer than until then.
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

    /// A line that holds now.
    fn held(&mut self, step: &Step) -> Timestamp {
        let now = self.simulation.shared().lock().now;
        self.watching.watcher.note(&self.cast, now, "holds", step.said.clone());
        now
    }

    /// It must be so now.
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
        (report, world.mishaps.crash_sites().collect())
    }
}

impl Watching<'_> {
    fn fail(&mut self, step: &Step, cast: &Cast, at: Timestamp, found: String) {
        let at = at.duration_since(cast.start);
        self.failures.push(Failure { line: Some(step.line), expected: step.text.clone(), at, found });
    }

    /// One look at the world: what is new, whether all that must always hold does, and whether a judge complains.
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
                let found = if missing.is_empty() { "it was so".to_owned() } else { missing.join("; ") };
                let at = world.now.duration_since(cast.start);
                self.failures.push(Failure { line: Some(watch.line), expected: watch.text.clone(), at, found });
            }
        }
        for violation in world.violations.iter().skip(self.judged) {
            let found = cast.readable(&world.cloud, &violation.what);
            let at = violation.at.duration_since(cast.start);
            self.failures.push(Failure { line: None, expected: violation.rule.to_owned(), at, found });
        }
        self.judged = world.violations.len();
    }
}
