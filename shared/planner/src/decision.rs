//! What goes out of a decision, apart from its actions.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::action::Action;
use crate::ids::{InstanceId, RuleName};
use crate::notification::Notification;
use crate::record::Record;
use crate::record::history::HistoryEntry;
use crate::waiting::Waiting;

/// The planner's answer. It fixes everything: acting on it needs no further choice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a decision that is not committed and acted on is lost"]
pub struct Decision {
    /// The record to commit before anything is done.
    pub next: Record,
    /// Whether there is anything to commit.
    pub changed: bool,
    /// Facts that are now part of the record and need not be kept.
    pub consumed: Vec<String>,
    /// What to write into the history with the commit.
    pub history: Vec<HistoryEntry>,
    /// What to tell on-call, with the commit, through the outbox.
    pub notifications: Vec<Notification>,
    /// What to do, in this order. Never in the record: the next decision derives what is still to be done from what
    /// it sees.
    pub actions: Vec<Action>,
    /// Why each drifted instance waits.
    pub waiting: BTreeMap<InstanceId, Waiting>,
    /// Why the cutover under way waits. None: it does not, or none is under way.
    pub cutover_waits: Option<Waiting>,
    /// When to reconcile again at the latest. None: nothing is waited for.
    pub recheck: Option<Timestamp>,
    /// Rules that an instance began to break in this pass: kept with the account, where all fleets see it.
    pub begins_to_drift: BTreeSet<RuleName>,
}

impl Decision {
    /// A decision that commits this record and does nothing else.
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
