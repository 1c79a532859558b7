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
    /// The stored record of the fleet. None: this is the first pass over the fleet.
    pub record: Option<&'a Record>,
    /// The facts that no decision has consumed.
    pub facts: &'a [Fact],
    /// The results of the previous decision's actions in the same run.
    pub outcomes: &'a [Outcome],
    /// The stored freezes of this fleet and of the account, including expired ones.
    pub freezes: &'a [Freeze],
    /// What this pass has read from AWS.
    pub seen: &'a Observation,
    /// The default policy, from the parameters of the stack.
    pub defaults: &'a Defaults,
    pub now: Timestamp,
}
