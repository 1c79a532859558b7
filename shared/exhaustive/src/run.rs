//! A reconcile, step by step: what it holds in its hands between two of them, and what of that a crash loses.

use std::collections::BTreeSet;
use std::sync::Arc;

use driftless_planner::action::{Action, ActionResult, Outcome};
use driftless_planner::decision::Decision;

use crate::canon::Pieces;
use crate::kept::Kept;
use crate::world::{Bounds, Pool, World};

/// The reconcile that holds the lease.
#[derive(Debug, Clone)]
pub enum Actor {
    /// It looks next, with what came of the last look's actions. Nothing: a fresh one.
    Looking(Vec<Outcome>),
    Acting(Hand),
}

/// A decision in somebody's hands.
#[derive(Debug, Clone)]
pub struct Hand {
    /// What it was decided to do.
    pub decided: Arc<Decided>,
    /// Which action comes next.
    pub at: usize,
    /// What came of those before.
    pub outcomes: Vec<Outcome>,
    /// Whether the decision is still to be committed.
    pub is_uncommitted: bool,
}

/// A decision, with what it was made on.
#[derive(Debug)]
pub struct Decided {
    pub decision: Decision,
    pub next: Arc<Kept>,
    /// Who served when it was made.
    pub serving: BTreeSet<u32>,
    /// How many served of each group.
    pub served: Vec<u32>,
    /// Who was drifted when it was made.
    pub drifted: BTreeSet<u32>,
    /// What people wanted of each group when it was made.
    pub wanted: Vec<Bounds>,
    /// Each action, as it counts.
    written: Vec<Pieces>,
}

impl Decided {
    /// A decision that was made on this world.
    pub fn new(decision: Decision, world: &World) -> Self {
        let written = decision.actions.iter().map(|action| Pieces::of(&format!("{action:?}"))).collect();
        Self {
            written,
            next: Arc::new(Kept::new(decision.next.clone())),
            decision,
            serving: world.servers().filter(|server| server.serves()).map(|server| server.id).collect(),
            served: world.groups.iter().map(Pool::serving).collect(),
            drifted: world.drifted.keys().copied().collect(),
            wanted: world.groups.iter().map(|pool| pool.wanted).collect(),
        }
    }
}

impl Hand {
    /// What comes next.
    pub fn next_action(&self) -> Option<&Action> {
        self.decided.decision.actions.get(self.at)
    }

    /// Goes on after an action came to this. None: that was the last one, or it did not come out as decided.
    pub fn go_on(mut self, result: ActionResult) -> Result<Self, Vec<Outcome>> {
        let is_as_decided = result.is_as_decided();
        if let Some(action) = self.next_action() {
            self.outcomes.push(Outcome { action: action.clone(), result });
        }
        self.at += 1;
        if is_as_decided && self.next_action().is_some() { Ok(self) } else { Err(self.outcomes) }
    }

    /// What of it matters for what comes.
    pub fn write(&self, pieces: &mut Pieces) {
        let Self { decided, at, outcomes, is_uncommitted } = self;
        let actions = decided.decision.actions.get(*at..).unwrap_or_default();
        for written in decided.written.get(*at..).unwrap_or_default() {
            pieces.add(written);
        }
        write_outcomes(outcomes, pieces);
        // What is judged by what could be known.
        let takes = actions.iter().any(|action| matches!(action, Action::Terminate { .. }));
        let moves = actions.iter().any(|action| matches!(action, Action::Empty { .. } | Action::SetWeights { .. }));
        let known = [(0x400, takes || moves, &decided.serving), (0x500, takes, &decided.drifted)];
        for (word, _, ids) in known.into_iter().filter(|(_, counts, _)| *counts) {
            pieces.number(word);
            for id in ids {
                pieces.id(*id);
            }
        }
        if moves {
            for served in &decided.served {
                pieces.number(u64::from(*served));
            }
        }
        if takes {
            for wanted in &decided.wanted {
                pieces.number(u64::from(wanted.desired));
            }
        }
        if *is_uncommitted {
            pieces.number(0x600);
            pieces.add(&decided.next.pieces);
            pieces.text(&format!("{:?}", decided.decision.consumed));
        }
    }
}

/// Writes the outcomes that the next look is given.
pub fn write_outcomes(outcomes: &[Outcome], pieces: &mut Pieces) {
    if !outcomes.is_empty() {
        pieces.text(&format!("{outcomes:?}"));
    }
}
