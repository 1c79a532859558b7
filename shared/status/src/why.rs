//! Why a fleet, an instance or an image is where it is: every guard's verdict, in the order in which the planner asks.

use std::str::FromStr;

use driftless_planner::ids::{FleetName, IdError, ImageId, InstanceId};
use driftless_planner::text::UntrustedText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{FleetStatus, GuardResult, GuardStatus, SCHEMA, WaitStatus};

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "kebab-case")]
pub enum Subject {
    Fleet(FleetName),
    Instance(InstanceId),
    Image(ImageId),
}

impl FromStr for Subject {
    type Err = IdError;

    /// An id is told from a fleet's name by its beginning. A fleet whose name begins as an id, and is none, is a fleet.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let instance = text.parse().map(Self::Instance);
        let image = text.parse().map(Self::Image);
        instance.or(image).or_else(|_: IdError| text.parse().map(Self::Fleet))
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Why {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    pub fleet: FleetName,
    /// What was asked about.
    pub subject: Subject,
    /// When it was read.
    pub at: Timestamp,
    /// The answer in a sentence.
    pub says: UntrustedText,
    /// More that is known, in the order of its weight.
    pub because: Vec<UntrustedText>,
    /// What holds it first. None: nothing does.
    pub waits: Option<WaitStatus>,
    /// Every guard's verdict, in the order in which they are asked. Empty: nothing of it asks for anything.
    pub guards: Vec<GuardStatus>,
    /// When one of those that hold may change by itself, the first of them. None: none does by itself.
    pub may_change_at: Option<Timestamp>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyError {
    /// It is another fleet's status.
    #[error("this is what fleet {answered} does, and {asked} was asked about")]
    OtherFleet {
        /// What was asked about.
        asked: FleetName,
        /// What there is an answer for.
        answered: FleetName,
    },
}

/// Why it is where it is.
///
/// # Errors
///
/// Where the status is another fleet's.
pub fn why(status: &FleetStatus, subject: &Subject) -> Result<Why, WhyError> {
    match subject {
        Subject::Fleet(asked) if *asked != status.fleet => {
            Err(WhyError::OtherFleet { asked: asked.clone(), answered: status.fleet.clone() })
        }
        Subject::Fleet(_) => Ok(of_fleet(status, subject)),
        Subject::Instance(id) => Ok(of_instance(status, subject, id)),
        Subject::Image(id) => Ok(of_image(status, subject, id)),
    }
}

fn answer(
    status: &FleetStatus,
    subject: &Subject,
    says: impl Into<UntrustedText>,
    because: Vec<UntrustedText>,
    (waits, guards): (Option<WaitStatus>, Vec<GuardStatus>),
) -> Why {
    let holding = guards.iter().filter(|guard| guard.verdict == GuardResult::Holds);
    let of_guards = holding.filter_map(|guard| guard.holds.as_ref()?.may_change_at);
    let may_change_at = of_guards.chain(waits.as_ref().and_then(|waits| waits.may_change_at)).min();
    Why {
        schema: SCHEMA,
        fleet: status.fleet.clone(),
        subject: subject.clone(),
        at: status.at,
        says: says.into(),
        because,
        waits,
        guards,
        may_change_at,
    }
}

/// What a cutover asks comes first; without one, what the oldest drift asks.
fn of_fleet(status: &FleetStatus, subject: &Subject) -> Why {
    let conditions = status.conditions.iter().map(|known| format!("{}: {}", known.condition, known.detail).into());
    let because = conditions.collect();
    let asked = match (&status.cutover, status.drifted.first()) {
        (Some(cutover), _) => (cutover.waits.clone(), cutover.guards.clone()),
        (None, Some(oldest)) => (oldest.held_by.clone(), oldest.guards.clone()),
        (None, None) => (None, Vec::new()),
    };
    answer(status, subject, status.says.clone(), because, asked)
}

fn of_instance(status: &FleetStatus, subject: &Subject, id: &InstanceId) -> Why {
    let nothing = (None, Vec::new());
    if let Some(kept) = status.quarantined.iter().find(|kept| kept.instance == *id) {
        let says = format!("{id} is kept for forensics until {:.0}", kept.until);
        return answer(status, subject, says, kept.reasons.clone(), nothing);
    }
    if let Some(ancestor) = status.drifted.iter().find(|work| work.successor.as_ref() == Some(id)) {
        let says = format!("{id} is to take the place of {}, which is {}", ancestor.instance, ancestor.phase);
        return answer(status, subject, says, ancestor.reasons.clone(), nothing);
    }
    let Some(work) = status.drifted.iter().find(|work| work.instance == *id) else {
        let says = format!("nothing that was read holds {id} for drifted");
        return answer(status, subject, says, Vec::new(), nothing);
    };
    let remarks = work.findings.iter().filter_map(|finding| finding.annotation.clone());
    let failures = work.failures.iter().map(|failure| format!("an attempt failed: {}", failure.why).into());
    let successor = work.successor.as_ref().map(|successor| format!("its successor is {successor}").into());
    let deadline = work.deadline.map(|at| format!("it must be {} no longer than until {at:.0}", work.phase).into());
    let known = work.reasons.iter().cloned().chain(remarks).chain(work.given_up.clone());
    let because = known.chain(successor).chain(deadline).chain(failures).collect();
    let says = match (&work.held_by, work.guards.is_empty()) {
        (Some(waits), _) => format!("{id} is {}, and waits: {}", work.phase, waits.why),
        (None, true) => format!("{id} is {}", work.phase),
        (None, false) => format!("{id} is {}, and all guards agree", work.phase),
    };
    answer(status, subject, says, because, (work.held_by.clone(), work.guards.clone()))
}

fn of_image(status: &FleetStatus, subject: &Subject, id: &ImageId) -> Why {
    let mut asked = (None, Vec::new());
    let mut because: Vec<UntrustedText> = Vec::new();
    let veto = status.vetoes.iter().find(|veto| veto.image == *id);
    let held = status.deferred.iter().find(|held| is_of(held.candidate.as_str(), id));
    let refused = status.refused.iter().find(|refused| refused.image == *id);
    let past = status.past.iter().find(|past| past.image == *id);
    let read = status.images.iter().find(|image| image.image == *id);
    let first = read.and_then(|image| image.guards.iter().find_map(|guard| guard.holds.clone()));
    let is_coming = status.cutover.as_ref().filter(|cutover| cutover.image == *id);
    let says = if let Some(cutover) = is_coming {
        because.push(cutover.reason.clone());
        asked = (cutover.waits.clone(), cutover.guards.clone());
        format!("{id} is to take the traffic, and is {}", cutover.phase)
    } else if status.release.as_ref().is_some_and(|release| release.image == *id) {
        format!("{id} is what the fleet runs")
    } else if let Some(veto) = veto {
        because.extend(veto.evidence.iter().cloned());
        format!("{id} must not take traffic: vetoed by {}", veto.by)
    } else if let Some(held) = held {
        let until = held.until.map_or_else(|| "until a person says so".to_owned(), |until| format!("until {until:.0}"));
        let waits = WaitStatus { guard: "held-back".to_owned(), why: held.why.clone(), may_change_at: held.until };
        asked = (Some(waits), Vec::new());
        format!("{id} is held back {until}: {}", held.why)
    } else if let Some(refused) = refused {
        format!("{id} is no candidate: {}", refused.why)
    } else {
        match (read, &first) {
            (None, _) => format!("{id} was not read: no tag or announcement names it for this fleet"),
            (Some(_), Some(first)) => format!("{id} is no candidate: {}", first.why),
            (Some(_), None) => {
                format!("nothing speaks against {id}: the mode, a newer one or a cutover under way comes first")
            }
        }
    };
    // What holds the cutover is asked after what an image is asked.
    if is_coming.is_none() {
        asked = (asked.0.or(first), read.map(|image| image.guards.clone()).unwrap_or_default());
    }
    because.extend(past.map(|past| format!("{} at {:.0}: {}", past.outcome, past.ended_at, past.why).into()));
    answer(status, subject, says, because, asked)
}

/// A candidate whose template is new is named with that, after the image.
fn is_of(candidate: &str, id: &ImageId) -> bool {
    candidate.split('@').next() == Some(id.as_str())
}
