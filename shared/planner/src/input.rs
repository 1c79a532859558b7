//! What a decision is made from.

use jiff::Timestamp;

use crate::action::Outcome;
use crate::fact::Fact;
use crate::ids::FleetName;
use crate::observation::{Freeze, Observation};
use crate::policy::Defaults;
use crate::record::Record;

/// Everything that a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub fleet: &'a FleetName,
    /// Its record. None: it was never looked at before.
    pub record: Option<&'a Record>,
    /// What was reported and not used yet.
    pub facts: &'a [Fact],
    /// What came of the actions of the decision before, in the same run.
    pub outcomes: &'a [Outcome],
    /// The freezes that stand in the table, expired ones included.
    pub freezes: &'a [Freeze],
    /// What was just read.
    pub seen: &'a Observation,
    /// The stack's default policy.
    pub defaults: &'a Defaults,
    pub now: Timestamp,
}
