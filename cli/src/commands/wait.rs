//! `driftless wait`, for pipelines. [`Waiting`] evaluates each response; [`run`] sleeps between two queries.

use std::str::FromStr;

use clap::Args;
use driftless_planner::ids::{FleetName, ImageId};
use driftless_planner::record::{CutoverOutcome, CutoverPhaseKind};
use driftless_status::FleetStatus;
use driftless_status::cutover::{CutoverStatus, Progress};
use driftless_status::model::State;
use jiff::SignedDuration;
use serde::Serialize;

use crate::console::{Console, Failure, is_idle, printable};
use crate::exit::Exit;
use crate::values;

/// What `driftless wait` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the fleet
    fleet: FleetName,
    /// State to wait for: idle (no work in progress; old name: settled), phase=PHASE of the cutover, outcome
    /// (done) or outcome=OUTCOME
    #[arg(long = "for", value_name = "WHAT")]
    goal: Goal,
    /// Only a cutover to this image counts [default: the cutover under way, or the next one]
    #[arg(long)]
    image: Option<ImageId>,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = values::duration)]
    timeout: SignedDuration,
    /// How long to wait between two queries
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = values::duration)]
    every: SignedDuration,
}

/// The state that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// No work is in progress.
    Idle,
    /// The cutover is in this phase, or has passed it.
    Phase(String),
    /// The cutover has ended with this outcome.
    Outcome(String),
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = |word: &str, words: &[&str]| {
            let list = words.join(", ");
            words.contains(&word).then(|| word.to_owned()).ok_or_else(|| format!("one of {list}"))
        };
        let phases: Vec<&str> = CutoverPhaseKind::all().iter().map(|phase| (*phase).into()).collect();
        let outcomes: Vec<&str> = CutoverOutcome::all().iter().map(|outcome| outcome.name()).collect();
        match text.split_once('=') {
            None if ["idle", "settled"].contains(&text) => Ok(Self::Idle), // "settled" is the old name
            None if text == "outcome" => Ok(Self::Outcome("done".to_owned())),
            Some(("phase", phase)) => known(phase, &phases).map(Self::Phase),
            Some(("outcome", outcome)) => known(outcome, &outcomes).map(Self::Outcome),
            None | Some(_) => Err("one of idle, phase=PHASE, outcome or outcome=OUTCOME".to_owned()),
        }
    }
}

/// The conclusion from a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The state is reached.
    Reached(String),
    /// The state will not be reached without an operator.
    Missed(String),
    /// The state is not reached yet, for the reason in the text.
    Waits(String),
}

/// The state of a wait. The first cutover that was seen is the one that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    goal: Goal,
    image: Option<ImageId>,
    /// The id of the cutover that is followed, once that cutover is stored.
    followed: Option<String>,
}

impl Waiting {
    /// Creates a wait. If `image` is given, only a cutover to that image counts.
    pub const fn new(goal: Goal, image: Option<ImageId>) -> Self {
        Self { goal, image, followed: None }
    }

    /// Evaluates a response of the function `status`.
    pub fn take(&mut self, status: &FleetStatus) -> Verdict {
        let is_at_a_stop =
            status.state == State::NeedsOperator && self.goal != Goal::Phase("needs-operator".to_owned());
        if is_at_a_stop {
            return Verdict::Missed(format!("the cutover needs an operator: {}", status.says));
        }
        match self.goal.clone() {
            Goal::Idle if is_idle(status) => Verdict::Reached("the fleet is idle".to_owned()),
            Goal::Idle if status.in_progress_since.is_none() => {
                Verdict::Waits(format!("{} stored events or commands are not applied yet", status.facts_filed))
            }
            Goal::Idle => Verdict::Waits(status.says.to_string()),
            Goal::Phase(phase) => {
                self.cutover(status, |cutover| in_phase(cutover, &phase), |outcome| outcome == "done")
            }
            Goal::Outcome(wanted) => self.cutover(
                status,
                |cutover| Verdict::Waits(format!("the cutover is {}", cutover.phase)),
                |outcome| outcome == wanted,
            ),
        }
    }

    /// Follows one cutover to its end, even if another one starts after it.
    fn cutover(
        &mut self,
        status: &FleetStatus,
        under_way: impl Fn(&CutoverStatus) -> Verdict,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Verdict {
        let is_meant = |image: &ImageId| self.image.as_ref().is_none_or(|wanted| wanted == image);
        let current = status.cutover.as_ref().filter(|cutover| cutover.is_on_record && is_meant(&cutover.image));
        let current = current.filter(|cutover| self.followed.as_ref().is_none_or(|id| *id == cutover.id));
        if let Some(cutover) = current {
            self.followed = Some(cutover.id.clone());
            return under_way(cutover);
        }
        // A cutover that was named by its image may have ended before the wait began.
        let ended = status.past.iter().find(|past| match (&self.followed, &self.image) {
            (Some(id), _) => past.id == *id,
            (None, Some(image)) => past.image == *image,
            (None, None) => false,
        });
        match ended {
            Some(past) => {
                let says = format!("the cutover to {} ended {}: {}", past.image, past.outcome, past.why);
                if is_wanted(&past.outcome) { Verdict::Reached(says) } else { Verdict::Missed(says) }
            }
            None if self.followed.is_some() => {
                Verdict::Missed("the cutover has ended, and its outcome is no longer stored".to_owned())
            }
            None => Verdict::Waits("no such cutover has started yet".to_owned()),
        }
    }
}

/// Whether the cutover has reached a phase. A phase that was passed between two responses counts as reached.
fn in_phase(cutover: &CutoverStatus, phase: &str) -> Verdict {
    let is_passed = cutover.steps.iter().any(|step| step.phase == phase && step.progress == Progress::Done);
    if cutover.phase == phase || is_passed {
        return Verdict::Reached(format!("the cutover is {}", cutover.phase));
    }
    match &cutover.because {
        // A cutover that rolls back passes none of the phases ahead.
        Some(because) if !["rolling-back", "rolled-back", "aborting"].contains(&phase) => {
            Verdict::Missed(format!("the cutover is {}: {because}", cutover.phase))
        }
        Some(_) | None => Verdict::Waits(format!("the cutover is {}", cutover.phase)),
    }
}

/// The JSON document about the end of the wait.
#[derive(Debug, Serialize)]
struct Ended<'a> {
    fleet: &'a FleetName,
    result: &'static str,
    message: &'a str,
    waited_seconds: i64,
}

/// Queries the fleet until the state is reached, can no longer be reached, or the time is over.
pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let began = console.world.now();
    let mut waiting = Waiting::new(arguments.goal.clone(), arguments.image.clone());
    let mut last = String::new();
    loop {
        let (verdict, failure) = match console.fleet(&arguments.fleet) {
            Ok(status) => (waiting.take(&status), None),
            Err(failure) if failure.is_passing() => (Verdict::Waits(printable(&failure)), Some(failure)),
            Err(failure) => return Err(failure),
        };
        let waited = console.world.now().duration_since(began);
        let left = arguments.timeout - waited;
        match verdict {
            Verdict::Reached(says) => return end(arguments, console, ("reached", Exit::Done), &says, waited),
            Verdict::Missed(says) => return end(arguments, console, ("missed", Exit::NotDone), &says, waited),
            Verdict::Waits(says) if left <= SignedDuration::ZERO => {
                // Where the last query failed, the state is unknown: that is an error, no timeout.
                return failure
                    .map_or_else(|| end(arguments, console, ("timed-out", Exit::TimedOut), &says, waited), Err);
            }
            Verdict::Waits(says) => {
                if says != last && !console.is_json {
                    console.aside(&format!("{}: {}", arguments.fleet, printable(&says)))?;
                    last = says;
                }
                console.world.sleep(arguments.every.min(left));
            }
        }
    }
}

fn end(
    arguments: &Arguments,
    console: &mut Console<'_>,
    (result, exit): (&'static str, Exit),
    says: &str,
    waited: SignedDuration,
) -> Result<Exit, Failure> {
    let fleet = &arguments.fleet;
    let ended = Ended { fleet, result, message: says, waited_seconds: waited.as_secs() };
    console.answer(&ended, |_| format!("{fleet}: {result}: {}\n", printable(says)))?;
    Ok(exit)
}
