//! The result of the planner.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::action::Action;
use crate::ids::{InstanceId, RuleName};
use crate::notification::Notification;
use crate::record::Record;
use crate::record::history::HistoryEntry;
use crate::waiting::Waiting;

/// The planner's decision. Its caller (the `reconcile` function) commits it and performs its actions without any choice
/// of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a decision that is not committed and acted on is lost"]
pub struct Decision {
    /// The record to commit before any action.
    pub next: Record,
    /// Whether the record needs a commit.
    pub changed: bool,
    /// The keys of facts to delete, because the record now contains them or they are of no use.
    pub consumed: Vec<String>,
    /// The history entries to commit with the record.
    pub history: Vec<HistoryEntry>,
    /// The notifications to commit with the record. They are written to the outbox, from which they are sent after the
    /// commit.
    pub notifications: Vec<Notification>,
    /// The actions to perform, in this order. They are never stored: after a crash, the next decision derives the
    /// remaining actions from what it reads.
    pub actions: Vec<Action>,
    /// Why each drifted instance waits.
    pub waiting: BTreeMap<InstanceId, Waiting>,
    /// Why the cutover in progress waits. None: it does not wait, or none is in progress.
    pub cutover_waits: Option<Waiting>,
    /// The time at which the next pass must run at the latest. None: nothing is due.
    pub recheck: Option<Timestamp>,
    /// Config rules that an instance began to break in this pass. They are stored for the account, where all fleets
    /// read them.
    pub begins_to_drift: BTreeSet<RuleName>,
}

impl Decision {
    /// A decision that commits this record and has no action.
    pub const fn keeping(next: Record) -> Self {
        Self {
            next,
            changed: true,
            consumed: Vec::new(),
            history: Vec::new(),
            notifications: Vec::new(),
            actions: Vec::new(),
            waiting: BTreeMap::new(),
            cutover_waits: None,
            recheck: None,
            begins_to_drift: BTreeSet::new(),
        }
    }
}
