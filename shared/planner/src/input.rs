//! The input of a decision.

use jiff::Timestamp;

use crate::action::Outcome;
use crate::fact::Fact;
use crate::ids::FleetName;
use crate::observation::{Freeze, Observation};
use crate::policy::Defaults;
use crate::record::Record;

/// The complete input of a decision.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub fleet: &'a FleetName,
    /// The record. None: this is the first pass.
    pub record: Option<&'a Record>,
    /// The facts that no decision has consumed.
    pub facts: &'a [Fact],
    /// The results of the previous decision's actions in the same run.
    pub outcomes: &'a [Outcome],
    /// The freezes in the table, including expired ones.
    pub freezes: &'a [Freeze],
    /// What this pass has read.
    pub seen: &'a Observation,
    /// The stack's default policy.
    pub defaults: &'a Defaults,
    pub now: Timestamp,
}
