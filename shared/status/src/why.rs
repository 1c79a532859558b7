//! Explains why a fleet, an instance or an image is in its state, by the result of every guard in the order in which
//! the planner checks them.

use std::str::FromStr;

use driftless_planner::ids::{FleetName, IdError, ImageId, InstanceId};
use driftless_planner::text::UntrustedText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{FleetStatus, GuardResult, GuardStatus, SCHEMA, WaitStatus};

/// The subject of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "subject"))]
pub enum Subject {
    /// A fleet, by its name.
    Fleet(FleetName),
    /// An instance, by its id.
    Instance(InstanceId),
    /// An image, by its id.
    Image(ImageId),
}

impl FromStr for Subject {
    type Err = IdError;

    /// Parses an instance id, which begins with `i-`, or an image id, which begins with `ami-`. Any other text is the
    /// name of a fleet, even if it begins in this way.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let instance = text.parse().map(Self::Instance);
        let image = text.parse().map(Self::Image);
        instance.or(image).or_else(|_: IdError| text.parse().map(Self::Fleet))
    }
}

/// Why a fleet, an instance or an image is in its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline, rename = "why"))]
pub struct Why {
    /// The version of this document's fields, 1.
    #[serde(rename = "schema_version")]
    pub schema: u32,
    /// The fleet.
    pub fleet: FleetName,
    /// The subject of the query.
    pub subject: Subject,
    /// When the fleet was read.
    pub at: Timestamp,
    /// The answer to the query in a sentence.
    #[serde(rename = "message")]
    pub says: UntrustedText,
    /// Further known facts, the most important first.
    pub because: Vec<UntrustedText>,
    /// The first guard that blocks, with what it found. Null: no guard blocks.
    #[serde(rename = "waiting_for")]
    pub waits: Option<WaitStatus>,
    /// The result of every guard, in the order in which the planner checks them. Empty: no guard applies.
    pub guards: Vec<GuardStatus>,
    /// The first time at which a guard that blocks may pass without any change from outside. Null: there is no such
    /// time.
    pub may_change_at: Option<Timestamp>,
}

/// Why a query cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyError {
    /// The status is that of another fleet than the query is about.
    #[error("the status is of fleet {answered}, and the query is about fleet {asked}")]
    OtherFleet {
        /// The fleet of the query.
        asked: FleetName,
        /// The fleet of the status.
        answered: FleetName,
    },
}

/// Explains why a subject is in its state.
///
/// # Errors
///
/// The status is that of another fleet.
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

/// Explains a fleet by the guards of its cutover or, without a cutover, by those of its oldest drifted instance.
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
        let says = format!(
            "{id} is the replacement instance for {}, whose replacement is {}",
            ancestor.instance, ancestor.phase
        );
        return answer(status, subject, says, ancestor.reasons.clone(), nothing);
    }
    let Some(work) = status.drifted.iter().find(|work| work.instance == *id) else {
        let says = format!("{id} is not drifted by what was read");
        return answer(status, subject, says, Vec::new(), nothing);
    };
    let remarks = work.findings.iter().filter_map(|finding| finding.annotation.clone());
    let failures = work.failures.iter().map(|failure| format!("an attempt failed: {}", failure.why).into());
    let successor = work.successor.as_ref().map(|successor| format!("its replacement instance is {successor}").into());
    let deadline = work.deadline.map(|at| format!("the phase {} ends at {at:.0} at the latest", work.phase).into());
    let known = work.reasons.iter().cloned().chain(remarks).chain(work.abandoned.clone());
    let because = known.chain(successor).chain(deadline).chain(failures).collect();
    let says = match (&work.held_by, work.guards.is_empty()) {
        (Some(waits), _) => format!("{id} is {}: {}", work.phase, waits.why),
        (None, true) => format!("{id} is {}", work.phase),
        (None, false) => format!("{id} is {}, and every guard passes", work.phase),
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
        format!("{id} is the image of the cutover in progress, which is {}", cutover.phase)
    } else if status.release.as_ref().is_some_and(|release| release.image == *id) {
        format!("{id} is the image of the last good release")
    } else if let Some(veto) = veto {
        because.extend(veto.evidence.iter().cloned());
        format!("{id} must not take traffic: vetoed by {}", veto.by)
    } else if let Some(held) = held {
        let until =
            held.until.map_or_else(|| "until an operator sends retry".to_owned(), |until| format!("until {until:.0}"));
        let waits = WaitStatus { guard: "deferred".to_owned(), why: held.why.clone(), may_change_at: held.until };
        asked = (Some(waits), Vec::new());
        format!("{id} is deferred {until}: {}", held.why)
    } else if let Some(refused) = refused {
        format!("{id} is no candidate: {}", refused.why)
    } else {
        match (read, &first) {
            (None, _) => {
                format!("{id} was not read: neither a tag nor an image.published event names it for this fleet")
            }
            (Some(_), Some(first)) => format!("{id} is no candidate: {}", first.why),
            (Some(_), None) => {
                format!(
                    "every check of {id} passes: the mode, a newer image or a cutover in progress keeps it from starting"
                )
            }
        }
    };
    // The guards of the cutover come after the checks of its image.
    if is_coming.is_none() {
        asked = (asked.0.or(first), read.map(|image| image.guards.clone()).unwrap_or_default());
    }
    because.extend(past.map(|past| format!("{} at {:.0}: {}", past.outcome, past.ended_at, past.why).into()));
    answer(status, subject, says, because, asked)
}

/// Whether a candidate has this image. The text of a candidate with a new template names the template after the image.
fn is_of(candidate: &str, id: &ImageId) -> bool {
    candidate.split('@').next() == Some(id.as_str())
}
